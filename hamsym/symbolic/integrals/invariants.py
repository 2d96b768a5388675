"""Polynomial invariants of an action: what a network may look at to be exactly invariant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy as sp

from hamsym.arguments import real, shown
from hamsym.errors import SpaceError, UndecidedError
from hamsym.symbolic.bracket import Formula, OnSpace
from hamsym.symbolic.integrals.ansatz import monomials
from hamsym.symbolic.integrals.search import solve
from hamsym.symbolic.space import Space


def invariants(
    generators: Sequence[OnSpace],
    variables: Iterable[Formula],
    degree: int = 2,
    *,
    budget: float = 60.0,
) -> list[sp.Expr]:
    """Return polynomials in some variables that generate all invariants of an action up to a degree.

    Arguments:
        generators: generators of the action, all on one space; an invariant is unchanged by each of their flows.
        variables: coordinates or momenta, as symbols or names.
        degree: largest total degree of an invariant.
        budget: seconds.

    Returns:
        Invariants that are no polynomials in one another, of low degree first; every invariant up to the degree is
        a polynomial in them.

    Raises:
        SpaceError: if the generators do not share one space, or a variable is not one of its variables.
        UndecidedError: if the budget does not suffice.

    Source: Sturmfels, Algorithms in Invariant Theory, section 4.3 (invariants by the infinitesimal action).

    Example:
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> space = PhaseSpace.standard(3)
        >>> invariants([angular_momentum(space, 0, 1)], variables=space.coordinates, degree=2)
        [q3, q1**2 + q2**2]
    """
    listed: list[OnSpace] = list(generators) if isinstance(generators, Iterable) else [generators]
    if not listed or not all(isinstance(getattr(g, "space", None), Space) for g in listed):
        raise SpaceError(
            f"invariants needs a list of generators, for example [angular_momentum(space, 0, 1)], not {shown(generators)}"
        )
    space = listed[0].space
    if any(g.space != space for g in listed):
        raise SpaceError("the generators live on different spaces; build all of them on one space")
    if isinstance(variables, (str, sp.Basic)):
        variables = variables.replace(",", " ").split() if isinstance(variables, str) else [variables]
    if not isinstance(variables, Iterable):
        raise SpaceError(
            f"variables are coordinates or momenta, for example space.coordinates, not {shown(variables)}"
        )
    chosen = [space.express(v) for v in variables]
    for v in chosen:
        if v not in space.variables:
            raise SpaceError(f"{v} is no coordinate or momentum of {space!r}")
    tried = monomials(space, degree, list(dict.fromkeys(chosen)))
    basis = solve(tried, [space.express(g) for g in listed], real("budget", budget, above=0))
    if not basis.complete:
        raise UndecidedError(
            f"the invariants were not all found: {basis.reason}; give a larger budget or a lower degree"
        )
    return basis.generators
