"""Calls: of functions of the same text, of the elementary functions, of LLVM's operations, of the C library."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Protocol

from hamsym.numeric.lowering.expressions import Expressions
from hamsym.numeric.lowering.kinds import (
    Returned,
    Type,
    UnknownSyntax,
    Value,
    fields_of,
    returned_text,
    whole_number,
)
from hamsym.numeric.lowering.lanes import is_lanes
from hamsym.numeric.lowering.texts import Lifted, Module

#: Functions of ``math`` that are operations of LLVM, and those that are functions of the C library.
_OPERATIONS = {"sqrt": 1, "exp": 1, "log": 1, "sin": 1, "cos": 1, "fabs": 1, "copysign": 2}
_LIBRARY = {
    "tan": 1, "sinh": 1, "cosh": 1, "tanh": 1, "asin": 1, "acos": 1, "atan": 1, "atan2": 2, "asinh": 1, "acosh": 1,
    "atanh": 1, "expm1": 1, "log1p": 1, "erf": 1, "erfc": 1,
}  # fmt: skip


class Unit(Protocol):
    """What goes into one object file: functions, each for the types it is called with, and declarations."""

    declared: set[str]

    def function(self, module: Module, name: str, types: tuple[Type, ...]) -> tuple[str, Returned]:
        """Return the LLVM name of a function for these types, and its return type."""


class Calls(Expressions):
    """A function in the making that can call others."""

    def __init__(self, unit: Unit, module: Module, definition: ast.FunctionDef) -> None:
        super().__init__(module, definition)
        self.unit, self.declared = unit, unit.declared

    def _call(self, node: ast.Call) -> Value | list[Value] | None:
        target = self.module.find(node.func)
        if node.keywords:
            raise UnknownSyntax(ast.unparse(node))
        if isinstance(target, Lifted):
            arguments = [self._value(a) for a in node.args]
            if is_lanes(*arguments):
                return self._each(lambda given: self._one(target.function, given, node), arguments)
            return self._one(target.function, arguments, node)
        if isinstance(target, tuple):
            return self._own(target, [self._value(a) for a in node.args])
        if not isinstance(target, str):
            raise UnknownSyntax(ast.unparse(node))
        home, _, name = target.rpartition(".")
        if home == "intrinsic":
            if name not in _INTRINSICS:
                return self._lanes_intrinsic(name, node.args)
            return _INTRINSICS[name](self, node.args)
        arguments = [self._value(a) for a in node.args]
        if is_lanes(*arguments):
            operation = {"math.sqrt": "sqrt", "abs": "fabs"}.get(target)
            if operation is None:
                raise UnknownSyntax(ast.unparse(node))
            return self._lanes_operation(operation, arguments)
        return self._named(target, arguments, node)

    def _one(self, target: object, arguments: list[Value], node: ast.Call) -> Value:
        """A function of numbers."""
        result = (
            self._own(target, arguments)
            if isinstance(target, tuple)
            else self._named(str(target), arguments, node)
        )
        if not isinstance(result, Value):
            raise UnknownSyntax(ast.unparse(node))
        return result

    def _named(self, target: str, arguments: list[Value], node: ast.Call) -> Value:
        """A function that has no text."""
        home, _, name = target.rpartition(".")
        if home == "math" and _OPERATIONS.get(name) == len(arguments):
            return self._operation(name, [self._float(a) for a in arguments])
        if home == "math" and _LIBRARY.get(name) == len(arguments):
            self.unit.declared.add(f"declare double @{name}({', '.join(['double'] * len(arguments))})")
            return self._called(name, [self._float(a) for a in arguments])
        if target == "float" and len(arguments) == 1:
            return self._float(arguments[0])
        if target == "abs" and len(arguments) == 1 and arguments[0].type == "f":
            return self._operation("fabs", arguments)
        if target in ("min", "max") and len(arguments) == 2:
            return self._extreme(target, arguments)
        raise UnknownSyntax(ast.unparse(node))

    def _own(self, target: tuple[Module, str], arguments: list[Value]) -> Value | list[Value] | None:
        name, returned = self.unit.function(*target, tuple(a.type for a in arguments))
        passed = ", ".join(
            f"{f} {t}" for a in arguments for f, t in zip(fields_of(a.type), a.texts, strict=True)
        )
        call = f"call {returned_text(returned)} @{name}({passed})"
        if returned is None:
            self._lines.append(f"  {call}")
            return None
        result = self._new(call)
        if not isinstance(returned, tuple):
            return Value(returned, (result,))
        kind = returned_text(returned)
        return [Value(t, (self._new(f"extractvalue {kind} {result}, {n}"),)) for n, t in enumerate(returned)]

    def _extreme(self, name: str, arguments: list[Value]) -> Value:
        a, b = arguments
        if not a.type == b.type == "i":
            a, b = self._float(a), self._float(b)
        test = self._compared(ast.Lt() if name == "min" else ast.Gt(), b, a).texts[0]
        kind = fields_of(a.type)[0]
        return Value(a.type, (self._new(f"select i1 {test}, {kind} {b.texts[0]}, {kind} {a.texts[0]}"),))

    def _operation(self, name: str, arguments: Sequence[Value]) -> Value:
        full = f"llvm.{name}.f64"
        self.unit.declared.add(f"declare double @{full}({', '.join(['double'] * len(arguments))})")
        return self._called(full, arguments)

    def _called(self, name: str, arguments: Sequence[Value]) -> Value:
        passed = ", ".join(f"double {a.texts[0]}" for a in arguments)
        return Value("f", (self._new(f"call double @{name}({passed})"),))

    def _fma(self, nodes: Sequence[ast.expr]) -> Value:
        values = [self._value(n) for n in nodes]
        if is_lanes(*values):
            return self._lanes_operation("fma", values)
        return self._operation("fma", [self._float(v) for v in values])

    def _bits_of(self, nodes: Sequence[ast.expr]) -> Value:
        return Value("i", (self._new(f"bitcast double {self._value(nodes[0]).texts[0]} to i64"),))

    def _float_of(self, nodes: Sequence[ast.expr]) -> Value:
        return Value("f", (self._new(f"bitcast i64 {self._value(nodes[0]).texts[0]} to double"),))

    def _scatter(self, nodes: Sequence[ast.expr]) -> None:
        out, first, stride, lanes = (self._value(n) for n in nodes[:4])
        start, width = whole_number(nodes[4]), whole_number(nodes[5])
        if start is None or not width or first.type != "i" or stride.type != "i":
            raise UnknownSyntax("scatter")
        begin = self._new(f"getelementptr double, ptr {lanes.texts[0]}, i64 {start}")
        values, place = self._new(f"load <{width} x double>, ptr {begin}, align 8"), first.texts[0]
        for lane in range(width):
            value = self._new(f"extractelement <{width} x double> {values}, i32 {lane}")
            pointer = self._new(f"getelementptr double, ptr {out.texts[0]}, i64 {place}")
            self._lines.append(f"  store double {value}, ptr {pointer}, align 8")
            place = self._new(f"add i64 {place}, {stride.texts[0]}")


#: What :mod:`hamsym.numeric.elementary` makes of LLVM's operations itself.
_INTRINSICS: dict[str, Callable[[Calls, Sequence[ast.expr]], Value | None]] = {
    "fma": Calls._fma,
    "bits_of": Calls._bits_of,
    "float_of": Calls._float_of,
    "scatter": Calls._scatter,
}
