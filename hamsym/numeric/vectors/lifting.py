"""Functions of numbers as functions of lanes; powers of lanes are such."""

# numba calls an intrinsic without the first argument of its definition:
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import operator
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, overload

from hamsym.numeric.vectors.kinds import FLOAT, FLOATS, WIDTH, are_operands, as_lanes, lanes
from hamsym.numeric.vectors.making import repeated

inlined = njit(forceinline=True, error_model="numpy")


@intrinsic
def _on_stack(context: Any, x: Any) -> Any:
    """A place in memory that holds the lanes."""

    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        memory = cgutils.alloca_once(builder, FLOATS)
        builder.store(arguments[0], memory)
        return builder.bitcast(memory, FLOAT.as_pointer())

    return types.CPointer(types.float64)(lanes), emit


@intrinsic
def _from_stack(context: Any, memory: Any) -> Any:
    def emit(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        return builder.load(builder.bitcast(arguments[0], FLOATS.as_pointer()), align=8)

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
        return signature(lanes, *arguments) if are_operands(arguments) else None


def _lower_power(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
    both = [as_lanes(context, builder, t, x) for t, x in zip(of.args, arguments, strict=True)]
    return context.compile_internal(builder, lambda x, y: power(x, y), signature(lanes, lanes, lanes), both)


for _left, _right in ((lanes, lanes), (lanes, types.Number), (types.Number, lanes)):
    lower_builtin(operator.pow, _left, _right)(_lower_power)
