"""What a simulation returns: states, energies, invariants, pictures."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from hamsym.errors import NonFiniteError, ParameterError
from hamsym.files import whole
from hamsym.numeric.arguments import integer
from hamsym.numeric.codegen import array_function, parameter_values
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.text import shorten, to_text

if TYPE_CHECKING:
    import xarray

    from hamsym.symbolic.symmetry import Generator

#: Kinds of file that :meth:`Trajectories.save` writes.
FILE_ENDINGS = (".npz", ".zarr")


@dataclass(frozen=True, repr=False, eq=False)
class Trajectories:
    """Trajectories of one Hamiltonian, from :func:`hamsym.simulate`.

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
            "Hamiltonian": shorten(self.hamiltonian.text, 200),
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
