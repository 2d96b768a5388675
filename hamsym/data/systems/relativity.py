"""Free motion in curved spaces and space-times."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.family import entry
from hamsym.data.systems.system import ENERGY, Facts, States
from hamsym.symbolic.phase_space import PhaseSpace

_DELTA = "(r**2 - 2*M*r + a**2)"
_SIGMA = "(r**2 + a**2*cos(th)**2)"
_POLAR = "(pth**2 + (pph + a*pt*sin(th)**2)**2/sin(th)**2)"


@entry("a test mass about a rotating black hole: Carter's constant; pt is minus its energy")
def kerr() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # Nearly circular orbits about ten masses out, inclined a little; pt makes the rest mass one.
        r, theta = k["M"] * rng.uniform(9.0, 12.0, n), np.pi / 2 + rng.uniform(-0.2, 0.2, n)
        pph, pth = np.sqrt(k["M"] * r) * rng.uniform(1.1, 1.2, n), 0.3 * rng.standard_normal(n)
        delta, outer = r**2 - 2 * k["M"] * r + k["a"] ** 2, r**2 + k["a"] ** 2
        sigma, sine = r**2 + (k["a"] * np.cos(theta)) ** 2, np.sin(theta) ** 2
        # 2 sigma H = -sigma is quadratic in pt
        square = k["a"] ** 2 * sine - outer**2 / delta
        linear = k["a"] * pph * (1 - outer / delta)
        rest = pth**2 + pph**2 / sine - (k["a"] * pph) ** 2 / delta + sigma
        pt = (-linear + np.sqrt(linear**2 - square * rest)) / square
        azimuth = rng.uniform(0, 2 * np.pi, n)
        return np.stack([0 * r, r, theta, azimuth], axis=-1), np.stack([pt, 0 * r, pth, pph], axis=-1)

    energy = f"({_DELTA}*pr**2 + {_POLAR} - ((r**2 + a**2)*pt + a*pph)**2/{_DELTA})/(2*{_SIGMA})"
    known = {
        "minus the energy at infinity": "pt",
        "angular momentum about the axis": "pph",
        "Carter's constant": f"{_POLAR} - 2*a**2*cos(th)**2*{energy}",
    }
    return Facts(
        PhaseSpace("t r th ph", "pt pr pth pph", parameters={"M": "positive", "a": "positive"}),
        energy,
        {"M": 1.0, "a": 0.6},
        "Carter, Physical Review 174 (1968) 1559; the Hamiltonian is half the squared four-momentum",
        draw,
        known,
        rank=4,
        involution=(ENERGY, *known),
    )


@entry("free motion on the hyperbolic plane, in Poincaré's upper half; q2 is positive")
def hyperbolic_plane() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        q = np.stack([rng.uniform(-1, 1, n), rng.uniform(0.5, 1.5, n)], axis=-1)
        return q, 0.5 * rng.standard_normal((n, 2))

    return Facts(
        PhaseSpace.standard(2, parameters={"q2": "positive"}),
        "q2**2*(p1**2 + p2**2)/2",
        {},
        "Katok and Hasselblatt, Introduction to the Modern Theory of Dynamical Systems, section 5.4",
        draw,
        {
            "translation": "p1",
            "dilation": "q1*p1 + q2*p2",
            "special conformal": "(q1**2 - q2**2)*p1 + 2*q1*q2*p2",
        },
        rank=3,
        involution=(ENERGY, "translation"),
    )
