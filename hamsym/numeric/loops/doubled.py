"""Tao's explicit method in loops over sums; :mod:`hamsym.numeric.nonseparable` says what it does."""

from __future__ import annotations

import numpy as np

from hamsym.numeric.lanes import indent
from hamsym.numeric.loops.layout import WIDTH
from hamsym.numeric.loops.module import stepping_module, stored_steps
from hamsym.numeric.loops.room import Room
from hamsym.numeric.methods import Doubled
from hamsym.numeric.parts import sums_of
from hamsym.symbolic.hamiltonian import Hamiltonian


def doubled_arguments(method: Doubled) -> tuple[np.ndarray, ...]:
    """Return the arrays that the kernels of :func:`doubled_loops` take besides the parameters."""
    return np.array(method.weights), 2 * method.binding * np.array(method.weights)


def doubled_loops(H: Hamiltonian, *, strict: bool) -> str:
    """Return the source of the kernels of methods in the doubled phase space.

    Arguments:
        H: the Hamiltonian.
        strict: no fused operations, and the library's functions.

    Returns:
        A module as :func:`hamsym.numeric.loops.module.stepping_module` makes it; :func:`doubled_arguments` follow the
        parameters.
    """
    sums = sums_of(H.written, H.space)
    # (Q, Y) and (X, P) are the two states; flow A moves the second by the field of the first, flow B the first by that of
    # the second
    room = Room(H.space, [sums], ["Y", "X", "SQ", "SP", "FQ", "FP", "END", "GQ", "GP"])
    one = room.layout.variables.room

    def chunks(*lines: str) -> list[str]:
        return [f"for c in range(0, {one}, {WIDTH}):", *indent(lines)]

    def field_of(q: str, p: str, time: str) -> list[str]:
        return [
            *chunks(f"store(s, SQ + c, load(s, {q} + c))", f"store(s, SP + c, load(s, {p} + c))"),
            f"field(s, SQ, FQ, {time})",
        ]

    def move(q: str, p: str, by: str) -> list[str]:
        lines = [
            f"store(s, {x} + c, fma({by}, load(s, {f} + c), load(s, {x} + c)))"
            for x, f in ((q, "FQ"), (p, "FP"))
        ]
        return chunks(*lines)

    flow_b = [*field_of("X", "P", "fma(w/2.0, h, clock)"), *move("Q", "Y", "w/2.0*h")]
    rotate = [
        "cosine, sine = math.cos(turns[l]*h), math.sin(turns[l]*h)",
        *chunks(
            "x, y = load(s, X + c), load(s, Y + c)",
            "q, p = load(s, Q + c), load(s, P + c)",
            "u, v = q - x, p - y",
            "a, b = q + x, p + y",
            "d, e = fma(cosine, u, sine*v), fma(cosine, v, -(sine*u))",
            "store(s, Q + c, 0.5*(a + d))",
            "store(s, X + c, 0.5*(a - d))",
            "store(s, P + c, 0.5*(b + e))",
            "store(s, Y + c, 0.5*(b - e))",
        ),
    ]
    step = [
        "passed = 0.0",
        "for l in range(m):",
        *indent(
            [
                "w = weights[l]",
                "clock = fma(passed, h, t)",
                *flow_b,
                *rotate,
                *flow_b,
                "passed = passed + w",
                "if l == m - 1:",
                "    passed = 1.0",
                *field_of("Q", "Y", "fma(passed, h, t)"),
                "if l < m - 1:",
                *indent(move("X", "P", "(w + weights[l + 1])/2.0*h")),
            ]
        ),
        "half = weights[m - 1]/2.0",
        "if n == save_every - 1:",
        *indent(chunks("store(s, END + c, fma(half*h, load(s, FP + c), load(s, P + c)))")),
        *move("X", "P", "(half + weights[0]/2.0)*h"),
    ]
    run = [
        "m = weights.size",
        "read_in(s, Q, q_in, i)",
        "read_in(s, P, p_in, i)",
        *chunks("store(s, X + c, load(s, Q + c))", "store(s, Y + c, load(s, P + c))"),
        "write_out(s, Q, q_out, i, 0)",
        "write_out(s, P, p_out, i, 0)",
        *field_of("Q", "Y", "t0"),
        *move("X", "P", "weights[0]/2.0*h"),
        *stored_steps(step, ("Q", "END")),
    ]
    return stepping_module(room, [room.field(sums)], run, ("field",), "weights, turns", strict)
