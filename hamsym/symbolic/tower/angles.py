"""Sine and cosine: one pair of generators for each basis element of the lattice of angles.

Every other angle is an integer combination of the basis and is expanded by the addition formulas, so half and
multiple angles need no rule of their own.  Multiples of pi and of inverse trigonometric functions are taken out
first: their sine and cosine are algebraic.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import sympy as sp
from flint import fmpq_mpoly

from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.lattice import Lattice
from hamsym.symbolic.tower.limits import NotCovered
from hamsym.symbolic.tower.ring import key

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower

Pair = tuple[fmpq_mpoly, fmpq_mpoly]
#: Generators whose multiples are taken out of an angle.
_KNOWN = ("asin", "atan", "atan2")


class Angles:
    """The lattice of angles of a tower and the sine and cosine of its basis.

    Example:
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", real=True))
        >>> tower.angles.settle([x, 2*x])
        >>> tower.angles.sin_cos(2*x)
        (2*g2*g1, -2*g1^2 + 1)
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self.lattice = Lattice(tower)
        self._pairs: list[tuple[Extension, Extension]] = []

    def settle(self, angles: list[fmpq_mpoly]) -> None:
        """Choose a basis for a list of angles."""
        rests = [self._split(a)[0] for a in angles]
        self.lattice.settle([r for r in rests if not r.is_zero()])

    def sin_cos(self, angle: fmpq_mpoly) -> Pair:
        """Return (sin, cos) of an angle."""
        ring = self.tower.ring
        rest, known = self._split(angle)
        pair = (ring.zero, ring.one)
        for extension, q in known:
            pair = self._turn(pair, self._known_pair(extension, q))
        if rest.is_zero():
            return pair
        coordinates = self.lattice.coordinates(rest)
        if coordinates is None:
            self.lattice.append(rest)
            coordinates = [Fraction(0)] * (len(self.lattice.basis) - 1) + [Fraction(1)]
        if any(c.denominator != 1 for c in coordinates):
            raise NotCovered("an angle is a fraction of another one that is nested differently")
        for basic in self.lattice.basis[len(self._pairs) :]:
            self._pairs.append(self._new_pair(basic))
        for (s, c), n in zip(self._pairs, coordinates, strict=False):
            if n:
                pair = self._turn(pair, self._multiple((self.tower.gen(s), self.tower.gen(c)), int(n)))
        return pair

    def join_squares(self, table: dict[str, list]) -> int:
        """Replace the factors (s - 1)(s + 1) by -c**2 in a table of factors; return the sign that is left."""
        sign = 1
        for s, c in self._pairs:
            low, high = (key(self.tower.gen(s) + d) for d in (-1, 1))
            if low in table and high in table:
                a, b = table[low][1], table[high][1]
                if a * b > 0:
                    k = min(a, b, key=abs)
                    table[low][1] -= k
                    table[high][1] -= k
                    cosine = self.tower.gen(c)
                    table.setdefault(key(cosine), [cosine, 0])[1] += 2 * k
                    sign *= (-1) ** (k % 2)
        return sign

    # -- parts of an angle -----------------------------------------------------------------------------

    def _split(self, angle: fmpq_mpoly) -> tuple[fmpq_mpoly, list[tuple[Extension, Fraction]]]:
        """Take out the multiples of pi and of inverse functions whose sine and cosine are algebraic."""
        tower = self.tower
        rest, known = tower.without(tower.reduce(angle), (*_KNOWN, "constant"))
        kept = []
        for extension, q in known:
            if _is_algebraic_multiple(extension, q):
                kept.append((extension, q))
            else:
                rest = tower.ring.add(rest, tower.gen(extension) * q.numerator / q.denominator)
        return rest, kept

    def _known_pair(self, extension: Extension, q: Fraction) -> Pair:
        tower, ring = self.tower, self.tower.ring
        if extension.kind == "constant":
            angle = sp.pi * sp.Rational(q.numerator, q.denominator)
            return self._constant(sp.sin(angle)), self._constant(sp.cos(angle))
        if extension.kind == "asin":
            sine = ring.lift(extension.arguments[0])
            pair = (sine, tower.square_root(ring.sub(ring.one, ring.power(sine, 2))))
        else:
            y, x = extension.arguments if extension.kind == "atan2" else (extension.arguments[0], ring.one)
            radius = tower.square_root(ring.add(ring.power(y, 2), ring.power(x, 2)))
            shrink = tower.inverse(radius)
            pair = (ring.mul(y, shrink), ring.mul(x, shrink))
        halvings = q.denominator.bit_length() - 1
        for _ in range(halvings):
            # The angle lies between -pi and pi, so the cosine of its half is not negative.
            s, c = pair
            half = tower.square_root(ring.add(ring.one, c) / 2)
            pair = (ring.mul(s, tower.inverse(half)) / 2, half)
        return self._multiple(pair, q.numerator)

    def _constant(self, value: sp.Expr) -> fmpq_mpoly:
        from hamsym.symbolic.tower.convert import Converter

        return Converter(self.tower).convert(value)

    # -- generators and the addition formulas ----------------------------------------------------------

    def _new_pair(self, angle: fmpq_mpoly) -> tuple[Extension, Extension]:
        tower = self.tower
        s = tower.extend("sin", angle)
        c = tower.extend("cos", angle, degree=2, partner=s.index)
        s.partner = c.index
        squares = tower.ring.add(tower.ring.power(tower.gen(c), 2), tower.ring.power(tower.gen(s), 2))
        c.relation = tower.ring.sub(squares, tower.ring.one)
        return s, c

    def _turn(self, one: Pair, other: Pair) -> Pair:
        ring, reduce = self.tower.ring, self.tower.reduce
        (s1, c1), (s2, c2) = one, other
        sine = ring.add(ring.mul(s1, c2), ring.mul(c1, s2))
        cosine = ring.sub(ring.mul(c1, c2), ring.mul(s1, s2))
        return reduce(sine), reduce(cosine)

    def _multiple(self, pair: Pair, n: int) -> Pair:
        ring = self.tower.ring
        if n < 0:
            pair, n = (-pair[0], pair[1]), -n
        result = (ring.zero, ring.one)
        while n:
            if n % 2:
                result = self._turn(result, pair)
            n //= 2
            if n:
                pair = self._turn(pair, pair)
        return result


def _is_algebraic_multiple(extension: Extension, q: Fraction) -> bool:
    if extension.kind == "constant":
        angle = sp.pi * sp.Rational(q.numerator, q.denominator)
        return q.denominator <= 60 and not (sp.sin(angle) + sp.cos(angle)).has(sp.sin, sp.cos)
    return q.denominator & (q.denominator - 1) == 0 and q.denominator <= 8
