"""Derivatives that stay in the language of formulas."""

from __future__ import annotations

import sympy as sp


def derivative(f: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """Return ∂f/∂x by sympy's differentiation, with the slope of ``|g|`` written as ``|g|/g``.

    sympy would write ``sign(g)``, which is no formula: its own derivative is a distribution.  Both have the same
    value wherever |g| has a derivative.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> derivative(sp.sqrt(x**2), x)
        Abs(x)/x
    """
    slope = sp.diff(f, x)
    return slope.replace(sp.sign, lambda g: sp.Abs(g) / g) if slope.has(sp.sign) else slope
