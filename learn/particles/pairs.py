"""Energies of pairs: potentials that see nothing but distances between bodies, alike for pairs of one kind.

Source: Köhler, Klein, Noé, *Equivariant Flows*, arXiv 2006.02425, move particles by kernels of their distances; here
these are the forces of a potential, so that leapfrog with them keeps volume without any trace.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from learn.flow.features import Features
from learn.flow.potentials import RidgePotential
from learn.particles.bodies import Particles

#: Distances are smoothed below this share of the unit of length.
SMOOTHING = 0.2
#: Standard deviation of the first frequencies, in inverse units.
FREQUENCY = 2.0


class PairLengths(Features):
    """The smoothed distances of all pairs, at which every unit of a potential looks one by one.

    To whom asks, there is one input; a batch of points with P pairs is P times as many inputs, of shape
    (batch · P, 1).  So kernels and formulas for potentials of one input serve for sums over pairs.

    Arguments:
        particles: the bodies.
        smoothing: ε in √(|x_i − x_j|² + ε²), in the unit of x.

    Example:
        >>> lengths = PairLengths(Particles(3, 1), smoothing=0.0)
        >>> lengths(torch.tensor([[0.0, 1.0, 3.0]])).flatten()
        tensor([1., 3., 2.])
    """

    def __init__(self, particles: Particles, smoothing: float = SMOOTHING) -> None:
        super().__init__(*_frames(particles), smoothing=smoothing)
        self.pairs, self.size = len(particles.pairs), 1

    def forward(self, x: Tensor) -> Tensor:
        """Return the distances, of shape (batch · pairs, 1), for x of shape (batch, dim)."""
        return self.lengths(x).reshape(-1, 1)

    def pull(self, x: Tensor, cotangent: Tensor) -> Tensor:
        """Return the gradient with respect to x of a function with gradient ``cotangent`` in the distances."""
        return super().pull(x, cotangent.reshape(*x.shape[:-1], self.pairs))


def _frames(particles: Particles) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """No linear functions, x_i − x_j for each pair, and the directions of translations."""
    unit = np.eye(particles.dimensions)
    frames = [np.kron(row[None], unit) for row in particles.incidence.T]
    return np.zeros((0, particles.dim)), frames, particles.translations


class PairPotential(RidgePotential):
    """U(x) = Σ_{i<j} φ(r_ij) + k |x − x̄|²/2 with φ(r) = −Σ_k w_k cos(W_k r + b_k), one φ for each kind of pair.

    r_ij is the distance √(|x_i − x_j|²/u² + ε²) in units u, and x̄ the mean of all bodies, so U is invariant under
    translations, rotations and reflections of all bodies and under exchanges of identical ones, whatever the weights.
    The force between two bodies lies along their difference and is bounded.

    Arguments:
        particles: the bodies.
        width: number of units of each φ.
        curvature: first value of k, learned.
        smoothing: ε.

    Shapes: x is (batch, dim); ``value`` is (batch,), ``gradient`` is (batch, dim).

    Example:
        >>> U = PairPotential(Particles(3, 2), 8)
        >>> x = torch.randn(5, 3, 2)
        >>> torch.allclose(U.value(x.flatten(1)), U.value(x[:, [2, 0, 1]].flatten(1) + 1.5), atol=1e-5)
        True
    """

    def __init__(
        self, particles: Particles, width: int = 32, *, curvature: float = 0.0, smoothing: float = SMOOTHING
    ) -> None:
        kinds = max(particles.kinds) + 1
        features = (
            PairLengths(particles, smoothing) if kinds == 1 else Features(*_frames(particles), smoothing)
        )
        super().__init__(particles.dim, width, features=features, curvature=curvature)
        self.weight = nn.Parameter(FREQUENCY * torch.randn(kinds, width))
        self.bias = nn.Parameter(math.pi * (2 * torch.rand(kinds * width) - 1))
        self.out = nn.Parameter(0.1 / math.sqrt(width) * torch.randn(kinds * width))
        self.kinds = kinds
        self.register_buffer("kind", torch.tensor(particles.kinds), persistent=False)
        self.kind: Tensor

    def ridges(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return W, b and w of all units: those of one kind of pair as they are, of several a copy for each pair."""
        if self.kinds == 1:
            return self.weight, self.bias, self.out
        own = self.weight[
            self.kind
        ]  # (pairs, width): pair k is looked at by units of its own, of the weights of its kind
        weight = torch.diag_embed(own.T).permute(1, 2, 0).flatten(1)
        bias, out = (t.view(self.kinds, -1)[self.kind].flatten() for t in (self.bias, self.out))
        return weight, bias, out

    def value(self, x: Tensor) -> Tensor:
        """Return U(x), shape (batch,), for x of shape (batch, dim)."""
        if self.kinds > 1:
            return super().value(x)
        x = self.features.centre(x / self.unit)
        of_pairs = (self.features(x) @ self.weight + self.bias).cos() @ self.out
        return 0.5 * self.curvature * x.square().sum(-1) - of_pairs.view(len(x), -1).sum(-1)
