"""The loops: source of the time-stepping kernels of one Hamiltonian and one method.

A batch runs in blocks of sixteen or so trajectories.  Within a block the lane loop is innermost and several steps are
written out inside it, so that a state stays in registers and the compiler turns the lanes into SIMD; output is
trajectory-major, because time-major output is limited by memory.  The bits depend neither on how often a trajectory is
stored nor on its company: the compiler may not reorder or contract floating-point operations; fused multiply-adds are
written out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from hamsym.numeric.cache import Kernels
from hamsym.numeric.codegen import Arguments, depends_on_time
from hamsym.numeric.generated import identity, kernels_of
from hamsym.numeric.implicit import ImplicitKernels, implicit_kernels
from hamsym.numeric.lanes import define, indent, lane_loops
from hamsym.numeric.loops import (
    loop_arguments,
    loop_kind,
    loop_source,
    room_of,
    runs_in_loops,
)
from hamsym.numeric.meanings import careful, has_gaps, meanings, used_functions
from hamsym.numeric.methods import Gauss, Method, RungeKutta, Splitting, doubled
from hamsym.numeric.nonseparable import doubled_source
from hamsym.numeric.runge_kutta import runge_kutta_source
from hamsym.numeric.splitting import splitting_source
from hamsym.numeric.step import StepSource
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Ranges of trajectories that begin at multiples of this are cut into whole SIMD blocks.
BLOCK = 96
#: Steps written out in one pass; lanes in a chain, several of which are interleaved to hide each other's latency as long as
#: their states need no more registers than that, or twice as many where there are roots or quotients to wait for; the fewest lanes.
#: Long formulas fill the processor without, and would compile for long.
_UNROLLS, _CHAIN, _FEW_REGISTERS, _LONG, _LANES = (10, 5), 8, 8, 60, 16
#: With fewer steps of trajectories, writing out several would save milliseconds and take tenths of a second to compile.
_WORTH_UNROLLING = 5e6
_SLOW = re.compile(r"sqrt|/|\*\*|math\.")

#: Functions of generated modules that call functions of the formula.
_CALLERS = ("force", "velocity", "potential", "gradient", "step")


def stepping_kernels(
    H: Hamiltonian,
    method: Method,
    *,
    work: float = math.inf,
    save_every: int = 1,
    compensated: bool = False,
    strict: bool = False,
) -> Kernels | ImplicitKernels:
    """Return the compiled loops of a method for a Hamiltonian that it admits.

    Arguments:
        H: the Hamiltonian; parameters stay arguments, so new values need no new code.
        method: the integrator.
        work: how many steps of trajectories are to be made; for few, loops that compile in half the time are as good.
        save_every: how many steps :func:`fill` will make between stored states; any number is right, this one is fast.
        compensated: carry the rounding errors of the additions along.
        strict: no fused operations, and the library's functions.

    Returns:
        What :func:`fill` takes: an object with ``one(q_in, p_in, q_out, p_out, i, t0, h, save_every, *k)`` and
        ``block(q_in, p_in, q_out, p_out, scratch, first, last, t0, h, save_every, WIDTH, *k)``, and that ``WIDTH``: the
        length of the SIMD loop has to come at run time, because the compiler would write out one of known length as
        scalars.  ``q_in`` is ``(batch, dof)``, ``q_out`` is ``(batch, time, dof)``, ``scratch`` has ``SCRATCH`` numbers;
        both fill the trajectories i, or first to last - 1.  If it says ``RETRY``, a trajectory that ``block`` left as NaN may be finite with ``one``.

    Raises:
        NotSeparableError: if the method needs another form of H.
        FormulaError: if H cannot be turned into numbers.
    """

    if runs_in_loops(H):
        kind = f"loops {loop_kind(method)} {compensated} {strict}"
        return Kernels(
            (*identity(H), kind), lambda: loop_source(H, method, compensated=compensated, strict=strict)
        )
    if isinstance(method, Gauss):
        return implicit_kernels(H, method, compensated=compensated, strict=strict)
    unroll = (
        1
        if work < _WORTH_UNROLLING
        else next(n for n in _UNROLLS if save_every % n == 0 or n == _UNROLLS[-1])
    )

    def write() -> str:
        source = _step_source(H, method, compensated)
        functions = "\n\n".join([source.functions, *source.step, *source.begin])
        retry = not strict and has_gaps(functions)
        header = meanings(functions, strict=strict, gaps=retry)
        return f"{header}\n\n{_stepping_source(H, source, retry, unroll)}"

    return kernels_of(H, f"stepping {astuple(method)} {compensated} {strict} {unroll}", write)


def kernel_arguments(H: Hamiltonian, method: Method, values: Mapping[str, float]) -> tuple[Any, ...]:
    """Return what the kernels of a method for a Hamiltonian take as ``k``, from the values of parameters by name."""
    if runs_in_loops(H):
        return loop_arguments(H, method, values)
    return tuple(values.get(name, 0.0) for name in H.space.parameters)


def fill(
    kernels: Kernels | ImplicitKernels,
    states: Sequence[np.ndarray],
    first: int,
    last: int,
    t0: float,
    h: float,
    save_every: int,
    k: Sequence[Any],
) -> None:
    """Integrate the trajectories first to last - 1 with the kernels of :func:`stepping_kernels`.

    Arguments:
        kernels: the compiled loops.
        states: ``q_in``, ``p_in`` of shape ``(batch, dof)`` and ``q_out``, ``p_out`` of shape ``(batch, time, dof)``.
        first, last: the range.
        t0, h, save_every: initial time, step and steps between stored states.
        k: what :func:`kernel_arguments` gives.
    """
    if isinstance(kernels, ImplicitKernels):
        return kernels.fill(states, first, last, (t0, h, save_every), k)
    alone: Iterable[int] = range(first, last)
    in_loops = kernels.WIDTH == 0
    if last - first >= 3 or in_loops:  # a block computes sixteen or more; loops one by one
        scratch = room_of(kernels) if in_loops else np.empty(kernels.SCRATCH)
        kernels.block(*states, scratch, first, last, t0, h, save_every, kernels.WIDTH, *k)
        alone = ()
        if kernels.RETRY:
            end = states[2][first:last, -1].sum(-1) + states[3][first:last, -1].sum(-1)
            alone = first + np.flatnonzero(~np.isfinite(end))
    for i in alone:
        fill_one(kernels, states, i, t0, h, save_every, k)


def fill_one(
    kernels: Kernels | ImplicitKernels,
    states: Sequence[np.ndarray],
    i: int,
    t0: float,
    h: float,
    save_every: int,
    k: Sequence[Any],
) -> None:
    """Integrate the trajectory i, as :func:`fill` does."""
    if isinstance(kernels, ImplicitKernels):
        return kernels.fill(states, i, i + 1, (t0, h, save_every), k)
    room = (room_of(kernels),) if kernels.WIDTH == 0 else ()
    kernels.one(*states, *room, i, t0, h, save_every, *k)


def _step_source(H: Hamiltonian, method: Method, compensated: bool) -> StepSource:
    method.require(H)
    if isinstance(method, Splitting):
        return splitting_source(H, method, compensated=compensated)
    if isinstance(method, RungeKutta):
        return runge_kutta_source(H, method, compensated=compensated)
    return doubled_source(H, doubled(method, compensated=compensated))


def _stepping_source(H: Hamiltonian, source: StepSource, retry: bool, unroll: int) -> str:
    """The functions of a step, and the loops that call them.

    To retry, ``one`` has careful twins of the functions.  How many evaluations are written out does not change bits.
    """
    names, state = Arguments.of(H.space), source.state
    k_tail = "".join(f", {k}" for k in names.k)
    given = "".join(f", {c}" for c in source.constants) + k_tail
    variables = (*names.q, *names.p)
    kept = [*state, *(e for e in source.ends.values() if e not in state)]
    listed, all_listed = ", ".join(state), ", ".join(kept)
    timed = depends_on_time(H)

    def step(number: str) -> str:
        """A call of the step that starts at the time of the step ``number``, counted from the first."""
        time = f"fma(h, float({number}), t0)" if timed else "t0"
        return f"{all_listed}, = step({listed}, {time}, h{given})"

    start = [
        *[f"{x} = {x[0]}_in[i, {x[1:]}]" for x in variables],
        *[f"{x[0]}_out[i, 0, {x[1:]}] = {x}" for x in variables],
        *["t = t0"] * timed,
        *source.begin,
    ]
    one = [
        *start,
        *[f"{e} = 0.0" for e in kept if e not in state],
        "for s in range(1, q_out.shape[1]):",
        *indent(["for n in range(save_every):", *indent([step("(s - 1)*save_every + n")])]),
        *indent(f"{x[0]}_out[i, s, {x[1:]}] = {source.ends[x]}" for x in variables),
    ]
    constants = [f"{name} = {value}" for name, value in source.constants.items()]
    chains = _chains(source.functions, len(names.q))
    is_long = unroll == 1 or chains == 1
    chains = 1 if is_long else chains
    lanes, unroll = (max(_CHAIN * chains, _LANES), 1 if is_long else max(1, unroll // source.stages))
    block = lane_loops(source, variables, start, kept, step, unroll, chains, lanes)
    width, scratch = lanes // chains, lanes * len(kept)
    functions = [
        source.functions,
        define(f"step({listed}, t, h{given})", [*source.step, f"return ({all_listed},)"]),
    ]
    if retry:
        functions += [careful(f, _CALLERS) for f in functions]
        one = [careful(line, _CALLERS) for line in one]
    states, loops = "q_in, p_in, q_out, p_out", f"t0, h, save_every{k_tail}"
    loops_of_block = loops.replace("save_every", "save_every, width")
    return "\n\n".join(
        [
            f"WIDTH, SCRATCH, RETRY = {width}, {scratch}, {retry}",
            *functions,
            define(f"one({states}, i, {loops})", [*constants, *one], "compiled"),
            define(
                f"block({states}, scratch, first, last, {loops_of_block})", [*constants, *block], "compiled"
            ),
        ]
    )


def _chains(functions: str, dof: int) -> int:
    """How many chains of lanes hide each other's latency best, as measured: as many as the registers have room for."""
    stepped = "\n\n".join(f for f in functions.split("\n\n") if "def potential(" not in f)
    calls = sum(stepped.count(f"= {f}(") for f in used_functions(stepped))
    if functions.count("\n") > _LONG or calls > 4:
        return 1
    if calls > 1:
        return 2
    fitting = _FEW_REGISTERS * (2 if _SLOW.search(stepped) else 1) // (2 * dof)
    return max(2, min(fitting, 3 if calls and "/" in stepped else 4))
