"""Names, places and values of what stands in a summand, as source code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp

from hamsym.numeric.loops.layout import Layout, affine_text
from hamsym.numeric.parts import Part, Sums
from hamsym.numeric.printing import straight_line
from hamsym.symbolic.sums import Access

_TEMPORARY = re.compile(r"\bt(\d+)\b")
_CHOICE = re.compile(r"^(\w+) = (.+) if (.+) else (.+)$")


@dataclass
class Operands:
    """A formula with sums whose operands can be read.

    Arguments:
        sums: the formula.
        layout: where its variables stand.
        time: the symbol of time, or None.
        bases: source for the beginning of the areas of ``q``, ``p``, ``k`` and, for slopes by q and p, ``gq`` and ``gp``.
        rows: lengths of the rows of derivatives that passes need, in the order of their numbers; more are added.
    """

    sums: Sums
    layout: Layout
    time: sp.Symbol | None
    bases: Mapping[str, str]
    rows: list[int] = field(default_factory=list)
    _count: int = field(default=0, init=False)

    def _fresh(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _address(
        self, access: Access, names: Mapping[sp.Symbol, str], area: str | None = None, shift: int = 0
    ) -> str:
        rows, row, place = self.layout.place(access)
        return f"{self.bases[area or access.kind]} + {affine_text(place, names, row * rows.pitch + shift)}"

    def _stride(self, access: Access, index: sp.Symbol) -> int:
        return self.layout.place(access)[2].strides.get(index, 0)

    def _scalars(self) -> dict[sp.Symbol, str]:
        names = {s: local_name(s) for s in (*self.sums.values, *self.sums.weights)}
        return names if self.time is None else names | {self.time: "clock"}

    def _straight(
        self, outputs: Sequence[sp.Expr], names: Mapping[sp.Symbol, str]
    ) -> tuple[list[str], list[str]]:
        """Straight-line code with temporaries that no other has."""
        lines, results = straight_line(outputs, {**self._scalars(), **names})
        mark = self._fresh("v")
        renamed = [_TEMPORARY.sub(rf"{mark}_\1", text) for text in (*lines, *results)]
        lines = [_CHOICE.sub(r"\1 = pick(\3, \2, \4)", line) for line in renamed[: len(lines)]]
        return lines, renamed[len(lines) :]

    def _read(
        self, part: Part, used: Iterable[sp.Expr], names: dict[sp.Symbol, str], index: sp.Symbol | None
    ) -> tuple[list[str], list[str], dict[sp.Symbol, str]]:
        """Lines that read operands: those the same for all values of the innermost index, then the others; and their names."""
        symbols = set().union(*(e.free_symbols for e in used)) if used else set()
        wanted = {s for pair in part.differences.items() if pair[0] in symbols for s in pair[1]} | symbols
        fixed, varying, found = [], [], {}
        for symbol, access in part.operands.items():
            if symbol not in wanted:
                continue
            name = found[symbol] = self._fresh("x")
            address, stride = (
                self._address(access, names),
                0 if index is None else self._stride(access, index),
            )
            if stride == 0:
                fixed.append(f"{name} = get(s, {address})")
            elif stride == 1:
                varying.append(f"{name} = load(s, {address})")
            else:
                varying.append(f"{name} = load_apart(s, {address}, {stride})")
        for symbol, (a, b) in part.differences.items():
            if symbol in symbols:
                found[symbol] = self._fresh("u")
                vary = index is not None and any(self._stride(part.operands[s], index) for s in (a, b))
                (varying if vary else fixed).append(f"{found[symbol]} = {found[a]} - {found[b]}")
        return fixed, varying, found


def local_name(symbol: sp.Symbol) -> str:
    """The name in source of a sum or weight."""
    return symbol.name.replace(" ", "_")
