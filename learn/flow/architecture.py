"""What a flow is built of: the modes of symmetry, the Hamiltonians and the encoder that each of them takes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError
from hamsym.symbolic.symmetry.generator import Generator
from learn.arguments import MAX_NUMBERS
from learn.encoder import (
    MAX_STRETCHES,
    Encoder,
    EquivariantEncoder,
    FrameEncoder,
    GaussianEncoder,
    PairEncoder,
    WideEncoder,
)
from learn.flow.features import Features
from learn.flow.kinetic import QuadraticEnergy
from learn.flow.leapfrog import SeparableHamiltonian
from learn.flow.potentials import AveragedPotential, RidgePotential
from learn.particles import PairPotential, Particles
from learn.symmetry.action import Rotations
from learn.symmetry.invariants import invariant_potentials

MODES = (None, "penalty", "features", "exact", "average", "augment")
#: Kinetic energies: a network, or |p|²/2.
KINETIC = ("learned", "fixed")
#: From so many coordinates on the encoder has one triangle for all points; a full one for each is d²/2 outputs.
WIDE = 9
MAX_WEIGHTS = 10**8
MAX_LENGTH = 10**4  # Hamiltonians, and steps of each


@dataclass(frozen=True)
class Sizes:
    """The sizes of a flow, checked.

    Attributes:
        dim: number of coordinates.
        hamiltonians: length of the chain.
        steps: leapfrog steps of each.
        width: units in each potential and in the encoder.
        kinetic: whether the kinetic energies are "learned" or "fixed".

    Raises:
        ParameterError: for another kind of kinetic energy, for sizes that are not positive integers, or too large.

    Example:
        >>> Sizes(2, 8, 1, 64).width
        64
    """

    dim: int
    hamiltonians: int
    steps: int
    width: int
    kinetic: str = "learned"

    def __post_init__(self) -> None:
        if self.kinetic not in KINETIC:
            raise ParameterError(f"kinetic is {' or '.join(map(repr, KINETIC))}, not {shown(self.kinetic)}")
        largest = {"dim": MAX_NUMBERS, "width": MAX_NUMBERS, "hamiltonians": MAX_LENGTH, "steps": MAX_LENGTH}
        for name, limit in largest.items():
            object.__setattr__(self, name, integer(name, getattr(self, name), minimum=1, maximum=limit))
        self.require_room(self.dim)

    def weights(self, inputs: int) -> int:
        """Return the number of weights, or a little more, of a flow whose potentials have so many inputs."""
        potential = (inputs + 2) * self.width + 1
        dim = self.dim
        free = 2 * dim + dim * (dim + 1) // 2 if dim < WIDE else 2 * dim
        outputs = max(free, (1 + MAX_STRETCHES) * (inputs + 2) + MAX_STRETCHES)
        encoder = (inputs + 1) * self.width + (self.width + 1) * (self.width + outputs)
        encoder += 2 * dim**2 if dim >= WIDE else 0
        return self.hamiltonians * ((2 if self.kinetic == "learned" else 1) * potential + 1) + encoder

    def require_room(self, inputs: int) -> None:
        """Refuse more weights than memory holds.

        Raises:
            ParameterError: if there are too many.
        """
        weights = self.weights(inputs)
        if weights > MAX_WEIGHTS:
            raise ParameterError(
                f"dim={self.dim}, hamiltonians={self.hamiltonians} and width={self.width} make {weights:.3g} "
                f"weights, more than the {MAX_WEIGHTS:.0e} that are allowed; choose a smaller width or fewer Hamiltonians"
            )


def build(
    sizes: Sizes,
    symmetry: str | None,
    generators: tuple[Generator, ...],
    dt: float,
    elements: int,
    context: int = 0,
    particles: Particles | None = None,
) -> tuple[list[SeparableHamiltonian], Encoder]:
    """Return the Hamiltonians and the encoder of a flow, with random first weights.

    Arguments:
        sizes: of the flow.
        symmetry: its mode.
        generators: of the symmetry; at least one for every mode but None.
        dt: first value of each time step; it is trained where no constraint on {g, H} gives H a scale.
        elements: group elements for each generator that potentials are averaged over, in mode "average".
        context: numbers that move the phases of all potentials and the first layer of the encoder.
        particles: bodies whose pairs have energies, in mode "exact".

    Raises:
        SymmetryError: if the mode cannot use a generator.
        ParameterError: for too many weights.

    Example:
        >>> chain, encoder = build(Sizes(2, 3, 1, 8), None, (), 0.25, 1)
        >>> len(chain), type(encoder).__name__
        (3, 'GaussianEncoder')
    """
    if particles is not None:
        sizes.require_room(max(particles.kinds) + 1)
        return _pairwise(sizes, particles, dt)
    features = _features(sizes, symmetry, generators)
    group = Rotations(generators).elements(elements) if symmetry == "average" else None

    def energy(curvature: float) -> RidgePotential:
        if group is not None:
            return AveragedPotential(sizes.dim, group, sizes.width, curvature=curvature, context=context)
        inputs = copy.deepcopy(features)
        return RidgePotential(sizes.dim, sizes.width, features=inputs, curvature=curvature, context=context)

    learn_dt = symmetry not in ("penalty", "features")
    chain = _chain(sizes, energy, dt, learn_dt)
    if symmetry != "exact":
        free = GaussianEncoder if sizes.dim < WIDE else WideEncoder
        return chain, free(sizes.dim, sizes.width, context)
    found = invariant_potentials(generators)
    if found.blocks is not None:
        return chain, FrameEncoder(sizes.dim, found.blocks, sizes.width, context)
    return chain, EquivariantEncoder(sizes.dim, found, sizes.width, context)


def _pairwise(sizes: Sizes, particles: Particles, dt: float) -> tuple[list[SeparableHamiltonian], Encoder]:
    def energy(curvature: float) -> RidgePotential:
        return PairPotential(particles, sizes.width, curvature=curvature)

    return _chain(sizes, energy, dt), PairEncoder(particles, sizes.width)


def _chain(
    sizes: Sizes, energy: Callable[[float], RidgePotential], dt: float, learn_dt: bool = True
) -> list[SeparableHamiltonian]:
    """Hamiltonians of energies with a first curvature: 0 of a potential, 1 of a kinetic energy, so that states move."""

    def kinetic(potential: RidgePotential) -> RidgePotential | QuadraticEnergy:
        return (
            energy(1.0) if sizes.kinetic == "learned" else QuadraticEnergy(copy.deepcopy(potential.features))
        )

    potentials = (energy(0.0) for _ in range(sizes.hamiltonians))
    return [SeparableHamiltonian(u, kinetic(u), dt=dt, learn_dt=learn_dt) for u in potentials]


def _features(sizes: Sizes, symmetry: str | None, generators: tuple[Generator, ...]) -> Features:
    """The inputs of the potentials: invariants, in mode "features" beside all coordinates."""
    dim = sizes.dim
    if symmetry not in ("features", "exact"):
        sizes.require_room(dim)
        return Features.of(dim, range(dim))
    found = invariant_potentials(generators)
    inputs = found.inputs()
    exact = symmetry == "exact"
    sizes.require_room(len(inputs.frames) + (len(inputs.linear) if exact else dim))
    if found.blocks is not None:
        rotated = {i for block in found.blocks for i in block}
        return Features.of(dim, [i for i in range(dim) if not (exact and i in rotated)], found.blocks)
    if exact:
        return Features(inputs.linear, inputs.frames, found.translations)
    return Features(np.eye(dim), inputs.frames)
