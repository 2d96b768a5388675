"""The three answers to "is it zero?", each with what is needed to check it again by other means."""

from __future__ import annotations

import html
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import mpmath
import sympy as sp
from sympy.core.numbers import Number

from hamsym.errors import UndecidedError
from hamsym.symbolic.formula.parser import Domain
from hamsym.symbolic.formula.text import to_text
from hamsym.symbolic.zero_test.evaluation import DIGITS, Value, concrete, evaluate, settled
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
        text = f"{self.name} = {_shown(self.meaning)}"
        return text if self.vanishing is None else f"{text},  {_shown(self.vanishing)} = 0"


@dataclass(frozen=True)
class Constant:
    """A function of no arguments that returns a value it was made with."""

    value: object

    def __call__(self):  # type: ignore[no-untyped-def]
        return self.value


@dataclass(repr=False)
class Verdict(ABC):
    """Answer to the question whether an expression vanishes identically.

    As a truth value it is True when proved, False when refuted, and an error when undecided.

    Attributes:
        status: ``"proved"``, ``"refuted"`` or ``"undecided"``.
        question: the claim in words, for example ``"{g, H} = 0"``.
        seconds: wall time of the decision.
        domain: what must be positive, or not zero, besides what the expression itself says.

    Raises:
        UndecidedError: when an undecided verdict is used as a truth value.

    Example:
        >>> from hamsym import PhaseSpace, is_zero
        >>> verdict = is_zero("sin(q1)**2 + cos(q1)**2 - 1", PhaseSpace.standard(1))
        >>> isinstance(verdict, Verdict), verdict.status, bool(verdict), verdict.check()
        (True, 'proved', True, True)
    """

    question: str
    formula: Callable[[], sp.Expr]
    seconds: float = field(default=0.0, kw_only=True)
    domain: Domain = field(default=Domain(), kw_only=True)
    status = ""

    def __getstate__(self) -> dict[str, object]:
        """Give the expression itself to pickle, not the recipe for it."""
        expression = self.expression
        return {**self.__dict__, "formula": Constant(expression)}

    @cached_property
    def expression(self) -> sp.Expr:
        """The formula that was decided, by sympy's own differentiation."""
        return self.formula()

    @abstractmethod
    def __bool__(self) -> bool: ...

    @abstractmethod
    def check(self) -> bool:
        """Verify the answer again by code that shares nothing with the prover but the formula.

        Returns:
            Whether it holds; False means that prover or checker has a bug, or that the verdict was tampered with.
        """

    @abstractmethod
    def details(self) -> list[str]:
        """Return what there is to say beyond the status, one line each."""

    def to_dict(self) -> dict[str, object]:
        """Return the verdict in types that JSON knows.

        Returns:
            ``status``, ``question``, ``where`` (conditions of the formula as written that its expression does not
            show), ``seconds``, and what the kind of verdict adds; exact numbers as text.
        """
        return {
            "status": self.status,
            "question": self.question,
            "where": self._conditions(),
            "seconds": round(self.seconds, 6),
        }

    def _conditions(self) -> list[str]:
        positive = [f"{_shown(e)} > 0" for e in self.domain.positive]
        return list(dict.fromkeys([*positive, *(f"{_shown(e)} != 0" for e in self.domain.nonzero)]))

    def _lines(self) -> list[str]:
        conditions = self._conditions()
        return [*(["where " + ", ".join(conditions)] if conditions else []), *self.details()]

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.question}", *("  " + line for line in self._lines())]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.question} ({1e3 * self.seconds:.1f} ms)>"

    def _repr_latex_(self) -> str:
        """Return the status, the claim and what there is to say in LaTeX, for documents made from notebooks."""
        sign = {"proved": "=", "refuted": r"\neq", "undecided": r"\overset{?}{=}"}[self.status]
        left = {"{": r"\{g, H\}"}.get(self.question[0], r"\text{the expression}")
        if "dg/dt" in self.question:
            left += r" + \frac{\partial g}{\partial t}"
        return f"${left} {sign} 0{self._latex_details()}$"

    def _latex_details(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        colour = {"proved": "#1a7f37", "refuted": "#cf222e"}.get(self.status, "#9a6700")
        rows = "".join(f"<div style='margin-left:1.5em'>{html.escape(line)}</div>" for line in self._lines())
        head = f"<b style='color:{colour}'>{self.status}</b>: {html.escape(self.question)}"
        return f"<div>{head} <small>({1e3 * self.seconds:.1f} ms)</small>{rows}</div>"


@dataclass(repr=False)
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

    relations: Callable[[], Sequence[tuple[str, sp.Expr, sp.Expr | None]]] = Constant(())
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
            if value is None or not _inside(self.domain, point, self.functions):
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
            apart = "; ".join(", ".join(f"{_shown(e)} > 0" for e in r) for r in self.regions)
            lines = [f"apart for {apart}; in the part of the point below:", *lines]
        return [*lines, "defined at " + _at(self.sample)] if self.sample else lines

    def to_dict(self) -> dict[str, object]:
        certificate = [
            {
                "name": r.name,
                "meaning": _text(r.meaning),
                "vanishing": None if r.vanishing is None else _text(r.vanishing),
            }
            for r in self.certificate
        ]
        return {
            **super().to_dict(),
            "certificate": certificate,
            "regions": [[f"{_shown(e)} > 0" for e in r] for r in self.regions],
            "sample": _rationals(self.sample),
        }


@dataclass(repr=False)
class Refuted(Verdict):
    """The expression is not zero: at a rational point its value is enclosed away from zero.

    Attributes:
        point: symbol to rational value.
        value: certified lower and upper bound of the expression there; both have the same sign.  They are rational,
            or floats where a rational would have thousands of digits.
        functions: the polynomials chosen for undefined functions, if there are any.

    Example:
        >>> from hamsym import PhaseSpace, is_zero
        >>> refutation = is_zero("(q1 + 1)**2 - q1**2 - 1", PhaseSpace.standard(1))
        >>> isinstance(refutation, Refuted), refutation.check()
        (True, True)
        >>> lower, upper = refutation.value
        >>> exact = refutation.expression.xreplace(refutation.point)
        >>> bool(lower <= exact <= upper and lower * upper > 0)
        True
    """

    point: Point = field(default_factory=dict)
    value: tuple[Number, Number] = (sp.Integer(0), sp.Integer(0))
    functions: Mapping[str, sp.Lambda] = field(default_factory=dict)
    status = "refuted"

    def __bool__(self) -> bool:
        return False

    def check(self) -> bool:
        """Evaluate the formula with many digits at the point and compare with the enclosure."""
        lower, upper = self.value
        if not lower * upper > 0:
            return False
        found = self._rational_value() or settled(self.expression, self.point, self.functions)
        if found is None or found.is_negligible or not _inside(self.domain, self.point, self.functions):
            return False
        return found.lies_in(lower, upper)

    def _rational_value(self) -> Value | None:
        """Return the value with enough decimal places to compare it with rational bounds, if they are rational."""
        lower, upper = self.value
        if not (lower.is_Rational and upper.is_Rational):
            return None
        digits = DIGITS + max(0, -int(sp.floor(sp.log(min(abs(lower), abs(upper)), 10).evalf(8))))
        return evaluate(self.expression, self.point, self.functions, digits=digits)

    def _latex_details(self) -> str:
        def assigned(name: object, value: sp.Basic) -> str:
            return f"{sp.latex(name)} = {sp.latex(value)}"

        where = [assigned(s, v) for s, v in self.point.items()]
        where += [assigned(sp.Function(n)(*f.variables), f.expr) for n, f in self.functions.items()]
        value = rf" \in {_interval(*self.value)}"
        return r",\quad \text{value}" + value + (r"\text{ at }" + r",\; ".join(where) if where else "")

    def details(self) -> list[str]:
        lines = [f"value in {_interval(*self.value)}" + (f" at {_at(self.point)}" if self.point else "")]
        return lines + [f"with {name} = {polynomial}" for name, polynomial in self.functions.items()]

    def to_dict(self) -> dict[str, object]:
        return {
            **super().to_dict(),
            "point": _rationals(self.point),
            "value": _bounds(*self.value),
            "functions": {name: str(f) for name, f in self.functions.items()},
        }


@dataclass(repr=False)
class Undecided(Verdict):
    """Neither a proof nor a certified nonzero value was found.

    Attributes:
        reason: what was missing.

    Example:
        >>> from hamsym import PhaseSpace, is_zero
        >>> unknown = is_zero("sqrt(q1) + sqrt(-1 - q1)", PhaseSpace.standard(1))
        >>> isinstance(unknown, Undecided), unknown.reason
        (True, 'no point of the domain found: the domain is empty or tiny')
        >>> bool(unknown)
        Traceback (most recent call last):
        hamsym.errors.UndecidedError: the expression is zero is undecided: no point of the domain found: ...
    """

    reason: str = ""
    status = "undecided"

    def __bool__(self) -> bool:
        raise UndecidedError(f"{self.question} is undecided: {self.reason}")

    def check(self) -> bool:
        """Return True: an undecided verdict claims nothing."""
        return True

    def details(self) -> list[str]:
        return [self.reason]

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "reason": self.reason}


