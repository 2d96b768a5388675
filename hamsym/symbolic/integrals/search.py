"""Every first integral in an ansatz space."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from hamsym.arguments import real
from hamsym.errors import SpaceError
from hamsym.progress import Bar
from hamsym.symbolic import tower as tw
from hamsym.symbolic.bracket import Formula, OnSpace
from hamsym.symbolic.integrals.ansatz import Ansatz, monomials
from hamsym.symbolic.integrals.basis import IntegralBasis
from hamsym.symbolic.integrals.completeness import doubt
from hamsym.symbolic.integrals.conserved import Conservation
from hamsym.symbolic.integrals.independence import is_certain
from hamsym.symbolic.integrals.solved import solved
from hamsym.symbolic.space import Space

#: Above this many monomials the lower degrees are solved first, so that an overrun leaves their integrals.
LARGE = 1000


def find_integrals(
    H: OnSpace,
    degree: int = 4,
    ansatz: Sequence[Formula] | None = None,
    momentum_degree: int | None = None,
    max_exponents: Sequence[int | None] | None = None,
    *,
    budget: float = 60.0,
    progress: bool = False,
) -> IntegralBasis:
    """Find all combinations of the monomials in an ansatz that H conserves.

    Arguments:
        H: the Hamiltonian, on any space; with explicit time ``{g, H} + ∂g/∂t`` has to vanish.
        degree: largest total degree of a monomial in the ansatz entries.
        ansatz: texts or expressions whose monomials are tried; all coordinates and momenta by default.
        momentum_degree: exact total degree in the momenta, for example 1 for Killing vectors; None for any.
        max_exponents: largest exponent of each entry, None for no bound.
        budget: seconds; on overrun the result holds what lower degrees gave and is not complete.
        progress: whether to show a bar on the terminal.

    Returns:
        A basis, over Q or over the field of the parameters, of all conserved combinations modulo constants.

    Raises:
        FormulaError: for ansatz entries that are refused.
        ParameterError: for numbers out of range and for an ansatz of absurd size.

    Source: the method of an ansatz for polynomial first integrals, as in Schwarz (1986) for REDUCE; here over any
        functions of the tower.  The exact linear algebra is in :mod:`hamsym.symbolic.linear`.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace
        >>> H = Hamiltonian("(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2", PhaseSpace.standard(2))
        >>> basis = find_integrals(H, degree=2)
        >>> basis.dimension, basis.rank, basis.complete
        (4, 3, True)
        >>> basis.integrals
        [p1**2 + q1**2, p1*p2 + q1*q2, p2**2 + q2**2, -p1*q2 + p2*q1]
    """
    if not (hasattr(H, "expr") and isinstance(getattr(H, "space", None), Space)):
        raise SpaceError(
            f"find_integrals needs a Hamiltonian, not {type(H).__name__}; pass Hamiltonian(text, space)"
        )
    seconds = real("budget", budget, above=0)
    tried = monomials(H.space, degree, ansatz, momentum_degree, max_exponents)
    return solve(tried, [H.space.express(H)], seconds, progress)


def solve(
    ansatz: Ansatz, functions: Sequence[sp.Expr], budget: float, progress: bool = False
) -> IntegralBasis:
    """Return the combinations of an ansatz that are conserved along the flows of all given functions."""
    clock = tw.Clock(budget)
    stages = [ansatz.degree]
    if ansatz.size > LARGE:
        stages = [d for d in range(1, ansatz.degree) if ansatz.limited(d).size > LARGE // 20] + stages
    basis = IntegralBasis(ansatz, functions, budget)
    with Bar(progress, unit="degree", total=len(stages), desc="integrals") as bar:
        try:
            system = Conservation(ansatz, functions, clock)
            for d in stages:
                basis = _solved(system, ansatz, d, functions, budget)
                bar.update(1)
        except tw.ProofStopped as stop:
            basis.reason = f"{stop}; {basis.tried}"
        except (ArithmeticError, ValueError, MemoryError, RecursionError) as failure:
            basis.reason = f"the arithmetic gave up ({failure}); {basis.tried}"
    return basis


def _solved(
    system: Conservation, ansatz: Ansatz, degree: int, functions: Sequence[sp.Expr], budget: float
) -> IntegralBasis:
    found = solved(system, degree)
    basis = IntegralBasis(ansatz, functions, budget, found)
    if degree < ansatz.degree:
        return basis
    basis.complete, basis.reason = (
        True,
        ("every conserved combination is a solution of an exact linear system, which was solved completely"),
    )
    if system.is_split:
        basis.complete = False
        basis.reason = (
            "the sign of a parameter matters; declare it positive to get all integrals of that case"
        )
        return basis
    reason = doubt(system.tower, system.used)
    if reason is not None:
        basis.unseen = reason
        pivots = sorted(set(range(len(found.columns))) - {max(v) for v in found.solution.vectors})
        if is_certain(ansatz, found.columns, pivots, functions, system.tower.clock):
            basis.reason += (
                "; that no relation between functions was overlooked is certified by values at points"
            )
        else:
            basis.complete = False
            basis.reason = f"functions in the system may be related in a way that was not seen ({reason})"
    return basis
