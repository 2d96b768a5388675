"""The loops: source of the time-stepping kernels of one Hamiltonian and one method.

A batch runs in blocks of ``LANES`` trajectories.  Within a block the lane loop is innermost and several steps are
written out inside it, so that a state stays in registers and the compiler turns the lanes into SIMD; output is
trajectory-major, because time-major output is limited by memory.  The bits depend neither on how often a trajectory is
stored nor on its company: the compiler may not reorder or contract floating-point operations; fused multiply-adds are
written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple

import sympy as sp

from hamsym.errors import FormulaError, ParameterError
from hamsym.numeric.cache import Kernels
from hamsym.numeric.codegen import Arguments, depends_on_time, separable_source
from hamsym.numeric.implicit import gauss_source
from hamsym.numeric.methods import Doubled, Gauss, Method, Splitting
from hamsym.numeric.nonseparable import doubled_source
from hamsym.numeric.splitting import splitting_source
from hamsym.numeric.step import StepSource
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Trajectories in one SIMD block.
LANES = 16
#: Steps written out in one pass, and chains of instructions interleaved in it to hide each other's latency; long
#: formulas fill the processor without, and would compile for long.
_UNROLL, _CHAINS, _LONG = 5, 2, 60

_LOCALS = re.compile(r"\b((?:end_|e_)?[qpxy]\d+)\b")

_HEADER = """\
import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

inlined = njit(forceinline=True, error_model="numpy")
compiled = njit(cache=CACHE, nogil=True, error_model="numpy")


@intrinsic
def fma(context, a, b, c):
    def emit(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), emit


@intrinsic
def scatter(context, out, first, stride, lanes):
    # Scalar loads from lanes just stored as vectors would wait until the stores have left the core.

    def emit(context, builder, signature, arguments):
        target, source = (context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 3))
        vector = ir.VectorType(ir.DoubleType(), {lanes})
        values = builder.load(builder.bitcast(source, vector.as_pointer()), align=8)
        place = arguments[1]
        for lane in range({lanes}):
            value = builder.extract_element(values, ir.Constant(ir.IntType(32), lane))
            builder.store(value, builder.gep(target, [place]))
            place = builder.add(place, arguments[2])
        return context.get_dummy_value()

    return types.void(out, types.intp, types.intp, lanes), emit


