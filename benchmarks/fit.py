"""How well the default flow fits in given seconds of one core: KL gap to the exact entropy on held-out points.

The gap is E[log p − log p̂], p̂ by the importance-weighted bound with K draws (an upper bound of the divergence, beside
the sampling error that is shown), paired on the same points, so that the noise of the entropy cancels.

    python benchmarks/fit.py                      # ring, two rings, 8 Gaussians, moons; 30 s each
    python benchmarks/fit.py pinwheel checkerboard --seconds 60 --seeds 0 1 2
    python benchmarks/fit.py two_rings --option draws=1      # the ELBO throughout
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np
import torch

import hamsym as hs
import learn

ROTATION = "q1*p2 - q2*p1"
TARGETS = ["ring", "two_rings", "gaussians8", "moons"]


def measure(
    name: str, seconds: float, symmetry: str | None, points: int, samples: int, seed: int, more: dict
) -> dict:
    """Train for a time and return the numbers of one row."""
    target = hs.targets[name]
    q = target.sample(points, seed=seed)
    fit_options = {k: more[k] for k in ("batch", "lr", "draws", "draws_after") if k in more}
    flow_options = {k: v for k, v in more.items() if k not in fit_options}

    def train(steps: int) -> tuple[learn.HamiltonianFlow, float]:
        flow = learn.HamiltonianFlow(
            2, symmetry=symmetry, generators=ROTATION if symmetry else (), seed=seed, **flow_options
        )
        started = time.process_time()
        learn.fit(flow, q, steps=steps, seed=seed, progress=False, **fit_options)
        return flow, time.process_time() - started

    train(5)  # compiles the kernels
    pilot = train(200)[1] / 200
    steps = max(100, int(seconds / pilot))
    flow, spent = train(steps)
    held_out = target.sample(4000, seed=seed + 1)
    gaps = {}
    for k in (1, 16, 100, samples):
        gap = target.log_prob(held_out) - flow.log_prob(held_out, k, seed=seed).double().numpy()
        gaps[k] = (float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap))))
    return {
        "target": name, "symmetry": symmetry, "steps": steps, "cpu_seconds": round(spent, 1),
        "seed": seed, "elbo_gap": gaps[1][0], "gap_16": gaps[16][0], "gap_100": gaps[100][0], "gap": gaps[samples][0], "gap_se": gaps[samples][1],
        "samples": samples, **more,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", default=TARGETS)
    parser.add_argument("--seconds", type=float, default=30.0, help="of CPU for each training")
    parser.add_argument("--symmetry", default=None)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=1000, help="K")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--option", action="append", default=[], help="name=number of the flow or of fit")
    given = parser.parse_args()
    more = {k: float(v) if "." in v or "e" in v else int(v) for k, v in (o.split("=") for o in given.option)}
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in given.targets:
        for seed in given.seeds:
            row = measure(name, given.seconds, given.symmetry, given.points, given.samples, seed, more)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
