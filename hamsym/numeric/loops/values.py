"""Values of formulas with sums, and slopes of a Hamiltonian, at many states."""

from __future__ import annotations

import sympy as sp

from hamsym.numeric.lanes import define, indent
from hamsym.numeric.loops.module import module_header
from hamsym.numeric.loops.room import Room
from hamsym.numeric.loops.source import Writer
from hamsym.numeric.parts import sums_of
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import Space


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


def slope_loops(H: Hamiltonian) -> str:
    """Return the source of ``slopes(q, p, s, t, k, out_q, out_p)``: dq/dt and dp/dt at states of shape ``(n, dof)``."""
    sums = sums_of(H.written, H.space)
    room = Room(H.space, [sums], ["FQ", "FP", "GQ", "GP"])
    field = room.field(sums)
    body = [
        "read_parameters(s, k)",
        "for i in range(t.size):",
        *indent(
            [
                "read_in(s, Q, q, i)",
                "read_in(s, P, p, i)",
                "field(s, Q, FQ, t[i])",
                "write_out(s, FQ, out_q, i, 0)",
                "write_out(s, FP, out_p, i, 0)",
            ]
        ),
    ]
    header = module_header(field, strict=False, gaps=False) + room.header()
    slopes = define("slopes(q, p, s, t, k, out_q, out_p)", body, "compiled")
    return "\n\n".join([header, room.functions(), field, slopes])
