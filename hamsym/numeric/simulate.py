"""Trajectories of a Hamiltonian, many at once."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from hamsym.arguments import integer, real
from hamsym.errors import ParameterError
from hamsym.numeric.arguments import initial_states
from hamsym.numeric.codegen import parameter_values
from hamsym.numeric.methods import Method, method_for
from hamsym.numeric.stepping import BLOCK, fill, kernel_arguments, stepping_kernels
from hamsym.numeric.threads import run_in_threads, shares, worker_count
from hamsym.numeric.trajectories import Trajectories
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Steps of trajectories of each Hamiltonian that were asked for so far.
_MADE: WeakKeyDictionary[Hamiltonian, int] = WeakKeyDictionary()


def simulate(
    H: Hamiltonian,
    q0: ArrayLike,
    p0: ArrayLike,
    dt: float,
    steps: int,
    *,
    save_every: int = 1,
    method: str | Method = "leapfrog",
    parameters: Mapping[str, float] | None = None,
    t0: float = 0.0,
    compensated: bool = False,
    strict: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> Trajectories:
    """Integrate Hamilton's equations from many initial states at once.

    Arguments:
        H: the Hamiltonian, of the form that the method needs; it may depend on time.
        q0: initial coordinates, shape ``(batch, dof)`` or ``(dof,)`` for one trajectory.
        p0: initial momenta, same shape.
        dt: time step; negative runs backward.
        steps: number of steps; those after the last stored state (``steps % save_every``) are not made.
        save_every: steps between stored states.
        method: a name from :func:`hamsym.methods`, ``"rk1"`` to ``"rk4"``, or ``"auto"`` for one of order six that applies to H; the result
            says which.
        parameters: value of each parameter in H by name.
        t0: the time of the initial states.
        compensated: carry the rounding error of every addition along (Kahan's summation), for very long runs.
        strict: compute with the operations of IEEE arithmetic and the functions of the C library as the formula has them,
            as a plain program would.  Otherwise products and sums are fused, and elementary functions and inverse roots are our
            own, which is faster and no less accurate.  Either way the bits depend neither on the batch nor on threads.
        threads: how many; None takes all processors for large batches.  The bits do not depend on it.
        progress: show a progress bar, if the output is a terminal.

    Returns:
        :class:`Trajectories` with ``time = steps // save_every + 1`` states each, the initial state first.

    Raises:
        NotSeparableError: if H is not of the form the method needs.
        FormulaError: if H contains functions without a formula.
        ShapeError, ParameterError, UnknownNameError: for bad arguments.
        NonFiniteError: if a state is or becomes NaN or infinite; ``error.partial`` holds all trajectories, in
            which the others are complete.

    Source:
        Hairer, Lubich, Wanner, Geometric Numerical Integration, chapters VI.3 and VIII.5.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace
        >>> H = Hamiltonian("p1**2/2 + k*q1**2/2", PhaseSpace.standard(1, parameters={"k": "positive"}))
        >>> trajectories = simulate(H, [[1.0]], [[0.0]], dt=0.01, steps=100, save_every=50, parameters={"k": 1})
        >>> trajectories.q.shape, trajectories.t
        ((1, 3, 1), array([0. , 0.5, 1. ]))
        >>> bool(abs(trajectories.q[0, -1, 0] - np.cos(1.0)) < 1e-5)
        True
    """
    if not isinstance(H, Hamiltonian):
        raise ParameterError(
            f"H is a hamsym.Hamiltonian, not {type(H).__name__}; write Hamiltonian(formula, space)"
        )
    scheme = method_for(H, method)
    dt, t0, save_every = real("dt", dt), real("t0", t0), integer("save_every", save_every, minimum=1)
    if dt == 0:
        raise ParameterError("dt is not zero; negative steps run backward")
    steps = integer("steps", steps, minimum=1)
    if steps < save_every:
        raise ParameterError(
            f"steps ({steps}) is at least save_every ({save_every}); nothing would be stored otherwise"
        )
    q, p = initial_states(q0, p0, len(H.space.coordinates))
    values = parameter_values(H.space, parameters, used=[H.written])
    work = len(q) * steps
    components = work * scheme.evaluations * q.shape[1]
    workers = worker_count(threads, components)
    kernels = stepping_kernels(
        H,
        scheme,
        work=_made_with(H, work),
        save_every=save_every,
        compensated=bool(compensated),
        strict=bool(strict),
    )

    time = steps // save_every + 1
    try:
        # one piece of memory: the system keeps it for the next call where two would be given back and cleared again
        all_q, all_p = np.empty((2, len(q), time, q.shape[1]))
    except (MemoryError, ValueError):
        size = 16 * len(q) * time * q.shape[1] / 1e9
        raise ParameterError(
            f"the result would take {size:.3g} GB; raise save_every or take fewer trajectories"
        ) from None
    t = t0 + dt * (save_every * np.arange(time))
    result = Trajectories(
        H, scheme.name, dt, values, t, all_q, all_p,
        automatic=method == "auto", compensated=bool(compensated), strict=bool(strict),
    )  # fmt: skip
    k = kernel_arguments(H, scheme, values)
    states = (q, p, result.q, result.p)

    def run(first: int, last: int) -> None:
        fill(kernels, states, first, last, t0, dt, save_every, k)

    if workers > 1:  # compile now: an empty range does nothing else
        scratch = np.empty(kernels.SCRATCH)
        kernels.block(*states, scratch, 0, 0, t0, dt, save_every, kernels.WIDTH, *k)
    ranges = shares(len(q), workers, BLOCK if kernels.WIDTH > 1 else 1)
    run_in_threads(run, ranges, workers, progress, work=components)
    result.require_finite()
    return result


def _made_with(H: Hamiltonian, steps: int) -> int:
    """Count so many steps more, and return the count: many small runs deserve the faster code as one large one does."""
    _MADE[H] = _MADE.get(H, 0) + steps
    return _MADE[H]
