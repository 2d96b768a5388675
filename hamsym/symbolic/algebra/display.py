"""How a Lie algebra looks: one line, a bracket table for notebooks, and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from hamsym.errors import HamsymError
from hamsym.symbolic.algebra.invariants import Invariants, number
from hamsym.symbolic.formula.text import shorten, to_text

#: Dimension up to which the bracket table is written out.
MAX_TABLE = 12
#: Seconds that a representation may spend on polynomials.
POLYNOMIAL_SECONDS = 2.0


class Display(Invariants):
    """Representations of a Lie algebra."""

    generators: tuple[sp.Expr, ...]
    dimension: int
    closes: bool
    dependent: tuple[sp.Expr, ...]
    dependences: dict[int, dict[sp.Expr, sp.Expr]]
    coefficients_depend_on: sp.Expr | None
    basis: Any
    adjoined: Any
    missing: Any
    describes: Any
    cases: Any
    is_certified: Any
    stopped: Any
    critical: Any
    level: Any

    kind: Any

    def _prepare_display(self, known: bool) -> None:
        """Compute what the facts need, or raise within seconds; fewer if it is known that brackets are products."""

    def _polynomial_facts(self, seconds: float) -> dict[str, Any]:
        """Return which generators and brackets are polynomials in generators, if the brackets leave their span."""
        return {}

    def _polynomial_lines(self) -> Iterator[str]:
        """Write these facts."""
        return iter(())

    def facts(self) -> dict[str, Any]:
        """Return the invariants by name; where the generators do not close to a finite algebra, why not.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> facts = LieAlgebra(["q1", "p1"], PhaseSpace.standard(1)).facts()
            >>> facts["describes"], facts["name"], facts["derived_series"]
            ('the generators with the constant 1 adjoined', 'h_3', [3, 1, 0])
        """
        known = self.__dict__.get("_facts")
        if known is None or (known["describes"] is None and "structure" in self.__dict__):
            known = self.__dict__["_facts"] = self._find_facts()
        return dict(known)

    def _find_facts(self) -> dict[str, Any]:
        products = self._polynomial_facts(POLYNOMIAL_SECONDS)
        try:
            self._prepare_display(any(products.values()))
            described = self.describes
            found: dict[str, Any] = {"describes": described, "name": self.name}
            found["center_dimension"] = self.center_dimension
            found["derived_dimension"] = self.derived_dimension
            found["derived_series"] = list(self.derived_series)
            found["lower_central_series"] = list(self.lower_central_series)
            found["radical_dimension"] = self.radical_dimension
            found["levi_factor"] = self.levi_name
        except HamsymError as error:
            reasons = [str(error), *([self.stopped] if self.stopped else [])]
            return {"describes": None, "reason": "; ".join(reasons), **products}
        try:
            found["killing_signature"] = list(self.killing_signature)
        except HamsymError as error:
            found["killing_signature"], found["reason"] = None, str(error)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return what is known in types that JSON knows; exact numbers and expressions as text.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> LieAlgebra(["q1*p1", "p1"], PhaseSpace.standard(1)).to_dict()["brackets"]
            {'0,1': {'1': '1'}}
        """
        facts = self.facts()
        brackets = {}
        if facts["describes"] is not None:
            n = self.structure.dimension
            entries = {(i, j): self.entries(i, j) for i in range(n) for j in range(i + 1, n)}
            brackets = {
                f"{i},{j}": {str(k): to_text(c) for k, c in v.items()} for (i, j), v in entries.items() if v
            }
        return {
            "dimension": self.dimension,
            "closes": self.closes,
            "certified": self.is_certified,
            "critical": [to_text(e) for e in self.critical],
            "generators": [to_text(g) for g in self.generators],
            "adjoined": [to_text(g) for g in self.adjoined] if facts["describes"] is not None else [],
            "missing": [to_text(g) for g in self.missing],
            "dependent": [
                {"index": i, "combination": {to_text(g): to_text(c) for g, c in combination.items()}}
                for i, combination in self.dependences.items()
            ],
            "coefficients_depend_on": (
                None if self.coefficients_depend_on is None else to_text(self.coefficients_depend_on)
            ),
            "cases": [{"where": c.where, "name": c.name} for c in self.cases],
            "brackets": brackets,
            **facts,
        }

    def _lines(self) -> Iterator[str]:
        facts = self.facts()
        if facts["describes"] is None:
            yield from self._polynomial_lines()
            yield facts["reason"]
            return
        if not self.closes:
            yield f"invariants describe {facts['describes']}"
        signature = facts["killing_signature"]
        yield (
            f"centre {facts['center_dimension']}, derived algebra {facts['derived_dimension']}, "
            f"radical {facts['radical_dimension']}, Killing signature "
            f"{tuple(signature) if signature else 'depends on the parameters'}"
        )
        if facts["name"] is None and facts["levi_factor"]:
            yield f"modulo its radical: {facts['levi_factor']}"
        for case in self.cases:
            yield str(case)
        if self.critical:
            yield "for parameters at which none of these vanishes: " + ", ".join(map(str, self.critical))
        if not self.is_certified:
            yield "that the generators are independent was not proved by numbers"

    def __repr__(self) -> str:
        facts = self.facts()
        named = facts.get("name") or "no name proved"
        if self.closes:
            closes = "closes"
        elif facts["describes"] is None:
            closes, named = "does not close", self.kind or named
        elif self.coefficients_depend_on is not None:
            closes, named = "closes over functions of h", f"{named} at h = {self.level}"
        elif self.adjoined == (1,):
            closes = "closes with 1 adjoined"
        else:
            closes, named = "does not close", f"generates {named} of dimension {self.structure.dimension}"
        return f"<LieAlgebra: dimension {self.dimension}, {closes}, {named}>"

    def __str__(self) -> str:
        return "\n".join([repr(self).strip("<>"), *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        import html

        head = f"<b>{html.escape(repr(self).strip('<>'))}</b>"
        rows = "".join(f"<div style='margin-left:1.5em'>{html.escape(line)}</div>" for line in self._lines())
        names = "".join(
            f"<div style='margin-left:1.5em'>{s} = {html.escape(shorten(str(g)))}</div>"
            for s, g in self._named_basis()
        )
        return f"<div>{head}{rows}{names}{self._table()}</div>"

    def _named_basis(self) -> list[tuple[sp.Symbol, sp.Expr]]:
        if self.facts()["describes"] is None:
            return []
        return [(s, g) for s, g in zip(self.symbols, self.basis, strict=True) if s != g][:MAX_TABLE]

    def entries(self, i: int, j: int) -> dict[int, sp.Expr]:
        """Return the coefficients of {X_i, X_j} that are not zero, by place.

        Arguments:
            i, j: places of two basis elements, counted from 0.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> LieAlgebra(["q1*p1", "p1"], PhaseSpace.standard(1)).entries(0, 1)
            {1: 1}
        """
        return {k: number(c) for k, c in sorted(self.structure.ad[i][j].items())}

    def bracket(self, i: int, j: int) -> sp.Expr:
        """Return {X_i, X_j} as a combination of :attr:`symbols`.

        Where coefficients depend on a central function, the symbol ``h`` stands for it.

        Arguments:
            i, j: places of two basis elements, counted from 0.

        Example:
            >>> from hamsym import LieAlgebra, PhaseSpace
            >>> LieAlgebra(["q1*p1", "p1"], PhaseSpace.standard(1)).bracket(0, 1)
            X2
        """
        return sp.Add(*(c * self.symbols[k] for k, c in self.entries(i, j).items()))

    def _table(self) -> str:
        if self.facts()["describes"] is None or self.structure.dimension > MAX_TABLE:
            return ""
        n = self.structure.dimension
        head = "".join(f"<th>{s}</th>" for s in self.symbols)
        body = "".join(
            f"<tr><th>{self.symbols[i]}</th>"
            + "".join(f"<td>{self.bracket(i, j)}</td>" for j in range(n))
            + "</tr>"
            for i in range(n)
        )
        return f"<table><tr><th>{{·,·}}</th>{head}</tr>{body}</table>"

    def _repr_latex_(self) -> str:
        if self.facts()["describes"] is None or self.structure.dimension > MAX_TABLE:
            return rf"$\displaystyle \dim = {self.dimension}$"
        lines = [
            rf"\{{{self.symbols[i].name}, {self.symbols[j].name}\}} &= {sp.latex(self.bracket(i, j))}"
            for i in range(self.structure.dimension)
            for j in range(i + 1, self.structure.dimension)
            if self.entries(i, j)
        ]
        return r"$$\begin{aligned}" + r" \\ ".join(lines or [r"\{X_i, X_j\} &= 0"]) + r"\end{aligned}$$"
