"""Kicks and drifts in loops over sums."""

from __future__ import annotations

import numpy as np

from hamsym.numeric.coefficients import clocks
from hamsym.numeric.lanes import indent
from hamsym.numeric.loops.module import stepping_module
from hamsym.numeric.loops.room import Room
from hamsym.numeric.methods import Splitting
from hamsym.numeric.parts import sums_of
from hamsym.symbolic.hamiltonian import Hamiltonian


def splitting_arguments(method: Splitting) -> tuple[np.ndarray, ...]:
    """Return the arrays that the kernels of :func:`splitting_loops` take besides the parameters."""
    outer_clocks, inner_clocks = clocks(method.outer, method.inner)
    return np.array(method.outer), np.array(method.inner), np.array(outer_clocks), np.array(inner_clocks)


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
