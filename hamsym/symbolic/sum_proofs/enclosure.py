"""Arrays of intervals: certified bounds of a summand for all values of its indices at once.

Sums, products, quotients and roots are correctly rounded, so one step outward encloses them; of exp, log, sine and the
other functions 16 units in the last place are allowed for, more than any libm needs.

Source: Moore, Kearfott and Cloud, Introduction to Interval Analysis, chapters 2 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain, operation

_EPS = 2.0**-52
#: Arguments of sine and cosine up to which their error is that of the last place.
_FAR = 1e6


@dataclass(frozen=True)
class Box:
    """Intervals, lower and upper ends; each value lies in its own.

    Example:
        >>> third = Box.of_rational(sp.Rational(1, 3))
        >>> bool(third.low < third.high), bool((third * Box.exact(3.0)).low <= 1 <= (third * Box.exact(3.0)).high)
        (True, True)
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def exact(cls, value: float | np.ndarray) -> Box:
        """Return floats as intervals."""
        array = np.asarray(value, dtype=float)
        return cls(array, array)

    @classmethod
    def of_rational(cls, value: sp.Rational) -> Box:
        """Return an interval with a rational in it."""
        nearest = int(value.p) / int(value.q)
        if not np.isfinite(nearest):
            raise OutsideDomain
        exact = nearest.as_integer_ratio() == (int(value.p), int(value.q))
        return cls.exact(nearest) if exact else _outward(np.asarray(nearest), np.asarray(nearest))

    @property
    def is_positive(self) -> bool:
        """Whether all values certainly are."""
        return bool(np.all(self.low > 0))

    @property
    def is_nonzero(self) -> bool:
        """Whether no value can be zero."""
        return bool(np.all((self.low > 0) | (self.high < 0)))

    def __add__(self, other: Box) -> Box:
        return _outward(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Box:
        return Box(-self.high, -self.low)

    def __mul__(self, other: Box) -> Box:
        if self is other:
            return self.square()
        products = (
            self.low * other.low,
            self.low * other.high,
            self.high * other.low,
            self.high * other.high,
        )
        return _outward(np.minimum.reduce(products), np.maximum.reduce(products))

    def square(self) -> Box:
        """Return the squares."""
        size = self.magnitude()
        near = np.where((self.low <= 0) & (self.high >= 0), 0.0, np.minimum(abs(self.low), abs(self.high)))
        found = _outward(near * near, size * size)
        return Box(np.maximum(found.low, 0.0), found.high)

    def magnitude(self) -> np.ndarray:
        """Return the largest absolute values."""
        return np.maximum(abs(self.low), abs(self.high))

    def inverse(self) -> Box:
        """Return the reciprocals."""
        if not self.is_nonzero:
            raise OutsideDomain
        return _outward(1 / self.high, 1 / self.low)

    def power(self, n: int) -> Box:
        """Return integer powers."""
        if n < 0:
            return self.power(-n).inverse()
        found, square = Box.exact(1.0), self
        while n:
            if n & 1:
                found = found * square
            n >>= 1
            if n:
                square = square.square()
        return found

    def monotone(self, function: Callable[[np.ndarray], np.ndarray]) -> Box:
        """Return the values of a function that does not decrease."""
        return _libm(function(self.low), function(self.high))

    def total(self) -> Box:
        """Return the sum of all."""
        if not self.low.size:
            return Box.exact(0.0)
        slack = (self.low.size + 2) * _EPS * float(self.magnitude().sum())
        return _outward(self.low.sum() - slack, self.high.sum() + slack)


def _outward(low: np.ndarray, high: np.ndarray) -> Box:
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise OutsideDomain
    return Box(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))


def _libm(low: np.ndarray, high: np.ndarray) -> Box:
    tiny = np.finfo(float).tiny
    return _outward(low - 16 * _EPS * abs(low) - tiny, high + 16 * _EPS * abs(high) + tiny)


def _wave(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[Box], Box]:
    """Sine or cosine: its value in the middle, and no more than the width away."""

    def enclosed(x: Box) -> Box:
        if np.any(x.magnitude() > _FAR):
            raise OutsideDomain
        middle = (x.low + x.high) / 2
        radius = (x.high - x.low) * (1 + 4 * _EPS) + 4 * _EPS * abs(middle)
        value = function(middle)
        return _outward(value - radius - 16 * _EPS, value + radius + 16 * _EPS)

    return enclosed


