"""How long a first training takes: cold, with no machine code on disk, and in the next process, from the cache.

    python benchmarks/first_fit.py [--symmetry None exact penalty]

Each run is a fresh process that imports torch and learn and trains a flow of two coordinates for two steps.  Seconds of
processor time of the training alone, imports of torch left out; that of numba is a part of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

SCRIPT = """
import sys, time, warnings, torch, learn
torch.set_num_threads(1)
warnings.simplefilter("ignore")
mode = sys.argv[1]
given = {} if mode == "None" else {"symmetry": mode, "generators": ["q1*p2 - q2*p1"]}
flow = learn.HamiltonianFlow(2, seed=0, **given)
start = time.process_time()
learn.fit(flow, torch.randn(2000, 2), steps=2, progress=False)
print(time.process_time() - start)
"""


def measure(mode: str, folder: str) -> float:
    """Seconds of processor time of the training in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode],
        env=os.environ | {"NUMBA_CACHE_DIR": folder, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--symmetry", nargs="+", default=["None", "exact", "penalty"])
    options = parser.parse_args()
    print(f"{'':10}{'cold':>9}{'cached':>9}")
    for mode in options.symmetry:
        with tempfile.TemporaryDirectory() as folder:
            cold, cached = (measure(mode, folder) for _ in range(2))
        print(f"{mode:10}{cold:7.2f} s{cached:7.2f} s", flush=True)


if __name__ == "__main__":
    main()
