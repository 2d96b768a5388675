"""Compiled products of small matrices, and SiLU with its slope, from vector registers.

A library spends its time on packing where a matrix has 64 columns; here the sums of a tile stay in registers, and what is
read stays in the first caches.  Loaded with the first use, because it loads numba.
"""

# numba calls an intrinsic without the first argument of its definition, and compiled functions carry no types:
# mypy: disable-error-code="call-arg, no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from learn.kernels.compiled import part
from learn.kernels.registers import Registers, Rows

WORD = ir.IntType(64)
HIGH, WIDE = 4, 4  # rows and registers whose sums are kept at once


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, builder, value).data


def _tile(
    builder: Any, lanes: Registers, high: int, wide: int, strides: Any, depth: Any, arrays: Any, at: Any
) -> None:
    """One tile of a product from a row and a column on."""
    (left, right, result), (by_row, by_depth), (row, column) = arrays, strides, at
    places = [
        [
            result.at(builder.add(row, WORD(i)), builder.add(column, WORD(v * lanes.lanes)))
            for v in range(wide)
        ]
        for i in range(high)
    ]
    sums = [[cgutils.alloca_once(builder, lanes.vector) for _ in range(wide)] for _ in range(high)]
    both = [(p, s) for line, kept in zip(places, sums, strict=True) for p, s in zip(line, kept, strict=True)]
    for place, total in both:
        builder.store(lanes.load(place), total)
    with cgutils.for_range(builder, depth) as loop:
        given = [
            lanes.load(right.at(loop.index, builder.add(column, WORD(v * lanes.lanes)))) for v in range(wide)
        ]
        for i in range(high):
            down = builder.mul(builder.add(row, WORD(i)), by_row)
            where = builder.add(down, builder.mul(loop.index, by_depth))
            factor = lanes.splat(builder.load(builder.gep(left, [where])))
            for v in range(wide):
                builder.store(lanes.fma(factor, given[v], builder.load(sums[i][v])), sums[i][v])
    for place, total in both:
        lanes.store(builder.load(total), place)


@intrinsic
def _emit_product(
    context: Any,
    a: Any,
    begin: Any,
    by_row: Any,
    by_depth: Any,
    rows: Any,
    depth: Any,
    width: Any,
    b: Any,
    c: Any,
) -> Any:
    """Write :func:`product`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")  # one copy in each of its callers
        begin, by_row, by_depth, rows, depth, width = arguments[1:7]
        left, right, result = (
            _data(context, builder, kind, arguments[i]) for i, kind in ((0, a), (7, b), (8, c))
        )
        left = builder.gep(left, [begin])
        lanes, zero = Registers(builder, c.dtype), WORD(0)
        arrays = left, Rows(builder, right, width), Rows(builder, result, width)
        few = builder.mul(builder.udiv(rows, WORD(HIGH)), WORD(HIGH))
        group = WORD(WIDE * lanes.lanes)
        narrow = builder.mul(builder.udiv(width, group), group)
        for wide, first, last in ((WIDE, zero, narrow), (1, narrow, width)):
            step = WORD(wide * lanes.lanes)
            with cgutils.for_range_slice(builder, first, last, step, inc=True) as (column, _):
                for high, start, stop in ((HIGH, zero, few), (1, few, rows)):
                    with cgutils.for_range_slice(builder, start, stop, WORD(high), inc=True) as (row, _):
                        _tile(builder, lanes, high, wide, (by_row, by_depth), depth, arrays, (row, column))
        return context.get_dummy_value()

    sizes = [types.intp] * 6
    return types.void(a, *sizes, b, c), emit


@intrinsic
def _emit_silu(context: Any, x: Any, count: Any, y: Any) -> Any:
    """Write :func:`silu`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        lanes = Registers(builder, x.dtype)
        source, target = (_data(context, builder, kind, arguments[i]) for i, kind in ((0, x), (2, y)))
        step = WORD(lanes.lanes)
        with cgutils.for_range_slice(builder, WORD(0), arguments[1], step, inc=True) as (place, _):
            here, there = (builder.gep(data, [place]) for data in (source, target))
            value, one = lanes.load(here), lanes.constant(1.0)
            share = lanes.sigmoid(value)
            slope = lanes.fma(builder.fmul(value, builder.fsub(one, share)), share, share)
            lanes.store(builder.fmul(value, share), there)
            lanes.store(slope, here)
        return context.get_dummy_value()

    return types.void(x, types.intp, y), emit


@part
def product(a, begin, by_row, by_depth, rows, depth, width, b, c):
    """c[i, n] ← c[i, n] + Σ_k a[begin + i·by_row + k·by_depth] b[k, n] for i < rows, k < depth, n < width.

    Rows of b and c have ``width`` numbers, a multiple of the lanes of a register.
    """
    _emit_product(a, begin, by_row, by_depth, rows, depth, width, b, c)


@part
def silu(x, count, y):
    """y ← x σ(x) and x ← its slope σ(x) (1 + x (1 − σ(x))), for the first ``count`` numbers, a multiple of the lanes."""
    _emit_silu(x, count, y)
