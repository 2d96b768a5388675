"""Pendula: simple, double, spherical, and swinging Atwood's machine."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.family import entry
from hamsym.data.systems.system import ENERGY, Facts, States
from hamsym.symbolic.phase_space import PhaseSpace


@entry("a rod in gravity, from small oscillations to rotation")
def pendulum() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # At rest at an angle below the top: oscillation, from nearly harmonic to strongly anharmonic.
        return rng.uniform(-2.8, 2.8, (n, 1)), np.zeros((n, 1))

    return Facts(
        PhaseSpace.standard(1, parameters=dict.fromkeys(("m", "l", "g"), "positive")),
        "p1**2/(2*m*l**2) + m*g*l*(1 - cos(q1))",
        {"m": 1.0, "l": 1.0, "g": 1.0},
        "Arnold, Mathematical Methods of Classical Mechanics, section 4",
        draw,
    )


@entry("one pendulum hanging from another; chaotic, not separable")
def double_pendulum() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return rng.uniform(-1.5, 1.5, (n, 2)), np.zeros((n, 2))

    values = dict.fromkeys(["m1", "m2", "l1", "l2", "g"], 1.0)
    return Facts(
        PhaseSpace.standard(2, parameters=dict.fromkeys(values, "positive")),
        "(m2*l2**2*p1**2 + (m1 + m2)*l1**2*p2**2 - 2*m2*l1*l2*p1*p2*cos(q1 - q2))"
        "/(2*m2*l1**2*l2**2*(m1 + m2*sin(q1 - q2)**2)) - (m1 + m2)*g*l1*cos(q1) - m2*g*l2*cos(q2)",
        values,
        "Landau and Lifshitz, Mechanics, section 5, problem 1, after a Legendre transform; not separable",
        draw,
    )


@entry("a mass on a rod that swings in all directions; q1 from the bottom, q2 around")
def spherical_pendulum() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        q = np.stack([rng.uniform(0.5, 2.2, n), rng.uniform(0, 2 * np.pi, n)], axis=-1)
        scale = k["m"] * k["l"] * np.sqrt(k["g"] * k["l"])
        return q, scale * np.stack([0.3 * rng.standard_normal(n), rng.uniform(0.3, 1.0, n)], axis=-1)

    return Facts(
        PhaseSpace.standard(2, parameters=dict.fromkeys(("m", "l", "g"), "positive")),
        "(p1**2 + p2**2/sin(q1)**2)/(2*m*l**2) - m*g*l*cos(q1)",
        {"m": 1.0, "l": 1.0, "g": 1.0},
        "Landau and Lifshitz, Mechanics, section 14, problem 1",
        draw,
        {"angular momentum about the vertical": "p2"},
        rank=2,
        involution=(ENERGY, "angular momentum about the vertical"),
    )


@entry("swinging Atwood's machine with a counterweight three times as heavy; q1 length, q2 angle")
def swinging_atwood() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        q = np.stack([rng.uniform(0.5, 1.5, n), rng.uniform(-1.5, 1.5, n)], axis=-1)
        return q, np.zeros((n, 2))

    return Facts(
        PhaseSpace.standard(2, parameters=dict.fromkeys(("m", "g", "q1"), "positive")),
        "(p1**2/(4*m) + p2**2/(m*q1**2))/2 + m*g*q1*(3 - cos(q2))",
        {"m": 1.0, "g": 1.0},
        "Tufillaro, American Journal of Physics 54 (1986) 142",
        draw,
        {
            "Tufillaro's integral": "p2/(4*m)*(p1*cos(q2/2) - 2*p2/q1*sin(q2/2))"
            " + m*g*q1**2*sin(q2/2)*cos(q2/2)**2"
        },
        rank=2,
        involution=(ENERGY, "Tufillaro's integral"),
    )
