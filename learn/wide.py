"""An encoder for many coordinates: mean and covariance of full rank without a full matrix for every point."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from learn.encoder import LOG_SD_LIMIT, InnerNetwork, Moments, distribution, register_unit
from learn.points import as_points, require_finite


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
        constant = 0.5 * self.freedom * math.log(2 * math.pi)
        return p, -0.5 * noise.square().sum(-1) - constant - self.log_det[:, None]


class WideEncoder(nn.Module):
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

    unit: Tensor

    def __init__(self, dim: int, width: int = 64, context: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.network = InnerNetwork(dim, width, 2 * dim, context)
        self.slope = nn.Parameter(torch.zeros(dim, dim))
        self.below = nn.Parameter(torch.zeros(dim, dim))  # what lies below the diagonal of L
        register_unit(self)

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        x = q / self.unit
        mean, log_scale = self.network(x).chunk(2, -1)
        triangle = self.below.tril(-1) + torch.eye(self.dim, dtype=x.dtype, device=x.device)
        log_scale = log_scale.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)
        return SharedMoments(mean + x @ self.slope.T, log_scale, triangle, self.unit)

    def forward(self, q: Tensor) -> MultivariateNormal:
        """Return the distribution of p given q of shape (batch, dim), with batch shape (batch,).

        Arguments:
            q: points of shape (batch, dim), whatever holds real numbers.

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point, or what the network makes of it, is not finite.
        """
        return distribution(self.moments(require_finite(as_points(q, self.dim, self.unit), "q")))
