"""Witness, proof, deeper search: how the question "is it zero?" is decided.

A certified nonzero value ends a false claim in a fraction of a millisecond, so it is looked for first.  The proof
in the differential tower comes next, then more points with more bits.  A proof counts only together with a sample
point at which everything is finite: on an empty domain every expression is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import sympy as sp
from flint import arb, ctx, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.derivative import derivative
from hamsym.symbolic.formula import Domain
from hamsym.symbolic.space import Space
from hamsym.symbolic.tape import NoTape, OutsideDomain, Polynomial, Tape
from hamsym.symbolic.tower.certificate import relations
from hamsym.symbolic.verdict import Proved, Refuted, Undecided, Verdict
from hamsym.symbolic.witness import Point, choices, enclosure, is_short, nearer, points

#: The domain that forbids nothing beyond what the expression itself says.
EVERYWHERE = Domain()

#: Bits of the first look, points of the first look.
FIRST_BITS, FIRST_POINTS = (64, 192), 3
#: Bits and points of the two searches after a proof was not found: precise, then wide.
DEEP_BITS, DEEP_POINTS = (256, 1024, 2048), 40
WIDE_BITS, WIDE_POINTS = (128,), 200
#: Points that are tried before the domain is called empty or tiny.
DOMAIN_POINTS = 400


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

    @property
    def _everything(self) -> list[sp.Expr]:
        return [*self._parts, *self.domain.positive, *self.domain.nonzero]

    @cached_property
    def symbols(self) -> list[sp.Symbol]:
        """The symbols that occur, in the order of the space."""
        free = set().union(*(p.free_symbols for p in self._everything))
        return [s for s in self.space.symbols.values() if s in free]

    @property
    def size(self) -> int:
        """An estimate of the number of generators that a proof needs."""
        return len(self.symbols) + 2 * self.tape.transcendental + 8

    @cached_property
    def arity(self) -> dict[str, int]:
        """The undefined functions that occur, with their numbers of arguments."""
        used = set().union(*(p.atoms(sp.core.function.AppliedUndef) for p in self._everything))
        return {
            name: n
            for name, n in self.space.function_arity.items()
            if name in {f.func.__name__ for f in used}
        }

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
        by_g, by_h = run.gradient(0), run.gradient(1)
        with ctx.workprec(bits):
            total = arb(0)
            for k, (a, b) in enumerate(self.space.poisson_tensor):
                if a in by_g and b in by_h:
                    total += run.value(2 + k) * by_g[a] * by_h[b]
            if self.space.time is not None and self.space.time in by_g:
                total += by_g[self.space.time]
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
        present = self.first.free_symbols | self.second.free_symbols
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


def decide(claim: Claim, budget: float) -> Verdict:
    """Answer a claim within a budget of seconds; never raises for a claim in the space's own symbols."""
    clock = tw.Clock(budget)
    try:
        return _decide(claim, clock)
    except (NoTape, tw.ProofStopped) as stop:
        reason = str(stop)
    except RecursionError:
        reason = "the expression is nested too deeply"
    except (ArithmeticError, ValueError, MemoryError) as failure:
        reason = f"the arithmetic gave up: {failure}"
    return Undecided(claim.question, claim.formula, reason=reason, seconds=clock.seconds)


def _decide(claim: Claim, clock: tw.Clock) -> Verdict:
    search = _Search(claim, clock)
    found = search.look(FIRST_POINTS, FIRST_BITS)
    if found is not None:
        return found
    tower, zero, reason = prove(claim, clock)
    if zero:
        if search.sample is None:
            found = search.look(DOMAIN_POINTS, FIRST_BITS[:1], stop_at_sample=True)
        if found is not None:
            reason = "a proof and a certified nonzero value contradict each other: please report this formula"
        elif search.sample is not None:
            point, functions = search.sample
            return Proved(
                claim.question,
                claim.formula,
                partial(relations, tower, claim.space.functions),
                point,
                _lambdas(functions),
                domain=claim.domain,
                seconds=clock.seconds,
            )
    else:
        found = search.look(
            DEEP_POINTS, DEEP_BITS
        )  # a refutation is False as a truth value: compare with None
        if found is None:
            found = search.look(WIDE_POINTS, WIDE_BITS)
        if found is None and search.sample is None:
            found = search.look(DOMAIN_POINTS, WIDE_BITS)
        if found is not None:
            return found
    if search.sample is None:
        reason = "no point of the domain found: the domain is empty or tiny"
    return Undecided(claim.question, claim.formula, reason=reason, seconds=clock.seconds)


