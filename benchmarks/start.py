"""How long the first trajectories of a formula take: cold, with nothing on disk, and from the cache.

    python benchmarks/start.py [--rounds 5]

Each run is a fresh process that imports hamsym, writes down Hénon–Heiles and integrates 64 trajectories; ``trivial`` is a
fresh process that imports numba and compiles ``x + 1``, the least that any use of numba costs.  Seconds of processor time,
medians; imports of hamsym, sympy and numpy are given apart.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
from rich.console import Console
from rich.table import Table

SCRIPT = """
import time
a = time.process_time()
import numpy as np
import hamsym as hs
hs.simulate, hs.Hamiltonian
b = time.process_time()
H = hs.Hamiltonian("(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2 + q1**2*q2 - q2**3/3", hs.PhaseSpace.standard(2))
q = np.full((64, 2), 0.1)
hs.simulate(H, q, q, 0.01, 100, save_every=10)
print(b - a, time.process_time() - b)
"""
TRIVIAL = """
import time
a = time.process_time()
from numba import njit
b = time.process_time()
njit(lambda x: x + 1)(1.0)
print(b - a, time.process_time() - b)
"""


def measure(script: str, folder: str) -> list[float]:
    """The numbers that a fresh process prints."""
    environment = os.environ | {"HAMSYM_CACHE_DIR": folder}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return [float(x) for x in done.stdout.split()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, list[list[float]]] = {"cold": [], "cached": [], "trivial": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            found["cold"].append(measure(SCRIPT, folder))
            found["cached"].append(measure(SCRIPT, folder))
            found["trivial"].append(measure(TRIVIAL, folder))
    table = Table(title="first trajectories of Hénon–Heiles, seconds of processor time")
    for column in ("", "imports", "first result"):
        table.add_column(column, justify="right")
    for name, rows in found.items():
        imports, first = np.median(rows, axis=0)
        table.add_row(name, f"{imports:.2f}", f"{first:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
