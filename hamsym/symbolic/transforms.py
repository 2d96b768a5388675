"""Hamiltonians in new canonical variables."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from hamsym.errors import NotCanonicalError, SpaceError
from hamsym.symbolic.bracket import Formula, is_zero
from hamsym.symbolic.canonical import is_canonical, read_images
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.names import Name
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.space import Space
from hamsym.symbolic.zero_test.showing import at_point

#: Operations up to which an expression is made shorter.
MOST_OPERATIONS = 300


def point_transformation(
    images: Mapping[Name, Formula], space: PhaseSpace, target: PhaseSpace, *, budget: float = 10.0
) -> dict[sp.Symbol, sp.Expr]:
    """Return the canonical map of coordinates and momenta that a change of coordinates gives.

    With q = f(Q), momenta transform by p = (∂f/∂Q)⁻ᵀ P, since p·dq = P·dQ.

    Arguments:
        images: each coordinate q of the target to an expression in the coordinates Q of ``space``, without time.
        space: the space of Q and P.
        target: the space of q and p.
        budget: seconds for the proof that the result is canonical.

    Returns:
        Each variable of the target to an expression on ``space``, as :func:`change_variables` and
        :func:`is_canonical` take them.

    Raises:
        SpaceError: if images do not name the coordinates one by one, contain momenta or time, or the spaces differ in size.
        NotCanonicalError: if ∂f/∂Q is singular everywhere.
        UndecidedError: if a proof is not found.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 44; Goldstein, section 9.2 (F2 = f(q)·P).

    Example:
        >>> from hamsym import PhaseSpace
        >>> polar = PhaseSpace("r phi", "pr pphi", parameters={"r": "positive"})
        >>> plane = PhaseSpace.standard(2)
        >>> lift = point_transformation({"q1": "r*cos(phi)", "q2": "r*sin(phi)"}, polar, plane)
        >>> is_canonical(lift, polar, plane).status
        'proved'
    """
    if not isinstance(space, PhaseSpace) or not isinstance(target, PhaseSpace) or space.dof != target.dof:
        raise SpaceError("a point transformation is between two phase spaces of as many coordinates")
    read, _ = read_images(images, space, target.coordinates)
    moving = set().union(*(e.free_symbols for e in read.values())) & {*space.momenta, space.time}
    if moving:
        raise SpaceError(
            f"coordinates become functions of coordinates alone, not of {', '.join(map(str, moving))}"
        )
    slopes = sp.Matrix([[derivative(read[q], Q) for Q in space.coordinates] for q in target.coordinates])
    determinant = sp.trigsimp(slopes.det(method="berkowitz"))
    if is_zero(determinant, space, budget=budget):
        raise NotCanonicalError(
            "the change of coordinates is not invertible anywhere: its Jacobian determinant is 0"
        )
    lifted = slopes.T.adjugate() * sp.Matrix(space.momenta)
    for p, value in zip(target.momenta, lifted, strict=True):
        read[p] = sp.expand(sp.trigsimp(value) / determinant)
    verdict = is_canonical(read, space, target, budget=budget)
    if not verdict:
        raise NotCanonicalError("the lifted map is not canonical: please report this formula", verdict)
    return read


def change_variables(
    H: Hamiltonian, images: Mapping[Name, Formula], space: Space, *, budget: float = 10.0
) -> Hamiltonian:
    """Return a Hamiltonian in new variables, after the proof that the change of variables is canonical.

    Arguments:
        H: the Hamiltonian.
        images: each variable of H, by name or symbol, to an expression in the new variables, without time; or only
            each coordinate, to an expression in the new coordinates, as for :func:`point_transformation`.
        space: the space of the new variables; it declares the parameters and functions of H too.
        budget: seconds for the proof.

    Returns:
        H of the images, on the new space; its equations of motion are those of H in the new variables.

    Raises:
        NotCanonicalError: if the map is not canonical (``error.verdict`` says where), or depends on time.
        UndecidedError: if it is not decided whether the map is canonical.
        FormulaError, SpaceError: for formulas and names that are refused.

    Source: Goldstein, Classical Mechanics, section 9.1.

    Example:
        >>> from hamsym import PhaseSpace
        >>> polar = PhaseSpace("r phi", "pr pphi", parameters={"r": "positive"})
        >>> H = Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", PhaseSpace.standard(2))
        >>> change_variables(H, {"q1": "r*cos(phi)", "q2": "r*sin(phi)"}, polar).expr
        pphi**2/(2*r**2) + pr**2/2 - 1/r
    """
    if not isinstance(H, Hamiltonian):
        raise SpaceError(f"variables are changed in a Hamiltonian, not in {type(H).__name__}")
    if isinstance(H.space, PhaseSpace) and isinstance(space, PhaseSpace) and isinstance(images, Mapping):
        names = {str(name) for name in images}
        if names == {q.name for q in H.space.coordinates}:
            images = point_transformation(images, space, H.space, budget=budget)
    verdict = is_canonical(images, space, H.space, budget=budget)
    if not verdict:
        place = at_point(verdict.point)
        pair = verdict.brackets[verdict.failing] if verdict.failing else verdict
        where = f" at {place}" if place else " everywhere"
        c = verdict.valence
        scale = f"; all brackets are {c} times what they should be" if c is not None else ""
        raise NotCanonicalError(
            f"the change of variables is not canonical: {pair.question} fails{where}{scale}", verdict
        )
    expressions, _ = read_images(images, space, H.space.variables)
    if space.time is not None and any(e.has(space.time) for e in expressions.values()):
        raise NotCanonicalError(
            f"the change of variables depends on {space.time}, so H changes by more than its variables; make time "
            "a coordinate with H.extended() and give its momentum an image too"
        )
    moved = space.express(H.expr.subs(expressions, simultaneous=True))
    return Hamiltonian(_shorter(moved, space, budget), space)


def _shorter(expression: sp.Expr, space: Space, budget: float) -> sp.Expr:
    """An equal expression with factors, or sines and cosines, combined: if it is shorter and equality is proved."""
    size = sp.count_ops(expression)
    if size > MOST_OPERATIONS:
        return expression
    roots = expression.replace(
        lambda e: e.is_Pow and not e.exp.is_integer, lambda e: sp.factor(e.base) ** e.exp
    )
    forms = sorted((sp.trigsimp(sp.expand(roots)), sp.factor(roots)), key=sp.count_ops)
    shorter = (form for form in forms if sp.count_ops(form) < size)
    return next(
        (form for form in shorter if is_zero(form - expression, space, budget=budget).status == "proved"),
        expression,
    )
