"""Motion on spheres."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.drawing import sphere
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import ENERGY, Draw, Facts, States
from hamsym.data.systems.writing import pairs, rotation, squares, total
from hamsym.symbolic.phase_space import PhaseSpace


def _tangent(n: int, away: float) -> Draw:
    """Points of the unit sphere with every |q_i| at least ``away``, and tangent momenta."""

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        q = sphere(count, n, rng)
        q = np.where(q < 0, -1, 1) * (np.abs(q) + away)
        q /= np.linalg.norm(q, axis=1, keepdims=True)
        p = 0.7 * rng.standard_normal((count, n))
        return q, p - (q * p).sum(axis=1, keepdims=True) * q

    return draw


def _on_sphere(n: int, walls: bool) -> Facts:
    """Neumann's problem in the ambient space; |q| is an integral, and |q| = 1 is the sphere."""
    springs, barriers = [f"a{i}" for i in range(1, n + 1)], [f"b{i}" for i in range(1, n + 1)] * walls

    def turn(i: int, j: int) -> str:
        wall = f" + b{i}*q{j}**2/q{i}**2 + b{j}*q{i}**2/q{j}**2" * walls
        return f"({rotation(i, j)}**2{wall})"

    def uhlenbeck(i: int) -> str:
        return f"q{i}**2 + {total(f'{turn(i, j)}/(a{i} - a{j})' for j in range(1, n + 1) if j != i)}"

    known = {f"Uhlenbeck's integral {i}": uhlenbeck(i) for i in range(1, n)}
    wall = f" + {squares('q', n)}*{total(f'b{i}/q{i}**2' for i in range(1, n + 1))}/2" if walls else ""
    energy = (
        f"{total(f'{rotation(i, j)}**2' for i, j in pairs(n))}/2"
        f" + {total(f'a{i}*q{i}**2' for i in range(1, n + 1))}/2{wall}"
    )
    values = {a: float(i) for i, a in enumerate(springs, start=1)} | dict.fromkeys(barriers, 0.1)
    return Facts(
        PhaseSpace.standard(n, parameters=dict.fromkeys(values, "positive")),
        energy,
        values,
        "Neumann, Journal für die reine und angewandte Mathematik 56 (1859) 46; Moser, Various Aspects of "
        "Integrable Hamiltonian Systems",
        _tangent(n, 0.2 * walls),
        known,
        rank=n,
        involution=(ENERGY, *known),
    )


@entry(
    "a particle on a sphere, pulled by different springs; |q| = 1 is the sphere",
    n=Size("number of dimensions of the space around the sphere", 3, 2, 12),
)
def neumann(n: int) -> Facts:
    return _on_sphere(n, walls=False)


@entry(
    "Neumann's particle with walls at the equators",
    n=Size("number of dimensions of the space around the sphere", 3, 2, 10),
)
def rosochatius(n: int) -> Facts:
    return _on_sphere(n, walls=True)


_FREE = "p1**2/2 + p2**2/(2*sin(q1)**2)"
_X, _Y = "(p1*cos(q2) - p2*sin(q2)*cot(q1))", "(p1*sin(q2) + p2*cos(q2)*cot(q1))"


def _near_pole(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
    q = np.stack([rng.uniform(0.3, 1.0, n), rng.uniform(0, 2 * np.pi, n)], axis=-1)
    return q, np.stack([0.3 * rng.standard_normal(n), rng.uniform(0.3, 0.6, n)], axis=-1)


@entry("a planet on a sphere: Kepler's problem in constant curvature; q1 from the centre, q2 around")
def kepler_on_sphere() -> Facts:
    return Facts(
        PhaseSpace.standard(2, parameters={"k": "positive"}),
        f"{_FREE} - k*cot(q1)",
        {"k": 1.0},
        "Schrödinger, Proceedings of the Royal Irish Academy A 46 (1940) 9; Higgs, Journal of Physics A 12 (1979) 309",
        _near_pole,
        {
            "angular momentum": "p2",
            "Runge–Lenz 1": f"p2*{_Y} - k*cos(q2)",
            "Runge–Lenz 2": f"-p2*{_X} - k*sin(q2)",
        },
        rank=3,
        involution=(ENERGY, "angular momentum"),
    )


@entry("an isotropic oscillator on a sphere; q1 from the centre, q2 around")
def higgs_oscillator() -> Facts:
    return Facts(
        PhaseSpace.standard(2, parameters={"k": "positive"}),
        f"{_FREE} + k*tan(q1)**2/2",
        {"k": 1.0},
        "Higgs, Journal of Physics A 12 (1979) 309",
        _near_pole,
        {
            "angular momentum": "p2",
            "Fradkin tensor 1 1": f"{_X}**2 + k*tan(q1)**2*cos(q2)**2",
            "Fradkin tensor 1 2": f"{_X}*{_Y} + k*tan(q1)**2*sin(q2)*cos(q2)",
        },
        rank=3,
        involution=(ENERGY, "angular momentum"),
    )
