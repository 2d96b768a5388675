"""Memory that one training step needs, against the number of leapfrog steps: reversible back-propagation and stored states.

    python benchmarks/memory.py [--steps 1 8 64 512] [--batch 4096] [--json]

``grown`` is the growth of the resident memory over the step of a new process, in MB: the largest one that the system saw
(``ru_maxrss``), less that before the step, after a step of one point has compiled and loaded everything.  ``kept`` is
what autograd keeps for the reverse pass beside the weights, in bytes a point: an exact count.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")


def one_step(steps: int, batch: int, fused: bool) -> dict[str, float]:
    """What a step takes in this process."""
    import torch

    from learn import HamiltonianFlow
    from learn.kernels import cpu

    torch.set_num_threads(1)
    flow = HamiltonianFlow(2, hamiltonians=2, steps=steps, seed=0)
    weights = {w.untyped_storage().data_ptr() for w in (*flow.parameters(), *flow.buffers())}
    kept: dict[int, int] = {}

    def keep(t: torch.Tensor) -> torch.Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return t

    def step(points: int) -> None:
        loss = -flow.elbo(torch.randn(points, 2)).mean()
        loss.backward()

    def counted(points: int) -> None:
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            loss = -flow.elbo(torch.randn(points, 2)).mean()
        loss.backward()

    def both() -> dict[str, float]:
        step(1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        step(batch)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        counted(batch)
        return {"grown": grown, "kept": sum(kept.values()) / batch}

    if fused:
        return both()
    with cpu.left_to_torch():
        return both()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--json", action="store_true", help="one JSON array in place of the table")
    parser.add_argument("--alone", choices=["fused", "torch"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(one_step(given.steps[0], given.batch, given.alone == "fused")))
        return
    rows = []
    for steps in given.steps:
        row: dict[str, Any] = {"steps": steps, "batch": given.batch}
        for way in ("fused", "torch"):
            if way == "torch" and steps > 64:
                continue  # gigabytes
            command = [
                sys.executable,
                __file__,
                "--alone",
                way,
                "--steps",
                str(steps),
                "--batch",
                str(given.batch),
            ]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            row[way] = json.loads(done.stdout)
        rows.append(row)
        if not given.json:
            cells = "".join(
                f"   {way}: grown {row[way]['grown']:6.1f} MB, kept {row[way]['kept']:9.1f} B a point"
                for way in ("fused", "torch")
                if way in row
            )
            print(f"2 × {steps:3} steps, {given.batch} points{cells}", flush=True)
    if given.json:
        print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
