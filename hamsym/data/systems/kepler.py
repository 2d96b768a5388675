"""Motion about one or two centres of force, with and without fields."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.drawing import ellipses, sphere
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import ENERGY, Facts, States
from hamsym.data.systems.writing import ROTATIONS, squares
from hamsym.symbolic.phase_space import PhaseSpace

_R = "sqrt(q1**2 + q2**2 + q3**2)"
_L1, _L2, _L3 = ROTATIONS
_L_SQUARED = f"({_L1}**2 + {_L2}**2 + {_L3}**2)"
_KINETIC = squares("p", 3)


@entry("a planet in its plane: orbits close, and the pericentre stays")
def kepler() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # Ellipses of semi-major axis 1 and eccentricity below 0.6, at pericentre, turned at random.
        e, angle = rng.uniform(0, 0.6, n), rng.uniform(0, 2 * np.pi, n)
        radial = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        tangential = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
        return radial * (1 - e)[:, None], tangential * np.sqrt(k["k"] * (1 + e) / (1 - e))[:, None]

    momentum = "(q1*p2 - q2*p1)"
    return Facts(
        PhaseSpace.standard(2, parameters={"k": "positive"}),
        "(p1**2 + p2**2)/2 - k/sqrt(q1**2 + q2**2)",
        {"k": 1.0},
        "Goldstein, Classical Mechanics, sections 3.7 and 3.9",
        draw,
        {
            "angular momentum": momentum,
            "Runge–Lenz 1": f"p2*{momentum} - k*q1/sqrt(q1**2 + q2**2)",
            "Runge–Lenz 2": f"-p1*{momentum} - k*q2/sqrt(q1**2 + q2**2)",
        },
        rank=3,
        involution=(ENERGY, "angular momentum"),
    )


@entry("a planet in space: angular momentum and Runge–Lenz vector")
def kepler_3d() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        q, v = ellipses(n, 3, rng, k["k"] / k["m"])
        return q, k["m"] * v

    known = {f"angular momentum {i}": momentum for i, momentum in enumerate(ROTATIONS, start=1)}
    known["angular momentum squared"] = _L_SQUARED
    known |= {
        "Runge–Lenz 1": f"p2*{_L3} - p3*{_L2} - m*k*q1/{_R}",
        "Runge–Lenz 2": f"p3*{_L1} - p1*{_L3} - m*k*q2/{_R}",
        "Runge–Lenz 3": f"p1*{_L2} - p2*{_L1} - m*k*q3/{_R}",
    }
    return Facts(
        PhaseSpace.standard(3, parameters={"m": "positive", "k": "positive"}),
        f"{_KINETIC}/(2*m) - k/{_R}",
        {"m": 1.0, "k": 1.0},
        "Goldstein, Classical Mechanics, section 3.9; Pauli, Zeitschrift für Physik 36 (1926) 336",
        draw,
        known,
        rank=5,
        involution=(ENERGY, "angular momentum 3", "angular momentum squared"),
    )


@entry("two fixed centres of attraction on the third axis")
def two_centre() -> Facts:
    near, far = "sqrt(q1**2 + q2**2 + (q3 - c)**2)", "sqrt(q1**2 + q2**2 + (q3 + c)**2)"
    third = f"{_L_SQUARED} - c**2*(p1**2 + p2**2) - 2*c*k1*(q3 - c)/{near} + 2*c*k2*(q3 + c)/{far}"

    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # Nearly circular orbits about the axis that go around both centres.
        angle, radius = rng.uniform(0, 2 * np.pi, n), rng.uniform(1.5, 2.5, n) * k["c"]
        height = rng.uniform(-0.3, 0.3, n) * k["c"]
        q = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)
        speed = rng.uniform(0.8, 1.1, n) * np.sqrt((k["k1"] + k["k2"]) / np.hypot(radius, k["c"]))
        return q, speed[:, None] * np.stack([-np.sin(angle), np.cos(angle), 0 * angle], axis=-1)

    return Facts(
        PhaseSpace.standard(3, parameters=dict.fromkeys(("k1", "k2", "c"), "positive")),
        f"{_KINETIC}/2 - k1/{near} - k2/{far}",
        {"k1": 1.0, "k2": 0.5, "c": 0.5},
        "Erikson and Hill, Physical Review 75 (1949) 29; Whittaker, Analytical Dynamics, section 53",
        draw,
        {"angular momentum about the axis": _L3, "third integral": third},
        rank=3,
        involution=(ENERGY, "angular momentum about the axis", "third integral"),
    )


@entry("a planet, or an electron, in a uniform field along the third axis")
def stark_kepler() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return ellipses(n, 3, rng, k["k"], eccentricity=0.4)

    known = {
        "angular momentum about the field": _L3,
        "Runge–Lenz along the field": f"p1*{_L2} - p2*{_L1} - k*q3/{_R} - f*(q1**2 + q2**2)/2",
    }
    return Facts(
        PhaseSpace.standard(3, parameters={"k": "positive", "f": "real"}),
        f"{_KINETIC}/2 - k/{_R} + f*q3",
        {"k": 1.0, "f": 0.01},
        "Redmond, Physical Review 133 (1964) B1352; Landau and Lifshitz, Mechanics, section 48",
        draw,
        known,
        rank=3,
        involution=(ENERGY, *known),
    )


@entry(
    "a charge in a uniform magnetic field along the third axis, symmetric gauge",
    d=Size("number of dimensions", 3, 2, 3),
)
def uniform_magnetic_field(d: int) -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return rng.uniform(-1, 1, (n, d)), rng.standard_normal((n, d))

    across = "(p1 + b*q2/2)**2 + (p2 - b*q1/2)**2"
    known = {"guiding centre 1": "p1 - b*q2/2", "guiding centre 2": "p2 + b*q1/2"}
    known |= {"angular momentum": "q1*p2 - q2*p1"} | ({"momentum along the field": "p3"} if d == 3 else {})
    return Facts(
        PhaseSpace.standard(d, parameters={"m": "positive", "b": "positive"}),
        f"({across}{' + p3**2' * (d == 3)})/(2*m)",
        {"m": 1.0, "b": 1.0},
        "Landau and Lifshitz, The Classical Theory of Fields, section 21; b is charge times field over c",
        draw,
        known,
        rank=d + 1,
        involution=(ENERGY, *[label for label in known if "guiding" not in label]),
    )


@entry("a charge in a Penning trap: magnetic field and electric quadrupole")
def penning_trap() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return rng.uniform(-1, 1, (n, 3)), rng.standard_normal((n, 3))

    known = {"angular momentum about the axis": _L3, "axial energy": "p3**2/(2*m) + k*q3**2/2"}
    return Facts(
        PhaseSpace.standard(3, parameters=dict.fromkeys(("m", "b", "k"), "positive")),
        "((p1 + b*q2/2)**2 + (p2 - b*q1/2)**2 + p3**2)/(2*m) + k*(2*q3**2 - q1**2 - q2**2)/4",
        {"m": 1.0, "b": 2.0, "k": 0.5},
        "Brown and Gabrielse, Reviews of Modern Physics 58 (1986) 233",
        draw,
        known,
        rank=3,
        involution=(ENERGY, *known),
    )


#: Momenta m v of a unit mass in the field of a monopole of strength s, whose string is the negative third axis.
_V1, _V2 = f"(p1 + s*q2/({_R}*({_R} + q3)))", f"(p2 - s*q1/({_R}*({_R} + q3)))"
_J = (
    f"(q2*p3 - q3*{_V2} - s*q1/{_R})",
    f"(q3*{_V1} - q1*p3 - s*q2/{_R})",
    f"(q1*{_V2} - q2*{_V1} - s*q3/{_R})",
)
_TOTAL_MOMENTUM = {f"total angular momentum {i}": j for i, j in enumerate(_J, start=1)}
_J_SQUARED = {"total angular momentum squared": f"{_J[0]}**2 + {_J[1]}**2 + {_J[2]}**2"}
_MONOPOLE_ENERGY = f"({_V1}**2 + {_V2}**2 + p3**2)/2"


def _above_the_string(n: int, rng: np.random.Generator, k: dict[str, float], speed: float) -> States:
    """Positions at distance one, away from the string, with velocities across."""
    q = sphere(n, 3, rng)
    q[:, 2] = np.abs(q[:, 2])
    v = sphere(n, 3, rng)
    v -= (v * q).sum(1, keepdims=True) * q
    v *= speed / np.linalg.norm(v, axis=1, keepdims=True)
    return q, v + k["s"] / (1 + q[:, 2:]) * np.stack([-q[:, 1], q[:, 0], 0 * q[:, 0]], axis=-1)


@entry("a charge in the field of a magnetic monopole: motion on a cone")
def magnetic_monopole() -> Facts:
    return Facts(
        PhaseSpace.standard(3, parameters={"s": "real"}),
        _MONOPOLE_ENERGY,
        {"s": 0.5},
        "Poincaré, Comptes Rendus 123 (1896) 530",
        lambda n, rng, k: _above_the_string(n, rng, k, 0.5),
        _TOTAL_MOMENTUM | _J_SQUARED,
        rank=4,
        involution=(ENERGY, "total angular momentum 3", *_J_SQUARED),
    )


@entry("a charged monopole in the field of another: Kepler's problem on a cone")
def mic_kepler() -> Facts:
    runge_lenz = {
        "Runge–Lenz 1": f"{_V2}*{_J[2]} - p3*{_J[1]} - k*q1/{_R}",
        "Runge–Lenz 2": f"p3*{_J[0]} - {_V1}*{_J[2]} - k*q2/{_R}",
        "Runge–Lenz 3": f"{_V1}*{_J[1]} - {_V2}*{_J[0]} - k*q3/{_R}",
    }
    return Facts(
        PhaseSpace.standard(3, parameters={"k": "positive", "s": "real"}),
        f"{_MONOPOLE_ENERGY} + s**2/(2*{_R}**2) - k/{_R}",
        {"k": 1.0, "s": 0.5},
        "McIntosh and Cisneros, Journal of Mathematical Physics 11 (1970) 896; Zwanziger, Physical Review 176 (1968) 1480",
        lambda n, rng, k: _above_the_string(n, rng, k, 0.8),
        _TOTAL_MOMENTUM | _J_SQUARED | runge_lenz,
        rank=5,
        involution=(ENERGY, "total angular momentum 3", *_J_SQUARED),
    )


@entry("a small body near two that circle each other, in the frame that turns with them")
def restricted_three_body() -> Facts:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # Nearly circular orbits close to the heavier body, with the momenta of the frame at rest.
        angle, radius = rng.uniform(0, 2 * np.pi, n), rng.uniform(0.2, 0.35, n)
        radial = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        turned = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
        heavy = np.array([-k["mu"], 0.0])
        momenta = turned * np.sqrt((1 - k["mu"]) / radius)[:, None] + np.array([0.0, -k["mu"]])
        return heavy + radius[:, None] * radial, momenta

    first, second = "sqrt((q1 + mu)**2 + q2**2)", "sqrt((q1 - 1 + mu)**2 + q2**2)"
    return Facts(
        PhaseSpace.standard(2, parameters={"mu": "positive"}),
        f"(p1**2 + p2**2)/2 - (q1*p2 - q2*p1) - (1 - mu)/{first} - mu/{second}",
        {"mu": 0.0121505856},
        "Szebehely, Theory of Orbits, chapter 1; the energy is Jacobi's integral; mu is that of Earth and Moon",
        draw,
    )
