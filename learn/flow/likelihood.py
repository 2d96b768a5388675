"""The importance-weighted bound on log p(q), with its own reliability.

Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hamsym.arguments import real
from hamsym.errors import ParameterError
from learn.encoder import Encoder, Moments, encoder_given
from learn.flow.context import repeated, rows_of
from learn.flow.joint import CHUNK, JointFlow
from learn.points import OVERFLOW, require_finite


@dataclass(frozen=True)
class LogProbEstimate:
    """An importance-weighted estimate of log p(q), with its own reliability.

    Attributes:
        value: the bound log (1/K) Σ_k w_k, shape (batch,); in expectation below log p(q), and rising to it with K.
        standard_error: delta-method standard error of ``value`` for independent weights, shape (batch,).  Draws that
            fill space evenly err less than that: about half as much in two dimensions.
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


@dataclass(frozen=True)
class Proposal:
    """Where momenta are drawn: the encoder's Gaussian, or a mixture of it with a wide copy.

    A mixture that holds a share of a density of heavier tails bounds the weights: they can be at most 1/share times
    what the wide density alone would give (Hesterberg, Technometrics 37, 1995; Owen, Zhou, JASA 95, 2000).  The draws
    of the narrow part are those of the encoder, so where the encoder is good little is lost.

    Attributes:
        share: of the wide copy, in [0, 1).
        widening: its standard deviations in those of the encoder.
        even: whether the draws of a point fill space evenly (:mod:`learn.flow.lattice`) and the narrow part is a little
            wider than the encoder, which fits the mode of p(p|q) and not its tails: 1 + 1/(2 dim) times, what was found
            to scatter least.  Weights are those of the law drawn from, so their mean has no bias either way.

    Raises:
        ParameterError: for a share outside [0, 1), or a widening below 1.

    Example:
        >>> Proposal(share=0.1)
        Proposal(share=0.1, widening=3.0, even=False)
    """

    share: float = 0.0
    widening: float = 3.0
    even: bool = False

    def __post_init__(self) -> None:
        share, widening = real("defensive", self.share), real("widening", self.widening)
        if not (0 <= share < 1 and 1 <= widening <= 1e3):
            raise ParameterError(
                f"defensive is a share in [0, 1) and widening lies in [1, 1000], not {share:g} and {widening:g}"
            )
        object.__setattr__(self, "share", share)
        object.__setattr__(self, "widening", widening)

    def draw(self, moments: Moments, k: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return k momenta for each point and their log densities, of shapes (batch, k, dim) and (batch, k).

        Arguments:
            moments: of the encoder.
            k: number of draws.
            generator: of torch; the global state if None.
        """
        stretch = 1 + 0.5 / moments.freedom if self.even else 1.0
        noise = stretch * moments.noise(k, generator, even=self.even)
        if not self.share:
            p, log_f = moments.draw(noise)
            return p, log_f if stretch == 1 else moments.log_density(noise, stretch)
        dtype, device = noise.dtype, noise.device
        wide = torch.rand(len(noise), k, 1, dtype=dtype, device=device, generator=generator) < self.share
        noise = torch.where(wide, self.widening / stretch * noise, noise)
        p, _ = moments.draw(noise)
        log_narrow, log_wide = (moments.log_density(noise, by) for by in (stretch, self.widening))
        return p, torch.logaddexp(log_narrow + math.log1p(-self.share), log_wide + math.log(self.share))


ENCODER = Proposal()


def importance_weighted(
    flow: JointFlow,
    encoder: Encoder,
    q: Tensor,
    samples: int,
    generator: torch.Generator | None = None,
    proposal: Proposal = ENCODER,
    context: Tensor | None = None,
) -> LogProbEstimate:
    """Return log (1/K) Σ_k p(q, p_k)/f(p_k|q) with p_k ~ f, its standard error and effective sample size.

    Points are taken in chunks, so memory does not grow with batch × samples.

    Arguments:
        flow: density on (q, p).
        encoder: f.
        q: finite points of shape (batch, dim), at least one, in the precision and on the device of the flow.
        samples: K.
        generator: of the draws; the global state of torch if None.
        proposal: the mixture that replaces f.
        context: as ``flow.read_context`` returns it.

    Raises:
        NonFiniteError: if an estimate is not finite.
    """
    first, second = [], []
    start = 0
    # each point carries running sums of its weights and squared weights, in logarithms
    for points in q.split(max(1, CHUNK // min(samples, CHUNK))):
        given = rows_of(context, slice(start, start := start + len(points)))
        moments = encoder_given(encoder, given).moments(points)
        log_sum = points.new_full((len(points),), -math.inf)
        log_square = log_sum
        left = samples
        while left:
            k = min(left, max(1, CHUNK // len(points)))
            p, log_f = proposal.draw(moments, k, generator)
            log_p = flow.raw_log_joint(
                points.repeat_interleave(k, 0), p.flatten(0, 1), repeated(given, k)
            ).view(-1, k)
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
