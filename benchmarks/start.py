"""How long the first trajectories of a formula take: cold, with nothing on disk, and from the cache.

    python benchmarks/start.py [--rounds 5]

Each run is a fresh process that imports hamsym, writes down Hénon–Heiles and integrates 64 trajectories; ``by numba`` is the
same where numba has to compile, and ``trivial`` is a fresh process that imports numba and compiles ``x + 1``, the least that
any use of numba costs.  Seconds of processor time, medians; ``first result`` counts from writing H down.
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
import sys, time
a = time.process_time()
import numpy as np
import hamsym as hs
hs.simulate, hs.Hamiltonian
b = time.process_time()
{before}
c = time.process_time()
H = hs.Hamiltonian("(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2 + q1**2*q2 - q2**3/3", hs.PhaseSpace.standard(2))
q = np.full((64, 2), 0.1)
hs.simulate(H, q, q, 0.01, 100, save_every=10)
d = time.process_time()
assert ("numba" in sys.modules) == {numba}
print(b - a, c - b, d - c, (b - a) + (d - b))
"""
BY_NUMBA = "from hamsym.numeric import cache; cache.processor = lambda: None; import numba"
OURS = SCRIPT.format(before="", numba=False)
NUMBAS = SCRIPT.format(before=BY_NUMBA, numba=True)
TRIVIAL = """
import time
a = time.process_time()
from numba import njit
b = time.process_time()
njit(lambda x: x + 1)(1.0)
c = time.process_time()
print(0.0, b - a, c - b, c - a)
"""
COLUMNS = ("imports of hamsym", "import of numba", "first result", "sum")


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
    found: dict[str, list[list[float]]] = {}
    for _ in range(options.rounds):
        for name, script in (("", OURS), (" by numba", NUMBAS)):
            with tempfile.TemporaryDirectory() as folder:
                for state in ("cold", "cached"):
                    found.setdefault(state + name, []).append(measure(script, folder))
        found.setdefault("trivial", []).append(measure(TRIVIAL, tempfile.gettempdir()))
    table = Table(title="first trajectories of Hénon–Heiles, seconds of processor time")
    for column in ("", *COLUMNS):
        table.add_column(column, justify="right")
    for name in sorted(found):
        table.add_row(name, *[f"{x:.3f}" for x in np.median(found[name], axis=0)])
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
