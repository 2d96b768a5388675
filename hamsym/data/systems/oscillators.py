"""Oscillators: harmonic, of commensurate frequencies, with centrifugal barriers, and quartic."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from hamsym.data.systems.drawing import box, polar
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import ENERGY, Facts, States
from hamsym.data.systems.writing import pairs, rotation, squares, total
from hamsym.errors import ParameterError
from hamsym.symbolic.phase_space import PhaseSpace


def _positive(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "positive")


@entry("a mass on a spring")
def harmonic_oscillator() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return polar(rng.uniform(0.2, 2.0, n), rng)

    space = PhaseSpace.standard(1, parameters=_positive("m", "k"))
    source = "Goldstein, Classical Mechanics, section 10.2"
    return Facts(space, "p1**2/(2*m) + k*q1**2/2", {"m": 1.0, "k": 1.0}, source, draw)


@entry("a mass on equal springs in all directions: u(n)", n=Size("number of dimensions", 2, 2, 40))
def isotropic_oscillator(n: int) -> Facts:
    fradkin = {
        f"Fradkin tensor {i} {j}": f"p{i}*p{j}/m + k*q{i}*q{j}"
        for i, j in [(i, i) for i in range(1, n + 1)] + pairs(n)
    }
    return Facts(
        PhaseSpace.standard(n, parameters=_positive("m", "k")),
        f"{squares('p', n)}/(2*m) + k*{squares('q', n)}/2",
        {"m": 1.0, "k": 1.0},
        "Fradkin, American Journal of Physics 33 (1965) 207",
        box(n, 1.5, 1.0),
        {f"angular momentum {i} {j}": rotation(i, j) for i, j in pairs(n)} | fradkin,
        rank=2 * n - 1,
        involution=(ENERGY, *list(fradkin)[: n - 1]),
    )


@entry("independent oscillators of any frequencies", n=Size("number of dimensions", 2, 2, 500))
def anisotropic_oscillator(n: int) -> Facts:
    frequencies = [f"w{i}" for i in range(1, n + 1)]
    parts = {f"energy of oscillator {i}": f"p{i}**2/2 + w{i}**2*q{i}**2/2" for i in range(1, n)}
    return Facts(
        PhaseSpace.standard(n, parameters=_positive(*frequencies)),
        total(f"(p{i}**2 + w{i}**2*q{i}**2)/2" for i in range(1, n + 1)),
        {w: math.sqrt(i) for i, w in enumerate(frequencies, start=1)},
        "Arnold, Mathematical Methods of Classical Mechanics, section 49",
        box(n, 1.0, 1.0),
        parts,
        rank=n,
        involution=(ENERGY, *parts),
    )


@entry(
    "two oscillators with frequencies in the ratio m:n",
    m=Size("first number of the ratio", 1, 1, 9),
    n=Size("second number of the ratio", 2, 1, 9),
)
def commensurate_oscillator(m: int, n: int) -> Facts:
    if math.gcd(m, n) > 1:
        raise ParameterError(f"m and n of commensurate_oscillator have no common divisor; {m}:{n} is the smaller "
                             f"{m // math.gcd(m, n)}:{n // math.gcd(m, n)}")  # fmt: skip
    space = PhaseSpace.standard(2, parameters=_positive("w"))
    (q1, q2), (p1, p2), w = space.coordinates, space.momenta, space.parameters["w"]
    # a_j = p_j + i w_j q_j turns with the frequency w_j, so the phases of a1**n and a2**m stay equal.
    real, imaginary = _powers([(p1, m * w * q1, n), (p2, -n * w * q2, m)])
    return Facts(
        space,
        (p1**2 + p2**2) / 2 + w**2 * (m**2 * q1**2 + n**2 * q2**2) / 2,
        {"w": 1.0},
        "Jauch and Hill, Physical Review 57 (1940) 641",
        box(2, 1.0, 1.0),
        {
            "energy of oscillator 1": p1**2 / 2 + m**2 * w**2 * q1**2 / 2,
            "cosine of the phase difference": real,
            "sine of the phase difference": sp.expand(imaginary / w),
        },
        rank=3,
        involution=(ENERGY, "energy of oscillator 1"),
    )


def _powers(factors: list[tuple[sp.Expr, sp.Expr, int]]) -> tuple[sp.Expr, sp.Expr]:
    """Real and imaginary part of the product of (x + iy)**k, expanded."""
    real, imaginary = sp.Integer(1), sp.Integer(0)
    for x, y, k in factors:
        for _ in range(k):
            real, imaginary = sp.expand(real * x - imaginary * y), sp.expand(real * y + imaginary * x)
    return real, imaginary


@entry("an oscillator with a centrifugal barrier along each axis", n=Size("number of dimensions", 2, 2, 12))
def smorodinsky_winternitz(n: int) -> Facts:
    barriers = [f"b{i}" for i in range(1, n + 1)]
    parts = {f"energy along axis {i}": f"p{i}**2/2 + a*q{i}**2 + b{i}/q{i}**2" for i in range(1, n)}
    turns = {
        f"angular part {i} {j}": f"{rotation(i, j)}**2 + 2*b{i}*q{j}**2/q{i}**2 + 2*b{j}*q{i}**2/q{j}**2"
        for i, j in pairs(n)
    }
    return Facts(
        PhaseSpace.standard(n, parameters=_positive("a", *barriers)),
        f"{squares('p', n)}/2 + a*{squares('q', n)} + {total(f'b{i}/q{i}**2' for i in range(1, n + 1))}",
        {"a": 0.5, **dict.fromkeys(barriers, 0.5)},
        "Friš, Mandrosov, Smorodinsky, Uhlíř and Winternitz, Physics Letters 16 (1965) 354, first potential",
        box(n, 0.4, 0.4, centre=1.0),
        parts | turns,
        rank=2 * n - 1,
        involution=(ENERGY, *parts),
    )


@entry("a quartic oscillator with different springs along the axes", n=Size("number of dimensions", 3, 2, 30))
def garnier(n: int) -> Facts:
    springs = [f"a{i}" for i in range(1, n + 1)]
    radius = squares("q", n)

    def uhlenbeck(i: int) -> str:
        others = total(f"{rotation(i, j)}**2/(a{i} - a{j})" for j in range(1, n + 1) if j != i)
        return f"p{i}**2 + a{i}*q{i}**2 + c*q{i}**2*{radius} - c*{others}"

    known = {f"separation constant {i}": uhlenbeck(i) for i in range(1, n)}
    return Facts(
        PhaseSpace.standard(n, parameters=_positive("c", *springs)),
        f"{squares('p', n)}/2 + {total(f'a{i}*q{i}**2' for i in range(1, n + 1))}/2 + c*{radius}**2/2",
        {"c": 1.0, **{a: float(i) for i, a in enumerate(springs, start=1)}},
        "Garnier, Rendiconti del Circolo Matematico di Palermo 43 (1919) 155; "
        "Perelomov, Integrable Systems of Classical Mechanics and Lie Algebras",
        box(n, 0.8, 0.6),
        known,
        rank=n,
        involution=(ENERGY, *known),
    )
