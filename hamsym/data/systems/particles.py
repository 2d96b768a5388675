"""Clusters of equal particles whose Boltzmann densities are benchmarks of learned samplers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp

from hamsym.data.systems.bodies import cartesian, square_distance, total_momenta
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import Draw, Facts, States
from hamsym.symbolic.space import PhaseSpace

_BENCHMARK = "Köhler, Klein and Noé, Equivariant Flows, ICML 2020 (arXiv 2006.02425)"


def _cluster(
    n: int,
    d: int,
    pair: Callable[[sp.Expr, PhaseSpace], sp.Expr],
    parameters: dict[str, float],
    source: str,
    draw: Draw,
    trap: bool = False,
) -> Facts:
    """Facts of n unit masses in d dimensions with an energy for each pair, a function of the squared distance."""
    space, q, p = cartesian(n, d, dict.fromkeys(parameters, "real"))
    energy = [c**2 / 2 for c in space.momenta]
    energy += [pair(square_distance(q[i], q[j]), space) for i in range(n) for j in range(i + 1, n)]
    if trap:
        for a in range(d):
            centre = sp.Add(*(body[a] for body in q)) / n
            energy += [(body[a] - centre) ** 2 / 2 for body in q]
    known = total_momenta(q, p)
    return Facts(space, sp.Add(*energy), parameters, source, draw, known, rank=1 + len(known))


@entry("four particles in the plane with a double well for each distance")
def dw4() -> Facts:
    def pair(square: sp.Expr, space: PhaseSpace) -> sp.Expr:
        a, b, c, d0 = (space.parameters[name] for name in ("a", "b", "c", "d0"))
        x = sp.sqrt(square) - d0
        return a * x + b * x**2 + c * x**4

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * k["d0"] / 2
        q = corners + rng.uniform(-0.4, 0.4, (count, 4, 2))
        return q.reshape(count, 8), 0.5 * rng.standard_normal((count, 8))

    return _cluster(4, 2, pair, {"a": 0.0, "b": -4.0, "c": 0.9, "d0": 4.0}, _BENCHMARK, draw)


def _lennard_jones(square: sp.Expr, space: PhaseSpace) -> sp.Expr:
    ratio = space.parameters["rm"] ** 2 / square
    return space.parameters["eps"] * (ratio**6 - 2 * ratio**3)


def _crystal(n: int, d: int) -> Draw:
    """A cold piece of a cubic lattice at the distance of the minimum."""

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        side = np.arange(-4, 5)
        places = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1).reshape(-1, d)
        near = places[np.argsort((places**2).sum(axis=1), kind="stable")[:n]]
        q = k["rm"] * (near + rng.uniform(-0.04, 0.04, (count, n, d)))
        return q.reshape(count, -1), 0.2 * rng.standard_normal((count, n * d))

    return draw


@entry(
    "particles with the potential of Lennard and Jones",
    n=Size("number of particles", 3, 2, 100),
    d=Size("number of dimensions", 3, 2, 3),
)
def lennard_jones(n: int, d: int) -> Facts:
    source = (
        "Allen and Tildesley, Computer Simulation of Liquids, chapter 1; rm is the distance of the minimum"
    )
    return _cluster(n, d, _lennard_jones, {"eps": 1.0, "rm": 1.0}, source, _crystal(n, d))


@entry("thirteen Lennard–Jones particles in space, held by springs to their centre")
def lj13() -> Facts:
    return _cluster(13, 3, _lennard_jones, {"eps": 1.0, "rm": 1.0}, _BENCHMARK, _crystal(13, 3), trap=True)
