"""How generators move points: the matrices of linear actions, exactly, and the rotations that they generate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import cycle

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from hamsym.errors import SymmetryError
from hamsym.symbolic.symmetry.generator import Generator

#: Ratios of angular velocities are sought among fractions with denominators up to this one.
_DENOMINATOR = 64
#: Rounds through all generators in a random element: rotations about two axes forget their start by half or more in
#: each, so what is left of it is 2⁻¹² or less.
_ROUNDS = 6
MAX_ELEMENTS = 1024


@dataclass(frozen=True)
class PointAction:
    """The action dq/dε = A q + b of one generator g = p·(A q + b), exactly.

    Attributes:
        generator: g.
        matrix: A, of shape (dim, dim).
        offset: b, of shape (dim, 1).

    Example:
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> PointAction.of(angular_momentum(PhaseSpace.standard(2), 0, 1)).matrix
        Matrix([
        [0, -1],
        [1,  0]])
    """

    generator: Generator
    matrix: sp.Matrix
    offset: sp.Matrix

    @staticmethod
    @lru_cache(maxsize=256)
    def of(g: Generator) -> PointAction:
        """Return the action of g.

        Raises:
            SymmetryError: if g is not linear in the momenta with coefficients affine in the coordinates.
        """
        q, p = g.space.coordinates, g.space.momenta
        rate = sp.Matrix([sp.diff(g.expr, s) for s in p])
        matrix = rate.jacobian(list(q)).applyfunc(sp.expand)
        offset = (rate - matrix * sp.Matrix(q)).applyfunc(sp.expand)
        rest = sp.expand(g.expr - (sp.Matrix(p).T * (matrix * sp.Matrix(q) + offset))[0])
        if matrix.free_symbols or offset.free_symbols or rest != 0:
            raise SymmetryError(
                f"g = {g.text} does not move coordinates linearly: it is not of the form Σ p_i (A_ij q_j + b_i); use "
                "symmetry='penalty' with a BracketConstraint, which takes any generator"
            )
        return PointAction(g, matrix, offset)

    @property
    def turns(self) -> bool:
        """Whether A is antisymmetric: the action keeps |q − q'| and, on momenta, is the same rotation."""
        return bool((self.matrix + self.matrix.T).applyfunc(sp.expand).is_zero_matrix)

    @property
    def array(self) -> np.ndarray:
        """A in float64."""
        return np.array(self.matrix.tolist(), dtype=np.float64)

    def __hash__(self) -> int:
        return hash(self.generator)


