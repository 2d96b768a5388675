"""Certified elementary operations on balls, their derivatives, and the points at which they refuse.

A value that is not provably finite and smooth (a root or logarithm of something not certainly positive, a division
by something not certainly nonzero) ends the evaluation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import sympy as sp
from flint import arb, fmpq

from hamsym.symbolic.formula.applied import application
from hamsym.symbolic.zero_test.polynomial import Polynomial, ball


class OutsideDomain(Exception):
    """The formula is not certainly finite and smooth at a point, at the precision used."""


class TooLarge(OutsideDomain):
    """A value at a point is beyond the numbers of ball arithmetic."""


class NoTape(Exception):
    """The formula contains a function that cannot be evaluated."""


def operation(e: sp.Expr) -> tuple[str, tuple[sp.Expr, ...], object]:
    """Return what a node of an expression becomes: the kind of operation, its arguments, and what else it needs.

    Raises:
        NoTape: for functions without an evaluation rule.
    """
    if e.is_Rational:
        return "number", (), fmpq(int(e.p), int(e.q))
    if e.is_Symbol:
        return "symbol", (), e
    if e is sp.pi:
        return "pi", (), None
    if e is sp.E:
        return "exp", (sp.Integer(1),), None
    if e.is_Add:
        return "add", e.args, None
    if e.is_Mul:
        return "mul", e.args, None
    if e.is_Pow:
        if e.exp.is_Integer:
            return "power", (e.base,), int(e.exp)
        if e.exp == sp.S.Half:
            return "sqrt", (e.base,), None
        if e.exp.is_Rational:
            return "root", (e.base,), fmpq(int(e.exp.p), int(e.exp.q))
        return "general power", (e.base, e.exp), None
    applied = application(e)
    if applied is not None:
        return "function", applied.arguments, (applied.name, applied.orders)
    if isinstance(e, (sp.Derivative, sp.Subs)):
        done = e.doit()
        if done == e:
            raise NoTape(f"the derivative {e} cannot be evaluated")
        return operation(done)
    name = _NAMES.get(e.func)
    if name is None:
        raise NoTape(f"{e.func.__name__} cannot be evaluated with certainty")
    return name, e.args, None


def _positive(x: arb) -> arb:
    if not x > 0:
        raise OutsideDomain
    return x


def _nonzero(x: arb) -> arb:
    if x.contains(0):
        raise OutsideDomain
    return x


def _inside(x: arb) -> arb:
    if not (x > -1 and x < 1):
        raise OutsideDomain
    return x


def _unary(function):  # type: ignore[no-untyped-def]
    return lambda a, extra, point, functions: function(a[0])


def _off_cut(y: arb, x: arb) -> arb:
    if not (x > 0 or y > 0 or y < 0):
        raise OutsideDomain
    return arb.atan2(y, x)


def _apply(a: list[arb], extra: tuple[str, tuple[int, ...]], functions: Mapping[str, Polynomial]) -> arb:
    name, orders = extra
    if name not in functions:
        raise NoTape(f"no choice was made for the function {name}")
    return functions[name].differentiated(orders).at(a)


def _slopes(
    a: list[arb], extra: tuple[str, tuple[int, ...]], functions: Mapping[str, Polynomial]
) -> list[arb]:
    name, orders = extra
    return [
        _apply(a, (name, tuple(n + (i == k) for i, n in enumerate(orders))), functions)
        for k in range(len(orders))
    ]


def _product(values: Sequence[arb]) -> arb:
    return math.prod(values, start=arb(1))


def _other_products(a: list[arb]) -> list[arb]:
    before = list(itertools.accumulate(a, lambda x, y: x * y, initial=arb(1)))
    after = list(itertools.accumulate(reversed(a), lambda x, y: x * y, initial=arb(1)))[::-1]
    return [before[k] * after[k + 1] for k in range(len(a))]


_NAMES: dict[type, str] = {
    sp.exp: "exp", sp.log: "log", sp.Abs: "abs", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan",
    sp.cot: "cot", sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.coth: "coth", sp.asin: "asin",
    sp.acos: "acos", sp.atan: "atan", sp.atan2: "atan2",
}  # fmt: skip

#: Arguments, extra data, point, functions -> value of the node.
FORWARD = {
    "number": lambda a, extra, point, functions: arb(extra),
    "symbol": lambda a, extra, point, functions: ball(point[extra]),
    "pi": lambda a, extra, point, functions: arb.pi(),
    "add": lambda a, extra, point, functions: sum(a, start=arb(0)),
    "mul": lambda a, extra, point, functions: _product(a),
    "power": lambda a, n, point, functions: a[0] ** n if n >= 0 else 1 / _nonzero(a[0]) ** -n,
    "sqrt": lambda a, extra, point, functions: _positive(a[0]).sqrt(),
    "root": lambda a, q, point, functions: _positive(a[0]) ** arb(q),
    "general power": lambda a, extra, point, functions: _positive(a[0]) ** a[1],
    "function": lambda a, extra, point, functions: _apply(a, extra, functions),
    "exp": _unary(arb.exp),
    "log": _unary(lambda x: _positive(x).log()),
    "abs": _unary(lambda x: abs(_nonzero(x))),
    "sin": _unary(arb.sin),
    "cos": _unary(arb.cos),
    "tan": _unary(arb.tan),
    "cot": _unary(arb.cot),
    "sinh": _unary(arb.sinh),
    "cosh": _unary(arb.cosh),
    "tanh": _unary(arb.tanh),
    "coth": _unary(lambda x: _nonzero(x).coth()),
    "asin": _unary(lambda x: _inside(x).asin()),
    "acos": _unary(lambda x: _inside(x).acos()),
    "atan": _unary(arb.atan),
    "atan2": lambda a, extra, point, functions: _off_cut(a[0], a[1]),
}

#: Arguments, value of the node, extra data, functions -> partial derivatives by the arguments.
BACKWARD = {
    "add": lambda a, v, extra, functions: [arb(1)] * len(a),
    "mul": lambda a, v, extra, functions: _other_products(a),
    "power": lambda a, v, n, functions: [n * a[0] ** (n - 1) if n > 0 else n * v / a[0] if n else arb(0)],
    "sqrt": lambda a, v, extra, functions: [1 / (2 * v)],
    "root": lambda a, v, q, functions: [arb(q) * v / a[0]],
    "general power": lambda a, v, extra, functions: [a[1] * v / a[0], v * a[0].log()],
    "function": lambda a, v, extra, functions: _slopes(a, extra, functions),
    "exp": lambda a, v, extra, functions: [v],
    "log": lambda a, v, extra, functions: [1 / a[0]],
    "abs": lambda a, v, extra, functions: [v / a[0]],
    "sin": lambda a, v, extra, functions: [a[0].cos()],
    "cos": lambda a, v, extra, functions: [-a[0].sin()],
    "tan": lambda a, v, extra, functions: [1 + v * v],
    "cot": lambda a, v, extra, functions: [-1 - v * v],
    "sinh": lambda a, v, extra, functions: [a[0].cosh()],
    "cosh": lambda a, v, extra, functions: [a[0].sinh()],
    "tanh": lambda a, v, extra, functions: [1 - v * v],
    "coth": lambda a, v, extra, functions: [1 - v * v],
    "asin": lambda a, v, extra, functions: [1 / (1 - a[0] * a[0]).sqrt()],
    "acos": lambda a, v, extra, functions: [-1 / (1 - a[0] * a[0]).sqrt()],
    "atan": lambda a, v, extra, functions: [1 / (1 + a[0] * a[0])],
    "atan2": lambda a, v, extra, functions: [
        a[1] / (a[0] * a[0] + a[1] * a[1]),
        -a[0] / (a[0] * a[0] + a[1] * a[1]),
    ],
}
