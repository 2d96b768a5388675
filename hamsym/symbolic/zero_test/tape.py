"""Certified values: formulas and their gradients in ball arithmetic at a rational point.

A formula is compiled to a tape once and run in python-flint ``arb`` arithmetic: every value is an interval that
contains the true one, and its gradient comes from reverse-mode differentiation on the same tape.  An undefined
function stands for a concrete polynomial.  A value that is not provably finite and smooth at the point (a root
or logarithm of something not certainly positive, a division by something not certainly nonzero) ends the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp
from flint import arb, ctx

from hamsym.symbolic.zero_test.operations import BACKWARD, FORWARD, OutsideDomain, TooLarge, operation
from hamsym.symbolic.zero_test.polynomial import Polynomial


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
            kind, arguments, extra = operation(e)
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
                value = FORWARD[kind]([values[i] for i in places], extra, point, functions)
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
                partials = BACKWARD[kind](arguments, self.values[place], extra, self.functions)
                for i, partial in zip(places, partials, strict=True):
                    step = slope * partial
                    slopes[i] = slopes[i] + step if i in slopes else step
        if not all(v.is_finite() for v in result.values()):
            raise OutsideDomain
        return result
