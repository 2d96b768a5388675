"""The small networks of a latent phase space: films to a Gaussian, its draws to a state, coordinates to pictures."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

#: Standard deviations of a posterior are kept above this share of those of the prior.
LEAST_SD = 1e-3
#: Layers of a picture, and terms in the sum of each.
LAYERS, RANK = 3, 4
#: Frames are mostly dark; multiplied by this they are of order one for a network.
_GAIN = 4.0


def dense(*sizes: int) -> nn.Sequential:
    """Return linear layers of given sizes with SiLU between them.

    Example:
        >>> dense(3, 8, 2)(torch.zeros(1, 3)).shape
        torch.Size([1, 2])
    """
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class FrameEncoder(nn.Module):
    """Each frame by one network to a few numbers, those of all frames by another to mean and width of z.

    Arguments:
        pixels: numbers in one frame.
        frames: how many are seen together.
        latent: size of z.
        width: units of the inner layers.

    Example:
        >>> mean, sd = FrameEncoder(16, 3, 2, 8)(torch.zeros(5, 3, 1, 4, 4))
        >>> mean.shape, bool((sd > 0).all())
        (torch.Size([5, 2]), True)
    """

    def __init__(self, pixels: int, frames: int, latent: int, width: int) -> None:
        super().__init__()
        seen = max(8, width // 4)
        self.of_frame = dense(pixels, width, width, seen)
        self.of_frames = dense(frames * seen, width, 2 * latent)

    def forward(self, film: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of z, each (batch, latent), of films (batch, frames, …)."""
        found = self.of_frame(_GAIN * film.flatten(2)).flatten(1)
        mean, width = self.of_frames(found).chunk(2, -1)
        return mean, LEAST_SD + softplus(width - 3)


class ResidualMap(nn.Module):
    """z ↦ z + f(z) with a network f: what a Gaussian has to become to be states.

    Arguments:
        size: of z.
        width: units of the inner layers.

    Example:
        >>> ResidualMap(4, 8)(torch.zeros(2, 4)).shape
        torch.Size([2, 4])
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.network = dense(size, width, width, size)

    def forward(self, z: Tensor) -> Tensor:
        """Return states of shape (batch, size)."""
        return z + self.network(z)


class LayeredDecoder(nn.Module):
    """Coordinates to a picture of a few layers, painted over each other: 1 − Π (1 − σ(l)), l(x, y) = Σ a(y) b(x) + c(x, y).

    The logarithm of a bright spot with soft edges is a sum of three products a(y) b(x) whose factors are of degree two in
    its place, so moving spots need no more than smooth functions of q: what is drawn hardly bends the coordinates.

    Arguments:
        dim: size of q.
        channels, size: of a picture.
        width: units of the inner layers.

    Example:
        >>> picture = LayeredDecoder(2, 1, 4, 8)(torch.zeros(5, 2))
        >>> picture.shape, bool((picture > 0).all() and (picture < 1).all())
        (torch.Size([5, 16]), True)
    """

    def __init__(self, dim: int, channels: int, size: int, width: int) -> None:
        super().__init__()
        self.shape = (2, channels, LAYERS, RANK, size)
        self.inner = dense(dim, width, width)
        self.outer = nn.Linear(dim + width, 2 * channels * LAYERS * RANK * size)
        nn.init.normal_(self.outer.weight[:, :dim], std=0.5)
        self.ground = nn.Parameter(torch.full((channels, LAYERS, size, size), -3.0))  # dark at first

    def forward(self, q: Tensor) -> Tensor:
        """Return brightness in (0, 1), shape (batch, channels · size²), of coordinates of shape (batch, dim)."""
        factors = self.outer(torch.cat([q, silu(self.inner(q))], -1))
        along_y, along_x = factors.unflatten(-1, self.shape).unbind(1)
        light = along_y.transpose(-1, -2) @ along_x + self.ground
        return (1 - torch.sigmoid(-light).prod(2)).flatten(1)
