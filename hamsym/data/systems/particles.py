"""Clusters of equal particles whose Boltzmann densities are benchmarks of learned samplers."""

from __future__ import annotations

import math

import numpy as np

from hamsym.data.systems.bodies import cartesian, square_distance, square_momentum, total_momenta
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import Draw, Facts, States
from hamsym.data.systems.writing import MOST_PARTICLES, over, over_pairs

_BENCHMARK = "Köhler, Klein and Noé, Equivariant Flows, ICML 2020 (arXiv 2006.02425)"


def _cluster(
    n: int,
    d: int,
    pair: str,
    parameters: dict[str, float],
    source: str,
    draw: Draw,
    trap: bool = False,
) -> Facts:
    """Facts of n unit masses in d dimensions with an energy for each pair, in the indices i and j."""
    space = cartesian(n, d, dict.fromkeys(parameters, "real"))
    energy = [over(f"{square_momentum(d)}/2", 1, n), over_pairs(pair, n)]
    if trap:
        energy += [over(f"({a}[i] - Sum({a}[j], (j, 1, {n}))/{n})**2/2", 1, n) for a in "xyz"[:d]]
    known = total_momenta(n, d)
    return Facts(space, " + ".join(energy), parameters, source, draw, known, rank=1 + len(known))


@entry("four particles in the plane with a double well for each distance")
def dw4() -> Facts:
    x = f"(sqrt({square_distance(2)}) - d0)"

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * k["d0"] / 2
        q = corners + rng.uniform(-0.4, 0.4, (count, 4, 2))
        return q.reshape(count, 8), 0.5 * rng.standard_normal((count, 8))

    return _cluster(
        4, 2, f"a*{x} + b*{x}**2 + c*{x}**4", {"a": 0.0, "b": -4.0, "c": 0.9, "d0": 4.0}, _BENCHMARK, draw
    )


def _lennard_jones(d: int) -> str:
    square = square_distance(d)
    return f"eps*((rm**2/{square})**6 - 2*(rm**2/{square})**3)"


def _crystal(n: int, d: int) -> Draw:
    """A cold piece of a cubic lattice at the distance of the minimum."""

    # A ball with n places lies in this box.
    half = max(4, 1 + math.ceil(math.sqrt(n / math.pi) if d == 2 else (3 * n / (4 * math.pi)) ** (1 / 3)))

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        side = np.arange(-half, half + 1)
        places = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1).reshape(-1, d)
        near = places[np.argsort((places**2).sum(axis=1), kind="stable")[:n]]
        q = k["rm"] * (near + rng.uniform(-0.04, 0.04, (count, n, d)))
        return q.reshape(count, -1), 0.2 * rng.standard_normal((count, n * d))

    return draw


@entry(
    "particles with the potential of Lennard and Jones",
    n=Size("number of particles", 3, 2, MOST_PARTICLES),
    d=Size("number of dimensions", 3, 2, 3),
)
def lennard_jones(n: int, d: int) -> Facts:
    source = (
        "Allen and Tildesley, Computer Simulation of Liquids, chapter 1; rm is the distance of the minimum"
    )
    return _cluster(n, d, _lennard_jones(d), {"eps": 1.0, "rm": 1.0}, source, _crystal(n, d))


@entry("thirteen Lennard–Jones particles in space, held by springs to their centre")
def lj13() -> Facts:
    return _cluster(13, 3, _lennard_jones(3), {"eps": 1.0, "rm": 1.0}, _BENCHMARK, _crystal(13, 3), trap=True)
