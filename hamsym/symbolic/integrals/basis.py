"""A basis of first integrals: its structure, its evidence, its special cases."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from functools import cached_property

import sympy as sp
from flint import fmpq_mpoly

from hamsym.errors import UndecidedError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.bracket import Formula, verify
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.integrals.ansatz import Ansatz, Exponents
from hamsym.symbolic.integrals.completeness import doubt
from hamsym.symbolic.integrals.conserved import Conservation, Solution
from hamsym.symbolic.integrals.independence import are_independent
from hamsym.symbolic.integrals.products import minimal_generators
from hamsym.symbolic.integrals.rank import JacobianRank, flow_rank, is_rank_exact, numeric_rank
from hamsym.symbolic.integrals.readable import Combination
from hamsym.symbolic.integrals.special import SpecialCase, special_cases
from hamsym.symbolic.zero_test.tape import NoTape
from hamsym.symbolic.zero_test.verdict import Verdict

#: Integrals that a notebook or terminal shows.
SHOWN = 40


class IntegralBasis:
    """A basis of all conserved combinations of an ansatz, modulo constants.

    Generators, rank and special cases are computed when first asked for, each within the budget of the search.

    Attributes:
        space: the space.
        dimension: the number of independent integrals, over Q or over the field of the parameters.
        complete: whether it was shown that there are no others in the ansatz.
        reason: why, or why not.
        size: numbers of equations and of unknowns of the linear system.

    Example:
        >>> from hamsym import Hamiltonian, PhaseSpace, find_integrals
        >>> H = Hamiltonian("p1**2/2 + p2**2/2 - cos(q1)", PhaseSpace.standard(2))
        >>> basis = find_integrals(H, degree=3, ansatz=["p1", "p2", "cos(q1)"])
        >>> basis.dimension, basis.generators
        (5, [p2, p1**2 - 2*cos(q1)])
        >>> basis.contains("p2*(p1**2 - 2*cos(q1)) + p2**3"), basis.contains("p1")
        (True, False)
    """

    def __init__(
        self,
        ansatz: Ansatz,
        functions: Sequence[sp.Expr],
        budget: float,
        system: Conservation | None = None,
        combinations: Sequence[Combination] = (),
        solution: Solution | None = None,
        columns: Sequence[Exponents] = (),
        solved_degree: int = 0,
    ) -> None:
        self.ansatz, self.space, self.functions = ansatz, ansatz.space, tuple(functions)
        self.budget = budget
        self.complete, self.reason = False, ""
        self._system, self._combinations = system, list(combinations)
        self._solution, self._columns = solution or Solution([], (0, 0)), columns
        self._solved_degree = solved_degree

    @property
    def tried(self) -> str:
        """What was tried, in words."""
        if self._system is None:
            return "no degree was finished"
        return f"all monomials up to degree {self._solved_degree} were tried"

    @property
    def dimension(self) -> int:
        """The number of independent integrals."""
        return len(self._combinations)

    @property
    def size(self) -> tuple[int, int]:
        """The numbers of equations and of unknowns of the linear system that was solved."""
        return self._solution.size

    @cached_property
    def integrals(self) -> list[sp.Expr]:
        """The integrals, of low degree and of few terms first."""
        return [] if self._system is None else [self._system.expression(c) for c in self._combinations]

    def _ready(self) -> Conservation:
        """Return the linear system with a fresh budget."""
        assert self._system is not None
        self._system.allow(self.budget)
        return self._system

    # -- structure -------------------------------------------------------------------------------------

    @cached_property
    def generators(self) -> list[sp.Expr]:
        """Those integrals that are no polynomials in integrals of lower degree.

        Raises:
            UndecidedError: when the budget does not suffice.
        """
        return [self.integrals[i] for i in self._generators]

    @cached_property
    def _generators(self) -> list[int]:
        if not self._combinations:
            return []
        try:
            return minimal_generators(self._ready(), self._combinations)
        except tw.ProofStopped as stop:
            raise UndecidedError(f"the generators were not found: {stop}; give a larger budget") from stop

    @property
    def rank(self) -> int:
        """The number of functionally independent integrals: the rank of their Jacobian at almost every point."""
        return self._rank[0]

    @property
    def rank_is_exact(self) -> bool:
        """Whether the rank was shown to be no larger; that it is no smaller always is."""
        return self._rank[1]

    @cached_property
    def _rank(self) -> tuple[int, bool]:
        if not self._combinations:
            return 0, True
        try:
            chosen, generate = self._generators, True
        except UndecidedError:
            chosen, generate = list(range(min(self.dimension, SHOWN))), False
        system = self._ready()
        clock, found = system.tower.clock, JacobianRank(0)
        try:
            limit = len(self.space.variables)
            if self.space.time is None:  # the differential of an integral vanishes on the flows
                limit -= flow_rank(self.functions, self.space, clock)
            bound = min(limit, len(chosen))
            found = numeric_rank([self.integrals[i] for i in chosen], self.space, clock, bound)
            if found.value >= bound:
                return found.value, generate or found.value == limit
            elements = [system.element(self._combinations[i]) for i in chosen]
            variables = [system.tower.number(v) for v in self.space.variables]
            exact = generate and is_rank_exact(system.tower, elements, variables, found)
            return found.value, exact
        except (tw.ProofStopped, NoTape, ArithmeticError, ValueError):
            return found.value, False

    def contains(self, expression: Formula) -> bool:
        """Tell whether an expression is a combination of the integrals and a constant.

        Arguments:
            expression: text or expression in the names of the space.

        Raises:
            FormulaError: if the expression is refused.
            UndecidedError: if that could neither be shown nor excluded.
        """
        expr = self.space.express(expression)
        rational = not any(isinstance(v, fmpq_mpoly) for c in self._combinations for v in c.values())
        written = [] if rational else self.integrals
        try:
            system = Conservation(self.ansatz, self.functions, tw.Clock(self.budget), [expr, *written])
            ring = system.tower.ring
            known = [system.element(c) for c in self._combinations] if rational else system.extra[1:]
            columns = [ring.lift(e) for e in (ring.one, *known, system.extra[0])]
            if any(max(v) == len(columns) - 1 for v in system.relations(columns).vectors):
                return True
            reason = doubt(system.tower, columns)
        except tw.ProofStopped as stop:
            reason = str(stop)
        if reason is not None and not self._excludes(expr):
            raise UndecidedError(
                f"whether the basis contains {shorten(to_text(expr))} is undecided: {reason}"
            )
        return False

    def _excludes(self, expression: sp.Expr) -> bool:
        """Tell whether values at points exclude that an expression is a combination of the integrals."""
        try:
            clock = tw.Clock(self.budget)
            return are_independent([sp.Integer(1), *self.integrals, expression], self.space, clock)
        except tw.ProofStopped:
            return False

    # -- special values of the parameters ------------------------------------------------------------

    @property
    def jumps(self) -> list[SpecialCase]:
        """The special values of the parameters at which there are more integrals, those with few conditions first.

        Where cases overlap and that gives nothing but the integrals of each, the overlap is not listed.
        """
        return self._jumps[0]

    @property
    def jumps_reason(self) -> str:
        """What else there may be, or an empty text if all special values were found."""
        return self._jumps[1]

    @cached_property
    def _jumps(self) -> tuple[list[SpecialCase], str]:
        if not self._solution.critical:
            return [], ""
        return special_cases(self._ready(), self._solution, self._columns, self.budget)

    # -- evidence --------------------------------------------------------------------------------------

    def verify(self, budget: float = 10.0) -> list[Verdict]:
        """Return the verdict on each integral by the general zero test, which shares no linear algebra with the search.

        Arguments:
            budget: seconds for each verdict.
        """
        return [verify(Hamiltonian(f, self.space), g, budget) for g in self.integrals for f in self.functions]

    @cached_property
    def proofs(self) -> list[Verdict]:
        """The verdicts of :meth:`verify`."""
        return self.verify()

    # -- for people and programs -----------------------------------------------------------------------

    def to_dict(self) -> dict[str, object]:
        """Return the basis in types that JSON knows, formulas as text; ``generators`` is None if they were not found."""
        try:
            generators: list[str] | None = [to_text(e) for e in self.generators]
        except UndecidedError:
            generators = None
        return {
            "dimension": self.dimension,
            "rank": self.rank,
            "rank_is_exact": self.rank_is_exact,
            "complete": self.complete,
            "reason": self.reason,
            "equations": self.size[0],
            "unknowns": self.size[1],
            "integrals": [to_text(e) for e in self.integrals],
            "generators": generators,
            "special": [case.to_dict() for case in self.jumps],
        }

    def __iter__(self) -> Iterator[sp.Expr]:
        return iter(self.integrals)

    def __len__(self) -> int:
        return self.dimension

    def __getitem__(self, i: int) -> sp.Expr:
        return self.integrals[i]

    @property
    def _headline(self) -> str:
        complete = "complete" if self.complete else "perhaps not complete"
        return f"{self.dimension} integral{'s' * (self.dimension != 1)}, {complete}"

    def __str__(self) -> str:
        lines = [self._headline + f": {self.reason}"]
        lines += [f"  {shorten(to_text(e))}" for e in self.integrals[:SHOWN]]
        if self.dimension > SHOWN:
            lines.append(f"  … and {self.dimension - SHOWN} more")
        lines += [f"special values: {case}" for case in self.jumps]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<IntegralBasis: {self._headline}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{k}</td><td style='text-align:left'>$\\displaystyle {sp.latex(e)}$</td></tr>"
            for k, e in enumerate(self.integrals[:SHOWN], 1)
        )
        more = f"<p>… and {self.dimension - SHOWN} more</p>" if self.dimension > SHOWN else ""
        return f"<p><b>{self._headline}</b> <small>({html.escape(self.reason)})</small></p><table>{rows}</table>{more}"
