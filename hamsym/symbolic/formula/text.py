"""Expressions back to text that can be parsed, or that fits in a message."""

from __future__ import annotations

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from hamsym.symbolic.formula.applied import application


def to_text(expression: sp.Expr, *, order: str | None = None) -> str:
    """Return the formula's text, such that parsing it gives the expression back.

    Arguments:
        expression: the formula.
        order: sympy's name of an order of terms; ``"none"`` keeps that of the arguments.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> to_text(sp.exp(1)*x + sp.Abs(x) + x**sp.Rational(2, 3))
        'x**(2/3) + exp(1)*x + sqrt((x)**2)'
    """
    return _FormulaPrinter({"order": order}).doprint(expression)


def to_prose(expression: sp.Expr) -> str:
    """Return an expression as people write it: derivatives of undefined functions as V'(x) and D_1 W(x, y).

    Example:
        >>> x, V, W = sp.Symbol("x", real=True), sp.Function("V"), sp.Function("W")
        >>> slopes = sp.diff(V(x**2), x), sp.diff(W(x**2, x + 1), x)
        >>> [to_prose(e) for e in slopes]
        ["2*x*V'(x**2)", '2*x*D_1 W(x**2, x + 1) + D_2 W(x**2, x + 1)']
    """
    return _Prose().doprint(expression)


class _Prose(StrPrinter):
    def _print_Derivative(self, expr: sp.Expr) -> str:
        applied = application(expr)
        if applied is None:
            return str(StrPrinter().doprint(expr))
        at = ", ".join(self._print(a) for a in applied.arguments)
        if len(applied.orders) == 1:
            n = applied.orders[0]
            return applied.name + ("'" * n if n <= 3 else f"^({n})") + f"({at})"
        slots = (f"D_{k}" + (f"^{n}" if n > 1 else "") for k, n in enumerate(applied.orders, 1) if n)
        return " ".join([*slots, f"{applied.name}({at})"])

    _print_Subs = _print_Derivative

    def parenthesize(self, item: sp.Expr, level: int, strict: bool = False) -> str:
        text = str(super().parenthesize(item, level, strict))
        return f"({text})" if text.startswith("D_") and level >= PRECEDENCE["Pow"] else text


class _FormulaPrinter(_Prose):
    def _print_Exp1(self, expr: sp.Expr) -> str:
        return "exp(1)"

    def _print_Mul(self, expr: sp.Expr) -> str:
        """Factors one by one: ``3/7/(x + 1)``, since sympy would distribute 7 over a sum when it is read back."""
        coefficient, factors = expr.as_coeff_mul()
        size = abs(coefficient)
        top, bottom = ([str(n)] if n != 1 else [] for n in (size.p, size.q))
        for factor in factors:
            divides = isinstance(factor, sp.Pow) and factor.exp.is_Rational and factor.exp.is_negative
            if divides:
                bottom.append(self.parenthesize(1 / factor, PRECEDENCE["Mul"]))
            else:
                top.append(self.parenthesize(factor, PRECEDENCE["Mul"]))
        sign = "-" if coefficient.is_negative else ""
        return sign + "/".join(["*".join(top) or "1", *bottom])

    def _print_Abs(self, expr: sp.Expr) -> str:
        return f"sqrt(({self._print(expr.args[0])})**2)"


def shorten(text: str, width: int = 120) -> str:
    """Return the text, cut to so many characters if it is longer.

    Example:
        >>> shorten("p1**2/2 + p2**2/2", 12)
        'p1**2/2 + …'
    """
    return text if len(text) <= width else text[: width - 2].rstrip() + " …"
