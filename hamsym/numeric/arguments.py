"""Checks of arrays, so that every function refuses the same mistakes in the same words."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hamsym.arguments import integer as integer
from hamsym.errors import NonFiniteError, ShapeError


def points(name: str, value: ArrayLike, dim: int) -> np.ndarray:
    """Return ``value`` as a finite float64 array of shape ``(..., dim)``, or refuse it by name.

    Raises:
        ShapeError: if it is no array of real numbers with a last axis of length ``dim``.
        NonFiniteError: if an entry is NaN or infinite; names the first.

    Example:
        >>> points("q", [[0, 1]], 2)
        array([[0., 1.]])
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "iuf":
            raise TypeError
        array = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShapeError(f"{name} is an array of real numbers with {dim} in its last axis") from None
    if given.ndim == 0 or array.shape[-1] != dim:
        raise ShapeError(f"{name} has the shape {given.shape}; its last axis must have length {dim}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise NonFiniteError(
            f"{name}[{', '.join(map(str, where))}] is {array[where]}; every entry must be finite",
            index=where[0] if array.ndim > 1 else 0,
        )
    return array
