"""What a formula may be: bounded before sympy works it out, finite and real somewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NoReturn

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.constants import UNKNOWN, combined, expression_size
from hamsym.symbolic.formula.reality import Reality

MAX_EXPONENT = 400
MAX_RATIONAL_EXPONENT = 200
MAX_ROOT = 60
MAX_NUMBER_BITS = 13_000  # fewer digits than Python is willing to print
MAX_TERMS = 100_000


@dataclass(frozen=True)
class Value:
    """A subexpression, the number of terms it would have when expanded, and its size if it is a constant."""

    expr: sp.Expr
    terms: int
    size: float | None = UNKNOWN

    def __neg__(self) -> Value:
        return Value(-self.expr, self.terms, None if self.size is None else -self.size)


class Bounds:
    """The bounds of one formula, and what its domain demands so far.

    Arguments:
        text: the formula, for error messages.

    Attributes:
        positive: expressions that must be positive, in the order in which they were met.
        nonzero: expressions that must not vanish.
        reality: knows where expressions are never positive, or zero.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.positive: dict[sp.Expr, None] = {}
        self.nonzero: dict[sp.Expr, None] = {}
        self.reality = Reality()

    def _fail(self, message: str, position: int) -> NoReturn:
        raise FormulaError(message, self.text, position)

    def _raise(self, base: Value, power: Value, position: int) -> Value:
        terms, exponent = 1, power.expr
        if isinstance(exponent, sp.Rational):
            size = abs(exponent)
            if exponent.q != 1 and (size.p > MAX_RATIONAL_EXPONENT or exponent.q > MAX_ROOT):
                self._fail(f"the exponent {exponent} is beyond {MAX_RATIONAL_EXPONENT}/{MAX_ROOT}", position)
            if size > MAX_EXPONENT:
                self._fail(f"an exponent is larger than {MAX_EXPONENT}", position)
            if isinstance(base.expr, sp.Rational):
                bits = max(base.expr.p.bit_length(), base.expr.q.bit_length()) * float(size)
                if bits > MAX_NUMBER_BITS or (exponent.q != 1 and base.expr.p.bit_length() > 1000):
                    self._fail("a power of a number has too many digits", position)
                if base.expr == 0 and exponent <= 0:
                    self._fail("zero is raised to a power that is not positive", position)
            if exponent.q != 1:
                if exponent < 0 and self.reality.vanishes(base.expr):
                    self._fail("division by zero", position)
                self._require_positive("a root", base.expr, position)
            elif exponent < 0:
                self._require_nonzero(base.expr, position)
            if exponent.q == 1 and exponent > 1:
                terms = math.comb(base.terms + int(exponent) - 1, int(exponent))
                self._check_terms(terms, position)
        else:
            if base.expr.is_zero:
                self._fail("zero to a symbolic power is not defined", position)
            self._require_positive("a power that is not a number", base.expr, position)
        size = combined(lambda s: s[0] ** s[1], [base.size, power.size])
        exact = isinstance(base.expr, sp.Rational) and isinstance(exponent, sp.Integer)
        self._check_size(size, sp.Integer(0) if exact else None, position)
        expr = sp.Pow(base.expr, exponent)
        self._check_exponents(expr, position)
        self._require_finite(expr, position)
        return Value(expr, terms, size)

    def _require_positive(self, what: str, expr: sp.Expr, position: int) -> None:
        """Remember that the formula is real and smooth only where the expression is positive."""
        if expr.is_positive or (what == "a root" and self.reality.vanishes(expr)):
            return
        if self.reality.never_positive(expr):
            self._fail(
                f"{what} of a quantity that is never positive has no real value; its domain is empty",
                position,
            )
        if expr.free_symbols:
            self.positive[expr] = None

    def _require_arc(self, name: str, x: sp.Expr, size: float | None, position: int) -> None:
        """Refuse an arcsine or arccosine that is real nowhere."""
        size = expression_size(x) if size is None else size
        if size is not None and abs(size) > 1 + 1e-9:
            self._fail(f"{name} is real only between -1 and 1", position)
        # Linear questions come first: of higher polynomials sympy wants the roots, which takes its time.
        if x.free_symbols and (
            (x - 1).is_nonnegative or (x + 1).is_nonpositive or self.reality.never_positive(1 - x**2)
        ):
            self._fail(f"{name} is real only between -1 and 1, where this never is", position)

    def _require_nonzero(self, expr: sp.Expr, position: int) -> None:
        """Remember that the formula is finite only where the expression is not zero."""
        if self.reality.vanishes(expr):
            self._fail("division by zero", position)
        if expr.free_symbols and not expr.is_nonzero:
            self.nonzero[expr] = None

    def _check_size(self, size: float | None, expr: sp.Expr | None, position: int) -> None:
        """Refuse a constant beyond the floats, unless it is a rational number, whose digits are bounded already."""
        if size is not None and math.isinf(size) and not isinstance(expr, sp.Rational):
            self._fail("a constant is larger than 1e308", position)

    def _check_exponents(self, expr: sp.Expr, position: int) -> None:
        """Bound the exponents that sympy made by merging nested powers and equal factors."""
        for factor in sp.Mul.make_args(expr):
            exponent = factor.exp if isinstance(factor, sp.Pow) else None
            if isinstance(exponent, sp.Rational) and (
                abs(exponent) > MAX_EXPONENT or exponent.q > MAX_ROOT * MAX_ROOT
            ):
                self._fail(f"nested powers merge to an exponent larger than {MAX_EXPONENT}", position)

    def _check_terms(self, terms: int, position: int) -> None:
        if terms > MAX_TERMS:
            self._fail(f"expanded, this would have more than {MAX_TERMS} terms", position)

    def _bounded(self, value: Value, position: int) -> Value:
        self._check_terms(value.terms, position)
        self._check_size(value.size, value.expr, position)
        return value

    def _require_finite(self, expr: sp.Expr, position: int) -> None:
        if expr.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
            self._fail("the value is not finite", position)
        if expr.has(sp.I):
            self._fail("the value is not real", position)
