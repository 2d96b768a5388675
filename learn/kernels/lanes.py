"""Loops over the units of ridge potentials, written in vector registers, and compiled once for each number of inputs.

A few registers of points at a time, unit by unit, so that nothing but weights is read while the sums over units stay
where they are.
Every point sees the same operations wherever it stands in a batch.  Loaded with the first use, because it loads numba.
"""

# numba calls an intrinsic without the first argument of its definition, and compiled functions carry no types:
# mypy: disable-error-code="call-arg, no-untyped-def"

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from learn.kernels.compiled import address
from learn.kernels.registers import Registers, Rows

GROUP = (
    64  # rows are filled up with zeros to a multiple of this: the points of the largest group of registers
)


def _registers(inputs: int, double: bool, wanted: int) -> int:
    """Registers of points per group: as many as leave room for the sums."""
    return max(1, min(wanted, 8 // inputs, GROUP // (8 if double else 16)))


@intrinsic
def _emit_slope(context: Any, points: Any, z: Any, units: Any, packed: Any, result: Any, inputs: Any) -> Any:
    """Write :func:`slope_loop`; ``inputs`` is a tuple of that length."""
    count = inputs.count

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Registers(builder, z.dtype)
        columns, unit_count = arguments[0], arguments[2]
        source, target = (Rows(builder, arguments[i], columns) for i in (1, 4))
        weights = Rows(builder, arguments[3], ir.IntType(64)(2 * count + 1))
        across = _registers(count, lanes.double, 4)
        sums = [[cgutils.alloca_once(builder, lanes.vector) for _ in range(across)] for _ in range(count)]
        step = ir.IntType(64)(across * lanes.lanes)
        zero = ir.IntType(64)(0)
        with cgutils.for_range_slice(builder, zero, columns, step, inc=True) as (start, _):
            places = [builder.add(start, ir.IntType(64)(v * lanes.lanes)) for v in range(across)]
            point = [[lanes.load(source.at(f, place)) for place in places] for f in range(count)]
            for row in sums:
                for place in row:
                    builder.store(lanes.constant(0.0), place)
            with cgutils.for_range(builder, unit_count) as loop:
                given = [
                    lanes.splat(builder.load(weights.at(loop.index, ir.IntType(64)(c))))
                    for c in range(2 * count + 1)
                ]
                for v in range(across):
                    angle = given[count]
                    for f in range(count):
                        angle = lanes.fma(given[f], point[f][v], angle)
                    sine = lanes.sine(angle)
                    for f in range(count):
                        total = lanes.fma(given[count + 1 + f], sine, builder.load(sums[f][v]))
                        builder.store(total, sums[f][v])
            for f in range(count):
                for v, place in enumerate(places):
                    lanes.store(builder.load(sums[f][v]), target.at(f, place))
        return context.get_dummy_value()

    return types.void(points, z, units, packed, result, inputs), emit


@intrinsic
def _emit_pulled(
    context: Any,
    points: Any,
    z: Any,
    g: Any,
    units: Any,
    packed: Any,
    result: Any,
    back: Any,
    totals: Any,
    inputs: Any,
) -> Any:
    """Write :func:`pulled_loop`."""
    count = inputs.count

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Registers(builder, z.dtype)
        columns, unit_count = arguments[0], arguments[3]
        source, pulling, target, pulled = (Rows(builder, arguments[i], columns) for i in (1, 2, 5, 6))
        weights = Rows(builder, arguments[4], ir.IntType(64)(2 * count + 1))
        sums_over_points = Rows(builder, arguments[7], ir.IntType(64)((count + 2) * lanes.lanes))
        across = _registers(count, lanes.double, 2)
        slots = [
            [[cgutils.alloca_once(builder, lanes.vector) for _ in range(across)] for _ in range(count)]
            for _ in range(2)
        ]
        step = ir.IntType(64)(across * lanes.lanes)
        zero = ir.IntType(64)(0)
        with cgutils.for_range_slice(builder, zero, columns, step, inc=True) as (start, _):
            places = [builder.add(start, ir.IntType(64)(v * lanes.lanes)) for v in range(across)]
            point = [[lanes.load(source.at(f, place)) for place in places] for f in range(count)]
            pull = [[lanes.load(pulling.at(f, place)) for place in places] for f in range(count)]
            for half in slots:
                for row in half:
                    for place in row:
                        builder.store(lanes.constant(0.0), place)
            with cgutils.for_range(builder, unit_count) as loop:
                given = [
                    lanes.splat(builder.load(weights.at(loop.index, ir.IntType(64)(c))))
                    for c in range(2 * count + 1)
                ]
                column = [ir.IntType(64)(c * lanes.lanes) for c in range(count + 2)]
                totals = [lanes.load(sums_over_points.at(loop.index, c)) for c in column]
                for v in range(across):
                    angle, along = given[count], builder.fmul(given[0], pull[0][v])
                    for f in range(count):
                        angle = lanes.fma(given[f], point[f][v], angle)
                        if f:
                            along = lanes.fma(given[f], pull[f][v], along)
                    sine, cosine = lanes.sine_and_cosine(angle)
                    bent = builder.fmul(cosine, along)
                    for f in range(count):
                        scaled = given[count + 1 + f]
                        for half, value in zip(slots, (sine, bent), strict=True):
                            builder.store(lanes.fma(scaled, value, builder.load(half[f][v])), half[f][v])
                        totals[f] = lanes.fma(pull[f][v], sine, lanes.fma(point[f][v], bent, totals[f]))
                    totals[count] = builder.fadd(totals[count], bent)
                    totals[count + 1] = lanes.fma(sine, along, totals[count + 1])
                for c, total in zip(column, totals, strict=True):
                    lanes.store(total, sums_over_points.at(loop.index, c))
            for half, rows in zip(slots, (target, pulled), strict=True):
                for f in range(count):
                    for v, place in enumerate(places):
                        lanes.store(builder.load(half[f][v]), rows.at(f, place))
        return context.get_dummy_value()

    return types.void(points, z, g, units, packed, result, back, totals, inputs), emit


@cache
def slope_loop(inputs: int, double: bool) -> Any:
    """Address of the compiled loop result ← Σ_j s_j sin π(W_j·z + b_j).

    z and the result are (inputs, points), and each unit has a packed row W_j, b_j, s_j.
    """
    numbers = types.CPointer(types.float64 if double else types.float32)
    dummy = (0,) * inputs

    def loop(points, z, units, packed, result):
        _emit_slope(points, z, units, packed, result, dummy)

    return address(loop, types.void(types.intp, numbers, types.intp, numbers, numbers))


@cache
def pulled_loop(inputs: int, double: bool) -> Any:
    """Address of the compiled loop that does what :func:`slope_loop` does, and its reverse pass for a cotangent g.

    back ← the cotangent of z; totals, of shape (units, (inputs + 2)·lanes), grows by those of W_j and b_j but for the
    factor w_j, and 1/π of that of w_j, lane by lane.
    """
    numbers = types.CPointer(types.float64 if double else types.float32)
    dummy = (0,) * inputs

    def loop(points, z, g, units, packed, result, back, totals):
        _emit_pulled(points, z, g, units, packed, result, back, totals, dummy)

    return address(
        loop, types.void(types.intp, numbers, numbers, types.intp, numbers, numbers, numbers, numbers)
    )


@intrinsic
def call_loop(context: Any, address: Any, points: Any, units: Any, arrays: Any) -> Any:
    """Call a loop at an address with the memory of arrays, the third or second of them being that of the units."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, points, units, given = arguments
        data = [
            context.make_array(kind)(context, builder, builder.extract_value(given, i)).data
            for i, kind in enumerate(signature.args[3])
        ]
        before = 1 if len(data) == 3 else 2
        passed = [points, *data[:before], units, *data[before:]]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(address, kind.as_pointer()), passed)
        return context.get_dummy_value()

    return types.void(address, points, units, arrays), emit
