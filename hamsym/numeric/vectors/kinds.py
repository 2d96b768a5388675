"""The types of eight numbers and of eight truth values, and how a number becomes eight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, register_model

#: How many lanes there are.
WIDTH = 8
FLOAT, _INT, PLACE = ir.DoubleType(), ir.IntType(64), ir.IntType(32)
FLOATS, INTS = ir.VectorType(FLOAT, WIDTH), ir.VectorType(_INT, WIDTH)
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


_represent(_Lanes, FLOATS)
_represent(_Mask, _BITS)


def spread(builder: Any, x: Any, vector: ir.VectorType) -> Any:
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, x, PLACE(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(PLACE, WIDTH), [0] * WIDTH))


def as_lanes(context: Any, builder: Any, given: Any, x: Any) -> Any:
    if given == lanes:
        return x
    return spread(builder, context.cast(builder, x, given, types.float64), FLOATS)


def _is_number(given: Any) -> bool:
    return isinstance(given, (types.Float, types.Integer, types.IntegerLiteral))


def are_operands(arguments: Sequence[Any]) -> bool:
    return lanes in arguments and all(a == lanes or _is_number(a) for a in arguments)
