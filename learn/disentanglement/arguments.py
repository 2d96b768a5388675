"""Rows, frames and blocks as a user gives them, made into arrays that the tests can take, or refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hamsym.arguments import integer, shown
from hamsym.errors import NonFiniteError, ParameterError, ShapeError


def as_rows(name: str, values: Any) -> np.ndarray:
    """Return rows of numbers in float64, shape (batch, …); a tensor is copied from its device.

    Raises:
        ShapeError: if they are no rows, or no real numbers.
        NonFiniteError: if one is not finite.

    Example:
        >>> as_rows("x", [[1, 2]])
        array([[1., 2.]])
    """
    try:
        values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShapeError(f"{name} must be an array of real numbers") from None
    if array.ndim < 2 or not array.size:
        raise ShapeError(f"{name} has rows, shape (batch, …), not {array.shape}")
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array.reshape(len(array), -1)).all(1)))
        raise NonFiniteError(f"{name} is not finite, first in row {row}", index=row)
    return array


def as_frame(frame: Any, width: int) -> np.ndarray:
    """Return an invertible matrix of shape (width, width).

    Raises:
        ShapeError: if it is none.

    Example:
        >>> as_frame([[2, 0], [0, 1]], 2)
        array([[2., 0.],
               [0., 1.]])
    """
    turn = as_rows("frame", frame)
    if turn.shape != (width, width) or np.linalg.matrix_rank(turn) < width:
        raise ShapeError(
            f"frame must be an invertible matrix of shape ({width}, {width}), not one of {turn.shape}"
        )
    return turn


def as_blocks(blocks: Any, factors: int, width: int) -> tuple[tuple[int, ...], ...]:
    """Return disjoint lists of coordinates below ``width``, one for each factor.

    Raises:
        ParameterError: if they are none.

    Example:
        >>> as_blocks([range(2), [3]], 2, 4)
        ((0, 1), (3,))
    """
    if isinstance(blocks, str) or not isinstance(blocks, Sequence) or len(blocks) != factors:
        raise ParameterError(
            f"blocks are {factors} lists of coordinates, one for each factor, not {shown(blocks)}"
        )
    try:
        kept = tuple(tuple(integer("coordinate", k, maximum=width - 1) for k in block) for block in blocks)
    except TypeError:
        raise ParameterError(f"each block is a list of coordinates, not {shown(blocks)}") from None
    used = [k for block in kept for k in block]
    if not all(kept) or len(set(used)) < len(used):
        raise ParameterError("blocks have at least one coordinate each, and none in common")
    return kept
