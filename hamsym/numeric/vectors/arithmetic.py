"""Operators, roots and fused operations of lanes."""

# numba calls an intrinsic without the first argument of its definition:
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, overload

from hamsym.numeric.vectors.kinds import FLOATS, WIDTH, are_operands, as_lanes, lanes, mask


def _call(builder: Any, name: str, arguments: Sequence[Any]) -> Any:
    """A call of an operation of LLVM on vectors."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64")
    return builder.call(function, arguments)


def _binary(operation: Callable[..., Any], result: Any, make: Callable[..., Any]) -> None:
    class Template(AbstractTemplate):
        def generic(self, arguments: Any, keywords: Any) -> Any:
            return signature(result, *arguments) if are_operands(arguments) else None

    infer_global(operation)(Template)

    def lower(context: Any, builder: Any, of: Any, arguments: Any) -> Any:
        both = [as_lanes(context, builder, t, x) for t, x in zip(of.args, arguments, strict=True)]
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
            return _call(builder, "fma", [as_lanes(context, builder, t, x) for t, x in given])
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
