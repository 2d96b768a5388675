"""How many values indices take whose limits depend on one another: sums of powers, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import comb
from typing import TypeAlias

from hamsym.symbolic.sums.affine import Affine

#: Exponents of the indices, the outermost first, to the coefficient.
Polynomial: TypeAlias = dict[tuple[int, ...], Fraction]


def count(limits: Sequence[tuple[Affine, Affine]], place: dict[object, int]) -> int:
    """Return the number of values of all indices.

    Arguments:
        limits: lower and upper value of each index, the outermost first; none runs backward by more than one.
        place: each index to its number in this order.

    Source: Graham, Knuth and Patashnik, Concrete Mathematics, section 6.5 (sums of powers).

    Example:
        >>> import sympy as sp
        >>> i, j = sp.symbols("i j")
        >>> one, far = Affine(1, {}), Affine(4, {})
        >>> count([(one, far), (Affine(1, {i: 1}), far)], {i: 0, j: 1})
        6
    """
    size = len(limits)
    total: Polynomial = {(0,) * size: Fraction(1)}
    for n in reversed(range(size)):
        lower, upper = (_polynomial(bound, place, size) for bound in limits[n])
        below = _plus(lower, {(0,) * size: Fraction(-1)})
        after: Polynomial = {}
        for exponents, coefficient in total.items():
            rest = {(*exponents[:n], 0, *exponents[n + 1 :]): coefficient}
            powers = _powers(exponents[n])
            after = _plus(after, _times(rest, _at(powers, upper, size)))
            after = _plus(after, _times(rest, _at(powers, below, size)), -1)
        total = after
    return int(total.get((0,) * size, 0))


@cache
def _powers(m: int) -> tuple[Fraction, ...]:
    """Return the coefficients, the lowest first, of the polynomial 0^m + 1^m + … + n^m of n."""
    found = [
        Fraction(comb(m + 1, k)) for k in range(m + 2)
    ]  # (n + 1)^(m+1) = Σ_k comb(m+1, k) (0^k + … + n^k)
    for k in range(m):
        for degree, c in enumerate(_powers(k)):
            found[degree] -= comb(m + 1, k) * c
    return tuple(c / (m + 1) for c in found)


def _polynomial(affine: Affine, place: dict[object, int], size: int) -> Polynomial:
    found = {(0,) * size: Fraction(affine.constant)}
    for index, stride in affine.strides.items():
        found[tuple(int(n == place[index]) for n in range(size))] = Fraction(stride)
    return found


def _at(coefficients: Sequence[Fraction], x: Polynomial, size: int) -> Polynomial:
    """Return the value of a polynomial at another one, by Horner's rule."""
    value: Polynomial = {}
    for c in reversed(coefficients):
        value = _plus(_times(value, x), {(0,) * size: c})
    return value


def _plus(a: Polynomial, b: Polynomial, sign: int = 1) -> Polynomial:
    found = dict(a)
    for exponents, c in b.items():
        found[exponents] = found.get(exponents, Fraction(0)) + sign * c
    return {exponents: c for exponents, c in found.items() if c}


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    found: Polynomial = {}
    for left, c in a.items():
        for right, d in b.items():
            key = tuple(x + y for x, y in zip(left, right, strict=True))
            found[key] = found.get(key, Fraction(0)) + c * d
    return {exponents: c for exponents, c in found.items() if c}
