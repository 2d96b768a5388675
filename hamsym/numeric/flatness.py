"""Directions of the configuration space along which a potential does not change at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Forces along a direction that are below this part of all of them count as none.
_NO_FORCE = 1e-9
#: Displacements along which the potential must keep its value, in units of the spread of the points.
_MOVES = (-30.0, -1.0, 0.3, 7.0)

Function = Callable[[np.ndarray], np.ndarray]


def free_directions(forces: Function, potential: Function, q: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the directions v with U(q + a v) = U(q) for all q and a, as far as numbers can tell.

    Arguments:
        forces: of points of shape ``(dof, lanes)``, the gradient of U at each or a combination of gradients.
        potential: U at each, shape ``(lanes,)``.
        q: points at which U is finite.

    Returns:
        float64 array of shape ``(dof, k)``; k is 0 for a potential that confines.

    Example:
        >>> def force(q): return np.stack([q[1] - q[0], q[0] - q[1]])
        >>> def energy(q): return (q[0] - q[1]) ** 2 / 2
        >>> q = np.random.default_rng(0).standard_normal((2, 9))
        >>> abs(free_directions(force, energy, q).round(6))
        array([[0.707107],
               [0.707107]])
    """
    dof, spread = len(q), float(np.std(q)) or 1.0
    rng = np.random.default_rng(0)
    points = q[:, rng.integers(q.shape[1], size=4 * dof + 4)]
    points = points + 0.1 * spread * rng.standard_normal(points.shape)
    pulls = forces(points)
    size = np.linalg.norm(pulls, axis=0)
    usable = np.isfinite(size) & (size > 0)
    if usable.sum() < dof:  # too few to tell, or no force at all
        return (
            np.empty((dof, 0))
            if usable.any() or not _is_flat(potential, points, np.eye(dof))
            else np.eye(dof)
        )
    left, values, _ = np.linalg.svd(pulls[:, usable] / size[usable], full_matrices=True)
    free = left[:, values < _NO_FORCE * values[0]]
    return free if _is_flat(potential, points, free) else np.empty((dof, 0))


def _is_flat(potential: Function, points: np.ndarray, directions: np.ndarray) -> bool:
    """Whether U keeps its value, up to rounding, where points are moved along each direction."""
    spread = float(np.std(points)) or 1.0
    with np.errstate(all="ignore"):
        here = potential(points)
        for v in directions.T:
            for a in _MOVES:
                there = potential(points + a * spread * v[:, None])
                if not np.allclose(there, here, rtol=1e-6, atol=1e-6, equal_nan=True):
                    return False
    return True
