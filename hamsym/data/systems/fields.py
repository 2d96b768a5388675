"""Fields on a periodic lattice."""

from __future__ import annotations

import itertools

import numpy as np
import sympy as sp

from hamsym.data.systems.drawing import box
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import Facts
from hamsym.data.systems.writing import squares, total
from hamsym.errors import ParameterError
from hamsym.symbolic.space import PhaseSpace

#: Sites of the largest lattice.
LARGEST = 1024


def _bonds(n: int, d: int) -> list[tuple[int, int]]:
    """Neighbours on a periodic lattice of side n, counted from 1, each pair once."""
    sites = {site: i for i, site in enumerate(itertools.product(range(n), repeat=d), start=1)}
    found: dict[tuple[int, int], None] = {}
    for site, i in sites.items():
        for axis in range(d):
            other = sites[(*site[:axis], (site[axis] + 1) % n, *site[axis + 1 :])]
            if other != i:
                found[min(i, other), max(i, other)] = None
    return list(found)


@entry(
    "a scalar field with a quartic self-interaction on a periodic lattice",
    n=Size("side of the lattice", 4, 2, 32),
    d=Size("number of dimensions", 2, 1, 3),
)
def lattice_phi4(n: int, d: int) -> Facts:
    if n**d > LARGEST:
        raise ParameterError(
            f"lattice_phi4 has at most {LARGEST} sites, not n**d = {n**d}; take a smaller n or d"
        )
    space = PhaseSpace.standard(n**d, parameters={"m2": "real", "g": "positive"})
    q, (m2, g) = space.coordinates, space.parameters.values()
    bonds = [(q[i - 1] - q[j - 1]) ** 2 / 2 for i, j in _bonds(n, d)]
    on_site = [m2 * x**2 / 2 + g * x**4 / 4 for x in q]
    return Facts(
        space,
        sp.Add(*(p**2 / 2 for p in space.momenta), *bonds, *on_site),
        {"m2": -1.0, "g": 1.0},
        "Montvay and Münster, Quantum Fields on a Lattice, chapter 2; m2 is the squared mass",
        box(n**d, 1.2, 0.5),
    )


@entry(
    "a chain of pendula coupled by springs, the lattice of sine and Gordon",
    n=Size("number of sites", 6, 3, 300),
)
def sine_gordon(n: int) -> Facts:
    bonds = total(f"(q{i} - q{j})**2" for i, j in _bonds(n, 1))
    on_site = total(f"(1 - cos(q{i}))" for i in range(1, n + 1))
    return Facts(
        PhaseSpace.standard(n, parameters={"k": "positive", "w": "positive"}),
        f"{squares('p', n)}/2 + k*{bonds}/2 + w**2*{on_site}",
        {"k": 1.0, "w": 1.0},
        "Braun and Kivshar, The Frenkel–Kontorova Model",
        box(n, np.pi, 0.5),
    )
