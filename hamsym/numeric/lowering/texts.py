"""The text of kernels: its functions, its constants, and what a name in it means."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hamsym.numeric.lowering.kinds import UnknownSyntax

#: Functions of :mod:`hamsym.numeric.vectors` that make functions of lanes of those of numbers.
_LIFTERS = ("lifted", "lifted_pair")


@dataclass(frozen=True)
class Lifted:
    """A function of numbers that is one of lanes too: what :meth:`Module.find` says of it."""

    function: Any


class Module:
    """The functions and constants of a source text.

    Arguments:
        source: the text of a module.
    """

    def __init__(self, source: str) -> None:
        self.functions: dict[str, ast.FunctionDef] = {}
        self._assigned: dict[str, ast.expr] = {}
        self._imported: dict[str, tuple[str, str]] = {}
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.FunctionDef):
                self.functions[statement.name] = statement
            elif isinstance(statement, ast.Import):
                self._imported |= {a.asname or a.name: (a.name, "") for a in statement.names}
            elif isinstance(statement, ast.ImportFrom):
                module = statement.module or ""
                self._imported |= {a.asname or a.name: (module, a.name) for a in statement.names}
            elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._assign(statement.targets[0], statement.value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._assigned[target.id] = value
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for t, v in zip(target.elts, value.elts, strict=True):
                self._assign(t, v)

    @property
    def constants(self) -> dict[str, int | float | bool]:
        """The numbers that the text gives a name."""
        return {
            n: v.value
            for n, v in self._assigned.items()
            if isinstance(v, ast.Constant) and isinstance(v.value, int | float)
        }

    @property
    def kernels(self) -> list[str]:
        """The functions that are called from outside: those under ``@compiled``."""
        return [
            n
            for n, f in self.functions.items()
            if any(isinstance(d, ast.Name) and d.id == "compiled" for d in f.decorator_list)
        ]

    def find(self, node: ast.expr) -> Any:
        """Return what a name of this text means.

        A number; ``(module, function)`` for a function in a text; ``"math.sqrt"`` and the like for a function without one.
        """
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            if node.id in self.functions:
                is_written = all(
                    getattr(d, "id", "") in ("inlined", "compiled", "apart")
                    for d in self.functions[node.id].decorator_list
                )
                return (self, node.id) if is_written else f"intrinsic.{node.id}"
            if node.id in self._assigned:
                return self.find(self._assigned[node.id])
            if node.id in self._imported:
                module, name = self._imported[node.id]
                return _text_of(module).find(ast.Name(name)) if _is_own(module) else f"{module}.{name}"
            if node.id in ("abs", "min", "max", "float", "range"):
                return node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = ".".join(filter(None, self._imported.get(node.value.id, ("?", ""))))
            if module in ("math", "numpy") and node.attr in ("inf", "nan", "pi", "e"):
                return getattr(math, node.attr)
            return _text_of(module).find(ast.Name(node.attr)) if _is_own(module) else f"{module}.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LIFTERS:
            return Lifted(self.find(node.args[0]))
        raise UnknownSyntax(ast.unparse(node))


def _is_own(module: str) -> bool:
    return module.startswith("hamsym.numeric.")


@cache
def _text_of(module: str) -> Module:
    place = Path(__file__).parents[1].joinpath(*module.split(".")[2:])
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return Module(file.read_text(encoding="utf-8"))