class Rotations:
    """The compact group that generators of rotations about the origin make, for averages and for random elements.

    Arguments:
        generators: each of the form p·A q with A antisymmetric, so that every element turns q and p alike.

    Attributes:
        periods: for each generator, the parameter after which every point is back.
        commute: whether all generators do, so that the group is a torus.

    Raises:
        SymmetryError: if a generator does something else, or its turns never come back.

    Example:
        >>> from learn.symmetry.generators import as_generators
        >>> group = Rotations(as_generators("q1*p2 - q2*p1", 2))
        >>> group.elements(4).round(12)[1] + 0
        array([[ 0., -1.],
               [ 1.,  0.]])
    """

    def __init__(self, generators: Sequence[Generator]) -> None:
        actions = [PointAction.of(g) for g in generators]
        for action in actions:
            if not action.turns or not action.offset.is_zero_matrix or action.matrix.is_zero_matrix:
                raise SymmetryError(
                    f"g = {action.generator.text} is no rotation about the origin, so its group has no uniform law to "
                    "average over or to draw from; use symmetry='exact' for translations (together with rotations), "
                    "'penalty' for others"
                )
        self.matrices = [action.array for action in actions]
        # A = V diag(iω) V*, so exp(tA) costs two products
        self._spectra = [np.linalg.eigh(-1j * a) for a in self.matrices]
        self.periods = [
            _period(spectrum[0], action) for spectrum, action in zip(self._spectra, actions, strict=True)
        ]

    @cached_property
    def commute(self) -> bool:
        pairs = [(a, b) for a in self.matrices for b in self.matrices]
        return all(np.allclose(a @ b, b @ a, rtol=0, atol=1e-12) for a, b in pairs)

    def elements(self, count: int, seed: int = 0) -> np.ndarray:
        """Return finitely many elements to average over, of shape (n, dim, dim).

        For commuting generators a subgroup: ``count`` equal steps of each, all products; an average over it is exactly
        invariant under that subgroup and, for smooth functions, under the whole torus up to an error that falls
        faster than any power of ``count`` (trapezoidal rule).  Otherwise ``count`` random elements, the same for one
        seed: an average over them is invariant under none, and tends to an invariant one with an error ∝ count^−½.

        Raises:
            SymmetryError: if these would be more than 1024.
        """
        if not self.commute:
            random = np.random.default_rng(seed)
            return np.stack([self._word(random) for _ in range(count)])
        if count ** len(self.matrices) > MAX_ELEMENTS:
            raise SymmetryError(
                f"{count} steps of each of {len(self.matrices)} generators make more than {MAX_ELEMENTS} elements; "
                "choose fewer, or symmetry='exact'"
            )
        found = [np.eye(len(self.matrices[0]))]
        for k, period in enumerate(self.periods):
            steps = [self._element(k, period * j / count) for j in range(count)]
            found = [a @ b for a in found for b in steps]
        return np.stack(found)

    def _element(self, k: int, t: float) -> np.ndarray:
        omega, vectors = self._spectra[k]
        return ((vectors * np.exp(1j * omega * t)) @ vectors.conj().T).real

    def _word(self, random: np.random.Generator) -> np.ndarray:
        element = np.eye(len(self.matrices[0]))
        for _ in range(1 if self.commute else _ROUNDS):
            for k, period in enumerate(self.periods):
                element = self._element(k, random.uniform(0, period)) @ element
        return element

    def move(self, random: torch.Generator, *points: Tensor) -> tuple[Tensor, ...]:
        """Move each row by a random element of its own, the same one in every given tensor.

        Uniform on the group where generators commute; otherwise a product of rotations by uniform angles, several
        rounds through all generators, whose law is within about 2⁻¹² of the uniform one.

        Arguments:
            random: of torch.
            points: tensors of shape (batch, dim), coordinates or momenta.

        Example:
            >>> from learn.symmetry.generators import as_generators
            >>> group = Rotations(as_generators("q1*p2 - q2*p1", 2))
            >>> q = torch.tensor([[3.0, 4.0]])
            >>> round(float(group.move(torch.Generator().manual_seed(0), q)[0].norm()), 5)
            5.0
        """
        like, rounds = points[0], 1 if self.commute else _ROUNDS
        shares = [
            torch.rand(len(like), 1, dtype=like.dtype, device=like.device, generator=random)
            for _ in range(rounds * len(self.periods))
        ]
        return self.turn(shares, *points)

    def turn(self, shares: Sequence[Tensor], *points: Tensor) -> tuple[Tensor, ...]:
        """Turn each row by given shares of the periods, by one generator after the other, and again while shares last.

        Arguments:
            shares: tensors of shape (batch, 1), 1 for a whole turn.
            points: tensors of shape (..., batch, dim), coordinates, momenta or slopes.

        Example:
            >>> from learn.symmetry.generators import as_generators
            >>> group = Rotations(as_generators("q1*p2 - q2*p1", 2))
            >>> group.turn([torch.tensor([[0.25]])], torch.tensor([[3.0, 4.0]]))[0].round(decimals=5)
            tensor([[-4.,  3.]])
        """
        moved = [x.to(torch.complex64 if x.dtype == torch.float32 else torch.complex128) for x in points]
        steps = zip(shares, cycle(zip(self._spectra, self.periods, strict=True)), strict=False)
        for share, ((omega, vectors), period) in steps:
            frame = torch.as_tensor(vectors).to(moved[0])
            phase = torch.polar(torch.ones_like(share), period * share * torch.as_tensor(omega).to(share))
            moved = [((x @ frame.conj()) * phase) @ frame.T for x in moved]
        return tuple(x.real.contiguous() for x in moved)


def _period(omega: np.ndarray, action: PointAction) -> float:
    speeds = np.unique(np.abs(omega[np.abs(omega) > 1e-12]).round(12))
    ratios = [Fraction(float(s / speeds[0])).limit_denominator(_DENOMINATOR) for s in speeds]
    if not np.allclose([float(r) for r in ratios], speeds / speeds[0], rtol=1e-9, atol=0):
        raise SymmetryError(
            f"the rotations of g = {action.generator.text} have incommensurable speeds and never come back; name each "
            "of them as a generator of its own"
        )
    common = math.lcm(*(r.denominator for r in ratios))
    slowest = math.gcd(*(int(r * common) for r in ratios)) / common
    return float(2 * math.pi / (slowest * speeds[0]))
