"""A Hamiltonian: an expression on a phase space, its equations of motion and its split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import sympy as sp

from hamsym.errors import NotSeparableError, SpaceError
from hamsym.symbolic.bracket import budget_seconds, is_zero, vector_field
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.names import Name
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.function import SpaceFunction
from hamsym.symbolic.lagrangian import Lagrangian
from hamsym.symbolic.legendre import legendre_transform
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.separation import sort_terms
from hamsym.symbolic.space import Space
from hamsym.symbolic.sums import has_sums, term_count

#: Terms of sums in coordinates and momenta up to which they are written out to look whether H is separable.
_FEW = 32


class Hamiltonian(SpaceFunction):
    """A Hamiltonian function on a phase space.

    Arguments:
        expression: formula as text or sympy expression; text is parsed safely.  Sums over subscripts, as
            ``Sum((q[i + 1] - q[i])**2/2, (i, 1, 999))`` or ``sympy.Sum`` over ``sympy.IndexedBase("q")``, may be long:
            ``q[i]`` stands for the symbol q1, q2, … of the space.
        space: the phase space whose names it uses.

    Attributes:
        written: the sympy expression as it was written, with its sums.
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
        >>> chain = Hamiltonian("Sum(p[i]**2/2, (i, 1, 3)) + Sum(cos(q[i + 1] - q[i]), (i, 1, 2))", PhaseSpace.standard(3))
        >>> chain.potential, chain.written_potential
        (cos(q1 - q2) + cos(q2 - q3), Sum(cos(q[i + 1] - q[i]), (i, 1, 2)))
    """

    letter = "H"

    def __init__(self, expression: str | sp.Expr, space: Space) -> None:
        if not isinstance(space, Space):
            raise SpaceError(
                f"a Hamiltonian lives on a phase space, not on {type(space).__name__}; pass PhaseSpace('q1', 'p1')"
            )
        super().__init__(expression, space)

    def equations(self) -> dict[sp.Symbol, sp.Expr]:
        """Return Hamilton's equations ds/dt = {s, H}: variable to its velocity, coordinates first.

        Source: Goldstein, Classical Mechanics, section 9.6.

        Example:
            >>> from hamsym import PhaseSpace
            >>> Hamiltonian("p1**2/2 + q1**4", PhaseSpace.standard(1)).equations()
            {q1: p1, p1: -4*q1**3}
        """
        return vector_field(self.expr, self.space)

    @classmethod
    def from_lagrangian(
        cls,
        L: Lagrangian | str | sp.Expr,
        space: PhaseSpace,
        velocities: Name | Sequence[Name] | None = None,
        *,
        budget: float = 10.0,
    ) -> Hamiltonian:
        """Return the Hamiltonian Σ p v − L of a Lagrangian, with the velocities replaced by momenta p = ∂L/∂v.

        It is exact for kinetic energies that are quadratic in the velocities, with any mass matrix M(q), magnetic
        terms linear in them, and for functions of the length of the velocity that can be solved, as
        ``-m*sqrt(1 - v**2)``.

        Arguments:
            L: the Lagrangian, or its formula.
            space: the phase space of the result.
            velocities: names of the velocities in a formula, one for each coordinate; None takes the coordinates'
                names followed by ``dot``.
            budget: seconds.

        Raises:
            LegendreError: if the mass matrix is singular (``error.null_vector`` is a direction without mass), or
                velocities are not found in closed form.
            FormulaError, SpaceError: for a formula or names that are refused.

        Source: Arnold, Mathematical Methods of Classical Mechanics, section 15.

        Example:
            >>> from hamsym import PhaseSpace
            >>> space = PhaseSpace("th phi", "pth pphi", parameters={"m": "positive", "g": "real"})
            >>> Hamiltonian.from_lagrangian("m*(v**2 + sin(th)**2*w**2)/2 - m*g*cos(th)", space, "v w").expr
            g*m*cos(th) + pphi**2/(2*m*sin(th)**2) + pth**2/(2*m)
        """
        seconds = budget_seconds(budget)
        if not isinstance(L, Lagrangian):
            L = Lagrangian(L, space, velocities)
        elif L.space.variables != space.variables:
            raise SpaceError("the Lagrangian and its Hamiltonian live on the same coordinates")
        return cls(legendre_transform(L.expr, L.velocities, L.space.momenta, L.space, seconds), space)

    def lagrangian(
        self, velocities: Name | Sequence[Name] | None = None, *, budget: float = 10.0
    ) -> Lagrangian:
        """Return the Lagrangian Σ p v − H, with the momenta replaced by velocities v = ∂H/∂p.

        Arguments:
            velocities: names, one for each coordinate; None takes the coordinates' names followed by ``dot``.
            budget: seconds.

        Raises:
            LegendreError: if velocities do not determine the momenta, or not in closed form.
            SpaceError: for names that clash, or a Lie–Poisson space.

        Source: Arnold, Mathematical Methods of Classical Mechanics, section 15.

        Example:
            >>> from hamsym import PhaseSpace
            >>> Hamiltonian("(p1 - q1)**2/2", PhaseSpace.standard(1)).lagrangian().text
            '-q1**2/2 + (q1 + q1dot)**2/2'
        """
        if not isinstance(self.space, PhaseSpace):
            raise SpaceError("a Lie–Poisson space has no velocities, so H has no Lagrangian there")
        seconds = budget_seconds(budget)
        empty = Lagrangian(sp.Integer(0), self.space, velocities)
        momenta, names = self.space.momenta, empty.velocities
        L = legendre_transform(self.expr, momenta, names, empty.space, seconds)
        return Lagrangian(L, self.space, [v.name for v in names])

    @property
    def is_autonomous(self) -> bool:
        """Whether H does not depend on time; shown by the zero test, where time occurs.

        Raises:
            UndecidedError: if it is not decided within 10 seconds.

        Example:
            >>> from hamsym import PhaseSpace
            >>> space = PhaseSpace.standard(1, time="t")
            >>> Hamiltonian("p1**2/2 + q1*(sin(t)**2 + cos(t)**2)", space).is_autonomous
            True
        """
        if self.space.time not in self.written.free_symbols:
            return True
        return self.energy_rate == 0 or bool(is_zero(self.energy_rate, self.space))

    @property
    def energy_rate(self) -> sp.Expr:
        """∂H/∂t, which is dH/dt along every trajectory.

        Example:
            >>> from hamsym import PhaseSpace
            >>> Hamiltonian("p1**2/2 + q1*sin(t)", PhaseSpace.standard(1, time="t")).energy_rate
            q1*cos(t)
        """
        time = self.space.time
        return sp.S.Zero if time is None else self.space.written_out(derivative(self.written, time))

    def extended(self, momentum: Name = "p_t") -> Hamiltonian:
        """Return H + p_t on the phase space in which time is one more coordinate, with the momentum p_t = −E.

        The result is autonomous: its own time s satisfies dt/ds = 1, so it can be simulated, and what it conserves
        is what H conserves with explicit time.

        Arguments:
            momentum: name of the momentum of time.

        Raises:
            SpaceError: if the space has no time or no momenta, or the name is taken.

        Source: Arnold, Mathematical Methods of Classical Mechanics, section 45.

        Example:
            >>> from hamsym import PhaseSpace
            >>> Hamiltonian("p1**2/2 + q1*sin(t)", PhaseSpace.standard(1, time="t")).extended().equations()
            {q1: p1, t: 1, p1: -sin(t), p_t: -q1*cos(t)}
        """
        space = self.space
        if space.time is None or not isinstance(space, PhaseSpace):
            raise SpaceError("only a PhaseSpace with time can be extended by it, as PhaseSpace(…, time='t')")
        larger = PhaseSpace(
            [*space.coordinates, space.time],
            [*space.momenta, momentum],
            parameters=space.assumptions,
            functions=space.function_arity,
        )
        return Hamiltonian(self.written + larger.momenta[-1], larger)

    @property
    def is_separable(self) -> bool:
        """Whether H = K(p) + U(q) was shown; False also where it could not be decided."""
        return self._split is not None

    @cached_property
    def kinetic(self) -> sp.Expr:
        """K(p) of H = K(p) + U(q), its sums written out.

        Raises:
            NotSeparableError: if H is not of that form.
            FormulaError: if the sums have too many terms; see :attr:`written_kinetic`.
        """
        return self.space.written_out(self.written_kinetic)

    @cached_property
    def potential(self) -> sp.Expr:
        """U(q) of H = K(p) + U(q), constants included, its sums written out.

        Raises:
            NotSeparableError: if H is not of that form.
            FormulaError: if the sums have too many terms; see :attr:`written_potential`.
        """
        return self.space.written_out(self.written_potential)

    @property
    def written_kinetic(self) -> sp.Expr:
        """K(p) of H = K(p) + U(q) with its sums as they are.

        Raises:
            NotSeparableError: if H is not of that form.

        Example:
            >>> from hamsym import PhaseSpace
            >>> Hamiltonian("Sum((p[i]**2 + q[i]**2)/2, (i, 1, 9))", PhaseSpace.standard(9)).written_kinetic
            Sum(p[i]**2/2, (i, 1, 9))
        """
        return self._require_split()[0]

    @property
    def written_potential(self) -> sp.Expr:
        """U(q) of H = K(p) + U(q), constants included, with its sums as they are.

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
                "mixes coordinates and momenta. Use a method of hamsym.methods() that is not separable_only, or bring "
                "H to that form by a canonical change of variables"
            )
        return self._split

    @cached_property
    def _terms(self) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """The sums of the terms in p only, in q only or constant, and in both."""
        kinetic, potential, mixed = sort_terms(self.written, self.space)
        if mixed != 0:
            more_kinetic, more_potential, mixed = sort_terms(sp.expand(mixed), self.space)
            kinetic, potential = kinetic + more_kinetic, potential + more_potential
        if has_sums(mixed) and term_count(mixed) <= _FEW:
            more_kinetic, more_potential, mixed = sort_terms(
                sp.expand(self.space.written_out(mixed)), self.space
            )
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
        if has_sums(mixed):
            return None
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


def _finite_point(expr: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> dict[sp.Symbol, sp.Rational] | None:
    """A rational value of the symbols at which the expression stays finite and real."""
    for shift in (0, 1, 2, 5):
        point = {s: sp.Rational(shift * (i + 2), i + 3) for i, s in enumerate(symbols)}
        if not expr.subs(point).has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
            return point
    return None
