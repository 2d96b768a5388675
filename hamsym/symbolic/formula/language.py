"""The language of formulas: which functions and constants it has, and which names can be declared.

Derivatives of undefined functions are written with primes, as ``V'(x)``, ``V''(x**2)`` and ``V'[4](x)``; of functions
of several arguments with the order by each, as ``W'[1, 0](x, y)`` for the derivative by the first.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable

import sympy as sp

#: Functions a formula may call, with their number of arguments.
FUNCTIONS: dict[str, tuple[Callable[..., sp.Expr], int]] = {
    "sqrt": (sp.sqrt, 1), "exp": (sp.exp, 1), "log": (sp.log, 1),
    "sin": (sp.sin, 1), "cos": (sp.cos, 1), "tan": (sp.tan, 1), "cot": (sp.cot, 1),
    "sinh": (sp.sinh, 1), "cosh": (sp.cosh, 1), "tanh": (sp.tanh, 1), "coth": (sp.coth, 1),
    "asin": (sp.asin, 1), "acos": (sp.acos, 1), "atan": (sp.atan, 1), "atan2": (sp.atan2, 2),
}  # fmt: skip
#: Functions that are read as others, exactly and on the same domain; x is the argument.
DEFINED: dict[str, str] = {
    "sech": "1/cosh(x)", "csch": "1/sinh(x)",
    "asinh": "log(x + sqrt(x**2 + 1))", "acosh": "log(x + sqrt(x**2 - 1))", "atanh": "log((1 + x)/(1 - x))/2",
}  # fmt: skip
#: What to write in place of other functions.
REMEDIES: dict[str, str] = {
    "abs": "write sqrt(x**2)", "Abs": "write sqrt(x**2)", "sign": "write x/sqrt(x**2)",
    "max": "write (x + y + sqrt((x - y)**2))/2", "Max": "write (x + y + sqrt((x - y)**2))/2",
    "min": "write (x + y - sqrt((x - y)**2))/2", "Min": "write (x + y - sqrt((x - y)**2))/2",
    "sec": "write 1/cos(x)", "csc": "write 1/sin(x)", "acot": "write atan(1/x)", "ln": "write log(x)",
    "sum": "write Sum(f, (i, 1, n)) with numbers for 1 and n", "cbrt": "write x**(1/3), for positive x", "pow": "write x**y",
    "arcsin": "write asin(x)", "arccos": "write acos(x)", "arctan": "write atan(x)", "arctan2": "write atan2(y, x)",
}  # fmt: skip
#: Constants by name; Euler's number is written exp(1).
CONSTANTS: dict[str, sp.Expr] = {"pi": sp.pi}
#: What adds up a summand over ranges of indices, as in ``Sum(q[i]*p[i], (i, 1, 3))``.
SUM = "Sum"
#: Names that cannot be declared: they mean something else or nothing finite and real.
RESERVED = frozenset({*CONSTANTS, "nan", "oo", "zoo", "inf", "I", SUM})
#: Names of what is no finite number.
NOT_FINITE = frozenset({"nan", "oo", "zoo", "inf", "NaN", "Infinity"})
#: Functions that have no derivative somewhere, where brackets with them are not defined.
NOT_SMOOTH = frozenset(
    {
        *("abs", "Abs", "sign", "Heaviside", "DiracDelta", "Piecewise", "Max", "Min", "max", "min"),
        *("floor", "ceiling", "frac", "Mod"),
    }
)


def is_identifier(name: str) -> bool:
    """Tell whether a name can be declared: ASCII letters, digits, underscores; not a Python keyword.

    Example:
        >>> is_identifier("q1"), is_identifier("2q"), is_identifier("lambda")
        (True, False, False)
    """
    return re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) is not None and not keyword.iskeyword(name)
