"""The source of kernels to LLVM's language, without numba: a formula's first result costs a tenth of its import.

Kernels are written in the little Python that numba compiles: numbers, arrays, ``range``, branches, calls of functions of
the same text, of :mod:`hamsym.numeric.elementary` and of :mod:`math`.  Here is the translation of what occurs in them,
operation by operation with numba's meaning (Python's, with numpy's divisions), so that both make the same bits; the
optimiser is the same.  What is not known here is not guessed: :class:`UnknownSyntax` says that numba has to do it.

Types are ``"f"`` (float64), ``"i"`` (int64), ``"b"`` (bool) and :class:`ArrayType`.  A variable has one type in a function.
"""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

#: Functions of ``math`` that are operations of LLVM, and those that are functions of the C library.
_OPERATIONS = {"sqrt": 1, "exp": 1, "log": 1, "sin": 1, "cos": 1, "fabs": 1, "copysign": 2}
_LIBRARY = {
    "tan": 1, "sinh": 1, "cosh": 1, "tanh": 1, "asin": 1, "acos": 1, "atan": 1, "atan2": 2, "asinh": 1, "acosh": 1,
    "atanh": 1, "expm1": 1, "log1p": 1, "erf": 1, "erfc": 1,
}  # fmt: skip
_LLVM = {"f": "double", "i": "i64", "b": "i1"}
_ARITHMETIC: dict[type, tuple[str | None, str | None]] = {  # of integers, of floats
    ast.Add: ("add", "fadd"), ast.Sub: ("sub", "fsub"), ast.Mult: ("mul", "fmul"), ast.Div: (None, "fdiv"),
    ast.BitAnd: ("and", None), ast.BitOr: ("or", None), ast.BitXor: ("xor", None),
    ast.LShift: ("shl", None), ast.RShift: ("ashr", None),
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: ("slt", "olt"), ast.LtE: ("sle", "ole"), ast.Gt: ("sgt", "ogt"), ast.GtE: ("sge", "oge"),
    ast.Eq: ("eq", "oeq"), ast.NotEq: ("ne", "une"),
}  # fmt: skip


class UnknownSyntax(Exception):
    """The source has something that has no translation here."""


@dataclass(frozen=True)
class ArrayType:
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


class Value(NamedTuple):
    """A type and the texts that stand for it: one for a number, several for an array."""

    type: Type
    texts: tuple[str, ...]


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
                    getattr(d, "id", "") in ("inlined", "compiled")
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
        raise UnknownSyntax(ast.unparse(node))


def _is_own(module: str) -> bool:
    return module.startswith("hamsym.numeric.") and module.count(".") == 2


@cache
def _text_of(module: str) -> Module:
    return Module(Path(__file__).with_name(f"{module.rpartition('.')[2]}.py").read_text(encoding="utf-8"))


def lowered(module: Module, kernel: str, types: Sequence[Type]) -> str:
    """Return the LLVM assembly of a kernel as the function ``entry(ptr)`` of one packed buffer.

    Arguments:
        module: the text.
        kernel: the name of a function in it that returns nothing.
        types: of its arguments.  In the buffer every field of them takes eight bytes.

    Raises:
        UnknownSyntax: if something in it has no translation here.

    Example:
        >>> text = lowered(Module("def double(x, n):\\n    for i in range(n):\\n        x[i] = 2.0 * x[i]"), "double",
        ...                (ArrayType("f", 1, True, True), "i"))
        >>> "fmul double 0x4000000000000000" in text
        True
    """
    unit = Unit()
    name, returned = unit.function(module, kernel, tuple(types))
    if returned is not None:
        raise UnknownSyntax("a kernel that returns something")
    loads, arguments = [], []
    for n, field in enumerate(f for t in types for f in fields_of(t)):
        loads += [
            f"  %p{n} = getelementptr i64, ptr %buffer, i64 {n}",
            f"  %a{n} = load {field}, ptr %p{n}, align 8",
        ]
        arguments.append(f"{field} %a{n}")
    entry = "\n".join(
        ["define void @entry(ptr %buffer) {", *loads, f"  call void @{name}({', '.join(arguments)})"]
    )
    return "\n\n".join([*sorted(unit.declared), *unit.texts, f"{entry}\n  ret void\n}}\n"])


