"""Surfaces in the space of parameters: conditions, each as a rule that eliminates one parameter."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy as sp
from flint import fmpq, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.linear.parametric import PolynomialRow
from hamsym.symbolic.tower.certificate import Reader
from hamsym.symbolic.tower.extension import Extension


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
        return all(other.value(own.condition).is_zero() for own in self.steps)

    @property
    def is_regular(self) -> bool:
        """Whether no rule divides by something that vanishes by a later one."""
        return not any(
            step.bottom is not None and self.value(step.bottom, k + 1).is_zero()
            for k, step in enumerate(self.steps)
        )

    def value(self, polynomial: fmpq_mpoly, first: int = 0) -> fmpq_mpoly:
        """Return what the rules from one on make of a polynomial, up to a factor that does not vanish."""
        rows: list[PolynomialRow] = [{0: polynomial}]
        for step in self.steps[first:]:
            rows = self.restricted(rows, step)
        return self.reduce(rows[0][0]) if rows else self.tower.ring.zero

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
        """Return the generators that relations bind, and those that stand for numbers."""
        ring = self.tower.ring
        numbers = {e.index for e in self.tower.extensions if not e.depends}
        return numbers.union(*(ring.support(divisor) for divisor in self._divisors))


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


def is_positive(extension: Extension) -> bool:
    """Tell whether a generator is never zero by assumption."""
    return bool(extension.symbol is not None and extension.symbol.is_positive) or (
        extension.kind == "constant" or (extension.kind == "root" and extension.nonnegative)
    )


def real_point(surface: Surface, numbers: random.Random) -> bool:
    """Try one random choice of the free parameters."""
    tower, ring = surface.tower, surface.tower.ring
    replaced = {step.parameter for step in surface.steps}
    values = [fmpq(0)] * ring.size
    for e in tower.extensions:
        if e.index not in replaced:
            if not e.depends:
                values[ring.size - 1 - e.index] = _number(tower, e)
                continue
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
    x = sp.Symbol("x")
    coefficients: dict[int, fmpq] = {}
    for exponents, value in step.condition.terms():
        for k, n in enumerate(exponents):
            if n and k != place:
                value *= values[k] ** n
        coefficients[exponents[place]] = coefficients.get(exponents[place], fmpq(0)) + value
    polynomial = sp.Poly({(n,): sp.Rational(int(v.p), int(v.q)) for n, v in coefficients.items()}, x)
    return bool(polynomial.count_roots(0 if positive else None))


def _number(tower: tw.Tower, extension: Extension) -> fmpq:
    """Return a decimal value of a generator that stands for a number."""
    value = sp.Rational(str(Reader(tower, {}).meaning(extension.index).evalf(30)))
    return fmpq(int(value.p), int(value.q))
