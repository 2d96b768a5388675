"""Answers for functions with sums: their evidence is about summands, and nothing is written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import sympy as sp
from flint import arb, ctx

from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.sum_proofs.atoms import Atoms, Summand
from hamsym.symbolic.sum_proofs.gradients import Bracket
from hamsym.symbolic.sums import Ranges, auxiliaries, term_count
from hamsym.symbolic.zero_test.claim import Claim
from hamsym.symbolic.zero_test.evaluation import concrete, inside
from hamsym.symbolic.zero_test.operations import OutsideDomain
from hamsym.symbolic.zero_test.polynomial import ball
from hamsym.symbolic.zero_test.proved import Proved
from hamsym.symbolic.zero_test.refuted import Refuted
from hamsym.symbolic.zero_test.showing import interval
from hamsym.symbolic.zero_test.tape import Tape
from hamsym.symbolic.zero_test.verdict import Verdict
from hamsym.symbolic.zero_test.witness import Point

#: Terms up to which a check of a proof adds up the whole bracket too.
CHECKED = 20_000
#: Bits of a check, and how small a sum that vanishes must be found.
BITS = 256
_SMALL = sp.Rational(1, 2**160)


def value_by_terms(
    g: sp.Expr, H: sp.Expr, space: PhaseSpace, point: Point, functions: Mapping[str, sp.Lambda]
) -> arb:
    """Return a ball with the value of {g, H} + ∂g/∂t at a point: all terms one after the other, in ball arithmetic.

    Raises:
        OutsideDomain: where g or H is not certainly finite and smooth.

    Example:
        >>> space = PhaseSpace.standard(5)
        >>> g, H = space.parse("Sum(p[i], (i, 1, 5))"), space.parse("Sum((q[i + 1] - q[i])**4, (i, 1, 4))")
        >>> point = {s: sp.Integer(k) for k, s in enumerate(space.variables)}
        >>> bool(value_by_terms(g, H, space, point, {}) == 0)
        True
    """
    by_g, by_H = (_gradient(e, Atoms(space), point, functions) for e in (g, H))
    with ctx.workprec(BITS):
        total = by_g.get(space.time, arb(0)) if space.time is not None else arb(0)
        for q, p in zip(space.coordinates, space.momenta, strict=True):
            for a, b, sign in ((q, p, 1), (p, q, -1)):
                if a in by_g and b in by_H:
                    total += sign * by_g[a] * by_H[b]
    return total


def _gradient(
    expression: sp.Expr, atoms: Atoms, point: Point, functions: Mapping[str, sp.Lambda]
) -> dict[sp.Symbol, arb]:
    left, sums = auxiliaries(expression, atoms.space)
    known: dict[sp.Symbol, tuple[arb, dict[sp.Symbol, arb]]] = {}
    for symbol, e in [*sums.items(), (None, left)]:
        total, slopes = arb(0), dict[sp.Symbol, arb]()
        for term in atoms.terms(e):
            value, partial = _one(term, atoms, point, functions, {s: v for s, (v, _) in known.items()})
            with ctx.workprec(BITS):
                total += value
                for s, slope in partial.items():
                    inner = known[s][1] if s in known else {s: arb(1)}
                    for x, factor in inner.items():
                        slopes[x] = slopes.get(x, arb(0)) + slope * factor
        if symbol is None:
            return slopes
        known[symbol] = (total, slopes)
    return {}


def _one(
    term: Summand,
    atoms: Atoms,
    point: Point,
    functions: Mapping[str, sp.Lambda],
    more: Mapping[sp.Symbol, arb],
) -> tuple[arb, dict[sp.Symbol, arb]]:
    """Return the sum of a summand over its indices, and its derivatives."""
    tape = Tape([concrete(term.expr, functions)])
    symbols = tape.symbols
    moving = [(s, atoms.subscripts(s) or ((s.name, 0), [])) for s in symbols if s in atoms.keys]
    fixed = {s: point.get(s, sp.S.One) for s in symbols if s in atoms.space.symbols.values()}
    total, slopes = arb(0), dict[sp.Symbol, arb]()
    for values in term.ranges.values():
        meant = {}
        for s, (family, subscripts) in moving:
            meant[s] = atoms.families.symbol(family[0], tuple(a.at(values) for a in subscripts))
        at = {**fixed, **{s: point.get(x, sp.S.One) for s, x in meant.items()}, **more}
        at.update({i: sp.Integer(n) for i, n in values.items()})
        run = tape.run(at, {}, bits=BITS)
        with ctx.workprec(BITS):
            total += run.value(0)
            for s, slope in run.gradient(0).items():
                x = meant.get(s, s)
                if x not in values:
                    slopes[x] = slopes.get(x, arb(0)) + slope
    return total, slopes


@dataclass(frozen=True)
class WrittenOut:
    """Writes {g, H} + ∂g/∂t out when it is called; refuses, with a FormulaError, where that is too long."""

    g: sp.Expr
    H: sp.Expr
    space: PhaseSpace

    def __call__(self) -> sp.Expr:
        return Claim(self.space, self.space.written_out(self.g), self.space.written_out(self.H)).formula()


def _is_inside(domain: Domain, space: PhaseSpace, point: Point, functions: Mapping[str, sp.Lambda]) -> bool:
    """Tell whether a point certainly lies in a domain, by evaluation in mpmath; too many conditions are not looked at."""
    conditions = (*domain.positive, *domain.nonzero)
    count = sum(Ranges.of(sp.Sum(1, *c.args[1:])).count if isinstance(c, sp.Tuple) else 1 for c in conditions)
    return count > CHECKED or inside(space.domain_written_out(domain), point, functions)


class _OfSums(Verdict):
    """What answers about sums share: they are kept and compared as they are written."""

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "expression"}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = [f.name for f in fields(self) if f.name not in ("seconds", "relations", "lemmas")]
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Lemma:
    """What was proved for all values of indices at once.

    Attributes:
        where: the ranges of the indices, or what the expression is.
        verdict: of the summand, each subscripted name a symbol of its own.
    """

    where: str
    verdict: Verdict


@dataclass(repr=False, eq=False)
class ProvedBySums(_OfSums, Proved):
    """The bracket is a sum of summands that vanish, each proved once for all values of its indices.

    The proof does not depend on how many terms the sums have.

    Attributes:
        lemmas: the summands and their proofs; none if all of them cancel, or the bracket is one of H with itself.
        written: g and H with their sums.
        reason: how the summands make up the bracket.

    Example:
        >>> from hamsym import Hamiltonian, verify
        >>> chain = Hamiltonian("Sum(p[i]**2/2, (i, 1, 99)) + Sum((q[i + 1] - q[i])**4, (i, 1, 98))", PhaseSpace.standard(99))
        >>> proof = verify(chain, "Sum(p[i], (i, 1, 99))")
        >>> isinstance(proof, ProvedBySums), proof.check()
        (True, True)
        >>> print(proof.reason)
        every summand of the bracket cancels, for all values of its indices
    """

    lemmas: tuple[Lemma, ...] = ()
    written: tuple[sp.Expr, sp.Expr] = (sp.S.Zero, sp.S.Zero)
    space: PhaseSpace | None = None
    reason: str = ""

    def check(self) -> bool:
        """Check each summand at points with 100 digits; add up the whole bracket at the sample.

        That is done in ball arithmetic with many bits, and with intervals of floats for sums of many terms.
        """
        if not all(lemma.verdict.status == "proved" and lemma.verdict.check() for lemma in self.lemmas):
            return False
        if self.space is None:
            return False
        try:
            if sum(map(term_count, self.written)) > CHECKED:
                bounds = Bracket(*self.written, self.domain, Atoms(self.space), self.functions).at(
                    self.sample
                )
                return bool(bounds.low <= 0 <= bounds.high)
            if not _is_inside(self.domain, self.space, self.sample, self.functions):
                return False
            value = value_by_terms(*self.written, self.space, self.sample, self.functions)
        except OutsideDomain:
            return False
        return bool(value.contains(0) and value.rad() < ball(_SMALL))

    def details(self) -> list[str]:
        lines = [self.reason]
        lines += [f"{shorten(str(x.verdict.expression), 90)} = 0 for {x.where}" for x in self.lemmas]
        return [
            *lines,
            shorten("defined at " + ", ".join(f"{s} = {v}" for s, v in [*self.sample.items()][:12]), 120),
        ]

    def to_dict(self) -> dict[str, object]:
        lemmas = [{"where": x.where, **x.verdict.to_dict()} for x in self.lemmas]
        return {**super().to_dict(), "reason": self.reason, "summands": lemmas}


@dataclass(repr=False, eq=False)
class RefutedBySums(_OfSums, Refuted):
    """The bracket is not zero: its value at a point, added up over all terms in interval arithmetic.

    Attributes:
        written: g and H with their sums.

    Example:
        >>> from hamsym import Hamiltonian, verify
        >>> chain = Hamiltonian("Sum(p[i]**2/2, (i, 1, 99)) + Sum((q[i + 1] - q[i])**4, (i, 1, 98))", PhaseSpace.standard(99))
        >>> wrong = verify(chain, "Sum(p[i], (i, 1, 98))")
        >>> isinstance(wrong, RefutedBySums), wrong.check()
        (True, True)
    """

    written: tuple[sp.Expr, sp.Expr] = (sp.S.Zero, sp.S.Zero)
    space: PhaseSpace | None = None

    def check(self) -> bool:
        """Add up all terms in ball arithmetic with many bits, and compare with the bounds."""
        lower, upper = self.value
        if not lower * upper > 0 or self.space is None:
            return False
        try:
            if not _is_inside(self.domain, self.space, self.point, self.functions):
                return False
            value = value_by_terms(*self.written, self.space, self.point, self.functions)
        except OutsideDomain:
            return False
        return bool(not value.contains(0) and value >= ball(lower) and value <= ball(upper))

    def details(self) -> list[str]:
        where = ", ".join(f"{s} = {v}" for s, v in [*self.point.items()][:12])
        lines = [shorten(f"value in {interval(*self.value)} at {where}", 160)]
        return lines + [f"with {name} = {polynomial}" for name, polynomial in self.functions.items()]

    def _latex_details(self) -> str:
        return rf",\quad \text{{value}} \in {interval(*self.value)}"
