"""Formulas in the order in which people write them: high powers of momenta first, q1*p2 and not p2*q1."""

from __future__ import annotations

import sympy as sp

from hamsym.symbolic.formula.text import to_text
from hamsym.symbolic.space import Space


class Natural:
    """Writes formulas of a space: parameters before variables, coordinates before momenta, kinetic terms first.

    Arguments:
        space: the space.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2, parameters={"k": "real"})
        >>> write = Natural(space)
        >>> write.text(space.parse("-p1*q2 + p2*q1")), write.text(space.parse("q1*q2*k + p1*p2"))
        ('q1*p2 - q2*p1', 'p1*p2 + k*q1*q2')
        >>> write.latex(space.parse("p2*q1"))
        'q_{1} p_{2}'
    """

    def __init__(self, space: Space) -> None:
        self.momenta = set(space.momenta)
        self.variables = [s for s in (space.time, *space.variables) if s is not None]
        order = [*space.parameters.values(), *self.variables]
        self.places: dict[sp.Basic, int] = {s: k for k, s in enumerate(order)}

    def text(self, expression: sp.Expr) -> str:
        """Return text that parses back to the same expression."""
        return to_text(self._arranged(expression), order="none")

    def latex(self, expression: sp.Expr) -> str:
        """Return LaTeX, without dollar signs."""
        return str(sp.latex(self._arranged(expression), order="none"))

    def _arranged(self, e: sp.Expr) -> sp.Expr:
        """Return the expression with ordered, unevaluated sums and products."""
        if e.is_Add:
            terms = sorted(e.as_ordered_terms(), key=self._term_order)
            return sp.Add(*map(self._arranged, terms), evaluate=False)
        if e.is_Mul:
            factors = sorted(e.args, key=self._factor_order)
            return sp.Mul(*map(self._arranged, factors), evaluate=False)
        if e.is_Pow:
            return sp.Pow(self._arranged(e.base), e.exp, evaluate=False)
        return e

    def _term_order(self, term: sp.Expr) -> tuple[sp.Expr, list[sp.Expr]]:
        powers = term.as_powers_dict()
        return -sum(powers[s] for s in self.momenta if s in powers), [
            -powers.get(s, 0) for s in self.variables
        ]

    def _factor_order(self, factor: sp.Expr) -> tuple[bool, int, object]:
        place = self.places.get(factor.as_base_exp()[0], len(self.places))
        return not factor.is_Number, place, factor.sort_key()
