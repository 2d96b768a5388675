"""What potentials may look at to be exactly invariant: polynomial invariants of q and of p, found symbolically.

Source: every invariant function of a compact linear group is a function of invariant polynomials (Schwarz, *Smooth
functions invariant under the action of a compact Lie group*, Topology 14, 1975).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp

from hamsym.errors import SymmetryError
from hamsym.symbolic.formula.text import to_text
from hamsym.symbolic.integrals.invariants import invariants as find_invariants
from hamsym.symbolic.symmetry.generator import Generator
from learn.symmetry.action import PointAction

_TINY = 1e-12


@dataclass(frozen=True)
class Quadratics:
    """Linear functions and non-negative quadratic forms, x ↦ C x and |F₁ x|², |F₂ x|², …, as arrays.

    Attributes:
        linear: C, of shape (functions, dim).
        frames: the F, each of shape (rank, dim).
    """

    linear: np.ndarray
    frames: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class InvariantPotentials:
    """The invariants of generators of translations and rotations, as formulas and as arrays.

    Attributes:
        generators: of the action.
        translations: orthonormal directions along which all points are moved, of shape (t, dim); the density lives on
            what is orthogonal to them.
        of_q: the polynomials up to degree 2 that generate all invariant ones.
        of_p: the same functions of p.  Translations leave p alone, but K must not depend on what they take out of q,
            which has no base density.
        centred: the matrix that takes these directions out, exactly.
        blocks: where the invariants of q are the lengths of disjoint sets of coordinates and the other coordinates,
            these sets; else None.
    """

    generators: tuple[Generator, ...]
    translations: np.ndarray
    of_q: tuple[sp.Expr, ...]
    of_p: tuple[sp.Expr, ...]
    centred: sp.Matrix
    blocks: tuple[tuple[int, ...], ...] | None

    @property
    def texts(self) -> dict[str, list[str]]:
        """The formulas as text."""
        return {"q": [to_text(u) for u in self.of_q], "p": [to_text(w) for w in self.of_p]}

    def inputs(self) -> Quadratics:
        """Return the invariants as linear functions and non-negative forms, the same of q and of p.

        A quadratic invariant u = xᵀBx of an action by rotations commutes with it as a matrix, so its spectral parts
        B = B₊ − B₋ are invariant forms too; both are non-negative, and their roots are lengths, as |a + b| and |a − b|
        are for u = a·b.  So u and these lengths say the same, and potentials of lengths have bounded gradients.
        """
        space = self.generators[0].space
        linear, frames = [], []
        seen: list[np.ndarray] = []
        for u in self.of_q:
            slope, form = coefficients(u, space.coordinates)
            if form is None:
                linear.append(slope / np.linalg.norm(slope))
                continue
            values, vectors = np.linalg.eigh(form / np.abs(form).max())
            for part in (values > _TINY, values < -_TINY):
                if not part.any():
                    continue
                frame = np.sqrt(np.abs(values[part]))[:, None] * vectors[:, part].T
                frame *= np.sqrt(len(frame) / np.square(frame).sum())
                square = frame.T @ frame
                if not any(np.allclose(square, other, rtol=0, atol=1e-9) for other in seen):
                    seen.append(square)
                    frames.append(frame)
        return Quadratics(np.array(linear).reshape(-1, len(space.coordinates)), tuple(frames))

    def turns(self) -> np.ndarray:
        """Return the matrices of the rotations if all of them commute: then A q turns as q does; shape (n, dim, dim)."""
        matrices = [a.array for a in map(PointAction.of, self.generators) if not a.matrix.is_zero_matrix]
        if all(np.allclose(a @ b, b @ a, rtol=0, atol=_TINY) for a in matrices for b in matrices):
            return np.array(matrices).reshape(-1, *2 * self.centred.shape[:1])
        return np.zeros((0, *self.centred.shape))


@lru_cache(maxsize=64)
def invariant_potentials(generators: tuple[Generator, ...]) -> InvariantPotentials:
    """Return the invariants of q and of p under generators of translations and of rotations about the origin.

    Arguments:
        generators: at least one, all on one number of coordinates.

    Raises:
        SymmetryError: if a generator moves points otherwise, or no coordinate is left that the potentials may see.

    Example:
        >>> from hamsym import PhaseSpace, total_angular_momentum, total_momentum
        >>> space = PhaseSpace.standard(4)
        >>> two_bodies = (*total_momentum(space, 2), *total_angular_momentum(space, 2))
        >>> invariant_potentials(two_bodies).of_q
        (q1**2 - 2*q1*q3 + q2**2 - 2*q2*q4 + q3**2 + q4**2,)
    """
    generators = _on_one_space(generators)
    actions = [PointAction.of(g) for g in generators]
    moves = _closed([a.offset for a in actions if a.matrix.is_zero_matrix], [a.matrix for a in actions])
    dim = actions[0].matrix.rows
    centred = sp.eye(dim)
    if moves is not None:
        centred -= moves.T * (moves * moves.T).inv() * moves
    for a in actions:
        if a.matrix.is_zero_matrix and a.offset.is_zero_matrix:
            raise SymmetryError(f"g = {a.generator.text} moves no coordinate")
        if not a.turns or not (centred * a.offset).is_zero_matrix:
            raise SymmetryError(
                f"g = {a.generator.text} is neither a translation nor a rotation about the origin, so no Gaussian base is "
                "invariant under it, and symmetry='exact' cannot be; move the data to the centre of rotation, or use "
                "symmetry='penalty' with a BracketConstraint"
            )
    if centred.is_zero_matrix:
        raise SymmetryError(
            "the translations move every coordinate, so no invariant density is left to learn"
        )
    space = generators[0].space
    found = find_invariants(list(generators), variables=space.coordinates, degree=2)
    of_q = tuple(sorted(found, key=lambda u: sp.Poly(u, *space.coordinates).total_degree() == 1))
    # rotations turn momenta as they turn coordinates, and translations leave them alone
    to_p = dict(zip(space.coordinates, space.momenta, strict=True))
    of_p = tuple(u.xreplace(to_p) for u in of_q)
    translations = np.zeros((0, dim))
    if moves is not None:
        translations = np.linalg.qr(np.array(moves.T.tolist(), dtype=np.float64))[0].T
    blocks = _blocks(of_q, space.coordinates) if moves is None else None
    return InvariantPotentials(generators, translations, of_q, of_p, centred, blocks)


def _on_one_space(generators: tuple[Generator, ...]) -> tuple[Generator, ...]:
    """Rename the variables of every generator to those of the first."""
    space = generators[0].space
    renamed = []
    for g in generators:
        names = dict(zip(g.space.variables, space.variables, strict=True))
        renamed.append(g if g.space == space else Generator(g.expr.xreplace(names), space))
    return tuple(renamed)


def _closed(offsets: Sequence[sp.Matrix], matrices: Sequence[sp.Matrix]) -> sp.Matrix | None:
    """Return a basis, as rows, of the smallest space that holds the offsets and is mapped to itself, or None."""
    rows = sp.Matrix([list(b) for b in offsets if not b.is_zero_matrix])
    if not rows:
        return None
    while True:
        wider = sp.Matrix.vstack(rows, *(rows * a.T for a in matrices))
        wider = wider.rref()[0]
        wider = wider[: wider.rank(), :]
        if wider.rows == rows.rows:
            return wider
        rows = wider


def _blocks(found: Sequence[sp.Expr], q: Sequence[sp.Symbol]) -> tuple[tuple[int, ...], ...] | None:
    blocks, place = [], {s: k for k, s in enumerate(q)}
    for u in found:
        members = sorted(place[s] for s in u.free_symbols)
        if u == sp.Add(*(q[k] ** 2 for k in members)) and len(members) > 1:
            blocks.append(tuple(members))
        elif u not in place:
            return None
    covered = [k for block in blocks for k in block]
    others = [place[u] for u in found if u in place]
    return tuple(sorted(blocks)) if sorted(covered + others) == list(range(len(q))) else None


def coefficients(u: sp.Expr, variables: Sequence[sp.Symbol]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return c and the symmetric B of a polynomial u = c·x + xᵀBx, with None for no B.

    Example:
        >>> a, b = sp.symbols("a b")
        >>> coefficients(3 * a + 2 * a * b, (a, b))
        (array([3., 0.]), array([[0., 1.],
               [1., 0.]]))
    """
    slope, form = np.zeros(len(variables)), np.zeros((len(variables), len(variables)))
    for powers, value in sp.Poly(u, *variables).terms():
        at = [k for k, power in enumerate(powers) for _ in range(power)]
        if len(at) == 1:
            slope[at[0]] = float(value)
        else:
            form[at[0], at[1]] += float(value) / 2
            form[at[1], at[0]] += float(value) / 2
    return slope, form if form.any() else None
