"""What a flow is built of: the modes of symmetry, the Hamiltonians and the encoder that each of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hamsym.arguments import integer
from hamsym.errors import ParameterError
from learn.arguments import MAX_NUMBERS
from learn.encoder import FrameEncoder, GaussianEncoder
from learn.leapfrog import SeparableHamiltonian
from learn.potentials import Features, RidgePotential

MODES = (None, "penalty", "features", "exact")
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

    Raises:
        ParameterError: for sizes that are not positive integers, or too large.

    Example:
        >>> Sizes(2, 8, 1, 64).weights
        9351
    """

    dim: int
    hamiltonians: int
    steps: int
    width: int

    def __post_init__(self) -> None:
        largest = {"dim": MAX_NUMBERS, "width": MAX_NUMBERS, "hamiltonians": MAX_LENGTH, "steps": MAX_LENGTH}
        for name, limit in largest.items():
            object.__setattr__(self, name, integer(name, getattr(self, name), minimum=1, maximum=limit))
        if self.weights > MAX_WEIGHTS:
            raise ParameterError(
                f"dim={self.dim}, hamiltonians={self.hamiltonians} and width={self.width} make {self.weights:.3g} "
                f"weights, more than the {MAX_WEIGHTS:.0e} that are allowed; choose a smaller width or fewer Hamiltonians"
            )

    @property
    def weights(self) -> int:
        """The number of weights, or a little more: invariants are at most as many as coordinates and their blocks."""
        inputs = self.dim + self.dim // 2
        potential = (inputs + 2) * self.width + 1
        outputs = 2 * self.dim + self.dim * (self.dim + 1) // 2
        encoder = (inputs + 1) * self.width + (self.width + 1) * (self.width + outputs)
        return self.hamiltonians * (2 * potential + 1) + encoder


def build_chain(
    sizes: Sizes, symmetry: str | None, blocks: Sequence[Sequence[int]], dt: float
) -> list[SeparableHamiltonian]:
    """Return the Hamiltonians of a flow, with random first weights.

    Arguments:
        sizes: of the flow.
        symmetry: its mode.
        blocks: sets of coordinates of which lengths are inputs of the potentials.
        dt: first value of each time step; it is trained where no constraint on {g, H} gives H a scale.

    Example:
        >>> len(build_chain(Sizes(2, 3, 1, 8), None, (), 0.25))
        3
    """
    rotated = {i for block in blocks for i in block}
    kept = [i for i in range(sizes.dim) if not (symmetry == "exact" and i in rotated)]

    def potential(curvature: float) -> RidgePotential:
        features = Features(sizes.dim, kept, blocks)
        return RidgePotential(sizes.dim, sizes.width, features=features, curvature=curvature)

    learn_dt = symmetry not in ("penalty", "features")
    return [
        SeparableHamiltonian(potential(0.0), potential(1.0), dt=dt, learn_dt=learn_dt)
        for _ in range(sizes.hamiltonians)
    ]


def build_encoder(
    sizes: Sizes, symmetry: str | None, blocks: Sequence[Sequence[int]]
) -> GaussianEncoder | FrameEncoder:
    """Return the encoder of a flow, with random first weights; equivariant in exact mode.

    Example:
        >>> type(build_encoder(Sizes(2, 3, 1, 8), None, ())).__name__
        'GaussianEncoder'
    """
    if symmetry == "exact":
        return FrameEncoder(sizes.dim, blocks, sizes.width)
    return GaussianEncoder(sizes.dim, sizes.width)
