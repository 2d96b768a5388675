"""Rigid bodies on Lie–Poisson spaces, in components along the axes of the body.

L is the angular momentum, g a fixed direction seen from the body.  The bracket is ``{L_1, L_2} = L_3``; the equations
in the body's frame, with ``dL/dt = L × Ω``, are those of -H.
"""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.drawing import sphere
from hamsym.data.systems.family import entry
from hamsym.data.systems.system import ENERGY, Facts, States
from hamsym.data.systems.writing import total
from hamsym.symbolic.lie_poisson import LiePoissonSpace

_MOMENTUM_SQUARED = "L1**2 + L2**2 + L3**2"
_DIRECTION = {
    "length of the direction squared": "g1**2 + g2**2 + g3**2",
    "momentum along it": "L1*g1 + L2*g2 + L3*g3",
}


def _spins(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
    return sphere(n, 3, rng) * rng.uniform(0.5, 2.0, (n, 1)), np.empty((n, 0))


def _spins_and_directions(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
    return np.concatenate([_spins(n, rng, k)[0], sphere(n, 3, rng)], axis=1), np.empty((n, 0))


def _in_space(energy: str, parameters: dict[str, float], known: dict[str, str], source: str) -> Facts:
    """Facts of a body with a direction, on e(3)*, with one integral beside the energy and the Casimirs."""
    space = LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3", parameters=dict.fromkeys(parameters, "positive"))
    return Facts(
        space,
        energy,
        parameters,
        source,
        _spins_and_directions,
        known | _DIRECTION,
        rank=4,
        involution=(ENERGY, *list(known)[:1], *_DIRECTION),
        casimirs=tuple(_DIRECTION),
    )


@entry("Euler's free rigid body on so(3)*")
def euler_top() -> Facts:
    inertia = {"I1": 1.0, "I2": 2.0, "I3": 3.0}
    squared = "angular momentum squared"
    return Facts(
        LiePoissonSpace("L1 L2 L3", "so3", parameters=dict.fromkeys(inertia, "positive")),
        "L1**2/(2*I1) + L2**2/(2*I2) + L3**2/(2*I3)",
        inertia,
        "Arnold, Mathematical Methods of Classical Mechanics, section 29",
        _spins,
        {squared: _MOMENTUM_SQUARED},
        rank=2,
        involution=(ENERGY, squared),
        casimirs=(squared,),
    )


@entry("a rigid body with a spinning flywheel inside: the gyrostat of Zhukovsky and Volterra")
def gyrostat() -> Facts:
    values = {"I1": 1.0, "I2": 2.0, "I3": 3.0, "b1": 0.3, "b2": 0.2, "b3": 0.1}
    squared = "angular momentum squared"
    return Facts(
        LiePoissonSpace("L1 L2 L3", "so3", parameters=dict.fromkeys(values, "positive")),
        "L1**2/(2*I1) + L2**2/(2*I2) + L3**2/(2*I3) - b1*L1 - b2*L2 - b3*L3",
        values,
        "Volterra, Acta Mathematica 22 (1899) 201",
        _spins,
        {squared: _MOMENTUM_SQUARED},
        rank=2,
        involution=(ENERGY, squared),
        casimirs=(squared,),
    )


@entry("a rigid body of any shape, held at any point, in gravity: not integrable in general")
def heavy_top() -> Facts:
    values = {"I1": 1.0, "I2": 2.0, "I3": 3.0, "c1": 0.5, "c2": 0.3, "c3": 1.0}
    space = LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3", parameters=dict.fromkeys(values, "positive"))
    return Facts(
        space,
        "L1**2/(2*I1) + L2**2/(2*I2) + L3**2/(2*I3) + c1*g1 + c2*g2 + c3*g3",
        values,
        "Arnold, Mathematical Methods of Classical Mechanics, section 30; c is weight times centre of mass",
        _spins_and_directions,
        _DIRECTION,
        rank=3,
        involution=(ENERGY, *_DIRECTION),
        casimirs=tuple(_DIRECTION),
    )


@entry("Lagrange's symmetric top in gravity")
def lagrange_top() -> Facts:
    return _in_space(
        "(L1**2 + L2**2)/(2*I1) + L3**2/(2*I3) + c*g3",
        {"I1": 1.0, "I3": 0.5, "c": 1.0},
        {"spin": "L3"},
        "Arnold, Mathematical Methods of Classical Mechanics, section 30; c is weight times distance of the centre",
    )


@entry("Kovalevskaya's top: I1 = I2 = 2 I3, centre of mass on the equator")
def kovalevskaya_top() -> Facts:
    return _in_space(
        "(L1**2 + L2**2 + 2*L3**2)/2 + c*g1",
        {"c": 1.0},
        {"Kovalevskaya's integral": "(L1**2 - L2**2 - 2*c*g1)**2 + (2*L1*L2 - 2*c*g2)**2"},
        "Kowalevski, Acta Mathematica 12 (1889) 177",
    )


@entry("a body in an ideal fluid: Clebsch's case of Kirchhoff's equations, g is the impulse")
def clebsch() -> Facts:
    return _in_space(
        "(L1**2 + L2**2 + L3**2)/2 + (a1*g1**2 + a2*g2**2 + a3*g3**2)/2",
        {"a1": 1.0, "a2": 2.0, "a3": 5.0},
        {"Clebsch's integral": "a1*L1**2 + a2*L2**2 + a3*L3**2 - a2*a3*g1**2 - a3*a1*g2**2 - a1*a2*g3**2"},
        "Clebsch, Mathematische Annalen 3 (1870) 238",
    )


@entry("a body of revolution in an ideal fluid: Kirchhoff's case, g is the impulse")
def kirchhoff() -> Facts:
    return _in_space(
        "(L1**2 + L2**2)/(2*I1) + L3**2/(2*I3) + (a1*(g1**2 + g2**2) + a3*g3**2)/2",
        {"I1": 1.0, "I3": 0.5, "a1": 1.0, "a3": 2.0},
        {"spin": "L3"},
        "Kirchhoff, Journal für die reine und angewandte Mathematik 71 (1870) 237",
    )


@entry("a free rigid body in four dimensions: Manakov's case on so(4)*")
def manakov_top() -> Facts:
    components = {(2, 3): "L1", (1, 3): "L2", (1, 2): "L3", (1, 4): "K1", (2, 4): "K2", (3, 4): "K3"}
    values = {"a1": 1.0, "a2": 2.0, "a3": 3.0, "a4": 5.0}

    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return sphere(n, 6, rng) * rng.uniform(0.5, 2.0, (n, 1)), np.empty((n, 0))

    casimirs = {
        "squared length": " + ".join(f"{m}**2" for m in components.values()),
        "Pfaffian": "L1*K1 + L2*K2 + L3*K3",
    }
    second = total(f"(a{i}**2 + a{i}*a{j} + a{j}**2)*{m}**2" for (i, j), m in components.items())
    return Facts(
        LiePoissonSpace("L1 L2 L3 K1 K2 K3", "so4", parameters=dict.fromkeys(values, "positive")),
        total(f"(a{i} + a{j})*{m}**2" for (i, j), m in components.items()) + "/2",
        values,
        "Manakov, Functional Analysis and its Applications 10 (1976) 328",
        draw,
        {"Manakov's integral": second, **casimirs},
        rank=4,
        involution=(ENERGY, "Manakov's integral", *casimirs),
        casimirs=tuple(casimirs),
    )
