"""What is claimed to vanish: an expression, or the total derivative of g along H."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy as sp
from flint import arb, ctx, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.operations import OutsideDomain
from hamsym.symbolic.zero_test.polynomial import Polynomial
from hamsym.symbolic.zero_test.samples import bracket_at
from hamsym.symbolic.zero_test.tape import Tape
from hamsym.symbolic.zero_test.witness import Point

#: The domain that forbids nothing beyond what the expression itself says.
EVERYWHERE = Domain()


@dataclass(frozen=True)
class Claim:
    """The claim that an expression, or ``{g, H} + ∂g/∂t``, vanishes identically.

    Attributes:
        space: where it lives.
        first: the expression, or g.
        second: H, or None when ``first`` itself is claimed to vanish.
        domain: what else must be positive, or not zero, wherever the claim is made.
    """

    space: Space
    first: sp.Expr
    second: sp.Expr | None = None
    domain: Domain = EVERYWHERE

    @property
    def question(self) -> str:
        """The claim in words."""
        if self.second is None:
            return "the expression is zero"
        return "{g, H} = 0" if self.space.time is None else "{g, H} + dg/dt = 0"

    @property
    def subject(self) -> dict[str, sp.Expr]:
        """What is judged, by what it is."""
        if self.second is None:
            return {"expression": self.first}
        return {"generator": self.first, "hamiltonian": self.second}

    def formula(self) -> sp.Expr:
        """Return the expression that is claimed to vanish, differentiated by sympy."""
        if self.second is None:
            return self.first
        total = formal_bracket(self.first, self.second, self.space)
        return total if self.space.time is None else total + derivative(self.first, self.space.time)

    @cached_property
    def _parts(self) -> list[sp.Expr]:
        parts = [self.first] if self.second is None else [self.first, self.second]
        return parts if self.second is None else [*parts, *self.space.poisson_tensor.values()]

    @cached_property
    def symbols(self) -> list[sp.Symbol]:
        """The symbols that occur, in the order of the space."""
        free = self.tape.symbols | self._border.symbols
        return [s for s in self.space.symbols.values() if s in free]

    @property
    def size(self) -> int:
        """An estimate of the number of generators that a proof needs."""
        return len(self.symbols) + 2 * self.tape.transcendental + 8

    @cached_property
    def arity(self) -> dict[str, int]:
        """The undefined functions that occur, with their numbers of arguments."""
        used = self.tape.functions | self._border.functions
        return {name: n for name, n in self.space.function_arity.items() if name in used}

    @cached_property
    def tape(self) -> Tape:
        """The compiled parts."""
        return Tape(self._parts)

    @cached_property
    def _border(self) -> Tape:
        return Tape([*self.domain.positive, *self.domain.nonzero])

    def _require_inside(self, point: Point, functions: Mapping[str, Polynomial], bits: int) -> None:
        run, positive = self._border.run(point, functions, bits=bits), len(self.domain.positive)
        for k in range(len(self._border.outs)):
            ball = run.value(k)
            if not ball > 0 and (k < positive or ball.contains(0)):
                raise OutsideDomain

    def value(self, point: Point, functions: Mapping[str, Polynomial], bits: int) -> arb:
        """Return a ball that contains the value at a point."""
        self._require_inside(point, functions, bits)
        run = self.tape.run(point, functions, bits=bits)
        if self.second is None:
            return run.value(0)
        total = bracket_at(run, 0, 1, list(self.space.poisson_tensor), 2)
        time = self.space.time
        if time is not None and time in (by_g := run.gradient(0)):
            with ctx.workprec(bits):
                total += by_g[time]
        if not total.is_finite():
            raise OutsideDomain
        return total

    def element(self, tower: tw.Tower) -> fmpq_mpoly:
        """Return the claimed zero as an element of a tower."""
        converter = tw.Converter(tower)
        assumed = [sp.log(e, evaluate=False) for e in self.domain.positive]  # real where e is positive
        if self.second is None:
            converter.prepare(self.first, *assumed)
            return converter.convert(self.first)
        converter.prepare(self.first, self.second, *assumed)
        g, h = converter.convert(self.first), converter.convert(self.second)
        present = set(self.symbols)
        tensor = {
            (tower.number(a), tower.number(b)): converter.convert(entry)
            for (a, b), entry in self.space.poisson_tensor.items()
            if a in present and b in present
        }
        total = tw.bracket(tower, g, h, tensor)
        time = self.space.time
        if time is not None and time in self.first.free_symbols:
            total = tower.ring.add(total, tw.derivative(tower, g, tower.number(time)))
        return total


def formal_bracket(f: sp.Expr, g: sp.Expr, space: Space) -> sp.Expr:
    """Return ``{f, g}`` by sympy's differentiation, unsimplified."""
    f_slopes = {a: derivative(f, a) for a in space.variables if f.has(a)}
    g_slopes = {b: derivative(g, b) for b in space.variables if g.has(b)}
    terms = [
        entry * f_slopes[a] * g_slopes[b]
        for (a, b), entry in space.poisson_tensor.items()
        if a in f_slopes and b in g_slopes
    ]
    return sp.Add(*terms)
