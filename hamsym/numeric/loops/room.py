"""The memory that one trajectory takes while loops run over its sums, and the functions that work on it."""

from __future__ import annotations

from collections.abc import Sequence

from hamsym.numeric.lanes import define
from hamsym.numeric.loops.layout import Layout, Rows, areas
from hamsym.numeric.loops.source import Writer
from hamsym.numeric.parts import Sums
from hamsym.symbolic.space import Space


class Room:
    """Areas of the memory that one trajectory takes, and the lines that fill and read it.

    Arguments:
        space: the phase space.
        sums: the formulas that will run over it.
        names: areas besides Q, P and K.
    """

    def __init__(self, space: Space, sums: Sequence[Sums], names: Sequence[str]) -> None:
        self.space, self.names = space, ["Q", "P", *names]
        parts = [part for each in sums for part in each.every_part]
        self.layout = Layout.of(parts, len(space.coordinates), len(space.parameters))
        self.rows: list[int] = []

    def header(self) -> str:
        """Lines that name the areas."""
        rows = {f"W{n}": size for n, size in enumerate(self.rows)}
        rooms = {"K": self.layout.parameters.room, **rows}
        places = areas([*self.names, "K", *rows], self.layout, rooms)
        places["SCRATCH"] = places.pop("SIZE")
        return "".join(f"{name} = {place}\n" for name, place in places.items())

    def functions(self) -> str:
        """Functions that fill the memory with parameters, and move rows in and out."""
        k, x, dof = self.layout.parameters, self.layout.variables, len(self.space.coordinates)

        def each(rows: Rows, size: int, line: str) -> list[str]:
            inner = [f"for n in range({size}):", f"    {line}"]
            if rows.rows > 1:
                inner = [
                    f"for row in range({rows.rows}):",
                    f"    for n in range({(size - 1) // rows.rows + 1}):",
                    f"        if {rows.rows}*n + row < {size}:",
                    f"            {line}",
                ]
            return inner

        def place(rows: Rows) -> tuple[str, str]:
            """The place in memory, and in the array."""
            return (f"{rows.pitch}*row + n", f"{rows.rows}*n + row") if rows.rows > 1 else ("n", "n")

        inside, outside = place(x)
        kept, given = place(k)
        return "\n\n".join(
            [
                define(
                    "read_parameters(s, k)",
                    each(k, len(self.space.parameters), f"put(s, K + {kept}, k[{given}])"),
                    "apart",
                ),
                define(
                    "read_in(s, area, x, i)",
                    each(x, dof, f"put(s, area + {inside}, x[i, {outside}])"),
                    "apart",
                ),
                define(
                    "write_out(s, area, x, i, j)",
                    each(x, dof, f"x[i, j, {outside}] = get(s, area + {inside})"),
                    "apart",
                ),
            ]
        )

    def flow(self, name: str, sums: Sums, by: str, compensated: bool, saves: bool) -> str:
        """A function that adds ``a`` times the slopes by the variables of one kind to the variables of the other.

        With ``saves`` it also leaves, if ``saving``, the state that ``last`` instead of ``a`` leads to, in the area END.
        """
        area, x = ("P", "Q") if by == "q" else ("Q", "P"), self.layout.variables
        moved = area[0]
        bases = {"q": "Q", "p": "P", "k": "K", f"g{by}": "G"}
        writer = Writer(sums, self.layout, self.space.time, bases, rows=self.rows)

        def sink(kind: str, row: int, slope: str | None) -> list[str]:
            place = f"{row * x.pitch} + c"
            lines = [f"x = load(s, {moved} + {place})"]
            if slope is None:
                return [*lines, "if saving:", f"    store(s, END + {place}, x)"] if saves else []
            if not compensated:
                end, new = f"fma(last, {slope}, x)", [f"store(s, {moved} + {place}, fma(a, {slope}, x))"]
            else:
                lines.append(f"e = load(s, E{moved} + {place})")
                end = f"x + fma(last, {slope}, e)"
                new = [
                    f"d = fma(a, {slope}, e)",
                    "n = x + d",
                    f"store(s, E{moved} + {place}, (x - n) + d)",
                    f"store(s, {moved} + {place}, n)",
                ]
            keep = ["if saving:", f"    store(s, END + {place}, {end})"] if saves else []
            return [*lines, *keep, *new]

        body = writer.gradient([by], sink)
        arguments = "s, a, last, saving, clock" if saves else "s, a, clock"
        return define(f"{name}({arguments})", body, "apart")

    def field(self, sums: Sums) -> str:
        """A function that leaves dq/dt and dp/dt of the state in two neighbouring areas in two others.

        It needs the areas GQ and GP for itself.
        """
        x = self.layout.variables
        bases = {"q": "state", "p": f"state + {x.room}", "k": "K", "gq": "GQ", "gp": "GP"}
        writer = Writer(sums, self.layout, self.space.time, bases, rows=self.rows)

        def sink(kind: str, row: int, slope: str | None) -> list[str]:
            to, sign = (f"to + {x.room}", "-") if kind == "q" else ("to", "")
            kept = f"pick(within(c, {x.length_of(row)}), {sign}{slope}, zero)" if slope else "zero"
            return [f"store(s, {to} + {row * x.pitch} + c, {kept})"]

        return define("field(s, state, to, clock)", writer.gradient(["q", "p"], sink), "apart")
