"""``import hamsym``, and its first proof, against ``import sympy``: alternating child processes, medians.

    python benchmarks/import_time.py [--rounds 15] [--json FILE]

``import hamsym`` loads its parts when they are first named; ``first proof`` names them.  hamsym needs sympy, so
what matters is the difference.  The heavy libraries that a run may load later must not be
among the modules that the import loads.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

#: Libraries that are loaded on first use only.
LATE = ("torch", "numba", "matplotlib", "xarray", "zarr", "dask", "scipy")
CHILD = """
import json, resource, sys, time
before = resource.getrusage(resource.RUSAGE_SELF)
start = time.perf_counter()
{work}
wall = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([wall, cpu, [m for m in {late!r} if m in sys.modules]]))
"""


#: What is measured.
WORK = {
    "import sympy": "import sympy",
    "import hamsym": "import hamsym",
    "first proof": "import hamsym; bool(hamsym.is_zero('q1 - q1', hamsym.PhaseSpace.standard(1)))",
}


def measured(work: str) -> tuple[float, float, list[str]]:
    """Return wall seconds, CPU seconds and late libraries that were loaded, of work in a fresh process."""
    script = CHILD.format(work=WORK[work], late=LATE)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    wall, cpu, loaded = json.loads(done.stdout)
    return wall, cpu, loaded


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the medians there")
    options = parser.parse_args()
    for work in WORK:
        measured(work)  # compiled files and disk caches
    runs: dict[str, list[tuple[float, float, list[str]]]] = {work: [] for work in WORK}
    for _ in range(options.rounds):
        for work in WORK:
            runs[work].append(measured(work))
    wall, cpu = ({w: statistics.median(r[k] for r in runs[w]) for w in WORK} for k in (0, 1))
    loaded = runs["first proof"][0][2]
    for work in WORK:
        more = wall[work] - wall["import sympy"]
        print(f"{work:<14} {wall[work]:.3f} s wall, {cpu[work]:.3f} s CPU, {more:+.3f} s against sympy")
    print("loaded too:   ", ", ".join(loaded) or "none of " + ", ".join(LATE))
    if options.json:
        options.json.write_text(json.dumps({"wall_s": wall, "cpu_s": cpu, "loaded": loaded}) + "\n")


if __name__ == "__main__":
    main()
