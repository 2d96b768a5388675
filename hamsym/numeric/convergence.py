"""Have the chains converged, and how many independent draws are they worth?

Source: Vehtari, Gelman, Simpson, Carpenter, Bürkner, "Rank-normalization, folding, and localization",
Bayesian Analysis 16 (2021) 667; the truncation is Geyer's initial monotone sequence (Statistical Science 7, 1992).
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np


def split_r_hat(draws: np.ndarray) -> float:
    """Return the rank-normalised split R-hat: 1 when all half-chains look alike.

    Arguments:
        draws: one scalar quantity, shape ``(chains, draws)``, at least 4 draws each.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> bool(split_r_hat(rng.standard_normal((4, 500))) < 1.01)
        True
        >>> bool(split_r_hat(rng.standard_normal((4, 500)) + np.arange(4)[:, None]) > 1.1)
        True
    """
    if np.ptp(draws) == 0:
        return 1.0
    folded = np.abs(draws - np.median(draws))
    return max(_r_hat(_normalise_ranks(_split(x))) for x in (draws, folded))


def effective_size(draws: np.ndarray) -> float:
    """Return the effective number of independent draws for the mean of a quantity.

    Arguments:
        draws: one scalar quantity, shape ``(chains, draws)``, at least 4 draws each.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> 1800 < effective_size(rng.standard_normal((4, 500))) < 2200
        True
    """
    if np.ptp(draws) == 0:
        return float(draws.size)
    x = _split(draws)
    chains, n = x.shape
    correlation = _correlation(x)
    # Sums of neighbouring lags are positive and decreasing for a reversible chain; noise is cut off where they are not.
    pairs = correlation[: n - n % 2].reshape(-1, 2).sum(1)
    positive = pairs > 0
    length = len(pairs) if positive.all() else int(np.argmin(positive))
    time = 2 * np.minimum.accumulate(pairs[:length]).sum() - 1
    return float(chains * n / max(time, 1 / np.log10(chains * n)))


def _correlation(x: np.ndarray) -> np.ndarray:
    """Autocorrelation of chains about their common mean, shape ``(draws,)``; 1 at lag 0."""
    n = x.shape[1]
    centred = x - x.mean(1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n)
    covariance = np.fft.irfft(spectrum * spectrum.conj())[:, :n].mean(0) / n
    within = covariance[0] * n / (n - 1)
    total = covariance[0] + x.mean(1).var(ddof=1)
    correlation = 1 - (within - covariance * n / (n - 1)) / total
    correlation[0] = 1.0
    return correlation


def _split(draws: np.ndarray) -> np.ndarray:
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _normalise_ranks(x: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    if len(counts) == x.size:
        return _scores(x.size)[place].reshape(x.shape)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return _normal((ranks - 0.375) / (x.size + 0.25))[place].reshape(x.shape)


@lru_cache(maxsize=4)  # the same for every quantity
def _scores(n: int) -> np.ndarray:
    return _normal((np.arange(1, n + 1) - 0.375) / (n + 0.25))


def _normal(levels: np.ndarray) -> np.ndarray:
    return np.array([*map(NormalDist().inv_cdf, levels.tolist())])


def _r_hat(x: np.ndarray) -> float:
    n = x.shape[1]
    within, between = x.var(1, ddof=1).mean(), x.mean(1).var(ddof=1)
    if within == 0:
        return float("inf")
    return float(np.sqrt((n - 1) / n + between / within))