"""


def stepping_kernels(H: Hamiltonian, method: Method, *, compensated: bool = False) -> Kernels:
    """Return the compiled loops of a method for a Hamiltonian that it admits.

    Arguments:
        H: the Hamiltonian; parameters stay arguments, so new values need no new code.
        method: the integrator.
        compensated: carry the rounding errors of the additions along.

    Returns:
        An object with ``one(q_in, p_in, q_out, p_out, i, t0, h, save_every, *k)`` and
        ``block(q_in, p_in, q_out, p_out, first, last, t0, h, save_every, WIDTH, *k)``, and that ``WIDTH``: the length of
        the SIMD loop has to come at run time, because the compiler would write out one of known length as scalars.
        ``q_in`` is ``(batch, dof)``, ``q_out`` is ``(batch, time, dof)``; both fill the trajectories i, or first to
        last - 1.

    Raises:
        NotSeparableError: if the method needs another form of H.
        FormulaError: if H cannot be turned into numbers.
    """
    return _kernels(
        H,
        f"stepping {astuple(method)} {compensated}",
        lambda: _stepping_source(H, _step_source(H, method, compensated)),
    )


def sampling_kernels(H: Hamiltonian) -> Kernels:
    """Return the compiled loops of Hamiltonian Monte Carlo for a separable Hamiltonian.

    Returns:
        An object with ``propose(q, p, u, h, beta, steps, *k)``, which moves every lane of ``q``, ``p`` (``(dof, lanes)``)
        in place by ``steps`` leapfrog steps of size ``h[lane]`` under K + beta[lane] U and leaves U in ``u``; with
        ``steps=0`` it only evaluates U.

    Raises:
        NotSeparableError: if H is not K(p) + U(q).
        FormulaError: if H depends on time, or cannot be turned into numbers.
    """
    if depends_on_time(H):
        raise FormulaError(
            f"the Hamiltonian depends on the time {H.space.time}, so there is no density exp(-βU) to sample; "
            "put in a fixed time"
        )
    return _kernels(H, "sampling", lambda: _sampling_source(H))


def _kernels(H: Hamiltonian, kind: str, write: Callable[[], str]) -> Kernels:
    space = H.space
    names = [f"{n}:{s.assumptions0.get('positive')}" for n, s in space.symbols.items()]
    header = _HEADER.replace("{lanes}", str(LANES))
    return Kernels((sp.srepr(H.expr), repr(space), *names, kind), lambda: header + write())


def _step_source(H: Hamiltonian, method: Method, compensated: bool) -> StepSource:
    method.require(H)
    if isinstance(method, Splitting):
        return splitting_source(H, method, compensated=compensated)
    if isinstance(method, Gauss):
        return gauss_source(H, method, compensated=compensated)
    if compensated or not isinstance(method, Doubled):
        raise ParameterError(
            f"{method.name} does more than add, so its rounding errors cannot be carried along; leave compensated=True out, "
            "or take another method"
        )
    return doubled_source(H, method)


def _stepping_source(H: Hamiltonian, source: StepSource) -> str:
    """The functions of a step, and the loops that call them."""
    names, state = Arguments.of(H.space), source.state
    k_tail = "".join(f", {k}" for k in names.k)
    given = "".join(f", {c}" for c in source.constants) + k_tail
    variables = (*names.q, *names.p)
    kept = [*state, *(e for e in source.ends.values() if e not in state)]
    listed, all_listed = ", ".join(state), ", ".join(kept)
    timed = depends_on_time(H)

    def step(number: str, *, stored: bool) -> str:
        """A call of the step that starts at the time of the step ``number``, counted from the first."""
        time = f"fma(h, float({number}), t0)" if timed else "t0"
        function, results = ("stored_step", all_listed) if stored else ("step", listed)
        return f"{results}, = {function}({listed}, {time}, h{given})"

    start = [
        *[f"{x} = {x[0]}_in[i, {x[1:]}]" for x in variables],
        *[f"{x[0]}_out[i, 0, {x[1:]}] = {x}" for x in variables],
        f"{listed}, = begin({', '.join(variables)}, t0, h{given})",
    ]
    one = [
        *start,
        *[f"{e} = 0.0" for e in kept if e not in state],
        "for s in range(1, q_out.shape[1]):",
        *_indent(["for n in range(save_every):", *_indent([step("(s - 1)*save_every + n", stored=True)])]),
        *_indent(f"{x[0]}_out[i, s, {x[1:]}] = {source.ends[x]}" for x in variables),
    ]
    constants = [f"{name} = {value}" for name, value in source.constants.items()]
    if source.has_lanes:
        is_long = source.functions.count("\n") > _LONG
        unroll, chains = (1, 1) if is_long else (max(1, _UNROLL // source.stages), _CHAINS)
        block = _lanes(source, variables, start, kept, step, unroll, chains)
    else:
        chains, block = 1, ["for i in range(first, last):", *_indent(one)]
    loops = f"t0, h, save_every{k_tail}"
    return "\n\n".join(
        [
            source.functions,
            f"WIDTH = {LANES // chains}",
            _define(f"begin({', '.join(variables)}, t, h{given})", [*source.begin, f"return ({listed},)"]),
            _define(f"step({listed}, t, h{given})", [*source.step, f"return ({listed},)"]),
            _define(f"stored_step({listed}, t, h{given})", [*source.stored_step, f"return ({all_listed},)"]),
            _define(f"one(q_in, p_in, q_out, p_out, i, {loops})", [*constants, *one], "compiled"),
            _define(
                f"block(q_in, p_in, q_out, p_out, first, last, {loops.replace('save_every', 'save_every, width')})",
                [*constants, *block],
                "compiled",
            ),
        ]
    )


def _lanes(
    source: StepSource,
    variables: Sequence[str],
    start: list[str],
    kept: list[str],
    step: Callable[..., str],
    unroll: int,
    chains: int,
) -> list[str]:
    """The loop over blocks of trajectories, their output and their SIMD lanes."""
    state, ends, dof = source.state, source.ends, len(variables) // 2
    load, keep = [f"{x} = s_{x}[l]" for x in state], [f"s_{x}[l] = {x}" for x in kept]

    def run(first: str, count: int) -> list[str]:
        """The lane loop over ``count`` steps from step number ``first``, the last one stored."""
        calls = [step(f"{first} + {r}", stored=r == count - 1) for r in range(count)]
        return _indent(_interleaved([*load, *calls, *keep], chains))

    saves = [f"for n in range(save_every // {unroll}):", *run(f"(s - 1)*save_every + {unroll}*n", unroll)]
    if unroll > 1:
        rest = f"save_every % {unroll}"
        saves += [f"for n in range({rest}):", *run(f"s*save_every - {rest} + n", 1)]
    write_block = [
        f"scatter(flat_{x[0]}, (begin_at*times + s)*{dof} + {x[1:]}, times*{dof}, s_{ends[x]})"
        for x in variables
    ]
    write_part = [f"{x[0]}_out[begin_at + l, s, {x[1:]}] = s_{ends[x]}[l]" for x in variables]
    saves += [
        f"if begin_at + {LANES} <= last:",
        *_indent(write_block),
        "else:",
        *_indent(["for l in range(last - begin_at):", *_indent(write_part)]),
    ]
    first = ["i = min(begin_at + l, last - 1)", *start, *[f"s_{x}[l] = {x}" for x in state]]
    return [
        "times, flat_q, flat_p = q_out.shape[1], q_out.reshape(q_out.size), p_out.reshape(p_out.size)",
        *[f"s_{x} = np.empty({LANES})" for x in kept],
        f"for begin_at in range(first, last, {LANES}):",
        *_indent(
            [f"for l in range({LANES}):", *_indent(first), "for s in range(1, times):", *_indent(saves)]
        ),
    ]


def _interleaved(body: list[str], chains: int) -> list[str]:
    """A loop over the lanes of one chain whose body does every line for all chains in turn."""

    def for_chain(line: str, c: int) -> str:
        return _LOCALS.sub(rf"\1_{c}", line).replace("[l]", f"[l + {c * LANES // chains}]")

    return ["for l in range(width):", *_indent(for_chain(line, c) for line in body for c in range(chains))]


def _sampling_source(H: Hamiltonian) -> str:
    names = Arguments.of(H.space)
    state, k = [*names.q, *names.p], ", ".join(names.k)
    k_tail = f", {k}" if k else ""
    g = ", ".join(f"g{i}" for i in range(len(names.q)))
    force = f"{g}, = force({', '.join(names.q)}{k_tail})"
    drift = [f"{g}, = velocity({', '.join(names.p)}{k_tail})"] + [
        f"{x} = fma(h[i], g{n}, {x})" for n, x in enumerate(names.q)
    ]
    half = [force, *[f"{x} = fma(-0.5*h[i]*beta[i], g{n}, {x})" for n, x in enumerate(names.p)]]
    full = [force, *[f"{x} = fma(-h[i]*beta[i], g{n}, {x})" for n, x in enumerate(names.p)]]
    load = [f"{x} = {x[0]}[{x[1:]}, i]" for x in state]
    keep = [f"{x[0]}[{x[1:]}, i] = {x}" for x in state]

    def lanes(body: list[str]) -> list[str]:
        return [f"for i in range(begin, min(begin + {LANES}, u.size)):", *_indent(body)]

    body = [
        f"for begin in range(0, u.size, {LANES}):",
        *_indent(
            [
                "if steps > 0:",
                *_indent(lanes([*load, *half, *drift, *keep])),
                "for n in range(steps - 1):",
                *_indent(lanes([*load, *full, *drift, *keep])),
                "if steps > 0:",
                *_indent(lanes([*load, *half, *keep])),
                *lanes([*load, f"u[i] = potential({', '.join(names.q)}{k_tail})"]),
            ]
        ),
    ]
    loops = _define(f"propose(q, p, u, h, beta, steps{k_tail})", body, "compiled")
    return f"{separable_source(H)}\n\n{loops}"


def _define(signature: str, body: list[str], decorator: str = "inlined") -> str:
    return "\n".join([f"@{decorator}", f"def {signature}:", *_indent(body)]) + "\n"


def _indent(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
