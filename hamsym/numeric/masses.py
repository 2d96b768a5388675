"""The masses of a Hamiltonian at given parameters: M⁻¹ of K = pᵀ M⁻¹ p/2, kept as its diagonal where it is nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy as sp

from hamsym.errors import SamplingError
from hamsym.numeric.codegen import scalar_value
from hamsym.numeric.kinetic import has_constant_mass, kinetic_hessian
from hamsym.numeric.loops import runs_in_loops
from hamsym.numeric.values import slope_function
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.hamiltonian import Hamiltonian


@dataclass(frozen=True, eq=False)
class Masses:
    """A positive matrix of inverse masses; vectors are columns, alone or side by side.

    A diagonal one of many coordinates is never written out, so that what is done with it takes work and memory in
    proportion to them.

    Attributes:
        inverse: M⁻¹, shape ``(dof, dof)``, or its diagonal, ``(dof,)``.
        root: R with RᵀM⁻¹R = 1, of the same shape.

    Raises:
        numpy.linalg.LinAlgError: if the matrix is not positive.

    Example:
        >>> light = Masses.of(np.array([4.0, 1.0]))
        >>> light.momenta(np.array([1.0, 1.0])), light.velocities(np.array([1.0, 1.0]))
        (array([0.5, 1. ]), array([4., 1.]))
    """

    inverse: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, inverse: np.ndarray) -> Masses:
        """Return the masses of a matrix M⁻¹ or of a diagonal."""
        if not (np.isfinite(inverse).all() and (inverse.ndim == 2 or (inverse > 0).all())):
            raise np.linalg.LinAlgError
        if inverse.ndim == 2:
            return cls(inverse, np.linalg.inv(np.linalg.cholesky(inverse)).T)
        return cls(inverse, 1 / np.sqrt(inverse))

    def momenta(self, u: np.ndarray) -> np.ndarray:
        """Return R u, which has the kinetic energy |u|²/2: normal numbers become momenta at kT = 1."""
        return _times(self.root, u)

    def velocities(self, p: np.ndarray) -> np.ndarray:
        """Return M⁻¹ p."""
        return _times(self.inverse, p)

    def solve(self, v: np.ndarray) -> np.ndarray:
        """Return M v, the momenta of velocities."""
        return np.linalg.solve(self.inverse, v) if self.inverse.ndim == 2 else _times(1 / self.inverse, v)

    def matrix(self) -> np.ndarray:
        """Return M⁻¹ as a matrix."""
        return self.inverse if self.inverse.ndim == 2 else np.diag(self.inverse)


def kinetic_form(H: Hamiltonian, values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return M⁻¹ and b of K = pᵀ M⁻¹ p/2 + bᵀp + constant, or None if K was not seen to be of that form.

    Arguments:
        H: separable.
        values: of the parameters, by name.

    Returns:
        M⁻¹ of shape ``(dof, dof)``, or its diagonal ``(dof,)`` where K is a long sum of squares; b, ``(dof,)``.

    Raises:
        NotSeparableError: if H is not K(p) + U(q).

    Example:
        >>> from hamsym import PhaseSpace
        >>> H = Hamiltonian("p1**2 + p1*p2 + p2**2 + p2", PhaseSpace.standard(2))
        >>> kinetic_form(H, {})
        (array([[2., 1.],
               [1., 2.]]), array([0., 1.]))
    """
    return (_from_velocities if runs_in_loops(H) else _from_derivatives)(H, values)


def momentum_law(H: Hamiltonian, values: Mapping[str, float]) -> tuple[Masses, np.ndarray]:
    """Return the masses and the mean for K = (p - mean)ᵀ M⁻¹ (p - mean)/2 + constant.

    Raises:
        SamplingError: if K is not of that form, with positive masses.

    Example:
        >>> from hamsym import PhaseSpace
        >>> masses, mean = momentum_law(Hamiltonian("2*(p1 - 3)**2", PhaseSpace.standard(1)), {})
        >>> masses.root, mean
        (array([[0.5]]), array([3.]))
    """
    form = kinetic_form(H, values)
    if form is None:
        raise SamplingError(
            "the momenta can be drawn exactly only when K is a quadratic form in them; to sample exp(-βU) any K will do, "
            "so take K = |p|²/2"
        )
    try:
        masses = Masses.of(form[0])
    except np.linalg.LinAlgError:
        raise SamplingError(
            "K is not a positive quadratic form in the momenta, so exp(-K) is no density"
        ) from None
    return masses, -masses.solve(form[1])


def _from_derivatives(H: Hamiltonian, values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray] | None:
    found = _derivatives(H)
    if found is None:
        return None
    numbers = [[scalar_value(e, H.space, values) for e in row] for row in found]
    return np.array(numbers[:-1]), np.array(numbers[-1])


@lru_cache(maxsize=128)  # asked for every trajectory whose parameters are drawn
def _derivatives(H: Hamiltonian) -> list[list[sp.Expr]] | None:
    """The second derivatives of K, and in one more row the first ones at p = 0."""
    hessian, origin = kinetic_hessian(H), dict.fromkeys(H.space.momenta, 0)
    return hessian and [*hessian, [derivative(H.kinetic, s).subs(origin) for s in H.space.momenta]]


def _from_velocities(H: Hamiltonian, values: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray] | None:
    """Without derivatives one by one: ∂K/∂p is linear in p, so a few momenta tell."""
    if not has_constant_mass(H):
        return None
    dof = len(H.space.momenta)
    slopes = slope_function(Hamiltonian(H.written_kinetic, H.space))

    def velocities(p: np.ndarray) -> np.ndarray:
        return slopes(np.zeros_like(p), p, values)[0]

    signs = np.random.default_rng(0).choice([-1.0, 1.0], (8, dof))
    offset = velocities(np.zeros((1, dof)))[0]
    diagonal = velocities(np.ones((1, dof)))[0] - offset
    # off the diagonal, sums with random signs would differ from that with none
    if np.allclose(velocities(signs) - offset, signs * diagonal, rtol=1e-9, atol=0):
        return diagonal, offset
    return velocities(np.eye(dof)) - offset, offset


def _times(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the product of a matrix, or of a diagonal, and columns."""
    return matrix @ x if matrix.ndim == 2 else (matrix * x.T).T
