"""Undefined functions inside expressions: which one, differentiated how often, at what arguments.

sympy writes the derivative of V(x) by x as ``Derivative(V(x), x)`` and that of V(x**2) as a product with
``Subs(Derivative(V(xi), xi), xi, x**2)``; both are the function V, of orders (1,), at an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef


@dataclass(frozen=True)
class Application:
    """An undefined function or one of its partial derivatives, at arguments.

    Attributes:
        name: the function.
        orders: how often it is differentiated by each argument.
        arguments: where it is taken.
    """

    name: str
    orders: tuple[int, ...]
    arguments: tuple[sp.Expr, ...]


def application(e: sp.Expr) -> Application | None:
    """Read an expression as an undefined function or its derivative; None if it is something else.

    Example:
        >>> x, V = sp.Symbol("x", real=True), sp.Function("V", real=True)
        >>> application(V(x))
        Application(name='V', orders=(0,), arguments=(x,))
        >>> application(sp.diff(V(x**2), x).args[-1])
        Application(name='V', orders=(1,), arguments=(x**2,))
        >>> application(x) is None
        True
    """
    if isinstance(e, AppliedUndef):
        return Application(e.func.__name__, (0,) * len(e.args), e.args)
    values = {}
    if isinstance(e, sp.Subs):
        values = dict(zip(e.variables, e.point, strict=True))
        e = e.expr
    if not isinstance(e, sp.Derivative) or not isinstance(e.expr, AppliedUndef):
        return None
    function = e.expr
    orders = [0] * len(function.args)
    for variable, count in e.variable_count:
        slots = [k for k, a in enumerate(function.args) if a == variable]
        elsewhere = sum(a.has(variable) for a in function.args)
        if len(slots) != 1 or elsewhere != 1 or not count.is_Integer:
            return None
        orders[slots[0]] += int(count)
    arguments = tuple(a.subs(values) if values else a for a in function.args)
    return Application(function.func.__name__, tuple(orders), arguments)
