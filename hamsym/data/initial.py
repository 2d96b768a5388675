"""Initial states of a data set: the system's own, a distribution for each variable, an energy shell, or a temperature."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hamsym.arguments import integer, real, shown
from hamsym.data.distributions import Distribution
from hamsym.data.shells import Shell
from hamsym.data.source import Source
from hamsym.data.streams import BLOCK, STATES, Block
from hamsym.errors import ParameterError, SamplingError, did_you_mean
from hamsym.numeric.masses import momentum_law
from hamsym.numeric.sampling import sample_boltzmann

State = tuple[np.ndarray, np.ndarray]
#: Own states that are tried before none of the wanted energy counts as found.
_TRIES = 1000


class InitialStates(ABC):
    """What draws initial states."""

    def draw(self, block: Block, parameters: Sequence[Mapping[str, float]]) -> State:
        """Return q and p of the rows of a block, shape ``(rows, dof)``.

        Arguments:
            block: the trajectories.
            parameters: values of each of them.

        Raises:
            ParameterError: if a state cannot be drawn; names the trajectory.
        """
        states = []
        for member, row, values in zip(block.members, block.rows, parameters, strict=True):
            try:
                states.append(self.draw_one(block.stream(STATES, row), values))
            except ParameterError as error:
                raise ParameterError(f"trajectory {member}: {error}") from None
        return np.stack([q for q, _ in states]), np.stack([p for _, p in states])

    @abstractmethod
    def draw_one(self, rng: np.random.Generator, parameters: Mapping[str, float]) -> State:
        """Return q and p of one trajectory, shape ``(dof,)``."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any] | None:
        """Return it as a spec gives it."""


@dataclass(frozen=True, eq=False)
class OwnStates(InitialStates):
    """The initial states of the catalogue, for the parameter values of each trajectory.

    Attributes:
        source: the system.
        alike: whether all trajectories have the same values, so that a block can be drawn at once.
    """

    source: Source
    alike: bool

    def draw(self, block: Block, parameters: Sequence[Mapping[str, float]]) -> State:
        if not self.alike:
            return super().draw(block, parameters)
        assert self.source.own_states is not None
        q, p = self.source.own_states(BLOCK, block.seed, parameters[0])
        return q[list(block.rows)], p[list(block.rows)]

    def draw_one(self, rng: np.random.Generator, parameters: Mapping[str, float]) -> State:
        assert self.source.own_states is not None
        q, p = self.source.own_states(1, int(rng.integers(2**53)), parameters)
        return q[0], p[0]

    def to_dict(self) -> None:
        return None


