"""Bodies in space, which of them are alike, and the generators and exchanges that leave their distances alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import sympy as sp

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError, SymmetryError
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator
from hamsym.symbolic.symmetry.standard import total_angular_momentum, total_momentum
from learn.symmetry.action import PointAction

#: Beyond that many bodies the pairs are too many for one potential that looks at all of them.
MAX_BODIES = 100
MAX_DIMENSIONS = 10


@dataclass(frozen=True)
class Particles:
    """n bodies in d dimensions, body after body in the coordinates: (x₁, y₁, x₂, y₂, …).

    Arguments:
        number: n, at least 2.
        dimensions: d.
        species: one label for each body; bodies of the same label are identical.  All are if there are none.

    Raises:
        ParameterError: for numbers that are not positive integers, and labels that are not one for each body.

    Example:
        >>> water = Particles(3, 2, ("O", "H", "H"))
        >>> water.pairs, water.kinds, water.exchanges
        (((0, 1), (0, 2), (1, 2)), (0, 0, 1), ((1, 2),))
    """

    number: int
    dimensions: int
    species: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        number = integer("the number of particles", self.number, minimum=2, maximum=MAX_BODIES)
        object.__setattr__(self, "number", number)
        dimensions = integer("the dimensions of space", self.dimensions, minimum=1, maximum=MAX_DIMENSIONS)
        object.__setattr__(self, "dimensions", dimensions)
        labels: Sequence[Hashable] = self.species
        if not isinstance(labels, (list, tuple, str)) or (len(labels) and len(labels) != number):
            raise ParameterError(
                f"species is one label for each of the {number} particles, or nothing where all are alike, not {shown(labels)}"
            )
        if not all(isinstance(s, (int, str)) for s in labels):
            raise ParameterError(
                f"a label of a species is a word or a whole number, not as in {shown(labels)}"
            )
        known = list(dict.fromkeys(labels or [0] * number))
        numbered = {s: k for k, s in enumerate(known)}
        object.__setattr__(self, "species", tuple(numbered[s] for s in labels or [0] * number))

    @classmethod
    def read(cls, particles: Any, species: Any, dim: int) -> Particles:
        """Return the bodies of a flow on ``dim`` coordinates.

        Arguments:
            particles: (n, d), or the bodies themselves.
            species: labels, one for each body.
            dim: number of coordinates, n · d.

        Raises:
            ParameterError: if they do not go together.

        Example:
            >>> Particles.read((4, 2), None, 8)
            Particles(number=4, dimensions=2, species=(0, 0, 0, 0))
        """
        if isinstance(particles, cls):
            found = particles if species is None else cls(particles.number, particles.dimensions, species)
        elif isinstance(particles, (tuple, list)) and len(particles) == 2:
            found = cls(particles[0], particles[1], () if species is None else species)
        else:
            raise ParameterError(
                f"particles are (bodies, dimensions of space), as (4, 2), not {shown(particles)}"
            )
        if found.dim != dim:
            raise ParameterError(
                f"{found.number} particles in {found.dimensions} dimensions have {found.dim} coordinates, the flow has dim={dim}"
            )
        return found

    @property
    def dim(self) -> int:
        """Number of coordinates, n · d."""
        return self.number * self.dimensions

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All pairs of different bodies."""
        return tuple(combinations(range(self.number), 2))

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """For each pair which kind of pair it is, by the species of its bodies."""
        species = [tuple(sorted((self.species[i], self.species[j]))) for i, j in self.pairs]
        known = {s: k for k, s in enumerate(dict.fromkeys(species))}
        return tuple(known[s] for s in species)

    @cached_property
    def exchanges(self) -> tuple[tuple[int, int], ...]:
        """Pairs of identical bodies whose exchanges make all permutations that keep the species."""
        found: list[tuple[int, int]] = []
        last: dict[Any, int] = {}
        for i, s in enumerate(self.species):
            if s in last:
                found.append((last[s], i))
            last[s] = i
        return tuple(found)

    @property
    def translations(self) -> np.ndarray:
        """Orthonormal directions along which all bodies move together, of shape (d, dim)."""
        return np.kron(np.full((1, self.number), self.number**-0.5), np.eye(self.dimensions))

    @property
    def incidence(self) -> np.ndarray:
        """1 where a pair begins at a body and −1 where it ends there, of shape (n, pairs)."""
        matrix = np.zeros((self.number, len(self.pairs)))
        for k, (i, j) in enumerate(self.pairs):
            matrix[i, k], matrix[j, k] = 1, -1
        return matrix

    def permutation(self, order: Sequence[int]) -> np.ndarray:
        """Return the matrix, of shape (dim, dim), that puts body ``order[i]`` in the place of body i.

        Example:
            >>> Particles(2, 1).permutation([1, 0])
            array([[0., 1.],
                   [1., 0.]])
        """
        return np.kron(np.eye(self.number)[list(order)], np.eye(self.dimensions))

    @property
    def space(self) -> PhaseSpace:
        """The phase space of the bodies, q1 … qn and p1 … pn."""
        return PhaseSpace.standard(self.dim)

    def generators(self) -> tuple[Generator, ...]:
        """Return the generators of E(d): total momenta and total angular momenta.

        Example:
            >>> [g.text for g in Particles(2, 2).generators()]
            ['p1 + p3', 'p2 + p4', '-p1*q2 + p2*q1 - p3*q4 + p4*q3']
        """
        d = self.dimensions
        turns = total_angular_momentum(self.space, d) if d > 1 else ()
        return (*total_momentum(self.space, d), *turns)

    def require_rigid(self, generators: Sequence[Generator]) -> None:
        """Refuse generators that do not move all bodies together: those change the distances.

        Raises:
            SymmetryError: for such a generator.

        Example:
            >>> Particles(2, 1).require_rigid([Generator("p1 - p2", PhaseSpace.standard(2))])
            Traceback (most recent call last):
            hamsym.errors.SymmetryError: g = p1 - p2 does not move all 2 particles together ...
        """
        n, d = self.number, self.dimensions
        for g in generators:
            action = PointAction.of(g)
            together = sp.kronecker_product(sp.eye(n), action.matrix[:d, :d])
            along = sp.kronecker_product(sp.ones(n, 1), action.offset[:d, :])
            moved = (
                (action.matrix - together).applyfunc(sp.expand),
                (action.offset - along).applyfunc(sp.expand),
            )
            if not (action.turns and all(m.is_zero_matrix for m in moved)):
                raise SymmetryError(
                    f"g = {g.text} does not move all {n} particles together by a translation or rotation, so functions of "
                    "their distances are not invariant under it; leave generators out for those of E(d)"
                )
