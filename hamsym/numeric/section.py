"""Poincaré sections: where trajectories cross a surface, located to round-off."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from hamsym.arguments import integer, real
from hamsym.errors import NonFiniteError, ParameterError, did_you_mean
from hamsym.files import save_figure
from hamsym.numeric.arguments import initial_states
from hamsym.numeric.cache import Kernels
from hamsym.numeric.codegen import parameter_values
from hamsym.numeric.implicit import ImplicitKernels
from hamsym.numeric.methods import Method, method_for
from hamsym.numeric.stepping import fill, fill_one, kernel_arguments, stepping_kernels
from hamsym.numeric.values import value_function
from hamsym.symbolic.formula.text import to_text
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.sums import has_sums

if TYPE_CHECKING:
    import pandas

#: Numbers held at once while crossings are looked for.
_HELD = 4_000_000
_DIRECTIONS = (-1, 0, 1)
#: The search for a crossing ends when it moves by less than this part of a step, or after so many tries.
_RESOLUTION, _ITERATIONS = 1e-15, 60


@dataclass(frozen=True, repr=False, eq=False)
class PoincareSection:
    """Crossings of a surface, from :func:`poincare_section`; in the order of trajectories, then of time.

    Attributes:
        hamiltonian: the Hamiltonian.
        surface: the function whose zeros are the surface.
        trajectory: index of the trajectory of each crossing, int64, shape ``(n,)``.
        t: time of each crossing, shape ``(n,)``.
        q, p: state at each crossing, shape ``(n, dof)``.
    """

    hamiltonian: Hamiltonian
    surface: sp.Expr
    trajectory: np.ndarray
    t: np.ndarray
    q: np.ndarray
    p: np.ndarray

    def __len__(self) -> int:
        return len(self.t)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with the columns ``trajectory``, ``time`` and the coordinates and momenta by name."""
        import pandas

        names = [s.name for s in self.hamiltonian.space.variables]
        states = np.concatenate([self.q, self.p], axis=1)
        columns = {"trajectory": self.trajectory, "time": self.t}
        return pandas.DataFrame(columns | dict(zip(names, states.T, strict=True)))

    def plot(
        self,
        x: str | None = None,
        y: str | None = None,
        ax: Any = None,
        *,
        path: str | os.PathLike[str] | None = None,
    ) -> Any:
        """Draw the crossings, coloured by trajectory, and return the matplotlib axes.

        Arguments:
            x, y: names of a coordinate or momentum; default the last coordinate and its momentum.
            ax: axes to draw on; a new figure without.
            path: where to save the figure, if anywhere; its ending says in which format.

        Raises:
            ParameterError: for a name that the space does not have.
        """
        from matplotlib import pyplot

        space = self.hamiltonian.space
        names = [s.name for s in space.variables]
        x, y = x or space.coordinates[-1].name, y or space.momenta[-1].name
        for name in (x, y):
            if name not in names:
                raise ParameterError(f"there is no variable {name!r}{did_you_mean(str(name), names)}")
        states = np.concatenate([self.q, self.p], axis=1)
        ax = ax if ax is not None else pyplot.subplots()[1]
        ax.scatter(states[:, names.index(x)], states[:, names.index(y)], c=self.trajectory, s=1, cmap="turbo")
        ax.set(xlabel=x, ylabel=y)
        if path is not None:
            save_figure(ax.figure, path)
        return ax

    def __repr__(self) -> str:
        crossed = len(np.unique(self.trajectory))
        return (
            f"PoincareSection: {len(self)} crossings of {to_text(self.surface)} = 0 by {crossed} trajectories"
        )


