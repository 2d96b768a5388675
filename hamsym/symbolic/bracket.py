"""Poisson brackets, and the question whether something is conserved."""

from __future__ import annotations

import math
import numbers
from typing import Protocol, TypeAlias

import sympy as sp

from hamsym.errors import ParameterError, SpaceError
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.space import Space
from hamsym.symbolic.sum_proofs import decide_sums
from hamsym.symbolic.sums import has_sums, term_count
from hamsym.symbolic.zero_test.decide import Claim, decide, formal_bracket
from hamsym.symbolic.zero_test.verdict import Verdict

#: Terms of H, or of the sums of g, up to which they are written out at once.
FEW_TERMS = 24
#: Terms up to which they are where no proof for all terms together was found.
MOST_TERMS = 200


class OnSpace(Protocol):
    """Anything with an expression and the space it lives on: a Hamiltonian or a Generator."""

    @property
    def expr(self) -> sp.Expr:
        """The expression."""

    @property
    def space(self) -> Space:
        """The space."""


Formula: TypeAlias = str | sp.Expr | int | float | OnSpace


def poisson_bracket(f: Formula, g: Formula, space: Space) -> sp.Expr:
    """Return ``{f, g} = Σ J[a, b] ∂f/∂a ∂g/∂b``; canonically Σ ∂f/∂qᵢ ∂g/∂pᵢ − ∂f/∂pᵢ ∂g/∂qᵢ.

    Arguments:
        f, g: text, sympy expressions or generators.
        space: the Poisson manifold.

    Returns:
        The bracket as sympy's differentiation gives it, not simplified; ask :func:`is_zero` whether it vanishes.

    Raises:
        FormulaError: for formulas that are refused.

    Source: Goldstein, Classical Mechanics, section 9.5.

    Example:
        >>> from hamsym import PhaseSpace
        >>> poisson_bracket("q1", "p1", PhaseSpace.standard(1))
        1
    """
    _require_space(space)
    return formal_bracket(space.express(f), space.express(g), space)


def jacobiator(f: Formula, g: Formula, h: Formula, space: Space) -> sp.Expr:
    """Return ``{f, {g, h}} + {g, {h, f}} + {h, {f, g}}``, which a Poisson bracket makes vanish.

    Arguments:
        f, g, h: text, sympy expressions or generators.
        space: the Poisson manifold.

    Returns:
        The sum as sympy's differentiation gives it, not simplified; :func:`is_zero` proves that it vanishes.

    Raises:
        FormulaError: for formulas that are refused.

    Source: Goldstein, Classical Mechanics, section 9.5 (Jacobi's identity).

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1)
        >>> is_zero(jacobiator("q1**2*p1", "exp(q1)", "p1**3", space), space).status
        'proved'
    """
    _require_space(space)
    triple = [space.express(e) for e in (f, g, h)]
    return sp.Add(
        *(
            formal_bracket(triple[i], formal_bracket(triple[i - 2], triple[i - 1], space), space)
            for i in range(3)
        )
    )


def vector_field(f: Formula, space: Space) -> dict[sp.Symbol, sp.Expr]:
    """Return the Hamiltonian vector field X_f = {·, f}: each variable to its rate of change.

    Arguments:
        f: text, sympy expression, Hamiltonian or generator.
        space: the Poisson manifold.

    Returns:
        variable -> ``{variable, f}``, coordinates first; for a Hamiltonian these are its equations of motion.

    Raises:
        FormulaError: if the formula is refused.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 37.

    Example:
        >>> from hamsym import PhaseSpace
        >>> vector_field("p1**2/2 + cos(q1)", PhaseSpace.standard(1))
        {q1: p1, p1: sin(q1)}
    """
    _require_space(space)
    expression = space.express(f)
    slopes = _gradient(expression, set(space.variables))
    field = {s: sp.Integer(0) for s in space.variables}
    for (a, b), entry in space.poisson_tensor.items():
        if b in slopes:
            field[a] += entry * slopes[b]
    return field


def _gradient(expression: sp.Expr, variables: set[sp.Symbol]) -> dict[sp.Symbol, sp.Expr]:
    """The derivatives by the variables that occur, each from the terms in which it does: a long sum has many of both."""
    terms: dict[sp.Symbol, list[sp.Expr]] = {}
    for term in sp.Add.make_args(expression):
        for s in term.free_symbols & variables:
            terms.setdefault(s, []).append(term)
    return {s: sp.Add(*(derivative(term, s) for term in its)) for s, its in terms.items()}


