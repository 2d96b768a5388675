"""Radicands whose product is a square: of sqrt(x*y), sqrt(y*z) and sqrt(z*x) only two are independent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq_mpoly

from hamsym.symbolic.tower.ring import key

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower

#: Names of the factors that a product holds to an odd power.
Odd = frozenset[str]


class Products:
    """The radicands of a tower that are products of several factors of unknown signs, as vectors over GF(2).

    Example:
        >>> import sympy as sp
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x, y, z = (tower.symbol(sp.Symbol(n, real=True)) for n in "xyz")
        >>> products = Products(tower)
        >>> products.completing(x*y), products.completing(y*z)
        (None, None)
        >>> products.completing(z*x)
        ([g1*g0, g2*g1], [(g0, 1), (g1, 1), (g2, 1)])
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self._rows: list[tuple[Odd, str, Odd]] = []  # odd factors, one of them, radicands they come from
        self._radicands: dict[str, fmpq_mpoly] = {}

    def completing(self, base: fmpq_mpoly) -> tuple[list[fmpq_mpoly], list[tuple[fmpq_mpoly, int]]] | None:
        """Return radicands A_i and factors (f, m) with base * Π A_i = Π f**(2 m); else None, and base is noted.

        All of them are positive on the domain, so base**(1/n) = Π |f|**(2 m/n) / Π A_i**(1/n).
        """
        c, factors = self.tower.factored(base)
        if abs(c) != 1 or len(factors) < 2 or self.tower.is_algebraic(base):
            return None
        name = key(base)
        if name in self._radicands:
            return None
        odd = frozenset(key(f) for f, k in factors if k % 2)
        used: Odd = frozenset([name])
        for row, pivot, sources in self._rows:
            if pivot in odd:
                odd, used = odd ^ row, used ^ sources
        self._radicands[name] = base
        if odd:
            self._rows.append((odd, min(odd), used))
            return None
        others = [self._radicands[n] for n in sorted(used - {name})]
        _, whole = self.tower.merged((self.tower.factored(a), 1) for a in [*others, base])
        return others, [(f, k // 2) for f, k in whole]
