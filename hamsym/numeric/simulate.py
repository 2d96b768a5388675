"""Trajectories of a Hamiltonian: ``simulate`` and what it returns."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from hamsym.errors import NonFiniteError, ParameterError, ShapeError
from hamsym.files import whole
from hamsym.numeric.arguments import integer, points, real
from hamsym.numeric.codegen import array_function, parameter_values
from hamsym.numeric.methods import Method, method_named
from hamsym.numeric.stepping import LANES, stepping_kernels
from hamsym.symbolic.formula import to_text
from hamsym.symbolic.hamiltonian import Hamiltonian

if TYPE_CHECKING:
    import xarray

    from hamsym.symbolic.symmetry import Generator

#: Kinds of file that :meth:`Trajectories.save` writes.
FILE_ENDINGS = (".npz", ".zarr")
#: Below this many trajectory steps a second thread costs more than it gives.
_STEPS_PER_THREAD = 200_000


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
    threads: int | None = None,
    progress: bool = False,
) -> Trajectories:
    """Integrate Hamilton's equations from many initial states at once.

    Arguments:
        H: a separable Hamiltonian, H = K(p) + U(q), without explicit time.
        q0: initial coordinates, shape ``(batch, dof)`` or ``(dof,)`` for one trajectory.
        p0: initial momenta, same shape.
        dt: time step; negative runs backward.
        steps: number of steps; those after the last stored state (``steps % save_every``) are not made.
        save_every: steps between stored states.
        method: a name from :func:`hamsym.methods`.
        parameters: value of each parameter in H by name.
        threads: how many; None takes all processors for large batches.  The bits do not depend on it.
        progress: show a progress bar.

    Returns:
        :class:`Trajectories` with ``time = steps // save_every + 1`` states each, the initial state first.

    Raises:
        NotSeparableError: if H is not of the form the method needs.
        FormulaError: if H contains functions without a formula, or the time.
        ShapeError, ParameterError, UnknownNameError: for bad arguments.
        NonFiniteError: if a state is or becomes NaN or infinite; ``error.partial`` holds all trajectories, in
            which the others are complete.

    Source:
        Hairer, Lubich, Wanner, Geometric Numerical Integration, chapter VI.3.

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
    scheme = method if isinstance(method, Method) else method_named(method)
    dt, save_every = real("dt", dt), integer("save_every", save_every, minimum=1)
    if dt == 0:
        raise ParameterError("dt is not zero; negative steps run backward")
    steps = integer("steps", steps, minimum=1)
    if steps < save_every:
        raise ParameterError(
            f"steps ({steps}) is at least save_every ({save_every}); nothing would be stored otherwise"
        )
    q, p = _initial_states(q0, p0, len(H.space.coordinates))
    values = parameter_values(H.space, parameters, used=[H.expr])
    workers = _thread_count(threads, len(q) * steps)
    kernels = stepping_kernels(H, scheme)

    time = steps // save_every + 1
    result = Trajectories(
        H,
        scheme.name,
        dt,
        values,
        dt * (save_every * np.arange(time)),
        *(np.empty((len(q), time, q.shape[1])) for _ in "qp"),
    )
    k = tuple(values.get(name, 0.0) for name in H.space.parameters)
    states = (q, p, result.q, result.p)

    def run(first: int, last: int) -> int:
        if last - first < 3:  # a block would compute sixteen
            for i in range(first, last):
                kernels.one(*states, i, dt, save_every, *k)
        else:
            kernels.block(*states, first, last, dt, save_every, kernels.WIDTH, *k)
        return last - first

    _run_all(run, _chunks(len(q), workers), workers, progress)
    result.require_finite()
    return result


