"""The importance-weighted bound on log p(q), with its own reliability.

Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from learn.architecture import Encoder
from learn.encoder import Moments
from learn.joint import CHUNK, JointFlow
from learn.points import OVERFLOW, require_finite


@dataclass(frozen=True)
class LogProbEstimate:
    """An importance-weighted estimate of log p(q), with its own reliability.

    Attributes:
        value: the bound log (1/K) Σ_k w_k, shape (batch,); in expectation below log p(q), and rising to it with K.
        standard_error: delta-method standard error of ``value``, shape (batch,).
        effective_samples: (Σw)²/Σw², between 1 and K, shape (batch,).

    Example:
        >>> from learn import HamiltonianFlow
        >>> estimate = HamiltonianFlow(1, hamiltonians=1, width=4).estimate_log_prob([[0.0]], 20)
        >>> bool(1 <= estimate.effective_samples <= 20.001)
        True
    """

    value: Tensor
    standard_error: Tensor
    effective_samples: Tensor


def draw(moments: Moments, k: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Return k momenta for each point and their log densities, of shapes (batch, k, dim) and (batch, k).

    Arguments:
        moments: of the encoder.
        k: number of draws.
        generator: of torch; the global state if None.
    """
    n, d = moments.mean.shape
    like = moments.mean
    return moments.draw(torch.randn(n, k, d, dtype=like.dtype, device=like.device, generator=generator))


def importance_weighted(
    flow: JointFlow,
    encoder: Encoder,
    q: Tensor,
    samples: int,
    generator: torch.Generator | None = None,
) -> LogProbEstimate:
    """Return log (1/K) Σ_k p(q, p_k)/f(p_k|q) with p_k ~ f, its standard error and effective sample size.

    Points are taken in chunks, so memory does not grow with batch × samples.

    Arguments:
        flow: density on (q, p).
        encoder: f.
        q: finite points of shape (batch, dim), at least one, in the precision and on the device of the flow.
        samples: K.
        generator: of the draws; the global state of torch if None.

    Raises:
        NonFiniteError: if an estimate is not finite.
    """
    first, second = [], []
    # each point carries running sums of its weights and squared weights, in logarithms
    for points in q.split(max(1, CHUNK // min(samples, CHUNK))):
        moments = encoder.moments(points)
        log_sum = points.new_full((len(points),), -math.inf)
        log_square = log_sum
        left = samples
        while left:
            k = min(left, max(1, CHUNK // len(points)))
            p, log_f = draw(moments, k, generator)
            log_p = flow.raw_log_joint(points.repeat_interleave(k, 0), p.flatten(0, 1)).view(-1, k)
            log_w = log_p - log_f
            log_sum = torch.logaddexp(log_sum, log_w.logsumexp(-1))
            log_square = torch.logaddexp(log_square, (2 * log_w).logsumexp(-1))
            left -= k
        first.append(log_sum)
        second.append(log_square)
    total, square = require_finite(torch.cat(first), "log p(q)", OVERFLOW), torch.cat(second)
    effective = (2 * total - square).exp()
    error = (1 / effective - 1 / samples).clamp(min=0).sqrt()
    return LogProbEstimate(total - math.log(samples), error, effective)
