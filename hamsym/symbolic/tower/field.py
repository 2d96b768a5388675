"""The tower of generators over Q: symbols, inverses, radicals, absolute values, exponentials, logarithms.

Every relation that is introduced is a true identity of real functions at every point where the expressions
involved are real and finite; that alone makes a proof of zero sound.  What is done beyond it (splitting
radicands, finding dependences) is for completeness.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import sympy as sp
from flint import fmpq, fmpq_mpoly

from hamsym.symbolic.tower.angles import Angles
from hamsym.symbolic.tower.applications import Applications
from hamsym.symbolic.tower.exponentials import Exponentials
from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.limits import Clock, NotCovered
from hamsym.symbolic.tower.radicals import Radicals
from hamsym.symbolic.tower.ring import Ring, key
from hamsym.symbolic.tower.signs import Signs

#: An element as c * product of irreducible monic factors to integer powers.
Factored = tuple[fmpq, list[tuple[fmpq_mpoly, int]]]


class Tower:
    """Generators and their relations, created bottom-up.

    Arguments:
        clock: the deadline of all work in this tower.
        size: expected number of generators.

    Example:
        >>> tower = Tower(Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", real=True))
        >>> r = tower.power(x*x + 1, Fraction(1, 2))
        >>> tower.reduce(r*r)
        g0^2 + 1
    """

    def __init__(self, clock: Clock, size: int = 24) -> None:
        self.clock = clock
        self.ring = Ring(size, clock)
        self.extensions: list[Extension] = []
        self._symbols: dict[sp.Expr, int] = {}
        self._inverses: dict[str, int] = {}
        self._factored: dict[str, Factored] = {}
        self.signs = Signs(self)
        self.radicals = Radicals(self)
        self.exponentials = Exponentials(self)
        self.angles = Angles(self)
        self.applications = Applications(self)

    # -- generators ------------------------------------------------------------------------------------

    def extend(self, kind: str, *arguments: fmpq_mpoly, **attributes: object) -> Extension:
        """Add a generator on top and return its record."""
        self.clock.check()
        extension = Extension(self.ring.new(), kind, arguments, **attributes)  # type: ignore[arg-type]
        extension.depends = (
            frozenset((extension.index,))
            if kind == "symbol"
            else frozenset().union(*map(self.depends, arguments))
        )
        if kind == "function":  # V(1) is no known number: it varies with V
            extension.depends |= {extension.index}
        self.extensions.append(extension)
        return extension

    def depends(self, element: fmpq_mpoly) -> frozenset[int]:
        """Return the numbers of the symbols that an element depends on."""
        return frozenset().union(*(self.extensions[i].depends for i in self.ring.support(element)))

    def gen(self, extension: Extension | int) -> fmpq_mpoly:
        """Return a generator as an element."""
        return self.ring.gen(extension if isinstance(extension, int) else extension.index)

    def symbol(self, symbol: sp.Expr) -> fmpq_mpoly:
        """Return a symbol or a free constant (pi) as an element."""
        if symbol not in self._symbols:
            kind = "symbol" if symbol.is_Symbol else "constant"
            made = self.extend(kind, symbol=symbol, nonnegative=bool(symbol.is_nonnegative))
            self._symbols[symbol] = made.index
        return self.gen(self._symbols[symbol])

    def number(self, symbol: sp.Expr) -> int:
        """Return the number of a symbol's generator."""
        self.symbol(symbol)
        return self._symbols[symbol]

    def single(self, f: fmpq_mpoly) -> Extension | None:
        """Return the generator that f is, if it is one."""
        if len(f) != 1 or f.total_degree() != 1 or f.leading_coefficient() != 1:
            return None
        return self.extensions[self.ring.support(f)[0]]

    # -- normalisation ---------------------------------------------------------------------------------

    def reduce(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Divide by the monic relations, from the newest generator down."""
        element = self.ring.lift(element)
        degrees = self.ring.degrees(element)  # much faster than to ask is_constant()
        for index in range(max(degrees, default=-1), -1, -1):
            extension = self.extensions[index]
            if extension.relation is not None and degrees.get(index, 0) >= extension.degree:
                element = self.ring.remainder(element, extension.relation)
                if element.is_zero():
                    break
                degrees = self.ring.degrees(element)
        return element

    def cleared(self, element: fmpq_mpoly) -> tuple[fmpq_mpoly, dict[int, int]]:
        """Return (N, {u: m}) with element = N * product of u**m, N reduced and free of inverses."""
        powers: dict[int, int] = {}
        element = self.reduce(element)
        top = max(self.ring.degrees(element), default=-1)
        for index in range(top, -1, -1):
            extension = self.extensions[index]
            if extension.kind == "inverse":
                element, m = self.clear(element, extension)
                if m:
                    powers[index] = powers.get(index, 0) + m
        return self.reduce(element), powers

    def clear(self, element: fmpq_mpoly, extension: Extension) -> tuple[fmpq_mpoly, int]:
        """Multiply by D**m so that the inverse u = 1/D disappears; m is the degree in u."""
        m = int(element.degrees()[self.ring.size - 1 - extension.index]) if not element.is_zero() else 0
        if m == 0:
            return element, 0
        denominator = self.ring.lift(extension.arguments[0])
        parts = self.ring.coefficients(element, extension.index)
        total = self.ring.zero
        for k in range(m, -1, -1):
            # Horner's rule in D, from the coefficient of u**0 (times D**m) to that of u**m.
            coefficient = parts.get(m - k)
            if coefficient is not None:
                total = self.ring.add(total, coefficient)
            if k:
                total = self.reduce(self.ring.mul(total, denominator))
        return total, m

    def factored(self, element: fmpq_mpoly) -> Factored:
        """Return c and the irreducible monic factors with integer exponents; c = 0 for the zero element."""
        name = key(element)
        if name not in self._factored:
            self._factored[name] = self._factor(element)
        return self._factored[name]

    def merged(self, parts: Iterable[tuple[Factored, int]]) -> Factored:
        """Return the product of factored elements to integer powers, without multiplying out."""
        c = fmpq(1)
        table: dict[str, list] = {}
        for (scale, factors), n in parts:
            if scale == 0:
                if n < 0:
                    raise NotCovered("a denominator is identically zero")
                return (fmpq(0), []) if n else (fmpq(1), [])
            c *= scale**n
            for f, k in factors:
                table.setdefault(key(f), [f, 0])[1] += n * k
        c *= self.angles.join_squares(table)
        return c, [(f, k) for f, k in table.values() if k]

    def _factor(self, element: fmpq_mpoly) -> Factored:
        numerator, powers = self.cleared(element)
        if numerator.is_zero():
            return fmpq(0), []
        c, factors = self.ring.factors(self.radicals.unfolded(self.signs.unfolded(numerator)))
        table: dict[str, list] = {}
        for factor, k in factors:
            scale, f = self.ring.monic(self.reduce(factor))
            c *= scale ** int(k)
            for part, n in self.radicals.folded(f, int(k)):
                table.setdefault(key(part), [part, 0])[1] += n
        for index, m in powers.items():
            f = self.ring.lift(self.extensions[index].arguments[0])
            table.setdefault(key(f), [f, 0])[1] -= m
        c *= self.angles.join_squares(table)
        factors = [(f, k) for f, k in table.values() if k]
        self.signs.learn(element, fmpq(c), factors)
        return fmpq(c), factors

    # -- inverses --------------------------------------------------------------------------------------

    def inverse(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return 1/element as a product of inverse generators, one for each irreducible factor.

        Raises:
            NotCovered: if the element is identically zero.
        """
        element = self.ring.lift(element)
        if element.is_constant() and not element.is_zero():
            return self.ring.constant(1 / element.leading_coefficient())
        c, factors = self.factored(element)
        if c == 0:
            raise NotCovered("a denominator is identically zero")
        result = self.ring.constant(1 / c)
        for f, k in factors:
            if k > 0:
                result = self.ring.mul(result, self.ring.power(self._invert_factor(f), k))
            else:
                result = self.ring.mul(result, self.ring.power(f, -k))
        return result

    def _invert_factor(self, f: fmpq_mpoly) -> fmpq_mpoly:
        name = key(f)
        if name in self._inverses:
            return self.gen(self._inverses[name])
        single = self.single(f)
        if single is not None and single.relation is not None:
            if single.kind == "root":
                # r**n = B, so 1/r = r**(n-1)/B: denominators never contain radicals alone.
                below = self.inverse(single.arguments[0])
                return self.ring.mul(self.ring.power(self.gen(single), single.degree - 1), below)
            if single.kind == "abs":
                square = self.inverse(self.ring.power(single.arguments[0], 2))
                return self.ring.mul(self.gen(single), square)
        made = self.extend("inverse", f, nonnegative=self.signs.of(f) == 1)
        if single is not None:
            # Cancelling u*g = 1 at once keeps elements small and products visible.
            made.relation, made.degree = self.ring.sub(self.ring.mul(self.gen(made), f), self.ring.one), 1
        self._inverses[name] = made.index
        return self.gen(made)

    def integer_power(self, element: fmpq_mpoly, n: int) -> fmpq_mpoly:
        """Return element**n for any integer n."""
        return self.ring.power(element, n) if n >= 0 else self.ring.power(self.inverse(element), -n)

    def is_algebraic(self, element: fmpq_mpoly) -> bool:
        """Tell whether generators that take part in a monic relation occur in the element."""
        kinds = ("root", "abs", "sin", "cos")
        return any(self.extensions[i].kind in kinds for i in self.ring.support(element))

    def without(
        self, element: fmpq_mpoly, kinds: tuple[str, ...]
    ) -> tuple[fmpq_mpoly, list[tuple[Extension, Fraction]]]:
        """Split an element into a rest and rational multiples of generators of some kinds."""
        element = self.ring.lift(element)
        last, rest, found = self.ring.size - 1, element, []
        for monomial, value in element.terms():
            places = [k for k, e in enumerate(monomial) if e]
            if len(places) == 1 and monomial[places[0]] == 1:
                extension = self.extensions[last - places[0]]
                if extension.kind in kinds:
                    found.append((extension, Fraction(int(value.p), int(value.q))))
                    rest = rest - self.gen(extension) * value
        return rest, found

    # -- functions of elements: see the parts of the tower ---------------------------------------------

    def absolute(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return |element|."""
        return self.signs.absolute(self.factored(element))

    def power(self, element: fmpq_mpoly, exponent: Fraction) -> fmpq_mpoly:
        """Return the principal real power element**exponent; its domain is element >= 0."""
        if exponent.denominator == 1:
            return self.integer_power(element, exponent.numerator)
        return self.radicals.power(self.factored(element), exponent)

    def square_root(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return sqrt(element); its domain is element >= 0."""
        return self.power(element, Fraction(1, 2))

    def log(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return log(element); its domain is element > 0."""
        return self.exponentials.log(self.factored(element))

    def exp(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return exp(element)."""
        return self.exponentials.exp(element)

    def function(self, name: str, orders: tuple[int, ...], arguments: tuple[fmpq_mpoly, ...]) -> fmpq_mpoly:
        """Return an undefined function, differentiated ``orders`` times by its arguments, at arguments."""
        return self.applications.apply("function", arguments, name, orders)

    def primitive(self, kind: str, *arguments: fmpq_mpoly) -> fmpq_mpoly:
        """Return ``asin``, ``atan`` or ``atan2`` of arguments, known by its derivative only."""
        return self.applications.inverse_function(kind, *arguments)
