"""One function in the making: its lines, its basic blocks and its variables."""

from __future__ import annotations

import ast

from hamsym.numeric.lowering.kinds import UnknownSyntax, Value, fields_of
from hamsym.numeric.lowering.texts import Module


class Frame:
    """Lines of LLVM's language, and the variables of a function.

    Every variable lives in memory of the frame, zero at first; the optimiser puts it into registers.

    Arguments:
        module: the text that the function is in.
        definition: the function.
    """

    def __init__(self, module: Module, definition: ast.FunctionDef) -> None:
        self.module = module
        self._head: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._variables: dict[str, Value] = {}
        names = [n for n in ast.walk(definition) if isinstance(n, ast.Name)]
        self._locals = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        if not all(n.id.isascii() for n in names):
            raise UnknownSyntax("names beyond ASCII")

    def _new(self, text: str) -> str:
        self._count += 1
        self._lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def _label(self) -> str:
        self._count += 1
        return f"b{self._count}"

    def _go(self, text: str, then: str = "") -> None:
        """End the current block with a branch; go on in the block ``then``."""
        self._lines.append(f"  {text}")
        self._lines.append(f"{then or self._label()}:")

    def _store(self, name: str, value: Value) -> None:
        if name not in self._variables:
            self._count += 1
            places = tuple(f"%{name}.{self._count}.{n}" for n in range(len(value.texts)))
            for place, field in zip(places, fields_of(value.type), strict=True):
                zero = {"ptr": "null", "double": "0.0"}.get(
                    field, "zeroinitializer" if field[0] == "<" else "0"
                )
                self._head += [f"  {place} = alloca {field}", f"  store {field} {zero}, ptr {place}"]
            self._variables[name] = Value(value.type, places)
        variable = self._variables[name]
        if variable.type == "f" and value.type == "i":
            value = self._float(value)
        if variable.type != value.type:
            raise UnknownSyntax(f"{name} changes its type")
        for place, text, field in zip(variable.texts, value.texts, fields_of(value.type), strict=True):
            self._lines.append(f"  store {field} {text}, ptr {place}")

    def _load(self, name: str) -> Value:
        variable = self._variables[name]
        pairs = zip(variable.texts, fields_of(variable.type), strict=True)
        return Value(variable.type, tuple(self._new(f"load {field}, ptr {place}") for place, field in pairs))

    def _float(self, value: Value) -> Value:
        if value.type == "i":
            return Value("f", (self._new(f"sitofp i64 {value.texts[0]} to double"),))
        if value.type != "f":
            raise UnknownSyntax(f"{value.type} as a number")
        return value