@dataclass(frozen=True, eq=False)
class EachVariable(InitialStates):
    """Independent distributions of the variables, coordinates first."""

    variables: tuple[Distribution, ...]
    given: dict[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, Any], source: Source) -> EachVariable:
        space = source.hamiltonian.space
        names = [s.name for s in space.variables]
        groups = {"q": [s.name for s in space.coordinates], "p": [s.name for s in space.momenta]}
        groups = {key: members for key, members in groups.items() if key not in names}
        written: dict[str, Any] = {}
        for key, value in given.items():
            if key not in names and key not in groups:
                known = [*names, *groups, "energy"]
                raise ParameterError(f"initial: there is no variable {key!r}{did_you_mean(str(key), known)}")
            if key in groups and isinstance(value, list | tuple):
                members = groups[key]
                if len(value) != len(members):
                    raise ParameterError(
                        f"initial: {key} is one value or distribution for all, or a list of {len(members)}, not {shown(value)}"
                    )
                written |= dict(zip(members, value, strict=True))
            else:
                written[str(key)] = value
        found = {key: Distribution.of(f"initial: {key}", value) for key, value in written.items()}
        of_group = {name: found[key] for key, members in groups.items() if key in found for name in members}
        missing = [name for name in names if name not in found and name not in of_group]
        if missing:
            raise ParameterError(f"initial: {', '.join(missing[:8])} has no value or distribution")
        return cls(
            tuple(found.get(n) or of_group[n] for n in names), {key: d.to_dict() for key, d in found.items()}
        )

    def draw(self, block: Block, parameters: Sequence[Mapping[str, float]]) -> State:
        rng = block.stream(STATES)
        states = np.stack([d.draw(rng, BLOCK) for d in self.variables], axis=1)[list(block.rows)]
        return states[:, : len(self.variables) // 2], states[:, len(self.variables) // 2 :]

    def draw_one(self, rng: np.random.Generator, parameters: Mapping[str, float]) -> State:
        state = np.concatenate([d.draw(rng, 1) for d in self.variables])
        return state[: len(state) // 2], state[len(state) // 2 :]

    def to_dict(self) -> dict[str, Any]:
        return self.given


@dataclass(frozen=True, eq=False)
class _OnSurface(InitialStates):
    source: Source
    energy: Distribution
    _shells: dict[tuple[float, ...], Shell] = field(default_factory=dict, init=False)

    def _shell(self, parameters: Mapping[str, float]) -> Shell:
        key = tuple(parameters.values())
        if key not in self._shells:
            self._shells.clear()  # one is enough where parameters are constant, and many would not fit where not
            self._shells[key] = Shell.of(self.source.hamiltonian, parameters)
        return self._shells[key]

    def to_dict(self) -> dict[str, Any]:
        return {"energy": self.energy.to_dict()}


@dataclass(frozen=True, eq=False)
class ShellStates(_OnSurface):
    """The microcanonical measure of an energy, above a box of coordinates: see :mod:`hamsym.data.shells`."""

    box: dict[str, tuple[float, float]]

    def draw_one(self, rng: np.random.Generator, parameters: Mapping[str, float]) -> State:
        return self._shell(parameters).draw(
            float(self.energy.draw(rng, 1)[0]), np.array(list(self.box.values())), rng
        )

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "box": {name: list(ends) for name, ends in self.box.items()}}


@dataclass(frozen=True, eq=False)
class ScaledStates(_OnSurface):
    """The system's own initial states with momenta scaled to an energy.

    The measure is that of the own states, carried along; it is not the microcanonical one.  States whose potential is
    above the energy are drawn again; one at rest gets a random direction.
    """

    def draw_one(self, rng: np.random.Generator, parameters: Mapping[str, float]) -> State:
        assert self.source.own_states is not None
        shell, energy = self._shell(parameters), float(self.energy.draw(rng, 1)[0])
        for _ in range(_TRIES):
            q, p = (x[0] for x in self.source.own_states(1, int(rng.integers(2**53)), parameters))
            kinetic = energy - float(shell.potential(q))
            if kinetic >= 0:
                return q, shell.scaled(p, kinetic) if p.any() else shell.momentum(rng, len(p), kinetic)
        raise ParameterError(
            f"initial: none of {_TRIES} of the system's initial states has a potential below the energy {energy:g}"
        )


@dataclass(frozen=True, eq=False)
class BoltzmannStates(InitialStates):
    """The canonical measure exp(-βH) dq dp: coordinates by :func:`hamsym.sample_boltzmann`, momenta as the normal numbers they are.

    The chains run once for each block of trajectories whose parameters are alike, else once for each trajectory.

    Attributes:
        source: the system.
        alike: whether all trajectories have the same parameters.
        beta: inverse temperature.
        options: ``hottest`` and ``warmup`` of the chains, where they are given.
    """

    source: Source
    alike: bool
    beta: float
    options: dict[str, float]
    _latest: dict[int, State] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, given: Mapping[str, Any], source: Source, alike: bool) -> BoltzmannStates:
        options: dict[str, float] = {}
        for key, value in given.items():
            if key == "warmup":
                options[key] = integer("initial: warmup", value, minimum=20)
            elif key == "hottest":
                options[key] = real("initial: hottest", value, above=0.0, maximum=1.0)
            elif key != "beta":
                raise ParameterError(
                    f"initial has no key {key!r} beside 'beta'{did_you_mean(str(key), ('hottest', 'warmup'))}"
                )
        return cls(source, alike, real("initial: beta", given["beta"], above=0.0), options)

    def draw(self, block: Block, parameters: Sequence[Mapping[str, float]]) -> State:
        if not self.alike:
            return super().draw(block, parameters)
        if block.seed not in self._latest:  # the same for all shards that have trajectories of the block
            self._latest.clear()
            self._latest[block.seed] = self._sample(BLOCK, block.stream(STATES), parameters[0])
        q, p = self._latest[block.seed]
        return q[list(block.rows)], p[list(block.rows)]

    def draw_one(self, rng: np.random.Generator, parameters: Mapping[str, float]) -> State:
        q, p = self._sample(1, rng, parameters)
        return q[0], p[0]

    def _sample(self, n: int, rng: np.random.Generator, parameters: Mapping[str, float]) -> State:
        H, seed = self.source.hamiltonian, int(rng.integers(2**53))
        try:
            masses, mean = momentum_law(H, parameters)
            q = sample_boltzmann(H, n, beta=self.beta, seed=seed, parameters=parameters, **self.options)  # type: ignore[arg-type]
        except SamplingError as error:
            raise ParameterError(f"initial: beta: {error}") from error
        noise = rng.standard_normal((n, len(mean)))
        return np.asarray(q), mean + masses.momenta(noise.T).T / math.sqrt(self.beta)

    def to_dict(self) -> dict[str, Any]:
        return {"beta": self.beta, **self.options}


