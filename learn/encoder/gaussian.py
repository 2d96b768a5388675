"""An encoder with a full covariance for each point: few coordinates, no symmetry."""

from __future__ import annotations

import torch
from torch import Tensor

from learn.encoder.law import Encoder
from learn.encoder.moments import LOG_SD_LIMIT, Moments, lower_triangle
from learn.encoder.network import InnerNetwork
from learn.encoder.triangular import TriangularMoments
from learn.kernels import cpu


class GaussianEncoder(Encoder):
    """Gaussian with a full covariance; mean and Cholesky factor come from a network of q.

    Arguments:
        dim: number of coordinates.
        width: units in each of the two inner layers (SiLU).
        context: numbers that the network looks at too.

    Example:
        >>> law = GaussianEncoder(2)(torch.zeros(3, 2))
        >>> law.sample().shape, law.log_prob(torch.zeros(3, 2)).shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    below: Tensor

    def __init__(self, dim: int, width: int = 64, context: int = 0) -> None:
        super().__init__(dim)
        self.network = InnerNetwork(dim, width, dim + dim * (dim + 1) // 2, context)
        self.register_buffer("below", torch.tril_indices(dim, dim, -1), persistent=False)

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        d = self.dim
        raw = self.network(q / self.unit)
        if cpu.applies(raw, self.unit):
            return TriangularMoments(raw, self.unit, self.below)
        mean, log_sd, off = raw.split([d, d, d * (d - 1) // 2], -1)
        log_sd = log_sd.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)
        factor = lower_triangle(log_sd.exp(), off, self.below)
        return Moments(mean / self.unit, factor / self.unit, log_sd.sum(-1) - d * self.unit.log())
