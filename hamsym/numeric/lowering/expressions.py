"""Expressions: constants, variables, elements of arrays, arithmetic, comparisons, choices."""

from __future__ import annotations

import ast

from hamsym.numeric.lowering.kinds import NAMES, ArrayType, UnknownSyntax, Value, number, whole_number
from hamsym.numeric.lowering.lanes import Lanes, is_lanes
from hamsym.numeric.lowering.ranges import is_never_negative, never_negative
from hamsym.numeric.lowering.texts import Module

_ARITHMETIC: dict[type, tuple[str | None, str | None]] = {  # of integers, of floats
    ast.Add: ("add", "fadd"), ast.Sub: ("sub", "fsub"), ast.Mult: ("mul", "fmul"), ast.Div: (None, "fdiv"),
    ast.BitAnd: ("and", None), ast.BitOr: ("or", None), ast.BitXor: ("xor", None),
    ast.LShift: ("shl", None), ast.RShift: ("ashr", None),
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: ("slt", "olt"), ast.LtE: ("sle", "ole"), ast.Gt: ("sgt", "ogt"), ast.GtE: ("sge", "oge"),
    ast.Eq: ("eq", "oeq"), ast.NotEq: ("ne", "une"),
}  # fmt: skip


class Expressions(Lanes):
    """A function in the making that can compute values."""

    def __init__(self, module: Module, definition: ast.FunctionDef) -> None:
        super().__init__(module, definition)
        self._never_negative = never_negative(definition)

    def _call(self, node: ast.Call) -> Value | list[Value] | None:
        raise UnknownSyntax(ast.unparse(node))

    def _operation(self, name: str, arguments: list[Value]) -> Value:
        raise UnknownSyntax(name)

    def _value(self, node: ast.expr) -> Value:
        result = self._any(node)
        if not isinstance(result, Value):
            raise UnknownSyntax(ast.unparse(node))
        return result

    def _any(self, node: ast.expr) -> Value | list[Value] | None:
        """A value, the values of a tuple, or None from a function that returns nothing."""
        if isinstance(node, ast.Name) and node.id in self._variables:
            return self._load(node.id)
        if isinstance(node, ast.Name) and node.id in self._locals:
            raise UnknownSyntax(f"{node.id} before it has a value")
        if isinstance(node, ast.Constant | ast.Name):
            return number(self.module.find(node))
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
        return number(self.module.find(node))

    def _subscript(self, node: ast.Subscript) -> Value:
        if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
            array, axis = self._value(node.value.value), whole_number(node.slice)
            if isinstance(array.type, ArrayType) and axis is not None and 0 <= axis < array.type.dimensions:
                return Value("i", (array.texts[1 + axis],))
            raise UnknownSyntax(ast.unparse(node))
        place = self._element(node)
        assert isinstance(place.type, ArrayType)
        if place.type.dimensions:
            return place
        kind = place.type.element
        return Value(kind, (self._new(f"load {NAMES[kind]}, ptr {place.texts[0]}, align 8"),))

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
        unit = NAMES[array.type.element] if contiguous else "i8"
        pointer = self._new(f"getelementptr {unit}, ptr {array.texts[0]}, i64 {offset}")
        left = ArrayType(array.type.element, dimensions - len(indices), contiguous, array.type.writeable)
        return Value(left, (pointer, *lengths[len(indices) :], *gaps[len(indices) :]))

    def _index(self, node: ast.expr, length: str) -> str:
        value = self._value(node)
        if value.type != "i":
            raise UnknownSyntax(ast.unparse(node))
        at = value.texts[0]
        if is_never_negative(node, self._never_negative):
            return at
        below = self._new(f"icmp slt i64 {at}, 0")  # counts from the end
        return self._new(f"select i1 {below}, i64 {self._new(f'add i64 {at}, {length}')}, i64 {at}")

    def _binary(self, operator: ast.operator, a: Value, b: Value) -> Value:
        whole, real = _ARITHMETIC.get(type(operator), (None, None))
        if a.type == b.type == "i" and whole:
            return Value("i", (self._new(f"{whole} i64 {a.texts[0]}, {b.texts[0]}"),))
        if is_lanes(a, b) and real:
            return self._lanes_binary(real, a, b)
        if isinstance(operator, ast.Pow) and is_lanes(a, b):
            return self._each(lambda given: self._operation("pow", given), [a, b])
        if isinstance(operator, ast.Pow) and b.type == "f":
            return self._operation("pow", [self._float(a), b])
        if real is None:
            raise UnknownSyntax(type(operator).__name__)
        a, b = self._float(a), self._float(b)
        return Value("f", (self._new(f"{real} double {a.texts[0]}, {b.texts[0]}"),))

    def _floor(self, node: ast.BinOp) -> Value:
        """Whole quotient and rest for a positive constant divisor, rounded down as in Python."""
        a, divisor = self._value(node.left), whole_number(node.right)
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
        if isinstance(node.op, ast.USub) and value.type == "v":
            return Value("v", (self._new(f"fneg <8 x double> {value.texts[0]}"),))
        if isinstance(node.op, ast.USub) and value.type in ("f", "i"):
            text = f"fneg double {value.texts[0]}" if value.type == "f" else f"sub i64 0, {value.texts[0]}"
            return Value(value.type, (self._new(text),))
        raise UnknownSyntax(ast.unparse(node))

    def _compared(self, operator: ast.cmpop, a: Value, b: Value) -> Value:
        whole, real = _COMPARISONS[type(operator)]
        if a.type == b.type == "i":
            return Value("b", (self._new(f"icmp {whole} i64 {a.texts[0]}, {b.texts[0]}"),))
        if is_lanes(a, b):
            return self._lanes_compared(real, a, b)
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
