"""Normal noise that fills space evenly: lattices in the unit cube, shifted at random, through the inverse normal law.

Source: Sloan, Joe, *Lattice Methods for Multiple Integration* (1994), chapters 4 and 10; the random shift is Cranley,
Patterson, SIAM J. Numer. Anal. 13 (1976).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

#: Generators tried for one lattice; beyond this many the best is hardly better.
_TRIED = 64


@lru_cache(maxsize=256)
def lattice(points: int, dim: int) -> np.ndarray:
    """Return a lattice of the unit cube, of shape (points, dim): multiples of (1, a, a², …)/points, modulo one.

    Among generators a the one with the smallest worst-case error P₂ for smooth periodic functions (Korobov's lattices).

    Arguments:
        points: their number, at least 1.
        dim: dimensions.

    Example:
        >>> sorted(round(5 * x) for x in lattice(5, 2)[:, 1])
        [0, 1, 2, 3, 4]
    """
    prime = [a for a in range(1, points + 1) if math.gcd(a, points) == 1]
    # at random, since the powers of regularly spaced ones have too much in common
    tried = np.random.default_rng(0).permutation(prime)[:_TRIED].tolist()
    best, found = math.inf, np.zeros((points, dim))
    for a in tried:
        vector = np.array([pow(a, k, points) for k in range(dim)], dtype=np.int64)
        x = np.arange(points)[:, None] * vector % points / points
        error = float((1 + 2 * math.pi**2 * (x * x - x + 1 / 6)).prod(-1).mean())
        if error < best:
            best, found = error, x
    return found


def lattice_noise(
    batch: int, samples: int, dim: int, like: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Return normal noise of shape (batch, samples, dim): for each row a lattice of its own shift.

    Each sample alone is standard normal, so means over samples have no bias; together they fill space evenly, so these
    means scatter less than those of independent samples.

    Arguments:
        batch: rows.
        samples: points of each lattice.
        dim: dimensions.
        like: a tensor with the wanted dtype and device.
        generator: of the shifts; the global state of torch if None.

    Example:
        >>> noise = lattice_noise(1000, 8, 2, torch.zeros(1, dtype=torch.float64), torch.Generator().manual_seed(0))
        >>> bool(noise.mean(1).std() < 0.6 / 8**0.5)
        True
    """
    shift = torch.rand(batch, 1, dim, dtype=torch.float64, device=like.device, generator=generator)
    uniform = (torch.as_tensor(lattice(samples, dim), device=like.device) + shift).frac_()
    return torch.special.ndtri(uniform.clamp_(1e-15, 1 - 1e-15)).to(like)
