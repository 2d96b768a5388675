"""Modules of kernels in which sums stay loops: one trajectory at a time, SIMD over its sites.

The coefficients of a splitting method and the parameters are arguments, so one compiled module serves all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import sympy as sp

from hamsym.numeric.lanes import define, indent
from hamsym.numeric.loop_layout import Layout, Rows, areas
from hamsym.numeric.loop_parts import Sums, sums_of
from hamsym.numeric.loop_source import Writer
from hamsym.numeric.meanings import careful, has_gaps, meanings
from hamsym.numeric.methods import Splitting
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import Space

_HEADER = """\
import math

from numba import njit

from hamsym.numeric import elementary, vectors
from hamsym.numeric.vectors import (
    get, load, load_apart, numbers, pick, put, repeated, store, store_apart, total, within,
)

compiled = njit(cache=CACHE, nogil=True, error_model="numpy")
apart = njit(nogil=True, error_model="numpy")
"""
_MEANING = re.compile(r"^(\w+) = ((?:math|elementary|exponential)\.\w+)$", re.MULTILINE)


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


def splitting_arguments(method: Splitting) -> tuple[np.ndarray, ...]:
    """Return the arrays that the kernels of :func:`splitting_source` take besides the parameters."""
    return (
        np.array(method.outer),
        np.array(method.inner),
        np.array([0.0, *list(accumulate(method.inner))[:-1], 1.0]),
        np.array(list(accumulate(method.outer[:-1]))),
    )


def splitting_loops(H: Hamiltonian, method: Splitting, *, compensated: bool, strict: bool) -> str:
    """Return the source of the kernels of splitting methods, of those that start with the same flow.

    Arguments:
        H: a separable Hamiltonian.
        method: one of them.
        compensated: carry the rounding error of every addition along.
        strict: no fused operations, and the library's functions.

    Returns:
        A module with ``one`` and ``block`` as :func:`hamsym.numeric.stepping.stepping_kernels` says, where the parameters are
        an array and :func:`splitting_arguments` follow.
    """
    potential, kinetic = sums_of(H.written_potential, H.space), sums_of(H.written_kinetic, H.space)
    room = Room(H.space, [potential, kinetic], ["G", "END", *(["EQ", "EP"] if compensated else [])])
    kicks = method.starts_with == "kick"
    kick = room.flow("kick", potential, "q", compensated, kicks)
    drift = room.flow("drift", kinetic, "p", compensated, not kicks)
    outer, inner, signs = ("kick", "drift", "-+") if kicks else ("drift", "kick", "+-")
    ends = ("Q", "END") if kicks else ("END", "P")
    room_of_errors = 2 * room.layout.variables.room
    clear = [f"for n in range({room_of_errors}):", "    put(s, EQ + n, 0.0)"] if compensated else []
    run = [
        "m = inner.size",
        "read_in(s, Q, q_in, i)",
        "read_in(s, P, p_in, i)",
        "write_out(s, Q, q_out, i, 0)",
        "write_out(s, P, p_out, i, 0)",
        *clear,
        # the first time around only the outer flow that starts a step: so each flow is called from one place
        "for j in range(q_out.shape[1]):",
        *indent(
            [
                "first = j == 0",
                "for n in range(1 if first else save_every):",
                *indent(
                    [
                        "t = fma(h, float(max(0, (j - 1)*save_every + n)), t0)",
                        "for l in range(1 if first else m):",
                        *indent(
                            [
                                "after = 0 if first else l + 1",
                                "ending = after == m",
                                "if not first:",
                                f"    {inner}(s, {signs[1]}inner[l]*h, fma(inner_clocks[l], h, t))",
                                "a = outer[after] + (outer[0] if ending else 0.0)",
                                f"{outer}(s, {signs[0]}a*h, {signs[0]}outer[after]*h, ending and n == save_every - 1, "
                                "fma(outer_clocks[after], h, t))",
                            ]
                        ),
                    ]
                ),
                "if not first:",
                f"    write_out(s, {ends[0]}, q_out, i, j)",
                f"    write_out(s, {ends[1]}, p_out, i, j)",
            ]
        ),
    ]
    coefficients = "outer, inner, outer_clocks, inner_clocks"
    return stepping_module(room, [kick, drift], run, ("kick", "drift"), coefficients, strict)


def stepping_module(
    room: Room,
    functions: Sequence[str],
    run: Sequence[str],
    callees: tuple[str, ...],
    more: str,
    strict: bool,
) -> str:
    """Return a module with ``block`` and ``one`` around the lines that make one trajectory."""
    text = "\n\n".join(functions)
    retry = not strict and has_gaps(text)
    states, loops = "q_in, p_in, q_out, p_out", "t0, h, save_every"
    call = f"run(s, {states}, i, {loops}, {more})"
    body = "\n\n".join([text, define(call, [*run], "apart")])
    one = define(f"one({states}, s, i, {loops}, k, {more})", ["read_parameters(s, k)", call], "compiled")
    block = ["read_parameters(s, k)", "for i in range(first, last):", f"    {call}"]
    if retry:
        body = "\n\n".join([body, careful(body, (*callees, "run"))])
        one = careful(one, ("run",))
    return "\n\n".join(
        [
            module_header(text, strict, retry) + room.header(),
            f"WIDTH, RETRY = 0, {retry}",
            room.functions(),
            body,
            one,
            define(f"block({states}, s, first, last, {loops}, width, k, {more})", block, "compiled"),
        ]
    )


def module_header(text: str, strict: bool, gaps: bool) -> str:
    """Return the imports of a module, and what its functions mean for lanes."""
    meant = meanings(text, strict=strict, gaps=gaps)
    meant = _MEANING.sub(
        lambda m: m[0] if m[1] == "fma" else f"{m[1]} = vectors.lifted{'_pair' * (m[1] == 'atan2')}({m[2]})",
        meant,
    )
    return _HEADER + (meant if strict else meant.replace("elementary.fma", "vectors.fma")) + "\n"


def value_loops(expression: sp.Expr, space: Space) -> str:
    """Return the source of a kernel that evaluates a formula with sums.

    Returns:
        A module with ``values(q, p, s, t, k, out)``: q and p of shape ``(n, dof)``, t and out of shape ``(n,)``, ``s`` memory of
        ``SCRATCH`` numbers.
    """
    sums = sums_of(expression, space)
    room = Room(space, [sums], [])
    writer = Writer(sums, room.layout, space.time, {"q": "Q", "p": "P", "k": "K"})
    lines = [
        "zero = repeated(0.0)",
        *writer.auxiliaries(sums.parts),
        *writer.value(sums.parts, "result"),
    ]
    value = define("value(s, clock)", [*lines, "return result"], "apart")
    body = [
        "read_parameters(s, k)",
        "for i in range(out.size):",
        *indent(["read_in(s, Q, q, i)", "read_in(s, P, p, i)", "out[i] = value(s, t[i])"]),
    ]
    return "\n\n".join(
        [
            module_header(value, strict=False, gaps=False) + room.header(),
            room.functions(),
            value,
            define("values(q, p, s, t, k, out)", body, "compiled"),
        ]
    )
