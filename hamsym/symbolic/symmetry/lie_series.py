"""The flow of a Hamiltonian vector field in closed form, where the Lie series of each variable closes.

The flow of g moves a function f as ``f ∘ φ_ε = Σ_k ε^k/k! ad^k f`` with ``ad f = {f, g}`` (Arnold, Mathematical Methods
of Classical Mechanics, sections 39-40).  The series of a variable is summed exactly in these cases, each proved by the zero test:

- the vector field is affine: a matrix exponential;
- ``ad^k f = 0``: the series ends;
- ``ad h = c h`` or ``ad² h = c h`` where c is conserved by g, for h = f, or h = ad f with a constant c: exponential,
  trigonometric or hyperbolic functions of c;
- f, ad f, …, ad^(k-1) f span a space that ad maps into itself: a matrix exponential again.

Where the series of a variable s does not close, that of 1/s may, or those of the inverse point q/|q|²: so do special
conformal maps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import sympy as sp

from hamsym.errors import SymmetryError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.bracket import is_zero, vector_field
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.linear import nullspace
from hamsym.symbolic.space import Space
from hamsym.symbolic.symmetry.exponential import exponential, square_root
from hamsym.symbolic.symmetry.flows import Flow, Images, LinearFlow, Values
from hamsym.symbolic.zero_test.decide import formal_bracket

#: Brackets that are computed before a series is said not to close, and when their linear dependence is looked at.
MOST_TERMS, LOOKS = 12, (4, 8, 12)
#: Operations in an iterated bracket beyond which the search ends.
MOST_OPERATIONS = 1500


def closed_flow(g: sp.Expr, space: Space, eps: sp.Expr, budget: float) -> Flow | None:
    """Return the flow of g after the group parameter, or None if no closed form is found.

    Arguments:
        g: an expression in the symbols of the space.
        space: the space; free symbols of ``eps`` are among its parameters.
        eps: the group parameter.
        budget: seconds.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1, parameters={"a": "real"})
        >>> closed_flow(space.parse("p1**3/3"), space, space.symbols["a"], 5.0).images
        {q1: a*p1**2 + q1, p1: p1}
        >>> closed_flow(space.parse("p1**2/2 + q1**4"), space, space.symbols["a"], 5.0) is None
        True
    """
    clock = tw.Clock(budget)
    field = {s: _tidy(rate) for s, rate in vector_field(g, space).items()}
    affine = _affine(field, space)
    if affine is not None:
        return _linear_flow(g, *affine, space, eps, budget)
    time = sp.Dummy("eps", real=True)

    def moved(f: sp.Expr) -> sp.Expr | None:
        return _Orbit(f, g, field, space, clock).closed(time)

    sums: Images = {}
    try:
        for s in space.variables:
            if s in sums:
                continue
            image = moved(s)
            found = {s: image} if image is not None else _inverted(s, field, space, moved, time)
            if not found:
                return None
            sums |= found
    except tw.ProofStopped:
        return None
    forward, backward = ({s: e.xreplace({time: t}) for s, e in sums.items()} for t in (eps, -eps))
    return _pair(g, forward, backward, space, eps, budget)


def _inverted(
    s: sp.Symbol, field: Images, space: Space, moved: Callable[[sp.Expr], sp.Expr | None], eps: sp.Symbol
) -> Images:
    """Return the image of a variable, or of all variables of its kind, by way of 1/s or of q/|q|²; {} if neither closes.

    Only a polynomial field without constant part and of degree two is tried: another one is not affine at the inverse
    point, and one with roots ends where they vanish while the formula goes on.
    """
    kind = space.momenta if s in space.momenta else space.coordinates
    rates = [field[x] for x in kind]
    if not all(rate.is_polynomial(*space.variables) for rate in rates):
        return {}
    degrees = {sum(powers) for rate in rates if rate != 0 for powers in sp.Poly(rate, *kind).monoms()}
    if not degrees <= {1, 2}:
        return {}
    if not field[s].free_symbols & (set(kind) - {s}):
        reciprocal = moved(1 / s)
        return {} if reciprocal is None else {s: _quotient(sp.Integer(1), reciprocal, eps)}
    square = sp.Add(*(x**2 for x in kind))
    images = [moved(x / square) for x in kind]
    w = [e for e in images if e is not None]
    if len(w) < len(kind):
        return {}
    length = sp.cancel(sp.Add(*(e**2 for e in w)))
    return {x: _quotient(e, length, eps) for x, e in zip(kind, w, strict=True)}


def _quotient(top: sp.Expr, bottom: sp.Expr, eps: sp.Symbol) -> sp.Expr:
    """Return top/bottom in lowest terms, its denominator positive where the group begins, if that is a number."""
    above, below = sp.fraction(sp.cancel(top / bottom))
    return -above / -below if below.subs(eps, 0).is_negative else above / below


def _pair(g: sp.Expr, forward: Images, backward: Images, space: Space, eps: sp.Expr, budget: float) -> Flow:
    return Flow(
        forward,
        space,
        inverse=partial(_pair, g, backward, forward, space, -eps, budget),
        at=partial(_flow_at, g, space, eps, budget),
    )


def _flow_at(g: sp.Expr, space: Space, eps: sp.Expr, budget: float, values: Values) -> Flow | None:
    """The flow found again with these values of parameters in place."""
    try:
        return closed_flow(g.subs(values), space, eps.subs(values), budget)
    except SymmetryError:
        return None


def _linear_flow(
    g: sp.Expr, matrix: sp.Matrix, constant: sp.Matrix, space: Space, eps: sp.Expr, budget: float
) -> LinearFlow:
    size = matrix.rows
    augmented = sp.zeros(size + 1, size + 1)  # exp of the affine field acts on (state, 1)
    augmented[:size, :size], augmented[:size, size] = matrix, constant
    exact = exponential(augmented, eps, tw.Clock(budget))
    return LinearFlow(
        exact[:size, :size],
        exact[:size, size],
        space,
        inverse=partial(_linear_flow, g, matrix, constant, space, -eps, budget),
        at=partial(_flow_at, g, space, eps, budget),
    )


def _affine(field: Images, space: Space) -> tuple[sp.Matrix, sp.Matrix] | None:
    """Return (M, b) if the field is M s + b as it stands."""
    variables = space.variables
    matrix = sp.Matrix([[sp.diff(field[a], b) for b in variables] for a in variables])
    if matrix.free_symbols & set(variables):
        return None
    origin = dict.fromkeys(variables, 0)
    return matrix, sp.Matrix([field[a].subs(origin) for a in variables])


class _Orbit:
    """A function and its iterated brackets with g."""

    def __init__(self, s: sp.Expr, g: sp.Expr, field: Images, space: Space, clock: tw.Clock) -> None:
        self.g, self.field, self.space, self.clock = g, field, space, clock
        self.terms: list[sp.Expr] = [s]

    def closed(self, eps: sp.Symbol) -> sp.Expr | None:
        """Return the sum of the Lie series at the group parameter, or None."""
        for k in range(1, MOST_TERMS + 1):
            self.clock.check()
            latest = self._next()
            if sp.count_ops(latest) > MOST_OPERATIONS:
                return None
            if self._vanishes(latest):
                return sp.Add(*(t * eps**j / sp.factorial(j) for j, t in enumerate(self.terms)))
            self.terms.append(latest)
            found = self._by_ratio(eps) if k <= 3 else None
            if found is None and k in LOOKS:
                found = self._by_relation(eps)
            if found is not None:
                return found
        return None

    def _next(self) -> sp.Expr:
        last = self.terms[-1]
        slopes = {a: derivative(last, a) for a in self.field if last.has(a) and self.field[a] != 0}
        return _tidy(sp.Add(*(self.field[a] * slope for a, slope in slopes.items())))

    def _left(self) -> float:
        return max(self.clock.remaining, 1e-3)

    def _vanishes(self, expression: sp.Expr) -> bool:
        return expression == 0 or is_zero(expression, self.space, budget=self._left()).status == "proved"

    def _by_ratio(self, eps: sp.Symbol) -> sp.Expr | None:
        """Sum the series if the latest bracket is a conserved multiple of the one, or the two, before it."""
        latest = len(self.terms) - 1
        for start in range(max(latest - 2, 0), min(latest, 2)):
            ratio = _tidy(self.terms[latest] / self.terms[start])
            constant = not ratio.free_symbols & set(self.space.variables) and ratio.is_nonzero
            if (constant or start == 0) and self._vanishes(formal_bracket(ratio, self.g, self.space)):
                sums = _summed(self.terms[start:latest], ratio, eps)
                if sums is not None:
                    return sums[0] if start == 0 else self.terms[0] + sums[1]
        return None

    def _by_relation(self, eps: sp.Symbol) -> sp.Expr | None:
        """Sum the series if the brackets are linearly dependent over the rational numbers."""
        tower = tw.Tower(tw.Clock(self._left()))
        converter = tw.Converter(tower)
        converter.prepare(*self.terms)
        rows = tw.rows(tower, [converter.convert(t) for t in self.terms])
        relations = nullspace(
            [{j: v.leading_coefficient() for j, v in row.items()} for row in rows], len(self.terms)
        )
        if not relations:
            return None
        relation = {j: sp.Rational(int(v.p), int(v.q)) for j, v in relations[0].items()}
        order = max(relation)
        if not self._vanishes(sp.Add(*(c * self.terms[j] for j, c in relation.items()))):
            return None
        companion = sp.zeros(order, order)  # d/dε of (f, ad f, …, ad^(order-1) f)
        for j in range(order - 1):
            companion[j, j + 1] = 1
        for j in range(order):
            companion[order - 1, j] = -relation.get(j, sp.S.Zero) / relation[order]
        basis = sp.Matrix(self.terms[:order])
        try:
            exact = exponential(companion, eps, self.clock)
        except SymmetryError:
            return None
        return _without_hyperbolic((exact[0, :] * basis)[0])


def _summed(terms: list[sp.Expr], ratio: sp.Expr, eps: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
    """Sum a series whose bracket after these terms is ``ratio`` times the first: it, and its integral from 0."""
    if len(terms) == 1:
        growth = sp.exp(ratio * eps)
        return terms[0] * growth, terms[0] * (growth - 1) / ratio
    f, slope = terms
    for sign, even, odd in ((1, sp.cosh, sp.sinh), (-1, sp.cos, sp.sin)):
        root = square_root(sign * ratio)
        if root is not None:
            c, s = even(root * eps), odd(root * eps)
            return f * c + sp.cancel(slope / root) * s, f * s / root + slope * (c - 1) / ratio
    return None


def _without_hyperbolic(expression: sp.Expr) -> sp.Expr:
    halves = {
        sp.cosh: lambda x: (sp.exp(x) + sp.exp(-x)) / 2,
        sp.sinh: lambda x: (sp.exp(x) - sp.exp(-x)) / 2,
    }
    for function, written_out in halves.items():
        expression = expression.replace(function, written_out)
    return sp.expand(expression)


def _tidy(expression: sp.Expr) -> sp.Expr:
    """Keep iterated brackets short: expanded, and rational functions in lowest terms."""
    expanded = sp.expand(expression)
    if expanded.is_polynomial(*expanded.free_symbols) or not expanded.is_rational_function(
        *expanded.free_symbols
    ):
        return expanded
    return sp.cancel(expanded)
