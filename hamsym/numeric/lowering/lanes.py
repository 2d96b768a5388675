"""Eight numbers at once, as :mod:`hamsym.numeric.vectors` has them for numba."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from hamsym.numeric.lowering.frame import Frame
from hamsym.numeric.lowering.kinds import ArrayType, UnknownSyntax, Value

#: How many lanes there are.
WIDTH = 8
_FLOATS, _INTS = f"<{WIDTH} x double>", f"<{WIDTH} x i64>"
_COUNTED = "<" + ", ".join(f"i64 {n}" for n in range(WIDTH)) + ">"


def is_lanes(*values: Value) -> bool:
    """Whether one of some values is lanes."""
    return any(v.type == "v" for v in values)


class Lanes(Frame):
    """A function in the making that can compute with lanes."""

    declared: set[str]

    def _value(self, node: ast.expr) -> Value:
        raise UnknownSyntax(ast.unparse(node))

    def _repeated(self, value: Value) -> str:
        """The text of lanes that are all one number, or of what is lanes already."""
        return value.texts[0] if value.type == "v" else self._filled("double", self._float(value).texts[0])

    def _filled(self, kind: str, text: str) -> str:
        first = self._new(f"insertelement <{WIDTH} x {kind}> poison, {kind} {text}, i32 0")
        vector = f"<{WIDTH} x {kind}>"
        return self._new(f"shufflevector {vector} {first}, {vector} poison, <{WIDTH} x i32> zeroinitializer")

    def _lanes_binary(self, operation: str, a: Value, b: Value) -> Value:
        left, right = self._repeated(a), self._repeated(b)
        return Value("v", (self._new(f"{operation} {_FLOATS} {left}, {right}"),))

    def _lanes_compared(self, relation: str, a: Value, b: Value) -> Value:
        left, right = self._repeated(a), self._repeated(b)
        return Value("m", (self._new(f"fcmp {relation} {_FLOATS} {left}, {right}"),))

    def _lanes_operation(self, name: str, arguments: Sequence[Value]) -> Value:
        full, texts = f"llvm.{name}.v{WIDTH}f64", [self._repeated(a) for a in arguments]
        self.declared.add(f"declare {_FLOATS} @{full}({', '.join([_FLOATS] * len(texts))})")
        passed = ", ".join(f"{_FLOATS} {text}" for text in texts)
        return Value("v", (self._new(f"call {_FLOATS} @{full}({passed})"),))

    def _each(self, function: Callable[[list[Value]], Value], arguments: Sequence[Value]) -> Value:
        """A function of numbers, lane by lane, in a loop of fixed length that the compiler turns into SIMD where it can."""
        self._count += 1
        places = [f"%each.{self._count}.{n}" for n in range(len(arguments))]
        for place, argument in zip(places, arguments, strict=True):
            self._head.append(f"  {place} = alloca {_FLOATS}")
            self._lines.append(f"  store {_FLOATS} {self._repeated(argument)}, ptr {place}")
        counter = f"%each.{self._count}.lane"
        self._head.append(f"  {counter} = alloca i64")
        self._lines.append(f"  store i64 0, ptr {counter}")
        body, end = self._label(), self._label()
        self._go(f"br label %{body}", body)
        lane = self._new(f"load i64, ptr {counter}")
        pointers = [self._new(f"getelementptr double, ptr {place}, i64 {lane}") for place in places]
        given = [Value("f", (self._new(f"load double, ptr {pointer}"),)) for pointer in pointers]
        self._lines.append(f"  store double {function(given).texts[0]}, ptr {pointers[0]}")
        following = self._new(f"add nuw nsw i64 {lane}, 1")
        self._lines.append(f"  store i64 {following}, ptr {counter}")
        test = self._new(f"icmp ult i64 {following}, {WIDTH}")
        self._go(f"br i1 {test}, label %{body}, label %{end}", end)
        return Value("v", (self._new(f"load {_FLOATS}, ptr {places[0]}"),))

    # -- what hamsym.numeric.vectors makes of LLVM's operations itself

    def _address(self, array: Value, index: Value) -> str:
        if not isinstance(array.type, ArrayType) or array.type.dimensions != 1 or not array.type.contiguous:
            raise UnknownSyntax("lanes of an array of several dimensions")
        return self._new(f"getelementptr double, ptr {array.texts[0]}, i64 {index.texts[0]}")

    def _get(self, array: Value, i: Value) -> Value:
        return Value("f", (self._new(f"load double, ptr {self._address(array, i)}, align 8"),))

    def _put_number(self, array: Value, i: Value, x: Value) -> None:
        self._lines.append(
            f"  store double {self._float(x).texts[0]}, ptr {self._address(array, i)}, align 8"
        )

    def _load_lanes(self, array: Value, i: Value) -> Value:
        return Value("v", (self._new(f"load {_FLOATS}, ptr {self._address(array, i)}, align 8"),))

    def _store_lanes(self, array: Value, i: Value, x: Value) -> None:
        text = self._repeated(x)
        self._lines.append(f"  store {_FLOATS} {text}, ptr {self._address(array, i)}, align 8")

    def _load_apart(self, array: Value, i: Value, stride: Value) -> Value:
        pointer, result = self._address(array, i), "poison"
        for lane in range(WIDTH):
            one = self._new(f"load double, ptr {pointer}, align 8")
            result = self._new(f"insertelement {_FLOATS} {result}, double {one}, i32 {lane}")
            pointer = self._new(f"getelementptr double, ptr {pointer}, i64 {stride.texts[0]}")
        return Value("v", (result,))

    def _store_apart(self, array: Value, i: Value, stride: Value, x: Value) -> None:
        pointer, text = self._address(array, i), self._repeated(x)
        for lane in range(WIDTH):
            one = self._new(f"extractelement {_FLOATS} {text}, i32 {lane}")
            self._lines.append(f"  store double {one}, ptr {pointer}, align 8")
            pointer = self._new(f"getelementptr double, ptr {pointer}, i64 {stride.texts[0]}")

    def _lanes_of(self, x: Value) -> Value:
        return Value("v", (self._repeated(x),))

    def _numbers(self, first: Value) -> Value:
        start = self._filled("i64", first.texts[0])
        whole = self._new(f"add {_INTS} {start}, {_COUNTED}")
        return Value("v", (self._new(f"sitofp {_INTS} {whole} to {_FLOATS}"),))

    def _within(self, first: Value, count: Value) -> Value:
        start, end = (self._filled("i64", x.texts[0]) for x in (first, count))
        whole = self._new(f"add {_INTS} {start}, {_COUNTED}")
        return Value("m", (self._new(f"icmp ult {_INTS} {whole}, {end}"),))

    def _pick(self, condition: Value, a: Value, b: Value) -> Value:
        if condition.type == "m":
            yes, no = self._repeated(a), self._repeated(b)
            text = f"select <{WIDTH} x i1> {condition.texts[0]}, {_FLOATS} {yes}, {_FLOATS} {no}"
            return Value("v", (self._new(text),))
        yes, no = self._float(a).texts[0], self._float(b).texts[0]
        return Value("f", (self._new(f"select i1 {condition.texts[0]}, double {yes}, double {no}"),))

    def _total(self, x: Value) -> Value:
        text, width = self._repeated(x), WIDTH
        while width > 1:
            half, kind = width // 2, f"<{width} x double>"
            parts = []
            for begin in (0, half):
                chosen = ", ".join(f"i32 {n}" for n in range(begin, begin + half))
                parts.append(
                    self._new(f"shufflevector {kind} {text}, {kind} poison, <{half} x i32> <{chosen}>")
                )
            text, width = self._new(f"fadd <{half} x double> {parts[0]}, {parts[1]}"), half
        return Value("f", (self._new(f"extractelement <1 x double> {text}, i32 0"),))

    def _lanes_intrinsic(self, name: str, nodes: Sequence[ast.expr]) -> Value | None:
        handler = _INTRINSICS.get(name)
        if handler is None:
            raise UnknownSyntax(name)
        return handler(self, *(self._value(n) for n in nodes))


_INTRINSICS: dict[str, Callable[..., Value | None]] = {
    "get": Lanes._get,
    "put": Lanes._put_number,
    "load": Lanes._load_lanes,
    "store": Lanes._store_lanes,
    "load_apart": Lanes._load_apart,
    "store_apart": Lanes._store_apart,
    "repeated": Lanes._lanes_of,
    "numbers": Lanes._numbers,
    "within": Lanes._within,
    "pick": Lanes._pick,
    "total": Lanes._total,
}
#: The names of these in :mod:`hamsym.numeric.vectors`.
INTRINSICS = frozenset(_INTRINSICS)
