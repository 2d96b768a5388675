"""Certified values: formulas and their gradients in ball arithmetic at a rational point.

A formula is compiled to a tape once and run in python-flint ``arb`` arithmetic: every value is an interval that
contains the true one, and its gradient comes from reverse-mode differentiation on the same tape.  An undefined
function stands for a concrete polynomial.  A value that is not provably finite and smooth at the point (a root
or logarithm of something not certainly positive, a division by something not certainly nonzero) ends the run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp
from flint import arb, ctx, fmpq

from hamsym.symbolic.formula.applied import application


class OutsideDomain(Exception):
    """The formula is not certainly finite and smooth at a point, at the precision used."""


class TooLarge(OutsideDomain):
    """A value at a point is beyond the numbers of ball arithmetic."""


class NoTape(Exception):
    """The formula contains a function that cannot be evaluated."""


@dataclass(frozen=True)
class Polynomial:
    """A concrete choice for an undefined function: exponents of its arguments to coefficients.

    Example:
        >>> Polynomial(1, {(0,): sp.Integer(1), (2,): sp.Rational(1, 2)}).as_lambda()
        Lambda(z1, z1**2/2 + 1)
    """

    arity: int
    terms: Mapping[tuple[int, ...], sp.Rational]

    def as_lambda(self) -> sp.Lambda:
        """Return the polynomial as a sympy function of z1, z2, …"""
        z = sp.symbols(f"z1:{self.arity + 1}", real=True)
        body = sp.Add(
            *(c * sp.Mul(*(x**k for x, k in zip(z, e, strict=True))) for e, c in self.terms.items())
        )
        return sp.Lambda(z, body)

    def differentiated(self, orders: Sequence[int]) -> Polynomial:
        """Return the partial derivative of the given orders."""
        terms = {}
        for exponents, c in self.terms.items():
            if all(e >= n for e, n in zip(exponents, orders, strict=True)):
                falling = math.prod(math.perm(e, n) for e, n in zip(exponents, orders, strict=True))
                terms[tuple(e - n for e, n in zip(exponents, orders, strict=True))] = c * falling
        return Polynomial(self.arity, terms)

    def at(self, values: Sequence[arb]) -> arb:
        """Return the value at balls."""
        total = arb(0)
        for exponents, c in self.terms.items():
            total += _ball(c) * math.prod(
                (x**k for x, k in zip(values, exponents, strict=True)), start=arb(1)
            )
        return total


@dataclass
class Tape:
    """A list of operations that computes several outputs.

    Arguments:
        outputs: the expressions to compute, real and finite-valued.

    Raises:
        NoTape: for functions without an evaluation rule.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> tape = Tape([x**2 + sp.sqrt(x)])
        >>> run = tape.run({x: sp.Integer(4)}, {}, bits=64)
        >>> bool(run.value(0) == 18), bool(abs(run.gradient(0)[x] - 8.25) < 1e-15)
        (True, True)
    """

    outputs: Sequence[sp.Expr]
    operations: list[tuple[str, tuple[int, ...], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places: dict[sp.Basic, int] = {}
        self.outs = [self._place(e) for e in self.outputs]
        del self._places

    def _place(self, expression: sp.Expr) -> int:
        """Append the operations of an expression, without recursion, and return its place."""
        waiting = [expression]
        while waiting:
            e = waiting[-1]
            if e in self._places:
                waiting.pop()
                continue
            kind, arguments, extra = _operation(e)
            missing = [a for a in arguments if a not in self._places]
            if missing:
                waiting += missing
                continue
            self._places[e] = len(self.operations)
            self.operations.append((kind, tuple(self._places[a] for a in arguments), extra))
            waiting.pop()
        return self._places[expression]

    @property
    def transcendental(self) -> int:
        """The number of operations that are not sums, products and positive powers."""
        plain = ("number", "symbol", "add", "mul")
        return sum(
            kind not in plain and not (kind == "power" and isinstance(extra, int) and extra > 0)
            for kind, _, extra in self.operations
        )

    @property
    def symbols(self) -> set[sp.Symbol]:
        """The symbols that are read."""
        return {extra for kind, _, extra in self.operations if kind == "symbol"}  # type: ignore[misc]

    @property
    def functions(self) -> set[str]:
        """The names of the undefined functions that are read."""
        return {extra[0] for kind, _, extra in self.operations if kind == "function"}  # type: ignore[index]

    def run(
        self, point: Mapping[sp.Symbol, sp.Rational], functions: Mapping[str, Polynomial], *, bits: int
    ) -> Run:
        """Compute all values at a rational point.

        Arguments:
            point: the value of each symbol.
            functions: the polynomial that stands for each undefined function.
            bits: working precision.

        Raises:
            OutsideDomain: where a value is not certainly finite and smooth.
        """
        with ctx.workprec(bits):
            values: list[arb] = []
            for kind, places, extra in self.operations:
                value = _FORWARD[kind]([values[i] for i in places], extra, point, functions)
                if not value.is_finite():
                    raise TooLarge if kind in ("exp", "sinh", "cosh") else OutsideDomain
                values.append(value)
        return Run(self, values, functions, bits)


@dataclass
class Run:
    """The values of a tape at a point."""

    tape: Tape
    values: list[arb]
    functions: Mapping[str, Polynomial]
    bits: int

    def value(self, output: int) -> arb:
        """Return the ball of an output."""
        return self.values[self.tape.outs[output]]

    def gradient(self, output: int) -> dict[sp.Symbol, arb]:
        """Return the derivatives of an output by the symbols it contains."""
        result: dict[sp.Symbol, arb] = {}
        slopes: dict[int, arb] = {self.tape.outs[output]: arb(1)}
        with ctx.workprec(self.bits):
            for place in range(self.tape.outs[output], -1, -1):
                slope = slopes.pop(place, None)
                if slope is None:
                    continue
                if not slope.is_finite():
                    raise OutsideDomain
                kind, places, extra = self.tape.operations[place]
                if kind == "symbol":
                    assert isinstance(extra, sp.Symbol)
                    result[extra] = slope
                    continue
                if not places:
                    continue
                arguments = [self.values[i] for i in places]
                partials = _BACKWARD[kind](arguments, self.values[place], extra, self.functions)
                for i, partial in zip(places, partials, strict=True):
                    step = slope * partial
                    slopes[i] = slopes[i] + step if i in slopes else step
        if not all(v.is_finite() for v in result.values()):
            raise OutsideDomain
        return result


# -- what a node of an expression becomes ------------------------------------------------------------------


def _operation(e: sp.Expr) -> tuple[str, tuple[sp.Expr, ...], object]:
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
        return _operation(done)
    name = _NAMES.get(e.func)
    if name is None:
        raise NoTape(f"{e.func.__name__} cannot be evaluated with certainty")
    return name, e.args, None


def _ball(value: sp.Rational | fmpq) -> arb:
    return arb(value if isinstance(value, fmpq) else fmpq(int(value.p), int(value.q)))


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

_FORWARD = {
    "number": lambda a, extra, point, functions: arb(extra),
    "symbol": lambda a, extra, point, functions: _ball(point[extra]),
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

# Arguments, value of the node, extra data, functions -> partial derivatives by the arguments.
_BACKWARD = {
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
