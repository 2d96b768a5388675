"""Arithmetic on vector registers, written into compiled functions: products, sine and cosine, the logistic function.

Angles come in half turns, whose whole part is taken off without rounding; sine and cosine of the rest are polynomials
that are exact to rounding there.  Loaded with the first use, because it loads numba.
"""

# numba's code generators carry no types:
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils


@cache
def _series(double: bool) -> tuple[list[float], list[float]]:
    """Coefficients of sin(πr)/r and π cos(πr) in powers of r² for |r| ≤ 1/2.

    Taylor's in float64; in float32 those that interpolate at the Chebyshev points of r², one fewer each.
    """
    if double:
        sine = [(-1) ** k * math.pi ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(11)]
        return sine, [(-1) ** k * math.pi ** (2 * k + 1) / math.factorial(2 * k) for k in range(12)]
    found = []
    for count, function in (
        (5, lambda r: np.sin(math.pi * r) / r),
        (6, lambda r: math.pi * np.cos(math.pi * r)),
    ):
        points = 0.25 * (0.5 + 0.5 * np.cos((np.arange(count) + 0.5) * math.pi / count))
        powers = points[:, None] ** np.arange(count)
        found.append([float(c) for c in np.linalg.solve(powers, function(np.sqrt(points)))])
    return found[0], found[1]


class Registers:
    """Writes arithmetic on vector registers of one scalar type."""

    def __init__(self, builder: Any, scalar: Any) -> None:
        self.builder, self.double = builder, scalar == types.float64
        self.lanes = 8 if self.double else 16
        self.scalar = ir.DoubleType() if self.double else ir.FloatType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.integers = ir.VectorType(ir.IntType(64 if self.double else 32), self.lanes)

    def constant(self, value: float) -> Any:
        value = value if self.double else float(np.float32(value))
        return ir.Constant(self.vector, [value] * self.lanes)

    def splat(self, value: Any) -> Any:
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, ir.Constant(self.vector, ir.Undefined), mask)

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=4)

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=4)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        name = f"llvm.fma.v{self.lanes}f{64 if self.double else 32}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])

    def whole(self, x: Any) -> Any:
        """The whole number next to x."""
        name = f"llvm.rint.v{self.lanes}f{64 if self.double else 32}"
        kind = ir.FunctionType(self.vector, [self.vector])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [x])

    def reduced(self, x: Any) -> tuple[Any, Any]:
        """(r, sign bit) with x = r + k, |r| ≤ 1/2, and the sign that of cos(πk)."""
        b, k = self.builder, self.whole(x)
        shift = ir.Constant(self.integers, [63 if self.double else 31] * self.lanes)
        return b.fsub(x, k), b.shl(b.fptosi(k, self.integers), shift)

    def polynomial(self, coefficients: list[float], y: Any) -> Any:
        value = self.constant(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            value = self.fma(value, y, self.constant(c))
        return value

    def signed(self, value: Any, sign: Any) -> Any:
        b = self.builder
        return b.bitcast(b.xor(b.bitcast(value, self.integers), sign), self.vector)

    def sine(self, x: Any) -> Any:
        """sin(πx)."""
        r, sign = self.reduced(x)
        return self.signed(
            self.builder.fmul(r, self.polynomial(_series(self.double)[0], self.builder.fmul(r, r))), sign
        )

    def sine_and_cosine(self, x: Any) -> tuple[Any, Any]:
        """sin(πx) and π cos(πx)."""
        r, sign = self.reduced(x)
        y = self.builder.fmul(r, r)
        sine, cosine = (self.polynomial(c, y) for c in _series(self.double))
        return self.signed(self.builder.fmul(r, sine), sign), self.signed(cosine, sign)

    def exponential(self, x: Any) -> Any:
        """exp(x) for x from −87 to 88, in float64 from −708 to 709."""
        b = self.builder
        k = self.whole(b.fmul(x, self.constant(math.log2(math.e))))
        high = math.log(2) if self.double else float(np.float32(0.693359375))
        low = 2.3190468138462996e-17 if self.double else math.log(2) - high
        r = self.fma(k, self.constant(-low), self.fma(k, self.constant(-high), x))
        power = self.polynomial([1 / math.factorial(n) for n in range(14 if self.double else 8)], r)
        kind, bias, digits = self.integers, *((1023, 52) if self.double else (127, 23))
        raised = b.add(b.fptosi(k, kind), ir.Constant(kind, [bias] * self.lanes))
        two = b.bitcast(b.shl(raised, ir.Constant(kind, [digits] * self.lanes)), self.vector)
        return b.fmul(power, two)

    def sigmoid(self, x: Any) -> Any:
        """1/(1 + exp(−x))."""
        b = self.builder
        y, bound = b.fneg(x), 708.0 if self.double else 87.0
        for limit, sign in ((self.constant(bound), "<"), (self.constant(-bound), ">")):
            y = b.select(b.fcmp_ordered(sign, limit, y), limit, y)  # what is no number stays none
        one = self.constant(1.0)
        return b.fdiv(one, b.fadd(one, self.exponential(y)))


class Rows:
    """Addresses in a two-dimensional array, rows one after the other."""

    def __init__(self, builder: Any, data: Any, columns: Any) -> None:
        self.builder, self.data, self.columns = builder, data, columns

    def at(self, row: Any, column: Any) -> Any:
        row = ir.IntType(64)(row) if isinstance(row, int) else row
        place = self.builder.add(self.builder.mul(row, self.columns), column)
        return self.builder.gep(self.data, [place])
