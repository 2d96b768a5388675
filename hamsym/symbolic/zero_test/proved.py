"""The answer "zero everywhere", with the relations that prove it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import sympy as sp

from hamsym.symbolic.zero_test.evaluation import Value, concrete, evaluate, inside
from hamsym.symbolic.zero_test.showing import at_point, rationals, shown, written
from hamsym.symbolic.zero_test.verdict import Constant, Verdict
from hamsym.symbolic.zero_test.witness import Point, points

#: Points at which a proof is checked, and how many are tried for that.
ENOUGH_POINTS, MAX_POINTS = 4, 60


@dataclass(frozen=True)
class Relation:
    """A generator of the proof, what it stands for, and the polynomial that vanishes on it.

    Attributes:
        name: the generator's name in relations of other generators.
        meaning: the expression that it stands for.
        vanishing: an expression in generator names and symbols that is identically zero; None for a free generator.
    """

    name: str
    meaning: sp.Expr
    vanishing: sp.Expr | None

    def __str__(self) -> str:
        text = f"{self.name} = {shown(self.meaning)}"
        return text if self.vanishing is None else f"{text},  {shown(self.vanishing)} = 0"


@dataclass(repr=False, eq=False)
class Proved(Verdict):
    """The expression is zero at every point of its domain, for every choice of the undefined functions.

    Attributes:
        certificate: the generators and relations that reduce the expression to zero.
        sample: a rational point at which everything is finite, so that the domain is not empty.
        functions: the polynomials that stood for undefined functions at the sample.
        regions: conditions "all positive" of the parts of the domain that were treated apart, if there are several;
            the certificate is that of the part with the sample.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace, verify
        >>> H = Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", PhaseSpace.standard(2))
        >>> proof = verify(H, "q1*p2 - q2*p1")
        >>> isinstance(proof, Proved), proof.check()
        (True, True)
        >>> [relation.meaning for relation in proof.certificate if relation.name.startswith("r_")]
        [sqrt(q1**2 + q2**2)]
    """

    relations: Callable[[], Sequence[tuple[str, sp.Expr, sp.Expr | None]]] = field(
        default_factory=lambda: Constant(())
    )
    sample: Point = field(default_factory=dict)
    functions: Mapping[str, sp.Lambda] = field(default_factory=dict)
    regions: tuple[tuple[sp.Expr, ...], ...] = ()
    status = "proved"

    @cached_property
    def certificate(self) -> tuple[Relation, ...]:
        """The generators and relations of the proof, written out when first asked for."""
        return tuple(Relation(*entry) for entry in self.relations())

    def __getstate__(self) -> dict[str, object]:
        entries = [(r.name, r.meaning, r.vanishing) for r in self.certificate]
        return {**super().__getstate__(), "relations": Constant(entries)}

    def __bool__(self) -> bool:
        return True

    def check(self) -> bool:
        """Evaluate relations and formula with 100 correct digits at the sample, near it, and in the other regions."""
        formula = concrete(self.expression, self.functions)
        meanings = {sp.Symbol(r.name): concrete(r.meaning, self.functions) for r in self.certificate}
        seen, waiting = 0, set(self.regions)
        for point in itertools.islice(self._neighbours(), MAX_POINTS):
            value = evaluate(formula, point)
            if value is None or not inside(self.domain, point, self.functions):
                continue
            seen += 1
            if not value.is_negligible or (seen == 1 and not self._relations_hold(point, meanings)):
                return False
            waiting = {r for r in waiting if not all(e.xreplace(point) > 0 for e in r)}
            if seen >= ENOUGH_POINTS and not waiting:
                break
        return seen > 0

    def _neighbours(self) -> Iterator[Point]:
        """Yield the sample, points near it, and, should they be too large to evaluate, points anywhere."""
        yield self.sample
        for shift in (sp.Rational(1, 1009), -sp.Rational(2, 1013), sp.Rational(3, 1019)):
            yield {s: v * (1 + shift * (k + 1)) for k, (s, v) in enumerate(self.sample.items())}
        yield from points(list(self.sample), seed=1)

    def _relations_hold(self, point: Point, meanings: Mapping[sp.Symbol, sp.Expr]) -> bool:
        values: dict[sp.Symbol, Value | sp.Rational] = dict(point)
        for symbol, meaning in meanings.items():
            value = evaluate(meaning, point)
            if value is None:
                return False
            values[symbol] = value
        residuals = (evaluate(r.vanishing, values) for r in self.certificate if r.vanishing is not None)
        return all(residual is not None and residual.is_negligible for residual in residuals)

    def details(self) -> list[str]:
        lines = [str(r) for r in self.certificate]
        if self.regions:
            apart = "; ".join(", ".join(f"{shown(e)} > 0" for e in r) for r in self.regions)
            lines = [f"apart for {apart}; in the part of the point below:", *lines]
        return [*lines, "defined at " + at_point(self.sample)] if self.sample else lines

    def to_dict(self) -> dict[str, object]:
        certificate = [
            {
                "name": r.name,
                "meaning": written(r.meaning),
                "vanishing": None if r.vanishing is None else written(r.vanishing),
            }
            for r in self.certificate
        ]
        return {
            **super().to_dict(),
            "certificate": certificate,
            "regions": [[f"{shown(e)} > 0" for e in r] for r in self.regions],
            "sample": rationals(self.sample),
        }
