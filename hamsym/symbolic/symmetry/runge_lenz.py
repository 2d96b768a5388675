"""The Runge–Lenz vector, the hidden symmetry of Kepler's problem."""

from __future__ import annotations

import sympy as sp

from hamsym.errors import NotSeparableError, SymmetryError
from hamsym.symbolic.bracket import verify
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.symmetry.generator import Generator


def runge_lenz(H: Hamiltonian, *, budget: float = 10.0) -> tuple[Generator, ...]:
    """Return the components of the Runge–Lenz vector of a Kepler Hamiltonian, each proved to be conserved.

    The Hamiltonian is p²/(2m) − k/|q| in two or more dimensions, in any names, with numbers or parameters for m and
    k, which may be negative (repulsion), and perhaps a constant.

    Arguments:
        H: the Hamiltonian.
        budget: seconds for each proof.

    Returns:
        q_i p² − p_i (q·p) − m k q_i/|q|, one generator for each coordinate.

    Raises:
        SymmetryError: if H is not a Kepler Hamiltonian, with the reason, or a proof was not found.

    Source: Goldstein, Classical Mechanics, section 3.9.

    Example:
        >>> from hamsym import PhaseSpace
        >>> H = Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", PhaseSpace.standard(2))
        >>> runge_lenz(H)[0].expr
        -p1*p2*q2 + p2**2*q1 - q1/sqrt(q1**2 + q2**2)
    """
    m, k = _kepler_constants(H)
    q, p = H.space.coordinates, H.space.momenta
    distance = sp.sqrt(sp.Add(*(s**2 for s in q)))
    radial, square = sp.Add(*(a * b for a, b in zip(q, p, strict=True))), sp.Add(*(s**2 for s in p))
    components = []
    for a, b in zip(q, p, strict=True):
        component = Generator(sp.expand(a * square - b * radial) - m * k * a / distance, H.space)
        verdict = verify(H, component, budget=budget)
        if verdict.status != "proved":
            raise _no_kepler(
                H, f"its Runge–Lenz vector for m = {m}, k = {k} is not conserved ({verdict.status})"
            )
        components.append(component)
    return tuple(components)


def _kepler_constants(H: Hamiltonian) -> tuple[sp.Expr, sp.Expr]:
    """Return m and k as H has them at one point; the proof of conservation shows whether it has them everywhere."""
    if not isinstance(H, Hamiltonian):
        raise SymmetryError(f"a Runge–Lenz vector belongs to a Hamiltonian, not to {type(H).__name__}")
    if len(H.space.momenta) < 2:
        raise _no_kepler(H, "it has not two or more coordinates and momenta")
    try:
        kinetic, potential = H.kinetic, H.potential
    except NotSeparableError:
        raise _no_kepler(H, "it is not K(p) + U(q)") from None
    corner = {q: (3, 4)[i] if i < 2 else 0 for i, q in enumerate(H.space.coordinates)}
    distance = 5
    inverse_mass = sp.cancel(sp.diff(kinetic, H.space.momenta[0], 2))
    # U = -k/r makes q·∇U = k/r
    virial = sp.Add(*(q * sp.diff(potential, q) for q in H.space.coordinates))
    k = sp.cancel(distance * virial.subs(corner))
    constants = set(H.space.parameters.values())
    if inverse_mass == 0 or inverse_mass.free_symbols - constants:
        raise _no_kepler(H, "its kinetic energy is not p²/(2m)")
    if k == 0 or k.free_symbols - constants or not k.is_finite:
        raise _no_kepler(H, "its potential is not -k/|q|")
    return 1 / inverse_mass, k


def _no_kepler(H: Hamiltonian, reason: str) -> SymmetryError:
    return SymmetryError(
        f"H = {shorten(to_text(H.expr))} is no Kepler Hamiltonian p²/(2m) - k/|q|: {reason}; "
        "find_integrals(H, …) finds what else is conserved"
    )
