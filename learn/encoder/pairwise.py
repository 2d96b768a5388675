"""An encoder for bodies in space: it moves, turns and exchanges momenta as its point is moved, turned and exchanged."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from learn.encoder.law import Encoder
from learn.encoder.moments import LOG_SD_LIMIT, Moments
from learn.encoder.network import InnerNetwork
from learn.flow.features import Constant
from learn.particles.bodies import Particles
from learn.particles.pairs import SMOOTHING

#: Waves by which a body knows how far the others are.
WAVES = 16


class PairEncoder(Encoder):
    """Gaussian with f(hp|hq) = f(p|q) for translations, rotations, reflections and exchanges h of identical bodies.

    The mean is Σ_j m_ij (x_i − x_j).  The factor of the covariance is e^s exp(S) with the symmetric

        S = Σ_{i<j} (e_i − e_j)(e_i − e_j)ᵀ ⊗ (α_ij 1 + β_ij r̂ r̂ᵀ),

    a graph Laplacian of the bodies; the logarithm of its determinant is a trace.  It turns with the point, so draws
    with the noise turned along turn too.  m, α, β and s come from one network, alike for all pairs, of the distance
    and of what the two bodies see around them: Σ_j of waves of r_ij and of species, one round of messages (Satorras,
    Hoogeboom, Welling, arXiv 2102.09844).  Momenta have no mean, as the density has none of the coordinates.

    Arguments:
        particles: the bodies.
        width: units in each of the two inner layers (SiLU).

    Example:
        >>> law = PairEncoder(Particles(4, 2), 8)
        >>> q = torch.randn(3, 4, 2)
        >>> mean, moved = law.moments(q.flatten(1)).mean, law.moments(q[:, [1, 2, 3, 0]].flatten(1) + 5).mean
        >>> torch.allclose(moved, mean.view(3, 4, 2)[:, [1, 2, 3, 0]].flatten(1), atol=1e-5)
        True
    """

    def __init__(self, particles: Particles, width: int = 32) -> None:
        super().__init__(particles.dim)
        n = particles.number
        self.shape = n, particles.dimensions
        self.freedom = (n - 1) * particles.dimensions
        self.removed = Constant(particles.translations)
        self.ends = Constant(particles.incidence)
        labels = _labels(particles)
        self.labels = Constant(labels)
        self.frequency = nn.Parameter(2.0 * torch.randn(WAVES))
        self.phase = nn.Parameter(math.pi * (2 * torch.rand(WAVES) - 1))
        seen = WAVES * max(1, labels.shape[1])
        self.network = InnerNetwork(1 + 2 * seen + 2 * labels.shape[1], width, 4)

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        n, d = self.shape
        x = (q / self.unit).reshape(-1, n, d)
        ends = self.ends.value
        between = torch.einsum("np,bnd->bpd", ends, x)
        r = (between.square().sum(-1) + SMOOTHING**2).sqrt()
        mean, across, along, scale = self._looks(r).unbind(-1)
        limit = LOG_SD_LIMIT / (2 * n)  # a graph Laplacian of weights c has eigenvalues up to n c
        across, along = limit * across.tanh(), limit * along.tanh()
        log_scale = scale.mean(-1).clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)
        towards = between / r[..., None]
        blocks = along[..., None, None] * towards[..., :, None] * towards[..., None, :]
        blocks = blocks + across[..., None, None] * torch.eye(d, dtype=x.dtype, device=x.device)
        laplacian = torch.einsum("np,bpk,mp->bnmk", ends, blocks.flatten(2), ends)
        matrix = laplacian.view(-1, n, n, d, d).transpose(2, 3).reshape(-1, self.dim, self.dim)
        trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)
        factor = exponential(matrix) * (log_scale.exp() / self.unit)[:, None, None]
        centre = torch.einsum("np,bp,bpd->bnd", ends, mean, between).flatten(1) / self.unit
        log_det = trace + self.freedom * (log_scale - self.unit.log())
        return Moments(centre, factor, log_det, self.removed.value)

    def _looks(self, r: Tensor) -> Tensor:
        """Return the four outputs of the network for each pair, of shape (batch, pairs, 4)."""
        batch, pairs = r.shape
        ends, labels = self.ends.value, self.labels.value
        touch = ends.abs()
        waves = (r[..., None] * self.frequency + self.phase).sin()
        if labels.shape[1]:  # a body tells the species of others apart
            start, stop = ends.clamp(min=0), (-ends).clamp(min=0)
            told = torch.einsum("np,ps,bpk->bnsk", start, stop.T @ labels, waves)
            told = told + torch.einsum("np,ps,bpk->bnsk", stop, start.T @ labels, waves)
            seen = told.flatten(2)
        else:
            seen = torch.einsum("np,bpk->bnk", touch, waves)
        seen = seen / (self.shape[0] - 1)
        both = [
            torch.einsum("np,bnk->bpk", touch, seen),
            torch.einsum("np,bnk->bpk", ends, seen).square(),
        ]
        kinds = [touch.T @ labels, (ends.T @ labels).square()]
        looked = [r[..., None], *both, *(k.expand(batch, -1, -1) for k in kinds)]
        return self.network(torch.cat(looked, -1).flatten(0, 1)).view(batch, pairs, 4)


def _labels(particles: Particles) -> np.ndarray:
    """Which body is of which species, of shape (n, species); no columns where all are alike."""
    return (
        np.eye(max(particles.species) + 1)[list(particles.species)]
        if max(particles.species)
        else np.zeros((particles.number, 0))
    )


def exponential(matrix: Tensor) -> Tensor:
    """Return exp(S) of matrices with |S| ≤ 6, exact to rounding: a Taylor polynomial of S/32, squared five times.

    Arguments:
        matrix: of shape (batch, n, n).

    Example:
        >>> exponential(torch.tensor([[[0.0, -1.0], [1.0, 0.0]]]))[0, 0, 0].item() - math.cos(1.0) < 1e-5
        True
    """
    scaled = matrix / 32
    one = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    terms = 10 if matrix.dtype == torch.float64 else 5
    value = one + scaled / terms
    for k in range(terms - 1, 0, -1):
        value = one + scaled @ value / k
    for _ in range(5):
        value = value @ value
    return value
