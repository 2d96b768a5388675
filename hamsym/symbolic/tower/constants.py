"""Certified values of elements without symbols, by which the signs of constants are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import arb, ctx, fmpq_mpoly

if TYPE_CHECKING:
    from hamsym.symbolic.tower.extension import Extension
    from hamsym.symbolic.tower.field import Tower

#: Working precision; a constant smaller than that counts as of unknown sign.
BITS = 256


def constant_sign(tower: Tower, element: fmpq_mpoly) -> int | None:
    """Return the sign of an element without symbols or undefined functions, None if it is not certain.

    Example:
        >>> from fractions import Fraction
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> root = tower.power(tower.ring.constant(2), Fraction(1, 2))
        >>> constant_sign(tower, root - 2), constant_sign(tower, root - 1)
        (-1, 1)
    """
    if element.is_constant():
        if element.is_zero():
            return None
        return 1 if element.leading_coefficient() > 0 else -1
    if tower.depends(element):
        return None
    with ctx.workprec(BITS):
        value = constant_value(tower, element)
    if value > 0:
        return 1
    return -1 if value < 0 else None


def constant_value(tower: Tower, element: fmpq_mpoly) -> arb:
    """Return a ball with the value of an element without symbols, at the working precision of the caller.

    Example:
        >>> from fractions import Fraction
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> constant_value(tower, tower.power(tower.ring.constant(2), Fraction(1, 2))).str(4, radius=False)
        '1.414'
    """
    return _Balls(tower).of(element)


class _Balls:
    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self._known: dict[int, arb] = {}

    def of(self, element: fmpq_mpoly) -> arb:
        ring = self.tower.ring
        element = ring.lift(element)
        total, last = arb(0), ring.size - 1
        for monomial, value in element.terms():
            term = arb(value)
            for k, e in enumerate(monomial):
                if e:
                    term *= self._generator(last - k) ** int(e)
            total += term
        return total

    def _generator(self, index: int) -> arb:
        if index not in self._known:
            self._known[index] = self._value(self.tower.extensions[index])
        return self._known[index]

    def _value(self, e: Extension) -> arb:
        a = [self.of(x) for x in e.arguments]
        match e.kind:
            case "constant":
                return arb.pi()
            case "inverse":
                return 1 / a[0]
            case "root":
                return a[0].root(e.degree)
            case "abs":
                return abs(a[0])
            case "log":
                return abs(a[0]).log()
            case "exp" | "sin" | "cos" | "asin" | "atan":
                return getattr(a[0], e.kind)()
            case "atan2":
                return arb.atan2(a[0], a[1])
        return arb.nan()