_sin, _cos = _wave(np.sin), _wave(np.cos)


def _sqrt(x: Box) -> Box:
    return _outward(np.sqrt(_positive(x).low), np.sqrt(x.high))


def _exp(x: Box) -> Box:
    return x.monotone(np.exp)


def _log(x: Box) -> Box:
    return _positive(x).monotone(np.log)


def _positive(x: Box) -> Box:
    if not x.is_positive:
        raise OutsideDomain
    return x


def _inside(x: Box) -> Box:
    if not (np.all(x.low > -1) and np.all(x.high < 1)):
        raise OutsideDomain
    return x


def _abs(x: Box) -> Box:
    if not x.is_nonzero:
        raise OutsideDomain
    return Box(np.minimum(abs(x.low), abs(x.high)), x.magnitude())


def _half(x: Box, sign: float) -> Box:
    return (_exp(x) + Box.exact(sign) * _exp(-x)) * Box.exact(0.5)


_FUNCTIONS: dict[str, Callable[[Box], Box]] = {
    "sqrt": _sqrt,
    "exp": _exp,
    "log": _log,
    "abs": _abs,
    "sin": _sin,
    "cos": _cos,
    "tan": lambda x: _sin(x) * _cos(x).inverse(),
    "cot": lambda x: _cos(x) * _sin(x).inverse(),
    "sinh": lambda x: _half(x, -1.0),
    "cosh": lambda x: _half(x, 1.0),
    "tanh": lambda x: x.monotone(np.tanh),
    "coth": lambda x: _half(x, 1.0) * _half(x, -1.0).inverse(),
    "asin": lambda x: _inside(x).monotone(np.arcsin),
    "acos": lambda x: -_inside(x).monotone(lambda y: -np.arccos(y)),
    "atan": lambda x: x.monotone(np.arctan),
}


def enclosed(expression: sp.Expr, values: Mapping[sp.Symbol, Box], known: dict[sp.Basic, Box]) -> Box:
    """Return bounds of an expression.

    Arguments:
        expression: in the symbols of the values.
        values: an array for each symbol, all of one shape, or single numbers.
        known: what was computed before at the same values; grows.

    Raises:
        OutsideDomain: where a value is not certainly finite and smooth.
        NoTape: for functions without a rule.

    Example:
        >>> x = sp.Symbol("x")
        >>> box = enclosed(sp.sqrt(x) * sp.exp(x), {x: Box.exact([1.0, 4.0])}, {})
        >>> bool(np.all(box.high - box.low < 1e-12)), bool(abs(box.low[0] - np.e) < 1e-12)
        (True, True)
    """
    waiting = [expression]
    with np.errstate(all="ignore"):
        while waiting:
            e = waiting[-1]
            if e in known:
                waiting.pop()
                continue
            kind, arguments, extra = operation(e)
            missing = [a for a in arguments if a not in known]
            if missing:
                waiting += missing
                continue
            known[e] = _applied(kind, [known[a] for a in arguments], extra, values, e)
            waiting.pop()
    return known[expression]


def _applied(kind: str, a: list[Box], extra: object, values: Mapping[sp.Symbol, Box], e: sp.Expr) -> Box:
    if kind == "symbol":
        return values[e]
    if kind == "number":
        return Box.of_rational(e)
    if kind == "pi":
        return _outward(np.asarray(np.pi), np.asarray(np.pi))
    if kind in ("add", "mul"):
        total = a[0]
        for b in a[1:]:
            total = total + b if kind == "add" else total * b
        return total
    if kind == "power":
        assert isinstance(extra, int)
        return a[0].power(extra)
    if kind == "root":
        return _exp(_log(a[0]) * Box.of_rational(e.exp))
    if kind == "general power":
        return _exp(_log(a[0]) * a[1])
    if kind in _FUNCTIONS:
        return _FUNCTIONS[kind](a[0])
    raise NoTape(f"{e.func.__name__} has no bounds in this arithmetic")
