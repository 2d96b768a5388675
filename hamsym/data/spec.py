"""What a data set shall hold: a spec that is checked when it is made, and read from a file without running any code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.arguments import integer, real, shown
from hamsym.data.distributions import Distribution
from hamsym.data.initial import InitialStates, initial_states
from hamsym.data.rendering import Renderer
from hamsym.data.source import Source
from hamsym.data.systems import System
from hamsym.data.textfile import read_mapping
from hamsym.errors import ParameterError, did_you_mean
from hamsym.numeric.methods import method_for
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Bytes of one chunk; compressors take no more than two gigabytes, and a shard is held in memory several times.
_LARGEST_CHUNK = 1 << 30


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Everything that determines a data set of trajectories; the same spec gives the same numbers.

    Arguments:
        system: a name in ``hamsym.systems``; ``{"name": "nbody", "n": 8}`` for one that has sizes; or a formula,
            ``{"hamiltonian": "p1**2/2 + k*q1**4", "coordinates": "q1", "momenta": "p1", "parameters": {"k":
            "positive"}, "integrals": []}``.  A system of the catalogue or a Hamiltonian is taken by what it says.
        trajectories: how many.
        steps: steps of each; the time is ``steps * dt``.
        dt: time step.
        save_every: steps between stored states.
        method: a name from ``hamsym.methods()``, or ``"auto"``, which is kept as the name of what it chose.
        seed: of everything that is drawn.
        shard: trajectories in one shard, the unit of work and of storage; the numbers do not depend on it.
        parameters: name to value or distribution, ``{"k": 1.0, "m": {"loguniform": [0.5, 2]}}``; what is not named has
            the catalogue's usual value.  Distributions: ``uniform``, ``loguniform`` ([low, high]), ``normal`` ([mean,
            sd]), ``choice`` ([a, b, …]).
        initial: None for the system's own initial states; a value or distribution for every variable by name (``q`` and
            ``p`` stand for all coordinates and momenta, with one for all or a list), or an energy shell: ``{"energy": 0.1, "box": [-1, 1]}``, uniform
            on the energy surface above the box; ``{"energy": 0.1}``, own states with momenta scaled to that energy; or
            ``{"beta": 1.0}``, the canonical measure exp(-βH), with ``hottest`` and ``warmup`` of
            :func:`hamsym.sample_boltzmann` (:mod:`hamsym.data.initial` gives the measures).
        noise: standard deviation of independent normal noise; with it, ``q_observed`` and ``p_observed`` are stored
            beside the clean q and p.
        splits: name to fraction, summing to one, ``{"train": 0.8, "test": 0.2}``, or to numbers of trajectories; whole
            trajectories are assigned.
        render: None, True, a number of pixels, or the options of :class:`hamsym.data.rendering.Renderer`
            (``{"extent": 1.5, "size": 32}``): images of the configuration.

    Raises:
        ParameterError: for a value that does not fit; names it.
        UnknownNameError: for an unknown system or method, with a suggestion.
        FormulaError, SpaceError: for a formula that is refused.
        NotSeparableError: for a method that does not apply to the Hamiltonian; names those that do.

    Example:
        >>> spec = DatasetSpec(system="henon_heiles", trajectories=200, steps=400, dt=0.02, save_every=40)
        >>> spec.shards, spec.times, DatasetSpec.from_dict(spec.to_dict()) == spec
        (2, 11, True)
    """

    system: str | Mapping[str, Any] | System | Hamiltonian
    trajectories: int
    steps: int
    dt: float
    save_every: int = 1
    method: str = "leapfrog"
    seed: int = 0
    shard: int = 100
    parameters: Mapping[str, Any] | None = None
    initial: Mapping[str, Any] | None = None
    noise: float = 0.0
    splits: Mapping[str, float] | None = None
    render: Mapping[str, Any] | bool | int | None = None

    def __post_init__(self) -> None:
        def keep(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in ("trajectories", "steps", "save_every", "shard"):
            keep(name, integer(name, getattr(self, name), minimum=1))
        keep("seed", integer("seed", self.seed))
        keep("dt", real("dt", self.dt))
        if self.dt == 0:
            raise ParameterError("dt is not zero; negative steps run backward")
        if self.steps < self.save_every:
            raise ParameterError(f"steps ({self.steps}) is at least save_every ({self.save_every})")
        if not isinstance(self.method, str):
            raise ParameterError(f"method is a name from hamsym.methods(), not {shown(self.method)}")
        keep("noise", real("noise", self.noise))
        if self.noise < 0:
            raise ParameterError(f"noise is a standard deviation, at least 0, not {self.noise:g}")
        if isinstance(self.render, bool):
            keep("render", {} if self.render else None)
        elif isinstance(self.render, int):
            keep("render", {"size": self.render})
        for name in ("parameters", "initial", "splits", "render"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Mapping):
                raise ParameterError(f"{name} is a mapping or None, not {shown(value)}")
        keep("system", self.source.to_dict())
        keep("method", method_for(self.source.hamiltonian, self.method).name)
        keep("parameters", {n: d.to_dict() for n, d in self.parameter_distributions.items() if n in (self.parameters or {})} or None)  # fmt: skip
        keep("initial", self.initial_states.to_dict())
        keep("splits", self._checked_splits())
        keep("render", None if self.renderer is None else self.renderer.to_dict())

        self._require_chunk()

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> DatasetSpec:
        """Return the spec of a mapping such as a file holds.

        Raises:
            ParameterError: for a key that no spec has, with the closest one, or one that is missing.

        Example:
            >>> DatasetSpec.from_dict({"system": "pendulum", "trajectories": 2, "step": 10, "dt": 0.1})
            Traceback (most recent call last):
            hamsym.errors.ParameterError: a spec has no key 'step'; did you mean 'steps'?
        """
        if not isinstance(given, Mapping):
            raise ParameterError(f"a spec is a mapping of names to values, not {shown(given)}")
        names = {f.name for f in fields(cls)}
        for key in given:
            if key not in names:
                raise ParameterError(f"a spec has no key {key!r}{did_you_mean(str(key), names)}")
        missing = [n for n in ("system", "trajectories", "steps", "dt") if n not in given]
        if missing:
            raise ParameterError(f"the spec lacks {', '.join(missing)}")
        return cls(**given)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> DatasetSpec:
        """Read a spec from a ``.yaml``, ``.yml`` or ``.json`` file; nothing in the file is run.

        Raises:
            ParameterError: if it cannot be read, is of another kind, or holds what a spec does not.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = Path(folder) / "spec.yaml"
            ...     _ = path.write_text("system: pendulum\\ntrajectories: 3\\nsteps: 100\\ndt: 1e-2\\n")
            ...     DatasetSpec.from_file(path).dt
            0.01
        """
        try:
            return cls.from_dict(read_mapping(Path(path)))
        except ParameterError as error:
            raise type(error)(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the spec in types that JSON knows; :meth:`from_dict` gives it back."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __reduce__(self) -> tuple[Any, ...]:
        return DatasetSpec.from_dict, (self.to_dict(),)

    @cached_property
    def source(self) -> Source:
        """The system: Hamiltonian, integrals, usual parameters."""
        return Source.of(self.system)

    @cached_property
    def parameter_distributions(self) -> dict[str, Distribution]:
        """The value or distribution of every parameter, in the order in which the space declares them."""
        space, given = self.source.hamiltonian.space, dict(self.parameters or {})
        for name in given:
            if name not in space.parameters:
                hint = did_you_mean(str(name), space.parameters) or "; this system has none"
                raise ParameterError(f"parameters: there is no parameter {name!r}{hint}")
        values = {**self.source.parameters, **given}
        return {n: Distribution.of(f"parameters: {n}", values[n]) for n in space.parameters if n in values}

    @cached_property
    def initial_states(self) -> InitialStates:
        """What draws an initial state."""
        alike = all(d.is_constant for d in self.parameter_distributions.values())
        return initial_states(self.initial, self.source, alike=alike)

    @cached_property
    def renderer(self) -> Renderer | None:
        """What draws images, if there shall be any."""
        given = self.render
        return Renderer.of(given, self.source.hamiltonian.space) if isinstance(given, Mapping) else None

    @property
    def times(self) -> int:
        """Stored states of each trajectory, the initial one included."""
        return self.steps // self.save_every + 1

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.trajectories // self.shard)

    def split_of_each(self) -> np.ndarray | None:
        """Return the name of the split of each trajectory, shape ``(trajectories,)``; None without splits.

        Each split has its fraction of the trajectories, rounded so that all are used; which ones is drawn from the
        seed, alike for every shard size.
        """
        if not self.splits:
            return None
        counts = self._split_counts(self.splits)
        names = np.repeat(list(counts), list(counts.values()))
        # a stream of its own: trajectories have one-number keys
        order = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, 0)))
        return names[order.permutation(self.trajectories)]

    def _require_chunk(self) -> None:
        dof = len(self.source.hamiltonian.space.coordinates)
        pixels = self.renderer.size**2 if self.renderer else 0
        size = self.shard * self.times * max(8 * dof, pixels)
        if size > _LARGEST_CHUNK:
            raise ParameterError(
                f"a shard of {self.shard} trajectories would have {size / 1e9:.3g} GB in one array; take a smaller shard, at "
                f"most {self.shard * _LARGEST_CHUNK // size}, or a larger save_every"
            )

    def _split_counts(self, splits: Mapping[str, float]) -> dict[str, int]:
        exact = {name: self.trajectories * fraction for name, fraction in splits.items()}
        counts = {name: int(x + 1e-9) for name, x in exact.items()}
        by_rest = sorted(exact, key=lambda name: counts[name] - exact[name])
        for name in by_rest[: self.trajectories - sum(counts.values())]:
            counts[name] += 1
        return counts

    def _checked_splits(self) -> dict[str, float] | None:
        if self.splits is None:
            return None
        splits = {}
        given, counts = self.splits, list(self.splits.values())
        if all(type(n) is int and n > 0 for n in counts) and sum(counts) == self.trajectories > 1:
            given = {name: n / self.trajectories for name, n in given.items()}
        for name, fraction in given.items():
            if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", name):
                raise ParameterError(f"splits: {shown(name)} is no name such as 'train'")
            splits[name] = real(f"splits: {name}", fraction, above=0.0, maximum=1.0)
        if abs(sum(splits.values()) - 1) > 1e-9:
            raise ParameterError(f"splits: the fractions sum to {sum(splits.values()):g}, not to 1")
        for name, count in self._split_counts(splits).items():
            if count == 0:
                raise ParameterError(f"splits: {name!r} gets none of the {self.trajectories} trajectories")
        return splits
