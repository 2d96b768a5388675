"""Polynomial invariants of an action: what a network may look at to be exactly invariant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy as sp

from hamsym.arguments import real, shown
from hamsym.errors import SpaceError, UndecidedError
from hamsym.symbolic.bracket import Formula
from hamsym.symbolic.integrals.ansatz import monomials
from hamsym.symbolic.integrals.search import solve
from hamsym.symbolic.space import Space


def invariants(
    generators: Sequence[Formula],
    variables: Iterable[Formula],
    degree: int = 2,
    *,
    space: Space | None = None,
    budget: float = 60.0,
) -> list[sp.Expr]:
    """Return polynomials in some variables that generate all invariants of an action up to a degree.

    Arguments:
        generators: generators of the action, all on one space; an invariant is unchanged by each of their flows.
            Texts and expressions are read on the space of the others, or on the one that is given.
        variables: coordinates or momenta, as symbols or names.
        degree: largest total degree of an invariant.
        space: the space; needed where no generator brings one.
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
        >>> invariants(["q1*p2 - q2*p1"], variables=["q1", "q2"], space=space)
        [q1**2 + q2**2]
    """
    single = isinstance(generators, (str, sp.Basic)) or not isinstance(generators, Iterable)
    listed: list[Formula] = [generators] if single else list(generators)  # type: ignore[list-item]
    if not listed or not all(
        isinstance(g, (str, sp.Expr)) or isinstance(getattr(g, "space", None), Space) for g in listed
    ):
        raise SpaceError(
            f"invariants needs a list of generators, for example [angular_momentum(space, 0, 1)], not {shown(generators)}"
        )
    space = _common_space(listed, space)
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


def _common_space(generators: Sequence[Formula], given: Space | None) -> Space:
    """Return the one space of all generators."""
    if given is not None and not isinstance(given, Space):
        raise SpaceError(f"space is a phase space, for example PhaseSpace.standard(2), not {shown(given)}")
    named = (given, *(getattr(g, "space", None) for g in generators))
    spaces = [each for each in named if isinstance(each, Space)]
    if not spaces:
        raise SpaceError(
            "texts and expressions do not say on which space they live; pass it, "
            "as in invariants(['q1*p2 - q2*p1'], ['q1', 'q2'], space=PhaseSpace.standard(2))"
        )
    if any(each != spaces[0] for each in spaces):
        raise SpaceError("the generators live on different spaces; build all of them on one space")
    return spaces[0]
