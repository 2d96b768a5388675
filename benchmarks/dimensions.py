"""How well and how fast the default flow fits densities of many coordinates, whose entropy is known.

A Gaussian with random correlations, and four Gaussians of width 0.5 at random centres a distance 3 from the origin.
The gap is E[log p − log p̂] on held-out points, p̂ by the importance-weighted bound; ``isotropic_gap`` is that of the
best Gaussian with one scale for all directions, where a training starts.

    python benchmarks/dimensions.py                     # 16, 64 and 100 coordinates, 15 s each
    python benchmarks/dimensions.py --dims 16 --seconds 30
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings

import torch
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

import learn

DENSITIES = ["gaussian", "mixture"]


def density(name: str, dim: int, seed: int) -> Distribution:
    """Return a density in ``dim`` coordinates, in float64."""
    random = torch.Generator().manual_seed(seed)
    if name == "gaussian":
        mix = torch.randn(dim, dim, generator=random, dtype=torch.float64) / math.sqrt(dim)
        covariance = mix @ mix.T + 0.3 * torch.eye(dim, dtype=torch.float64)
        return MultivariateNormal(torch.zeros(dim, dtype=torch.float64), covariance)
    centres = torch.randn(4, dim, generator=random, dtype=torch.float64)
    centres = 3 * (centres - centres.mean(0)) / centres.norm(dim=-1, keepdim=True)
    parts = Independent(Normal(centres, torch.full_like(centres, 0.5)), 1)
    return MixtureSameFamily(Categorical(torch.ones(4, dtype=torch.float64)), parts)


def measure(name: str, dim: int, seconds: float, batch: int, seed: int) -> dict:
    """Train for a time and return the numbers of one row."""
    law = density(name, dim, seed)
    torch.manual_seed(seed)
    q, fresh = law.sample((50_000,)), law.sample((1000,))

    def train(steps: int) -> tuple[learn.HamiltonianFlow, float]:
        flow = learn.HamiltonianFlow(dim, seed=seed)
        started = time.process_time()
        learn.fit(flow, q, steps=steps, batch=batch, seed=seed, progress=False)
        return flow, time.process_time() - started

    train(4)  # compiles the kernels
    steps = max(50, int(seconds / (train(20)[1] / 20)))
    flow, spent = train(steps)
    truth = law.log_prob(fresh)
    scale = float(q.square().mean().sqrt())
    start = truth - Normal(0.0, scale).log_prob(fresh).sum(-1)
    gap = truth - flow.log_prob(fresh, 200, seed=seed).double()
    return {
        "density": name, "dim": dim, "weights": sum(w.numel() for w in flow.parameters()), "steps": steps,
        "cpu_seconds": round(spent, 1), "ms_per_step": round(1e3 * spent / steps, 2),
        "isotropic_gap": round(float(start.mean()), 3), "gap": round(float(gap.mean()), 3),
        "gap_se": round(float(gap.std() / math.sqrt(len(gap))), 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--densities", nargs="+", default=DENSITIES, choices=DENSITIES)
    parser.add_argument("--dims", type=int, nargs="+", default=[16, 64, 100])
    parser.add_argument("--seconds", type=float, default=15.0, help="of CPU for each training")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in given.densities:
        for dim in given.dims:
            print(json.dumps(measure(name, dim, given.seconds, given.batch, given.seed)), flush=True)


if __name__ == "__main__":
    main()
