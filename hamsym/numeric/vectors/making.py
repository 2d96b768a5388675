"""Lanes from numbers, a number from lanes, and a choice between lanes."""

# numba calls an intrinsic without the first argument of its definition:
# mypy: disable-error-code="call-arg"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hamsym.numeric.vectors.kinds import FLOAT, FLOATS, INTS, PLACE, WIDTH, as_lanes, lanes, mask, spread


@intrinsic
def repeated(context: Any, x: Any) -> Any:
    """Lanes that are all x."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        return as_lanes(context, builder, of.args[0], arguments[0])

    return lanes(x), emit


@intrinsic
def numbers(context: Any, first: Any) -> Any:
    """The lanes first, first + 1, … of an integer."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        start = spread(builder, context.cast(builder, arguments[0], of.args[0], types.int64), INTS)
        return builder.sitofp(builder.add(start, ir.Constant(INTS, list(range(WIDTH)))), FLOATS)

    return lanes(first), emit


@intrinsic
def within(context: Any, first: Any, count: Any) -> Any:
    """Which of first, first + 1, … are at least 0 and less than count."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        start, end = (
            spread(builder, context.cast(builder, x, t, types.int64), INTS)
            for t, x in zip(of.args, arguments, strict=True)
        )
        return builder.icmp_unsigned("<", builder.add(start, ir.Constant(INTS, list(range(WIDTH)))), end)

    return mask(first, count), emit


@intrinsic
def pick(context: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, and b elsewhere."""
    result = lanes if condition == mask else types.float64

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        given = list(zip(of.args[1:], arguments[1:], strict=True))
        if of.return_type == lanes:
            both = [as_lanes(context, builder, t, x) for t, x in given]
        else:
            both = [context.cast(builder, x, t, types.float64) for t, x in given]
        return builder.select(arguments[0], *both)

    return result(condition, a, b), emit


@intrinsic
def total(context: Any, x: Any) -> Any:
    """The sum of the lanes, half by half."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        value, width = arguments[0], WIDTH
        while width > 1:
            half = width // 2
            undefined = ir.Constant(ir.VectorType(FLOAT, width), ir.Undefined)
            low, high = (
                builder.shuffle_vector(
                    value,
                    undefined,
                    ir.Constant(ir.VectorType(PLACE, half), list(range(begin, begin + half))),
                )
                for begin in (0, half)
            )
            value, width = builder.fadd(low, high), half
        return builder.extract_element(value, PLACE(0))

    return types.float64(lanes), emit
