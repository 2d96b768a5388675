"""Evaluation in mpmath with many digits: the independent route by which verdicts are checked.

It shares nothing with the prover (flint polynomials) or the witness (flint balls) but the formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mpmath
import sympy as sp
from sympy.core.numbers import Number

from hamsym.symbolic.formula.applied import application
from hamsym.symbolic.formula.domain import Domain

#: Correct decimal digits after the point that are asked for.
DIGITS = 100
#: Digits that are carried beyond those and beyond what cancels.
GUARD = 50
#: Numbers with more digits before the point than this are not evaluated.
LARGEST = 5_000
#: Digits of the runs that have to agree where the value is too long for a fixed number of decimal places.
_RISING = (150, 300, 600, 1200, 2400)
#: Arguments of functions with a binary exponent beyond this would need as many bits to be reduced.
_LARGEST_ARGUMENT = 20_000

_FUNCTIONS = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.cot: "cot",
    sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.coth: "coth",
    sp.asin: "asin", sp.acos: "acos", sp.atan: "atan", sp.atan2: "atan2", sp.Abs: "fabs",
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A number and a bound of its rounding error."""

    number: mpmath.mpf
    error: mpmath.mpf

    @property
    def is_negligible(self) -> bool:
        """Whether the number is no more than rounding error."""
        return bool(abs(self.number) <= self.error)

    def lies_in(self, lower: Number, upper: Number) -> bool:
        """Tell whether the number lies between two rationals or floats, up to rounding error."""
        with mpmath.workdps(DIGITS + GUARD + _length(lower, upper)):
            return bool(_number(lower) - self.error <= self.number <= _number(upper) + self.error)


def evaluate(
    expression: sp.Expr,
    point: Mapping[sp.Symbol, sp.Rational | Value],
    functions: Mapping[str, sp.Lambda] | None = None,
    *,
    digits: int = DIGITS,
) -> Value | None:
    """Evaluate with an error below 10**-digits; None where the value is not finite and real.

    Arguments:
        expression: any expression in the point's symbols.
        point: the value of each symbol.
        functions: what stands for undefined functions.
        digits: decimal places.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> evaluate(sp.sin(x)**2 + sp.cos(x)**2 - 1, {x: sp.Rational(1, 3)}).is_negligible
        True
        >>> evaluate(sp.sqrt(x), {x: sp.Integer(-1)}) is None
        True
    """
    if functions:
        expression = concrete(expression, functions)
    carried = digits + GUARD
    for _ in range(2):
        with mpmath.workdps(carried):
            found = _attempt(expression, point)
            if found is None:
                return None
            number, scale = found
            lost = 2 * max(0, int(mpmath.mag(scale) * 0.30103) + 1)
            if digits + lost + GUARD // 2 <= carried:
                return Value(number, mpmath.mpf(10) ** -digits)
        carried = digits + lost + GUARD
        if carried > LARGEST:
            break
    return None


def settled(
    expression: sp.Expr,
    point: Mapping[sp.Symbol, sp.Rational | Value],
    functions: Mapping[str, sp.Lambda] | None = None,
) -> Value | None:
    """Evaluate values of any size: with more and more digits, until two runs agree in 40 of them; else None.

    Arguments:
        expression: any expression in the point's symbols.
        point: the value of each symbol.
        functions: what stands for undefined functions.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> mpmath.nstr(settled(sp.exp(sp.exp(x)), {x: sp.Integer(12)}).number, 5)
        '3.2197e+70683'
    """
    if functions:
        expression = concrete(expression, functions)
    last = None
    for digits in _RISING:
        with mpmath.workdps(digits):
            found = _attempt(expression, point)
            if found is None:
                return None
            number = found[0]
            if last is not None and abs(number - last) <= abs(number) * mpmath.mpf(10) ** -40:
                return Value(number, abs(number) * mpmath.mpf(10) ** -40)
            last = number
    return None


