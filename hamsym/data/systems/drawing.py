"""Random initial states that many systems share."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.system import Draw, States


def polar(radius: np.ndarray, rng: np.random.Generator) -> States:
    """Two columns with the given radius and a uniform angle.

    Example:
        >>> x, y = polar(np.ones(3), np.random.default_rng(0))
        >>> x.shape, bool(np.allclose(np.hypot(x, y), 1))
        ((3, 1), True)
    """
    angle = rng.uniform(0, 2 * np.pi, len(radius))
    return (radius * np.cos(angle))[:, None], (radius * np.sin(angle))[:, None]


def box(dof: int, width: float, speed: float, centre: float | np.ndarray = 0.0) -> Draw:
    """Coordinates uniform within ``width`` of a centre, momenta normal with deviation ``speed``.

    Example:
        >>> q, p = box(2, 0.5, 0.1, centre=3.0)(4, np.random.default_rng(0), {})
        >>> q.shape, bool((abs(q - 3) <= 0.5).all())
        ((4, 2), True)
    """

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        q = centre + rng.uniform(-width, width, (count, dof))
        return q, speed * rng.standard_normal((count, dof))

    return draw


def line(dof: int, gap: float, speed: float) -> Draw:
    """Particles in descending order on a line about ``gap`` apart, with no total momentum.

    Example:
        >>> q, p = line(3, 1.0, 0.1)(4, np.random.default_rng(0), {})
        >>> bool((np.diff(q) < 0).all()), bool(np.allclose(p.sum(1), 0))
        (True, True)
    """
    places = gap * (np.arange(dof)[::-1] - (dof - 1) / 2)

    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        q = places + gap * rng.uniform(-0.2, 0.2, (count, dof))
        p = speed * rng.standard_normal((count, dof))
        return q, p - p.mean(axis=1, keepdims=True)

    return draw


def sphere(count: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform points on the unit sphere, shape ``(count, dim)``.

    Example:
        >>> bool(np.allclose(np.linalg.norm(sphere(5, 3, np.random.default_rng(0)), axis=1), 1))
        True
    """
    vectors = rng.standard_normal((count, dim))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ellipses(
    count: int, dim: int, rng: np.random.Generator, strength: float, eccentricity: float = 0.6
) -> States:
    """Pericentres of Kepler ellipses of semi-major axis 1 in any plane, for a mass of 1; and the momenta there.

    Example:
        >>> q, p = ellipses(5, 3, np.random.default_rng(0), 1.0)
        >>> energy = (p**2).sum(1) / 2 - 1 / np.linalg.norm(q, axis=1)
        >>> bool(np.allclose(energy, -0.5))
        True
    """
    e = rng.uniform(0, eccentricity, count)[:, None]
    radial = sphere(count, dim, rng)
    other = sphere(count, dim, rng)
    other -= (other * radial).sum(1, keepdims=True) * radial
    tangential = other / np.linalg.norm(other, axis=1, keepdims=True)
    return radial * (1 - e), tangential * np.sqrt(strength * (1 + e) / (1 - e))
