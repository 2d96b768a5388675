"""The points that a learning command is given: of a named density, of a file or of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hamsym.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np


def points_of(
    target: str, n: int | None, seed: int, split: str | None, *, drawn: int, most: int | None = None
) -> np.ndarray[Any, Any]:
    """Points of a named density, of a file or of a data set, shape (n, dim).

    Arguments:
        target: name or path.
        n: how many, as the user says.
        seed: of what is drawn.
        split: of a data set.
        drawn, most: how many of a density and of a data set, if the user does not say; of a file it is all.
    """
    import numpy as np

    import hamsym

    if Path(target).is_dir():
        return states_of(target, n or most, seed, split)
    if split is not None:
        raise ParameterError(f"--split is for data sets, which {target} is not")
    if not target.endswith(".npy"):
        if Path(target).is_file():
            raise ParameterError(
                f"{target} is no .npy file; save its points, of shape (n, dim), with numpy.save"
            )
        return hamsym.targets[target].sample(n or drawn, seed=seed)
    try:
        points = np.load(target, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise ParameterError(f"{target} holds no plain array of numbers; save one with numpy.save") from error
    if points.ndim != 2 or points.dtype.kind not in "fiu":
        raise ParameterError(
            f"{target} must hold numbers of shape (n, dim), not {points.dtype} {points.shape}"
        )
    if n is None or n >= len(points):
        return points
    return points[np.sort(np.random.default_rng(seed).choice(len(points), n, replace=False))]


def states_of(folder: str, n: int | None, seed: int, split: str | None) -> np.ndarray[Any, Any]:
    """Stored coordinates of a data set, all or n of them, shape (n, dof)."""
    import numpy as np
    import torch

    from learn.data.datasets import TrajectoryDataset

    states = TrajectoryDataset(folder, fields=["q"], split=split, dtype=torch.float64)
    if n is None or n >= len(states):
        return states.tensor("q").numpy()
    return states[np.sort(np.random.default_rng(seed).choice(len(states), n, replace=False))]["q"].numpy()


def with_context(
    points: np.ndarray[Any, Any], columns: int, target: str
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the coordinates and the contexts of rows whose last columns are the context.

    Arguments:
        points: of shape (n, dim + columns).
        columns: of the context, at least one.
        target: where they come from.

    Raises:
        ParameterError: if nothing is left for the coordinates.
    """
    if points.shape[1] <= columns:
        raise ParameterError(
            f"{target} has {points.shape[1]} column(s), of which {columns} cannot be the context"
        )
    return points[:, :-columns], points[:, -columns:]
