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


def initial_states(q0: ArrayLike, p0: ArrayLike, dof: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates and momenta as finite arrays of shape ``(batch, dof)``, or refuse them by name.

    Raises:
        ShapeError: if they are not of one shape, ``(batch, dof)`` or ``(dof,)``, or empty.
        NonFiniteError: names the first trajectory that is not finite.

    Example:
        >>> initial_states([1, 0], [0, 1], 2)
        (array([[1., 0.]]), array([[0., 1.]]))
    """
    q, p = (_batch(name, value, dof) for name, value in (("q0", q0), ("p0", p0)))
    if q.shape != p.shape:
        raise ShapeError(
            f"q0 has the shape {q.shape} but p0 {p.shape}; give one momentum for each coordinate"
        )
    return q, p


def _batch(name: str, value: ArrayLike, dof: int) -> np.ndarray:
    try:
        array = np.atleast_2d(points(name, value, dof))
    except NonFiniteError as error:
        raise NonFiniteError(f"trajectory {error.index}: {error}", index=error.index, time=0.0) from None
    if array.ndim != 2:
        raise ShapeError(
            f"{name} has the shape {array.shape}; it is (batch, {dof}), or ({dof},) for one trajectory"
        )
    if len(array) == 0:
        raise ShapeError(f"{name} holds no trajectory; the batch must have at least one")
    return array
