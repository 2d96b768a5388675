"""Special values of the parameters at which there are more integrals.

Where no pivot of an elimination vanishes, the number of solutions is the generic one.  So every special value lies on
a hypersurface f = 0 of an irreducible factor f of a pivot.  There the elimination is done again: more solutions are a
jump; its own pivots lead to smaller surfaces.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from flint import fmpq, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.linear.parametric import Elimination, PolynomialRow, kernel

#: Conditions that are combined, candidates that are tried, random points at which they are tried to hold.
MAX_DEPTH, MAX_SURFACES, MAX_POINTS = 3, 2000, 60

Key = TypeVar("Key")


@dataclass(frozen=True)
class Step:
    """A condition, as a rule for a parameter.

    Attributes:
        condition: the polynomial that vanishes.
        parameter: the number of the generator that is replaced.
        top, bottom: its value; or None when powers of it are reduced by the condition instead.
    """

    condition: fmpq_mpoly
    parameter: int
    top: fmpq_mpoly | None = None
    bottom: fmpq_mpoly | None = None


@dataclass
class Surface:
    """The parameters where some conditions hold.

    Attributes:
        tower: the tower of the parameters.
        relations: polynomials that vanish anyway, the leading term of each a power of its newest generator.
        steps: rules that were applied, one after the other.
    """

    tower: tw.Tower
    relations: tuple[fmpq_mpoly, ...] = ()
    steps: tuple[Step, ...] = ()

    @cached_property
    def _divisors(self) -> list[fmpq_mpoly]:
        """What is zero here, the newest generators first."""
        zero = [*self.relations, *(step.condition for step in self.steps if step.top is None)]
        return sorted(zero, key=lambda f: -self.tower.ring.support(f)[-1])

    def reduce(self, polynomial: fmpq_mpoly) -> fmpq_mpoly:
        """Return the normal form; replaced parameters are gone already."""
        for divisor in self._divisors:
            polynomial = divmod(polynomial, divisor)[1]
        return polynomial

    def smaller(self, *steps: Step) -> Surface:
        """Return the part where more conditions hold."""
        return Surface(self.tower, self.relations, (*self.steps, *steps))

    def contains(self, other: Surface) -> bool:
        """Tell whether the conditions of this surface hold on all of another one."""
        for own in self.steps:
            row = [{0: own.condition}]
            for step in other.steps:
                row = other.restricted(row, step)
            if row and not other.reduce(row[0][0]).is_zero():
                return False
        return True

    def restricted(self, rows: Iterable[Mapping[int, fmpq_mpoly]], step: Step) -> list[PolynomialRow]:
        """Return rows on the smaller surface of one more condition, up to factors that do not vanish there."""
        found = []
        for row in rows:
            if step.top is None:
                new = {j: divmod(v, step.condition)[1] for j, v in row.items()}
            else:
                new = _replaced(self.tower, row, step)
            new = {j: v for j, v in new.items() if not v.is_zero()}
            if new:
                found.append(new)
        return found

    def step(self, condition: fmpq_mpoly) -> Step | None:
        """Return a rule for a condition, the simplest there is; None if there is no exact one."""
        ring = self.tower.ring
        fixed = self._fixed()
        best: Step | None = None
        for index in ring.support(condition):
            if index in fixed:
                continue
            parts = ring.coefficients(condition, index)
            if max(parts) == 1:
                rule = Step(condition, index, -parts.get(0, ring.zero), parts[1])
                if parts[1].is_constant():
                    return rule
                best = best or rule
        if best is not None:
            return best
        newest = ring.support(condition)[-1]
        parts = ring.coefficients(condition, newest)
        if newest not in fixed and parts[max(parts)].is_constant():
            return Step(condition, newest)
        return None

    def _fixed(self) -> set[int]:
        """Return the generators that relations bind."""
        ring = self.tower.ring
        return set().union(*(ring.support(divisor) for divisor in self._divisors))


def _replaced(tower: tw.Tower, row: Mapping[int, fmpq_mpoly], step: Step) -> PolynomialRow:
    """Put top/bottom for a parameter, and multiply the row by a power of the bottom."""
    ring = tower.ring
    assert step.top is not None and step.bottom is not None
    split = {j: ring.coefficients(v, step.parameter) for j, v in row.items()}
    highest = max(max(parts) for parts in split.values())
    powers = [ring.one]
    for _ in range(highest):
        powers.append(powers[-1] * step.bottom)
    return {
        j: ring.sum(c * step.top**k * powers[highest - k] for k, c in parts.items())
        for j, parts in split.items()
    }


def _is_linear(parts: Mapping[int, fmpq_mpoly]) -> bool:
    return max(parts) == 1 and parts[1].is_constant()


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

    def restricted(self, vectors: Iterable[Mapping[int, fmpq | fmpq_mpoly]]) -> list[PolynomialRow]:
        """Return what generic solutions become on the surface."""
        rows = [self.polynomials(vector) for vector in vectors]
        for step in self.surface.steps:
            rows = self.surface.restricted(rows, step)
        return rows

    def polynomials(self, vector: Mapping[Key, fmpq | fmpq_mpoly]) -> dict[Key, fmpq_mpoly]:
        """Return a vector with all entries as polynomials."""
        constant = self.surface.tower.ring.constant
        return {j: constant(v) if isinstance(v, fmpq) else v for j, v in vector.items()}

    def dependent(self, vectors: Sequence[PolynomialRow]) -> set[int]:
        """Return the numbers of vectors that are combinations of vectors before them, on the surface."""
        tower = self.surface.tower
        rows: dict[int, PolynomialRow] = {}
        for k, vector in enumerate(vectors):
            for j, v in vector.items():
                rows.setdefault(j, {})[k] = v
        found = kernel(
            list(rows.values()), len(vectors), tower.ring.one, self.surface.reduce, tower.clock.check
        )
        return set(found.vectors)


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
        """Return the irreducible factors, of leading coefficient 1, that can vanish."""
        found = (self.tower.ring.monic(f)[1] for f, _ in self.tower.ring.factors(polynomial)[1])
        return [f for f in found if not f.is_constant() and not self._never_vanishes(f)]

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
        step = surface.step(condition)
        if step is not None:
            yield surface.smaller(step)
            if step.top is not None and step.bottom is not None and not step.bottom.is_constant():
                yield from self._both(surface, step.bottom, step.top)
        elif surface.steps and surface.steps[-1].top is None:
            # the newest condition has no solution in closed form: take the other one first
            before = Surface(self.tower, surface.relations, surface.steps[:-1])
            yield from self._both(before, condition, surface.steps[-1].condition)
        else:
            self.open.append(condition)

    def _both(self, surface: Surface, one: fmpq_mpoly, other: fmpq_mpoly) -> Iterator[Surface]:
        """Yield the parts of a surface where two polynomials vanish."""
        for factor in self._factors(one):
            first = surface.step(factor)
            if first is None:
                self.open.append(factor)
                continue
            between = surface.smaller(first)
            rest = between.restricted([{0: other}], first)
            if not rest:
                yield between
                continue
            for second in self._factors(rest[0][0]):
                step = between.step(second)
                if step is None:
                    self.open.append(second)
                else:
                    yield between.smaller(step)

    def _is_new(self, surface: Surface, dimension: int) -> bool:
        """Tell whether a surface can be reached and is no part of one with as many solutions."""
        known = (j for j in self.jumps if len(j.vectors) >= dimension)
        return not any(j.surface.contains(surface) for j in known) and self._is_reached(surface)

    def _is_reached(self, surface: Surface) -> bool:
        """Tell whether real parameters with the assumed signs were found on a surface, none of them forbidden."""
        numbers = random.Random(1)
        for polynomial in self.nonzero:
            row = [{0: polynomial}]
            for step in surface.steps:
                row = surface.restricted(row, step)
            if not row or surface.reduce(row[0][0]).is_zero():
                return False
        if any(_real_point(surface, numbers) for _ in range(MAX_POINTS)):
            return True
        self.unreached.append([step.condition for step in surface.steps])
        return False

    def _record(self, surface: Surface, conditions: list[fmpq_mpoly]) -> None:
        rows: list[PolynomialRow] = [dict(row) for row in self.rows]
        for step in surface.steps:
            rows = surface.restricted(rows, step)
        found = kernel(rows, self.unknowns, self.tower.ring.one, surface.reduce, self.tower.clock.check)
        self.jumps.append(Jump(surface, conditions, list(found.vectors.values())))


def is_positive(extension) -> bool:  # type: ignore[no-untyped-def]
    """Tell whether a generator is never zero by assumption."""
    return bool(extension.symbol is not None and extension.symbol.is_positive) or (
        extension.kind == "constant" or (extension.kind == "root" and extension.nonnegative)
    )


def _real_point(surface: Surface, numbers: random.Random) -> bool:
    """Try one random choice of the free parameters."""
    tower, ring = surface.tower, surface.tower.ring
    replaced = {step.parameter for step in surface.steps}
    values = [fmpq(0)] * ring.size
    for e in tower.extensions:
        if e.index not in replaced:
            size = fmpq(numbers.randint(1, 60), numbers.randint(1, 20))
            values[ring.size - 1 - e.index] = size if e.nonnegative or numbers.random() < 0.5 else -size
    for step in reversed(surface.steps):
        e, place = tower.extensions[step.parameter], ring.size - 1 - step.parameter
        if step.top is None or step.bottom is None:
            if not _has_root(step, values, place, e.nonnegative):
                return False
            continue
        bottom = step.bottom(*values)
        if bottom == 0:
            return False
        value = step.top(*values) / bottom
        if e.nonnegative and not value > 0:
            return False
        values[place] = value
    return True


def _has_root(step: Step, values: list[fmpq], place: int, positive: bool) -> bool:
    """Tell whether a condition has a real root for its parameter, by Sturm's theorem."""
    import sympy as sp

    x = sp.Symbol("x")
    coefficients: dict[int, fmpq] = {}
    for exponents, value in step.condition.terms():
        for k, n in enumerate(exponents):
            if n and k != place:
                value *= values[k] ** n
        coefficients[exponents[place]] = coefficients.get(exponents[place], fmpq(0)) + value
    polynomial = sp.Poly({(n,): sp.Rational(int(v.p), int(v.q)) for n, v in coefficients.items()}, x)
    return bool(polynomial.count_roots(0 if positive else None))
