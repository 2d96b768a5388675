"""Eight numbers at once: a type for generated kernels whose loops the compiler would not turn into SIMD by itself.

``Lanes`` are eight float64 that are added, multiplied and so on side by side; on a processor with narrower registers the
compiler takes several.  What is summed up is summed in the same order everywhere, so bits do not depend on the processor, and
no operation is reordered.  Numbers among lanes stand for eight equal ones.
"""

# numba calls an intrinsic without the first argument of its definition:
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, overload, register_model

inlined = njit(forceinline=True, error_model="numpy")

#: How many lanes there are.
WIDTH = 8
_FLOAT, _INT, _PLACE = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
_FLOATS, _INTS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_INT, WIDTH)
_BITS = ir.VectorType(ir.IntType(1), WIDTH)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("Lanes")


class _Mask(types.Type):
    def __init__(self) -> None:
        super().__init__("Mask")


#: Eight float64, and eight truth values.
lanes, mask = _Lanes(), _Mask()


def _represent(kind: type, by: ir.Type) -> None:
    class Model(models.PrimitiveModel):
        def __init__(self, manager: Any, of: Any) -> None:
            super().__init__(manager, of, by)

    register_model(kind)(Model)


_represent(_Lanes, _FLOATS)
_represent(_Mask, _BITS)


def _repeated(builder: Any, x: Any, vector: ir.VectorType) -> Any:
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, x, _PLACE(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_PLACE, WIDTH), [0] * WIDTH))


def _as_lanes(context: Any, builder: Any, given: Any, x: Any) -> Any:
    if given == lanes:
        return x
    return _repeated(builder, context.cast(builder, x, given, types.float64), _FLOATS)


def _is_number(given: Any) -> bool:
    return isinstance(given, (types.Float, types.Integer, types.IntegerLiteral))


def _operands(arguments: Sequence[Any]) -> bool:
    return lanes in arguments and all(a == lanes or _is_number(a) for a in arguments)


def _call(builder: Any, name: str, arguments: Sequence[Any]) -> Any:
    """A call of an operation of LLVM on vectors."""
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64")
    return builder.call(function, arguments)


