"""The types of values in kernels, and the texts that stand for them in LLVM's language."""

from __future__ import annotations

import ast
import struct
from typing import Any, NamedTuple

#: LLVM's names of the types of numbers; "v" are eight at once, "m" as many truth values.
NAMES = {"f": "double", "i": "i64", "b": "i1", "v": "<8 x double>", "m": "<8 x i1>"}


class UnknownSyntax(Exception):
    """The source has something that has no translation here."""


class ArrayType(NamedTuple):
    """An array: type of its elements, dimensions, whether rows follow one another without gaps, and may be written."""

    element: str
    dimensions: int
    contiguous: bool
    writeable: bool

    @property
    def fields(self) -> list[str]:
        """The LLVM types of what stands for an array: address, lengths and, with gaps, distances in bytes."""
        return ["ptr"] + ["i64"] * (self.dimensions if self.contiguous else 2 * self.dimensions)


Type = str | ArrayType
#: What a function returns: nothing, a number or several.
Returned = str | tuple[str, ...] | None


class Value(NamedTuple):
    """A type and the texts that stand for it: one for a number, several for an array."""

    type: Type
    texts: tuple[str, ...]


def fields_of(type: Type) -> list[str]:
    """Return the LLVM types that a value of a type is passed as."""
    return type.fields if isinstance(type, ArrayType) else [NAMES[type]]


def returned_text(returned: Returned) -> str:
    """Return the LLVM type of a return type."""
    if returned is None:
        return "void"
    if isinstance(returned, tuple):
        return "{" + ", ".join(NAMES[t] for t in returned) + "}"
    return NAMES[returned]


def number(value: Any) -> Value:
    """A constant; floats by their bits, because decimal ones depend on the locale."""
    if isinstance(value, bool):
        return Value("b", ("true" if value else "false",))
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return Value("i", (str(value),))
    if isinstance(value, float):
        return Value("f", (f"0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016X}",))
    raise UnknownSyntax(repr(value))


def whole_number(node: ast.expr) -> int | None:
    """The integer that an expression of constants is, or None."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = whole_number(node.operand)
        return None if inner is None else -inner
    return None
