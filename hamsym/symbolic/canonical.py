"""Canonical maps: do new variables have the brackets that their names promise?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy as sp
from sympy.core.numbers import Number

from hamsym.arguments import plural
from hamsym.errors import SpaceError, did_you_mean
from hamsym.symbolic import tower as tw
from hamsym.symbolic.bracket import Formula, budget_seconds, with_roots
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.formula.names import Name
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.space import Space
from hamsym.symbolic.symmetry.flows import Flow
from hamsym.symbolic.zero_test.decide import Claim, decide, formal_bracket
from hamsym.symbolic.zero_test.proved import Proved
from hamsym.symbolic.zero_test.refuted import Refuted
from hamsym.symbolic.zero_test.showing import brief
from hamsym.symbolic.zero_test.verdict import Verdict
from hamsym.symbolic.zero_test.witness import Point

#: A pair of new variables.
Pair = tuple[sp.Symbol, sp.Symbol]


@dataclass(repr=False, eq=False)
class MapVerdict(Verdict):
    """Whether a map keeps the Poisson bracket: one verdict for each bracket of two new variables.

    Attributes:
        brackets: pair of new variables -> verdict on its bracket, up to the first that is refuted.
        valence: a constant c with ``{f∘φ, g∘φ} = c {f, g}∘φ`` where it was shown that there is one: 1 for a canonical
            map, something else where the map is canonical up to a scale of the bracket; otherwise None.

    Example:
        >>> from hamsym import PhaseSpace
        >>> doubled = is_canonical({"q1": "2*q1", "p1": "p1"}, PhaseSpace.standard(1))
        >>> doubled.status, doubled.failing, doubled.valence
        ('refuted', (q1, p1), 2)
    """

    brackets: Mapping[Pair, Verdict] = field(default_factory=dict)
    valence: sp.Expr | None = None

    @property
    def status(self) -> str:  # type: ignore[override]
        """``"proved"`` if all brackets are, ``"refuted"`` if one is, otherwise ``"undecided"``."""
        found = {v.status for v in self.brackets.values()}
        return next((s for s in ("refuted", "undecided") if s in found), "proved")

    def _first(self, status: str) -> Pair | None:
        return next((pair for pair, v in self.brackets.items() if v.status == status), None)

    @property
    def failing(self) -> Pair | None:
        """The first pair of new variables whose bracket is refuted, or None."""
        return self._first("refuted")

    @property
    def point(self) -> Point:
        """Where that bracket is wrong: symbol to rational value; empty if no bracket is refuted."""
        return getattr(self.brackets[self.failing], "point", {}) if self.failing else {}

    @property
    def value(self) -> tuple[Number, Number] | None:
        """Certified bounds of the bracket minus what it should be at that point, or None."""
        return getattr(self.brackets[self.failing], "value", None) if self.failing else None

    def __bool__(self) -> bool:
        worst = self._first("refuted") or self._first("undecided")
        return True if worst is None else bool(self.brackets[worst])

    def check(self) -> bool:
        """Verify the verdict on every bracket again by code that shares nothing with the prover but the formula."""
        return all(verdict.check() for verdict in self.brackets.values())

    def details(self) -> list[str]:
        scaled = f"all brackets are {self.valence} times what they should be"
        lines = [] if self.valence in (None, 1) else [scaled]
        for status in ("refuted", "undecided"):
            pair = self._first(status)
            if pair is not None:
                return [*lines, f"{status}: {self.brackets[pair].question}", *self.brackets[pair].details()]
        return [*lines, f"{plural(len(self.brackets), 'bracket')} proved"]

    def _subject_texts(self) -> dict[str, object]:
        """All images under one name, lest a variable's name clash with another entry."""
        return {"images": super()._subject_texts()}

    def _subject_lines(self, width: int = 120) -> list[str]:
        return [f"{name} -> {brief(e, width)}" for name, e in self.subject.items()]

    def to_dict(self) -> dict[str, object]:
        return {
            **super().to_dict(),
            "brackets": [verdict.to_dict() for verdict in self.brackets.values()],
            "valence": None if self.valence is None else str(self.valence),
        }


