"""Mean and factor of a Gaussian over momenta: what an encoder makes of each point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from learn.flow.lattice import lattice_noise
from learn.points import require_finite

#: Standard deviations are kept within e^±6 of the momentum unit.
LOG_SD_LIMIT = 6.0


@dataclass(frozen=True)
class Moments:
    """p = mean + factor·ε with ε ~ N(0, I).

    Attributes:
        mean: shape (batch, dim).
        factor: invertible matrices, shape (batch, dim, dim).
        log_det: log |det factor|, shape (batch,); of its part beside ``removed``.
        removed: orthonormal directions that p does not have, of shape (t, dim); f is then a density on the others.

    Example:
        >>> moments = Moments(torch.zeros(5, 2), torch.eye(2).expand(5, 2, 2), torch.zeros(5))
        >>> moments.mean.shape, moments.factor.shape, moments.log_det.shape
        (torch.Size([5, 2]), torch.Size([5, 2, 2]), torch.Size([5]))
    """

    mean: Tensor
    factor: Tensor
    log_det: Tensor
    removed: Tensor | None = None

    @property
    def freedom(self) -> int:
        """Number of dimensions of the law."""
        return self.mean.shape[-1] - (0 if self.removed is None else len(self.removed))

    def noise(self, samples: int, generator: torch.Generator | None = None, *, even: bool = False) -> Tensor:
        """Return standard normal numbers for ``samples`` draws at each point, independent ones or ``even`` ones.

        Arguments:
            samples: number of draws.
            generator: of torch; the global state if None.
            even: whether the draws of one point fill space evenly (:func:`learn.flow.lattice.lattice_noise`).

        Returns:
            Noise of shape (batch, samples, dim).

        Example:
            >>> from learn.encoder import GaussianEncoder
            >>> GaussianEncoder(2, width=4).moments(torch.zeros(5, 2)).noise(3).shape
            torch.Size([5, 3, 2])
        """
        like = self._like
        if even:
            return lattice_noise(len(like), samples, self._dim, like, generator)
        shape = len(like), samples, self._dim
        return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)

    def log_density(self, noise: Tensor, widening: float = 1.0) -> Tensor:
        """Return the log density, shape (batch, samples), at what :meth:`draw` makes of noise.

        Arguments:
            noise: of shape (batch, samples, dim).
            widening: of the law, in standard deviations of this one.

        Example:
            >>> from learn.encoder import GaussianEncoder
            >>> moments = GaussianEncoder(2, width=4).moments(torch.zeros(5, 2))
            >>> noise = moments.noise(3)
            >>> torch.allclose(moments.log_density(noise), moments.draw(noise)[1], atol=1e-5)
            True
        """
        if self.removed is not None:
            noise = noise - (noise @ self.removed.T) @ self.removed
        constant = self.freedom * (0.5 * math.log(2 * math.pi) + math.log(widening))
        return -0.5 * (noise / widening).square().sum(-1) - constant - self.log_det[:, None]

    @property
    def _like(self) -> Tensor:
        return self.mean

    @property
    def _dim(self) -> int:
        return self.mean.shape[-1]

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return p and log f(p|q), of shapes (batch, samples, dim) and (batch, samples), from standard noise.

        Arguments:
            noise: standard normal numbers of shape (batch, samples, dim).

        Example:
            >>> from learn.encoder import GaussianEncoder
            >>> p, log_f = GaussianEncoder(2, width=4).moments(torch.zeros(5, 2)).draw(torch.randn(5, 3, 2))
            >>> p.shape, log_f.shape
            (torch.Size([5, 3, 2]), torch.Size([5, 3]))
        """
        if self.removed is not None:
            noise = noise - (noise @ self.removed.T) @ self.removed
        return self.mean[:, None] + noise @ self.factor.mT, self.log_density(noise)


def lower_triangle(diagonal: Tensor, off: Tensor, below: Tensor) -> Tensor:
    """Return lower triangular matrices, of shape (batch, n, n).

    Arguments:
        diagonal: shape (batch, n).
        off: what lies below it, shape (batch, n (n − 1)/2).
        below: rows and columns of that, of shape (2, n (n − 1)/2).

    Example:
        >>> lower_triangle(torch.ones(1, 2), torch.tensor([[3.0]]), torch.tril_indices(2, 2, -1))[0]
        tensor([[1., 0.],
                [3., 1.]])
    """
    factor = torch.diag_embed(diagonal)
    if off.shape[-1]:
        factor[:, below[0], below[1]] = off
    return factor


def distribution(moments: Moments) -> MultivariateNormal:
    """Return the Gaussian with these moments.

    Raises:
        NonFiniteError: if they are not finite.
    """
    require_finite(moments.mean, "the mean of p")
    require_finite(moments.factor, "the factor of p")
    covariance = moments.factor @ moments.factor.mT
    return MultivariateNormal(moments.mean, scale_tril=torch.linalg.cholesky(covariance), validate_args=False)
