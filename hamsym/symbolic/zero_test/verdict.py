"""What every answer to "is it zero?" has: a claim, a truth value, a check by other means, a representation."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property

import sympy as sp

from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.zero_test.showing import brief, shown, written

#: How what is judged is called in claims.
_LETTERS = {"generator": "g", "hamiltonian": "H", "density": "rho", "log density": "log rho"}
#: Operations of the longest expression that is written in LaTeX.
_MOST_LATEX = 80
#: What two verdicts may differ in and still say the same.
_EVIDENCE = ("formula", "relations", "seconds")


@dataclass(frozen=True)
class Constant:
    """A function of no arguments that returns a value it was made with."""

    value: object

    def __call__(self):  # type: ignore[no-untyped-def]
        return self.value


@dataclass(repr=False, eq=False)
class Verdict(ABC):
    """Answer to the question whether an expression vanishes identically.

    As a truth value it is True when proved, False when refuted, and an error when undecided.

    Attributes:
        status: ``"proved"``, ``"refuted"`` or ``"undecided"``.
        question: the claim in words, for example ``"{g, H} = 0"``.
        seconds: wall time of the decision.
        domain: what must be positive, or not zero, besides what the expression itself says.
        subject: what was judged: ``generator`` and ``hamiltonian``, or ``expression``, …, to its expression.

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
    subject: Mapping[str, sp.Expr] = field(default_factory=dict, kw_only=True)
    status = ""

    def __getstate__(self) -> dict[str, object]:
        """Give the expression itself to pickle, not the recipe for it."""
        expression = self.expression
        return {**self.__dict__, "formula": Constant(expression)}

    def __eq__(self, other: object) -> bool:
        """Whether two verdicts say the same of the same expression; time and evidence may differ."""
        if type(self) is not type(other) or not isinstance(other, Verdict):
            return NotImplemented
        names = [f.name for f in fields(self) if f.name not in _EVIDENCE]
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and self.expression == other.expression

    __hash__ = None  # type: ignore[assignment]

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

        Example:
            >>> from hamsym import PhaseSpace, is_zero
            >>> is_zero("cos(q1) - 1", PhaseSpace.standard(1)).check()
            True
        """

    @abstractmethod
    def details(self) -> list[str]:
        """Return what there is to say beyond the status, one line each.

        Example:
            >>> from hamsym import PhaseSpace, is_zero
            >>> is_zero("(q1 + 1)**2 - q1**2 - 2*q1 - 1", PhaseSpace.standard(1)).details()
            ['defined at q1 = -5/4']
        """

    def to_dict(self) -> dict[str, object]:
        """Return the verdict in types that JSON knows.

        Returns:
            ``status``, ``question``, what was judged as text (``generator`` and ``hamiltonian``, or ``expression``, …),
            ``where`` (conditions of the formula as written that its expression does not show), ``seconds``, and what
            the kind of verdict adds; exact numbers as text.
        """
        return {
            "status": self.status,
            "question": self.question,
            **self._subject_texts(),
            "where": self._conditions(),
            "seconds": round(self.seconds, 6),
        }

    def _subject_texts(self) -> dict[str, object]:
        return {name: written(e) for name, e in self.subject.items()}

    def _subject_lines(self, width: int = 120) -> list[str]:
        return [f"{_LETTERS.get(name, name)} = {brief(e, width)}" for name, e in self.subject.items()]

    def _conditions(self) -> list[str]:
        positive = [f"{shown(e)} > 0" for e in self.domain.positive]
        return list(dict.fromkeys([*positive, *(f"{shown(e)} != 0" for e in self.domain.nonzero)]))

    def _lines(self) -> list[str]:
        conditions = self._conditions()
        return [
            *self._subject_lines(),
            *(["where " + ", ".join(conditions)] if conditions else []),
            *self.details(),
        ]

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.question}", *("  " + line for line in self._lines())]
        return "\n".join(lines)

    def __repr__(self) -> str:
        subject = f" for {', '.join(self._subject_lines(60))}" if self.subject else ""
        return f"<{type(self).__name__}: {self.question}{subject} ({1e3 * self.seconds:.1f} ms)>"

    def _repr_latex_(self) -> str:
        """Return the status, the claim and what there is to say in LaTeX, for documents made from notebooks."""
        sign = {"proved": "=", "refuted": r"\neq", "undecided": r"\overset{?}{=}"}[self.status]
        left = {"{": r"\{g, H\}"}.get(self.question[0], r"\text{the expression}")
        if "dg/dt" in self.question:
            left += r" + \frac{\partial g}{\partial t}"
        return f"${left} {sign} 0{self._latex_subject()}{self._latex_details()}$"

    def _latex_subject(self) -> str:
        def latex(e: sp.Expr) -> str:
            return str(sp.latex(e)) if e.count_ops() <= _MOST_LATEX else r"\ldots"

        named = {"density": r"\rho", "log density": r"\log \rho", "expression": r"\text{the expression}"}
        letters = {**_LETTERS, **named}
        parts = [f"{letters.get(n) or sp.latex(sp.Symbol(n))} = {latex(e)}" for n, e in self.subject.items()]
        return "".join(r",\quad " + part for part in parts)

    def _latex_details(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        colour = {"proved": "#1a7f37", "refuted": "#cf222e"}.get(self.status, "#9a6700")
        rows = "".join(f"<div style='margin-left:1.5em'>{html.escape(line)}</div>" for line in self._lines())
        head = f"<b style='color:{colour}'>{self.status}</b>: {html.escape(self.question)}"
        return f"<div>{head} <small>({1e3 * self.seconds:.1f} ms)</small>{rows}</div>"
