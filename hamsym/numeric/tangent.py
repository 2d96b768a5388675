"""The tangent map of a trajectory, and its Lyapunov exponents.

Small deviations (δq, δp) move by the Hamiltonian Σ δqᵢ ∂H/∂qᵢ + δpᵢ ∂H/∂pᵢ on a space where δp belongs to q and p to δq.
It separates where H does, and a method applied to it gives the exact derivative of the same method applied to H: so the
kernels that step states step deviations too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from hamsym.arguments import integer, real
from hamsym.errors import NonFiniteError, ParameterError
from hamsym.numeric.arguments import initial_states
from hamsym.numeric.codegen import parameter_values
from hamsym.numeric.loops import runs_in_loops
from hamsym.numeric.methods import Method, method_for
from hamsym.numeric.simulate import simulate
from hamsym.numeric.stepping import fill, kernel_arguments, stepping_kernels
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.space import Space
from hamsym.symbolic.sums.expansion import outermost_sums


@cache
def tangent_hamiltonian(H: Hamiltonian) -> Hamiltonian:
    """Return the Hamiltonian of a trajectory together with a deviation from it.

    Returns:
        A Hamiltonian with the coordinates (q, δq) and the momenta (δp, p), in this order; δx is called ``delta_x``.

    Raises:
        NotSeparableError: on a Lie–Poisson space.

    Example:
        >>> tangent_hamiltonian(Hamiltonian("p1**2/2 + q1**4/4", PhaseSpace.standard(1)))
        Hamiltonian('delta_p1*p1 + delta_q1*q1**3', PhaseSpace(q=(q1, delta_q1), p=(delta_p1, p1)))
    """
    space = H.space
    prefix = "delta_"
    while any(f"{prefix}{s}" in space.symbols for s in space.variables):
        prefix += "_"
    q, p = ([s.name for s in of] for of in (space.coordinates, space.momenta))
    known = space.assumptions
    kinds = {n: known[n] for n in space.parameters}
    kinds |= {s.name: known[s.name] for s in space.variables if known[s.name] != "real"}
    time = None if space.time is None else space.time.name
    doubled = PhaseSpace(
        [*q, *(prefix + n for n in q)], [*(prefix + n for n in p), *p], parameters=kinds, time=time
    )
    splits = H.is_separable or not space.momenta
    if runs_in_loops(H):
        expression = H.written_kinetic + H.written_potential if splits else H.written
        return Hamiltonian(_growth(expression, space, prefix), doubled)
    expression = H.kinetic + H.potential if splits else H.expr
    terms = [doubled.symbols[prefix + s.name] * derivative(expression, s) for s in space.variables]
    return Hamiltonian(sum(terms), doubled)


def _growth(expression: sp.Expr, space: Space, prefix: str) -> sp.Expr:
    """The derivative of a formula with sums along the deviation, whose variables have the prefix."""
    if isinstance(expression, sp.Sum):
        return expression.func(_growth(expression.function, space, prefix), *expression.limits)
    leaves: list[sp.Expr] = [*outermost_sums(expression)]
    outside = expression.xreplace(dict.fromkeys(leaves, sp.Integer(1)))
    leaves += sorted(outside.atoms(sp.Indexed), key=sp.default_sort_key)
    leaves += sorted(outside.free_symbols & set(space.variables), key=sp.default_sort_key)
    signs = ["positive" if e.is_positive else "real" for e in leaves]
    stand_ins = {
        e: sp.Symbol(f"Leaf {n}", **{sign: True})
        for n, (e, sign) in enumerate(zip(leaves, signs, strict=True))
    }
    plain = expression.xreplace(stand_ins)
    growth = []
    for e, symbol in stand_ins.items():
        if isinstance(e, sp.Sum):
            grown = _growth(e, space, prefix)
        elif isinstance(e, sp.Indexed):
            label = e.base.label.name
            if next(iter(space.families.find(label, len(e.indices)).places.values()))[0] == "k":
                continue
            grown = sp.IndexedBase(prefix + label)[e.indices]
        else:
            grown = sp.Symbol(prefix + e.name)
        growth.append(plain.diff(symbol) * grown)
    back = {symbol: e for e, symbol in stand_ins.items()}
    return sp.Add(*growth).xreplace(back)


def tangent_map(
    H: Hamiltonian,
    q0: ArrayLike,
    p0: ArrayLike,
    dt: float,
    steps: int,
    *,
    save_every: int = 1,
    method: str | Method = "auto",
    parameters: Mapping[str, float] | None = None,
    t0: float = 0.0,
    threads: int | None = None,
) -> np.ndarray:
    """Return the derivative of the state at later times by the initial state.

    Arguments:
        H, q0, p0, dt, steps, save_every, method, parameters, t0, threads: as for :func:`hamsym.simulate`, whose
            trajectories these are the derivatives of.

    Returns:
        Jacobians ∂(q, p)(t)/∂(q, p)(0), float64, shape ``(batch, time, 2 dof, 2 dof)``, coordinates first; symplectic to
        round-off for symplectic methods.

    Raises:
        NonFiniteError: if a trajectory or its deviations leave the finite numbers.
        NotSeparableError, ParameterError, ShapeError, FormulaError: as :func:`hamsym.simulate`.

    Source:
        Hairer, Lubich, Wanner, Geometric Numerical Integration, section VI.4.

    Example:
        >>> H = Hamiltonian("p1**2/2 + q1**2/2", PhaseSpace.standard(1))
        >>> jacobian = tangent_map(H, [1.0], [0.0], dt=0.1, steps=10)
        >>> jacobian.shape, bool(abs(jacobian[0, -1, 0] - [np.cos(1), np.sin(1)]).max() < 1e-9)
        ((1, 11, 2, 2), True)
    """
    scheme = method_for(H, method)
    n = len(H.space.coordinates)
    q, p = initial_states(q0, p0, n)
    coordinates, momenta = _with_deviations(q, p, np.broadcast_to(np.eye(2 * n), (len(q), 2 * n, 2 * n)))
    try:
        t = simulate(
            tangent_hamiltonian(H), coordinates, momenta, dt, steps, save_every=save_every, method=scheme,
            parameters=parameters, t0=t0, threads=threads,
        )  # fmt: skip
    except NonFiniteError as error:
        raise _lost(error.index or 0, 2 * n, error.time) from None
    deviations = np.concatenate([t.q[..., n:], t.p[..., :n]], axis=-1)
    return np.moveaxis(deviations.reshape(len(q), 2 * n, -1, 2 * n), 1, -1)


@dataclass(frozen=True, repr=False, eq=False)
class LyapunovSpectrum:
    """Lyapunov exponents of a batch of trajectories, from :func:`lyapunov_spectrum`.

    Attributes:
        t: times at which the deviations were made orthonormal, shape ``(time,)``.
        running: mean growth rates up to these times, shape ``(batch, time, count)``.
        exponents: the rates over the whole time, largest first, shape ``(batch, count)``.
        change: how much these still changed in the second half of the time, same shape; shown after ±.
    """

    t: np.ndarray
    running: np.ndarray

    @property
    def exponents(self) -> np.ndarray:
        """The rates over the whole time, largest first, shape ``(batch, count)``."""
        return self.running[:, -1]

    @property
    def change(self) -> np.ndarray:
        """How much the rates still changed in the second half of the time; no bound, but far from it they mean nothing."""
        return np.abs(self.running[:, -1] - self.running[:, (self.running.shape[1] - 1) // 2])

    def plot(self, ax: Any = None, *, trajectory: int = 0) -> Any:
        """Draw the running rates of one trajectory over time and return the matplotlib axes."""
        from matplotlib import pyplot

        trajectory = integer("trajectory", trajectory, maximum=len(self.running) - 1)
        ax = ax if ax is not None else pyplot.subplots()[1]
        ax.plot(self.t, self.running[trajectory], lw=0.8)
        ax.set(xlabel="t", ylabel="mean growth rate")
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON."""
        return {"t": self.t.tolist(), "exponents": self.exponents.tolist(), "change": self.change.tolist()}

    def __repr__(self) -> str:
        shown = [
            f"  {i}: {', '.join(f'{x:+.4f}' for x in row)} (± {change.max():.1g} in the second half)"
            for i, (row, change) in enumerate(zip(self.exponents[:5], self.change[:5], strict=True))
        ]
        more = [f"  … {len(self.exponents) - 5} more"] if len(self.exponents) > 5 else []
        return "\n".join([f"LyapunovSpectrum up to t = {self.t[-1]:g}", *shown, *more])


