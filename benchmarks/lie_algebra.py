"""Lie algebras of generators, exactly: processor time from formulas as text to structure and name.

    python benchmarks/lie_algebra.py [--rounds 11]

``structure`` is the closure with exact structure constants, centre, derived algebra and Killing signature; ``all``
adds radical, nilradical, rank, quadratic Casimirs, the name and, for Kepler, the cases by the sign of the energy.
Each round starts with sympy's cache empty and a new phase space; imports are not counted, the first round is shown
apart because it also loads what is loaded on first use.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import sympy as sp
from rich.console import Console
from rich.table import Table

import hamsym as hs

ROTATIONS = ["y*pz - z*py", "z*px - x*pz", "x*py - y*px"]
GENERATORS = {
    "u(3)": [
        *ROTATIONS, "px*py + x*y", "py*pz + y*z", "px*pz + x*z", "px**2 + x**2", "py**2 + y**2", "pz**2 + z**2",
    ],
    "sp(4,R)": [
        "x**2", "y**2", "x*y", "px**2", "py**2", "px*py", "x*px", "x*py", "y*px", "y*py",
    ],
    "so(3,1), boosts with a root": [
        *ROTATIONS, *(f"{q}*sqrt(px**2 + py**2 + pz**2 + 1)" for q in "xyz"),
    ],
    "Kepler in space": [
        *ROTATIONS,
        "py*(x*py-y*px) - pz*(z*px-x*pz) - x/sqrt(x**2+y**2+z**2)",
        "pz*(y*pz-z*py) - px*(x*py-y*px) - y/sqrt(x**2+y**2+z**2)",
        "px*(z*px-x*pz) - py*(y*pz-z*py) - z/sqrt(x**2+y**2+z**2)",
    ],
    "so(4,2), conformal": [
        *ROTATIONS, "px", "py", "pz", "E", "t*px + x*E", "t*py + y*E", "t*pz + z*E", "t*E + x*px + y*py + z*pz",
        "2*t*(t*E+x*px+y*py+z*pz) - (t**2-x**2-y**2-z**2)*E",
        *(f"2*{q}*(t*E+x*px+y*py+z*pz) + (t**2-x**2-y**2-z**2)*p{q}" for q in "xyz"),
    ],
}  # fmt: skip


def measure(generators: list[str]) -> tuple[float, float, hs.LieAlgebra]:
    """Return the seconds of the structure and of everything, and the algebra."""
    sp.core.cache.clear_cache()
    start = time.process_time()
    algebra = hs.LieAlgebra(generators, hs.PhaseSpace("t x y z", "E px py pz"))
    facts = [algebra.structure_constants, algebra.center_dimension, algebra.derived_dimension]
    facts.append(algebra.killing_signature)
    middle = time.process_time()
    facts += [algebra.radical_dimension, algebra.nilradical_dimension, algebra.rank, algebra.casimirs(2)]
    facts += [algebra.name, algebra.cases]
    return middle - start, time.process_time() - start, algebra


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    table = Table(title=f"ms of processor time, median of {options.rounds} rounds")
    for column in ("generators", "dimension", "structure", "all", "first round", "name", "Killing signature"):
        table.add_column(column, justify="left" if column in ("generators", "name") else "right")
    for name, generators in GENERATORS.items():
        runs = [measure(generators) for _ in range(options.rounds + 1)]
        algebra = runs[0][2]
        structure, everything = (1e3 * float(np.median([run[k] for run in runs[1:]])) for k in (0, 1))
        found = "; ".join(f"{c.where}: {c.name}" for c in algebra.cases) or str(algebra.name)
        table.add_row(
            name, str(algebra.dimension), f"{structure:.1f}", f"{everything:.1f}", f"{1e3 * runs[0][1]:.1f}",
            found, str(algebra.killing_signature),
        )  # fmt: skip
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
