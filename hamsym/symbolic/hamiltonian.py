"""A Hamiltonian: an expression on a phase space, its equations of motion and its split."""

from __future__ import annotations

from functools import cached_property

import sympy as sp

from hamsym.errors import NotSeparableError, SpaceError
from hamsym.symbolic.bracket import is_zero, vector_field
from hamsym.symbolic.derivative import derivative
from hamsym.symbolic.space import Space
from hamsym.symbolic.text import shorten, to_text


class Hamiltonian:
    """A Hamiltonian function on a phase space.

    Arguments:
        expression: formula as text or sympy expression; text is parsed safely.
        space: the phase space whose names it uses.

    Attributes:
        expr: the sympy expression.
        space: the phase space.

    Raises:
        FormulaError: if the formula is refused.

    Example:
        >>> from hamsym import PhaseSpace
        >>> H = Hamiltonian("p1**2/2 + cos(q1)", PhaseSpace.standard(1))
        >>> H.kinetic, H.potential
        (p1**2/2, cos(q1))
        >>> H.equations()
        {q1: p1, p1: sin(q1)}
    """

    def __init__(self, expression: str | sp.Expr, space: Space) -> None:
        if not isinstance(space, Space):
            raise SpaceError(
                f"a Hamiltonian lives on a phase space, not on {type(space).__name__}; pass PhaseSpace('q1', 'p1')"
            )
        self.space = space
        self.expr, self.domain = space.express_with_domain(expression)

    @property
    def text(self) -> str:
        """The formula as text that parses back to the same expression."""
        return to_text(self.expr)

    def equations(self) -> dict[sp.Symbol, sp.Expr]:
        """Return Hamilton's equations ds/dt = {s, H}: variable to its velocity, coordinates first.

        Source: Goldstein, Classical Mechanics, section 9.6.
        """
        return vector_field(self.expr, self.space)

    @property
    def is_separable(self) -> bool:
        """Whether H = K(p) + U(q) was shown; False also where it could not be decided."""
        return self._split is not None

    @property
    def kinetic(self) -> sp.Expr:
        """K(p) of H = K(p) + U(q).

        Raises:
            NotSeparableError: if H is not of that form.
        """
        return self._require_split()[0]

    @property
    def potential(self) -> sp.Expr:
        """U(q) of H = K(p) + U(q), constants included.

        Raises:
            NotSeparableError: if H is not of that form.
        """
        return self._require_split()[1]

    def _require_split(self) -> tuple[sp.Expr, sp.Expr]:
        if not self.space.momenta:
            raise NotSeparableError(
                f"H = {shorten(self.text)} lives on a Lie–Poisson space, which has no momenta, so it is not "
                "K(p) + U(q); integrate H.equations() with a general solver, and watch its Casimirs"
            )
        if self._split is None:
            raise NotSeparableError(
                f"H = {shorten(self.text)} is not K(p) + U(q): the term {shorten(to_text(self._mixed))} "
                "mixes coordinates and momenta. Every method of hamsym.methods() needs that form; bring H to it by "
                "a canonical change of variables, or integrate H.equations() with a general solver"
            )
        return self._split

    @cached_property
    def _terms(self) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """The sums of the terms in p only, in q only or constant, and in both."""
        kinetic, potential, mixed = _sort_terms(self.expr, self.space)
        if mixed != 0:
            more_kinetic, more_potential, mixed = _sort_terms(sp.expand(mixed), self.space)
            kinetic, potential = kinetic + more_kinetic, potential + more_potential
        return kinetic, potential, mixed

    @property
    def _mixed(self) -> sp.Expr:
        return self._terms[2]

    @cached_property
    def _split(self) -> tuple[sp.Expr, sp.Expr] | None:
        if not self.space.momenta:
            return None
        kinetic, potential, mixed = self._terms
        if mixed == 0:
            return kinetic, potential
        # d²H/dq dp = 0 for every pair is the definition of separable; it catches what expansion does not.
        for q in self.space.coordinates:
            for p in self.space.momenta:
                if is_zero(derivative(derivative(mixed, q), p), self.space, budget=2.0).status != "proved":
                    return None
        at_p, at_q = _finite_point(mixed, self.space.momenta), _finite_point(mixed, self.space.coordinates)
        if at_p is None or at_q is None:
            return None
        rest = mixed.subs(at_q)
        return kinetic + rest - rest.subs(at_p), potential + mixed.subs(at_p)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hamiltonian) and (self.expr, self.space) == (other.expr, other.space)

    def __hash__(self) -> int:
        return hash((self.expr, self.space))

    def __repr__(self) -> str:
        return f"Hamiltonian({shorten(self.text)!r}, {self.space!r})"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle H = {sp.latex(self.expr)}$"


def _sort_terms(expr: sp.Expr, space: Space) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    coordinates, momenta = set(space.coordinates), set(space.momenta)
    sums: tuple[list[sp.Expr], list[sp.Expr], list[sp.Expr]] = ([], [], [])
    for term in sp.Add.make_args(expr):
        names = term.free_symbols
        place = 1 if not names & momenta else 0 if not names & coordinates else 2
        sums[place].append(term)
    return sp.Add(*sums[0]), sp.Add(*sums[1]), sp.Add(*sums[2])


def _finite_point(expr: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> dict[sp.Symbol, sp.Rational] | None:
    """A rational value of the symbols at which the expression stays finite and real."""
    for shift in (0, 1, 2, 5):
        point = {s: sp.Rational(shift * (i + 2), i + 3) for i, s in enumerate(symbols)}
        if not expr.subs(point).has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
            return point
    return None
