"""Gravity of n bodies against rebound: the same steps of leapfrog from the same start, one trajectory.

    pip install -c constraints.txt -e '.[test,peers]'
    python benchmarks/peers_nbody.py [--bodies 8 64] [--rounds 9]

Both drift, kick, drift, and end in the same state, which is checked.  Processor time of a step, medians of alternating runs,
the end state alone stored; ``batch`` is a step of one of many trajectories of ours, for which rebound has to be run
again and again.  ``first`` is the processor time of our first result with an empty cache: formula, kernels, compilation.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HAMSYM_CACHE_DIR"] = tempfile.mkdtemp()

import numpy as np
import rebound
from rich.console import Console
from rich.table import Table
from side_by_side import seconds

import hamsym as hs
from hamsym.data.systems import System

STEP, BATCH = 1e-4, 64


def simulation(system: System, q: np.ndarray, p: np.ndarray) -> rebound.Simulation:
    """The bodies of one of our states in rebound."""
    sim = rebound.Simulation()
    sim.G, sim.integrator, sim.dt = system.parameters["G"], "leapfrog", STEP
    masses = np.array([system.parameters[f"m{i + 1}"] for i in range(len(q) // 3)])
    for m, x, v in zip(masses, q.reshape(-1, 3), p.reshape(-1, 3) / masses[:, None], strict=True):
        sim.add(m=m, x=x[0], y=x[1], z=x[2], vx=v[0], vy=v[1], vz=v[2])
    return sim


def places(sim: rebound.Simulation) -> np.ndarray:
    """Coordinates in our order."""
    return np.array([[body.x, body.y, body.z] for body in sim.particles]).ravel()


def measure(bodies: int, rounds: int) -> list[float]:
    """Return µs a step of ours, of rebound, of ours in a batch; and the seconds of the first result."""
    system = hs.systems["nbody"](n=bodies)
    q, p = system.initial_states(BATCH, seed=1)
    steps = max(100, 4_000_000 // bodies**2)

    def ours(count: int, many: int) -> hs.Trajectories:
        return hs.simulate(
            system.hamiltonian, q[:many], p[:many], STEP, count, save_every=count, method="leapfrog_drift",
            parameters=system.parameters, threads=1,
        )  # fmt: skip

    start = time.process_time()
    end = ours(100, 1).q[0, -1]
    first = time.process_time() - start
    sim = simulation(system, q[0], p[0])
    sim.steps(100)
    sim.synchronize()
    difference = np.abs(places(sim) - end).max()
    assert difference < 1e-11, f"rebound integrates something else: {difference}"

    few = max(1, steps // BATCH)
    times = seconds(
        {
            "ours": lambda: ours(steps, 1),
            "rebound": lambda: sim.steps(steps),
            "batch": lambda: ours(few, BATCH),
        },
        rounds,
    )
    each = [times["ours"] / steps, times["rebound"] / steps, times["batch"] / (few * BATCH)]
    return [value * 1e6 for value in each] + [first]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bodies", type=int, nargs="*", default=[8, 64])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    table = Table(title=f"µs of processor time a step, leapfrog, rebound {rebound.__version__}")
    for column in ("bodies", "hamsym", "rebound", "rebound / hamsym", "batch", "rebound / batch", "first, s"):
        table.add_column(column, justify="right")
    for bodies in options.bodies:
        ours, theirs, batch, first = measure(bodies, options.rounds)
        cells = [ours, theirs, theirs / ours, batch, theirs / batch, first]
        table.add_row(str(bodies), *(f"{cell:.3g}" for cell in cells))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
