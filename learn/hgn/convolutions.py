"""The networks in the sizes of the paper: z and (q, p) are maps of features, pictures grow out of that of q.

Source: Toth et al., arXiv 1909.13789, section 3, with the numbers of its public re-implementations.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, softplus

from learn.hgn.networks import LEAST_SD

#: Maps of z, maps of q and as many of p, side of the latter.
FEATURES, MAPS, SIDE = 48, 16, 4
DIM = MAPS * SIDE**2


class MapEncoder(nn.Module):
    """Frames, stacked as channels, by eight convolutions to mean and width of 48 maps of z, as large as a picture.

    Arguments:
        channels: of one frame.
        frames: how many are seen together.

    Example:
        >>> mean, sd = MapEncoder(1, 2)(torch.zeros(3, 2, 1, 8, 8))
        >>> mean.shape
        torch.Size([3, 3072])
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        sizes = [channels * frames, 32, *[64] * 6, 2 * FEATURES]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, film: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of z, each (batch, 48 size²), of films (batch, frames, …)."""
        mean, width = self.layers(film.flatten(1, 2)).chunk(2, 1)
        return mean.flatten(1), LEAST_SD + softplus(width.flatten(1))


class MapStarter(nn.Module):
    """Maps of z by convolutions of stride two to 16 maps of q and 16 of p, 4 by 4 each.

    Arguments:
        size: pixels in a row of z, 4 times a power of two.

    Example:
        >>> MapStarter(8)(torch.zeros(3, 48 * 64)).shape
        torch.Size([3, 512])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        halvings = (size // SIDE).bit_length() - 1
        sizes = [FEATURES, *[64] * halvings]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(sizes[-1], 2 * MAPS, 3, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        """Return states of shape (batch, 512), coordinates first."""
        return self.layers(z.unflatten(-1, (FEATURES, self.size, self.size))).flatten(1)


class MapDecoder(nn.Module):
    """Maps of q to a picture by residual blocks that double its side, 64 filters each.

    Arguments:
        channels: of a picture.
        size: pixels in a row, 4 times a power of two.

    Example:
        >>> MapDecoder(1, 8)(torch.zeros(3, 256)).shape
        torch.Size([3, 64])
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()

        def conv() -> nn.Conv2d:
            return nn.Conv2d(64, 64, 3, padding=1)

        self.first = nn.Conv2d(MAPS, 64, 1)
        doublings = (size // SIDE).bit_length() - 1
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LeakyReLU(), conv(), nn.LeakyReLU(), conv()) for _ in range(doublings)
        )
        self.last = nn.Conv2d(64, channels, 3, padding=1)

    def forward(self, q: Tensor) -> Tensor:
        """Return brightness in (0, 1), shape (batch, channels · size²), of coordinates of shape (batch, 256)."""
        x = self.first(q.unflatten(-1, (MAPS, SIDE, SIDE)))
        for block in self.blocks:
            x = interpolate(x, scale_factor=2.0)
            x = x + block(x)
        return torch.sigmoid(self.last(leaky_relu(x))).flatten(1)
