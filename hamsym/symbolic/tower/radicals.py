"""Real powers with rational exponents: one generator base**(1/N) for each radicand, N as large as was ever needed."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from flint import fmpq, fmpq_mpoly, fmpz

from hamsym.symbolic.tower.denest import denested, dependent
from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.limits import NotCovered
from hamsym.symbolic.tower.products import Products
from hamsym.symbolic.tower.ring import key
from hamsym.symbolic.tower.surds import root_below

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Factored, Tower

#: Integers with more bits than this are not factored.
MAX_BITS = 160


class Radicals:
    """The radical generators of a tower.

    Example:
        >>> import sympy as sp
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", positive=True))
        >>> tower.radicals.power(tower.factored(x**5), Fraction(1, 2))
        g1*g0^2
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self._finest: dict[str, int] = {}
        self._products = Products(tower)

    def power(self, factored: Factored, exponent: Fraction) -> fmpq_mpoly:
        """Return the principal real power of a product, whose domain is where the product is not negative.

        There |A| = A, so the factors of known sign come out one by one, and the squares of the others as |f|.

        Raises:
            NotCovered: if the product is never positive.
        """
        tower, ring = self.tower, self.tower.ring
        c, factors = factored
        if c == 0:
            if exponent > 0:
                return ring.zero
            raise NotCovered("a denominator is identically zero")
        unknown = tower.signs.assume_positive(factored)
        result = self._rational_power(abs(c), exponent)
        sign, together = 1 if c > 0 else -1, []
        for f, k in factors:
            if any(f is g for g in unknown):
                together.append((f, k))
            else:
                result = ring.mul(result, self.principal(tower.signs.absolute_factor(f), k * exponent))
                if k % 2 and tower.signs.of(f) == -1:
                    sign = -sign
        return ring.mul(result, self._product_power(together, sign, exponent)) if together else result

    def _product_power(
        self, factors: list[tuple[fmpq_mpoly, int]], sign: int, exponent: Fraction
    ) -> fmpq_mpoly:
        """Return (sign Π f**k)**exponent for odd k and factors of unknown sign whose product is positive.

        With t the least |k|, P = sign Π f**±1 > 0 appears as P**t and the rest are even powers of single |f|.
        The fractional part of P**(t exponent) is that of sign Π f, which needs no denominators.
        """
        tower, ring = self.tower, self.tower.ring
        t = min(abs(k) for _, k in factors)
        whole = math.floor(t * exponent)
        part = t * exponent - whole
        result, product = ring.constant(sign if whole % 2 else 1), ring.constant(sign)
        for f, k in factors:
            step = 1 if k > 0 else -1
            result = ring.mul(result, tower.integer_power(f, step * whole))
            rest = (k - step * t) * exponent - (2 * part if k < 0 else 0)
            if rest:
                result = ring.mul(result, self.principal(tower.signs.absolute_factor(f), rest))
            product = ring.mul(product, f)
        return ring.mul(result, self.principal(product, part))

    def _rational_power(self, value: fmpq, exponent: Fraction) -> fmpq_mpoly:
        ring, result = self.tower.ring, self.tower.ring.one
        for number, flip in ((value.p, 1), (value.q, -1)):
            for prime, k in prime_factors(number):
                result = ring.mul(result, self.principal(ring.constant(prime), flip * k * exponent))
        return result

    def principal(self, base: fmpq_mpoly, exponent: Fraction) -> fmpq_mpoly:
        """Return base**exponent for a base that is nonnegative on the domain."""
        tower, ring = self.tower, self.tower.ring
        exponent = Fraction(exponent)
        single = tower.single(base)
        if single is not None and single.kind == "root" and single.base is not None:
            base, exponent = single.base, exponent / single.order
        elif single is not None and single.kind == "exp" and exponent.denominator != 1:
            return tower.exp(ring.lift(single.arguments[0]) * fmpq(exponent.numerator, exponent.denominator))
        whole = math.floor(exponent)
        result = tower.integer_power(base, whole)
        if part := exponent - whole:
            result = ring.mul(result, self.radical(base, part.numerator, part.denominator))
        return result

    def radical(self, base: fmpq_mpoly, p: int, n: int) -> fmpq_mpoly:
        """Return base**(p/n), 0 < p < n, for a base that is nonnegative on the domain."""
        tower, name = self.tower, key(base)
        finest = tower.extensions[self._finest[name]] if name in self._finest else None
        if finest is None:
            known = self._in_older_ones(base, p, n)
            if known is not None:
                return known
        if finest is None or finest.order % n:
            order = n if finest is None else math.lcm(n, finest.order)
            below = base if finest is None else tower.gen(finest)
            degree = order if finest is None else order // finest.order
            made = tower.extend("root", below, nonnegative=True, base=base, order=order, degree=degree)
            made.relation = tower.ring.sub(tower.ring.power(tower.gen(made), degree), below)
            self._finest[name] = made.index
            finest = made
        return tower.ring.power(tower.gen(finest), p * finest.order // n)

    def _in_older_ones(self, base: fmpq_mpoly, p: int, n: int) -> fmpq_mpoly | None:
        """Return base**(p/n) if it can be written in generators that exist or lie lower."""
        tower, exponent = self.tower, Fraction(p, n)
        square_root = denested(tower, base) if n % 2 == 0 else None
        if square_root is not None:
            return tower.power(square_root, 2 * exponent)
        below = root_below(tower, base, n)
        if below is not None:
            root, degree = below
            return tower.power(root, degree * exponent)
        pair = dependent(tower, base)
        if pair is not None:
            product, other = pair
            return tower.ring.mul(tower.power(product, exponent), self.principal(other, -exponent))
        completed = self._products.completing(base) if n % 2 == 0 else None
        if completed is None:
            return None
        others, factors = completed
        result = tower.ring.one
        for f, m in factors:
            power = self.principal(tower.signs.absolute_factor(f), 2 * m * exponent)
            result = tower.ring.mul(result, power)
        for other in others:
            result = tower.ring.mul(result, self.principal(other, -exponent))
        return result

    def unfolded(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Write generators of which roots exist as powers of their finest root, so that factors show.

        With r**2 = x, the element x + 2*r + 1 is reduced and irreducible in appearance; r**2 + 2*r + 1 is not.
        """
        ring = self.tower.ring
        for index in ring.support(element):
            finest = self._finest.get(f"g{index}")
            if finest is not None:
                extension = self.tower.extensions[finest]
                root = ring.power(self.tower.gen(finest), extension.order)
                parts = ring.coefficients(element, index)
                element = ring.sum(ring.mul(c, ring.power(root, k)) for k, c in parts.items())
                for below in self.tower.extensions:
                    if below.kind == "root" and below.base is not None and key(below.base) == f"g{index}":
                        element = self._in_finest(element, below, extension)
        return element

    def folded(self, f: fmpq_mpoly, k: int) -> list[tuple[fmpq_mpoly, int]]:
        """Return the factors of f**k, with whole powers of the radicand if f is a radical."""
        single = self.tower.single(f)
        if single is None or single.kind != "root" or single.base is None:
            return [(f, k)]
        return [(self.tower.ring.lift(single.base), k // single.order), (f, k % single.order)]

    def _in_finest(self, element: fmpq_mpoly, root: Extension, finest: Extension) -> fmpq_mpoly:
        if root is finest:
            return element
        ring = self.tower.ring
        power = ring.power(self.tower.gen(finest), finest.order // root.order)
        return ring.sum(
            ring.mul(c, ring.power(power, k)) for k, c in ring.coefficients(element, root.index).items()
        )

    def algebraic_radicands(self) -> list[fmpq_mpoly]:
        """Return the radicands in which radicals or the like occur."""
        bases = (e.base for e in self.tower.extensions if e.kind == "root" and e.base is not None)
        return [b for b in bases if self.tower.is_algebraic(b)]


def prime_factors(number: fmpz) -> list[tuple[int, int]]:
    """Return the primes of a positive integer with their exponents.

    Example:
        >>> prime_factors(fmpz(12))
        [(2, 2), (3, 1)]
    """
    if number.bit_length() > MAX_BITS:
        raise NotCovered("the root or logarithm of a number too long to factor")
    return [(int(p), int(k)) for p, k in number.factor()] if number > 1 else []