def lyapunov_spectrum(
    H: Hamiltonian,
    q0: ArrayLike,
    p0: ArrayLike,
    dt: float,
    steps: int,
    *,
    count: int | None = None,
    renormalise_every: int = 20,
    method: str | Method = "auto",
    parameters: Mapping[str, float] | None = None,
    t0: float = 0.0,
) -> LyapunovSpectrum:
    """Measure how fast deviations from trajectories grow.

    Arguments:
        H, q0, p0, dt, method, parameters, t0: as for :func:`hamsym.simulate`.
        steps: number of steps; the error of an exponent falls no faster than 1/time.
        count: how many exponents, the largest ones; default all ``2 dof``.
        renormalise_every: steps after which the deviations are made orthonormal again.

    Returns:
        :class:`LyapunovSpectrum`.

    Raises:
        NonFiniteError: if a trajectory or its deviations leave the finite numbers.
        NotSeparableError, ParameterError, ShapeError, FormulaError: as :func:`hamsym.simulate`.

    Source:
        Benettin, Galgani, Giorgilli, Strelcyn, Meccanica 15 (1980) 9 and 21.

    Example:
        >>> saddle = Hamiltonian("p1**2/2 - q1**2/2", PhaseSpace.standard(1))
        >>> lyapunov_spectrum(saddle, [0.0], [0.0], dt=0.1, steps=2000).exponents.round(2)
        array([[ 1., -1.]])
    """
    scheme = method_for(H, method)
    dt, t0 = real("dt", dt), real("t0", t0)
    if dt == 0:
        raise ParameterError("dt is not zero; negative steps run backward")
    n = len(H.space.coordinates)
    count = 2 * n if count is None else integer("count", count, minimum=1, maximum=2 * n)
    every = integer("renormalise_every", renormalise_every, minimum=1)
    steps = integer("steps", steps, minimum=every)
    q, p = initial_states(q0, p0, n)
    values = parameter_values(H.space, parameters, used=[H.written])
    k = kernel_arguments(tangent_hamiltonian(H), scheme, values)
    kernels = stepping_kernels(tangent_hamiltonian(H), scheme, work=len(q) * count * steps)
    # directions without a special place, or parts of H that do not interact would keep to theirs
    generic = np.linalg.qr(np.random.default_rng(1).standard_normal((count, 2 * n)).T)[0].T
    frames = np.broadcast_to(generic, (len(q), count, 2 * n))
    grown, running = np.zeros((len(q), count)), []
    ends = t0 + dt * every * np.arange(steps // every + 1)
    out_q, out_p = np.empty((2, len(q) * count, 2, 2 * n))
    for start in ends[:-1]:
        coordinates, momenta = _with_deviations(q, p, frames)
        fill(kernels, (coordinates, momenta, out_q, out_p), 0, len(coordinates), start, dt, every, k)
        lost = ~np.isfinite(out_q[:, 1].sum(-1) + out_p[:, 1].sum(-1))
        if lost.any():
            raise _lost(int(np.argmax(lost)), count, start + dt * every)
        # all copies of a trajectory follow the first, lest rounding in an implicit method lead them apart
        q, p = out_q[::count, 1, :n].copy(), out_p[::count, 1, n:].copy()
        deviations = np.concatenate([out_q[:, 1, n:], out_p[:, 1, :n]], axis=-1).reshape(len(q), count, 2 * n)
        basis, triangle = np.linalg.qr(np.moveaxis(deviations, 1, 2))
        grown += np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2)))
        frames = np.moveaxis(basis, 2, 1)
        running.append(grown / abs(start + dt * every - t0))
    rates = np.stack(running, axis=1)
    largest_first = np.argsort(-rates[:, -1], axis=1, kind="stable")  # equal ones may end in either order
    return LyapunovSpectrum(ends[1:], np.take_along_axis(rates, largest_first[:, None], axis=2))


def _with_deviations(q: np.ndarray, p: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (q, δq) and momenta (δp, p) with a row for each deviation in ``frames``, ``(batch, count, 2 dof)``."""
    n, count = q.shape[1], frames.shape[1]
    rows = frames.reshape(-1, 2 * n)
    coordinates = np.concatenate([np.repeat(q, count, axis=0), rows[:, :n]], axis=1)
    return coordinates, np.concatenate([rows[:, n:], np.repeat(p, count, axis=0)], axis=1)


def _lost(row: int, count: int, time: float | None) -> NonFiniteError:
    index = row // count
    return NonFiniteError(
        f"trajectory {index} or its deviations left the finite numbers by t = {time:.6g}; take a smaller dt, a shorter time, or "
        "make the deviations orthonormal more often",
        index=index,
        time=time,
    )
