"""Points of bodies: copies moved at random, and coordinates without the mean position."""

from __future__ import annotations

import numpy as np

from learn.particles.bodies import Particles


def free_coordinates(particles: Particles) -> np.ndarray:
    """Return an orthonormal basis, as rows, of positions without their mean, of shape (dim − d, dim).

    The rows are those of Helmert's matrix, each body against the mean of those before it, so a rotation of space
    turns the new coordinates as it turns bodies.  A density in them is one on positions without mean: no factor.

    Arguments:
        particles: the bodies.

    Example:
        >>> basis = free_coordinates(Particles(3, 2))
        >>> basis.shape, bool(np.allclose(basis @ basis.T, np.eye(4)))
        ((4, 6), True)
    """
    n = particles.number
    rows = np.zeros((n - 1, n))
    for k in range(1, n):
        rows[k - 1, :k], rows[k - 1, k] = 1, -k
        rows[k - 1] /= np.sqrt(k * (k + 1))
    return np.kron(rows, np.eye(particles.dimensions))


def moved(particles: Particles, q: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return points without mean, each turned or reflected and its identical bodies permuted at random.

    Arguments:
        particles: the bodies.
        q: points of shape (m, dim).
        random: where the motions come from: uniform on O(d) and on the permutations that keep species.

    Example:
        >>> q = np.array([[0.0, 0.0, 3.0, 4.0]])
        >>> again = moved(Particles(2, 2), q, np.random.default_rng(0)).reshape(2, 2)
        >>> float(np.linalg.norm(again[0] - again[1]).round(9))
        5.0
    """
    n, d, m = particles.number, particles.dimensions, len(q)
    x = q.reshape(m, n, d)
    x = x - x.mean(1, keepdims=True)
    turns, triangles = np.linalg.qr(random.standard_normal((m, d, d)))
    turns = (
        turns * np.sign(np.diagonal(triangles, axis1=1, axis2=2))[:, None]
    )  # uniform: Mezzadri, math-ph/0609050
    order = np.tile(np.arange(n), (m, 1))
    species = np.array(particles.species)
    for s in np.unique(species):
        places = np.flatnonzero(species == s)
        order[:, places] = places[random.random((m, len(places))).argsort(-1)]
    return (x[np.arange(m)[:, None], order] @ turns).reshape(m, -1)
