"""A polynomial ring over Q that grows: Q[g0, g1, …] on python-flint, newest generator highest in lex order.

With the newest generator first in lex order, the leading term of ``r**n - A`` is ``r**n`` whenever A is made of
older generators, so that division by it is a reduction.  The ring is allocated in chunks; an element of a
smaller ring is lifted when it meets a larger one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx
from flint.utils.flint_exceptions import DomainError

from hamsym.symbolic.tower.limits import Clock

#: Pairs of numbers of generators and terms up to which elements are factored.
FACTORABLE = ((6, 600), (8, 100), (10**6, 40))
#: Products of fewer terms than this are formed without asking the clock.
SMALL = 20_000


class Ring:
    """Growing ring Q[g0, g1, …].

    Arguments:
        size: number of generators to allocate at first.
        clock: asked before products that could be large.

    Example:
        >>> ring = Ring(2, Clock(1.0))
        >>> x, y = ring.gen(ring.new()), ring.gen(ring.new())
        >>> ring.power(x + y, 2)
        g1^2 + 2*g1*g0 + g0^2
    """

    def __init__(self, size: int, clock: Clock) -> None:
        self.clock = clock
        self.count = 0
        self._allocate(size)

    def _allocate(self, size: int) -> None:
        self.size = max(8, -(-size // 8) * 8)
        self.context = fmpq_mpoly_ctx.get([f"g{i}" for i in range(self.size - 1, -1, -1)], Ordering.lex)
        self._gens = self.context.gens()[::-1]
        self.one = self.context.constant(1)
        self.zero = self.context.constant(0)

    def new(self) -> int:
        """Add a generator above all others and return its number."""
        if self.count == self.size:
            self._allocate(self.size + max(8, self.size // 2))
        self.count += 1
        return self.count - 1

    def gen(self, index: int) -> fmpq_mpoly:
        """Return a generator as an element."""
        return self._gens[index]

    def constant(self, value: fmpq | int) -> fmpq_mpoly:
        """Return a rational number as an element."""
        return self.context.constant(value)

    def lift(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return the element in the ring's present context."""
        if element.context() is self.context:
            return element
        return element.project_to_context(self.context)

    # -- arithmetic with lifting and size checks ------------------------------------------------------

    def add(self, a: fmpq_mpoly, b: fmpq_mpoly) -> fmpq_mpoly:
        """Return a + b."""
        return self.lift(a) + self.lift(b)

    def sub(self, a: fmpq_mpoly, b: fmpq_mpoly) -> fmpq_mpoly:
        """Return a - b."""
        return self.lift(a) - self.lift(b)

    def mul(self, a: fmpq_mpoly, b: fmpq_mpoly) -> fmpq_mpoly:
        """Return a * b."""
        if (terms := len(a) * len(b)) > SMALL:
            self.clock.allow(terms)
        return self.lift(a) * self.lift(b)

    def power(self, a: fmpq_mpoly, n: int) -> fmpq_mpoly:
        """Return a**n for an integer n >= 0."""
        terms = len(a)
        if terms > 1 and n > 1:
            self.clock.allow(math.comb(terms + n - 1, n) if n < 100_000 else Clock.LARGEST + 1)
        elif n > 1_000_000:
            self.clock.allow(n)
        return self.lift(a) ** n

    def sum(self, elements: Iterable[fmpq_mpoly]) -> fmpq_mpoly:
        """Return the sum of elements."""
        total = self.zero
        for element in elements:
            total = self.add(total, element)
        return total

    # -- structure -------------------------------------------------------------------------------------

    def derivative(self, a: fmpq_mpoly, index: int) -> fmpq_mpoly:
        """Return the partial derivative with respect to one generator."""
        a = self.lift(a)
        return a.derivative(self.size - 1 - index)

    def degrees(self, a: fmpq_mpoly) -> dict[int, int]:
        """Return the degree in each generator that occurs."""
        a = self.lift(a)
        if a.is_zero():
            return {}
        last = self.size - 1
        return {last - k: int(d) for k, d in enumerate(a.degrees()) if d > 0}

    def support(self, a: fmpq_mpoly) -> list[int]:
        """Return the generators that occur, the oldest first."""
        return sorted(self.degrees(a))

    def coefficients(self, a: fmpq_mpoly, index: int) -> dict[int, fmpq_mpoly]:
        """Return exponent -> coefficient of an element seen as a polynomial in one generator."""
        a, generator = self.lift(a), self._gens[index]
        if len(a) > SMALL:
            self.clock.allow(len(a))
        found, k = {}, 0
        while not a.is_zero():
            # Division by a generator, in C, is much faster than a walk through the terms in Python.
            a, rest = divmod(a, generator)
            if not rest.is_zero():
                found[k] = rest
            k += 1
        return found

    def split(self, a: fmpq_mpoly, indices: Sequence[int]) -> dict[tuple[int, ...], fmpq_mpoly]:
        """Return exponents -> coefficient of an element seen as a polynomial in several generators."""
        parts: dict[tuple[int, ...], fmpq_mpoly] = {(): a}
        for index in indices:
            parts = {
                (*k, e): c for k, part in parts.items() for e, c in self.coefficients(part, index).items()
            }
        return parts

    def grouped(self, a: fmpq_mpoly, indices: Sequence[int]) -> list[fmpq_mpoly]:
        """Return the coefficients of an element seen as a polynomial in several generators, in one pass."""
        a, last = self.lift(a), self.size - 1
        self.clock.allow(len(a))
        places = [last - i for i in indices]
        groups: dict[tuple[int, ...], dict[tuple[int, ...], fmpq]] = {}
        for exponents, value in a.terms():
            left = list(exponents)
            for place in places:
                left[place] = 0
            groups.setdefault(tuple(exponents[k] for k in places), {})[tuple(left)] = value
        return [self.context.from_dict(group) for group in groups.values()]

    def remainder(self, a: fmpq_mpoly, divisor: fmpq_mpoly) -> fmpq_mpoly:
        """Return a modulo a divisor whose leading term is a power of its newest generator."""
        if (terms := len(a) * len(divisor)) > SMALL:
            self.clock.allow(terms)
        return divmod(self.lift(a), self.lift(divisor))[1]

    def factors(self, a: fmpq_mpoly) -> tuple[fmpq, list[tuple[fmpq_mpoly, int]]]:
        """Return a rational number and factors with exponents, irreducible ones where that is surely fast.

        Factoring cannot be interrupted and takes minutes for some products of many variables; of those only the
        factors that are generators are split off, and a square is seen.
        """
        variables, terms = len(self.support(a)), len(a)
        if any(variables <= v and terms <= n for v, n in FACTORABLE) or (
            terms <= 300 and a.total_degree() <= 3
        ):
            c, factors = a.factor()
            return c, [(f, int(k)) for f, k in factors]
        content = a.term_content()
        found = [(self._gens[i], k) for i, k in self.degrees(content).items()]
        c, rest = self.monic(divmod(self.lift(a), content)[0])
        c *= content.leading_coefficient()
        try:
            return c, [*found, (rest.sqrt(), 2)]
        except (DomainError, ValueError):
            return c, [*found, (rest, 1)]

    def monic(self, a: fmpq_mpoly) -> tuple[fmpq, fmpq_mpoly]:
        """Return (c, f) with a = c*f and f of leading coefficient 1."""
        c = a.leading_coefficient()
        return c, a / c


def key(element: fmpq_mpoly) -> str:
    """Return a hashable name of an element that does not depend on the size of the ring.

    Example:
        >>> ring = Ring(1, Clock(1.0))
        >>> key(ring.gen(ring.new()) + 1)
        'g0 + 1'
    """
    return str(element)
