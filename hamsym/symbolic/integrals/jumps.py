"""Special values of the parameters at which there are more integrals.

Where no pivot of an elimination vanishes, the number of solutions is the generic one.  So every special value lies on
a hypersurface f = 0 of an irreducible factor f of a pivot.  There the elimination is done again: more solutions are a
jump; its own pivots lead to smaller surfaces.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from flint import fmpq, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.integrals.surface import Step, Surface, is_positive, real_point
from hamsym.symbolic.linear.parametric import Elimination, PolynomialRow, kernel

#: Conditions that are combined, candidates that are tried, random points at which they are tried to hold.
MAX_DEPTH, MAX_SURFACES, MAX_POINTS = 3, 2000, 60

Key = TypeVar("Key")


@dataclass
class Jump:
    """A surface with more solutions.

    Attributes:
        surface: where.
        conditions: polynomials that vanish there.
        vectors: the solutions there.
    """

    surface: Surface
    conditions: list[fmpq_mpoly]
    vectors: list[PolynomialRow]

    def limit(self, vectors: Iterable[Mapping[int, fmpq | fmpq_mpoly]]) -> list[PolynomialRow]:
        """Return as many independent vectors as are given: what their span becomes near the surface.

        Where a combination vanishes with a condition, it is divided by that condition, as long as there is one; for
        several conditions the surface is approached along one after the other.
        """
        tower, rows = self.surface.tower, [self.polynomials(vector) for vector in vectors]
        passed = Surface(tower, self.surface.relations)
        for step in self.surface.steps:
            passed = passed.smaller(step)
            rows = _saturated(rows, passed, step)
        return rows

    def polynomials(self, vector: Mapping[Key, fmpq | fmpq_mpoly]) -> dict[Key, fmpq_mpoly]:
        """Return a vector with all entries as polynomials."""
        constant = self.surface.tower.ring.constant
        return {j: constant(v) if isinstance(v, fmpq) else v for j, v in vector.items()}

    def dependent(self, vectors: Sequence[PolynomialRow]) -> set[int]:
        """Return the numbers of vectors that are combinations of vectors before them, on the surface."""
        return set(_relations(vectors, self.surface))


def _relations(vectors: Sequence[PolynomialRow], surface: Surface) -> dict[int, PolynomialRow]:
    """Return the combinations of vectors that vanish on a surface, by their last vector."""
    rows: dict[int, PolynomialRow] = {}
    for k, vector in enumerate(vectors):
        for j, v in vector.items():
            rows.setdefault(j, {})[k] = v
    one, check = surface.tower.ring.one, surface.tower.clock.check
    return kernel(list(rows.values()), len(vectors), one, surface.reduce, check).vectors


def _saturated(rows: list[PolynomialRow], surface: Surface, step: Step) -> list[PolynomialRow]:
    """Return the limit of a span on the surface of one more condition, the last step of the given surface."""
    width = 1 + max((j for row in rows for j in row), default=0)
    zero = surface.tower.ring.zero
    while True:
        # all vectors in one, so that all are multiplied by the same factor
        whole = {k * width + j: v for k, row in enumerate(rows) for j, v in row.items()}
        moved: list[PolynomialRow] = [{} for _ in rows]
        for row in surface.restricted([whole] if whole else [], step):
            for place, v in row.items():
                moved[place // width][place % width] = v
        relations = _relations(moved, surface)
        if not relations:
            return moved
        last, combination = next(iter(relations.items()))
        total: PolynomialRow = {}
        for k, c in combination.items():
            for j, v in rows[k].items():
                total[j] = total.get(j, zero) + c * v
        divided = {j: divmod(v, step.condition) for j, v in total.items() if not v.is_zero()}
        if not divided or any(not rest.is_zero() for _, rest in divided.values()):
            # relations between roots are in the way
            return [row for k, row in enumerate(moved) if k not in relations]
        rows[last] = {j: quotient for j, (quotient, _) in divided.items()}


@dataclass
class Search:
    """The search for all surfaces where a system has more solutions than generically.

    Arguments:
        tower: the tower of the parameters; its clock is the deadline.
        rows: the system.
        unknowns: number of columns.
        nonzero: polynomials that cannot vanish, because one divides by them.

    Attributes:
        jumps: what was found.
        open: conditions that could not be followed.
        unreached: conditions of surfaces with more solutions on which no real parameters were found.
        cut: whether there were more conditions to combine than is done.
    """

    tower: tw.Tower
    rows: Sequence[Mapping[int, fmpq_mpoly]]
    unknowns: int
    nonzero: Sequence[fmpq_mpoly]
    jumps: list[Jump] = field(default_factory=list)
    open: list[fmpq_mpoly] = field(default_factory=list)
    unreached: list[list[fmpq_mpoly]] = field(default_factory=list)
    cut: bool = False

    def run(self) -> None:
        """Find all jumps, those with few conditions first.

        Raises:
            ProofStopped: when the deadline passed; what was found until then is kept.
        """
        surface, core = self._whole(), [dict(row) for row in self.rows]
        for step in surface.steps:
            core = surface.restricted(core, step)
        start = Elimination(core, surface.reduce, self.tower.clock.check)
        start.take_constant_pivots()
        solved = len(start.pivots)  # these pivots are numbers: they hold on every surface
        core, offset = list(start.rows.values()), len(surface.steps)
        waiting = [(surface, self.unknowns)]
        seen: set[frozenset[str]] = set()
        while waiting:
            if len(seen) > MAX_SURFACES:
                self.cut = True
                break
            surface, generic = waiting.pop(0)
            rows = core
            for step in surface.steps[offset:]:
                rows = surface.restricted(rows, step)
            done = Elimination(rows, surface.reduce, self.tower.clock.check)
            done.take_constant_pivots()
            done.take_all_pivots()
            dimension = self.unknowns - solved - len(done.pivots)
            conditions = [s.condition for s in surface.steps[offset:]]
            if conditions and dimension > generic and self._is_new(surface, dimension):
                self._record(surface, conditions)
            for condition in self._candidates(done.critical.values()):
                for smaller in self._intersections(surface, condition):
                    name = frozenset(str(s.condition) for s in smaller.steps)
                    if len(smaller.steps) - offset > MAX_DEPTH:
                        self.cut = True
                    elif name not in seen:
                        seen.add(name)
                        waiting.append((smaller, dimension))

    def _whole(self) -> Surface:
        """Return the surface of all parameters; one that occurs with its root is written as a power of that."""
        ring, tower = self.tower.ring, self.tower
        support = set().union(*(ring.support(v) for row in self.rows for v in row.values()))
        relations: list[fmpq_mpoly] = []
        steps: list[Step] = []
        used: set[int] = set()
        for index in sorted(support):
            e = tower.extensions[index]
            if e.relation is None:
                continue
            relation = ring.lift(e.relation)
            inner = set(ring.support(relation)) - {index}
            linear = [i for i in inner if _is_linear(ring.coefficients(relation, i))]
            if e.kind == "root" and linear and not inner & used:
                parts = ring.coefficients(relation, linear[0])
                steps.append(Step(relation, linear[0], -parts[0], parts[1]))
            else:
                relations.append(relation)
            used |= inner
        return Surface(tower, tuple(relations), tuple(steps))

    def _candidates(self, critical: Iterable[fmpq_mpoly]) -> list[fmpq_mpoly]:
        """Return the irreducible factors of critical polynomials that can vanish at all, simple ones first."""
        found = {str(f): f for polynomial in critical for f in self._factors(polynomial)}
        return sorted(found.values(), key=lambda f: (len(f), f.total_degree()))

    def _factors(self, polynomial: fmpq_mpoly) -> list[fmpq_mpoly]:
        """Return the irreducible factors, of leading coefficient 1, that contain a parameter and can vanish."""
        tower = self.tower
        found = (tower.ring.monic(f)[1] for f, _ in tower.ring.factors(polynomial)[1])
        return [f for f in found if tower.depends(f) and not self._never_vanishes(f)]

    def _never_vanishes(self, factor: fmpq_mpoly) -> bool:
        """Tell whether all terms have one sign, and one of them is not zero."""
        ring, extensions = self.tower.ring, self.tower.extensions
        last, signs, definite = ring.size - 1, set(), False
        for exponents, value in factor.terms():
            present = [(extensions[last - k], n) for k, n in enumerate(exponents) if n]
            if any(n % 2 and not e.nonnegative for e, n in present):
                return False
            signs.add(value > 0)
            definite |= all(is_positive(e) for e, _ in present)
        return len(signs) == 1 and definite

    def _intersections(self, surface: Surface, condition: fmpq_mpoly) -> Iterator[Surface]:
        """Yield the parts of a surface where a condition holds."""
        if surface.step(condition) is not None:
            yield from self._parts(surface, [condition])
            return
        for k, step in enumerate(surface.steps):
            if step.top is None:  # has no solution in closed form: take the new condition first
                before = Surface(self.tower, surface.relations, surface.steps[:k])
                yield from self._parts(before, [condition, *(s.condition for s in surface.steps[k:])])
                return
        self.open.append(condition)

    def _parts(self, surface: Surface, conditions: Sequence[fmpq_mpoly]) -> Iterator[Surface]:
        """Yield the parts of a surface where several polynomials vanish."""
        if not conditions:
            yield surface
            return
        condition, *others = conditions
        if condition.is_zero():
            yield from self._parts(surface, others)
            return
        for factor in self._factors(condition):
            step = surface.step(factor)
            if step is None:
                self.open.append(factor)
                continue
            smaller = surface.smaller(step)
            if smaller.is_regular and not self._is_excluded(smaller):
                yield from self._parts(smaller, [smaller.value(c, len(surface.steps)) for c in others])
            if step.top is not None and step.bottom is not None and not step.bottom.is_constant():
                yield from self._parts(surface, [step.bottom, step.top, *others])

    def _is_excluded(self, surface: Surface) -> bool:
        """Tell whether a parameter that is positive by assumption would be zero."""
        for k, step in enumerate(surface.steps):
            positive = is_positive(self.tower.extensions[step.parameter])
            if positive and step.top is not None and surface.value(step.top, k + 1).is_zero():
                return True
        return False

    def _is_new(self, surface: Surface, dimension: int) -> bool:
        """Tell whether a surface can be reached and is no part of one with as many solutions."""
        known = (j for j in self.jumps if len(j.vectors) >= dimension)
        return not any(j.surface.contains(surface) for j in known) and self._is_reached(surface)

    def _is_reached(self, surface: Surface) -> bool:
        """Tell whether real parameters with the assumed signs were found on a surface, none of them forbidden."""
        numbers = random.Random(1)
        if any(surface.value(polynomial).is_zero() for polynomial in self.nonzero):
            return False
        if any(real_point(surface, numbers) for _ in range(MAX_POINTS)):
            return True
        self.unreached.append([step.condition for step in surface.steps])
        return False

    def _record(self, surface: Surface, conditions: list[fmpq_mpoly]) -> None:
        rows: list[PolynomialRow] = [dict(row) for row in self.rows]
        for step in surface.steps:
            rows = surface.restricted(rows, step)
        found = kernel(rows, self.unknowns, self.tower.ring.one, surface.reduce, self.tower.clock.check)
        self.jumps.append(Jump(surface, conditions, list(found.vectors.values())))


def _is_linear(parts: Mapping[int, fmpq_mpoly]) -> bool:
    return max(parts) == 1 and parts[1].is_constant()
