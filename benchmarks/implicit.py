"""Implicit and doubled methods against SciPy's adaptive solvers at equal accuracy, on Hamiltonians that do not separate.

    python benchmarks/implicit.py [--batch 1000] [--peer-batch 2] [--rounds 3]

The error is the root mean square of the state at the end against DOP853 at 3e-14.  Every method of ours is run with halved
steps, SciPy's solvers with tightened tolerances, and each row is the cheapest run within the error.  SciPy's
right-hand side is one lambdified function with common subexpressions.  Microseconds of processor time per trajectory;
medians of alternating runs.  ``stiff`` has a frequency of 1000 beside one of 1, with dt up to 0.2.
"""

from __future__ import annotations

import argparse
import time
import warnings
from functools import partial

import numpy as np
import sympy as sp
from rich.console import Console
from rich.table import Table
from scipy.integrate import solve_ivp

import hamsym as hs
from hamsym.errors import NonFiniteError

ERRORS = (1e-4, 1e-7, 1e-10)
METHODS = ("implicit_midpoint", "gauss4", "gauss6", "tao2", "tao4")
SOLVERS = ("DOP853", "Radau", "LSODA")


def double_pendulum():
    """Hamiltonian, parameters, end of the time and initial states."""
    system = hs.systems["double_pendulum"]
    return system.hamiltonian, system.parameters, 2.0, partial(system.initial_states, seed=1)


def stiff():
    """A slow nonlinear motion coupled to a fast bond that is at rest."""
    H = hs.Hamiltonian(
        "(p1**2 + p2**2*(1 + q1**2)/(1 + q2**2))/2 + q1**4/4 + q1**2/2 + 1e6*(q2 - q1**2/10)**2/2",
        hs.PhaseSpace.standard(2),
    )

    def start(n: int):
        q1 = np.random.default_rng(1).uniform(0.5, 1.0, n)
        return np.stack([q1, q1**2 / 10], axis=-1), np.zeros((n, 2))

    return H, {}, 2.0, start


SYSTEMS = {"double pendulum": (double_pendulum, (0, 1)), "stiff": (stiff, (0,))}


def median(runs, rounds):
    """Return the median processor time of each function, called in turn."""
    seconds: dict = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.process_time()
            run()
            seconds[name].append(time.process_time() - begin)
    return {name: float(np.median(s)) for name, s in seconds.items()}


def candidates(name: str, options: argparse.Namespace):
    """Runs of all contenders by error bound: for each the cheapest setting that keeps it."""
    make, kept = SYSTEMS[name]
    H, parameters, end, start = make()
    q, p = start(options.batch)
    values = {s: parameters[n] for n, s in H.space.parameters.items()}
    equations = H.equations()
    slopes = sp.lambdify(
        [H.space.variables], [equations[v].subs(values) for v in H.space.variables], cse=True
    )

    def solve(solver: str, tolerance: float):
        return np.array(
            [
                solve_ivp(
                    lambda t, s: slopes(s), (0, end), [*a, *b], solver, rtol=tolerance, atol=tolerance / 10
                ).y[:, -1]
                for a, b in zip(q[: options.peer_batch], p[: options.peer_batch], strict=True)
            ]
        )

    exact = solve("DOP853", 3e-14)[:, list(kept)]

    def simulate(dt: float, steps: int, method: str, batch: int):
        setting = {"save_every": steps, "method": method, "parameters": parameters, "threads": 1}
        return hs.simulate(H, q[:batch], p[:batch], dt, steps, **setting).q[:, -1]

    def error(states):
        return float(np.sqrt(np.mean((states[: options.peer_batch][:, list(kept)] - exact) ** 2)))

    found = {}
    for method in METHODS:
        steps, best = 8, {}
        while steps <= options.most_steps and len(best) < len(ERRORS):
            run = partial(simulate, end / steps, steps, method)
            try:
                off = error(run(options.peer_batch))
            except NonFiniteError:
                off = np.inf
            best |= {
                bound: (partial(run, options.batch), steps)
                for bound in ERRORS
                if bound not in best and off <= bound
            }
            steps *= 2
        found[method] = best
    for solver in SOLVERS:
        best = {}
        for tolerance in 10.0 ** np.arange(-4.0, -13.1, -1.0):
            off = error(solve(solver, tolerance)[:, : q.shape[1]])
            best |= {b: (partial(solve, solver, tolerance), 0) for b in ERRORS if b not in best and off <= b}
            if len(best) == len(ERRORS):
                break
        found[solver] = best
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--peer-batch", type=int, default=2)
    parser.add_argument("--most-steps", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table = Table(
        title=f"µs per trajectory at equal error, batch {options.batch} (SciPy: {options.peer_batch})"
    )
    for column in ["system", "error", *METHODS, *SOLVERS, "SciPy/best"]:
        table.add_column(column, justify="right")
    for name in SYSTEMS:
        found = candidates(name, options)
        for bound in ERRORS:
            runs = {c: best[bound][0] for c, best in found.items() if bound in best}
            t = median(runs, options.rounds)
            per = {c: 1e6 * s / (options.batch if c in METHODS else options.peer_batch) for c, s in t.items()}
            ours, theirs = (
                min((per[c] for c in names if c in per), default=np.nan) for names in (METHODS, SOLVERS)
            )
            cells = [
                f"{per[c]:.4g} ({found[c][bound][1]})"
                if c in METHODS and c in per
                else f"{per[c]:.4g}"
                if c in per
                else "–"
                for c in [*METHODS, *SOLVERS]
            ]
            table.add_row(name, f"{bound:.0e}", *cells, f"{theirs / ours:.0f}")
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
