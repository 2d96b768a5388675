"""One thread against more: wall time of the whole public call.

    python benchmarks/threads.py [--threads 2] [--rounds 15]

Wall time needs free cores; the title shows the load of the machine at the start.  ``cores`` is processor time over wall time
of the run in threads, how many cores it had at work; ``cost`` is its processor time over that of one thread, what sharing
out adds.  Where other processes take part of the cores, speed-up is lost that ``cost`` and ``cores`` explain.  Medians of
alternating runs.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import hamsym as hs

#: System, method, trajectories, steps, steps between stored states.
CASES = [
    ("henon_heiles", "leapfrog", 10_000, 1000, 10),
    ("henon_heiles", "leapfrog", 10_000, 10_000, 100),
    ("kepler", "leapfrog", 10_000, 1000, 10),
    ("kepler", "blanes_moan6", 10_000, 1000, 10),
    ("double_pendulum", "gauss4", 2_000, 500, 50),
    ("henon_heiles", "blanes_moan6", 48, 50_000, 1000),
]


def measure(case: tuple[str, str, int, int, int], threads: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the median wall and processor time with one thread and with several."""
    name, method, batch, steps, every = case
    system = hs.systems[name]
    q, p = system.initial_states(batch)

    def run(number: int) -> tuple[float, float]:
        wall, spent = time.perf_counter(), time.process_time()
        hs.simulate(
            system.hamiltonian, q, p, 0.005, steps, save_every=every, method=method, parameters=system.parameters,
            threads=number,
        )  # fmt: skip
        return time.perf_counter() - wall, time.process_time() - spent

    both = (1, threads)
    for number in both:
        run(number)
    times = np.median([[run(number) for number in both] for _ in range(rounds)], axis=0)
    return times[:, 0], times[:, 1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    table = Table(
        title=f"one thread and {options.threads}; load {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors"
    )
    for column in ("system", "method", "batch", "steps", "ms, one", "ms, more", "speed-up", "cores", "cost"):
        table.add_column(column, justify="left" if column in ("system", "method") else "right")
    for case in CASES:
        wall, spent = measure(case, options.threads, options.rounds)
        name, method, batch, steps, _ = case
        cells = [wall[0] * 1e3, wall[1] * 1e3, wall[0] / wall[1], spent[1] / wall[1], spent[1] / spent[0]]
        table.add_row(name, method, str(batch), str(steps), *(f"{cell:.2f}" for cell in cells))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
