"""Checks of numeric arguments, so that every function refuses the same mistakes in the same words."""

from __future__ import annotations

import math
import numbers

import numpy as np
from numpy.typing import ArrayLike

from hamsym.errors import NonFiniteError, ParameterError, ShapeError

_LARGEST = 2**53  # the last whole number that a double still counts to


def integer(name: str, value: object, *, minimum: int = 0) -> int:
    """Return ``value`` as an int, or refuse it by name.

    Raises:
        ParameterError: if it is no integer (numpy's are, bools and 2.5 are not) or out of range.

    Example:
        >>> integer("steps", 10, minimum=1)
        10
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{name} is a whole number, not {value!r}")
    number = int(value)
    if not minimum <= number <= _LARGEST:
        bound = f"at least {minimum}" if number < minimum else f"at most {_LARGEST}"
        raise ParameterError(f"{name} is {bound}, not {number}")
    return number


def real(name: str, value: object, *, positive: bool = False) -> float:
    """Return ``value`` as a finite float, or refuse it by name.

    Raises:
        ParameterError: if it is not a real number, not finite, or not positive where it must be.

    Example:
        >>> real("beta", 2, positive=True)
        2.0
    """
    if not isinstance(value, numbers.Real) or isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{name} is a real number, not {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise ParameterError(f"{name} is a finite number, not {value!r}")
    if positive and number <= 0:
        raise ParameterError(f"{name} is positive, not {value!r}")
    return number


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
