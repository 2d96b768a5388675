"""log p(q) of 1000 points: error against quadrature, what the estimate says about itself, and time.

    python benchmarks/log_prob.py [two_rings moons pinwheel] [--training 1500] [--samples 16 64 256]

A flow is trained on each target, then log p(q) = log ∫ p(q, p) dp at held-out points is estimated from K draws: ``even``
(a shifted lattice under a widened encoder, what ``log_prob`` does), ``independent`` (the encoder's own), and
``plain`` (the same without the compiled kernels).  Errors are in nats against the trapezoidal rule in float64: ``mean`` is
that of the mean over the points, with its standard error, ``each`` the root mean square over single points, ``stated``
that of the standard errors that the estimate gives.  CPU time on one core, in turns, medians.
"""

from __future__ import annotations

import argparse
import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from side_by_side import seconds

import hamsym as hs
import learn
from learn.kernels import cpu


def trained(name: str, steps: int) -> learn.HamiltonianFlow:
    """A flow with the usual settings, trained on one target."""
    flow = learn.HamiltonianFlow(2, seed=0)
    learn.fit(flow, hs.targets[name].sample(50_000, seed=0), steps=steps, progress=False)
    return flow


def measure(name: str, given: argparse.Namespace) -> None:
    """Print the rows of one target."""
    flow = trained(name, given.training)
    q = torch.as_tensor(hs.targets[name].sample(1000, seed=1)).float()
    few = q[: given.exact]
    exact = learn.quadrature_log_prob(
        flow.double(), few.double(), nodes=64, width=6.0, max_nodes=128, tolerance=1e-4
    )
    flow.float()
    for k in given.samples:
        ways = {
            "even": lambda seed, k=k: flow.estimate_log_prob(q, k, seed=seed),
            "independent": lambda seed, k=k: flow.estimate_log_prob(q, k, seed=seed, even=False),
        }
        timed = {way: (lambda run=run: run(0)) for way, run in ways.items()}

        def plain(k: int = k) -> None:
            with cpu.left_to_torch():
                flow.estimate_log_prob(q, k, seed=0, even=False)

        times = seconds({**timed, "plain": plain}, given.rounds)
        for way, run in ways.items():
            found = [run(seed) for seed in range(given.repeat)]
            errors = np.array([(e.value[: len(few)].double() - exact).numpy() for e in found])
            stated = np.mean([float(e.standard_error[: len(few)].square().mean()) for e in found]) ** 0.5
            spread = errors.std(ddof=1) / len(q) ** 0.5
            print(
                f"{name:10} K={k:4} {way:11} mean {errors.mean():+.4f} ± {spread:.4f}  each {np.sqrt((errors**2).mean()):.3f} "
                f"(median {np.median(abs(errors)):.3f}) stated {stated:.3f}  1000 points {times[way] * 1e3:6.1f} ms"
                f"  (plain {times['plain'] * 1e3:.0f} ms)",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", default=["two_rings", "moons", "pinwheel"])
    parser.add_argument("--training", type=int, default=1500, help="steps")
    parser.add_argument("--samples", type=int, nargs="+", default=[16, 64, 256], help="K")
    parser.add_argument("--exact", type=int, default=400, help="points that are compared with quadrature")
    parser.add_argument("--repeat", type=int, default=5, help="estimates")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in given.targets:
        measure(name, given)


if __name__ == "__main__":
    main()
