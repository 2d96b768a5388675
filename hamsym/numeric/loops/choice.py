"""Which sums run as loops, and which are written out."""

from __future__ import annotations

from functools import lru_cache

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import Space
from hamsym.symbolic.sums import auxiliaries, has_sums, summands, term_count

#: Sums of up to so many terms are written out: that is faster then, many trajectories side by side, and soon compiled.
MOST_WRITTEN_OUT = 40
#: Sums of up to so many terms are written out where there are no loops for them.
MOST_WITHOUT_LOOPS = 500


@lru_cache(maxsize=128)  # asked at every simulation
def runs_in_loops(H: Hamiltonian) -> bool:
    """Whether the sums of a Hamiltonian stay loops in its kernels.

    Example:
        >>> from hamsym import PhaseSpace
        >>> def chain(n):
        ...     springs = f"Sum(p[i]**2/2, (i, 1, {n})) + Sum((q[i + 1] - q[i])**2/2, (i, 1, {n - 1}))"
        ...     return Hamiltonian(springs, PhaseSpace.standard(n))
        >>> runs_in_loops(chain(5)), runs_in_loops(chain(500))
        (False, True)
    """
    return is_long(H.written, H.space)


@lru_cache(maxsize=256)
def is_long(expression: sp.Expr, space: Space) -> bool:
    """Whether sums in an expression are too long to be written out, and can be run over."""
    if not has_sums(expression):
        return False
    count = term_count(expression)
    if count <= MOST_WRITTEN_OUT:
        return False
    if count > MOST_WITHOUT_LOOPS:
        return True
    try:
        left, inside = auxiliaries(expression, space)
        for e in (left, *inside.values()):
            summands(e, space)
    except FormulaError:  # a sum in a function of the index of a sum around it
        return False
    return True
