"""Calibration of angles: do points fill the orbits of a rotation evenly?"""

from __future__ import annotations

import math

import numpy as np
import torch

from hamsym.errors import ShapeError, SymmetryError
from hamsym.symbolic.symmetry.generator import Generator
from learn.symmetry.action import PointAction


def angle_uniformity(points: np.ndarray, bins: int = 36) -> dict[str, float]:
    """Test whether planar points have uniform angles, by Pearson's chi-square.

    Arguments:
        points: array of shape (n, 2), independent draws.
        bins: number of equal sectors.

    Returns:
        ``chi_square``, ``degrees_of_freedom`` and the ``p_value`` under uniformity.

    Example:
        >>> turns = np.linspace(0, 2 * np.pi, 3600, endpoint=False)
        >>> angle_uniformity(np.stack([np.cos(turns), np.sin(turns)], -1))["chi_square"] < 1
        True
    """
    angle = np.arctan2(points[:, 1], points[:, 0])
    counts, _ = np.histogram(angle, bins=bins, range=(-math.pi, math.pi))
    expected = len(points) / bins
    statistic = float(((counts - expected) ** 2 / expected).sum())
    tail = torch.special.gammaincc(
        torch.tensor((bins - 1) / 2).double(), torch.tensor(statistic / 2).double()
    )
    return {"chi_square": statistic, "degrees_of_freedom": bins - 1, "p_value": float(tail)}


def angle_calibration(g: Generator, points: np.ndarray, bins: int = 36) -> list[dict[str, float]]:
    """Test the angles of points in every plane that a generator turns; [] if it turns none.

    A density that does not notice the turns exp(tA) has uniform angles in each invariant plane of A, about the point
    that the turns leave alone.  Angles in different planes of one point may depend on each other, so the tests are
    not combined: each is read by itself.

    Arguments:
        g: a generator p·(A q + b) with A antisymmetric.
        points: independent draws of shape (n, dim).
        bins: number of equal sectors.

    Returns:
        One test for each plane, as :func:`angle_uniformity` gives it, with the angular ``speed`` of the plane.

    Raises:
        SymmetryError: if g does not act linearly on coordinates by turns and shifts.
        ShapeError: if the points have another number of coordinates.

    Example:
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> g = angular_momentum(PhaseSpace.standard(3), 0, 1)
        >>> points = np.random.default_rng(0).normal(size=(5000, 3))
        >>> [test["p_value"] > 1e-4 for test in angle_calibration(g, points)]
        [True]
        >>> angle_calibration(g, points + [1, 0, 0])[0]["p_value"] < 1e-12
        True
    """
    action = PointAction.of(g)
    if not action.turns:
        raise SymmetryError(f"g = {g.text} turns no planes: its matrix is not antisymmetric")
    matrix, offset = action.array, np.array(action.offset.tolist(), dtype=float)[:, 0]
    if points.ndim != 2 or points.shape[1] != len(matrix):
        raise ShapeError(f"points have shape (n, {len(matrix)}), not {points.shape}")
    about = points + np.linalg.pinv(matrix) @ offset
    speeds, vectors = np.linalg.eigh(
        -1j * matrix
    )  # A = V diag(iω) V*: Re v and Im v span a plane of speed ω > 0
    found = []
    for speed, v in zip(speeds, vectors.T, strict=True):
        if speed > 1e-12:
            plane = about @ np.stack([v.real, v.imag], -1)
            found.append({"speed": float(speed), **angle_uniformity(plane, bins)})
    return found
