"""Every integrator: its measured order, its cost, and what an accuracy costs with it.

    python benchmarks/methods.py [--quick]

Order: from halving the step on pendulum and Hénon–Heiles, root mean square over eight trajectories.  Cost: processor time
of one step of one trajectory in a batch of 2000, output left out.  The last columns are the cheapest batch run whose end,
at t = 50 of Hénon–Heiles, is within 1e-6 or 1e-9 of the truth: microseconds of processor time a trajectory.  The truth is
Gauss collocation of order six with a small step and compensated sums.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import hamsym as hs
from hamsym.numeric.methods import Method

#: Steps in a time of 4 where the order shows best: above round-off, below which the series has settled.
BASES = {2: 64, 4: 64, 6: 14, 8: 24}
GOALS = (1e-6, 1e-9)


def run(name: str, q: np.ndarray, p: np.ndarray, time_span: float, steps: int, **options) -> hs.Trajectories:
    """Integrate a system of the catalogue and store the start and the end."""
    system = hs.systems[name]
    return hs.simulate(
        system.hamiltonian, q, p, time_span / steps, steps, save_every=steps, parameters=system.parameters, threads=1,
        **options,
    )  # fmt: skip


def difference(a: hs.Trajectories, b: hs.Trajectories) -> float:
    """Root mean square difference of the final coordinates."""
    return float(np.sqrt(np.mean((a.q[:, -1] - b.q[:, -1]) ** 2)))


def order(method: Method, name: str) -> float:
    """The exponent with which the error falls."""
    q, p = hs.systems[name].initial_states(8, seed=3)
    truth = run(name, q, p, 4.0, 1024, method="gauss6", compensated=True)
    base = BASES[method.order] * (1 if method.symplectic else 2)
    compensated = method.order == 8
    coarse, fine = (
        difference(run(name, q, p, 4.0, n, method=method, compensated=compensated), truth)
        for n in (base, 2 * base)
    )
    return math.log2(coarse / fine)


def seconds(name: str, q: np.ndarray, p: np.ndarray, time_span: float, steps: int, method: Method) -> float:
    """Median processor time of three runs that need no compilation."""
    times = []
    for _ in range(4):
        start = time.process_time()
        run(name, q, p, time_span, steps, method=method)
        times.append(time.process_time() - start)
    return float(np.median(times[1:]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="orders only")
    options = parser.parse_args()
    q, p = hs.systems["henon_heiles"].initial_states(2000, seed=1)
    few, span = 50, 50.0
    truth = run("henon_heiles", q[:few], p[:few], span, 10_000, method="gauss6", compensated=True)
    table = Table(title="integrators")
    for column in (
        "method", "order", "pendulum", "Hénon–Heiles", "evaluations", "ns a step", "µs for 1e-6", "µs for 1e-9",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for method in hs.methods():
        cells = [method.name, str(method.order)]
        cells += [f"{order(method, name):.2f}" for name in ("pendulum", "henon_heiles")]
        cells.append(str(method.evaluations))
        if not options.quick:
            cells.append(f"{seconds('henon_heiles', q, p, 10.0, 500, method) / 500 / len(q) * 1e9:.1f}")
            for goal in GOALS:
                steps = next(
                    (
                        n
                        for n in (round(50 * 2 ** (k / 2)) for k in range(24))
                        if error_is_below(goal, q[:few], p[:few], span, n, method, truth)
                    ),
                    None,
                )
                cells.append(
                    "-"
                    if steps is None
                    else f"{seconds('henon_heiles', q, p, span, steps, method) / len(q) * 1e6:.1f}"
                )
        table.add_row(*cells)
    Console(width=140).print(table)


def error_is_below(
    goal: float, q: np.ndarray, p: np.ndarray, span: float, steps: int, method: Method, truth: hs.Trajectories
) -> bool:
    """Whether a run with that many steps ends near enough to the truth; an unstable one does not."""
    try:
        return difference(run("henon_heiles", q, p, span, steps, method=method), truth) < goal
    except hs.errors.NonFiniteError:
        return False


if __name__ == "__main__":
    main()