@dataclass(frozen=True, repr=False, eq=False)
class Trajectories:
    """Trajectories of one Hamiltonian, from :func:`simulate`.

    Attributes:
        hamiltonian: the Hamiltonian.
        method: name of the integrator.
        dt: its step.
        parameters: name to value.
        t: times, shape ``(time,)``.
        q, p: states, float64, shape ``(batch, time, dof)``.
    """

    hamiltonian: Hamiltonian
    method: str
    dt: float
    parameters: dict[str, float]
    t: np.ndarray
    q: np.ndarray
    p: np.ndarray

    @property
    def energy(self) -> np.ndarray:
        """H along each trajectory, shape ``(batch, time)``."""
        return self.invariant(self.hamiltonian.expr)

    @property
    def energy_error(self) -> np.ndarray:
        """(H(t) - H(0)) / max(|H(0)|, 1) along each trajectory, shape ``(batch, time)``."""
        energy = self.energy
        return (energy - energy[:, :1]) / np.maximum(np.abs(energy[:, :1]), 1.0)

    def invariant(self, g: str | sp.Expr | Generator) -> np.ndarray:
        """Return the values of a phase-space function along each trajectory.

        Arguments:
            g: text, expression or Generator in the names of the Hamiltonian's space.

        Returns:
            float64 array of shape ``(batch, time)``.

        Raises:
            FormulaError: if g is not a formula of this space.
            ParameterError: if g needs a parameter that had no value.
        """
        space = self.hamiltonian.space
        expression = space.express(g)  # type: ignore[arg-type]
        parameter_values(space, self.parameters, used=[expression])
        return array_function(expression, space)(self.q, self.p, self.parameters)

    def require_finite(self) -> None:
        """Raise :class:`NonFiniteError` if a trajectory left the finite numbers."""
        # What is not finite stays so, hence the last state tells about all.
        lost = np.flatnonzero(~np.isfinite(self.q[:, -1] + self.p[:, -1]).all(-1))
        if len(lost) == 0:
            return
        i = int(lost[0])
        frame = int(np.argmin(np.isfinite(self.q[i] + self.p[i]).all(-1)))
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        error = NonFiniteError(
            f"trajectory {i}{more} left the finite numbers by t = {self.t[frame]:.6g} with dt = {self.dt:g} and parameters "
            f"{self.parameters}; it started at q = {self.q[i, 0].tolist()}, p = {self.p[i, 0].tolist()}. "
            "Take a smaller dt, or look for a singularity of H there; .partial of this error holds what was computed",
            index=i,
            time=float(self.t[frame]),
        )
        error.partial = self
        raise error

    def to_xarray(self) -> xarray.Dataset:
        """Return an xarray Dataset with q, p and energy, and the run's settings as attributes."""
        import xarray

        space = self.hamiltonian.space
        dims = ("trajectory", "time", "dof")
        return xarray.Dataset(
            {"q": (dims, self.q), "p": (dims, self.p), "energy": (dims[:2], self.energy)},
            coords={"time": self.t, "dof": [s.name for s in space.coordinates]},
            attrs={
                "hamiltonian": to_text(self.hamiltonian.expr),
                "momenta": [s.name for s in space.momenta],
                "method": self.method,
                "dt": self.dt,
                **{f"parameter_{n}": v for n, v in self.parameters.items()},
            },
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the trajectories to ``FILE.npz`` or, through xarray, to ``DIRECTORY.zarr``: whole or not at all.

        Raises:
            ParameterError: for another ending.
        """
        path = Path(path)
        if path.suffix not in FILE_ENDINGS:
            raise ParameterError(f"{path} has no known ending; use FILE.npz or DIRECTORY.zarr")
        with whole(path) as partial:
            if path.suffix == ".zarr":
                # format 3 has no settled form for the names of the degrees of freedom
                self.to_xarray().to_zarr(partial, zarr_format=2)
            else:
                np.savez(partial, t=self.t, q=self.q, p=self.p, energy=self.energy)
        return path

    def plot(self, kind: str = "phase", ax: Any = None, *, trajectories: int = 20) -> Any:
        """Draw trajectories and return the matplotlib axes.

        Arguments:
            kind: ``"phase"`` (p₁ over q₁), ``"configuration"`` (q₂ over q₁) or ``"energy"`` (relative error over t).
            ax: axes to draw on; a new figure without.
            trajectories: draw at most this many.

        Raises:
            ParameterError: for another kind, or ``"configuration"`` with one degree of freedom.
        """
        from matplotlib import pyplot

        shown = slice(integer("trajectories", trajectories, minimum=1))
        names = [s.name for s in self.hamiltonian.space.variables]
        dof = self.q.shape[-1]
        if kind == "phase":
            x, y, labels = self.q[shown, :, 0], self.p[shown, :, 0], (names[0], names[dof])
        elif kind == "configuration" and dof > 1:
            x, y, labels = self.q[shown, :, 0], self.q[shown, :, 1], (names[0], names[1])
        elif kind == "energy":
            y = self.energy_error[shown]
            x, labels = np.broadcast_to(self.t, y.shape), ("t", "relative energy error")
        else:
            raise ParameterError(
                f"kind is 'phase', 'energy' or, from two degrees of freedom on, 'configuration'; not {kind!r}"
            )
        ax = ax if ax is not None else pyplot.subplots()[1]
        ax.plot(x.T, y.T, lw=0.8)
        ax.set(xlabel=labels[0], ylabel=labels[1])
        return ax

    def __len__(self) -> int:
        return len(self.q)

    def _summary(self) -> dict[str, str]:
        batch, time, dof = self.q.shape
        return {
            "Hamiltonian": to_text(self.hamiltonian.expr)[:200],
            "states": f"{batch} trajectories × {time} times × {dof} degree(s) of freedom",
            "time": f"{self.t[0]:g} … {self.t[-1]:g}, {self.method} with dt = {self.dt:g}",
            "parameters": ", ".join(f"{n} = {v:g}" for n, v in self.parameters.items()) or "none",
            "largest relative energy error": f"{np.abs(self.energy_error).max():.2e}",
        }

    def __repr__(self) -> str:
        return "Trajectories\n" + "\n".join(f"  {name}: {value}" for name, value in self._summary().items())

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in self._summary().items()
        )
        return f"<table><caption>Trajectories</caption>{''.join(rows)}</table>"


def _initial_states(q0: ArrayLike, p0: ArrayLike, dof: int) -> tuple[np.ndarray, np.ndarray]:
    q, p = (_batch(name, value, dof) for name, value in (("q0", q0), ("p0", p0)))
    if q.shape != p.shape:
        raise ShapeError(
            f"q0 has the shape {q.shape} but p0 {p.shape}; give one momentum for each coordinate"
        )
    return q, p


def _batch(name: str, value: ArrayLike, dof: int) -> np.ndarray:
    try:
        array = np.atleast_2d(points(name, value, dof))
    except NonFiniteError as error:
        raise NonFiniteError(f"trajectory {error.index}: {error}", index=error.index, time=0.0) from None
    if array.ndim != 2:
        raise ShapeError(
            f"{name} has the shape {array.shape}; it is (batch, {dof}), or ({dof},) for one trajectory"
        )
    if len(array) == 0:
        raise ShapeError(f"{name} holds no trajectory; the batch must have at least one")
    return array


def _thread_count(threads: int | None, work: int) -> int:
    if threads is not None:
        return integer("threads", threads, minimum=1)
    return max(1, min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
                      work // _STEPS_PER_THREAD))  # fmt: skip


def _chunks(batch: int, workers: int) -> list[tuple[int, int]]:
    """Ranges of whole blocks, several for each thread so that they end together and progress can be shown."""
    blocks = -(-batch // LANES)
    size = max(1, blocks // (8 * workers)) * LANES
    return [(first, min(first + size, batch)) for first in range(0, batch, size)]


def _run_all(run: Any, chunks: Iterable[tuple[int, int]], workers: int, progress: bool) -> None:
    chunks = list(chunks)
    with _Bar(chunks[-1][1] if progress else None) as bar:
        if workers == 1 or len(chunks) == 1:
            for chunk in chunks:
                bar.update(run(*chunk))
            return
        bar.update(run(*chunks[0]))  # compiles once, before the threads start
        with ThreadPoolExecutor(workers) as pool:
            for future in as_completed([pool.submit(run, *chunk) for chunk in chunks[1:]]):
                bar.update(future.result())


class _Bar:
    """A tqdm bar over trajectories, or nothing."""

    def __init__(self, total: int | None) -> None:
        self._bar: Any = None
        if total is not None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="trajectory")

    def update(self, n: int) -> None:
        if self._bar is not None:
            self._bar.update(n)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
