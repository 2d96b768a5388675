"""How points, bounds and expressions of an answer are written."""

from __future__ import annotations

from collections.abc import Mapping

import mpmath
import sympy as sp
from sympy.core.numbers import Number

from hamsym.symbolic.formula.text import shorten, to_prose, to_text

#: Of a longer sum, only so many terms are written where the text is cut anyway.
_SHOWN_TERMS = 40


def written(expression: sp.Expr) -> str:
    """Return a formula as text for programs, or a remark where Python would not write its numbers."""
    try:
        return to_text(expression)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "(an expression with numbers of thousands of digits)"


def shown(expression: sp.Expr) -> str:
    """Return a formula as text for people."""
    try:
        return to_prose(expression)
    except ValueError:
        return written(expression)


def brief(expression: sp.Expr, width: int = 120) -> str:
    """Return a formula for people in one short line."""
    terms = sp.Add.make_args(expression)
    few = expression if len(terms) <= _SHOWN_TERMS else sp.Add(*terms[:_SHOWN_TERMS])
    return shorten(shown(few) + " + …" * (few is not expression), width)


def bounds(lower: Number, upper: Number) -> list[str]:
    """Write bounds exactly as rationals; or, where they are floats, in 15 decimals rounded outward."""
    if lower.is_Rational and upper.is_Rational:
        return [str(lower), str(upper)]
    with mpmath.workdps(60):
        ends = [mpmath.make_mpf(sp.Float(v)._mpf_) for v in (lower, upper)]
        outward = [
            end + sign * abs(end) * mpmath.mpf(10) ** -14 for end, sign in zip(ends, (-1, 1), strict=True)
        ]
        return [mpmath.nstr(end, 15) for end in outward]


def rationals(point: Mapping[sp.Symbol, sp.Rational]) -> dict[str, str]:
    """Return a point by names, exact numbers as text."""
    return {s.name: str(v) for s, v in point.items()}


def at_point(point: Mapping[sp.Symbol, sp.Rational]) -> str:
    """Return a point in one line."""
    return ", ".join(f"{s} = {v}" for s, v in point.items())


def interval(lower: Number, upper: Number) -> str:
    """Write an interval in decimals, rounded outward, with as many digits as its width deserves."""
    if not (lower.is_Rational and upper.is_Rational):
        return "[" + ", ".join(bounds(lower, upper)) + "]"
    width, size = upper - lower, max(abs(lower), abs(upper))
    for digits in range(6, 40):
        step = sp.Rational(10) ** (int(sp.floor(sp.log(size, 10).evalf(8))) + 1 - digits)
        low, high = sp.floor(lower / step) * step, sp.ceiling(upper / step) * step
        if low * high > 0 and (high - low <= 4 * width or digits >= 16):
            break
    return f"[{sp.Float(low, digits)}, {sp.Float(high, digits)}]"
