"""The linear system whose solutions are the conserved combinations of an ansatz.

The derivative of every monomial along the flows is taken at once in one tower: each monomial carries its own power
of a marker, so one bracket and one normal form give the whole matrix.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import sympy as sp
from flint import fmpq, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.integrals.ansatz import Ansatz, Exponents
from hamsym.symbolic.integrals.completeness import closure
from hamsym.symbolic.linear import kernel, nullspace
from hamsym.symbolic.tower.certificate import Reader
from hamsym.symbolic.tower.columns import joined, kept_rows, new_marker, rational_rows
from hamsym.symbolic.tower.extension import Extension
from hamsym.symbolic.tower.flow import Flow

#: A rational number, or a polynomial in the constants of a tower.
Coefficient: TypeAlias = fmpq | fmpq_mpoly


@dataclass
class Solution:
    """A nullspace.

    Attributes:
        vectors: column -> coefficient, in echelon form, each with its own last column.
        critical: polynomials in the parameters; where none vanishes, there are no more vectors.
        rows: the rows, where they contain parameters.
        size: numbers of rows and of columns.
    """

    vectors: Sequence[Mapping[int, Coefficient]]
    size: tuple[int, int]
    critical: list[fmpq_mpoly] = field(default_factory=list)
    rows: list[dict[int, fmpq_mpoly]] = field(default_factory=list)


class Conservation:
    """An ansatz's entries and flows in a tower.

    Arguments:
        ansatz: the ansatz.
        functions: what generates the flows; combinations must be conserved by all of them.
        clock: the deadline.
        extra: further expressions that will be converted.

    Attributes:
        tower: the tower.
        elements: the entries as elements.
        flows: the derivations.
        constants: numbers of the generators that do not move: parameters and what is made of them.
    """

    def __init__(
        self, ansatz: Ansatz, functions: Sequence[sp.Expr], clock: tw.Clock, extra: Iterable[sp.Expr] = ()
    ) -> None:
        space, extra = ansatz.space, list(extra)
        self.ansatz = ansatz
        self.tower = tower = tw.Tower(clock, size=len(space.symbols) + len(ansatz.entries) + 8)
        converter = tw.Converter(tower)
        variables = [*space.variables, *([space.time] if space.time is not None else [])]
        numbers = {s: tower.number(s) for s in variables}
        converter.prepare(*ansatz.entries, *functions, *extra)
        hamiltonians = [converter.convert(f) for f in functions]
        self.elements = [tower.reduce(converter.convert(e)) for e in ansatz.entries]
        self.extra = [converter.convert(e) for e in extra]
        tensor = {
            (numbers[a], numbers[b]): converter.convert(entry)
            for (a, b), entry in space.poisson_tensor.items()
        }
        now = None if space.time is None else numbers[space.time]
        self.flows = [Flow.of_hamiltonian(tower, h, tensor, now) for h in hamiltonians]
        self.elements = [tower.ring.lift(e) for e in self.elements]
        for flow in self.flows:
            for element in self.elements:
                flow.prepare(element)
        self.moving = frozenset(numbers.values())
        self.marker = new_marker(tower)
        self.elements = [tower.ring.lift(e) for e in self.elements]
        self._powers: dict[tuple[int, int], fmpq_mpoly] = {}

    @property
    def used(self) -> list[fmpq_mpoly]:
        """All elements that take part: the entries, and the velocities of what they are made of."""
        velocities = [flow.along(e) for flow in self.flows for e in self.elements]
        return [*self.elements, *velocities]

    @property
    def denominators(self) -> list[fmpq_mpoly]:
        """What cannot vanish, because one divides by it, in the constants."""
        extensions = [e for e in self.tower.extensions if e.kind == "inverse" and not e.depends & self.moving]
        return [self.tower.ring.lift(e.arguments[0]) for e in extensions]

    @property
    def is_split(self) -> bool:
        """Whether the absolute value of a parameter occurs, so that there are several generic cases, one for each sign."""
        return any(e.kind == "abs" and not e.depends & self.moving for e in self.tower.extensions)

    @property
    def is_bent(self) -> bool:
        """Whether parameters occur in the entries or inside functions, so that special values change those."""
        extensions = self.tower.extensions
        if any(self._is_transcendental(e) for e in extensions if e.depends and not e.depends & self.moving):
            return True
        outer = [e for e in extensions if e.depends & self.moving and e.arguments]
        inside = [a for e in outer for a in e.arguments]
        found = {i for a in (*inside, *self.elements) for i in self.tower.ring.support(a)}
        return any(
            not extensions[i].depends & self.moving and extensions[i].kind != "constant" for i in found
        )

    def _is_transcendental(self, e: Extension) -> bool:
        """Tell whether a function of parameters is more than a quotient or the root of something positive."""
        if e.kind == "root":
            return not self.reader.expand(e.arguments[0]).is_positive
        return e.kind != "inverse" and bool(e.arguments)

    def allow(self, seconds: float) -> None:
        """Start the clock again."""
        clock = self.tower.clock
        clock.started, clock.budget = time.perf_counter(), seconds
        clock.deadline = clock.started + seconds

    def constants(self, elements: Sequence[fmpq_mpoly]) -> frozenset[int]:
        """Return the numbers of all generators that do not move, if elements or what they are made of contain any."""
        extensions = self.tower.extensions
        numbers = {e.index for e in extensions if e.index != self.marker and not e.depends & self.moving}
        present = closure(self.tower, elements)
        return frozenset(numbers) if numbers & present else frozenset()

    def marked(self, monomials: Sequence[Exponents]) -> fmpq_mpoly:
        """Return the sum of the monomials, each times the power of the marker that is its place."""
        ring, last = self.tower.ring, self.tower.ring.size - 1
        self.tower.clock.allow(len(monomials))
        if all(len(e) == 1 for e in self.elements):
            singles = [next(iter(e.terms())) for e in self.elements]
            place, table = last - self.marker, []
            for j, exponents in enumerate(monomials):
                total, value = [0] * ring.size, fmpq(1)
                for k, (inner, factor) in zip(exponents, singles, strict=True):
                    if k:
                        value *= factor**k
                        for at, e in enumerate(inner):
                            if e:
                                total[at] += k * e
                total[place] = j
                table.append((tuple(total), value))
            return self.tower.reduce(ring.context.from_dict(dict(table)))
        known: dict[Exponents, fmpq_mpoly] = {(0,) * len(self.elements): ring.one}
        return joined(self.tower, [self._product(e, known) for e in monomials], self.marker)

    def _product(self, exponents: Exponents, known: dict[Exponents, fmpq_mpoly]) -> fmpq_mpoly:
        if exponents not in known:
            first = next(i for i, k in enumerate(exponents) if k)
            lower = tuple(k - (i == first) for i, k in enumerate(exponents))
            product = self.tower.ring.mul(self._product(lower, known), self.elements[first])
            known[exponents] = self.tower.reduce(product)
        return known[exponents]

    def independent(self, monomials: Sequence[Exponents]) -> list[Exponents]:
        """Return the monomials that are no combinations of a constant and of monomials before them."""
        ring = self.tower.ring
        marked = ring.add(ring.mul(self.marked(monomials), ring.gen(self.marker)), ring.one)
        dependent = {max(v) for v in self._nullspace([marked], len(monomials) + 1).vectors}
        return [m for j, m in enumerate(monomials, 1) if j not in dependent]

    def solve(self, monomials: Sequence[Exponents]) -> Solution:
        """Return the conserved combinations of independent monomials, in echelon form."""
        marked = self.marked(monomials)
        return self._nullspace([flow.along(marked) for flow in self.flows], len(monomials))

    def relations(self, elements: Sequence[fmpq_mpoly]) -> Solution:
        """Return the combinations of elements that vanish, in echelon form."""
        return self._nullspace([joined(self.tower, elements, self.marker)], len(elements))

    def element(self, combination: Mapping[Exponents, Coefficient]) -> fmpq_mpoly:
        """Return a combination of monomials as an element."""
        ring, total = self.tower.ring, []
        for exponents, coefficient in combination.items():
            factors = [self._power(i, k) for i, k in enumerate(exponents) if k]
            term = (
                ring.lift(coefficient) if isinstance(coefficient, fmpq_mpoly) else ring.constant(coefficient)
            )
            for factor in factors:
                term = ring.mul(term, factor)
            total.append(term)
        return self.tower.reduce(ring.sum(total))

    @cached_property
    def reader(self) -> Reader:
        """What writes elements in the user's symbols."""
        return Reader(self.tower, self.ansatz.space.functions)

    def expression(self, combination: Mapping[Exponents, Coefficient]) -> sp.Expr:
        """Return a combination of monomials in the user's symbols."""
        terms = []
        for exponents, value in combination.items():
            if isinstance(value, fmpq_mpoly):
                factor = self.reader.expand(value)
            else:
                factor = sp.Rational(int(value.p), int(value.q))
            terms.append(factor * self.ansatz.monomial(exponents))
        return sp.Add(*terms)

    def _power(self, i: int, k: int) -> fmpq_mpoly:
        if (i, k) not in self._powers:
            self._powers[i, k] = self.tower.reduce(self.tower.ring.power(self.elements[i], k))
        return self._powers[i, k]

    def _nullspace(self, marked: Sequence[fmpq_mpoly], columns: int) -> Solution:
        tower = self.tower
        marked = [tower.reduce(m) for m in marked]
        kept = self.constants(marked)
        if not kept:
            rows = [row for m in marked for row in rational_rows(tower, m, self.marker)]
            vectors = nullspace(rows, columns, tower.clock.check)
            return Solution(vectors, (len(rows), columns))
        polynomial_rows = [row for m in marked for row in kept_rows(tower, m, self.marker, kept)]
        found = kernel(polynomial_rows, columns, tower.ring.one, tower.reduce, tower.clock.check)
        size = (len(polynomial_rows), columns)
        return Solution(list(found.vectors.values()), size, found.critical, polynomial_rows)