def inside(
    domain: Domain, point: Mapping[sp.Symbol, sp.Rational], functions: Mapping[str, sp.Lambda]
) -> bool:
    """Tell whether a point certainly lies in a domain."""
    for expressions, signs in ((domain.positive, (1,)), (domain.nonzero, (1, -1))):
        for expression in expressions:
            value = evaluate(expression, point, functions) or settled(expression, point, functions)
            if value is None or value.is_negligible or (1 if value.number > 0 else -1) not in signs:
                return False
    return True


def concrete(expression: sp.Expr, functions: Mapping[str, sp.Lambda]) -> sp.Expr:
    """Return an expression with undefined functions replaced and their derivatives carried out."""
    if not expression.atoms(sp.core.function.AppliedUndef, sp.Derivative, sp.Subs):
        return expression
    applied = application(expression)
    if applied is not None and applied.name in functions:
        chosen = functions[applied.name]
        steps = [(z, n) for z, n in zip(chosen.variables, applied.orders, strict=True) if n]
        body = sp.diff(chosen.expr, *steps) if steps else chosen.expr
        arguments = (concrete(a, functions) for a in applied.arguments)
        return body.xreplace(dict(zip(chosen.variables, arguments, strict=True)))
    if isinstance(expression, (sp.Derivative, sp.Subs)):
        done = expression.doit()
        return expression if done == expression else concrete(done, functions)
    return expression.func(*(concrete(a, functions) for a in expression.args))


def _attempt(
    expression: sp.Expr, point: Mapping[sp.Symbol, sp.Rational | Value]
) -> tuple[mpmath.mpf, mpmath.mpf] | None:
    """What :func:`_walk` returns; None also where mpmath gives up."""
    try:
        return _walk(expression, point)
    except (ZeroDivisionError, ValueError, OverflowError):
        return None


def _walk(
    expression: sp.Expr, point: Mapping[sp.Symbol, sp.Rational | Value]
) -> tuple[mpmath.mpf, mpmath.mpf] | None:
    """Return the value and the largest magnitude met on the way; None where it is not finite and real."""
    known: dict[sp.Basic, mpmath.mpf] = {}
    scale = mpmath.mpf(1)
    waiting = [expression]
    while waiting:
        e = waiting[-1]
        missing = [] if e in known else [a for a in e.args if a not in known and not e.is_Rational]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        if e not in known:
            value = _apply(e, [known[a] for a in e.args] if not e.is_Rational else [], point)
            if not isinstance(value, mpmath.mpf) or not mpmath.isfinite(value):
                return None
            known[e] = value
            scale = max(scale, abs(value))
    return known[expression], scale


def _apply(
    e: sp.Expr, arguments: list[mpmath.mpf], point: Mapping[sp.Symbol, sp.Rational | Value]
) -> mpmath.mpf | mpmath.mpc:
    if e.is_Rational:
        return _number(e)
    if e.is_Symbol:
        value = point[e]
        return value.number if isinstance(value, Value) else _number(value)
    if e is sp.pi:
        return +mpmath.pi
    if e is sp.E:
        return +mpmath.e
    if e.is_Add:
        return mpmath.fsum(arguments)
    if e.is_Mul:
        return mpmath.fprod(arguments)
    if e.is_Pow:
        base, exponent = arguments
        _require_reducible([exponent])
        if e.exp.is_Integer:
            return base ** int(e.exp)
        return base**exponent
    name = _FUNCTIONS.get(e.func)
    if name is None:
        raise ValueError(f"{e.func.__name__} has no value")
    if name not in ("log", "fabs"):
        _require_reducible(arguments)
    return mpmath.mpmathify(getattr(mpmath, name)(*arguments))


def _require_reducible(arguments: list[mpmath.mpf]) -> None:
    if any(a and mpmath.mag(a) > _LARGEST_ARGUMENT for a in arguments):
        raise OverflowError("an argument is too large")


def _length(*values: Number) -> int:
    """Return the number of digits of the longest rational."""
    return max(max(v.p.bit_length(), v.q.bit_length()) if v.is_Rational else 0 for v in values) * 3 // 10 + 1


def _number(value: Number) -> mpmath.mpf:
    if value.is_Float:
        return mpmath.make_mpf(value._mpf_)
    return mpmath.mpf(int(value.p)) / int(value.q)