def verify(H: OnSpace, g: Formula, budget: float = 10.0) -> Verdict:
    """Decide whether g is conserved by H: whether ``{g, H} + ∂g/∂t`` vanishes identically.

    "Identically" means at every real point of the domain, for every value of the parameters that their
    assumptions allow, and for every choice of the undefined functions.  Long sums are not written out: a proof then is
    one for each kind of summand, whatever the number of terms, and a refutation adds up all terms at a point.

    Arguments:
        H: the Hamiltonian.
        g: text, expression or generator, in the names of the Hamiltonian's space.
        budget: seconds after which the answer is ``Undecided``.

    Returns:
        ``Proved`` with a certificate, ``Refuted`` with a point and an enclosure of the value there, or
        ``Undecided`` with the reason.

    Raises:
        FormulaError: if g is refused.
        ParameterError: if the budget is not a positive number.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace
        >>> space = PhaseSpace.standard(2, functions={"V": 1})
        >>> H = Hamiltonian("(p1**2 + p2**2)/2 + V(q1**2 + q2**2)", space)
        >>> verify(H, "q1*p2 - q2*p1").status, verify(H, "p1").status
        ('proved', 'refuted')
    """
    if not (hasattr(H, "written") or hasattr(H, "expr")) or not hasattr(H, "space"):
        raise SpaceError(
            f"verify needs a Hamiltonian, not {type(H).__name__}; write Hamiltonian('p1**2/2 + q1**2/2', space)"
        )
    seconds = budget_seconds(budget)
    of_sums = _of_sums(H, g, seconds)
    if of_sums is not None:
        return of_sums
    generator, of_g = with_domain(g, H.space)
    hamiltonian, of_h = with_domain(H, H.space)
    domain = Domain(of_g.positive + of_h.positive, of_g.nonzero + of_h.nonzero)
    return decide(Claim(H.space, generator, hamiltonian, domain), seconds)


def _of_sums(H: OnSpace, g: Formula, seconds: float) -> Verdict | None:
    """Decide what has long sums without writing them out; None if that is to be done, or there are none."""
    space = H.space
    if not isinstance(space, PhaseSpace) or any(
        not hasattr(f, "written") and hasattr(f, "expr") for f in (H, g)
    ):
        return None
    hamiltonian, of_h = space.written_with_domain(H)
    generator, of_g = space.written_with_domain(g)
    if not (has_sums(hamiltonian) or has_sums(generator) or generator == hamiltonian):
        return None
    count = max(term_count(e) for e in (hamiltonian, generator) if has_sums(e) or e is hamiltonian)
    written_out = not has_sums(generator) and len(sp.Add.make_args(generator)) > 3 * space.dof
    if count <= FEW_TERMS or (written_out and count <= MOST_TERMS and generator != hamiltonian):
        return None
    domain = Domain(of_g.positive + of_h.positive, of_g.nonzero + of_h.nonzero)
    verdict = decide_sums(generator, hamiltonian, domain, space, seconds)
    return None if verdict.status == "undecided" and count <= MOST_TERMS else verdict


def is_zero(expr: Formula, space: Space, budget: float = 10.0) -> Verdict:
    """Decide whether an expression vanishes identically on the domain where it is real and finite.

    Arguments:
        expr: text, expression or generator.
        space: the space whose names and assumptions hold.
        budget: seconds after which the answer is ``Undecided``.

    Raises:
        FormulaError: if the formula is refused.
        ParameterError: if the budget is not a positive number.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2)
        >>> is_zero("sqrt(q1**2 + q2**2 + 1 + 2*sqrt(q1**2 + q2**2)) - sqrt(q1**2 + q2**2) - 1", space).status
        'proved'
        >>> is_zero("sqrt(q1**2) - q1", space).status
        'refuted'
    """
    _require_space(space)
    expression, domain = with_domain(expr, space)
    return decide(Claim(space, expression, domain=domain), budget_seconds(budget))


def with_domain(f: Formula, space: Space) -> tuple[sp.Expr, Domain]:
    """Return an expression and the domain of the formula as written, both in the space's own symbols."""
    expression, domain = space.express_with_domain(f)
    positive, nonzero = (tuple(space.express(e) for e in some) for some in (domain.positive, domain.nonzero))
    return expression, Domain(positive, nonzero)


def with_roots(f: Formula, space: Space) -> tuple[sp.Expr, Domain]:
    """Return an expression and its whole domain, where roots and logarithms are real.

    What is made of an expression, as a bracket with another one, may not contain its roots any more.
    """
    expression, domain = with_domain(f, space)
    roots = {r.base for r in expression.atoms(sp.Pow) if not r.exp.is_integer}
    inside = sorted(roots | {a.args[0] for a in expression.atoms(sp.log)}, key=sp.default_sort_key)
    positive = [e for e in inside if not e.is_positive and e not in domain.positive]
    return expression, Domain((*domain.positive, *positive), domain.nonzero)


def _require_space(space: object) -> None:
    if not isinstance(space, Space):
        raise SpaceError(f"a phase space is needed, not {type(space).__name__}; pass PhaseSpace('q1', 'p1')")


def budget_seconds(budget: object) -> float:
    """Return a budget as a float, or refuse it."""
    try:
        seconds = (
            float(budget) if isinstance(budget, numbers.Real) and not isinstance(budget, bool) else math.nan
        )
    except OverflowError:
        seconds = math.inf
    if not (math.isfinite(seconds) and seconds > 0):
        raise ParameterError(f"the budget is a positive number of seconds, not {budget!r}")
    return seconds
