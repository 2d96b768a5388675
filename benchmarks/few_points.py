"""What a symmetry is worth where points are few: KL gap of each mode on held-out points, and its gain over no symmetry.

Every mode is trained alike, stopped by points that ``fit`` holds out of the few, and measured by the importance-weighted
bound, paired on the same fresh points.  One line for each mode, number of points and seed, then the means.

    python benchmarks/few_points.py
    python benchmarks/few_points.py --points 50 --modes None exact --seeds 0
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
MODES = ["None", "augment", "penalty", "features", "exact"]


def measure(
    name: str, mode: str, n: int, seed: int, steps: int, patience: int | None, constraint: dict
) -> dict:
    """Train on n points and return the numbers of one row."""
    target = hs.targets[name]
    symmetry = None if mode == "None" else mode
    flow = learn.HamiltonianFlow(
        2, symmetry=symmetry, generators=() if symmetry is None else ROTATION, seed=seed
    )
    constrained = mode in ("penalty", "features")
    started = time.process_time()
    result = learn.fit(
        flow, target.sample(n, seed=seed), steps=steps, batch=128, seed=seed, progress=False, patience=patience,
        validate_every=20, constraint=learn.BracketConstraint(ROTATION, **constraint) if constrained else None,
    )  # fmt: skip
    spent = time.process_time() - started
    fresh = target.sample(2000, seed=1000 + seed)
    gap = target.log_prob(fresh) - flow.log_prob(fresh, 256, seed=seed).double().numpy()
    return {
        "target": name, "mode": mode, "points": n, "seed": seed, "best_step": result.best_step,
        "steps": result.history["step"][-1], "cpu_seconds": round(spent, 1), "gap": round(float(gap.mean()), 4),
        "gap_se": round(float(gap.std(ddof=1) / np.sqrt(len(gap))), 4),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", default="two_rings")
    parser.add_argument("--points", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--patience", type=int, default=15, help="looks, one every 20 steps; 0 for none")
    parser.add_argument(
        "--constraint", type=json.loads, default={"tolerance": 0.003, "sampling": "orbit", "loose": 100.0},
        help="options of BracketConstraint as json, for penalty and features",
    )  # fmt: skip
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for n in given.points:
        means = {}
        for mode in given.modes:
            rows = [
                measure(given.target, mode, n, seed, given.steps, given.patience or None, given.constraint)
                for seed in given.seeds
            ]
            for row in rows:
                print(json.dumps(row), flush=True)
            means[mode] = float(np.mean([row["gap"] for row in rows]))
        gains = {mode: round(means["None"] - gap, 3) for mode, gap in means.items() if "None" in means}
        print(json.dumps({"points": n, "mean_gap": means, "gain_over_None": gains}), flush=True)


if __name__ == "__main__":
    main()
