"""The loops: source of the time-stepping kernels of one Hamiltonian and one method.

A batch runs in blocks of ``LANES`` trajectories.  Within a block the lane loop is innermost and several steps are
written out inside it, so that a state stays in registers and the compiler turns the lanes into SIMD; output is
trajectory-major, because time-major output is limited by memory.  The flow that ends one step and starts the next
is done once: the state between steps holds the variable *after* that merged flow, and what is stored is the
variable in the middle of it.  Hence the bits do not depend on how often a trajectory is stored, nor on its company:
the compiler may not reorder or contract floating-point operations; fused multiply-adds are written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import sympy as sp

from hamsym.numeric.cache import Kernels
from hamsym.numeric.codegen import Arguments, separable_source
from hamsym.numeric.methods import Method
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Trajectories in one SIMD block.
LANES = 16
#: Steps written out in one pass, and chains of instructions interleaved in it to hide each other's latency; long
#: formulas fill the processor without, and would compile for long.
_UNROLL, _CHAINS, _LONG = 5, 2, 60

_LOCALS = re.compile(r"\b((?:end_)?[qpg]\d+)\b")

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


def stepping_kernels(H: Hamiltonian, method: Method) -> Kernels:
    """Return the compiled loops of a method for a separable Hamiltonian.

    Arguments:
        H: the Hamiltonian; parameters stay arguments, so new values need no new code.
        method: a splitting method.

    Returns:
        An object with ``one(q_in, p_in, q_out, p_out, i, h, save_every, *k)`` and
        ``block(q_in, p_in, q_out, p_out, first, last, h, save_every, WIDTH, *k)``, and that ``WIDTH``: the length of
        the SIMD loop has to come at run time, because the compiler would write out one of known length as scalars.
        ``q_in`` is ``(batch, dof)``, ``q_out`` is ``(batch, time, dof)``; both fill the trajectories i, or first to
        last - 1.

    Raises:
        NotSeparableError: if H is not K(p) + U(q).
        FormulaError: if H cannot be turned into numbers.
    """
    kind = f"stepping {method.starts_with} {method.outer} {method.inner}"
    return _kernels(H, kind, lambda formulas: _stepping_source(formulas, H, method))


def sampling_kernels(H: Hamiltonian) -> Kernels:
    """Return the compiled loops of Hamiltonian Monte Carlo for a separable Hamiltonian.

    Returns:
        An object with ``propose(q, p, u, h, beta, steps, *k)``, which moves every lane of ``q``, ``p`` (``(dof, lanes)``)
        in place by ``steps`` leapfrog steps of size ``h[lane]`` under K + beta[lane] U and leaves U in ``u``; with
        ``steps=0`` it only evaluates U.

    Raises:
        NotSeparableError, FormulaError: as :func:`stepping_kernels`.
    """
    return _kernels(H, "sampling", lambda formulas: _sampling_source(formulas, H))


def _kernels(H: Hamiltonian, kind: str, loops: Callable[[str], str]) -> Kernels:
    def write() -> str:
        formulas = separable_source(H)
        return f"{_HEADER.replace('{lanes}', str(LANES))}{formulas}\n\n{loops(formulas)}"

    space = H.space
    names = [f"{n}:{s.assumptions0.get('positive')}" for n, s in space.symbols.items()]
    return Kernels((sp.srepr(H.expr), repr(space), *names, kind), write)


def _stepping_source(formulas: str, H: Hamiltonian, method: Method) -> str:
    names, m = Arguments.of(H.space), len(method.inner)
    # The outer variable is moved first and last in a step; its flow is the one that merges.
    if method.starts_with == "kick":
        outer, outer_flow, inner, inner_flow, signs = names.p, "force", names.q, "velocity", "-+"
    else:
        outer, outer_flow, inner, inner_flow, signs = names.q, "velocity", names.p, "force", "+-"
    state, tail = [*names.q, *names.p], "".join(f", {k}" for k in names.k)
    dof = len(names.q)

    def flow(function: str, of: tuple[str, ...]) -> str:
        return f"{', '.join(f'g{i}' for i in range(dof))}, = {function}({', '.join(of)}{tail})"

    def move(variables: tuple[str, ...], sign: str, coefficient: str, prefix: str = "") -> list[str]:
        return [f"{prefix}{x} = fma({sign}{coefficient}*h, g{i}, {x})" for i, x in enumerate(variables)]

    middle = []
    for j in range(m):
        middle += [
            flow(inner_flow, outer),
            *move(inner, signs[1], repr(method.inner[j])),
            flow(outer_flow, inner),
        ]
        middle += move(outer, signs[0], repr(method.outer[j + 1])) if j < m - 1 else []
    merge = move(outer, signs[0], repr(method.outer[-1] + method.outer[0]))
    ends = [f"end_{x}" for x in outer]
    listed, listed_ends = ", ".join(state), ", ".join([*state, *ends])
    arguments = f"({listed}, h{tail})"
    steps = [
        _define(f"begin{arguments}", [flow(outer_flow, inner), *move(outer, signs[0], repr(method.outer[0])), f"return ({listed})"]),
        _define(f"step{arguments}", [*middle, *merge, f"return ({listed})"]),
        _define(f"stored_step{arguments}", [*middle, *move(outer, signs[0], repr(method.outer[-1]), "end_"), *merge, f"return ({listed_ends})"]),
    ]  # fmt: skip
    step, stored_step = f"{listed} = step{arguments}", f"{listed_ends} = stored_step{arguments}"
    source = {x: f"end_{x}" if x in outer else x for x in state}  # where the variable is at a whole step
    start = [
        *[f"{x} = {x[0]}_in[i, {x[1:]}]" for x in state],
        *[f"{x[0]}_out[i, 0, {x[1:]}] = {x}" for x in state],
    ]
    start += [f"{listed} = begin{arguments}"]

    one = [
        *start,
        *[f"{e} = {x}" for e, x in zip(ends, outer, strict=True)],
        "for s in range(1, q_out.shape[1]):",
        *_indent(["for n in range(save_every):", *_indent([stored_step])]),
        *_indent(f"{x[0]}_out[i, s, {x[1:]}] = {source[x]}" for x in state),
    ]
    is_long = formulas.count("\n") > _LONG
    unroll, chains = (1, 1) if is_long else (max(1, _UNROLL // m), _CHAINS)
    load, keep = [f"{x} = s_{x}[l]" for x in state], [f"s_{x}[l] = {x}" for x in [*state, *ends]]
    write_block = [
        f"scatter(flat_{x[0]}, (begin_at*times + s)*{dof} + {x[1:]}, times*{dof}, s_{source[x]})"
        for x in state
    ]
    write_part = [f"{x[0]}_out[begin_at + l, s, {x[1:]}] = s_{source[x]}[l]" for x in state]
    saves = [
        f"for n in range(save_every // {unroll}):",
        *_indent(_interleaved([*load, *[step] * (unroll - 1), stored_step, *keep], chains)),
    ]
    if unroll > 1:
        saves += [
            f"for n in range(save_every % {unroll}):",
            *_indent(_interleaved([*load, stored_step, *keep], chains)),
        ]
    saves += [
        f"if begin_at + {LANES} <= last:",
        *_indent(write_block),
        "else:",
        *_indent(["for l in range(last - begin_at):", *_indent(write_part)]),
    ]
    first = ["i = min(begin_at + l, last - 1)", *start, *[f"s_{x}[l] = {x}" for x in state]]
    block = [
        "times, flat_q, flat_p = q_out.shape[1], q_out.reshape(q_out.size), p_out.reshape(p_out.size)",
        *[f"s_{x} = np.empty({LANES})" for x in [*state, *ends]],
        f"for begin_at in range(first, last, {LANES}):",
        *_indent(
            [f"for l in range({LANES}):", *_indent(first), "for s in range(1, times):", *_indent(saves)]
        ),
    ]
    return "\n\n".join(
        [
            f"WIDTH = {LANES // chains}",
            *steps,
            _define(f"one(q_in, p_in, q_out, p_out, i, h, save_every{tail})", one, "compiled"),
            _define(
                f"block(q_in, p_in, q_out, p_out, first, last, h, save_every, width{tail})", block, "compiled"
            ),
        ]
    )


def _interleaved(body: list[str], chains: int) -> list[str]:
    """A loop over the lanes of one chain whose body does every line for all chains in turn."""

    def for_chain(line: str, c: int) -> str:
        return _LOCALS.sub(rf"\1_{c}", line).replace("[l]", f"[l + {c * LANES // chains}]")

    return ["for l in range(width):", *_indent(for_chain(line, c) for line in body for c in range(chains))]


def _sampling_source(formulas: str, H: Hamiltonian) -> str:
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
    return _define(f"propose(q, p, u, h, beta, steps{k_tail})", body, "compiled")


def _define(signature: str, body: list[str], decorator: str = "inlined") -> str:
    return "\n".join([f"@{decorator}", f"def {signature}:", *_indent(body)]) + "\n"


def _indent(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
