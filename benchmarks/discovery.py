"""Discovery of first integrals: sizes of the linear systems and processor time, end to end, one core.

    python benchmarks/discovery.py [--small] [--cases PATH]

The first table finds all polynomial integrals of oscillators and of generic quartic oscillators from H alone: ansatz,
brackets, exact nullspace and its verification on every row over Q.  The second one runs checked cases from the tests'
data, each in a fresh call.  Times are processor seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import sympy as sp
from rich.console import Console
from rich.table import Table

import hamsym as hs

CASES = Path(__file__).parents[1] / "tests" / "symbolic" / "data" / "discovery.json"
#: kind, degrees of freedom, degree of the ansatz
PROBLEMS = [
    ("oscillator", 3, 6),
    ("oscillator", 6, 4),
    ("oscillator", 20, 2),
    ("oscillator", 4, 6),
    ("oscillator", 8, 4),
    ("quartic", 2, 12),
    ("quartic", 4, 6),
    ("quartic", 8, 4),
    ("quartic", 5, 6),
    ("quartic", 10, 4),
    ("quartic", 4, 8),
    ("quartic", 6, 6),
]
#: The goal: about 10 000 unknowns and 90 000 rows in 10 s.
GOAL = ("quartic", 10, 4)


def hamiltonian(kind: str, n: int) -> hs.Hamiltonian:
    """Return n isotropic oscillators, or n quartic ones that are all coupled with different strengths."""
    space = hs.PhaseSpace.standard(n)
    q, p = space.coordinates, space.momenta
    kinetic = sp.Add(*(x**2 for x in p)) / 2
    if kind == "oscillator":
        return hs.Hamiltonian(kinetic + sp.Add(*(x**2 for x in q)) / 2, space)
    own = (sp.Rational(i + 2, 3) * x**4 for i, x in enumerate(q))
    coupled = ((i + 2 * j + 1) * q[i] ** 2 * q[j] ** 2 for i in range(n) for j in range(i))
    return hs.Hamiltonian(kinetic + sp.Add(*own, *coupled), space)


def sizes(problems: list[tuple[str, int, int]]) -> Table:
    """Measure the problems of growing size."""
    table = Table(title="All polynomial integrals, found and proved (processor seconds)")
    for column in ("system", "n", "degree", "unknowns", "rows", "integrals", "complete", "s"):
        table.add_column(column, justify="right")
    for kind, n, degree in problems:
        H = hamiltonian(kind, n)
        start = time.process_time()
        basis = hs.find_integrals(H, degree)
        seconds = time.process_time() - start
        rows, unknowns = basis.size
        goal = " (goal: 10)" if (kind, n, degree) == GOAL else ""
        cells = [
            kind,
            n,
            degree,
            unknowns,
            rows,
            basis.dimension,
            basis.complete,
            f"{seconds:.2f}{goal}",
        ]
        table.add_row(*map(str, cells))
    return table


def cases(path: Path) -> Table:
    """Measure the checked cases."""
    table = Table(title="Checked cases (processor seconds, rank and generators included)")
    for column in ("case", "unknowns", "integrals", "expected", "rank", "expected", "complete", "s"):
        table.add_column(column, justify="right")
    for case in json.loads(path.read_text())["discovery"]:
        if case["bracket"] == "canonical":
            space = hs.PhaseSpace(
                case["coordinates"], case["momenta"], parameters=case["params"], time=case["time"]
            )
        else:
            space = hs.LiePoissonSpace(case["coordinates"], case["bracket"])
        H, ansatz = hs.Hamiltonian(case["H"], space), case["ansatz"]
        start = time.process_time()
        basis = hs.find_integrals(
            H, ansatz["degree"], ansatz["generators"], ansatz["momentum_degree"], ansatz["max_exponents"]
        )
        rank = basis.rank
        seconds = time.process_time() - start
        cells = [
            basis.ansatz.size,
            basis.dimension,
            case["expected_dim"],
            rank,
            case["expected_rank"],
            basis.complete,
        ]
        table.add_row(case["name"], *map(str, cells), f"{seconds:.3f}")
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--small", action="store_true", help="leave out the problems of more than 5000 unknowns"
    )
    parser.add_argument("--cases", type=Path, default=CASES)
    options = parser.parse_args()
    problems = PROBLEMS[:-4] if options.small else PROBLEMS
    console = Console(width=120)
    console.print(sizes(problems))
    console.print(cases(options.cases))


if __name__ == "__main__":
    main()
