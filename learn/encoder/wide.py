"""An encoder for many coordinates: mean and covariance of full rank without a full matrix for every point."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from learn.encoder.law import Encoder
from learn.encoder.moments import LOG_SD_LIMIT, Moments
from learn.encoder.network import InnerNetwork

#: Longer flights would want scales near e^±6, where they are cut off.
LONGEST = 20.0


class SharedMoments(Moments):
    """p = mean + L (scale ∘ ε) with one unit lower triangle L for all points: two products with L in place of many.

    Arguments:
        mean: shape (batch, dim).
        log_scale: shape (batch, dim).
        triangle: L, of shape (dim, dim).
        unit: of length; momenta are measured in its inverse.

    Example:
        >>> moments = SharedMoments(torch.zeros(3, 2), torch.zeros(3, 2), torch.eye(2), torch.tensor(2.0))
        >>> moments.factor[0], moments.draw(torch.ones(3, 5, 2))[0].shape
        (tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]]), torch.Size([3, 5, 2]))
    """

    def __init__(self, mean: Tensor, log_scale: Tensor, triangle: Tensor, unit: Tensor) -> None:
        log_det = log_scale.sum(-1) - mean.shape[-1] * unit.log()
        for name, value in (("mean", mean / unit), ("log_det", log_det), ("removed", None)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_parts", (log_scale.exp(), triangle, unit))

    @property
    def factor(self) -> Tensor:  # type: ignore[override]
        """The factor, of shape (batch, dim, dim), made when it is asked for."""
        scale, triangle, unit = self._parts  # type: ignore[attr-defined]
        return triangle * scale[:, None] / unit

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return p and log f(p|q), of shapes (batch, samples, dim) and (batch, samples), from standard noise.

        Arguments:
            noise: standard normal numbers of shape (batch, samples, dim).
        """
        scale, triangle, unit = self._parts  # type: ignore[attr-defined]
        p = self.mean[:, None] + (noise * scale[:, None]) @ triangle.T / unit
        return p, self.log_density(noise)


class WideEncoder(Encoder):
    """Gaussian whose covariance is L S(q)² Lᵀ, with one triangle L for all points and scales S of a network of q.

    The mean is a linear function of q and what the network adds.  That holds p(p|q) exactly where the flow carries
    one Gaussian to another, whatever the correlations, and needs d² weights in place of d² outputs for every point.

    Arguments:
        dim: number of coordinates.
        width: units in each of the two inner layers (SiLU).
        context: numbers that the network looks at too.

    Example:
        >>> law = WideEncoder(20)(torch.zeros(3, 20))
        >>> law.sample().shape, law.log_prob(torch.zeros(3, 20)).shape
        (torch.Size([3, 20]), torch.Size([3]))
    """

    def __init__(self, dim: int, width: int = 64, context: int = 0) -> None:
        super().__init__(dim)
        self.network = InnerNetwork(dim, width, 2 * dim, context)
        self.slope = nn.Parameter(torch.zeros(dim, dim))
        self.below = nn.Parameter(torch.zeros(dim, dim))  # what lies below the diagonal of L

    @torch.no_grad()
    def start_free(self, time: float) -> float:
        """Begin at p(p|q) of free bodies, q = q₀ + t p₀, whose q has the spread one: a Gaussian fitted before any step.

        Every dimension adds to what a start elsewhere costs, and to the steps until that is forgotten.

        Arguments:
            time: t.

        Returns:
            The logarithm of the standard deviation of q₀ and p₀ that gives q this spread.

        Example:
            >>> encoder = WideEncoder(20)
            >>> round(encoder.start_free(1.0), 4), encoder.slope[0, 0].item()
            (-0.3466, 0.5)
        """
        time = min(time, LONGEST)
        log_scale = -0.5 * math.log1p(time**2)
        self.slope.copy_(torch.eye(self.dim) * time / (1 + time**2))
        self.network[-1].bias[self.dim :] = 2 * log_scale  # type: ignore[index,operator]
        return log_scale

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        x = q / self.unit
        mean, log_scale = self.network(x).chunk(2, -1)
        triangle = self.below.tril(-1) + torch.eye(self.dim, dtype=x.dtype, device=x.device)
        log_scale = log_scale.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)
        return SharedMoments(mean + x @ self.slope.T, log_scale, triangle, self.unit)
