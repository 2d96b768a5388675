"""Signs on the domain, and absolute values.

The domain of a formula is where everything in it is real: a radicand or the argument of a logarithm that occurs
anywhere is positive there, and what that says about the signs of factors holds for the whole formula.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flint import fmpq, fmpq_mpoly

from hamsym.symbolic.tower.constants import constant_sign
from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.limits import EmptyDomain
from hamsym.symbolic.tower.ring import key

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Factored, Tower

#: Squares that are completed one after the other when a sign is asked.
MAX_SQUARES = 8


class Signs:
    """What is known about the signs of elements of a tower.

    Example:
        >>> import sympy as sp
        >>> from hamsym.symbolic.tower.field import Tower
        >>> from hamsym.symbolic.tower.limits import Clock
        >>> tower = Tower(Clock(1.0))
        >>> x, y = (tower.symbol(sp.Symbol(n, real=True)) for n in "xy")
        >>> tower.signs.of(x**2 + y**2), tower.signs.of(x)
        (1, None)
        >>> tower.signs.assume_positive(tower.factored(x**3))
        []
        >>> tower.signs.of(x)
        1
    """

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self._known: dict[str, int] = {}
        self._absolutes: dict[str, int] = {}
        self._asked: dict[str, fmpq_mpoly] = {}

    def of(self, f: fmpq_mpoly) -> int | None:
        """Return 1 if f >= 0 and -1 if f <= 0 wherever everything is defined, None if not known.

        A radicand or the argument of a logarithm is known to be nonnegative: elsewhere it is not real.
        """
        f = self.tower.ring.lift(f)
        scale, monic = self.tower.ring.monic(f)
        flip = 1 if scale > 0 else -1
        known = self._known.get(key(monic))
        if known is not None:
            return known * flip
        found = (
            self._sign_of_terms(monic)
            or self._sign_of_conjugate(monic)
            or self._sign_of_square(monic)
            or constant_sign(self.tower, monic)
        )
        return found * flip if found else None

    def _sign_of_terms(self, f: fmpq_mpoly) -> int | None:
        """Compare constants and terms that are never negative with the bounds of terms in sines and cosines."""
        extensions, ring = self.tower.extensions, self.tower.ring
        last = ring.size - 1
        signed = [last - e.index for e in extensions if not self._nonnegative(e)]
        varying = {last - e.index for e in extensions if e.depends}
        bounded = {last - e.index for e in extensions if e.kind in ("sin", "cos")}
        constants, variation, seen = {}, fmpq(0), set()
        for monomial, value in f.terms():
            present = [place for place, k in enumerate(monomial) if k]
            if varying.isdisjoint(present):
                constants[tuple(monomial)] = value
            elif not any(monomial[place] % 2 for place in signed):
                seen.add(1 if value > 0 else -1)
            elif bounded.issuperset(present):
                variation += abs(value)
            else:
                return None
        constant = ring.context.from_dict(constants)
        for sign in (1, -1):
            if seen <= {sign}:
                least = constant * sign - variation
                if least.is_zero() or constant_sign(self.tower, least) == 1:
                    return sign
        return None

    def _nonnegative(self, extension: Extension) -> bool:
        return extension.nonnegative or (
            extension.kind == "symbol" and self._known.get(f"g{extension.index}") == 1
        )

    def _sign_of_conjugate(self, f: fmpq_mpoly) -> int | None:
        """Return 1 for f = r + h where r = sqrt(B) and B - h**2 >= 0."""
        support = self.tower.ring.support(f)
        top = self.tower.extensions[support[-1]] if support else None
        if top is None or top.kind != "root" or top.degree != 2 or top.order != 2:
            return None
        parts = self.tower.ring.coefficients(f, top.index)
        if set(parts) - {0, 1} or not parts[1].is_one() or 0 not in parts:
            return None
        difference = self.tower.reduce(
            self.tower.ring.sub(top.arguments[0], self.tower.ring.mul(parts[0], parts[0]))
        )
        if difference.is_zero() or self._sign_of_terms(difference) == 1:
            return 1
        return None

    def _sign_of_square(self, f: fmpq_mpoly, depth: int = 0) -> int | None:
        """Complete the square: A x**2 + B x + C has the sign of the number A where 4 A C - B**2 >= 0."""
        ring = self.tower.ring
        if depth == MAX_SQUARES:
            return None
        for index, degree in ring.degrees(f).items():
            if degree == 2:
                parts = ring.coefficients(f, index)
                a = parts[2]
                if a.is_constant():
                    rest = ring.sub(4 * a * parts.get(0, ring.zero), ring.power(parts.get(1, ring.zero), 2))
                    sign = (
                        1
                        if rest.is_zero()
                        else self._sign_of_terms(rest) or self._sign_of_square(rest, depth + 1)
                    )
                    if sign == 1:
                        return 1 if a.leading_coefficient() > 0 else -1
                    return None
        return None

    def _record(self, f: fmpq_mpoly, sign: int) -> None:
        """Note that f (monic) has this sign on the whole domain, and let |f| collapse to it."""
        name = key(f)
        self._known[name] = sign
        if name in self._absolutes:
            extension = self.tower.extensions[self._absolutes[name]]
            extension.relation = self.tower.ring.sub(
                self.tower.gen(extension), self.tower.ring.lift(f) * sign
            )
            extension.degree = 1

    def of_product(self, factored: Factored) -> tuple[int, list[fmpq_mpoly]]:
        """Return the sign of c and the factors of known sign, and the odd factors of unknown sign."""
        c, factors = factored
        sign, unknown = (1 if c > 0 else -1), []
        for f, k in factors:
            if k % 2:
                known = self.of(f)
                if known is None:
                    unknown.append(f)
                else:
                    sign *= known
        return sign, unknown

    def assume_positive(self, factored: Factored) -> list[fmpq_mpoly]:
        """Draw what c * factors > 0 says about signs; return the odd factors whose signs stay unknown.

        Raises:
            EmptyDomain: if the product is never positive.
        """
        sign, unknown = self.of_product(factored)
        if not unknown and sign < 0:
            raise EmptyDomain("a root or logarithm of a quantity that is never positive: the domain is empty")
        if len(unknown) == 1:
            self._record(unknown[0], sign)
            return []
        self.ask(unknown)
        return unknown

    def ask(self, unknown: list[fmpq_mpoly]) -> None:
        """Note factors whose signs would help."""
        self._asked.update((key(f), f) for f in unknown)

    def unknown(self) -> list[fmpq_mpoly]:
        """Return the polynomials in symbols alone whose signs were asked and are not known, the simplest first.

        None of them is zero on an open set, so the regions where each has one sign are dense in the domain.
        """
        extensions, ring = self.tower.extensions, self.tower.ring
        found = [
            f
            for name, f in self._asked.items()
            if name not in self._known and all(extensions[i].kind == "symbol" for i in ring.support(f))
        ]
        return sorted(found, key=lambda f: (len(f), key(f)))

    def learn(self, element: fmpq_mpoly, c: fmpq, factors: list[tuple[fmpq_mpoly, int]]) -> None:
        """Note the sign of a single odd factor if the element shows it before denominators are cleared."""
        signs = [(f, self.of(f)) for f, k in factors if k % 2]
        unknown = [f for f, sign in signs if sign is None]
        if len(unknown) == 1:
            whole = self._sign_of_terms(self.tower.reduce(element))
            if whole is not None:
                known = math.prod(sign for _, sign in signs if sign is not None)
                self._record(unknown[0], whole * known * (1 if c > 0 else -1))

    def unfolded(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Write x**2 as |x|**2 for symbols x whose absolute value occurs in an element, so that factors show."""
        ring = self.tower.ring
        for index in ring.support(element):
            e = self.tower.extensions[index]
            if e.kind == "abs" and e.degree == 2:
                single = self.tower.single(ring.lift(e.arguments[0]))
                if single is not None and single.kind == "symbol":
                    parts = ring.coefficients(element, single.index)
                    x, size = self.tower.gen(single), self.tower.gen(e)
                    terms = (ring.mul(c, x ** (k % 2) * size ** (k - k % 2)) for k, c in parts.items())
                    element = ring.sum(terms)
        return element

    def absolute(self, factored: Factored) -> fmpq_mpoly:
        """Return the absolute value of a product."""
        ring = self.tower.ring
        c, factors = factored
        result = ring.constant(abs(c))
        for f, k in factors:
            result = ring.mul(result, self.tower.integer_power(self.absolute_factor(f), k))
        return result

    def absolute_factor(self, f: fmpq_mpoly) -> fmpq_mpoly:
        """Return |f| for an irreducible monic f, with a generator of square f**2 if the sign is not known."""
        tower, ring = self.tower, self.tower.ring
        sign = self.of(f)
        if sign is not None:
            return ring.lift(f) * sign
        name = key(f)
        if name not in self._absolutes:
            made = tower.extend("abs", f, nonnegative=True, degree=2)
            made.relation = ring.sub(ring.power(tower.gen(made), 2), ring.power(f, 2))
            self._absolutes[name] = made.index
            self._asked[name] = f
        return tower.gen(self._absolutes[name])
