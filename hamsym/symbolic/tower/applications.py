"""Undefined functions and inverse trigonometric functions: free generators, told apart by their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq_mpoly

from hamsym.symbolic.tower.ring import key

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower

#: Kind and name of a function, to the arguments it was met with and the generators of its derivatives there.
Places = list[tuple[tuple[fmpq_mpoly, ...], dict[tuple[int, ...], int]]]


class Applications:
    """The functions of a tower that are known by their derivatives only.

    Example:
        >>> import sympy as sp
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", real=True))
        >>> tower.function("V", (0,), (x**2,)) == tower.function("V", (0,), (x*x,))
        True
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self._places: dict[tuple[str, str], Places] = {}

    def apply(
        self, kind: str, arguments: tuple[fmpq_mpoly, ...], name: str = "", orders: tuple[int, ...] = ()
    ) -> fmpq_mpoly:
        """Return the generator of a function, or of its derivative, at arguments that are equal to known ones or new.

        Arguments:
            kind: ``function`` for undefined ones, else the name of the inverse trigonometric function.
            arguments: its arguments.
            name: the name of an undefined function.
            orders: how often it is differentiated by each argument.
        """
        tower = self.tower
        arguments = tuple(tower.reduce(a) for a in arguments)
        places = self._places.setdefault((kind, name), [])
        for known, at in places:
            if all(self._equal(a, b) for a, b in zip(known, arguments, strict=True)):
                return tower.gen(self._generator(kind, known, name, orders, at))
        places.append((arguments, {}))
        return tower.gen(self._generator(kind, arguments, name, orders, places[-1][1]))

    def inverse_function(self, kind: str, *arguments: fmpq_mpoly) -> fmpq_mpoly:
        """Return ``asin``, ``atan`` or ``atan2`` of arguments: odd in the first, atan2 of a ratio only.

        atan2(-y, x) = -atan2(y, x) off the cut, and atan2(c y, c x) = atan2(y, x) for c > 0.
        """
        ring = self.tower.ring
        first, *others = (self.tower.reduce(a) for a in arguments)
        if first.is_zero():
            return self.apply(kind, (first, *others))
        if others:
            first, others = self._without_common_factor(first, others)
        if first.leading_coefficient() < 0:
            return -self.apply(kind, (-first, *others))
        return self.apply(kind, (ring.lift(first), *others))

    def _without_common_factor(
        self, first: fmpq_mpoly, others: list[fmpq_mpoly]
    ) -> tuple[fmpq_mpoly, list[fmpq_mpoly]]:
        """Divide both arguments of atan2 by what is positive in both."""
        tower, ring = self.tower, self.tower.ring
        c, factors = tower.factored(first)
        if c == 0:
            return first, others
        exponents = {key(f): k for f, k in tower.factored(others[0])[1]}
        scale = ring.constant(1 / abs(c))
        for f, k in factors:
            common = min(k, exponents.get(key(f), 0))
            if common > 0 and tower.signs.of(f) == 1:
                scale = ring.mul(scale, tower.integer_power(f, -common))
        return tower.reduce(ring.mul(first, scale)), [tower.reduce(ring.mul(a, scale)) for a in others]

    def _generator(
        self,
        kind: str,
        arguments: tuple[fmpq_mpoly, ...],
        name: str,
        orders: tuple[int, ...],
        at: dict[tuple[int, ...], int],
    ) -> int:
        if orders not in at:
            at[orders] = self.tower.extend(kind, *arguments, name=name, orders=orders).index
        return at[orders]

    def _equal(self, a: fmpq_mpoly, b: fmpq_mpoly) -> bool:
        difference = self.tower.ring.sub(a, b)
        return difference.is_zero() or self.tower.cleared(difference)[0].is_zero()
