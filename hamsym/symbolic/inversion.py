"""One equation solved for one unknown, each solution proved; and short forms of what comes out."""

from __future__ import annotations

import sympy as sp

from hamsym.errors import FormulaError, LegendreError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.bracket import is_zero
from hamsym.symbolic.space import Space

#: Operations in an equation that is handed to a solver.
MOST_OPERATIONS = 100
#: Operations in the claim that a candidate is a solution; longer ones are roots of quartics, which serve nobody.
MOST_IN_CLAIM = 500


def only_solution(f: sp.Expr, x: sp.Symbol, y: sp.Symbol, space: Space, clock: tw.Clock) -> sp.Expr:
    """Return the one x with f(x) = y.

    Arguments:
        f: an expression in x and in symbols of the space.
        x: the unknown.
        y: a symbol of the space; or a positive dummy, then f is odd and solved for positive x first.
        space: the space whose assumptions hold.
        clock: the budget.

    Raises:
        LegendreError: if no solution is found and proved in closed form, or several that differ.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1)
        >>> x, y = space.variables
        >>> only_solution(space.parse("exp(q1) + 1"), x, y, space, tw.Clock(5.0))
        log(p1 - 1)
    """
    if sp.count_ops(f) > MOST_OPERATIONS:
        raise LegendreError("it is too long")
    candidates = _candidates(f, x, y)
    forms = dict.fromkeys(form for c in candidates for form in (*_root_forms(c), _odd_roots(c), c))
    claims = {form: f.subs(x, form) - y for form in forms}
    short = {form: claim for form, claim in claims.items() if sp.count_ops(claim) <= MOST_IN_CLAIM}
    found = [form for form, claim in short.items() if _shown(claim, space, clock)]
    others = [form for form in found[1:] if not _shown(form - found[0], space, clock)]
    if not found:
        raise LegendreError("no closed form is known")
    if others:
        raise LegendreError(f"there is more than one solution: {', '.join(map(str, [found[0], *others]))}")
    return found[0]


def short_form(expression: sp.Expr, space: Space, clock: tw.Clock) -> sp.Expr:
    """Return an equal expression in fewer terms: a root of a rational function, or over one denominator.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace("q", "p", parameters={"m": "positive"})
        >>> p, m = space.symbols["p"], space.symbols["m"]
        >>> short_form((p**2 + m**2)/sp.sqrt(p**2 + m**2), space, tw.Clock(5.0))
        sqrt(m**2 + p**2)
        >>> short_form(m*sp.sqrt(m**2/(p**2 + m**2)) + p**2/sp.sqrt(p**2 + m**2), space, tw.Clock(5.0))
        sqrt(m**2 + p**2)
    """
    short = _collected(expression)
    size = sp.count_ops(short)
    shorter = (form for form in _root_forms(short) if sp.count_ops(form) < size)
    return next((form for form in shorter if _shown(form - short, space, clock)), short)


def is_finite(expression: sp.Expr) -> bool:
    """Tell whether an expression shows no infinity and no imaginary part.

    Example:
        >>> is_finite(sp.Integer(1)), is_finite(sp.zoo)
        (True, False)
    """
    return not expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I)


def _candidates(f: sp.Expr, x: sp.Symbol, y: sp.Symbol) -> list[sp.Expr]:
    for signs in [{"positive": True}] * isinstance(y, sp.Dummy) + [{"real": True}]:
        unknown = sp.Dummy(x.name, **signs)
        try:
            candidates = sp.solve(f.subs(x, unknown) - y, unknown, check=False)
        except (RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError):
            continue  # sympy has no method, or stumbles over what it made itself; then there is no candidate
        if candidates:
            return [c for c in candidates if isinstance(c, sp.Expr) and not c.has(sp.Piecewise, sp.LambertW)]
    return []


def _shown(claim: sp.Expr, space: Space, clock: tw.Clock) -> bool:
    """Whether an expression is proved to vanish, in which dummies stand for positive lengths."""
    if not is_finite(claim):
        return False
    for dummy in claim.atoms(sp.Dummy):
        fresh = next(n for n in (f"{dummy.name}_{k}" for k in range(1000)) if n not in space.symbols)
        space = space.with_parameters({fresh: "positive"})
        claim = claim.subs(dummy, space.symbols[fresh])
    try:
        return is_zero(claim, space, budget=max(clock.remaining, 1e-3)).status == "proved"
    except FormulaError:  # real nowhere
        return False


def _root_forms(candidate: sp.Expr) -> list[sp.Expr]:
    """The square root of a rational function as ``±sqrt(a)/sqrt(b)``, whichever of these it may be."""
    square = _reduced(sp.expand(candidate**2))
    if not square.is_rational_function(*square.free_symbols):
        return []
    a, b = (sp.factor_terms(part) for part in sp.fraction(square))
    roots = [sp.sqrt(-a) / sp.sqrt(-b), sp.sqrt(a) / sp.sqrt(b)]
    return [sign * root for root in roots for sign in (1, -1) if not root.has(sp.I)]


def _odd_roots(candidate: sp.Expr) -> sp.Expr:
    """Write roots of odd order such that they are real on both sides of zero: ``b**(1/3)`` as ``b*(b**2)**(-1/3)``."""
    if any(not r.base.is_rational_function() for r in candidate.atoms(sp.Pow) if not r.exp.is_integer):
        return candidate  # nested roots, as Cardano's, grow beyond use
    return candidate.replace(
        lambda e: e.is_Pow and e.exp.is_Rational and e.exp.q % 2 == 1 and not e.base.is_nonnegative,
        lambda e: e.base ** (e.exp.p % 2) * (e.base**2) ** ((e.exp - e.exp.p % 2) / 2),
    )


def _collected(expression: sp.Expr) -> sp.Expr:
    """Bring radicands and then the whole to one fraction, where that makes it shorter."""
    tidy = expression.replace(
        lambda e: e.is_Pow and not e.exp.is_integer, lambda e: _power(_reduced(e.base), e.exp)
    )
    return min((expression, tidy, sp.factor_terms(sp.together(tidy))), key=sp.count_ops)


def _power(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    a, b = sp.fraction(base)
    if a.is_negative:
        a, b = -a, -b
    return a**exponent / b**exponent if a.is_positive else (a / b) ** exponent


def _reduced(radicand: sp.Expr) -> sp.Expr:
    """Bring a radicand to lowest terms, but not to factors: the root of each would have a domain of its own."""
    try:
        return sp.cancel(radicand)
    except sp.PolynomialError:
        return radicand
