"""Explicit Runge–Kutta methods in loops over sums."""

from __future__ import annotations

from hamsym.numeric.lanes import indent
from hamsym.numeric.loops.layout import WIDTH
from hamsym.numeric.loops.module import stepping_module, stored_steps, summed_stages
from hamsym.numeric.loops.room import Room
from hamsym.numeric.methods import RungeKutta
from hamsym.numeric.parts import sums_of
from hamsym.symbolic.hamiltonian import Hamiltonian


def runge_kutta_loops(H: Hamiltonian, method: RungeKutta, *, compensated: bool, strict: bool) -> str:
    """Return the source of the kernels of explicit methods with as many stages.

    Arguments:
        H: the Hamiltonian.
        method: one of them.
        compensated: carry the rounding errors of the final additions along.
        strict: no fused operations, and the library's functions.

    Returns:
        A module as :func:`hamsym.numeric.loops.module.stepping_module` makes it; the arrays a, b and c
        of the tableau follow the parameters.
    """
    sums = sums_of(H.written, H.space)
    slopes = [f"F{half}{n}" for n in range(len(method.b)) for half in "QP"]
    errors = ["EQ", "EP"] if compensated else []
    room = Room(H.space, [sums], [*errors, "SQ", "SP", *slopes, "GQ", "GP"])
    both = 2 * room.layout.variables.room

    def chunks(*lines: str) -> list[str]:
        return [f"for c in range(0, {both}, {WIDTH}):", *indent(lines)]

    def slope(stage: str) -> str:
        return f"load(s, FQ0 + {both}*{stage} + c)"

    stages = [
        "for j in range(m):",
        *indent(
            [
                *chunks(
                    "total_slope = zero",
                    "for l in range(j):",
                    f"    total_slope = fma(tableau[j, l], {slope('l')}, total_slope)",
                    "store(s, SQ + c, fma(h, total_slope, load(s, Q + c)))",
                ),
                f"field(s, SQ, FQ0 + {both}*j, fma(nodes[j], h, t))",
            ]
        ),
    ]
    run = [
        "m, size = weights.size, h",
        "zero = repeated(0.0)",
        "read_in(s, Q, q_in, i)",
        "read_in(s, P, p_in, i)",
        "write_out(s, Q, q_out, i, 0)",
        "write_out(s, P, p_out, i, 0)",
        *([f"for n in range({both}):", "    put(s, EQ + n, 0.0)"] if compensated else []),
        *stored_steps([*stages, *summed_stages(chunks, slope("j"), compensated=compensated)], ("Q", "P")),
    ]
    return stepping_module(room, [room.field(sums)], run, ("field",), "tableau, weights, nodes", strict)
