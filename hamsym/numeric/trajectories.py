"""What a simulation returns: states, energies, invariants, pictures."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from hamsym.errors import NonFiniteError, ParameterError
from hamsym.files import whole
from hamsym.numeric.codegen import depends_on_time, parameter_values
from hamsym.numeric.drift import relative_change, size_of_terms
from hamsym.numeric.plots import draw
from hamsym.numeric.values import value_function
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.hamiltonian import Hamiltonian

if TYPE_CHECKING:
    import pandas
    import xarray

    from hamsym.symbolic.symmetry.generator import Generator

#: So many parameters and coordinates are shown.
_MANY = 12
#: Kinds of file that :meth:`Trajectories.save` writes.
FILE_ENDINGS = (".npz", ".zarr")


@dataclass(frozen=True, repr=False, eq=False)
class Trajectories:
    """Trajectories of one Hamiltonian, from :func:`hamsym.simulate`.

    Attributes:
        hamiltonian: the Hamiltonian.
        method: name of the integrator.
        automatic: whether it was chosen by ``method="auto"``.
        dt: its step.
        parameters: name to value.
        t: times, float64, shape ``(time,)``.
        q, p: states, float64, shape ``(batch, time, dof)``.
        compensated, strict: as they were given to :func:`hamsym.simulate`.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace, simulate
        >>> H = Hamiltonian("p1**2/2 + q1**2/2", PhaseSpace.standard(1))
        >>> t = simulate(H, [[1.0], [2.0]], [[0.0], [0.0]], dt=0.1, steps=20, save_every=10)
        >>> len(t), t.q.shape, t.energy[:, 0], bool(abs(t.energy_error).max() < 0.01)
        (2, (2, 3, 1), array([0.5, 2. ]), True)
    """

    hamiltonian: Hamiltonian
    method: str
    dt: float
    parameters: dict[str, float]
    t: np.ndarray
    q: np.ndarray
    p: np.ndarray
    automatic: bool = False
    compensated: bool = False
    strict: bool = False

    @property
    def energy(self) -> np.ndarray:
        """H along each trajectory, at its time, shape ``(batch, time)``."""
        return self.invariant(self.hamiltonian.written)

    @property
    def energy_error(self) -> np.ndarray:
        """(H(t) - H(0)) / |H(0)| along each trajectory, shape ``(batch, time)``, guarded as in :meth:`drift`.

        It is an error only where H does not depend on time; elsewhere the energy itself changes.
        """
        return self.drift(self.hamiltonian.written)

    def invariant(self, g: str | sp.Expr | Generator) -> np.ndarray:
        """Return the values of a phase-space function along each trajectory.

        Arguments:
            g: text, expression or Generator in the names of the Hamiltonian's space.

        Returns:
            float64 array of shape ``(batch, time)``.

        Raises:
            FormulaError: if g is not a formula of this space.
            ParameterError: if g needs a parameter that had no value.

        Example:
            >>> from hamsym import simulate, systems
            >>> kepler = systems["kepler"]
            >>> t = simulate(kepler.hamiltonian, [1.0, 0.0], [0.0, 1.0], 0.01, 100, parameters={"k": 1.0})
            >>> momentum = t.invariant("q1*p2 - q2*p1")
            >>> momentum.shape, bool(abs(momentum - 1).max() < 1e-13)
            ((1, 101), True)
        """
        space = self.hamiltonian.space
        expression = space.written(getattr(g, "written", g))
        parameter_values(space, self.parameters, used=[expression])
        return value_function(expression, space)(self.q, self.p, self.parameters, self.t)

    def drift(self, g: str | sp.Expr | Generator) -> np.ndarray:
        """Return the relative drift (g(t) - g(0)) / |g(0)| of a phase-space function along each trajectory.

        Where the terms of g cancel at first, to less than a hundredth of the sum of their absolute values (a parabolic
        orbit, a total momentum of zero), it is relative to a hundredth of that sum instead; where all vanish, absolute.
        So it does not depend on units.

        Arguments:
            g: as for :meth:`invariant`.

        Returns:
            float64 array of shape ``(batch, time)``.

        Raises:
            FormulaError, ParameterError: as :meth:`invariant`.

        Example:
            >>> from hamsym import simulate, systems
            >>> kepler = systems["kepler"]
            >>> t = simulate(kepler.hamiltonian, [1.0, 0.0], [0.0, 1.0], 0.01, 100, parameters={"k": 1.0})
            >>> bool(abs(t.drift("q1*p2 - q2*p1")).max() < 1e-13)
            True
        """
        expression = self.hamiltonian.space.written(getattr(g, "written", g))
        values = self.invariant(expression)
        size = value_function(size_of_terms(expression), self.hamiltonian.space)
        return relative_change(values, size(self.q[:, :1], self.p[:, :1], self.parameters, self.t[:1]))

    def require_finite(self) -> None:
        """Check that every state is finite.

        Raises:
            NonFiniteError: if a trajectory left the finite numbers; names the first, and holds all as ``partial``.
        """
        # What is not finite stays so, hence the last state tells about all.
        lost = np.flatnonzero(~np.isfinite(self.q[:, -1] + self.p[:, -1]).all(-1))
        if len(lost) == 0:
            return
        i = int(lost[0])
        frame = int(np.argmin(np.isfinite(self.q[i] + self.p[i]).all(-1)))
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        error = NonFiniteError(
            f"trajectory {i}{more} left the finite numbers by t = {self.t[frame]:.6g} with dt = {self.dt:g} and parameters "
            f"{_first(self.parameters)}; it started at q = {_listed(self.q[i, 0])}, p = {_listed(self.p[i, 0])}. "
            "Take a smaller dt, for stiff forces method='gauss6' (an implicit method gives up only where it cannot solve its "
            "equations), or look for a singularity of H there; .partial of this error holds what was computed",
            index=i,
            time=float(self.t[frame]),
        )
        error.partial = self
        raise error

    @property
    def settings(self) -> dict[str, Any]:
        """How the trajectories were made, in types that JSON knows: formula, names, method, step, parameters."""
        space = self.hamiltonian.space
        return {
            "hamiltonian": self.hamiltonian.text,
            "coordinates": [s.name for s in space.coordinates],
            "momenta": [s.name for s in space.momenta],
            "method": self.method,
            "dt": self.dt,
            "compensated": self.compensated,
            "strict": self.strict,
            "parameters": dict(self.parameters),
        }

    def to_xarray(self) -> xarray.Dataset:
        """Return an xarray Dataset with q, p and energy, and the run's settings as attributes.

        Returns:
            a Dataset with the dimensions ``trajectory``, ``time`` and ``dof``; the value of a parameter m is the
            attribute ``parameter_m``.

        Example:
            >>> from hamsym import simulate, systems
            >>> t = simulate(systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=5)
            >>> dict(t.to_xarray().sizes)
            {'trajectory': 1, 'time': 6, 'dof': 2}
        """
        import xarray

        settings = self.settings
        names, parameters = settings.pop("coordinates"), settings.pop("parameters")
        dims = ("trajectory", "time", "dof")
        return xarray.Dataset(
            {"q": (dims, self.q), "p": (dims, self.p), "energy": (dims[:2], self.energy)},
            coords={"time": self.t, "dof": names},
            attrs=settings | {f"parameter_{n}": v for n, v in parameters.items()},
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas DataFrame with a row for each trajectory and time.

        Returns:
            a DataFrame with the columns ``trajectory``, ``time``, the coordinates and momenta by name, and ``energy``;
            ``attrs`` holds the run's settings.

        Example:
            >>> from hamsym import simulate, systems
            >>> t = simulate(systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=5)
            >>> t.to_pandas().columns.tolist()
            ['trajectory', 'time', 'q1', 'q2', 'p1', 'p2', 'energy']
        """
        import pandas

        batch, time, _ = self.q.shape
        columns = {"trajectory": np.repeat(np.arange(batch), time), "time": np.tile(self.t, batch)}
        states = np.concatenate([self.q, self.p], axis=-1).reshape(batch * time, -1)
        names = [s.name for s in self.hamiltonian.space.variables]
        frame = pandas.DataFrame(
            columns | dict(zip(names, states.T, strict=True)) | {"energy": self.energy.ravel()}
        )
        frame.attrs = self.settings
        return frame

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the trajectories to ``FILE.npz`` or, through xarray, to ``DIRECTORY.zarr``: whole or not at all.

        An ``.npz`` file holds t, q, p, energy and ``settings``, one string of JSON with the formula, the names, the
        method, the step and the parameters.  A ``.zarr`` directory holds :meth:`to_xarray`.

        Arguments:
            path: where to write; what is there is replaced.

        Returns:
            The path.

        Raises:
            ParameterError: for another ending.

        Example:
            >>> import json, tempfile
            >>> from hamsym import simulate, systems
            >>> t = simulate(systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=5)
            >>> with tempfile.TemporaryDirectory() as folder, np.load(t.save(Path(folder) / "run.npz")) as saved:
            ...     saved["q"].shape, json.loads(str(saved["settings"]))["method"]
            ((1, 6, 2), 'leapfrog')
        """
        path = Path(path)
        if path.suffix not in FILE_ENDINGS:
            raise ParameterError(f"{path} has no known ending; use FILE.npz or DIRECTORY.zarr")
        with whole(path) as partial:
            if path.suffix == ".zarr":
                # format 3 has no settled form for the names of the degrees of freedom
                self.to_xarray().to_zarr(partial, zarr_format=2)
            else:
                np.savez(
                    partial,
                    t=self.t,
                    q=self.q,
                    p=self.p,
                    energy=self.energy,
                    settings=json.dumps(self.settings),
                )
        return path

    def plot(
        self,
        kind: str = "phase",
        ax: Any = None,
        *,
        dof: int = 0,
        trajectories: int = 20,
        surface: str | sp.Expr | None = None,
        path: str | os.PathLike[str] | None = None,
    ) -> Any:
        """Draw trajectories and return the matplotlib axes.

        Arguments:
            kind: ``"phase"`` (p over q of one degree of freedom), ``"configuration"`` (the next coordinate over that of
                ``dof``), ``"energy"`` (relative error over t) or ``"section"``: where the trajectories cross a surface, located
                by :func:`hamsym.poincare_section` from their initial states.
            ax: axes to draw on; a new figure without.
            dof: the degree of freedom, from 0.
            trajectories: draw at most this many.
            surface: of a section, the function that vanishes there; default the first coordinate.
            path: file to save the figure to, as well.

        Returns:
            The axes; their ``.figure`` is the figure.

        Raises:
            ParameterError: for another kind, or ``"configuration"`` and ``"section"`` with one degree of freedom.

        Example:
            >>> from matplotlib.figure import Figure
            >>> from hamsym import simulate, systems
            >>> t = simulate(systems["henon_heiles"].hamiltonian, [0.1, 0.0], [0.0, 0.1], dt=0.1, steps=5)
            >>> t.plot("configuration", Figure().subplots()).get_xlabel()
            'q1'
        """
        return draw(self, kind, ax, dof=dof, trajectories=trajectories, surface=surface, path=path)

    @property
    def _energy_label(self) -> str:
        changes = depends_on_time(self.hamiltonian)
        return (
            "largest relative change of the energy, which is driven"
            if changes
            else "largest relative energy error"
        )

    def __len__(self) -> int:
        return len(self.q)

    def _summary(self) -> dict[str, str]:
        batch, time, dof = self.q.shape
        chosen = f"{self.method} (chosen automatically)" if self.automatic else self.method
        return {
            "Hamiltonian": shorten(self.hamiltonian.text, 200),
            "states": f"{batch} trajectories × {time} times × {dof} degree(s) of freedom",
            "time": f"{self.t[0]:g} … {self.t[-1]:g}, {chosen} with dt = {self.dt:g}",
            "parameters": _shown(self.parameters) or "none",
            self._energy_label: f"{np.abs(self.energy_error).max():.2e}",
        }

    def __repr__(self) -> str:
        return "Trajectories\n" + "\n".join(f"  {name}: {value}" for name, value in self._summary().items())

    def _repr_html_(self) -> str:
        rows = (
            f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in self._summary().items()
        )
        return f"<table><caption>Trajectories</caption>{''.join(rows)}</table>"


def _listed(numbers: np.ndarray) -> str:
    """Numbers in brackets, the first of them where there are many."""
    more = f", … ({len(numbers)} numbers)" if len(numbers) > _MANY else ""
    return "[" + ", ".join(map(repr, numbers[:_MANY].tolist())) + more + "]"


def _first(parameters: dict[str, float]) -> str:
    """The mapping, as Python writes it, of the first parameters where there are many."""
    more = f" … ({len(parameters)} parameters)" if len(parameters) > _MANY else ""
    return f"{dict(list(parameters.items())[:_MANY])}{more}"


def _shown(parameters: dict[str, float]) -> str:
    """Names and values of parameters, the first of them where there are many."""
    more = f", … ({len(parameters)} parameters)" if len(parameters) > _MANY else ""
    return ", ".join(f"{n} = {v:g}" for n, v in list(parameters.items())[:_MANY]) + more