def fields_of(type: Type) -> list[str]:
    """Return the LLVM types that a value of a type is passed as."""
    return type.fields if isinstance(type, ArrayType) else [_LLVM[type]]


class Unit:
    """What goes into one object file: functions, each for the types it is called with, and declarations."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.declared: set[str] = set()
        self._done: dict[Any, tuple[str, Any]] = {}

    def function(self, module: Module, name: str, types: tuple[Type, ...]) -> tuple[str, Any]:
        """Return the LLVM name of a function for these types, and its return type: None, a type or a tuple of types."""
        key = (id(module), name, types)
        if key not in self._done:
            self._done[key] = ("", None)  # a function that calls itself has no type yet
            body = Function(self, module, name, types)
            label = f"{name}_{len(self._done)}"
            self.texts.append(body.text(label))
            self._done[key] = (label, body.returned)
        if not self._done[key][0]:
            raise UnknownSyntax("recursion")
        return self._done[key]


def returned_text(returned: Any) -> str:
    """Return the LLVM type of a return type."""
    if returned is None:
        return "void"
    if isinstance(returned, tuple):
        return "{" + ", ".join(_LLVM[t] for t in returned) + "}"
    return _LLVM[returned]


class Function:
    """The translation of one function for given types of its arguments.

    Every variable lives in memory of the frame; the optimiser puts it into registers.
    """

    def __init__(self, unit: Unit, module: Module, name: str, types: Sequence[Type]) -> None:
        self.unit, self.module, self.returned = unit, module, None
        self._definition = module.functions[name]
        self._head: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._variables: dict[str, Value] = {}
        self._loops: list[tuple[str, str]] = []
        self._returns = False
        a = self._definition.args
        if a.vararg or a.kwonlyargs or a.kwarg or a.defaults or len(a.args) != len(types):
            raise UnknownSyntax(f"arguments of {name}")
        self._never_negative = _never_negative(self._definition)
        self._parameters = []
        for argument, kind in zip(a.args, types, strict=True):
            texts = tuple(f"%{argument.arg}.{n}" for n in range(len(fields_of(kind))))
            self._parameters += [f"{f} {t}" for f, t in zip(fields_of(kind), texts, strict=True)]
            self._store(argument.arg, Value(kind, texts))
        self._block(self._definition.body)

    def text(self, name: str) -> str:
        """The LLVM text of the function under a name."""
        kind = returned_text(self.returned)
        end = "ret void" if self.returned is None else "unreachable"
        return "\n".join(
            [
                f"define internal {kind} @{name}({', '.join(self._parameters)}) alwaysinline nounwind {{",
                *self._head,
                *self._lines,
                f"  {end}",
                "}",
            ]
        )

    # -- text -------------------------------------------------------------------------------------------------------

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

    # -- variables --------------------------------------------------------------------------------------------------

    def _store(self, name: str, value: Value) -> None:
        if name not in self._variables:
            self._count += 1
            places = tuple(f"%{name}.{self._count}.{n}" for n in range(len(value.texts)))
            for place, field in zip(places, fields_of(value.type), strict=True):
                zero = {"ptr": "null", "double": "0.0"}.get(field, "0")
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

    # -- statements -------------------------------------------------------------------------------------------------

    def _block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            handler = getattr(self, f"_do_{type(statement).__name__.lower()}", None)
            if handler is None:
                raise UnknownSyntax(ast.unparse(statement))
            handler(statement)

    def _do_pass(self, statement: ast.Pass) -> None:
        pass

    def _do_expr(self, statement: ast.Expr) -> None:
        if isinstance(statement.value, ast.Constant):  # a docstring
            return
        if not isinstance(statement.value, ast.Call):
            raise UnknownSyntax(ast.unparse(statement))
        self._call(statement.value)

    def _do_assign(self, statement: ast.Assign) -> None:
        if isinstance(statement.value, ast.Tuple):
            values = [self._value(e) for e in statement.value.elts]
        else:
            result = self._any(statement.value)
            values = result if isinstance(result, list) else [result]
        for target in statement.targets:
            if isinstance(target, ast.Tuple):
                if len(target.elts) != len(values):
                    raise UnknownSyntax(ast.unparse(statement))
                for element, value in zip(target.elts, values, strict=True):
                    self._put(element, value)
            elif len(values) == 1 and not isinstance(statement.value, ast.Tuple):
                self._put(target, values[0])
            else:
                raise UnknownSyntax(ast.unparse(statement))

    def _do_annassign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self._put(statement.target, self._value(statement.value))

    def _do_augassign(self, statement: ast.AugAssign) -> None:
        old = ast.parse(ast.unparse(statement.target), mode="eval").body
        self._put(
            statement.target, self._binary(statement.op, self._value(old), self._value(statement.value))
        )

    def _put(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self._store(target.id, value)
        elif isinstance(target, ast.Subscript):
            place = self._element(target)
            array = place.type
            assert isinstance(array, ArrayType)
            if array.dimensions or not array.writeable:
                raise UnknownSyntax(ast.unparse(target))
            value = self._float(value) if array.element == "f" else value
            if value.type != array.element:
                raise UnknownSyntax(ast.unparse(target))
            kind = _LLVM[array.element]
            self._lines.append(f"  store {kind} {value.texts[0]}, ptr {place.texts[0]}, align 8")
        else:
            raise UnknownSyntax(ast.unparse(target))

    def _do_return(self, statement: ast.Return) -> None:
        result = None if statement.value is None else self._any(statement.value)
        if result is None:
            returned, text = None, "ret void"
        elif isinstance(result, list):
            returned, text = tuple(v.type for v in result), ""
            whole = "poison"
            kind = returned_text(returned) if all(isinstance(t, str) for t in returned) else None
            if kind is None:
                raise UnknownSyntax("an array that is returned")
            for n, v in enumerate(result):
                whole = self._new(f"insertvalue {kind} {whole}, {_LLVM[v.type]} {v.texts[0]}, {n}")  # type: ignore[index]
            text = f"ret {kind} {whole}"
        else:
            returned = result.type
            if not isinstance(returned, str):
                raise UnknownSyntax("an array that is returned")
            text = f"ret {_LLVM[returned]} {result.texts[0]}"
        if self._returns and returned != self.returned:
            raise UnknownSyntax("different types that are returned")
        self.returned, self._returns = returned, True
        self._go(text)

    def _do_if(self, statement: ast.If) -> None:
        yes, no, end = self._label(), self._label(), self._label()
        self._go(f"br i1 {self._truth(statement.test)}, label %{yes}, label %{no}", yes)
        self._block(statement.body)
        self._go(f"br label %{end}", no)
        self._block(statement.orelse)
        self._go(f"br label %{end}", end)

    def _do_while(self, statement: ast.While) -> None:
        head, body, end = self._label(), self._label(), self._label()
        if statement.orelse:
            raise UnknownSyntax("while … else")
        self._go(f"br label %{head}", head)
        self._go(f"br i1 {self._truth(statement.test)}, label %{body}, label %{end}", body)
        self._loops.append((head, end))
        self._block(statement.body)
        self._loops.pop()
        self._go(f"br label %{head}", end)

    def _do_for(self, statement: ast.For) -> None:
        target, call = statement.target, statement.iter
        if not (
            isinstance(target, ast.Name)
            and isinstance(call, ast.Call)
            and self.module.find(call.func) == "range"
            and not statement.orelse
        ):
            raise UnknownSyntax(ast.unparse(statement.iter))
        bounds = [self._value(a) for a in call.args[:2]]
        by = _whole_number(call.args[2]) if len(call.args) == 3 else 1
        if any(b.type != "i" for b in bounds) or not by:
            raise UnknownSyntax(ast.unparse(call))
        start, stop = bounds if len(bounds) == 2 else (Value("i", ("0",)), bounds[0])
        self._count += 1
        counter = f"{target.id}.next.{self._count}"  # no name that a source can have
        self._store(counter, start)
        head, body, turn, end = (self._label() for _ in range(4))
        self._go(f"br label %{head}", head)
        at = self._load(counter)
        test = self._new(f"icmp {'slt' if by > 0 else 'sgt'} i64 {at.texts[0]}, {stop.texts[0]}")
        self._go(f"br i1 {test}, label %{body}, label %{end}", body)
        self._store(target.id, at)
        self._loops.append((turn, end))
        self._block(statement.body)
        self._loops.pop()
        self._go(f"br label %{turn}", turn)
        self._store(counter, Value("i", (self._new(f"add nsw i64 {at.texts[0]}, {by}"),)))
        self._go(f"br label %{head}", end)

    def _do_break(self, statement: ast.Break) -> None:
        self._go(f"br label %{self._loops[-1][1]}")

    def _do_continue(self, statement: ast.Continue) -> None:
        self._go(f"br label %{self._loops[-1][0]}")

    # -- expressions ------------------------------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> Value:
        result = self._any(node)
        if not isinstance(result, Value):
            raise UnknownSyntax(ast.unparse(node))
        return result

    def _any(self, node: ast.expr) -> Value | list[Value] | None:
        """A value, the values of a tuple, or None from a function that returns nothing."""
        if isinstance(node, ast.Name) and node.id in self._variables:
            return self._load(node.id)
        if isinstance(node, ast.Constant | ast.Name):
            return _number(self.module.find(node))
        if isinstance(node, ast.Tuple):
            return [self._value(e) for e in node.elts]
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.FloorDiv | ast.Mod):
                return self._floor(node)
            return self._binary(node.op, self._value(node.left), self._value(node.right))
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            pair = self._value(node.left), self._value(node.comparators[0])
            if type(node.ops[0]) in _COMPARISONS:
                return self._compared(node.ops[0], *pair)
        if isinstance(node, ast.BoolOp):
            return self._logic(node)
        if isinstance(node, ast.IfExp):
            return self._choice(node)
        raise UnknownSyntax(ast.unparse(node))

    def _attribute(self, node: ast.Attribute) -> Value:
        if isinstance(node.value, ast.Name) and node.value.id in self._variables:
            array = self._load(node.value.id)
            if node.attr == "size" and isinstance(array.type, ArrayType):
                size = array.texts[1]
                for length in array.texts[2 : 1 + array.type.dimensions]:
                    size = self._new(f"mul i64 {size}, {length}")
                return Value("i", (size,))
            raise UnknownSyntax(ast.unparse(node))
        return _number(self.module.find(node))

    def _subscript(self, node: ast.Subscript) -> Value:
        if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            array, axis = self._value(node.value.value), _whole_number(node.slice)
            if isinstance(array.type, ArrayType) and axis is not None and 0 <= axis < array.type.dimensions:
                return Value("i", (array.texts[1 + axis],))
            raise UnknownSyntax(ast.unparse(node))
        place = self._element(node)
        assert isinstance(place.type, ArrayType)
        if place.type.dimensions:
            return place
        kind = place.type.element
        return Value(kind, (self._new(f"load {_LLVM[kind]}, ptr {place.texts[0]}, align 8"),))

    def _element(self, node: ast.Subscript) -> Value:
        """The array that is left after the indices: of no dimensions, if there are as many."""
        array = self._value(node.value)
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if not isinstance(array.type, ArrayType) or len(indices) > array.type.dimensions:
            raise UnknownSyntax(ast.unparse(node))
        dimensions, contiguous = array.type.dimensions, array.type.contiguous
        lengths, gaps = array.texts[1 : 1 + dimensions], array.texts[1 + dimensions :]
        offset = "0"
        for axis, index in enumerate(indices):
            at = self._index(index, lengths[axis])
            if contiguous:
                offset = at if axis == 0 else self._new(f"add i64 {offset}, {at}")
                if axis + 1 < dimensions:
                    offset = self._new(f"mul i64 {offset}, {lengths[axis + 1]}")
            else:
                part = self._new(f"mul i64 {at}, {gaps[axis]}")
                offset = part if axis == 0 else self._new(f"add i64 {offset}, {part}")
        if contiguous:
            for length in lengths[len(indices) + 1 :]:
                offset = self._new(f"mul i64 {offset}, {length}")
        unit = _LLVM[array.type.element] if contiguous else "i8"
        pointer = self._new(f"getelementptr {unit}, ptr {array.texts[0]}, i64 {offset}")
        left = ArrayType(array.type.element, dimensions - len(indices), contiguous, array.type.writeable)
        return Value(left, (pointer, *lengths[len(indices) :], *gaps[len(indices) :]))

    def _index(self, node: ast.expr, length: str) -> str:
        value = self._value(node)
        if value.type != "i":
            raise UnknownSyntax(ast.unparse(node))
        at = value.texts[0]
        if _is_never_negative(node, self._never_negative):
            return at
        below = self._new(f"icmp slt i64 {at}, 0")  # counts from the end
        return self._new(f"select i1 {below}, i64 {self._new(f'add i64 {at}, {length}')}, i64 {at}")

    def _float(self, value: Value) -> Value:
        if value.type == "i":
            return Value("f", (self._new(f"sitofp i64 {value.texts[0]} to double"),))
        if value.type != "f":
            raise UnknownSyntax(f"{value.type} as a number")
        return value

    def _binary(self, operator: ast.operator, a: Value, b: Value) -> Value:
        whole, real = _ARITHMETIC.get(type(operator), (None, None))
        if a.type == b.type == "i" and whole:
            return Value("i", (self._new(f"{whole} i64 {a.texts[0]}, {b.texts[0]}"),))
        if isinstance(operator, ast.Pow) and b.type == "f":
            return self._operation("pow", [self._float(a), b])
        if real is None:
            raise UnknownSyntax(type(operator).__name__)
        a, b = self._float(a), self._float(b)
        return Value("f", (self._new(f"{real} double {a.texts[0]}, {b.texts[0]}"),))

    def _floor(self, node: ast.BinOp) -> Value:
        """Whole quotient and rest for a positive constant divisor, rounded down as in Python."""
        a, divisor = self._value(node.left), _whole_number(node.right)
        if a.type != "i" or divisor is None or divisor <= 0:
            raise UnknownSyntax(ast.unparse(node))
        rest = self._new(f"srem i64 {a.texts[0]}, {divisor}")
        below = self._new(f"icmp slt i64 {rest}, 0")
        if isinstance(node.op, ast.Mod):
            up = self._new(f"add i64 {rest}, {divisor}")
            return Value("i", (self._new(f"select i1 {below}, i64 {up}, i64 {rest}"),))
        quotient = self._new(f"sdiv i64 {a.texts[0]}, {divisor}")
        return Value("i", (self._new(f"sub i64 {quotient}, {self._new(f'zext i1 {below} to i64')}"),))

    def _unary(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            return Value("b", (self._new(f"xor i1 {self._truth(node.operand)}, true"),))
        value = self._value(node.operand)
        if isinstance(node.op, ast.UAdd) and value.type in ("f", "i"):
            return value
        if isinstance(node.op, ast.USub) and value.type in ("f", "i"):
            text = f"fneg double {value.texts[0]}" if value.type == "f" else f"sub i64 0, {value.texts[0]}"
            return Value(value.type, (self._new(text),))
        raise UnknownSyntax(ast.unparse(node))

    def _compared(self, operator: ast.cmpop, a: Value, b: Value) -> Value:
        whole, real = _COMPARISONS[type(operator)]
        if a.type == b.type == "i":
            return Value("b", (self._new(f"icmp {whole} i64 {a.texts[0]}, {b.texts[0]}"),))
        a, b = self._float(a), self._float(b)
        return Value("b", (self._new(f"fcmp {real} double {a.texts[0]}, {b.texts[0]}"),))

    def _truth(self, node: ast.expr) -> str:
        value = self._value(node)
        if value.type == "i":
            return self._new(f"icmp ne i64 {value.texts[0]}, 0")
        if value.type != "b":
            raise UnknownSyntax(ast.unparse(node))
        return value.texts[0]

    def _logic(self, node: ast.BoolOp) -> Value:
        """``and`` and ``or``, which look at the second only if they must."""
        self._count += 1
        name, end = f"logic.{self._count}", self._label()
        for n, operand in enumerate(node.values):
            truth = self._truth(operand)
            self._store(name, Value("b", (truth,)))
            if n + 1 < len(node.values):
                more = self._label()
                targets = (more, end) if isinstance(node.op, ast.And) else (end, more)
                self._go(f"br i1 {truth}, label %{targets[0]}, label %{targets[1]}", more)
        self._go(f"br label %{end}", end)
        return self._load(name)

    def _choice(self, node: ast.IfExp) -> Value:
        self._count += 1
        name = f"choice.{self._count}"
        yes, no, end = self._label(), self._label(), self._label()
        self._go(f"br i1 {self._truth(node.test)}, label %{yes}, label %{no}", yes)
        self._store(name, self._value(node.body))
        self._go(f"br label %{end}", no)
        self._store(name, self._value(node.orelse))
        self._go(f"br label %{end}", end)
        return self._load(name)

    # -- calls ------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value | list[Value] | None:
        target = self.module.find(node.func)
        if node.keywords:
            raise UnknownSyntax(ast.unparse(node))
        if isinstance(target, tuple):
            return self._own(target, [self._value(a) for a in node.args])
        if not isinstance(target, str):
            raise UnknownSyntax(ast.unparse(node))
        home, _, name = target.rpartition(".")
        if home == "intrinsic":
            if name not in _INTRINSICS:
                raise UnknownSyntax(ast.unparse(node))
            return _INTRINSICS[name](self, node.args)
        arguments = [self._value(a) for a in node.args]
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
        return self._operation("fma", [self._float(self._value(n)) for n in nodes])

    def _bits_of(self, nodes: Sequence[ast.expr]) -> Value:
        return Value("i", (self._new(f"bitcast double {self._value(nodes[0]).texts[0]} to i64"),))

    def _float_of(self, nodes: Sequence[ast.expr]) -> Value:
        return Value("f", (self._new(f"bitcast i64 {self._value(nodes[0]).texts[0]} to double"),))

    def _scatter(self, nodes: Sequence[ast.expr]) -> None:
        out, first, stride, lanes = (self._value(n) for n in nodes[:4])
        start, width = _whole_number(nodes[4]), _whole_number(nodes[5])
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
_INTRINSICS: dict[str, Callable[[Function, Sequence[ast.expr]], Value | None]] = {
    "fma": Function._fma,
    "bits_of": Function._bits_of,
    "float_of": Function._float_of,
    "scatter": Function._scatter,
}


def _number(value: Any) -> Value:
    """A constant; floats by their bits, because decimal ones depend on the locale."""
    if isinstance(value, bool):
        return Value("b", ("true" if value else "false",))
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return Value("i", (str(value),))
    if isinstance(value, float):
        return Value("f", (f"0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016X}",))
    raise UnknownSyntax(repr(value))


def _whole_number(node: ast.expr) -> int | None:
    """The integer that an expression of constants is, or None."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _whole_number(node.operand)
        return None if inner is None else -inner
    return None


def _never_negative(function: ast.FunctionDef) -> set[str]:
    """The names in a function that are only ever counters of ranges from something never negative upward."""
    loops = [n for n in ast.walk(function) if isinstance(n, ast.For) and isinstance(n.target, ast.Name)]
    counters = {id(loop.target) for loop in loops}
    stored = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    names = {n.id for n in stored if id(n) in counters}
    names -= {a.arg for a in function.args.args} | {n.id for n in stored if id(n) not in counters}
    while True:  # a counter that starts at another one goes with it
        bad = set()
        for loop in loops:
            bounds = loop.iter.args if isinstance(loop.iter, ast.Call) else []
            rises = len(bounds) < 3 or (_whole_number(bounds[2]) or 0) > 0
            if not rises or (len(bounds) > 1 and not _is_never_negative(bounds[0], names)):
                bad.add(getattr(loop.target, "id", ""))
        if not bad & names:
            return names
        names -= bad


def _is_never_negative(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and node.value >= 0
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        return _is_never_negative(node.left, names) and _is_never_negative(node.right, names)
    return False
