"""The kinetic energy as a quadratic form in the momenta, where it is one."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.numeric.parts import Part, Sums, sums_of
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.sums import has_sums


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
    if not H.is_separable:
        return False
    if has_sums(H.written_kinetic):
        with suppress(FormulaError):  # for sums that are no loops; they are written out
            return _is_quadratic(sums_of(H.written_kinetic, H.space), H.space.time)
    hessian = kinetic_hessian(H)
    return hessian is not None and not any(H.space.time in e.free_symbols for row in hessian for e in row)


def _is_quadratic(sums: Sums, time: sp.Symbol | None) -> bool:
    """Whether a formula with sums was seen to be quadratic in the momenta, with coefficients that time does not change."""
    inner = set(sums.values)  # sums inside of functions: linear themselves, they may be squared
    linear = all(_second(part, inner, time) == 0 for parts in sums.values.values() for part in parts)
    return linear and all(_second(part, inner, time) is not None for part in sums.parts)


def _second(part: Part, inner: set[sp.Symbol], time: sp.Symbol | None) -> int | None:
    """0 if the second derivatives of a summand by momenta and inner sums vanish, 1 if they are constant, None otherwise."""
    names = {s for s, access in part.operands.items() if access.kind == "p"} | inner
    expr = part.expr.xreplace({u: a - b for u, (a, b) in part.differences.items()})
    variables = sorted(names & expr.free_symbols, key=str)
    seconds = [sp.expand(expr.diff(a).diff(b)) for n, a in enumerate(variables) for b in variables[n:]]
    if any(e.free_symbols & (names | {time}) for e in seconds):
        return None
    return int(any(e != 0 for e in seconds))
