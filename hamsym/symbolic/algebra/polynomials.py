"""Functions that are polynomials in others: guessed from values at points, then proved.

The brackets of integrals are often products of integrals: they close to a quadratic algebra, and to no Lie algebra.
Source: Granovskii, Lutzenko, Zhedanov (1992), Annals of Physics 217, 1 (quadratic algebras of integrals).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from math import comb
from typing import Any

import sympy as sp
from flint import arb, ctx, fmpq_mpoly

from hamsym.symbolic.algebra.functions import Functions
from hamsym.symbolic.zero_test.samples import Values, bracket_at, tables
from hamsym.symbolic.zero_test.tape import Run

#: Highest degree of a polynomial that is tried, monomials of one degree at most, and points more than monomials.
MAX_DEGREE, MAX_MONOMIALS, SPARE = 3, 130, 4

#: A product, as the sorted places of its factors.
Monomial = tuple[int, ...]
Polynomial = dict[Monomial, Any]


class Polynomials:
    """Some functions, and what is a polynomial in them.

    Arguments:
        functions: the tower of the functions.
        elements: the functions.
        brackets: pairs of places to their brackets, which are functions too.

    Example:
        >>> from hamsym import PhaseSpace
        >>> from hamsym.symbolic.tower import Clock
        >>> space = PhaseSpace.standard(1)
        >>> functions = Functions(space, [space.parse(t) for t in ("q1", "p1**2", "p1")], (), Clock(1.0))
        >>> found = Polynomials(functions, functions.elements, {(0, 1): functions.bracket(*functions.elements[:2])})
        >>> found.of_member(1), found.of_bracket((0, 1))
        ({(2, 2): 1}, {(2,): 2})
    """

    def __init__(
        self,
        functions: Functions,
        elements: Sequence[fmpq_mpoly],
        brackets: Mapping[tuple[int, int], fmpq_mpoly],
    ) -> None:
        self.functions, self.elements, self.brackets = functions, list(elements), dict(brackets)
        self._tables: dict[int, list[Values]] = {}
        self._products: dict[Monomial, fmpq_mpoly] = {}

    def of_member(self, place: int, without: Iterable[int] = ()) -> Polynomial | None:
        """Return a member as a polynomial in the others, or None; ``without`` leaves more of them out."""
        left_out = {place, *without}
        others = [k for k in range(len(self.elements)) if k not in left_out]
        return self._of(place, self.elements[place], others)

    def candidates(self) -> list[int]:
        """Return the places of members that seem to occur in a relation of low degree; no others are polynomials."""
        count = len(self.elements)
        for degree in range(MAX_DEGREE, 1, -1):
            products = [
                m for d in range(2, degree + 1) for m in combinations_with_replacement(range(count), d)
            ]
            size = len(products) + count + 1 + SPARE
            if size > MAX_MONOMIALS or (table := self._values(size)) is None:
                continue
            monomials = [*products, (), *((k,) for k in range(count))]
            with ctx.workprec(_bits(size)):
                rows = [[_value(row, m) for m in monomials] for row in table]
                pivots = set(_reduced(rows, self.functions.clock.check))
            return [k for k in range(count) if len(products) + 1 + k not in pivots]
        return []

    def of_bracket(self, pair: tuple[int, int]) -> Polynomial | None:
        """Return a bracket as a polynomial in the functions, or None."""
        column = len(self.elements) + list(self.brackets).index(pair)
        return self._of(column, self.brackets[pair], range(len(self.elements)))

    def _of(self, column: int, target: fmpq_mpoly, members: Sequence[int]) -> Polynomial | None:
        for degree in range(2, MAX_DEGREE + 1):
            if comb(len(members) + degree, degree) > MAX_MONOMIALS:
                return None
            tried = [m for d in range(degree + 1) for m in combinations_with_replacement(members, d)]
            guess = self._guess(column, tried)
            if guess is not None:
                proved = self._proved(guess, target)
                if proved is not None:
                    return proved
        return None

    def _proved(self, monomials: Sequence[Monomial], target: fmpq_mpoly) -> Polynomial | None:
        found = self.functions.dependences([*map(self._product, monomials), target])
        combination = found.get(len(monomials))
        return None if combination is None else {monomials[k]: c for k, c in combination.items()}

    def _product(self, monomial: Monomial) -> fmpq_mpoly:
        tower = self.functions.tower
        if not monomial:
            return tower.ring.one
        if monomial not in self._products:
            element = self.elements[monomial[-1]]
            if len(monomial) > 1:
                element = tower.reduce(tower.ring.mul(self._product(monomial[:-1]), element))
            self._products[monomial] = element
        return self._products[monomial]

    def _guess(self, column: int, monomials: Sequence[Monomial]) -> list[Monomial] | None:
        """Return the monomials that a function seems to be a combination of, or None."""
        size = len(monomials) + SPARE
        table = self._values(size)
        if table is None:
            return None
        with ctx.workprec(_bits(size)):
            rows = [[*(_value(row, m) for m in monomials), row[column]] for row in table]
            pivots, last = _reduced(rows, self.functions.clock.check), len(monomials)
            if last in pivots:
                return None
            return [monomials[j] for k, j in enumerate(pivots) if not rows[k][last].contains(0)]

    def _values(self, size: int) -> list[Values] | None:
        """Return the values of functions and brackets at so many points."""
        if size not in self._tables:
            space, count = self.functions.space, len(self.elements)
            written = [self.functions.expression(e) for e in self.elements]
            free = set().union(*(e.free_symbols for e in written))
            tensor = {pair: e for pair, e in space.poisson_tensor.items() if free.issuperset(pair)}
            pairs = list(tensor)

            def row(run: Run) -> list[Values]:
                own = [run.value(k) for k in range(count)]
                return [[*own, *(bracket_at(run, i, j, pairs, count) for i, j in self.brackets)]]

            made: Iterator[list[Values]] = tables(
                [*written, *tensor.values()],
                space,
                size,
                row,
                bits=_bits(size),
                check=self.functions.clock.check,
            )
            self._tables[size] = next(made, [])
        return self._tables[size] or None


def _bits(size: int) -> int:
    return 128 + 16 * size


def _value(row: Values, monomial: Monomial) -> arb:
    total = arb(1)
    for k in monomial:
        total *= row[k]
    return total


def _reduced(rows: list[Values], check: Callable[[], None]) -> list[int]:
    """Bring a table to reduced echelon form, entries that may be 0 taken for 0; return the columns of its pivots."""
    pivots: list[int] = []
    for j in range(len(rows[0])):
        check()
        free = range(len(pivots), len(rows))
        best = max(free, key=lambda i: float(rows[i][j].abs_lower()), default=None)
        if best is None or rows[best][j].contains(0):
            continue
        k = len(pivots)
        rows[k], rows[best] = rows[best], rows[k]
        head = rows[k] = [v / rows[k][j] for v in rows[k]]
        for i, row in enumerate(rows):
            factor = row[j]
            if i != k and not factor.is_zero():
                after = zip(row[j + 1 :], head[j + 1 :], strict=True)
                rows[i] = [*row[:j], arb(0), *(v - factor * h for v, h in after)]
        pivots.append(j)
    return pivots


def expression(polynomial: Polynomial, symbols: Sequence[sp.Expr], number: Any) -> sp.Expr:
    """Return a polynomial with symbols for the functions; ``number`` makes coefficients into expressions."""
    return sp.Add(*(number(c) * sp.Mul(*(symbols[k] for k in m)) for m, c in polynomial.items()))
