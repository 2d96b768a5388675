"""Fields on a periodic lattice."""

from __future__ import annotations

import itertools

import numpy as np

from hamsym.data.systems.drawing import box
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import Facts
from hamsym.data.systems.writing import squares, total
from hamsym.symbolic.space import PhaseSpace


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
    sites = range(1, n**d + 1)
    bonds = total(f"(q{i} - q{j})**2" for i, j in _bonds(n, d))
    on_site = total(f"m2*q{i}**2/2 + g*q{i}**4/4" for i in sites)
    return Facts(
        PhaseSpace.standard(n**d, parameters={"m2": "real", "g": "positive"}),
        f"{squares('p', n**d)}/2 + {bonds}/2 + {on_site}",
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
