"""A kernel and all functions that it calls, as one text for LLVM."""

from __future__ import annotations

from collections.abc import Sequence

from hamsym.numeric.lowering.kinds import Returned, Type, UnknownSyntax, fields_of
from hamsym.numeric.lowering.statements import Function
from hamsym.numeric.lowering.texts import Module


class Unit:
    """What goes into one object file: functions, each for the types it is called with, and declarations."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.declared: set[str] = set()
        self._done: dict[tuple[int, str, tuple[Type, ...]], tuple[str, Returned]] = {}

    def function(self, module: Module, name: str, types: tuple[Type, ...]) -> tuple[str, Returned]:
        """Return the LLVM name of a function for these types, and its return type: None, a type or a tuple of types."""
        key = (id(module), name, types)
        if key not in self._done:
            self._done[key] = ("", None)  # a function that calls itself has no type yet
            body = Function(self, module, name, types)
            label = f"{name}_{len(self.texts)}"  # one more with every text
            self.texts.append(body.text(label))
            self._done[key] = (label, body.returned)
        if not self._done[key][0]:
            raise UnknownSyntax("recursion")
        return self._done[key]


def lowered(module: Module, kernel: str, types: Sequence[Type]) -> str:
    """Return the LLVM assembly of a kernel as the function ``entry(ptr)`` of one packed buffer.

    Arguments:
        module: the text.
        kernel: the name of a function in it that returns nothing.
        types: of its arguments.  In the buffer every field of them takes eight bytes.

    Raises:
        UnknownSyntax: if something in it has no translation here.

    Example:
        >>> from hamsym.numeric.lowering import ArrayType
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
        loads.append(f"  %p{n} = getelementptr i64, ptr %buffer, i64 {n}")
        if field == "i1":
            loads += [f"  %w{n} = load i64, ptr %p{n}, align 8", f"  %a{n} = icmp ne i64 %w{n}, 0"]
        else:
            loads.append(f"  %a{n} = load {field}, ptr %p{n}, align 8")
        arguments.append(f"{field} %a{n}")
    entry = "\n".join(
        ["define void @entry(ptr %buffer) {", *loads, f"  call void @{name}({', '.join(arguments)})"]
    )
    return "\n\n".join([*sorted(unit.declared), *unit.texts, f"{entry}\n  ret void\n}}\n"])
