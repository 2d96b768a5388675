"""Motion in one dimension, and in wells without a second integral."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.drawing import box
from hamsym.data.systems.family import entry
from hamsym.data.systems.system import ENERGY, Facts, States
from hamsym.symbolic.phase_space import PhaseSpace


@entry("a ball between two wells")
def double_well() -> Facts:
    return Facts(
        PhaseSpace.standard(1, parameters={"a": "positive", "b": "positive"}),
        "p1**2/2 - a*q1**2/2 + b*q1**4/4",
        {"a": 1.0, "b": 1.0},
        "Guckenheimer and Holmes, Nonlinear Oscillations, section 2.2: Duffing's equation undamped",
        box(1, 1.8, 0.4),
    )


@entry("the vibration of a molecule that can break: Morse's potential")
def morse() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # From the left turning point, below the energy at which it breaks.
        share = rng.uniform(0.05, 0.7, n)
        return -np.log1p(np.sqrt(share))[:, None] / k["a"], np.zeros((n, 1))

    return Facts(
        PhaseSpace.standard(1, parameters={"D": "positive", "a": "positive"}),
        "p1**2/2 + D*(1 - exp(-a*q1))**2",
        {"D": 1.0, "a": 1.0},
        "Morse, Physical Review 34 (1929) 57",
        draw,
    )


@entry("prey and predators; q1 and p1 are the logarithms of their numbers")
def lotka_volterra() -> Facts:
    return Facts(
        PhaseSpace.standard(1, parameters=dict.fromkeys("abcd", "positive")),
        "a*exp(q1) - b*q1 + c*exp(p1) - d*p1",
        dict.fromkeys("abcd", 1.0),
        "Volterra, Leçons sur la théorie mathématique de la lutte pour la vie, 1931",
        box(1, 1.0, 0.5),
    )


@entry("a damped oscillator with its amplified mirror image")
def bateman() -> Facts:
    return Facts(
        PhaseSpace.standard(2, parameters={"m": "positive", "k": "positive", "c": "real"}),
        "p1*p2/m + c*(q2*p2 - q1*p1)/(2*m) + (k - c**2/(4*m))*q1*q2",
        {"m": 1.0, "k": 1.0, "c": 0.1},
        "Bateman, Physical Review 38 (1931) 815",
        box(2, 1.0, 1.0),
        {"scaling": "q2*p2 - q1*p1"},
        rank=2,
        involution=(ENERGY, "scaling"),
    )


@entry("the homogeneous Yang–Mills field: chaotic along the axes")
def yang_mills() -> Facts:
    return Facts(
        PhaseSpace.standard(2, parameters={"g": "positive"}),
        "(p1**2 + p2**2)/2 + g**2*q1**2*q2**2/2",
        {"g": 1.0},
        "Savvidy, Nuclear Physics B 246 (1984) 302",
        box(2, 1.0, 0.5),
    )


@entry("a star in a flattened galaxy with a flat rotation curve")
def logarithmic_halo() -> Facts:
    return Facts(
        PhaseSpace.standard(2, parameters=dict.fromkeys(("v", "c", "e"), "positive")),
        "(p1**2 + p2**2)/2 + v**2*log(c**2 + q1**2 + q2**2/e**2)/2",
        {"v": 1.0, "c": 0.2, "e": 0.8},
        "Binney and Tremaine, Galactic Dynamics, section 3.3",
        box(2, 0.8, 0.5),
    )
