"""Exponentials of independent arguments and logarithms of irreducible factors."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from flint import fmpq, fmpq_mpoly

from hamsym.symbolic.tower.lattice import Lattice
from hamsym.symbolic.tower.limits import NotCovered
from hamsym.symbolic.tower.radicals import prime_factors
from hamsym.symbolic.tower.ring import key

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Factored, Tower


class Exponentials:
    """The generators exp(a_i), with Q-linearly independent a_i, and log|f_j|, with irreducible f_j.

    Example:
        >>> import sympy as sp
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", positive=True))
        >>> tower.exp(3*tower.log(x) + x)
        g2*g0^3
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self.lattice = Lattice(tower)
        self._exponentials: list[int] = []
        self._logarithms: dict[str, int] = {}

    def log(self, factored: Factored) -> fmpq_mpoly:
        """Return the logarithm of a product A = c Π f**k > 0 as log c + Σ k log|f|, since A = |A|."""
        c, factors = factored
        if c == 0:
            raise NotCovered("the logarithm of zero")
        self.tower.signs.assume_positive(factored)
        return self._log_absolute(c, factors)

    def _log_absolute(self, c: fmpq, factors: list[tuple[fmpq_mpoly, int]]) -> fmpq_mpoly:
        terms = [self._log_factor(f) * k for f, k in factors]
        for number, flip in ((abs(c).p, 1), (abs(c).q, -1)):
            for prime, k in prime_factors(number):
                terms.append(self._log_factor(self.tower.ring.constant(prime)) * (flip * k))
        return self.tower.ring.sum(terms)

    def _log_factor(self, f: fmpq_mpoly) -> fmpq_mpoly:
        """Return log|f| for an irreducible f."""
        tower = self.tower
        single = tower.single(f)
        if single is not None:
            if single.kind == "exp":
                return tower.ring.lift(single.arguments[0])
            if single.kind == "root" and single.base is not None:
                return self._log_absolute(*tower.factored(single.base)) / single.order
            if single.kind == "abs":
                return self._log_factor(single.arguments[0])
        name = key(f)
        if name in self._logarithms:
            return tower.gen(self._logarithms[name])
        dependent = self._dependent(f)
        if dependent is not None:
            return dependent
        self._logarithms[name] = tower.extend("log", f).index
        return tower.gen(self._logarithms[name])

    def _dependent(self, f: fmpq_mpoly) -> fmpq_mpoly | None:
        """Return log|f| = log|f g| - log|g| if log|g| exists and f*g lies below the radicals of both."""
        tower = self.tower
        if not tower.is_algebraic(f):
            return None
        for index in self._logarithms.values():
            g = tower.extensions[index].arguments[0]
            if tower.is_algebraic(g):
                product = tower.reduce(tower.ring.mul(f, g))
                if not tower.is_algebraic(product) and not product.is_zero():
                    whole = self._log_absolute(*tower.factored(product))
                    return tower.ring.sub(whole, tower.gen(index))
        return None

    def exp(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return exp(element): multiples of logarithms become powers, the rest independent exponentials."""
        tower, ring = self.tower, self.tower.ring
        argument, logs = tower.without(tower.reduce(element), ("log",))
        result = ring.one
        for extension, q in logs:
            f = extension.arguments[0]
            base = ring.lift(f) if f.is_constant() else tower.signs.absolute_factor(f)
            result = ring.mul(result, tower.radicals.principal(base, q))
        if argument.is_zero():
            return result
        for index, coordinate in self._coordinates(argument).items():
            base = tower.gen(index)
            whole = math.floor(coordinate)
            result = ring.mul(result, tower.integer_power(base, whole))
            if part := coordinate - whole:
                result = ring.mul(result, tower.radicals.radical(base, part.numerator, part.denominator))
        return result

    def _coordinates(self, argument: fmpq_mpoly) -> dict[int, Fraction]:
        """Return generator -> exponent, after adding a generator if the argument is independent of the others."""
        coordinates = self.lattice.coordinates(argument)
        if coordinates is None:
            self.lattice.append(argument)
            coordinates = [Fraction(0)] * (len(self.lattice.basis) - 1) + [Fraction(1)]
        for basic in self.lattice.basis[len(self._exponentials) :]:
            self._exponentials.append(self.tower.extend("exp", basic, nonnegative=True).index)
        return {self._exponentials[i]: c for i, c in enumerate(coordinates) if c}
