"""Drawings of trajectories; matplotlib is imported on use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from hamsym.arguments import integer
from hamsym.errors import ParameterError
from hamsym.files import save_figure

if TYPE_CHECKING:
    from hamsym.numeric.section import PoincareSection
    from hamsym.numeric.trajectories import Trajectories


def draw(
    of: Trajectories,
    kind: str,
    ax: Any,
    *,
    dof: int,
    trajectories: int,
    surface: str | sp.Expr | None,
    path: str | os.PathLike[str] | None,
) -> Any:
    """Draw trajectories and return the axes; arguments and errors as of :meth:`hamsym.Trajectories.plot`."""
    from matplotlib import pyplot

    shown = slice(integer("trajectories", trajectories, minimum=1))
    names = [s.name for s in of.hamiltonian.space.variables]
    count = of.q.shape[-1]
    kinds = ("phase", "energy", *(("configuration", "section") if count > 1 else ()))
    if kind not in kinds:
        raise ParameterError(f"kind is one of {', '.join(kinds)}, not {kind!r}")
    i = integer("dof", dof, maximum=count - 1 - (kind == "configuration"))
    ax = ax if ax is not None else pyplot.subplots()[1]
    if kind == "section":
        _section(of, shown, names[0] if surface is None else surface).plot(ax=ax)
    else:
        y = of.energy_error[shown] if kind == "energy" else (of.p[shown, :, i] if kind == "phase" else of.q[shown, :, i + 1])  # fmt: skip
        x = np.broadcast_to(of.t, y.shape) if kind == "energy" else of.q[shown, :, i]
        labels = {"phase": (names[i], names[count + i]), "energy": ("t", "relative change of energy")}
        ax.plot(x.T, y.T, lw=0.8)
        xlabel, ylabel = labels.get(kind, tuple(names[i : i + 2]))
        ax.set(xlabel=xlabel, ylabel=ylabel)
    if path is not None:
        save_figure(ax.figure, path)
    return ax


def _section(of: Trajectories, shown: slice, surface: str | sp.Expr) -> PoincareSection:
    from hamsym.numeric.section import poincare_section

    steps = round((of.t[-1] - of.t[0]) / of.dt)
    return poincare_section(
        of.hamiltonian, of.q[shown, 0], of.p[shown, 0], of.dt, steps, surface=surface, method=of.method,
        parameters=of.parameters, t0=float(of.t[0]),
    )  # fmt: skip