def poincare_section(
    H: Hamiltonian,
    q0: ArrayLike,
    p0: ArrayLike,
    dt: float,
    steps: int,
    *,
    surface: str | sp.Expr,
    direction: int = 1,
    method: str | Method = "auto",
    parameters: Mapping[str, float] | None = None,
    t0: float = 0.0,
) -> PoincareSection:
    """Collect the states at which trajectories cross a surface.

    A crossing is a change of sign within one step.  It is located by steps of the same method from the state before it, of
    the length at which the surface function vanishes; two crossings within one step are not seen.

    Arguments:
        H, q0, p0, dt, steps, method, parameters, t0: as for :func:`hamsym.simulate`.
        surface: a function of the state, and of time if the space has one; the surface is where it vanishes.
        direction: 1 for crossings where the function grows along the run, -1 where it falls, 0 for both.

    Returns:
        :class:`PoincareSection`.

    Raises:
        NonFiniteError: if a trajectory leaves the finite numbers; ``partial`` holds all crossings before that and those of
            the others.
        NotSeparableError, ParameterError, ShapeError, FormulaError: as :func:`hamsym.simulate`.

    Source:
        Hénon, "On the numerical computation of Poincaré maps", Physica D 5 (1982) 412, for the last step.

    Example:
        >>> from hamsym import PhaseSpace
        >>> H = Hamiltonian("(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2", PhaseSpace.standard(2))
        >>> section = poincare_section(H, [1.0, 0.0], [0.0, 0.5], dt=0.1, steps=200, surface="q1")
        >>> len(section), (section.t / np.pi).round(6).tolist(), bool(abs(section.q[:, 0]).max() < 1e-14)
        (3, [1.5, 3.5, 5.5], True)
    """
    scheme = method_for(H, method)
    function = H.space.written(getattr(surface, "written", surface))
    if not has_sums(function) and not function.free_symbols & {*H.space.variables, H.space.time}:
        raise ParameterError(
            f"the surface {to_text(function)} = 0 has no variable in it; pass for example surface='q1'"
        )
    if direction not in _DIRECTIONS or isinstance(direction, bool):
        raise ParameterError(f"direction is -1, 0 or 1, not {direction!r}")
    dt, t0, steps = real("dt", dt), real("t0", t0), integer("steps", steps, minimum=1)
    if dt == 0:
        raise ParameterError("dt is not zero; negative steps run backward")
    q, p = initial_states(q0, p0, len(H.space.coordinates))
    values = parameter_values(H.space, parameters, used=[H.written, function])
    k = kernel_arguments(H, scheme, values)
    kernels, g = stepping_kernels(H, scheme, work=len(q) * steps), value_function(function, H.space)
    found: list[tuple[np.ndarray, ...]] = []
    chunk = int(np.clip(_HELD // q.size, 1, steps))
    lost: tuple[int, float] | None = None
    done = 0
    while done < steps:
        n = min(chunk, steps - done)
        out_q, out_p = np.empty((2, len(q), n + 1, q.shape[1]))
        start = t0 + dt * done
        fill(kernels, (q, p, out_q, out_p), 0, len(q), start, dt, 1, k)
        t = start + dt * np.arange(n + 1)
        height = g(out_q, out_p, values, t)
        up = (height[:, :-1] < 0) & (height[:, 1:] >= 0) & (direction >= 0)
        down = (height[:, :-1] > 0) & (height[:, 1:] <= 0) & (direction <= 0)
        index, step = np.nonzero(up | down)
        before = out_q[index, step], out_p[index, step], t[step]
        found.append(
            (
                index,
                *_locate(kernels, g, values, k, dt, *before, height[index, step], height[index, step + 1]),
            )
        )
        finite = np.isfinite(out_q.sum(-1) + out_p.sum(-1))
        if lost is None and not finite[:, -1].all():
            first = int(np.argmin(finite[:, -1]))
            lost = first, float(t[np.argmin(finite[first])])
        q, p = np.ascontiguousarray(out_q[:, -1]), np.ascontiguousarray(out_p[:, -1])
        done += n
    index, *rest = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((rest[0] * np.sign(dt), index))
    section = PoincareSection(H, function, index[order], *(column[order] for column in rest))
    if lost is not None:
        error = NonFiniteError(
            f"trajectory {lost[0]} left the finite numbers by t = {lost[1]:.6g}; take a smaller dt, or look for a singularity "
            "of H there; .partial of this error holds the crossings that were found",
            index=lost[0],
            time=lost[1],
        )
        error.partial = section
        raise error
    return section


def _locate(
    kernels: Kernels | ImplicitKernels,
    g: Any,
    values: dict[str, float],
    k: tuple[float, ...],
    dt: float,
    q: np.ndarray,
    p: np.ndarray,
    t: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time and state where g vanishes within one step from each state, by the Illinois form of false position."""
    out_q, out_p = np.empty((2, len(q), 2, q.shape[1]))
    length, active = np.full(len(q), dt), np.arange(len(q))
    other, g_other, g_last = np.zeros(len(q)), low.copy(), high.copy()
    for _ in range(_ITERATIONS):
        last = length[active]
        length[active] -= g_last[active] * (last - other[active]) / (g_last[active] - g_other[active])
        for i in active:
            fill_one(kernels, (q, p, out_q, out_p), int(i), t[i], length[i], 1, k)
        value = g(out_q[active, 1], out_p[active, 1], values, t[active] + length[active])
        between = value * g_last[active] < 0
        other[active] = np.where(between, last, other[active])
        g_other[active] = np.where(between, g_last[active], g_other[active] / 2)
        g_last[active] = value
        active = active[(value != 0) & (np.abs(length[active] - last) > _RESOLUTION * abs(dt))]
        if len(active) == 0:
            break
    return t + length, out_q[:, 1].copy(), out_p[:, 1].copy()
