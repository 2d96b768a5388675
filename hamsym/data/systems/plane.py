"""A mass of one in the plane, in potentials with and without a second integral."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.drawing import box, polar
from hamsym.data.systems.family import entry
from hamsym.data.systems.system import ENERGY, Draw, Facts, States
from hamsym.symbolic.phase_space import PhaseSpace

_KINETIC = "(p1**2 + p2**2)/2"
_L = "(q1*p2 - q2*p1)"


def _plane(
    potential: str,
    second: dict[str, str],
    parameters: dict[str, float],
    source: str,
    draw: Draw,
    *,
    positive: tuple[str, ...] = (),
    rank: int | None = None,
) -> Facts:
    """Facts of H = |p|²/2 + U with further integrals, the first of which shows that it is integrable."""
    declared = dict.fromkeys(parameters, "real") | dict.fromkeys(positive, "positive")
    return Facts(
        PhaseSpace.standard(2, parameters=declared),
        f"{_KINETIC} + {potential}",
        parameters,
        source,
        draw,
        second,
        rank=1 + len(second) if rank is None else rank,
        involution=(ENERGY, *list(second)[:1]),
    )


@entry("a star in a galaxy: from order to chaos with rising energy")
def henon_heiles() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # Inside the well, with an energy below 1/6, where it opens: bound, and partly chaotic.
        q = np.hstack(polar(0.3 * np.sqrt(rng.random(n)), rng))
        potential = (q**2).sum(1) / 2 + q[:, 0] ** 2 * q[:, 1] - q[:, 1] ** 3 / 3
        energy = rng.uniform(potential, 0.16)
        return q, np.hstack(polar(np.sqrt(2 * (energy - potential)), rng))

    return Facts(
        PhaseSpace.standard(2),
        "(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2 + q1**2*q2 - q2**3/3",
        {},
        "Hénon and Heiles, Astronomical Journal 69 (1964) 73",
        draw,
    )


_COUSINS = "Chang, Tabor and Weiss, Journal of Mathematical Physics 23 (1982) 531"


@entry("Hénon and Heiles with the cubic terms of Sawada and Kotera: separable in q1 ± q2")
def henon_heiles_sawada_kotera() -> Facts:
    second = {"energy difference of q1 ± q2": "p1*p2 + a*q1*q2 + q1**3/3 + q1*q2**2"}
    potential = "a*(q1**2 + q2**2)/2 + q1**2*q2 + q2**3/3"
    return _plane(potential, second, {"a": 1.0}, _COUSINS, box(2, 0.15, 0.15), positive=("a",))


@entry("Hénon and Heiles with the cubic terms of Korteweg and de Vries: separable in parabolas")
def henon_heiles_kdv() -> Facts:
    second = {
        "second integral": "q1**4 + 4*q1**2*q2**2 - 4*p1*(p1*q2 - p2*q1) + 4*a*q1**2*q2"
        " + (4*a - b)*(p1**2 + a*q1**2)"
    }
    potential = "(a*q1**2 + b*q2**2)/2 + q1**2*q2 + 2*q2**3"
    return _plane(potential, second, {"a": 1.0, "b": 1.0}, _COUSINS, box(2, 0.08, 0.06), positive=("a", "b"))


@entry("Hénon and Heiles with the cubic terms of Kaup and Kupershmidt: a quartic integral")
def henon_heiles_kaup_kupershmidt() -> Facts:
    second = {
        "quartic integral": "3*p1**4 + 6*(a*q1**2 + 2*q1**2*q2)*p1**2 - 4*q1**3*p1*p2"
        " - 4*q1**4*(a*q2 + q2**2) + 3*a**2*q1**4 - 2*q1**6/3"
    }
    potential = "a*(q1**2 + 16*q2**2)/2 + q1**2*q2 + 16*q2**3/3"
    source = "Hall, Physica D 8 (1983) 90"
    return _plane(potential, second, {"a": 1.0}, source, box(2, 0.15, 0.15), positive=("a",))


_QUARTICS = "Ramani, Dorizzi and Grammaticos, Physical Review Letters 49 (1982) 1539"


@entry("the quartic potential 1:6:1, separable in q1 ± q2")
def quartic_1_6_1() -> Facts:
    second = {"energy difference of q1 ± q2": "p1*p2 + a*q1*q2 + 4*q1*q2*(q1**2 + q2**2)"}
    potential = "a*(q1**2 + q2**2)/2 + q1**4 + 6*q1**2*q2**2 + q2**4"
    return _plane(potential, second, {"a": 1.0}, _QUARTICS, box(2, 0.6, 0.6))


@entry("the quartic potential 1:12:16, separable in parabolas")
def quartic_1_12_16() -> Facts:
    second = {"second integral": f"p1*{_L} + a*q1**2*q2 + 4*q1**2*q2*(q1**2 + 2*q2**2)"}
    potential = "a*(q1**2 + 4*q2**2)/2 + q1**4 + 12*q1**2*q2**2 + 16*q2**4"
    return _plane(potential, second, {"a": 1.0}, _QUARTICS, box(2, 0.5, 0.5))


@entry("the quartic potential 1:6:8: a quartic integral")
def quartic_1_6_8() -> Facts:
    second = {
        "quartic integral": "p1**4 + (2*a*q1**2 + 24*q1**2*q2**2 + 4*q1**4)*p1**2 - 16*q1**3*q2*p1*p2"
        " + 4*q1**4*p2**2 + a**2*q1**4 + 4*a*q1**6 + 8*a*q1**4*q2**2"
        " + 4*q1**8 + 16*q1**6*q2**2 + 16*q1**4*q2**4"
    }
    potential = "a*(q1**2 + 4*q2**2)/2 + q1**4 + 6*q1**2*q2**2 + 8*q2**4"
    return _plane(potential, second, {"a": 1.0}, _QUARTICS, box(2, 0.5, 0.5))


@entry("a ring of minima around a hill: the Mexican hat")
def mexican_hat() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return np.hstack(polar(rng.uniform(0.3, 1.7, n) * k["v"], rng)), 0.5 * rng.standard_normal((n, 2))

    potential = "c*(q1**2 + q2**2 - v**2)**2/4"
    source = "Goldstone, Nuovo Cimento 19 (1961) 154, for one point of space"
    values = {"c": 1.0, "v": 1.0}
    return _plane(potential, {"angular momentum": "q1*p2 - q2*p1"}, values, source, draw, positive=("c", "v"))


_WINTERNITZ = "Friš, Mandrosov, Smorodinsky, Uhlíř and Winternitz, Physics Letters 16 (1965) 354"
_R = "sqrt(q1**2 + q2**2)"


@entry("a 2:1 oscillator with a barrier: Smorodinsky and Winternitz, second potential")
def smorodinsky_winternitz_2() -> Facts:
    second = {
        "energy along axis 1": "p1**2/2 + 4*a*q1**2 + b*q1",
        "parabolic integral": f"p2*{_L} - 2*a*q1*q2**2 - b*q2**2/2 + 2*c*q1/q2**2",
    }
    values = {"a": 0.5, "b": 0.3, "c": 0.5}
    draw = box(2, 0.4, 0.4, centre=1.0)
    return _plane(
        "a*(4*q1**2 + q2**2) + b*q1 + c/q2**2", second, values, f"{_WINTERNITZ}, second potential", draw
    )


@entry("a centre with angular barriers: Smorodinsky and Winternitz, third potential")
def smorodinsky_winternitz_3() -> Facts:
    barrier = f"(b/({_R} + q1) + c/({_R} - q1))"
    second = {
        "angular part": f"{_L}**2 + 2*{_R}*{barrier}",
        "Runge–Lenz 1": f"p2*{_L} - k*q1/{_R} - (b*({_R} - q1)/({_R} + q1) - c*({_R} + q1)/({_R} - q1))/{_R}",
    }
    values = {"k": 1.0, "b": 0.1, "c": 0.1}
    source = f"{_WINTERNITZ}, third potential"
    return _plane(f"-k/{_R} + {barrier}/{_R}", second, values, source, _half_plane)


@entry(
    "a centre with half-angle terms: Smorodinsky and Winternitz, fourth potential, above the first axis, on which the orbits of its initial states set after a time of one"
)
def smorodinsky_winternitz_4() -> Facts:
    u, v = f"sqrt({_R} + q1)", f"sqrt({_R} - q1)"  # parabolic coordinates: q1 = (u² - v²)/2, q2 = uv
    potential = f"-k/{_R} + (b*{u} + c*{v})/{_R}"
    second = {
        "Runge–Lenz 1": f"p2*{_L} - (({_R} - q1)*(-k + 2*b*{u}) - ({_R} + q1)*(-k + 2*c*{v}))/(2*{_R})",
        "Runge–Lenz 2": f"(p1*{u} + p2*{v})*(p2*{u} - p1*{v}) - 2*({_KINETIC} + {potential})*q2"
        f" + 2*(b*{v} + c*{u})",
    }
    values = {"k": 1.0, "b": 0.1, "c": 0.1}
    source = f"{_WINTERNITZ}, fourth potential"
    return _plane(potential, second, values, source, _rising, positive=("q2",))


def _half_plane(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
    """Bound states about a centre of strength one, above the first axis."""
    angle, radius = rng.uniform(0.8, np.pi - 0.8, n), rng.uniform(0.9, 1.3, n)
    q = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return q, 0.2 * rng.standard_normal((n, 2))


def _rising(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
    """Nearly circular orbits about a centre of strength one that rise from the right; they set after a time of one."""
    angle, radius = rng.uniform(0.3, 0.8, n), rng.uniform(0.9, 1.3, n)
    speed = rng.uniform(0.8, 1.0, n) / np.sqrt(radius)
    q = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return q, speed[:, None] * np.stack([-np.sin(angle), np.cos(angle)], axis=-1)


@entry("Holt's potential with a cubic integral; q1 is positive")
def holt() -> Facts:
    second = {
        "cubic integral": "p2**3 + 3*p1**2*p2/2 + 9*p1*q1**(1/3)*q2"
        " + p2*(-9*q1**(4/3)/2 + 3*q2**2*q1**(-2/3) + 3*d*q1**(-2/3))"
    }
    potential = "3*q1**(4/3)/4 + (q2**2 + d)*q1**(-2/3)"
    source = "Holt, Journal of Mathematical Physics 23 (1982) 1037"
    draw = box(2, 0.3, 0.2, centre=np.array([1.2, 0.0]))
    return _plane(potential, second, {"d": 1.0}, source, draw, positive=("q1",))


@entry(
    "the potential of Fokas and Lagerstrom in turned axes: a cubic integral; repulsive, q1 and q2 positive"
)
def fokas_lagerstrom() -> Facts:
    second = {"cubic integral": f"p1*p2*{_L} + 2*k*(q1*q2)**(-2/3)*(q1*p1 - q2*p2)"}
    source = "Fokas and Lagerstrom, Journal of Mathematical Analysis and Applications 74 (1980) 325"
    draw = box(2, 0.5, 0.3, centre=2.0)
    return _plane("k*(q1*q2)**(-2/3)", second, {"k": 1.0}, source, draw, positive=("q1", "q2", "k"))


@entry("an oscillator with barriers at multiples of an angle; q1 radius, q2 angle, any k")
def tremblay_turbiner_winternitz() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        sector = np.pi / (2 * k["k"])
        q = np.stack([rng.uniform(0.8, 1.5, n), sector * rng.uniform(0.3, 0.7, n)], axis=-1)
        return q, 0.5 * rng.standard_normal((n, 2))

    barrier = "(a/cos(k*q2)**2 + b/sin(k*q2)**2)"
    values = {"w": 1.0, "a": 0.5, "b": 0.5, "k": 2.0}
    return Facts(
        PhaseSpace.standard(2, parameters=dict.fromkeys((*values, "q1"), "positive")),
        f"p1**2/2 + p2**2/(2*q1**2) + w**2*q1**2/2 + {barrier}/q1**2",
        values,
        "Tremblay, Turbiner and Winternitz, Journal of Physics A 42 (2009) 242001",
        draw,
        {"angular part": f"p2**2 + 2*{barrier}"},
        rank=2,
        involution=(ENERGY, "angular part"),
    )
