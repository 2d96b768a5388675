"""How far samples are from data: the energy distance, beside what two samples of one law would read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hamsym.errors import NonFiniteError, ShapeError
from learn.arguments import seed_number

MAX_POINTS = 20_000  # of both together: their distances fill 3.2 GB
_RELABELLINGS = 200


@dataclass(frozen=True)
class EnergyDistance:
    """An energy distance with its noise floor.

    Attributes:
        value: unbiased estimate of 2E|X − Y| − E|X − X'| − E|Y − Y'| ≥ 0, in the unit of the points; around zero, also
            below it, where the laws are the same.
        noise_floor: root mean square of the same estimate when points are given to the two samples at random.
            Nothing below it is resolved.
        p_value: share of such random relabellings that read at least the value, the one at hand counted among them.

    Example:
        >>> EnergyDistance(0.1, 0.01, 0.005).to_dict()["value"]
        0.1
    """

    value: float
    noise_floor: float
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary of plain values."""
        return asdict(self)


def energy_distance(x: Any, y: Any, *, seed: int = 0) -> EnergyDistance:
    """Return the energy distance of two samples, zero just for equal laws with finite means.

    Arguments:
        x: points of shape (n, dim), arrays or tensors, n ≥ 2.
        y: points of shape (m, dim), independent of x.
        seed: of the relabellings.

    Raises:
        ShapeError: if the points have other shapes, are too few, or more than 20 000 together.
        NonFiniteError: if a point is not finite.

    Source: Székely, Rizzo, *Energy statistics*, Journal of Statistical Planning and Inference 143, 2013.

    Example:
        >>> random = np.random.default_rng(0)
        >>> near = energy_distance(random.normal(size=(500, 2)), random.normal(size=(500, 2)))
        >>> far = energy_distance(random.normal(size=(500, 2)), 1 + random.normal(size=(500, 2)))
        >>> near.value < 3 * near.noise_floor, far.value > 10 * far.noise_floor
        (True, True)
    """
    first, second = _points("x", x), _points("y", y)
    if first.shape[1] != second.shape[1]:
        raise ShapeError(f"x and y have points of one dimension, not {first.shape[1]} and {second.shape[1]}")
    n, m = len(first), len(second)
    if n + m > MAX_POINTS:
        raise ShapeError(
            f"x and y have at most {MAX_POINTS} points together, not {n + m}; take a part of each"
        )
    random = np.random.default_rng(seed_number(seed))
    points = np.concatenate([first, second])
    square = (points**2).sum(-1)
    distance = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * points @ points.T, 0))
    np.fill_diagonal(distance, 0)
    # one quadratic form in the labels holds all three means
    labels = np.zeros((n + m, _RELABELLINGS + 1))
    labels[:n, 0] = 1
    for column in range(1, _RELABELLINGS + 1):
        labels[random.permutation(n + m)[:n], column] = 1
    to_first = distance @ labels
    within = (labels * to_first).sum(0)
    across = to_first.sum(0) - within
    rest = distance.sum() - within - 2 * across
    values = 2 * across / (n * m) - within / (n * (n - 1)) - rest / (m * (m - 1))
    return EnergyDistance(
        value=float(values[0]),
        noise_floor=float(np.sqrt((values[1:] ** 2).mean())),
        p_value=float((values >= values[0]).mean()),
    )


def _points(name: str, x: Any) -> np.ndarray:
    try:
        points = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, dtype=float)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name} holds points of shape (n, dim): {error}") from error
    if points.ndim != 2 or len(points) < 2:
        raise ShapeError(f"{name} has shape (n, dim) with n ≥ 2, not {points.shape}")
    if not np.isfinite(points).all():
        row = int(np.argwhere(~np.isfinite(points))[0, 0])
        raise NonFiniteError(f"{name}: row {row} is not finite", index=row)
    return points