def initial_states(given: Mapping[str, Any] | None, source: Source, *, alike: bool) -> InitialStates:
    """Return what draws the initial states that a spec describes.

    Arguments:
        given: None, a distribution for each variable, an energy with or without a box, or an inverse temperature.
        source: the system.
        alike: whether all trajectories have the same parameter values.

    Raises:
        ParameterError: for names or values that do not fit the system.

    Example:
        >>> own = initial_states(None, Source.of("pendulum"), alike=True)
        >>> q, p = own.draw(Block.of(0, 0, [0, 5]), [{"m": 1.0, "l": 1.0, "g": 1.0}] * 2)
        >>> q.shape, own.to_dict() is None
        ((2, 1), True)
    """
    if given is None or ("energy" in given and "box" not in given):
        if source.own_states is None:
            raise ParameterError(
                "initial: a formula brings no initial states; give a distribution for every variable, or an energy and a box"
            )
        if given is None:
            return OwnStates(source, alike)
    names = [s.name for s in source.hamiltonian.space.variables]
    if "beta" in given and "beta" not in names:
        return BoltzmannStates.of(given, source, alike)
    if "energy" not in given:
        return EachVariable.of(given, source)
    for key in given:
        if key not in ("energy", "box"):
            raise ParameterError(f"initial has no key {key!r} beside 'energy'; only 'box'")
    energy = Distribution.of("initial: energy", given["energy"])
    if "box" not in given:
        return ScaledStates(source, energy)
    return ShellStates(source, energy, _box(given["box"], names[: len(names) // 2]))


def _box(given: Any, names: list[str]) -> dict[str, tuple[float, float]]:
    """Return low and high of every coordinate, from one pair for all or one for each name."""
    pairs = dict(given) if isinstance(given, Mapping) else dict.fromkeys(names, given)
    for name in pairs:
        if name not in names:
            raise ParameterError(
                f"initial: box: there is no coordinate {name!r}{did_you_mean(str(name), names)}"
            )
    box = {}
    for name in names:
        pair = pairs.get(name)
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ParameterError(f"initial: box: {name} is [low, high], not {shown(pair)}")
        low, high = (real(f"initial: box: {name}", x) for x in pair)
        if low >= high:
            raise ParameterError(f"initial: box: {name} is [low, high] with low < high, not {shown(pair)}")
        box[name] = (low, high)
    return box
