"""Numbers and lanes to and from arrays."""

# numba calls an intrinsic without the first argument of its definition:
# mypy: disable-error-code="call-arg"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hamsym.numeric.vectors.kinds import FLOATS, PLACE, WIDTH, as_lanes, lanes


def _address(context: Any, builder: Any, given: Any, array: Any, index: Any, of: Any) -> Any:
    place = context.cast(builder, index, of, types.intp)
    return builder.gep(context.make_array(given)(context, builder, array).data, [place])


@intrinsic
def get(context: Any, array: Any, i: Any) -> Any:
    """The number at place i of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, of.args[0], *arguments[:2], of.args[1]))

    return types.float64(array, i), emit


@intrinsic
def put(context: Any, array: Any, i: Any, x: Any) -> Any:
    """Store a number at place i of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        value = context.cast(builder, arguments[2], of.args[2], types.float64)
        builder.store(value, _address(context, builder, of.args[0], *arguments[:2], of.args[1]))
        return context.get_dummy_value()

    return types.void(array, i, x), emit


@intrinsic
def load(context: Any, array: Any, i: Any) -> Any:
    """The numbers at the places i, i + 1, … of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        begin = _address(context, builder, of.args[0], *arguments[:2], of.args[1])
        return builder.load(builder.bitcast(begin, FLOATS.as_pointer()), align=8)

    return lanes(array, i), emit


@intrinsic
def store(context: Any, array: Any, i: Any, x: Any) -> Any:
    """Store numbers at the places i, i + 1, … of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        begin = _address(context, builder, of.args[0], *arguments[:2], of.args[1])
        value = as_lanes(context, builder, of.args[2], arguments[2])
        builder.store(value, builder.bitcast(begin, FLOATS.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, i, x), emit


@intrinsic
def load_apart(context: Any, array: Any, i: Any, stride: Any) -> Any:
    """The numbers at the places i, i + stride, … of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        address = _address(context, builder, of.args[0], *arguments[:2], of.args[1])
        step = context.cast(builder, arguments[2], of.args[2], types.intp)
        value = ir.Constant(FLOATS, ir.Undefined)
        for lane in range(WIDTH):
            value = builder.insert_element(value, builder.load(address), PLACE(lane))
            address = builder.gep(address, [step])
        return value

    return lanes(array, i, stride), emit


@intrinsic
def store_apart(context: Any, array: Any, i: Any, stride: Any, x: Any) -> Any:
    """Store numbers at the places i, i + stride, … of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        address = _address(context, builder, of.args[0], *arguments[:2], of.args[1])
        step = context.cast(builder, arguments[2], of.args[2], types.intp)
        value = as_lanes(context, builder, of.args[3], arguments[3])
        for lane in range(WIDTH):
            builder.store(builder.extract_element(value, PLACE(lane)), address)
            address = builder.gep(address, [step])
        return context.get_dummy_value()

    return types.void(array, i, stride, x), emit