def prove(claim: Claim, clock: tw.Clock) -> tuple[tw.Tower, bool, str]:
    """Try to prove a claim in a fresh tower, without any look at numbers.

    Returns:
        The tower, whether the claim follows from its relations, and if not, why not.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1)
        >>> prove(Claim(space, space.parse("(q1 + 1)**2 - q1**2 - 2*q1 - 1")), tw.Clock(1.0))[1]
        True
    """
    tower = tw.Tower(clock, size=claim.size)
    reason = "no proof and no certified nonzero value was found; a relation between functions may be missing"
    try:
        if tw.vanishes(tower, claim.element(tower)):
            return tower, True, ""
    except tw.ProofStopped as stop:
        reason = str(stop)
    if claim.domain.positive:  # what is zero on a larger domain is zero on this one
        return prove(replace(claim, domain=Domain()), clock)
    return tower, False, reason


def _lambdas(functions: Mapping[str, Polynomial]) -> dict[str, sp.Lambda]:
    return {name: polynomial.as_lambda() for name, polynomial in functions.items()}


class _Search:
    """A search for a point with a certified nonzero value that remembers the first point of the domain."""

    def __init__(self, claim: Claim, clock: tw.Clock) -> None:
        self.claim, self.clock = claim, clock
        self.sample: tuple[Point, dict[str, Polynomial]] | None = None
        self._trials: Iterator[tuple[Point, dict[str, Polynomial]]] = zip(
            points(claim.symbols), choices(claim.arity), strict=False
        )

    def look(self, count: int, bits: tuple[int, ...], stop_at_sample: bool = False) -> Refuted | None:
        """Try so many further points, each with rising precision until the value is told from zero or the bits end."""
        tried = 0
        for point, functions in self._trials:
            for precision in bits:
                self.clock.check()
                try:
                    ball = self.claim.value(point, functions, precision)
                except OutsideDomain:
                    if precision == bits[0]:
                        break
                    continue
                self.sample = self.sample or (point, functions)
                if not ball.contains(0):
                    found = self._refuted(point, functions, ball, precision)
                    if found is not None:
                        return found
                    break
            tried += 1
            if tried >= count or (stop_at_sample and self.sample):
                break
        return None

    def _refuted(
        self, point: Point, functions: dict[str, Polynomial], ball: arb, bits: int
    ) -> Refuted | None:
        """Return the refutation; nearer to zero where numbers have thousands of digits, or checked at once."""
        if self._is_short(point, functions, ball, bits):
            return self._refutation(point, functions, ball)
        for other in nearer(point):
            self.clock.check()
            try:
                value = self.claim.value(other, functions, bits)
            except OutsideDomain:
                continue
            if not value.contains(0) and self._is_short(other, functions, value, bits):
                return self._refutation(other, functions, value)
        found = self._refutation(point, functions, ball)
        return found if found.check() else None

    def _is_short(self, point: Point, functions: dict[str, Polynomial], ball: arb, bits: int) -> bool:
        values = self.claim.tape.run(point, functions, bits=bits).values
        return is_short(ball) and all(is_short(value) for value in values)

    def _refutation(self, point: Point, functions: dict[str, Polynomial], ball: arb) -> Refuted:
        return Refuted(
            self.claim.question,
            self.claim.formula,
            point,
            enclosure(ball),
            _lambdas(functions),
            domain=self.claim.domain,
            seconds=self.clock.seconds,
        )
