"""A basis of first integrals: its structure, its evidence, its special cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import sympy as sp

from hamsym.errors import UndecidedError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.bracket import Formula, verify
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.integrals.ansatz import Ansatz
from hamsym.symbolic.integrals.completeness import doubt
from hamsym.symbolic.integrals.conserved import Conservation
from hamsym.symbolic.integrals.display import SHOWN, Display
from hamsym.symbolic.integrals.independence import are_independent
from hamsym.symbolic.integrals.products import minimal_generators
from hamsym.symbolic.integrals.rank import flow_rank, is_rank_exact, numeric_rank
from hamsym.symbolic.integrals.scope import advice, contains_by_form, hamiltonian_of, in_words
from hamsym.symbolic.integrals.solved import Solved, solved
from hamsym.symbolic.integrals.special import SpecialCase, special_cases
from hamsym.symbolic.integrals.trials import Trials
from hamsym.symbolic.zero_test.operations import NoTape
from hamsym.symbolic.zero_test.verdict import Verdict


class IntegralBasis(Display):
    """A basis of all conserved combinations of an ansatz, modulo constants.

    Generators, rank and special cases are computed when first asked for, each within the budget of the search.

    Attributes:
        space: the space.
        dimension: the number of independent integrals, over Q or over the field of the parameters.
        integrals: the integrals, of low degree and of few terms first.
        complete: whether it was shown that there are no others in the ansatz.
        reason: why, or why not.
        unseen: what the normal form may not see of relations between functions; empty if it sees all.
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
        found: Solved | None = None,
    ) -> None:
        self.ansatz, self.space, self.functions = ansatz, ansatz.space, tuple(functions)
        self.budget = budget
        self.complete, self.reason, self.unseen = False, "", ""
        self.dimension, self.size = 0, (0, 0)
        self._solved, self._degree, self._may_jump, self._is_bent = found, 0, False, False
        if found is not None:
            self.dimension, self.size, self._degree = (
                len(found.combinations),
                found.solution.size,
                found.degree,
            )
            self._is_bent = found.system.is_bent
            self._may_jump = self._is_bent or bool(found.solution.critical)

    def __getstate__(self) -> dict[str, object]:
        """Give formulas and facts to pickle; a copy solves the linear system again should it need it."""
        return {"integrals": self.integrals, **self.__dict__, "_solved": None}

    @property
    def tried(self) -> str:
        """What was tried, in words."""
        if not self._degree:
            return "no degree was finished"
        return f"all monomials up to degree {self._degree} were tried"

    @cached_property
    def integrals(self) -> list[sp.Expr]:
        """The integrals, of low degree and of few terms first."""
        found = self._solved
        return [] if found is None else [found.system.expression(c) for c in found.combinations]

    def _ready(self, seconds: float) -> Solved:
        """Return the solved system with so much time.

        Raises:
            ProofStopped: if it has to be solved again and that takes longer.
        """
        if self._solved is None:
            system = Conservation(self.ansatz, self.functions, tw.Clock(seconds))
            self._solved = solved(system, self._degree)
        self._solved.system.allow(seconds)
        return self._solved

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
        return self._find_generators(self.budget)

    def _find_generators(self, seconds: float) -> list[int]:
        if not self.dimension:
            return []
        try:
            found = self._ready(seconds)
            return minimal_generators(found.system, found.combinations)
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
        return self._find_rank(self.budget)

    def _rank_within(self, seconds: float) -> tuple[int, bool]:
        found = self.__dict__.get("_rank") or self._find_rank(min(self.budget, seconds))
        if found[1]:
            self.__dict__["_rank"] = found
        return found

    def _find_rank(self, seconds: float) -> tuple[int, bool]:
        if not self.dimension:
            return 0, True
        try:
            if "_generators" not in self.__dict__:
                self.__dict__["_generators"] = self._find_generators(seconds)
            chosen, generate = self._generators, True
        except UndecidedError:
            chosen, generate = list(range(min(self.dimension, SHOWN))), False
        value = 0
        try:
            solution = self._ready(seconds)
            system, clock = solution.system, solution.system.tower.clock
            limit = len(self.space.variables)
            if self.space.time is None:  # the differential of an integral vanishes on the flows
                limit -= flow_rank(self.functions, self.space, clock)
            bound = min(limit, len(chosen))
            found = numeric_rank([self.integrals[i] for i in chosen], self.space, clock, bound)
            value = found.value
            if value >= bound:
                return value, generate or value == limit
            elements = [system.element(solution.combinations[i]) for i in chosen]
            variables = [system.tower.number(v) for v in self.space.variables]
            exact = generate and is_rank_exact(system.tower, elements, variables, found)
            return value, exact
        except (tw.ProofStopped, NoTape, ArithmeticError, ValueError):
            return value, False

    def contains(self, expression: Formula) -> bool:
        """Tell whether an expression is a combination of the integrals and a constant.

        Arguments:
            expression: text or expression in the names of the space.

        Raises:
            FormulaError: if the expression is refused.
            UndecidedError: if that could neither be shown nor excluded.

        Example:
            >>> from hamsym import Hamiltonian, PhaseSpace, find_integrals
            >>> basis = find_integrals(Hamiltonian("p1**2 + q1**2", PhaseSpace.standard(1)), degree=2)
            >>> basis.contains("3*p1**2 + 3*q1**2 + 7"), basis.contains("q1")
            (True, False)
        """
        expr = self.space.express(expression)
        rational = self._solved.combinations if self._solved and self._solved.is_rational else []
        written = [] if rational else self.integrals
        try:
            system = Conservation(self.ansatz, self.functions, tw.Clock(self.budget), [expr, *written])
            ring = system.tower.ring
            known = [system.element(c) for c in rational] if rational else system.extra[1:]
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

    @cached_property
    def hint(self) -> str:
        """What to add to the ansatz where the Hamiltonian itself is not of its form, or an empty text.

        Example:
            >>> from hamsym import Hamiltonian, PhaseSpace, find_integrals
            >>> kepler = Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", PhaseSpace.standard(2))
            >>> find_integrals(kepler, degree=2).hint
            'H itself is not of this form; add ansatz entries such as 1/sqrt(q1**2 + q2**2)'
        """
        own = hamiltonian_of(self.functions, self.ansatz)
        if own is None or not self.complete or contains_by_form(self.ansatz, own):
            return ""
        try:
            inside = self.contains(own)
        except UndecidedError:
            return ""
        return "" if inside else f"H itself is not of this form; {advice(self.ansatz, own)}"

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
        present = set().union(*(e.free_symbols for e in (*self.functions, *self.ansatz.entries)))
        if not present & set(self.space.parameters.values()):
            return [], ""
        cases, reasons = self._special_cases()
        if self.unseen:
            reasons.append(
                f"functions in the system may be related in a way that was not seen ({self.unseen})"
            )
        elif not self.complete:
            reasons.append(self.reason)
        return cases, "; ".join(dict.fromkeys(reasons))

    def _special_cases(self) -> tuple[list[SpecialCase], list[str]]:
        if not self._may_jump:
            return [], []
        try:
            found = self._ready(self.budget)
        except tw.ProofStopped as stop:
            return [], [str(stop)]
        if not self._is_bent:
            return special_cases(found.system, found.solution, found.columns, self.budget)
        trials = Trials(self.ansatz, self.functions, found, self.integrals, self.budget)
        trials.run()
        return trials.cases, trials.reasons

    # -- evidence --------------------------------------------------------------------------------------

    def verify(self, budget: float = 10.0) -> list[Verdict]:
        """Return the verdict on each integral by the general zero test, which shares no linear algebra with the search.

        Arguments:
            budget: seconds for each verdict.

        Example:
            >>> from hamsym import Hamiltonian, PhaseSpace, find_integrals
            >>> basis = find_integrals(Hamiltonian("p1**2 + q1**2", PhaseSpace.standard(1)), degree=2)
            >>> [verdict.status for verdict in basis.verify()]
            ['proved']
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
            "ansatz": in_words(self.ansatz),
            "hint": self.hint,
            "equations": self.size[0],
            "unknowns": self.size[1],
            "integrals": [to_text(e) for e in self.integrals],
            "generators": generators,
            "special": [case.to_dict() for case in self.jumps],
            "special_reason": self.jumps_reason,
        }

    def __iter__(self) -> Iterator[sp.Expr]:
        return iter(self.integrals)

    def __len__(self) -> int:
        return self.dimension

    def __getitem__(self, i: int) -> sp.Expr:
        return self.integrals[i]