def _inside(domain: Domain, point: Point, functions: Mapping[str, sp.Lambda]) -> bool:
    """Tell whether a point certainly lies in a domain."""
    for expressions, signs in ((domain.positive, (1,)), (domain.nonzero, (1, -1))):
        for expression in expressions:
            value = evaluate(expression, point, functions) or settled(expression, point, functions)
            if value is None or value.is_negligible or (1 if value.number > 0 else -1) not in signs:
                return False
    return True


def _text(expression: sp.Expr) -> str:
    try:
        return to_text(expression)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "(an expression with numbers of thousands of digits)"


def _shown(expression: sp.Expr) -> str:
    try:
        return str(expression)
    except ValueError:
        return _text(expression)


def _bounds(lower: Number, upper: Number) -> list[str]:
    """Write bounds exactly as rationals; or, where they are floats, in 15 decimals rounded outward."""
    if lower.is_Rational and upper.is_Rational:
        return [str(lower), str(upper)]
    with mpmath.workdps(60):
        ends = [mpmath.make_mpf(sp.Float(v)._mpf_) for v in (lower, upper)]
        outward = [
            end + sign * abs(end) * mpmath.mpf(10) ** -14 for end, sign in zip(ends, (-1, 1), strict=True)
        ]
        return [mpmath.nstr(end, 15) for end in outward]


def _rationals(point: Mapping[sp.Symbol, sp.Rational]) -> dict[str, str]:
    return {s.name: str(v) for s, v in point.items()}


def _at(point: Mapping[sp.Symbol, sp.Rational]) -> str:
    return ", ".join(f"{s} = {v}" for s, v in point.items())


def _interval(lower: Number, upper: Number) -> str:
    """Write an interval in decimals, rounded outward, with as many digits as its width deserves."""
    if not (lower.is_Rational and upper.is_Rational):
        return "[" + ", ".join(_bounds(lower, upper)) + "]"
    width, size = upper - lower, max(abs(lower), abs(upper))
    for digits in range(6, 40):
        step = sp.Rational(10) ** (int(sp.floor(sp.log(size, 10).evalf(8))) + 1 - digits)
        low, high = sp.floor(lower / step) * step, sp.ceiling(upper / step) * step
        if low * high > 0 and (high - low <= 4 * width or digits >= 16):
            break
    return f"[{sp.Float(low, digits)}, {sp.Float(high, digits)}]"
