"""Generators of symmetries: their vector fields, their finite action, the densities that they keep.

A function g on phase space moves a state along its own Hamiltonian vector field X_g = {·, g}.  It generates a
symmetry of H when {H, g} = 0 (Noether's theorem in Hamiltonian form; Arnold, Mathematical Methods, section 40).
"""

from __future__ import annotations

import itertools
import numbers
from dataclasses import replace

import sympy as sp

from hamsym.arguments import flag
from hamsym.errors import FormulaError, ParameterError, SpaceError, SymmetryError
from hamsym.symbolic.bracket import (
    Formula,
    budget_seconds,
    is_zero,
    poisson_bracket,
    vector_field,
    with_roots,
)
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.formula.names import exact_number
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.function import SpaceFunction
from hamsym.symbolic.space import Space
from hamsym.symbolic.symmetry.flows import Flow
from hamsym.symbolic.symmetry.lie_series import MOST_TERMS, closed_flow
from hamsym.symbolic.zero_test.decide import Claim, decide
from hamsym.symbolic.zero_test.verdict import Verdict


class Generator(SpaceFunction):
    """A phase-space function that generates a one-parameter group.

    Arguments:
        expression: formula as text or sympy expression.
        space: the phase space it acts on.

    Attributes:
        expr: the sympy expression.
        space: the phase space.

    Raises:
        FormulaError: if the formula is refused.
        SpaceError: if ``space`` is no space.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 40.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2)
        >>> g = Generator("q1*p2 - q2*p1", space)
        >>> g.vector_field()
        {q1: -q2, q2: q1, p1: -p2, p2: p1}
        >>> g.is_point_action
        True
    """

    letter = "g"

    def __init__(self, expression: str | sp.Expr, space: Space) -> None:
        if not isinstance(space, Space):
            raise SpaceError(f"a generator acts on a phase space, not on {type(space).__name__}")
        super().__init__(expression, space)

    def vector_field(self) -> dict[sp.Symbol, sp.Expr]:
        """Return X_g = {·, g}: each variable to its rate of change along the group parameter.

        Source: Arnold, Mathematical Methods of Classical Mechanics, section 40.

        Example:
            >>> from hamsym import PhaseSpace
            >>> Generator("q1*p1", PhaseSpace.standard(1)).vector_field()
            {q1: q1, p1: -p1}
        """
        return {s: sp.expand(rate) for s, rate in vector_field(self.expr, self.space).items()}

    @property
    def is_point_action(self) -> bool:
        """Whether g moves coordinates by coordinates alone: dq/dε has no p in it, so g is affine in the momenta.

        Explicit time counts as a parameter.  A Lie–Poisson space has no coordinates apart from momenta, so there
        the answer is False.  The zero test decides about second derivatives by the momenta.

        Raises:
            UndecidedError: if it is not decided within 10 seconds.

        Example:
            >>> from hamsym import PhaseSpace
            >>> Generator("(p1 + q1)**2/2 - (p1 - q1)**2/2", PhaseSpace.standard(1)).is_point_action
            True
        """
        momenta = [p for p in self.space.momenta if self.expr.has(p)]
        for a, b in itertools.combinations_with_replacement(momenta, 2):
            if not is_zero(derivative(derivative(self.expr, a), b), self.space):
                return False
        return bool(self.space.momenta)

    def flow(self, eps: sp.Expr | float | str, *, budget: float = 10.0) -> Flow:
        """Return the finite map after the group parameter ``eps``, exactly.

        It is found where the vector field is affine (then as a :class:`~hamsym.symbolic.symmetry.flows.LinearFlow`), and where
        the Lie series of every variable ends, repeats itself up to a conserved factor, or spans finitely many
        functions: shears and kicks (also with undefined functions), dilations, functions of angular momenta, …; or where
        that of the inverse point q/|q|² does: special conformal maps, which pass through infinity.

        Arguments:
            eps: a number, a sympy expression, or the name of a new real symbol.
            budget: seconds after which the search ends.

        Returns:
            A map with ``images``, ``inverse``, ``@`` for composition, and a call for arrays.

        Raises:
            SymmetryError: if no closed form is found, with the remedy.
            ParameterError: if ``eps`` is not finite or depends on the variables.

        Source: Arnold, Mathematical Methods of Classical Mechanics, sections 39 and 40.

        Example:
            >>> from hamsym import PhaseSpace
            >>> rotation = Generator("q1*p2 - q2*p1", PhaseSpace.standard(2)).flow("theta")
            >>> rotation.images[rotation.space.coordinates[0]]
            q1*cos(theta) - q2*sin(theta)
            >>> Generator("q2**2*p1", PhaseSpace.standard(2)).flow("a").images
            {q1: a*q2**2 + q1, q2: q2, p1: p1, p2: -2*a*p1*q2 + p2}
        """
        seconds = budget_seconds(budget)
        parameter, space = _group_parameter(eps, self.space)
        found = closed_flow(self.expr, space, parameter, seconds)
        if found is None:
            raise SymmetryError(
                f"no closed form of the flow of g = {shorten(self.text)} was found: it is not linear, and the Lie series of "
                f"some variable does not close within {MOST_TERMS} brackets. Follow it by numbers instead: "
                "simulate(Hamiltonian(g, space), …) on a phase space, or any solver on g.vector_field(); "
                "time is the group parameter"
            )
        return found

    def preserves(self, density: Formula, budget: float = 10.0, *, log: bool = False) -> Verdict:
        """Decide whether the flow of g leaves a density invariant, at every time at which both are taken.

        The condition is ``X_g(ρ) + ρ div X_g = 0`` for a density ρ with respect to the volume of all variables
        (dq dp on a phase space, where div X_g = 0 by Liouville's theorem).  Whether ρ is positive and integrable is
        not asked.

        Arguments:
            density: ρ as text or expression; it need not be normalized.
            budget: seconds after which the answer is ``Undecided``.
            log: whether ``density`` is log ρ.

        Returns:
            ``Proved``, ``Refuted`` with a point and the value of the left side there, or ``Undecided``.

        Raises:
            FormulaError: if the density is refused.
            ParameterError: if ``log`` is neither True nor False.

        Source: Arnold, Mathematical Methods of Classical Mechanics, section 16 (Liouville's theorem).

        Example:
            >>> from hamsym import PhaseSpace, angular_momentum, translation
            >>> space = PhaseSpace.standard(2)
            >>> normal = "exp(-(q1**2 + q2**2 + p1**2 + p2**2)/2)"
            >>> angular_momentum(space, 0, 1).preserves(normal).status
            'proved'
            >>> translation(space, 0).preserves(normal).status
            'refuted'
        """
        is_log = flag("log", log)
        (rho, of_rho), (_, of_g) = with_roots(density, self.space), with_roots(self, self.space)
        domain = Domain(of_rho.positive + of_g.positive, of_rho.nonzero + of_g.nonzero)
        change = poisson_bracket(rho, self, self.space)
        change += self._divergence() * (1 if is_log else rho)
        verdict = decide(Claim(self.space, change, domain=domain), budget_seconds(budget))
        question = "{log rho, g} + div X_g = 0" if is_log else "{rho, g} + rho div X_g = 0"
        subject = {"log density" if is_log else "density": rho, "generator": self.expr}
        return replace(verdict, question=question, subject=subject)

    def __repr__(self) -> str:
        return f"Generator({shorten(self.text)!r})"

    def _divergence(self) -> sp.Expr:
        """div X_g = Σ ∂J[a, b]/∂a ∂g/∂b; zero on every phase space and for every unimodular algebra."""
        tensor = self.space.poisson_tensor
        entries = [(sp.diff(entry, a), b) for (a, b), entry in tensor.items()]
        return sp.expand(sp.Add(*(slope * derivative(self.expr, b) for slope, b in entries if slope != 0)))


def _group_parameter(eps: sp.Expr | float | str, space: Space) -> tuple[sp.Expr, Space]:
    """Return the group parameter, and the space with its symbols among the parameters."""
    if isinstance(eps, str):
        eps = sp.Symbol(eps)
    elif isinstance(eps, numbers.Real) and not isinstance(eps, (bool, sp.Expr)):
        try:
            eps = exact_number(eps)
        except FormulaError:
            raise ParameterError(f"the group parameter is finite, not {eps!r}") from None
    if not isinstance(eps, sp.Expr) or eps.is_extended_real is False or eps.is_finite is False:
        raise ParameterError(f"the group parameter is a real number, an expression or a name, not {eps!r}")
    names = {s.name for s in eps.free_symbols}
    moved = sorted(names & {s.name for s in space.variables})
    if moved:
        raise ParameterError(
            f"the group parameter is constant along the flow; it cannot contain {', '.join(moved)}"
        )
    space = space.with_parameters(dict.fromkeys(sorted(names - set(space.symbols)), "real"))
    return space.express(eps), space
