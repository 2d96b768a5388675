"""An encoder that turns with its point, for every action by translations and rotations."""

from __future__ import annotations

import torch
from torch import Tensor

from learn.encoder.law import Encoder
from learn.encoder.moments import LOG_SD_LIMIT, Moments
from learn.encoder.network import InnerNetwork
from learn.flow.features import Constant, Features
from learn.symmetry.invariants import InvariantPotentials

#: Directions, made from the point, in which the Gaussian is stretched.
MAX_STRETCHES = 8


class EquivariantEncoder(Encoder):
    """Gaussian with f(hp|hq) = f(p|q) for every translation and rotation h of the generators.

    Gradients of invariants turn as momenta do, and so do A q where the rotations commute.  With coefficients that a
    network makes of the invariants φ(q), they give the mean and the vectors v of the factor
    e^s Π_j (1 + τ_j v_j v_jᵀ) of the covariance, whose determinant is a product.  |v| < 1 and smooth where v vanishes.
    Along directions that translations take out, p has no density; the distribution that ``forward`` returns has e^s.

    Arguments:
        dim: number of coordinates.
        invariants: of the generators.
        width: units in each of the two inner layers (SiLU).
        context: numbers that the network looks at too.

    Example:
        >>> from learn.symmetry.invariants import invariant_potentials
        >>> from learn.symmetry.generators import as_generators
        >>> found = invariant_potentials(as_generators("q1*p2 - q2*p1 + q3*p4 - q4*p3", 4))
        >>> law = EquivariantEncoder(4, found)(torch.zeros(1, 4))
        >>> bool((law.mean == 0).all())
        True
    """

    def __init__(self, dim: int, invariants: InvariantPotentials, width: int = 64, context: int = 0) -> None:
        super().__init__(dim)
        inputs = invariants.inputs()
        self.removed = Constant(invariants.translations)
        self.freedom = dim - len(invariants.translations)
        self.features = Features(inputs.linear, inputs.frames, invariants.translations)
        self.turns = Constant(invariants.turns())
        self.vectors = self.features.size + len(self.turns.exact)
        self.stretches = min(self.freedom, self.vectors, MAX_STRETCHES)
        mixtures = self.stretches * self.vectors
        network = InnerNetwork(
            self.features.size, width, self.vectors + mixtures + self.stretches + 1, context
        )
        with torch.no_grad():  # different vectors at first, each stretched by nothing
            network[-1].bias[self.vectors : self.vectors + mixtures].normal_()  # type: ignore[index]
        self.network = network

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        x = self.features.centre(q / self.unit)
        k, r = self.vectors, self.stretches
        mean, mixtures, stretch, log_scale = self.network(self.features(x)).split([k, r * k, r, 1], -1)
        stretch, log_scale = (s.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT) for s in (stretch, log_scale[:, 0]))
        vectors = self._vectors(x[:, None], mixtures.unflatten(-1, (r, k)))
        vectors = vectors / (1 + vectors.square().sum(-1, keepdim=True)).sqrt()
        factor = torch.eye(self.dim, dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
        log_det = self.freedom * (log_scale - self.unit.log())
        for j in range(r):
            v, tau = vectors[:, j], stretch[:, j].expm1()
            factor = factor + (tau[:, None] * (factor @ v[:, :, None])[..., 0])[:, :, None] * v[:, None]
            log_det = log_det + (tau * v.square().sum(-1)).log1p()
        factor = factor * (log_scale.exp() / self.unit)[:, None, None]
        removed = self.removed.value if len(self.removed.exact) else None
        return Moments(self._vectors(x, mean) / self.unit, factor, log_det, removed)

    def _vectors(self, x: Tensor, weights: Tensor) -> Tensor:
        """Combine the equivariant vectors at x with given weights."""
        n = self.features.size
        turned = torch.einsum("...k,kij,...j->...i", weights[..., n:], self.turns.value, x)
        return self.features.pull(x, weights[..., :n]) + turned
