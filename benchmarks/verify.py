"""The exact verdict against ``sympy.simplify(bracket) == 0``: the same cases, the same run, a fresh process for each.

    python benchmarks/verify.py [--quick] [--limit 15] [--json FILE] [--all] [--names N]...

Every question is asked in a child process that starts from the same state, with empty caches of sympy; times are
its processor time.  ``simplify`` gets the bracket that sympy differentiates, and the limit; TIMEOUT means that it
did not end, MISS that it returned something else than 0 for a quantity that is conserved.  A ratio with > is a
lower bound, the limit over the time of hamsym.  The cases and their truth are those of the tests.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sympy as sp
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sympy.core.cache import clear_cache

import hamsym as hs
from hamsym.symbolic.zero_test.decide import Claim

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "symbolic"))
from expressions import CASES, CLASSICAL, case_space

#: The case of the goal for N bodies, with symbolic masses; every table has it.
TEN_BODIES = "nbody_10_Lz_own"
#: CPU seconds after which work is not repeated.
ENOUGH = 0.05
#: A small selection of all kinds.
QUICK = (
    "hh_kk", "SW4_LRLx", "toda_periodic_8_I4", "calogero_3_I3", "sutherland_3_I3", "elliptic_sep", "kerr_carter",
    "parab_sum_sq", "cuberoot_id", "kepler3_LRL_miss", "nbody_3_Lz_miss", "ck_damped", "log_split", TEN_BODIES,
)  # fmt: skip


def warm_up() -> None:
    """Load what both load on first use."""
    space = hs.PhaseSpace.standard(1)
    hs.verify(hs.Hamiltonian("p1**2/2 + sqrt(1 + q1**2)", space), "p1**2 + 2*sqrt(1 + q1**2)")
    sp.simplify(sp.sin(space.coordinates[0]) ** 2 + sp.exp(space.momenta[0]))


def in_child(work: Callable[[], str], limit: float) -> tuple[str | None, float]:
    """Return what a child process answers, None if the limit of CPU seconds stopped it, and the CPU seconds it used."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        hard = int(time.process_time() + limit) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        warm_up()  # takes the pages that both write to out of the parent's hands
        times: list[float] = []
        while sum(times) < ENOUGH and len(times) < 20:  # short work again, as the clock is coarse
            clear_cache()
            start = time.process_time()
            try:
                answer = work()
            except Exception as failure:
                answer = type(failure).__name__
            times.append(time.process_time() - start)
        os.write(write, json.dumps([answer, statistics.mean(times)]).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    answer, seconds = json.loads(told) if told else (None, limit)
    return (answer, seconds) if seconds <= limit else (None, limit)


def compare(case: dict, limit: float) -> dict:
    """Ask both about one case."""
    space = case_space(case)
    H, g = hs.Hamiltonian(case["H"], space), space.parse(case["g"])
    bracket = Claim(space, g, H.expr)
    status, ours = in_child(lambda: hs.verify(H, g, budget=60.0).status, 120.0)
    zero, theirs = in_child(lambda: str(sp.simplify(bracket.formula()) == 0), limit)
    truth = "proved" if case["expected"] else "refuted"
    told = "TIMEOUT" if zero is None else {"True": "0", "False": "not 0"}.get(zero, zero)
    return {
        "case": case["name"],
        "truth": "zero" if case["expected"] else "nonzero",
        "hamsym": status,
        "right": status == truth,
        "hamsym_s": ours,
        "simplify": "MISS" if case["expected"] and told == "not 0" else told,
        "simplify_s": theirs,
        "ratio": theirs / ours,
        "bound": zero is None,
    }


def chosen(options: argparse.Namespace) -> list[dict]:
    """Return the cases that the options ask for."""
    known = {c["name"]: c for c in [*CASES, *CLASSICAL]}
    if options.names:
        return [known[name] for name in options.names]
    if options.quick:
        return [known[name] for name in QUICK]
    return list(known.values()) if options.all else [*CASES, known[TEN_BODIES]]


def table(rows: Sequence[dict]) -> Table:
    """Return the comparison, one case a row."""
    result = Table(title="CPU seconds; ratio = simplify / hamsym")
    for column in ("case", "truth", "hamsym"):
        result.add_column(column)
    for column in ("s", "simplify", "s", "ratio"):
        result.add_column(column, justify="right")
    for r in rows:
        more = ">" if r["bound"] else ""
        ratio = f"{more}{r['ratio']:.3g}" if r["ratio"] < 100 else f"{more}{r['ratio']:.0f}"
        result.add_row(
            r["case"], r["truth"], r["hamsym"], f"{r['hamsym_s']:.4f}", r["simplify"],
            f"{more}{r['simplify_s']:.3f}", ratio,
        )  # fmt: skip
    return result


def summary(rows: Sequence[dict]) -> dict:
    """Return the figures that the goals are about."""
    ours = [r["hamsym_s"] for r in rows]
    ten = [r["hamsym_s"] for r in rows if r["case"] == TEN_BODIES]
    return {
        "cases": len(rows),
        "wrong": sum(not r["right"] and r["hamsym"] in ("proved", "refuted") for r in rows),
        "undecided": sum(r["hamsym"] not in ("proved", "refuted") for r in rows),
        "median_s": statistics.median(ours),
        "max_s": max(ours),
        "total_s": sum(ours),
        "ten_bodies_s": ten[0] if ten else None,
        "median_ratio": statistics.median(r["ratio"] for r in rows),
        "faster_10_times": sum(r["ratio"] >= 10 for r in rows),
        "slower": sum(r["ratio"] < 1 for r in rows),
        "simplify_timeouts": sum(r["simplify"] == "TIMEOUT" for r in rows),
        "simplify_misses": sum(r["simplify"] == "MISS" for r in rows),
        "simplify_errors": sum(r["simplify"] not in ("0", "not 0", "MISS", "TIMEOUT") for r in rows),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a selection of cases")
    parser.add_argument("--all", action="store_true", help="the cases from the literature too")
    parser.add_argument("--names", nargs="+", help="these cases")
    parser.add_argument("--limit", type=float, default=15.0, help="CPU seconds for each simplify")
    parser.add_argument("--json", type=Path, help="write rows and summary there")
    options = parser.parse_args()
    cases = chosen(options)
    warm_up()
    gc.collect()
    gc.freeze()  # the collector of a child need not look at what is there already
    rows = [compare(case, options.limit) for case in track(cases, description="cases", transient=True)]
    found = summary(rows)
    console = Console(width=130)
    console.print(table(rows))
    for name, value in found.items():
        console.print(f"{name.replace('_', ' '):>20}  {value:.4g}" if value is not None else "")
    if options.json:
        options.json.write_text(json.dumps({"summary": found, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
