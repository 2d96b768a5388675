"""What a symmetry is worth where points are few: KL gap of each mode on held-out points, and its gain over no symmetry.

Every mode is trained alike, stopped by points that ``fit`` holds out of the few, and measured by the importance-weighted
bound, paired on the same fresh points.  One line for each mode, number of points and seed, then the means.

    python benchmarks/few_points.py
    python benchmarks/few_points.py --points 50 --modes None exact --seeds 0
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import replace

import numpy as np
import torch

import hamsym as hs
from learn.experiments import data_efficiency
from learn.experiments.data_efficiency import FULL, ORBIT
from learn.experiments.runs import Method

MODES = ["None", "augment", "penalty", "features", "exact"]


def measure(
    name: str, mode: str, n: int, seed: int, steps: int, patience: int | None, constraint: dict
) -> dict:
    """Train on n points and return the numbers of one row."""
    method = Method(
        mode, None if mode == "None" else mode, constraint if mode in ("penalty", "features") else None
    )
    setting = replace(FULL, steps=steps, batch=128, held_out=2000, patience=patience or FULL.patience)
    return data_efficiency.measure(hs.targets[name], method, n, setting, stop=patience is not None, seed=seed)


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
        "--constraint", type=json.loads, default=ORBIT,
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
            means[mode] = float(np.mean([row["kl_gap"] for row in rows]))
        gains = {mode: round(means["None"] - gap, 3) for mode, gap in means.items() if "None" in means}
        print(json.dumps({"points": n, "mean_gap": means, "gain_over_None": gains}), flush=True)


if __name__ == "__main__":
    main()
