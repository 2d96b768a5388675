"""The tasks of *Hamiltonian Neural Networks*: which states, which noise, which split, and how energy is held.

Greydanus, Dzamba, Yosinski, arXiv 1906.01563 (2019), sections 3 and 4 and their public data generators.  Systems are
those of ``hamsym.systems`` and trajectories those of ``hamsym.simulate``; derivatives are exact at the states.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import sympy as sp

import hamsym as hs
from hamsym.numeric.codegen import array_function

#: Of the data are cut this many times finer in time than they are stored.
_FINE = 100


@dataclass(frozen=True)
class States:
    """States and their time derivatives, float64 arrays of shape (n, dim) each.

    Attributes:
        q, p: states.
        dq, dp: derivatives.
    """

    q: np.ndarray
    p: np.ndarray
    dq: np.ndarray
    dp: np.ndarray

    def part(self, rows: slice | np.ndarray) -> States:
        """Return some of the rows."""
        return States(self.q[rows], self.p[rows], self.dq[rows], self.dp[rows])


@dataclass(frozen=True)
class Rollouts:
    """How energy is measured: where rollouts start, how long they run, how often energy is looked at.

    Attributes:
        q, p: first states, shape (n, dim).
        span: of time.
        points: looks at the energy, the first at time 0.
        stretch: factor on the models' time axis, as published for noisy data.
        fine: steps of the integrator from one look to the next.
        truth: states (q, p) of the true trajectories, shape (n, points, dim) each, where they are no solution of the
            task's Hamiltonian; None where its energy is constant.
    """

    q: np.ndarray
    p: np.ndarray
    span: float
    points: int
    stretch: float = 1.0
    fine: int = 4
    truth: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class Task:
    """One row of the table.

    Attributes:
        name: of the task.
        hamiltonian, parameters: of the system.
        generators: of the symmetries that a symmetric network is given.
        draw: a seed ↦ (training states, test states, rollouts).
    """

    name: str
    hamiltonian: hs.Hamiltonian
    parameters: dict[str, float]
    generators: tuple[hs.Generator, ...]
    draw: Callable[[int], tuple[States, States, Rollouts]]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.hamiltonian.space.variables) // 2

    def energy(self, q: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the true energy of states of shape (…, dim)."""
        return self.value(self.hamiltonian.expr, q, p)

    def value(self, expression: sp.Expr, q: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return any function of the state, in the names of the system, at states of shape (…, dim)."""
        return array_function(expression, self.hamiltonian.space)(q, p, self.parameters)


def derivatives(
    H: hs.Hamiltonian, parameters: dict[str, float], q: np.ndarray, p: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (dq/dt, dp/dt) = (∂H/∂p, −∂H/∂q) at states of shape (…, dim), by the formula.

    Example:
        >>> H = hs.Hamiltonian("p1**2/2 + q1**4/4", hs.PhaseSpace.standard(1))
        >>> [float(x[0]) for x in derivatives(H, {}, np.array([2.0]), np.array([3.0]))]
        [3.0, -8.0]
    """
    rates = H.equations()
    columns = [array_function(rates[s], H.space)(q, p, parameters) for s in H.space.variables]
    half = len(columns) // 2
    return np.stack(columns[:half], -1), np.stack(columns[half:], -1)


def observed(
    H: hs.Hamiltonian,
    parameters: dict[str, float],
    q0: np.ndarray,
    p0: np.ndarray,
    *,
    span: float,
    points: int,
    noise: float,
    rng: np.random.Generator,
) -> States:
    """Simulate and look: states with Gaussian noise beside the derivatives without it, as published.

    Arguments:
        H: separable.
        parameters: of H.
        q0, p0: first states, shape (n, dim).
        span: of time.
        points: states on each trajectory, evenly in time, the first at time 0.
        noise: standard deviation of what is added to q and p.
        rng: draws the noise.

    Returns:
        ``n * points`` states, trajectory after trajectory.

    Example:
        >>> H = hs.Hamiltonian("p1**2/2 + q1**2/2", hs.PhaseSpace.standard(1))
        >>> seen = observed(H, {}, np.ones((2, 1)), np.zeros((2, 1)), span=1.0, points=5, noise=0.0,
        ...                 rng=np.random.default_rng(0))
        >>> seen.q.shape, bool(np.allclose(seen.q[4], np.cos(1.0), atol=1e-9))
        ((10, 1), True)
    """
    met = hs.simulate(
        H, q0, p0, dt=span / (points - 1) / _FINE, steps=(points - 1) * _FINE, save_every=_FINE,
        method="blanes_moan6", parameters=parameters,
    )  # fmt: skip
    dq, dp = derivatives(H, parameters, met.q, met.p)
    q, p = (x + noise * rng.standard_normal(x.shape) for x in (met.q, met.p))
    return States(*(x.reshape(-1, q0.shape[-1]) for x in (q, p, dq, dp)))


def _one_dimensional(
    name: str, system: str, parameters: dict[str, float], radii: tuple[float, float], points: int
) -> Task:
    """Spring or pendulum: 50 noisy trajectories from random points of a ring, half of the states for training."""
    H, noise = hs.systems[system].hamiltonian, 0.1

    def draw(seed: int) -> tuple[States, States, Rollouts]:
        rng = np.random.default_rng(seed)
        radius, angle = rng.uniform(*radii, (50, 1)), rng.uniform(0, 2 * np.pi, (50, 1))
        q0, p0 = radius * np.cos(angle), radius * np.sin(angle)
        seen = observed(H, parameters, q0, p0, span=3.0, points=points, noise=noise, rng=rng)
        half = len(seen.q) // 2
        q, p = rng.uniform(0.2, 1.0, (2, 15, 1)) * rng.choice([-1.0, 1.0], (2, 15, 1))
        return (
            seen.part(slice(half)),
            seen.part(slice(half, None)),
            Rollouts(q, p, 20.0, 100, 1 + 0.9 * noise),
        )

    return Task(name, H, parameters, (), draw)


def spring() -> Task:
    """H = q² + p²."""
    return _one_dimensional("spring", "harmonic_oscillator", {"m": 0.5, "k": 2.0}, (0.1, 1.0), 30)


def pendulum() -> Task:
    """H = 3 (1 − cos q) + p²."""
    return _one_dimensional("pendulum", "pendulum", {"m": 0.5, "l": 1.0, "g": 6.0}, (1.3, 2.3), 45)


def circle(n: int, radius: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places and velocities of n equal bodies of mass 1 on a circular orbit about their centre, for G = 1.

    They stand at the corners of a regular polygon; each is drawn to the centre by Σ_k 1/(4 r² sin(πk/n)).

    Arguments:
        n: bodies.
        radius, angle: of the first one, shape (count,).

    Returns:
        Two arrays of shape (count, n, 2).

    Example:
        >>> x, v = circle(2, np.ones(1), np.zeros(1))
        >>> float(np.hypot(*v[0, 0]))  # v² = 1/(4 r)
        0.5
    """
    turned = angle[:, None] + 2 * np.pi * np.arange(n) / n
    out = np.stack([np.cos(turned), np.sin(turned)], -1)
    along = np.stack([-out[..., 1], out[..., 0]], -1)
    pull = sum(1 / (4 * np.sin(np.pi * k / n)) for k in range(1, n))
    return radius[:, None, None] * out, np.sqrt(pull / radius)[:, None, None] * along


def _bodies(
    name: str, n: int, orbits: int, points: int, span: float, start: Callable[..., tuple[np.ndarray, np.ndarray]],
    rollouts: tuple[float, int, int],
) -> Task:  # fmt: skip
    """Two or three bodies of mass 1 in the plane, G = 1; a fifth of the states is for testing."""
    H = hs.systems["nbody"](n=n, d=2).hamiltonian
    parameters = {"G": 1.0} | {f"m{i}": 1.0 for i in range(1, n + 1)}
    space = cast(hs.PhaseSpace, H.space)
    generators = (*hs.total_momentum(space, 2), *hs.total_angular_momentum(space, 2))

    def draw(seed: int) -> tuple[States, States, Rollouts]:
        rng = np.random.default_rng(seed)
        q0, p0 = (x.reshape(orbits, -1) for x in start(orbits, rng))
        seen = observed(H, parameters, q0, p0, span=span, points=points, noise=0.0, rng=rng)
        first = int(0.8 * orbits) * points
        q, p = (x.reshape(15, -1) for x in start(15, rng))
        until, looks, fine = rollouts
        return seen.part(slice(first)), seen.part(slice(first, None)), Rollouts(q, p, until, looks, fine=fine)

    return Task(name, H, parameters, generators, draw)


def two_body(orbits: int = 1000) -> Task:
    """Two bodies on orbits that are nearly circles, at rest as a whole."""

    def start(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        place = rng.uniform(0.5, 1.5, (count, 2))
        x, v = circle(2, np.hypot(*place.T), np.arctan2(*place.T[::-1]))
        return x, v * (1 + 0.05 * rng.standard_normal((count, 1, 1)))

    return _bodies("two-body", 2, orbits, 50, 20.0, start, (25.0, 500, 2))


def three_body(orbits: int = 5000) -> Task:
    """Three bodies on a circle, every component of their velocities off by up to a fifth."""

    def start(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, v = circle(3, rng.uniform(0.9, 1.2, count), rng.uniform(0, 2 * np.pi, count))
        return x, v * (1 + 0.2 * rng.uniform(-1, 1, v.shape))

    return _bodies("three-body", 3, orbits, 20, 5.0, start, (5.0, 100, 20))
