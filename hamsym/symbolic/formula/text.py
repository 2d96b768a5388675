"""Expressions back to text that can be parsed, or that fits in a message."""

from __future__ import annotations

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from hamsym.symbolic.formula.applied import application, order_text
from hamsym.symbolic.formula.tokens import MAX_DIGITS

#: Digits of a block of a long number.
_BLOCK = MAX_DIGITS - 100


def to_text(expression: sp.Expr, *, order: str | None = None) -> str:
    """Return the formula's text, such that parsing it gives the expression back.

    Arguments:
        expression: the formula.
        order: sympy's name of an order of terms; ``"none"`` keeps that of the arguments.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> to_text(sp.exp(1)*x + sp.Abs(x) + x**sp.Rational(2, 3))
        'x**(2/3) + exp(1)*x + sqrt(x**2)'
        >>> to_text(-3*x**2/(7*sp.sin(x)**2)), to_text(sp.diff(sp.Function("V")(x**2), x))
        ('-3*x**2/(7*sin(x)**2)', "2*x*V'(x**2)")
    """
    return _FormulaPrinter({"order": order}).doprint(expression)


def to_prose(expression: sp.Expr) -> str:
    """Return an expression as people write it, which need not be one of the formula language.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> to_prose(sp.Abs(x) + sp.E)
        'Abs(x) + E'
    """
    return _Prose().doprint(expression)


class _Prose(StrPrinter):
    def _print_Derivative(self, expr: sp.Expr) -> str:
        applied = application(expr)
        if applied is None:
            return str(StrPrinter().doprint(expr))
        at = ", ".join(self._print(a) for a in applied.arguments)
        return f"{applied.name}{order_text(applied.orders)}({at})"

    _print_Subs = _print_Derivative


class _FormulaPrinter(_Prose):
    def _print_Exp1(self, expr: sp.Expr) -> str:
        return "exp(1)"

    def _print_Rational(self, expr: sp.Rational) -> str:
        sign, top = "-" if expr.p < 0 else "", _integer(abs(int(expr.p)))
        return f"{sign}{top}" if expr.q == 1 else f"{sign}{top}/{_integer(int(expr.q))}"

    _print_Integer = _print_Rational

    def _print_Mul(self, expr: sp.Expr) -> str:
        """Write a fraction that is read back as it is.

        Where a number would stand beside one sum alone, ``3/7/(x + 1)`` keeps them apart: sympy would distribute 7.
        """
        coefficient, factors = expr.as_coeff_mul()
        size = abs(coefficient)
        top, bottom = ([_integer(n)] if n != 1 else [] for n in (size.p, size.q))
        below = [1 / f for f in factors if _divides(f)]
        top += [self.parenthesize(f, PRECEDENCE["Mul"]) for f in factors if not _divides(f)]
        bottom += [self.parenthesize(f, PRECEDENCE["Mul"]) for f in below]
        distributes = len(below) == 1 and below[0].is_Add
        sign, quotient = "-" if coefficient.is_negative else "", "*".join(top) or "1"
        if len(bottom) > 1 and not (distributes and size.q != 1):
            return f"{sign}{quotient}/({'*'.join(bottom)})"
        return sign + "/".join([quotient, *bottom])

    def _print_Abs(self, expr: sp.Expr) -> str:
        return f"sqrt({self._square(expr)})"

    def _print_Pow(self, expr: sp.Expr, rational: bool = False) -> str:
        """Write a power of an absolute value as a power of the square."""
        if isinstance(expr.base, sp.Abs) and expr.exp.is_Rational and expr.exp.is_positive:
            return f"({self._square(expr.base)})**{self.parenthesize(expr.exp / 2, PRECEDENCE['Pow'])}"
        if expr.exp.is_Pow and not expr.exp.exp.is_Rational:  # a tower, nested less without parentheses
            base = self.parenthesize(expr.base, PRECEDENCE["Pow"], strict=False)
            return f"{base}**{self._print(expr.exp)}"
        return str(super()._print_Pow(expr, rational))

    def _square(self, absolute: sp.Abs) -> str:
        return f"{self.parenthesize(absolute.args[0], PRECEDENCE['Pow'])}**2"


def _integer(n: int) -> str:
    """Return the text of a natural number, in blocks if it has more digits than are read at once."""
    digits = str(n)
    if len(digits) <= MAX_DIGITS:
        return digits
    high, low = divmod(n, 10**_BLOCK)
    return f"({_integer(high)}*10**{_BLOCK} + {_integer(low)})" if low else f"({_integer(high)}*10**{_BLOCK})"


def _divides(factor: sp.Expr) -> bool:
    return isinstance(factor, sp.Pow) and factor.exp.is_Rational and bool(factor.exp.is_negative)


def shorten(text: str, width: int = 120) -> str:
    """Return the text, cut to so many characters if it is longer.

    Example:
        >>> shorten("p1**2/2 + p2**2/2", 12)
        'p1**2/2 + …'
    """
    return text if len(text) <= width else text[: width - 2].rstrip() + " …"
