"""The kinetic energy as a quadratic form in the momenta, where it is one."""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.hamiltonian import Hamiltonian


def kinetic_hessian(H: Hamiltonian) -> list[list[sp.Expr]] | None:
    """Return ∂²K/∂p∂p of H = K(p) + U(q), or None if the momenta were not seen to drop out of it.

    Raises:
        NotSeparableError: if H is not of that form.

    Example:
        >>> from hamsym import PhaseSpace
        >>> kinetic_hessian(Hamiltonian("(p1**2 + p1*p2)/2 + p1", PhaseSpace.standard(2)))
        [[1, 1/2], [1/2, 0]]
    """
    momenta = H.space.momenta
    hessian = [[sp.expand(derivative(derivative(H.kinetic, a), b)) for b in momenta] for a in momenta]
    return None if any(entry.free_symbols & set(momenta) for row in hessian for entry in row) else hessian


@lru_cache(maxsize=128)  # asked at every simulation; the derivatives take as long as a small one
def has_constant_mass(H: Hamiltonian) -> bool:
    """Whether H = K(p) + U(q) where K was seen to be quadratic in p, with coefficients that time does not change.

    Example:
        >>> from hamsym import PhaseSpace
        >>> has_constant_mass(Hamiltonian("sqrt(1 + p1**2) + q1**2", PhaseSpace.standard(1)))
        False
    """
    hessian = kinetic_hessian(H) if H.is_separable else None
    return hessian is not None and not any(H.space.time in e.free_symbols for row in hessian for e in row)
