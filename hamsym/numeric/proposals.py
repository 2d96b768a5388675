"""The loops of Hamiltonian Monte Carlo: leapfrog steps of many lanes at different temperatures."""

from __future__ import annotations

from hamsym.errors import FormulaError
from hamsym.numeric.cache import Kernels
from hamsym.numeric.codegen import Arguments, depends_on_time, separable_source
from hamsym.numeric.generated import identity, kernels_of
from hamsym.numeric.lanes import define, indent
from hamsym.numeric.loops import LaneByLane, room_of, runs_in_loops, sampling_loops
from hamsym.numeric.meanings import meanings
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Coordinates up to which sampling knows masses that are no diagonal matrix.
DENSE = 16
#: Lanes side by side.
_LANES = 16


def sampling_kernels(H: Hamiltonian) -> Kernels | LaneByLane:
    """Return the compiled loops of Hamiltonian Monte Carlo for a separable Hamiltonian.

    Returns:
        An object with ``propose(q, p, w, is_dense, u, h, beta, steps, *k)``, which moves every lane of ``q``, ``p`` (``(dof,
        lanes)``) in place by ``steps`` leapfrog steps of size ``h[lane]`` under pᵀwp/2 + beta[lane] U and leaves U in ``u``;
        with ``steps=0`` it only evaluates U.  If not ``is_dense``, which more than ``DENSE`` coordinates cannot be, only the
        diagonal of ``w``, ``(dof, dof)``, counts.  In loops there is no ``w`` (:class:`LaneByLane`): there it is K + beta[lane] U.

    Raises:
        NotSeparableError: if H is not K(p) + U(q).
        FormulaError: if H depends on time, or cannot be turned into numbers.
    """
    if depends_on_time(H):
        raise FormulaError(
            f"the Hamiltonian depends on the time {H.space.time}, so there is no density exp(-βU) to sample; "
            "put in a fixed time"
        )

    if runs_in_loops(H):
        return LaneByLane(Kernels((*identity(H), "sampling in loops"), lambda: sampling_loops(H)), room_of)

    def write() -> str:
        source = _sampling_source(H)
        return f"{meanings(source, gaps=False)}\n\n{source}"

    return kernels_of(H, "sampling with masses", write)


def _sampling_source(H: Hamiltonian) -> str:
    names = Arguments.of(H.space)
    state, k = [*names.q, *names.p], ", ".join(names.k)
    k_tail = f", {k}" if k else ""
    g = ", ".join(f"g{i}" for i in range(len(names.q)))
    force = f"{g}, = force({', '.join(names.q)}{k_tail})"
    # exp(-βU) is the same for any kinetic energy: this one, pᵀwp/2, is fitted to U; in many coordinates w is diagonal
    drift = [
        f"{x} = fma(h[i]*w[{n}, {n}], {y}, {x})"
        for n, (x, y) in enumerate(zip(names.q, names.p, strict=True))
    ]
    dense = []
    for n, x in enumerate(names.q if len(names.q) <= DENSE else ()):
        dense += [
            "v = 0.0",
            *[f"v = fma(w[{n}, {m}], {y}, v)" for m, y in enumerate(names.p)],
            f"{x} = fma(h[i], v, {x})",
        ]
    half = [force, *[f"{x} = fma(-0.5*h[i]*beta[i], g{n}, {x})" for n, x in enumerate(names.p)]]
    full = [force, *[f"{x} = fma(-h[i]*beta[i], g{n}, {x})" for n, x in enumerate(names.p)]]
    load = [f"{x} = {x[0]}[{x[1:]}, i]" for x in state]
    keep = [f"{x[0]}[{x[1:]}, i] = {x}" for x in state]

    def lanes(body: list[str]) -> list[str]:
        return [f"for i in range(begin, min(begin + {_LANES}, u.size)):", *indent(body)]

    def moved(kick: list[str]) -> list[str]:
        if not dense:
            return lanes([*load, *kick, *drift, *keep])
        # the force is written once, for it takes long to compile
        ways = [
            "if is_dense:",
            *indent(lanes([*load, *dense, *keep])),
            "else:",
            *indent(lanes([*load, *drift, *keep])),
        ]
        return [*lanes([*load, *kick, *keep]), *ways]

    body = [
        f"for begin in range(0, u.size, {_LANES}):",
        *indent(
            [
                "if steps > 0:",
                *indent(moved(half)),
                "for n in range(steps - 1):",
                *indent(moved(full)),
                "if steps > 0:",
                *indent(lanes([*load, *half, *keep])),
                *lanes([*load, f"u[i] = potential({', '.join(names.q)}{k_tail})"]),
            ]
        ),
    ]
    loops = define(f"propose(q, p, w, is_dense, u, h, beta, steps{k_tail})", body, "compiled")
    return f"{separable_source(H)}\n\n{loops}"