def is_canonical(
    images: Flow | Mapping[Name, Formula],
    space: Space | None = None,
    target: Space | None = None,
    *,
    budget: float = 10.0,
) -> MapVerdict:
    """Decide whether new variables, as functions of the old ones, have the brackets of their space.

    For a phase space these are ``{Q_i, P_j} = δ_ij`` and ``{Q_i, Q_j} = {P_i, P_j} = 0``; with a Lie–Poisson space on either side
    it is the question whether the map is a Poisson map.  Time is a parameter.

    Arguments:
        images: each variable of the target, by name or symbol, to an expression in the old variables; or a flow.
        space: the space of the old variables; for a flow its own.
        target: the space of the new variables; None takes ``space`` (a map of the space to itself).
        budget: seconds for all brackets together.

    Returns:
        A verdict whose truth value is the answer; ``failing`` names the first pair that is wrong, ``point`` a point where it
        is, and ``valence`` the constant by which all brackets are wrong alike, if there is one.

    Raises:
        SpaceError: if images do not name the variables of the target one by one.
        FormulaError: for formulas that are refused.

    Source: Goldstein, Classical Mechanics, section 9.5; Arnold, Mathematical Methods, section 44.

    Example:
        >>> from hamsym import PhaseSpace
        >>> polar = PhaseSpace("r phi", "pr pphi", parameters={"r": "positive"})
        >>> cartesian = {
        ...     "q1": "r*cos(phi)", "p1": "pr*cos(phi) - pphi*sin(phi)/r",
        ...     "q2": "r*sin(phi)", "p2": "pr*sin(phi) + pphi*cos(phi)/r",
        ... }
        >>> is_canonical(cartesian, polar, PhaseSpace.standard(2)).status
        'proved'
    """
    clock = tw.Clock(budget_seconds(budget))
    if isinstance(images, Flow):
        space = images.space if space is None else space
        images = images.images
    target = space if target is None else target
    if not isinstance(space, Space) or not isinstance(target, Space):
        raise SpaceError(
            "is_canonical needs the space of the old variables, as is_canonical(images, PhaseSpace('q', 'p'))"
        )
    expressions, domain = read_images(images, space, target.variables)
    new = target.variables
    wanted = {
        pair: entry.subs(expressions, simultaneous=True) for pair, entry in target.poisson_tensor.items()
    }
    brackets: dict[Pair, Verdict] = {}
    for a, b in itertools.combinations(new, 2):
        value = formal_bracket(expressions[a], expressions[b], space)
        left = max(clock.remaining, 1e-3)
        verdict = decide(Claim(space, value - wanted.get((a, b), sp.S.Zero), domain=domain), left)
        promised = target.poisson_tensor.get((a, b), sp.S.Zero)
        brackets[a, b] = replace(verdict, question=f"{{{a}, {b}}} = {promised}", subject={})
        if isinstance(verdict, Refuted):
            break
    last = next(reversed(brackets.values()), None)
    valence = None
    if isinstance(last, Refuted):
        valence = _valence(expressions, space, wanted, new, domain, clock)
    elif wanted and all(isinstance(v, Proved) for v in brackets.values()):
        valence = sp.S.One
    formula = sp.Integer if last is None else last.formula
    canonical = isinstance(space, PhaseSpace) and isinstance(target, PhaseSpace)
    question = "the map is canonical" if canonical else "the map keeps the Poisson bracket"
    subject = {s.name: image for s, image in expressions.items()}
    return MapVerdict(
        question, formula, brackets=brackets, valence=valence, subject=subject, seconds=clock.seconds
    )


def read_images(
    images: Mapping[Name, Formula], space: Space, wanted: Sequence[sp.Symbol]
) -> tuple[dict[sp.Symbol, sp.Expr], Domain]:
    """Return each wanted variable with its image, and the domain of all images, checked."""
    if not isinstance(images, Mapping):
        raise SpaceError(f"images are given by name, as {{'q1': 'q1 + p1', 'p1': 'p1'}}, not {images!r}")
    by_name = {s.name: s for s in wanted}
    given = {(n.name if isinstance(n, sp.Symbol) else n): value for n, value in images.items()}
    for name in given:
        if name not in by_name:
            raise SpaceError(f"{name!r} is no variable of the new space{did_you_mean(str(name), by_name)}")
    missing = [name for name in by_name if name not in given]
    if missing or len(given) < len(images):
        raise SpaceError(
            f"each new variable needs one image; missing: {', '.join(missing) or 'a name occurs twice'}"
        )
    read = {by_name[name]: with_roots(value, space) for name, value in given.items()}
    domains = [d for _, d in read.values()]
    domain = Domain(
        tuple(e for d in domains for e in d.positive), tuple(e for d in domains for e in d.nonzero)
    )
    return {s: expression for s, (expression, _) in read.items()}, domain


def _valence(
    expressions: Mapping[sp.Symbol, sp.Expr],
    space: Space,
    wanted: Mapping[Pair, sp.Expr],
    new: tuple[sp.Symbol, ...],
    domain: Domain,
    clock: tw.Clock,
) -> sp.Expr | None:
    """Return the constant c with {a, b} = c·wanted for every pair of new variables, where that is proved."""

    def shown(expression: sp.Expr) -> bool:
        left = max(clock.remaining, 1e-3)
        return isinstance(decide(Claim(space, expression, domain=domain), left), Proved)

    first = next(((a, b) for (a, b), entry in wanted.items() if entry != 0), None)
    if first is None:
        return None
    ratio = formal_bracket(expressions[first[0]], expressions[first[1]], space) / wanted[first]
    moving = [s for s in (*space.variables, space.time) if s is not None and ratio.has(s)]
    if moving and not all(shown(derivative(ratio, s)) for s in moving):
        return None
    constant = _constant_value(ratio, moving)
    if constant is None or constant == 0:
        return None
    pairs = [(a, b) for i, a in enumerate(new) for b in new[i + 1 :]]
    scaled = (
        formal_bracket(expressions[a], expressions[b], space) - constant * wanted.get((a, b), sp.S.Zero)
        for a, b in pairs
    )
    return constant if all(shown(e) for e in scaled) else None


def _constant_value(ratio: sp.Expr, moving: list[sp.Symbol]) -> sp.Expr | None:
    """The value of an expression that does not depend on these symbols, at a point where it is finite."""
    for shift in (sp.S.Zero, sp.S.One, sp.Rational(2, 3)):
        point = {s: shift * (1 + sp.Rational(i, 11)) for i, s in enumerate(moving)}
        value = sp.trigsimp(sp.cancel(ratio.subs(point)))  # only for looks: what is claimed of it is proved
        if not value.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
            return value
    return None
