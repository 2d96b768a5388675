"""Sizes of constants, in plain floats: what a formula's constant parts amount to, before sympy evaluates them.

sympy answers a question such as "is sin(exp(exp(exp(5)))) negative?" by evaluating it, with as many digits as that
takes.  A float knows beforehand that exp(exp(exp(5))) is beyond 1e308.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import sympy as sp

#: Size of something that is no constant, or whose size a float cannot tell.
UNKNOWN = None

_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "cot": lambda x: 1 / math.tan(x), "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh,
    "coth": lambda x: 1 / math.tanh(x), "asin": math.asin, "acos": math.acos, "atan": math.atan, "atan2": math.atan2,
}  # fmt: skip


def rational_size(number: sp.Rational) -> float:
    """Return a rational number as a float, infinite where floats end.

    Example:
        >>> rational_size(sp.Rational(1, 4)), rational_size(-sp.Integer(10) ** 400)
        (0.25, -inf)
    """
    try:
        return number.p / number.q
    except OverflowError:
        return math.inf if number.p > 0 else -math.inf


def combined(rule: Callable[[Sequence[float]], float], sizes: Sequence[float | None]) -> float | None:
    """Return the size of a combination of constants; unknown if a part is.

    Example:
        >>> combined(sum, [1.0, 2.0]), combined(math.prod, [1.0, None])
        (3.0, None)
    """
    if any(size is None for size in sizes):
        return UNKNOWN
    try:
        size = rule([s for s in sizes if s is not None])
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return UNKNOWN
    return UNKNOWN if isinstance(size, complex) or math.isnan(size) else size


def function_size(name: str, sizes: Sequence[float | None]) -> float | None:
    """Return the size of a function of constants.

    Example:
        >>> function_size("exp", [1000.0]), function_size("cos", [0.0])
        (inf, 1.0)
    """
    if any(size is not None and math.isinf(size) for size in sizes):
        return math.inf
    return combined(lambda s: _FUNCTIONS[name](*s), sizes) if name in _FUNCTIONS else UNKNOWN


def expression_size(e: sp.Expr) -> float | None:
    """Return the size of an expression, unknown where it has symbols.

    Example:
        >>> expression_size(sp.pi / 2), expression_size(sp.Symbol("x"))
        (1.5707963267948966, None)
    """
    if isinstance(e, sp.Rational):
        return rational_size(e)
    if e is sp.pi or e is sp.E:
        return float(e)
    if not e.args:
        return UNKNOWN
    sizes = [expression_size(a) for a in e.args]
    if e.is_Add:
        return combined(sum, sizes)
    if e.is_Mul:
        return combined(math.prod, sizes)
    return combined(lambda s: s[0] ** s[1], sizes) if e.is_Pow else function_size(e.func.__name__, sizes)
