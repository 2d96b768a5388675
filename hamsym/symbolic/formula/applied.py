"""Undefined functions inside expressions: which one, differentiated how often, at what arguments.

sympy writes the derivative of V(x) by x as ``Derivative(V(x), x)`` and that of V(x**2) as a product with
``Subs(Derivative(V(xi), xi), xi, x**2)``; both are the function V, of orders (1,), at an argument.  Formulas write
them ``V'(x)`` and ``V'(x**2)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def applied_derivative(
    function: Callable[..., sp.Expr], orders: Sequence[int], *arguments: sp.Expr
) -> sp.Expr:
    """Return a partial derivative of an undefined function at arguments, as sympy's differentiation writes it.

    Example:
        >>> x, V = sp.Symbol("x", real=True), sp.Function("V", real=True)
        >>> applied_derivative(V, (1,), x) == sp.diff(V(x), x)
        True
        >>> 2*x*applied_derivative(V, (1,), x**2) == sp.diff(V(x**2), x)
        True
    """
    if not any(orders):
        return function(*arguments)
    inner = list(arguments)
    apart: dict[sp.Symbol, sp.Expr] = {}
    for k, order in enumerate(orders):
        alone = inner[k]._diff_wrt and not any(a.has(inner[k]) for j, a in enumerate(arguments) if j != k)
        if order and not alone:
            inner[k] = sp.Dummy(f"xi_{k + 1}")
            apart[inner[k]] = arguments[k]
    steps = [(slot, order) for slot, order in zip(inner, orders, strict=True) if order]
    slope = sp.Derivative(function(*inner), *steps)
    return sp.Subs(slope, tuple(apart), tuple(apart.values())) if apart else slope


def order_text(orders: Sequence[int]) -> str:
    """Return how formulas write the orders of a derivative: primes, or the order by each argument in brackets.

    Example:
        >>> order_text((2,)), order_text((4,)), order_text((1, 0))
        ("''", "'[4]", "'[1, 0]")
    """
    if len(orders) == 1 and orders[0] <= 3:
        return "'" * orders[0]
    return f"'[{', '.join(map(str, orders))}]"


def read_orders(text: str) -> tuple[int, ...]:
    """Return the orders of which :func:`order_text` writes; primes stand for a function of one argument.

    Example:
        >>> read_orders("''"), read_orders("'[1, 0]")
        ((2,), (1, 0))
    """
    return tuple(map(int, text[2:-1].split(","))) if text.endswith("]") else (len(text),)
