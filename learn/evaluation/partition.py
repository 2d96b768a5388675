"""The logarithm of a partition function from the samples of a flow, without knowing anything but the energy.

Source: importance sampling in the space of (q, p): with (q, p) drawn from the flow, exp(−βU(q)) f(p|q)/p(q, p) has
mean Z = ∫ exp(−βU), whatever flow and encoder f; how far they are off shows in the variance alone (Wirnsberger et al.,
J. Chem. Phys. 153, 144112, 2020, do so with flows that know their density).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hamsym.arguments import integer
from hamsym.errors import ParameterError
from learn.arguments import MAX_NUMBERS, seed_number
from learn.flow.marginal import MarginalFlow

#: Numbers in the matrices that are solved at once: some 50 MB.
MATRICES = 1 << 22


@dataclass(frozen=True)
class LogZ:
    """An estimate of log Z.

    Attributes:
        value: log of the mean weight, in nats.
        error: its standard error by the delta method, which is too small where few samples are effective.
        effective_samples: (Σw)²/Σw².

    Example:
        >>> LogZ(19.05, 0.01, 5000.0)
        LogZ(value=19.05, error=0.01, effective_samples=5000.0)
    """

    value: float
    error: float
    effective_samples: float


@torch.no_grad()
def estimate_log_z(
    flow: MarginalFlow, log_weight: Callable[[np.ndarray], np.ndarray], samples: int, *, seed: int = 0
) -> LogZ:
    """Return log ∫ exp(w(q)) dq over the coordinates of the density of a flow.

    Arguments:
        flow: its samples and those of its encoder are what is weighted.
        log_weight: w, of points of shape (n, dim), in float64; −βU for a Boltzmann density.
        samples: how many.
        seed: of the samples.

    Raises:
        ParameterError: for fewer than two samples, or weights of which none is finite.

    Example:
        >>> from learn import HamiltonianFlow
        >>> found = estimate_log_z(HamiltonianFlow(1, hamiltonians=1, width=4), lambda q: -0.5 * q[:, 0] ** 2, 2000)
        >>> abs(found.value - 0.5 * math.log(2 * math.pi)) < 0.1
        True
    """
    samples = integer("samples", samples, minimum=2, maximum=MAX_NUMBERS // flow.dim)
    random = torch.Generator(flow.unit.device).manual_seed(seed_number(seed))
    logs, chunk = [], max(1, MATRICES // flow.dim**2)
    for start in range(0, samples, chunk):
        q0, p0 = flow.sample_base(min(chunk, samples - start), generator=random)
        q, p = flow.push_forward(q0, p0)
        moments = flow.encoder.moments(q)
        # the noise that would have made p; without the directions that p does not have, where the factor is a multiple of 1
        noise = torch.linalg.solve(moments.factor.double(), (p - moments.mean).double()[..., None])[..., 0]
        log_f = moments.log_density(noise[:, None].to(q))[:, 0]
        model = flow.log_base(q0, p0)
        logs.append(np.asarray(log_weight(q.double().cpu().numpy())) + (log_f - model).double().cpu().numpy())
    w = np.concatenate(logs)
    w = np.where(np.isnan(w), -np.inf, w)
    if not np.isfinite(top := w.max()):
        raise ParameterError("no sample of the flow has a finite weight; train it, or look at log_weight")
    scaled = np.exp(w - top)
    mean = scaled.mean()
    effective = float(scaled.sum() ** 2 / np.square(scaled).sum())
    return LogZ(float(top + math.log(mean)), float(scaled.std(ddof=1) / mean / math.sqrt(samples)), effective)


def pooled(estimates: Sequence[LogZ]) -> LogZ:
    """Return the mean of Z over independent estimates, each weighted by its effective samples.

    Weights by the variances, which are estimated from the same samples, would favour those that missed the large ones;
    so the best is what counts and those with a tenth of its effective samples or less are left out.

    Arguments:
        estimates: at least one.

    Example:
        >>> found = pooled([LogZ(1.0, 0.1, 100.0), LogZ(1.0, 0.1, 100.0), LogZ(5.0, 0.9, 2.0)])
        >>> found.value, round(found.error, 3), found.effective_samples
        (1.0, 0.071, 200.0)
    """
    best = max(e.effective_samples for e in estimates)
    kept = [e for e in estimates if e.effective_samples > best / 10]
    total = sum(e.effective_samples for e in kept)
    shares = [e.effective_samples / total for e in kept]
    top = max(e.value for e in kept)
    parts = [s * math.exp(e.value - top) for s, e in zip(shares, kept, strict=True)]
    mean = sum(parts)
    error = math.sqrt(sum((x * e.error) ** 2 for x, e in zip(parts, kept, strict=True))) / mean
    return LogZ(top + math.log(mean), error, total)
