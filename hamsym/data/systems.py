"""A catalogue of textbook systems: Hamiltonian, known integrals, parameter values and typical initial states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hamsym.data.catalogue import Catalogue
from hamsym.numeric.arguments import integer
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import PhaseSpace
from hamsym.symbolic.text import shorten

if TYPE_CHECKING:
    from hamsym.symbolic.symmetry import Generator

States = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class System:
    """A Hamiltonian system with what is known about it.

    Attributes:
        name: its name in the catalogue.
        hamiltonian: the Hamiltonian.
        integrals: known first integrals as generators, the energy first.
        parameters: usual value of each parameter, by name.
        source: where it is from.

    Example:
        >>> kepler = systems["kepler"]
        >>> kepler.integrals[1].expr
        -p1*q2 + p2*q1
        >>> q, p = kepler.initial_states(5, seed=1)
        >>> q.shape, p.shape
        ((5, 2), (5, 2))
    """

    name: str
    hamiltonian: Hamiltonian
    integrals: tuple[Generator, ...]
    parameters: dict[str, float]
    source: str
    _draw: Callable[[int, np.random.Generator, dict[str, float]], States]

    def initial_states(self, n: int, seed: int = 0) -> States:
        """Draw typical initial states for the usual parameters; bound motion where the system has it.

        Arguments:
            n: how many.
            seed: the same seed gives the same bytes.

        Returns:
            q and p, float64, shape ``(n, dof)``.

        Raises:
            ParameterError: if n is no positive or seed no natural number.

        Example:
            >>> q, p = systems["pendulum"].initial_states(3, seed=2)
            >>> q.shape, bool((p == 0).all())
            ((3, 1), True)
        """
        rng = np.random.default_rng(integer("seed", seed))
        return self._draw(integer("n", n, minimum=1), rng, self.parameters)

    def __repr__(self) -> str:
        return f"<system {self.name}: H = {shorten(self.hamiltonian.text)}>"


def _system(
    name: str,
    dof: int,
    formula: str,
    integrals: Sequence[str],
    parameters: dict[str, float],
    source: str,
    draw: Callable[[int, np.random.Generator, dict[str, float]], States],
) -> System:
    from hamsym.symbolic.symmetry import Generator

    space = PhaseSpace.standard(dof, parameters=dict.fromkeys(parameters, "positive"))
    known = tuple(Generator(g, space) for g in [formula, *integrals])
    return System(name, Hamiltonian(formula, space), known, parameters, source, draw)


def _harmonic_oscillator() -> System:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return _polar(rng.uniform(0.2, 2.0, n), rng)

    source = "Goldstein, Classical Mechanics, section 10.2"
    return _system(
        "harmonic_oscillator", 1, "p1**2/(2*m) + k*q1**2/2", [], {"m": 1.0, "k": 1.0}, source, draw
    )


def _pendulum() -> System:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # At rest at an angle below the top: oscillation, from nearly harmonic to strongly anharmonic.
        return rng.uniform(-2.8, 2.8, (n, 1)), np.zeros((n, 1))

    formula = "p1**2/(2*m*l**2) + m*g*l*(1 - cos(q1))"
    source = "Arnold, Mathematical Methods of Classical Mechanics, section 4"
    return _system("pendulum", 1, formula, [], {"m": 1.0, "l": 1.0, "g": 1.0}, source, draw)


def _henon_heiles() -> System:
    formula = "(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2 + q1**2*q2 - q2**3/3"

    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # Inside the well, with an energy below 1/6, where it opens: bound, and partly chaotic.
        q = np.hstack(_polar(0.3 * np.sqrt(rng.random(n)), rng))
        potential = (q**2).sum(1) / 2 + q[:, 0] ** 2 * q[:, 1] - q[:, 1] ** 3 / 3
        energy = rng.uniform(potential, 0.16)
        return q, np.hstack(_polar(np.sqrt(2 * (energy - potential)), rng))

    return _system(
        "henon_heiles", 2, formula, [], {}, "Hénon and Heiles, Astronomical Journal 69 (1964) 73", draw
    )


def _kepler() -> System:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # Ellipses of semi-major axis 1 and eccentricity below 0.6, at pericentre, turned at random.
        e, angle = rng.uniform(0, 0.6, n), rng.uniform(0, 2 * np.pi, n)
        radial = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        tangential = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
        return radial * (1 - e)[:, None], tangential * np.sqrt(k["k"] * (1 + e) / (1 - e))[:, None]

    momentum = "(q1*p2 - q2*p1)"
    integrals = [
        momentum,
        f"p2*{momentum} - k*q1/sqrt(q1**2 + q2**2)",
        f"-p1*{momentum} - k*q2/sqrt(q1**2 + q2**2)",
    ]
    formula = "(p1**2 + p2**2)/2 - k/sqrt(q1**2 + q2**2)"
    return _system(
        "kepler",
        2,
        formula,
        integrals,
        {"k": 1.0},
        "Goldstein, Classical Mechanics, sections 3.7 and 3.9",
        draw,
    )


def _mexican_hat() -> System:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return np.hstack(_polar(rng.uniform(0.3, 1.7, n) * k["v"], rng)), 0.5 * rng.standard_normal((n, 2))

    formula = "(p1**2 + p2**2)/2 + c*(q1**2 + q2**2 - v**2)**2/4"
    source = "Goldstone, Nuovo Cimento 19 (1961) 154, for one point of space"
    return _system("mexican_hat", 2, formula, ["q1*p2 - q2*p1"], {"c": 1.0, "v": 1.0}, source, draw)


def _double_pendulum() -> System:
    def draw(n: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        return rng.uniform(-1.5, 1.5, (n, 2)), np.zeros((n, 2))

    formula = (
        "(m2*l2**2*p1**2 + (m1 + m2)*l1**2*p2**2 - 2*m2*l1*l2*p1*p2*cos(q1 - q2))"
        "/(2*m2*l1**2*l2**2*(m1 + m2*sin(q1 - q2)**2)) - (m1 + m2)*g*l1*cos(q1) - m2*g*l2*cos(q2)"
    )
    values = dict.fromkeys(["m1", "m2", "l1", "l2", "g"], 1.0)
    source = "Landau and Lifshitz, Mechanics, section 5, problem 1, after a Legendre transform; not separable"
    return _system("double_pendulum", 2, formula, [], values, source, draw)


def _polar(radius: np.ndarray, rng: np.random.Generator) -> States:
    """Two columns with the given radius and a uniform angle."""
    angle = rng.uniform(0, 2 * np.pi, len(radius))
    return (radius * np.cos(angle))[:, None], (radius * np.sin(angle))[:, None]


#: The systems by name.
systems: Catalogue[System] = Catalogue(
    "system",
    {
        "harmonic_oscillator": _harmonic_oscillator,
        "pendulum": _pendulum,
        "henon_heiles": _henon_heiles,
        "kepler": _kepler,
        "mexican_hat": _mexican_hat,
        "double_pendulum": _double_pendulum,
    },
)
