"""Sums of inverse trigonometric functions that are zero: by the sine and cosine of the sum, and by its bounds.

A sum of angles whose sine is 0 and whose cosine is 1 is a multiple of 2 pi; if its terms bound it strictly between
-2 pi and 2 pi, it is zero.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from flint import fmpq_mpoly

from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.normal import vanishes

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower

_ARCS = ("asin", "atan", "atan2")
_QUARTER = Fraction(1, 2)


def is_zero_angle(tower: Tower, element: fmpq_mpoly) -> bool:
    """Tell whether an element is a rational combination of inverse functions and pi that is certainly zero.

    Example:
        >>> import sympy as sp
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> half, third = (tower.primitive("atan", tower.ring.constant(1) / n) for n in (2, 3))
        >>> is_zero_angle(tower, half + third - tower.symbol(sp.pi) / 4), is_zero_angle(tower, half + third)
        (True, False)
    """
    rest, terms = tower.without(tower.reduce(element), (*_ARCS, "constant"))
    if not rest.is_zero() or not any(extension.kind in _ARCS for extension, _ in terms):
        return False
    scale = math.lcm(*(q.denominator for extension, q in terms if extension.kind in _ARCS))
    low = high = Fraction(0)  # in units of pi; the ends themselves are not reached
    for extension, q in terms:
        ends = [scale * q * end for end in _range(tower, extension)]
        low, high = low + min(ends), high + max(ends)
    if low < -2 or high > 2:
        return False
    sine, cosine = tower.angles.sin_cos(tower.ring.lift(element) * scale)
    return vanishes(tower, sine) and vanishes(tower, tower.ring.sub(cosine, tower.ring.one))


def _range(tower: Tower, e: Extension) -> tuple[Fraction, Fraction]:
    """Return bounds of a term in units of pi, by what is known of the signs of its arguments."""
    if e.kind == "constant":
        return Fraction(1), Fraction(1)
    wide = Fraction(1) if e.kind == "atan2" else _QUARTER
    if e.kind == "atan2" and _sign(tower, e.arguments[1]) == 1:
        wide = _QUARTER
    sign = _sign(tower, e.arguments[0])
    return (-wide if sign != 1 else Fraction(0)), (wide if sign != -1 else Fraction(0))


def _sign(tower: Tower, element: fmpq_mpoly) -> int | None:
    factored = tower.factored(tower.ring.lift(element))
    if factored[0] == 0:
        return None
    sign, unknown = tower.signs.of_product(factored)
    tower.signs.ask(unknown)
    return None if unknown else sign
