"""Gauss collocation in loops over sums, its stages solved by fixed-point iteration as :mod:`hamsym.numeric.implicit` says."""

from __future__ import annotations

from hamsym.numeric.lanes import indent
from hamsym.numeric.loops.layout import WIDTH
from hamsym.numeric.loops.module import stepping_module, stored_steps, summed_stages
from hamsym.numeric.loops.room import Room
from hamsym.numeric.methods import Gauss
from hamsym.numeric.parts import sums_of
from hamsym.symbolic.hamiltonian import Hamiltonian

#: More iterations than that mean a step so long that even their limit would be worth nothing.
_ITERATIONS = 100
#: Changes that have stopped shrinking are round-off if they are below this fraction of the state.
_ROUNDING = 1e-12


def gauss_loops(H: Hamiltonian, method: Gauss, *, compensated: bool, strict: bool) -> str:
    """Return the source of the kernels of Gauss methods with as many stages.

    Arguments:
        H: the Hamiltonian.
        method: one of them.
        compensated: carry the rounding errors of the final additions along.
        strict: no fused operations, and the library's functions.

    Returns:
        A module as :func:`hamsym.numeric.loops.module.stepping_module` makes it; the arrays a, b and c
        of the tableau follow the parameters.
    """
    sums, stages = sums_of(H.written, H.space), len(method.b)
    numbered = [f"{letter}{half}{n}" for letter in "ZF" for n in range(stages) for half in "QP"]
    errors = ["EQ", "EP"] if compensated else []
    room = Room(H.space, [sums], [*errors, "SQ", "SP", *numbered, "GQ", "GP"])
    field, one = room.field(sums), room.layout.variables.room
    both = 2 * one

    def chunks(*lines: str) -> list[str]:
        return [f"for c in range(0, {both}, {WIDTH}):", *indent(lines)]

    iteration = [
        "for j in range(m):",
        *indent(
            [
                *chunks(f"store(s, SQ + c, load(s, Q + c) + load(s, ZQ0 + {both}*j + c))"),
                f"field(s, SQ, FQ0 + {both}*j, fma(nodes[j], h, t))",
            ]
        ),
        "changes, sizes = zero, zero",
        *chunks(
            "sizes = sizes + (abs(load(s, Q + c)) + abs(load(s, ZQ0 + c)))",
            "for j in range(m):",
            *indent(
                [
                    "stage = zero",
                    "for l in range(m):",
                    f"    stage = fma(tableau[j, l], load(s, FQ0 + {both}*l + c), stage)",
                    "stage = h*stage",
                    f"changes = changes + abs(stage - load(s, ZQ0 + {both}*j + c))",
                    f"store(s, ZQ0 + {both}*j + c, stage)",
                ]
            ),
        ),
        "change = total(changes)",
        f"solved = change == 0.0 or (change >= last_change and change <= {_ROUNDING!r}*total(sizes))",
        "if solved or not change < math.inf:",
        "    break",
        "last_change = change",
    ]
    step = [
        "field(s, Q, FQ0, t)",
        "for j in range(m):",
        *indent(chunks(f"store(s, ZQ0 + {both}*j + c, (nodes[j]*h)*load(s, FQ0 + c))")),
        "last_change, solved = math.inf, False",
        f"for iteration in range({_ITERATIONS}):",
        *indent(iteration),
        "size = h if solved else math.nan",
        *summed_stages(chunks, f"load(s, FQ0 + {both}*j + c)", compensated=compensated),
    ]
    run = [
        "m = weights.size",
        "zero = repeated(0.0)",
        "read_in(s, Q, q_in, i)",
        "read_in(s, P, p_in, i)",
        "write_out(s, Q, q_out, i, 0)",
        "write_out(s, P, p_out, i, 0)",
        *([f"for n in range({both}):", "    put(s, EQ + n, 0.0)"] if compensated else []),
        *stored_steps(step, ("Q", "P")),
    ]
    return stepping_module(room, [field], run, ("field",), "tableau, weights, nodes", strict)
