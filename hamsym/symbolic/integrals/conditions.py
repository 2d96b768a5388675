"""Conditions on parameters as people write them: A = C, a = 4*b, 3*c = 1."""

from __future__ import annotations

import sympy as sp

from hamsym.symbolic.formula.text import to_text


def equation(expression: sp.Expr) -> str:
    """Return the equation that an expression vanishes, solved for a symbol where that needs no division.

    Example:
        >>> A, B, c, w = (sp.Symbol(name, real=True) for name in ("A", "B", "c", "w"))
        >>> [equation(e) for e in (B - A, 3*c - 1, 4*B - A, A*B - w, 9*A**2 - 4*B**2, A + B**2 - B, c, -c**2 + A*c)]
        ['A = B', '3*c = 1', 'A = 4*B', 'w = A*B', '9*A**2 = 4*B**2', 'A = -B**2 + B', 'c = 0', 'A*c = c**2']
    """
    expression = sp.expand(expression)
    terms = expression.as_ordered_terms()
    if len(terms) == 1:
        return f"{to_text(sp.Abs(terms[0].as_coeff_Mul()[0]) * terms[0].as_coeff_Mul()[1])} = 0"
    left = _alone(terms) or _moved(terms)
    right = sp.expand(left - expression)
    if left.as_coeff_Mul()[0].is_negative or (
        left.is_Add and left.as_ordered_terms()[0].as_coeff_Mul()[0] < 0
    ):
        left, right = sp.expand(-left), sp.expand(-right)
    return f"{to_text(left)} = {to_text(right)}"


def _alone(terms: list[sp.Expr]) -> sp.Expr | None:
    """Return plus or minus a symbol that occurs nowhere else, the first in the alphabet."""
    single = [t for t in terms if t.as_coeff_Mul()[1].is_Symbol and abs(t.as_coeff_Mul()[0]) == 1]
    free = [t for t in single if not any(other.has(*t.free_symbols) for other in terms if other is not t)]
    return min(free, key=lambda t: str(t.as_coeff_Mul()[1]), default=None)


def _moved(terms: list[sp.Expr]) -> sp.Expr:
    """Return what is written on the left: one of two terms, or all but the number."""
    moving = [t for t in terms if t.free_symbols]
    if len(terms) == 2 and len(moving) == 2:
        return max(moving, key=lambda t: bool(t.as_coeff_Mul()[0] > 0))
    return sp.Add(*moving)