def _binary(operation: Callable[..., Any], result: Any, make: Callable[..., Any]) -> None:
    class Template(AbstractTemplate):
        def generic(self, arguments: Any, keywords: Any) -> Any:
            return signature(result, *arguments) if _operands(arguments) else None

    infer_global(operation)(Template)

    def lower(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        both = [_as_lanes(context, builder, t, x) for t, x in zip(of.args, arguments, strict=True)]
        return make(builder, *both)

    for left, right in ((lanes, lanes), (lanes, types.Number), (types.Number, lanes)):
        lower_builtin(operation, left, right)(lower)


_binary(operator.add, lanes, lambda builder, a, b: builder.fadd(a, b))
_binary(operator.sub, lanes, lambda builder, a, b: builder.fsub(a, b))
_binary(operator.mul, lanes, lambda builder, a, b: builder.fmul(a, b))
_binary(operator.truediv, lanes, lambda builder, a, b: builder.fdiv(a, b))
_binary(operator.gt, mask, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
_binary(operator.lt, mask, lambda builder, a, b: builder.fcmp_ordered("<", a, b))


@infer_global(operator.neg)
class _Negation(AbstractTemplate):
    def generic(self, arguments: Any, keywords: Any) -> Any:
        return signature(lanes, lanes) if tuple(arguments) == (lanes,) else None


@lower_builtin(operator.neg, lanes)
def _negated(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
    return builder.fneg(arguments[0])


@intrinsic
def fma(context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once."""
    result = lanes if lanes in (a, b, c) else types.float64

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        given = list(zip(of.args, arguments, strict=True))
        if of.return_type == lanes:
            return _call(builder, "fma", [_as_lanes(context, builder, t, x) for t, x in given])
        return builder.fma(*(context.cast(builder, x, t, types.float64) for t, x in given))

    return result(a, b, c), emit


def _of_lanes(name: str) -> Any:
    @intrinsic
    def operation(context: Any, x: Any) -> Any:
        def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
            return _call(builder, name, arguments)

        return lanes(lanes), emit

    return operation


_root, _size = _of_lanes("sqrt"), _of_lanes("fabs")


@overload(math.sqrt)
def _sqrt(x):  # type: ignore[no-untyped-def]
    return (lambda x: _root(x)) if x == lanes else None


@overload(abs)
def _abs(x):  # type: ignore[no-untyped-def]
    return (lambda x: _size(x)) if x == lanes else None


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
        return builder.load(builder.bitcast(begin, _FLOATS.as_pointer()), align=8)

    return lanes(array, i), emit


@intrinsic
def store(context: Any, array: Any, i: Any, x: Any) -> Any:
    """Store numbers at the places i, i + 1, … of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        begin = _address(context, builder, of.args[0], *arguments[:2], of.args[1])
        value = _as_lanes(context, builder, of.args[2], arguments[2])
        builder.store(value, builder.bitcast(begin, _FLOATS.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, i, x), emit


@intrinsic
def load_apart(context: Any, array: Any, i: Any, stride: Any) -> Any:
    """The numbers at the places i, i + stride, … of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        address = _address(context, builder, of.args[0], *arguments[:2], of.args[1])
        step = context.cast(builder, arguments[2], of.args[2], types.intp)
        value = ir.Constant(_FLOATS, ir.Undefined)
        for lane in range(WIDTH):
            value = builder.insert_element(value, builder.load(address), _PLACE(lane))
            address = builder.gep(address, [step])
        return value

    return lanes(array, i, stride), emit


@intrinsic
def store_apart(context: Any, array: Any, i: Any, stride: Any, x: Any) -> Any:
    """Store numbers at the places i, i + stride, … of an array."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        address = _address(context, builder, of.args[0], *arguments[:2], of.args[1])
        step = context.cast(builder, arguments[2], of.args[2], types.intp)
        value = _as_lanes(context, builder, of.args[3], arguments[3])
        for lane in range(WIDTH):
            builder.store(builder.extract_element(value, _PLACE(lane)), address)
            address = builder.gep(address, [step])
        return context.get_dummy_value()

    return types.void(array, i, stride, x), emit


@intrinsic
def repeated(context: Any, x: Any) -> Any:
    """Lanes that are all x."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        return _as_lanes(context, builder, of.args[0], arguments[0])

    return lanes(x), emit


@intrinsic
def numbers(context: Any, first: Any) -> Any:
    """The lanes first, first + 1, … of an integer."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        start = _repeated(builder, context.cast(builder, arguments[0], of.args[0], types.int64), _INTS)
        return builder.sitofp(builder.add(start, ir.Constant(_INTS, list(range(WIDTH)))), _FLOATS)

    return lanes(first), emit


@intrinsic
def within(context: Any, first: Any, count: Any) -> Any:
    """Which of first, first + 1, … are at least 0 and less than count."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        start, end = (
            _repeated(builder, context.cast(builder, x, t, types.int64), _INTS)
            for t, x in zip(of.args, arguments, strict=True)
        )
        return builder.icmp_unsigned("<", builder.add(start, ir.Constant(_INTS, list(range(WIDTH)))), end)

    return mask(first, count), emit


@intrinsic
def pick(context: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, and b elsewhere."""
    result = lanes if condition == mask else types.float64

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        given = list(zip(of.args[1:], arguments[1:], strict=True))
        if of.return_type == lanes:
            both = [_as_lanes(context, builder, t, x) for t, x in given]
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
            undefined = ir.Constant(ir.VectorType(_FLOAT, width), ir.Undefined)
            low, high = (
                builder.shuffle_vector(
                    value,
                    undefined,
                    ir.Constant(ir.VectorType(_PLACE, half), list(range(begin, begin + half))),
                )
                for begin in (0, half)
            )
            value, width = builder.fadd(low, high), half
        return builder.extract_element(value, _PLACE(0))

    return types.float64(lanes), emit


@intrinsic
def _on_stack(context: Any, x: Any) -> Any:
    """A place in memory that holds the lanes."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        memory = cgutils.alloca_once(builder, _FLOATS)
        builder.store(arguments[0], memory)
        return builder.bitcast(memory, _FLOAT.as_pointer())

    return types.CPointer(types.float64)(lanes), emit


@intrinsic
def _from_stack(context: Any, memory: Any) -> Any:
    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        return builder.load(builder.bitcast(arguments[0], _FLOATS.as_pointer()), align=8)

    return lanes(memory), emit


def lifted(function: Any) -> Any:
    """Return a function of one number, compiled by numba, as one of numbers and of lanes.

    The loop over lanes has a fixed length and touches nothing else, so the compiler makes SIMD of it where it can.
    """

    def of_all(x):  # type: ignore[no-untyped-def]
        raise TypeError("only for compiled code")

    @overload(of_all, jit_options={"forceinline": True, "error_model": "numpy"})
    def implementation(x):  # type: ignore[no-untyped-def]
        if x != lanes:
            return lambda x: function(x)

        def each(x):  # type: ignore[no-untyped-def]
            memory = _on_stack(x)  # type: ignore[var-annotated]
            for lane in range(WIDTH):
                memory[lane] = function(memory[lane])
            return _from_stack(memory)

        return each

    return of_all


@inlined
def _power(x: float, y: float) -> float:
    return x**y


def lifted_pair(function: Any) -> Any:
    """Return a function of two numbers as one of numbers and of lanes."""

    def of_all(x, y):  # type: ignore[no-untyped-def]
        raise TypeError("only for compiled code")

    @overload(of_all, jit_options={"forceinline": True, "error_model": "numpy"})
    def implementation(x, y):  # type: ignore[no-untyped-def]
        if lanes not in (x, y):
            return lambda x, y: function(x, y)

        def each(x, y):  # type: ignore[no-untyped-def]
            left, right = _on_stack(repeated(x)), _on_stack(repeated(y))  # type: ignore[var-annotated]
            for lane in range(WIDTH):
                left[lane] = function(left[lane], right[lane])
            return _from_stack(left)

        return each

    return of_all


power = lifted_pair(_power)


@infer_global(operator.pow)
class _Power(AbstractTemplate):
    def generic(self, arguments: Any, keywords: Any) -> Any:
        return signature(lanes, *arguments) if _operands(arguments) else None


def _lower_power(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
    both = [_as_lanes(context, builder, t, x) for t, x in zip(of.args, arguments, strict=True)]
    return context.compile_internal(builder, lambda x, y: power(x, y), signature(lanes, lanes, lanes), both)


for _left, _right in ((lanes, lanes), (lanes, types.Number), (types.Number, lanes)):
    lower_builtin(operator.pow, _left, _right)(_lower_power)
