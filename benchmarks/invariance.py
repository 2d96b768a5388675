"""What a constraint costs in fit and what it buys in symmetry, with many points: KL gap, and how much log p varies over
rotations (standard deviation by quadrature in float64, beside its noise floor).

    python benchmarks/invariance.py
    python benchmarks/invariance.py --modes features --seeds 0 --constraint '{"sampling": "orbit", "tolerance": 7e-5}'
"""

from __future__ import annotations

import argparse
import json
import warnings

import numpy as np
import torch

import hamsym as hs
from learn.experiments.runs import ROTATION, Method
from learn.symmetry.equivariance import density_invariance
from learn.training.evidence import SLOPES
from learn.training.fit import fit

MODES = ["None", "penalty", "features", "exact", "average", "augment"]


def measure(name: str, mode: str, seed: int, steps: int, turned: int, constraint: dict) -> dict:
    """Train one flow of the default size and return the numbers of one row."""
    target = hs.targets[name]
    options = constraint if mode in ("penalty", "features") else None
    method = Method(mode, None if mode == "None" else mode, options)
    flow = method.flow(hamiltonians=8, width=64, seed=seed)
    result = fit(
        flow, target.sample(50_000, seed=seed), steps=steps, seed=seed, constraint=method.lagrangian(), progress=False
    )  # fmt: skip
    fresh = target.sample(2_000, seed=seed + 1_000)
    learned = flow.log_prob(torch.as_tensor(fresh).to(flow.unit), 256, seed=seed).double().numpy()
    gap = target.log_prob(fresh) - learned
    value, floor = density_invariance(flow, [ROTATION], fresh[:turned], method="quadrature", seed=seed)
    return {
        "mode": mode, "seed": seed, "steps": steps, "kl_gap": gap.mean(), "kl_gap_se": gap.std() / len(gap) ** 0.5,
        "sd_of_log_p": value, "noise_floor": floor, "satisfied": result.constraint_satisfied,
        "lambda": result.history["lambda"][-1],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", default="two_rings")
    parser.add_argument("--modes", nargs="+", default=["None", "features"], choices=MODES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--turned", type=int, default=8, help="points whose log p is followed around")
    parser.add_argument(
        "--constraint", type=json.loads, default=SLOPES,
        help="options of BracketConstraint as json, for penalty and features",
    )  # fmt: skip
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for mode in given.modes:
        rows = []
        for seed in given.seeds:
            rows.append(measure(given.target, mode, seed, given.steps, given.turned, given.constraint))
            print(json.dumps(rows[-1]), flush=True)
        means = {key: float(np.mean([row[key] for row in rows])) for key in ("kl_gap", "sd_of_log_p")}
        print(json.dumps({"mode": mode, "seeds": len(rows), **means}), flush=True)


if __name__ == "__main__":
    main()
