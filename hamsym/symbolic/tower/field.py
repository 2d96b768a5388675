"""The tower of generators over Q: symbols, inverses, radicals, absolute values, exponentials, logarithms.

Every relation that is introduced is a true identity of real functions at every point where the expressions
involved are real and finite; that alone makes a proof of zero sound.  What is done beyond it (splitting
radicands, finding dependences) is for completeness.
"""

from __future__ import annotations

import math
from fractions import Fraction

import sympy as sp
from flint import fmpq, fmpq_mpoly, fmpz

from hamsym.symbolic.tower.angles import Angles
from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.lattice import Lattice
from hamsym.symbolic.tower.limits import Clock, NotCovered
from hamsym.symbolic.tower.ring import Ring, key

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
        self._roots: dict[str, int] = {}
        self._absolutes: dict[str, int] = {}
        self._logarithms: dict[str, int] = {}
        self._signs: dict[str, int] = {}
        self._factored: dict[str, Factored] = {}
        self.exponents = Lattice(self)
        self.angles = Angles(self)
        self._exponentials: list[int] = []
        self._applications: dict[
            tuple[str, str], list[tuple[tuple[fmpq_mpoly, ...], dict[tuple[int, ...], int]]]
        ] = {}

    # -- generators ------------------------------------------------------------------------------------

    def extend(self, kind: str, *arguments: fmpq_mpoly, **attributes: object) -> Extension:
        """Add a generator on top and return its record."""
        self.clock.check()
        extension = Extension(self.ring.new(), kind, arguments, **attributes)  # type: ignore[arg-type]
        extension.depends = (
            frozenset((extension.index,)) if kind == "symbol" else frozenset().union(*map(self.depends, arguments))
        )
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
        if element.is_constant():
            return element
        for index in range(max(self.ring.degrees(element)), -1, -1):
            extension = self.extensions[index]
            if extension.relation is not None:
                place = self.ring.size - 1 - index
                if element.degrees()[place] >= extension.degree:
                    element = self.ring.remainder(element, extension.relation)
                    if element.is_zero():
                        break
        return element

    def cleared(self, element: fmpq_mpoly) -> tuple[fmpq_mpoly, dict[int, int]]:
        """Return (N, {u: m}) with element = N * product of u**m, N reduced and free of inverses."""
        powers: dict[int, int] = {}
        element = self.ring.lift(element)
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

    def _factor(self, element: fmpq_mpoly) -> Factored:
        numerator, powers = self.cleared(element)
        if numerator.is_zero():
            return fmpq(0), []
        self.clock.allow(50 * len(numerator))
        c, factors = numerator.factor()
        table: dict[str, list] = {}
        for f, k in factors:
            scale, f = self.ring.monic(f)
            c *= scale ** int(k)
            table[key(f)] = [f, int(k)]
        for index, m in powers.items():
            f = self.ring.lift(self.extensions[index].arguments[0])
            table.setdefault(key(f), [f, 0])[1] -= m
        c *= self.angles.join_squares(table)
        return fmpq(c), [(f, k) for f, k in table.values() if k]

    # -- signs -----------------------------------------------------------------------------------------

    def sign(self, f: fmpq_mpoly) -> int | None:
        """Return 1 if f >= 0 and -1 if f <= 0 wherever everything is defined, None if not known.

        A radicand or the argument of a logarithm is known to be nonnegative: elsewhere it is not real.
        """
        f = self.ring.lift(f)
        scale, monic = self.ring.monic(f)
        flip = 1 if scale > 0 else -1
        known = self._signs.get(key(monic))
        if known is not None:
            return known * flip
        found = self._sign_of_terms(monic) or self._sign_of_conjugate(monic) or self.angles.sign(monic)
        return found * flip if found else None

    def _sign_of_terms(self, f: fmpq_mpoly) -> int | None:
        signed = [self.ring.size - 1 - e.index for e in self.extensions if not self._nonnegative(e)]
        seen = set()
        for monomial, value in f.terms():
            if any(monomial[place] % 2 for place in signed):
                return None
            seen.add(1 if value > 0 else -1)
        return seen.pop() if len(seen) == 1 else None

    def _nonnegative(self, extension: Extension) -> bool:
        return extension.nonnegative or (
            extension.kind == "symbol" and self._signs.get(f"g{extension.index}") == 1
        )

    def _sign_of_conjugate(self, f: fmpq_mpoly) -> int | None:
        """Return 1 for f = r + h where r = sqrt(B) and B - h**2 >= 0."""
        support = self.ring.support(f)
        top = self.extensions[support[-1]] if support else None
        if top is None or top.kind != "root" or top.degree != 2 or top.order != 2:
            return None
        parts = self.ring.coefficients(f, top.index)
        if set(parts) - {0, 1} or not parts[1].is_one() or 0 not in parts:
            return None
        difference = self.reduce(self.ring.sub(top.arguments[0], self.ring.mul(parts[0], parts[0])))
        if difference.is_zero() or self._sign_of_terms(difference) == 1:
            return 1
        return None

    def _record_sign(self, f: fmpq_mpoly, sign: int) -> None:
        """Note that f (monic) has this sign on the whole domain, and let |f| collapse to it."""
        name = key(f)
        self._signs[name] = sign
        if name in self._absolutes:
            extension = self.extensions[self._absolutes[name]]
            extension.relation = self.ring.sub(self.gen(extension), self.ring.lift(f) * sign)
            extension.degree = 1

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
        made = self.extend("inverse", f, nonnegative=self.sign(f) == 1)
        self._inverses[name] = made.index
        return self.gen(made)

    def integer_power(self, element: fmpq_mpoly, n: int) -> fmpq_mpoly:
        """Return element**n for any integer n."""
        return self.ring.power(element, n) if n >= 0 else self.ring.power(self.inverse(element), -n)

    # -- absolute values and radicals ------------------------------------------------------------------

    def absolute(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return |element|."""
        c, factors = self.factored(element)
        result = self.ring.constant(abs(c))
        for f, k in factors:
            result = self.ring.mul(result, self.integer_power(self._absolute_factor(f), k))
        return result

    def _absolute_factor(self, f: fmpq_mpoly) -> fmpq_mpoly:
        sign = self.sign(f)
        if sign is not None:
            return self.ring.lift(f) * sign
        name = key(f)
        if name not in self._absolutes:
            made = self.extend("abs", f, nonnegative=True, degree=2)
            made.relation = self.ring.sub(self.ring.power(self.gen(made), 2), self.ring.power(f, 2))
            self._absolutes[name] = made.index
        return self.gen(self._absolutes[name])

    def power(self, element: fmpq_mpoly, exponent: Fraction) -> fmpq_mpoly:
        """Return the principal real power element**exponent; its domain is element >= 0.

        Raises:
            NotCovered: if the element is never positive.
        """
        if exponent.denominator == 1:
            return self.integer_power(element, exponent.numerator)
        c, factors = self.factored(element)
        if c == 0:
            if exponent > 0:
                return self.ring.zero
            raise NotCovered("a denominator is identically zero")
        unknown = self.assume_positive(c, factors)
        result = self._rational_power(abs(c), exponent)
        for f, k in factors:
            even = k - k % 2 if any(f is g for g in unknown) else k
            if even:
                result = self.ring.mul(result, self._principal(self._absolute_factor(f), even * exponent))
        if unknown:
            product = self.ring.constant(1 if c > 0 else -1)
            for f, k in factors:
                if any(f is g for g in unknown):
                    product = self.ring.mul(product, f)
                elif k % 2 and self.sign(f) == -1:
                    product = -product
            result = self.ring.mul(result, self._principal(product, exponent))
        return result

    def assume_positive(self, c: fmpq, factors: list[tuple[fmpq_mpoly, int]]) -> list[fmpq_mpoly]:
        """Draw what c * factors > 0 says about signs; return the factors whose signs stay unknown."""
        sign, unknown = (1 if c > 0 else -1), []
        for f, k in factors:
            if k % 2:
                known = self.sign(f)
                if known is None:
                    unknown.append(f)
                else:
                    sign *= known
        if not unknown and sign < 0:
            raise NotCovered("a root or logarithm of a quantity that is never positive (no point of the domain)")
        if len(unknown) == 1:
            self._record_sign(unknown[0], sign)
            return []
        return unknown

    def _rational_power(self, value: fmpq, exponent: Fraction) -> fmpq_mpoly:
        result = self.ring.one
        for number, flip in ((value.p, 1), (value.q, -1)):
            for prime, k in _prime_factors(fmpz(number)):
                result = self.ring.mul(result, self._principal(self.ring.constant(prime), flip * k * exponent))
        return result

    def _principal(self, base: fmpq_mpoly, exponent: Fraction) -> fmpq_mpoly:
        """Return base**exponent for a base that is nonnegative on the domain."""
        exponent = Fraction(exponent)
        single = self.single(base)
        if single is not None and single.kind == "root" and single.base is not None:
            base, exponent = single.base, exponent / single.order
        elif single is not None and single.kind == "exp" and exponent.denominator != 1:
            return self.exp(self.ring.lift(single.arguments[0]) * fmpq(exponent.numerator, exponent.denominator))
        whole = math.floor(exponent)
        part = exponent - whole
        result = self.integer_power(base, whole)
        if part:
            result = self.ring.mul(result, self._radical(base, part.numerator, part.denominator))
        return result

    def _radical(self, base: fmpq_mpoly, p: int, n: int) -> fmpq_mpoly:
        """Return base**(p/n), 0 < p < n, from one generator base**(1/N) with N as large as was ever needed."""
        from hamsym.symbolic.tower.denest import denested

        name = key(base)
        finest = self.extensions[self._roots[name]] if name in self._roots else None
        if finest is None or finest.order % n:
            if finest is None and n % 2 == 0:
                square_root = denested(self, base)
                if square_root is not None:
                    return self.power(square_root, Fraction(2 * p, n))
            order = n if finest is None else math.lcm(n, finest.order)
            below = base if finest is None else self.gen(finest)
            degree = order if finest is None else order // finest.order
            made = self.extend("root", below, nonnegative=True, base=base, order=order, degree=degree)
            made.relation = self.ring.sub(self.ring.power(self.gen(made), degree), below)
            self._roots[name] = made.index
            finest = made
        return self.ring.power(self.gen(finest), p * finest.order // n)

    def square_root(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return sqrt(element); its domain is element >= 0."""
        return self.power(element, Fraction(1, 2))

    def square_roots(self) -> list[Extension]:
        """Return the generators that are square roots of older elements."""
        return [e for e in self.extensions if e.kind == "root" and e.order == 2]

    def is_algebraic(self, element: fmpq_mpoly) -> bool:
        """Tell whether generators that take part in a monic relation occur in the element."""
        return any(
            self.extensions[i].relation is not None or self.extensions[i].kind == "sin"
            for i in self.ring.support(element)
        )

    # -- exponentials and logarithms -------------------------------------------------------------------

    def log(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return log(element) as a sum over the irreducible factors: log A = Σ k log|f| since A > 0."""
        c, factors = self.factored(element)
        if c == 0:
            raise NotCovered("the logarithm of zero")
        self.assume_positive(c, factors)
        terms = []
        for number, flip in ((abs(c).p, 1), (abs(c).q, -1)):
            for prime, k in _prime_factors(fmpz(number)):
                terms.append(self._log_factor(self.ring.constant(prime)) * (flip * k))
        terms += [self._log_factor(f) * k for f, k in factors]
        return self.ring.sum(terms)

    def _log_factor(self, f: fmpq_mpoly) -> fmpq_mpoly:
        single = self.single(f)
        if single is not None:
            if single.kind == "exp":
                return self.ring.lift(single.arguments[0])
            if single.kind == "root" and single.base is not None:
                return self.log(single.base) / single.order
            if single.kind == "abs":
                return self._log_factor(single.arguments[0])
        name = key(f)
        if name not in self._logarithms:
            if self.is_algebraic(f):
                for extension in [e for e in self.extensions if e.kind == "log"]:
                    other = extension.arguments[0]
                    if self.is_algebraic(other):
                        product = self.reduce(self.ring.mul(f, other))
                        if not self.is_algebraic(product) and not product.is_zero():
                            # log|f| = log|f*g| - log|g| and f*g lies below both.
                            c, factors = self.factored(product)
                            whole = [self._log_factor(h) * k for h, k in factors]
                            if abs(c) != 1:
                                whole.append(self.log(self.ring.constant(abs(c))))
                            return self.ring.sub(self.ring.sum(whole), self.gen(extension))
            self._logarithms[name] = self.extend("log", f).index
        return self.gen(self._logarithms[name])

    def exp(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return exp(element) in exponentials of Q-linearly independent arguments."""
        element = self.reduce(element)
        argument, logs = self.without_logs(element)
        result = self.ring.one
        for extension, q in logs:
            base = self._absolute_or_prime(extension.arguments[0])
            result = self.ring.mul(result, self._principal(base, q))
        if argument.is_zero():
            return result
        for index, coordinate in self._exponential_coordinates(argument).items():
            base = self.gen(index)
            whole = math.floor(coordinate)
            result = self.ring.mul(result, self.integer_power(base, whole))
            if part := coordinate - whole:
                result = self.ring.mul(result, self._radical(base, part.numerator, part.denominator))
        return result

    def without_logs(self, element: fmpq_mpoly) -> tuple[fmpq_mpoly, list[tuple[Extension, Fraction]]]:
        """Split an element into a rest and rational multiples of logarithms."""
        return self.without(element, ("log",))

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

    def _absolute_or_prime(self, f: fmpq_mpoly) -> fmpq_mpoly:
        return self.ring.lift(f) if f.is_constant() else self._absolute_factor(f)

    def _exponential_coordinates(self, argument: fmpq_mpoly) -> dict[int, Fraction]:
        coordinates = self.exponents.coordinates(argument)
        if coordinates is None:
            self.exponents.append(argument)
            coordinates = [Fraction(0)] * (len(self.exponents.basis) - 1) + [Fraction(1)]
        for argument in self.exponents.basis[len(self._exponentials) :]:
            self._exponentials.append(self.extend("exp", argument, nonnegative=True).index)
        return {self._exponentials[i]: c for i, c in enumerate(coordinates) if c}


    # -- undefined functions and primitives ------------------------------------------------------------

    def function(self, name: str, orders: tuple[int, ...], arguments: tuple[fmpq_mpoly, ...]) -> fmpq_mpoly:
        """Return a derivative of an undefined function at arguments, a free generator for each distinct one.

        Arguments:
            name: the function.
            orders: how often it is differentiated by each argument.
            arguments: its arguments.
        """
        return self._applied("function", arguments, name=name, orders=orders)

    def primitive(self, kind: str, *arguments: fmpq_mpoly) -> fmpq_mpoly:
        """Return ``asin``, ``atan`` or ``atan2`` of arguments: known by its derivative only."""
        return self._applied(kind, arguments)

    def _applied(
        self, kind: str, arguments: tuple[fmpq_mpoly, ...], name: str = "", orders: tuple[int, ...] = ()
    ) -> fmpq_mpoly:
        arguments = tuple(self.reduce(a) for a in arguments)
        places = self._applications.setdefault((kind, name), [])
        for known, at in places:
            if all(self._equal(a, b) for a, b in zip(known, arguments, strict=True)):
                break
        else:
            known, at = arguments, {}
            places.append((known, at))
        if orders not in at:
            at[orders] = self.extend(kind, *known, name=name, orders=orders).index
        return self.gen(at[orders])

    def _equal(self, a: fmpq_mpoly, b: fmpq_mpoly) -> bool:
        difference = self.ring.sub(a, b)
        return difference.is_zero() or self.cleared(difference)[0].is_zero()


def _prime_factors(number: fmpz) -> list[tuple[int, int]]:
    if abs(number) <= 1:
        return []
    if abs(number).bit_length() > 160:
        raise NotCovered("the root or logarithm of a number too long to factor")
    return [(int(p), int(k)) for p, k in abs(number).factor()]
