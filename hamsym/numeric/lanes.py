"""Loops over trajectories side by side, as text: SIMD lanes, interleaved chains, output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from hamsym.numeric.step import StepSource

_LOCALS = re.compile(r"\b((?:end_|e_)?[qpxy]\d+)\b")


def lane_loops(
    source: StepSource,
    variables: Sequence[str],
    start: list[str],
    kept: list[str],
    step: Callable[..., str],
    unroll: int,
    chains: int,
    lanes: int,
) -> list[str]:
    """The loop over blocks of trajectories, their output and their SIMD lanes."""
    state, ends, dof = source.state, source.ends, len(variables) // 2
    # one array for all variables, each at its constant offset: one allocation, and the compiler sees that none overlap
    place = {x: i * lanes for i, x in enumerate(kept)}
    load, keep = (
        [f"{x} = scratch[l + {place[x]}]" for x in state],
        [f"scratch[l + {place[x]}] = {x}" for x in kept],
    )

    def run(first: str, count: int) -> list[str]:
        """The lane loop over ``count`` steps from step number ``first``, the last one stored."""
        calls = [step(f"{first} + {r}") for r in range(count)]
        return indent(_interleaved([*load, *calls, *keep], chains, lanes // chains))

    saves = [f"for n in range(save_every // {unroll}):", *run(f"(s - 1)*save_every + {unroll}*n", unroll)]
    if unroll > 1:
        rest = f"save_every % {unroll}"
        saves += [f"for n in range({rest}):", *run(f"s*save_every - {rest} + n", 1)]
    write_block = [
        f"scatter({x[0]}_out, (begin_at*times + s)*{dof} + {x[1:]}, times*{dof}, scratch, {place[ends[x]]}, {lanes})"
        for x in variables
    ]
    write_part = [f"{x[0]}_out[begin_at + l, s, {x[1:]}] = scratch[l + {place[ends[x]]}]" for x in variables]
    saves += [
        f"if begin_at + {lanes} <= last:",
        *indent(write_block),
        "else:",
        *indent(["for l in range(last - begin_at):", *indent(write_part)]),
    ]
    first = ["i = min(begin_at + l, last - 1)", *start, *[f"scratch[l + {place[x]}] = {x}" for x in state]]
    return [
        "times = q_out.shape[1]",
        f"for begin_at in range(first, last, {lanes}):",
        *indent([f"for l in range({lanes}):", *indent(first), "for s in range(1, times):", *indent(saves)]),
    ]


def _interleaved(body: list[str], chains: int, width: int) -> list[str]:
    """A loop over the lanes of one chain whose body does every line for all chains in turn."""

    def for_chain(line: str, c: int) -> str:
        return _LOCALS.sub(rf"\1_{c}", line).replace("[l + ", f"[l + {c * width} + ")

    return ["for l in range(width):", *indent(for_chain(line, c) for line in body for c in range(chains))]


def define(signature: str, body: list[str], decorator: str = "inlined") -> str:
    """Return the source of a function."""
    return "\n".join([f"@{decorator}", f"def {signature}:", *indent(body)]) + "\n"


def indent(lines: Iterable[str]) -> list[str]:
    """Return the lines one level deeper."""
    return [f"    {line}" for line in lines]
