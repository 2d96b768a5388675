"""The problems on disentangled representations: points of four coordinates and the product groups that move them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import hamsym as hs
from learn.disentanglement import ProductGroup
from learn.experiments.runs import seeds

TARGET = "ring"
SPACE = hs.PhaseSpace.standard(4)
#: Bodies 1 and 2 in the plane ↦ centre and difference, both over √2: a rotation of the four coordinates.
JACOBI = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, -1, 0], [0, 1, 0, -1]]) / 2**0.5


@dataclass(frozen=True)
class Problem:
    """Points of four coordinates and the product group that moves them.

    Attributes:
        name: for tables.
        generators: one entry for each factor.
        extents: of the group parameters that are drawn, by factor; they keep points among those of the training.
        affine: whether fitted actions need a constant, as for translations.
        frames: coordinates of the plane, by name, in which the representation of a flow is looked at.
        draw: (number, seed) ↦ points.
    """

    name: str
    generators: tuple[Any, ...]
    extents: tuple[float, ...]
    affine: bool
    frames: Mapping[str, np.ndarray]
    draw: Callable[[int, int], np.ndarray]

    def group(self) -> ProductGroup:
        """Return the group, its commuting factors proved."""
        proved = ProductGroup.of(*self.generators)
        factors = [
            replace(f, extents=(e,) * len(f.moves)) for f, e in zip(proved.factors, self.extents, strict=True)
        ]
        return ProductGroup(factors, proved.proofs)


def _rings(n: int, seed: int) -> np.ndarray:
    ring = hs.targets[TARGET]
    return np.concatenate([ring.sample(n, seed=s) for s in seeds(2 * seed, 2)], -1)


def _pair(n: int, seed: int) -> np.ndarray:
    centre = np.random.default_rng(seed).normal(size=(n, 2))
    return np.asarray(np.concatenate([centre, hs.targets[TARGET].sample(n, seed=seed)], -1) @ JACOBI)


PROBLEMS = (
    Problem(
        "two rotations", (hs.angular_momentum(SPACE, 0, 1), hs.angular_momentum(SPACE, 2, 3)), (np.pi, np.pi), False,
        {"as given": np.eye(4)}, _rings,
    ),
    Problem(
        "centre × rotation",
        (hs.total_momentum(SPACE, 2), hs.Generator("((q1 - q3)*(p2 - p4) - (q2 - q4)*(p1 - p3))/2", SPACE)), (0.5, np.pi), True,
        {"body by body": np.eye(4), "Jacobi": JACOBI}, _pair,
    ),
)  # fmt: skip
