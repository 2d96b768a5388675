"""Statements: assignments, branches, loops, returns."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from hamsym.numeric.lowering.calls import Calls, Unit
from hamsym.numeric.lowering.kinds import (
    NAMES,
    ArrayType,
    Returned,
    Type,
    UnknownSyntax,
    Value,
    fields_of,
    returned_text,
    whole_number,
)
from hamsym.numeric.lowering.texts import Module


class Function(Calls):
    """The translation of one function for given types of its arguments.

    Arguments:
        unit: what the functions that it calls go into.
        module: the text.
        name: the function in it.
        types: of its arguments.
    """

    def __init__(self, unit: Unit, module: Module, name: str, types: Sequence[Type]) -> None:
        definition = module.functions[name]
        super().__init__(unit, module, definition)
        self.returned: Returned = None
        self._returns = False
        self._apart = any(getattr(d, "id", "") == "apart" for d in definition.decorator_list)
        self._loops: list[tuple[str, str]] = []
        a = definition.args
        if a.vararg or a.kwonlyargs or a.kwarg or a.defaults or len(a.args) != len(types):
            raise UnknownSyntax(f"arguments of {name}")
        self._parameters = []
        for argument, kind in zip(a.args, types, strict=True):
            texts = tuple(f"%{argument.arg}.{n}" for n in range(len(fields_of(kind))))
            self._parameters += [f"{f} {t}" for f, t in zip(fields_of(kind), texts, strict=True)]
            self._store(argument.arg, Value(kind, texts))
        self._block(definition.body)

    def text(self, name: str) -> str:
        """The LLVM text of the function under a name."""
        kind = returned_text(self.returned)
        end = "ret void" if self.returned is None else "unreachable"
        inlining = "" if self._apart else "alwaysinline "
        return "\n".join(
            [
                f"define internal {kind} @{name}({', '.join(self._parameters)}) {inlining}nounwind {{",
                *self._head,
                *self._lines,
                f"  {end}",
                "}",
            ]
        )

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
        result = self._any(statement.value)
        for target in statement.targets:
            if isinstance(target, ast.Tuple) and isinstance(result, list) and len(target.elts) == len(result):
                for element, value in zip(target.elts, result, strict=True):
                    self._put(element, value)
            elif isinstance(result, Value):
                self._put(target, result)
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
            kind = NAMES[array.element]
            self._lines.append(f"  store {kind} {value.texts[0]}, ptr {place.texts[0]}, align 8")
        else:
            raise UnknownSyntax(ast.unparse(target))

    def _do_return(self, statement: ast.Return) -> None:
        result = None if statement.value is None else self._any(statement.value)
        returned: Returned
        if result is None:
            returned, text = None, "ret void"
        elif isinstance(result, Value):
            returned = _type_of_number(result)
            text = f"ret {NAMES[returned]} {result.texts[0]}"
        else:
            returned, whole = tuple(_type_of_number(v) for v in result), "poison"
            kind = returned_text(returned)
            for n, v in enumerate(result):
                whole = self._new(f"insertvalue {kind} {whole}, {fields_of(v.type)[0]} {v.texts[0]}, {n}")
            text = f"ret {kind} {whole}"
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
        by = whole_number(call.args[2]) if len(call.args) == 3 else 1
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


def _type_of_number(value: Value) -> str:
    if isinstance(value.type, ArrayType):
        raise UnknownSyntax("an array that is returned")
    return value.type
