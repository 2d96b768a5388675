"""Modules of kernels in which sums stay loops: one trajectory at a time, SIMD over its sites.

The coefficients of a method and the parameters are arguments, so one compiled module serves all values of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hamsym.numeric.generated import header
from hamsym.numeric.lanes import define, indent
from hamsym.numeric.loops.room import Room
from hamsym.numeric.meanings import careful, has_gaps, meanings

_OWN = """\
from hamsym.numeric import elementary, vectors
from hamsym.numeric.vectors import (
    get, load, load_apart, numbers, pick, put, repeated, store, store_apart, total, within,
)"""
_APART = 'apart = njit(nogil=True, error_model="numpy")\n'
_MEANING = re.compile(r"^(\w+) = ((?:math|elementary|exponential)\.\w+)$", re.MULTILINE)


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


def stored_steps(step: Sequence[str], ends: tuple[str, str]) -> list[str]:
    """Return the loops over steps from the time ``t``, and over stored states: the areas in which a step leaves q and p."""
    return [
        "for r in range(1, q_out.shape[1]):",
        *indent(
            [
                "for n in range(save_every):",
                *indent(["t = fma(h, float((r - 1)*save_every + n), t0)", *step]),
                f"write_out(s, {ends[0]}, q_out, i, r)",
                f"write_out(s, {ends[1]}, p_out, i, r)",
            ]
        ),
    ]


def summed_stages(chunks: Callable[..., list[str]], slopes: str, *, compensated: bool) -> list[str]:
    """Return the lines that end a Runge–Kutta step: add ``size`` times the weighted slopes of ``m`` stages to the state.

    Arguments:
        chunks: puts lines into the loop over lanes ``c``.
        slopes: the lanes of the slopes of stage ``j``.
        compensated: carry the rounding errors along, in the area EQ and the one that follows.
    """
    add = ["store(s, Q + c, fma(size, total_slope, load(s, Q + c)))"]
    if compensated:
        add = [
            "d = fma(size, total_slope, load(s, EQ + c))",
            "x = load(s, Q + c)",
            "n = x + d",
            "store(s, EQ + c, (x - n) + d)",
            "store(s, Q + c, n)",
        ]
    return chunks(
        "total_slope = zero",
        "for j in range(m):",
        f"    total_slope = fma(weights[j], {slopes}, total_slope)",
        *add,
    )


def module_header(text: str, strict: bool, gaps: bool) -> str:
    """Return the imports of a module, and what its functions mean for lanes."""
    meant = meanings(text, strict=strict, gaps=gaps)
    meant = _MEANING.sub(
        lambda m: m[0] if m[1] == "fma" else f"{m[1]} = vectors.lifted{'_pair' * (m[1] == 'atan2')}({m[2]})",
        meant,
    )
    fused = meant if strict else meant.replace("elementary.fma", "vectors.fma")
    return f"{header(_OWN)}{_APART}{fused}\n"
