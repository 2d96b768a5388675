"""Every first integral in an ansatz space."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from functools import cached_property

import sympy as sp
from flint import fmpq_mpoly

from hamsym.arguments import real
from hamsym.errors import SpaceError, UndecidedError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.ansatz import Ansatz, monomials
from hamsym.symbolic.bracket import Formula, OnSpace, verify
from hamsym.symbolic.completeness import doubt
from hamsym.symbolic.conserved import Conservation
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.rank import JacobianRank, flow_rank, is_rank_exact, numeric_rank
from hamsym.symbolic.readable import Combination, degree_of, readable
from hamsym.symbolic.space import Space
from hamsym.symbolic.text import shorten, to_text
from hamsym.symbolic.tower.certificate import Reader
from hamsym.symbolic.verdict import Verdict

#: Integrals that a notebook or terminal shows.
SHOWN = 40
#: Above this many monomials the lower degrees are solved first, so that an overrun leaves their integrals.
LARGE = 1000


def find_integrals(
    H: OnSpace,
    degree: int = 4,
    ansatz: Sequence[Formula] | None = None,
    momentum_degree: int | None = None,
    max_exponents: Sequence[int | None] | None = None,
    *,
    budget: float = 60.0,
    progress: bool = False,
) -> IntegralBasis:
    """Find all combinations of the monomials in an ansatz that H conserves.

    Arguments:
        H: the Hamiltonian, on any space; with explicit time ``{g, H} + ∂g/∂t`` has to vanish.
        degree: largest total degree of a monomial in the ansatz entries.
        ansatz: texts or expressions whose monomials are tried; all coordinates and momenta by default.
        momentum_degree: exact total degree in the momenta, for example 1 for Killing vectors; None for any.
        max_exponents: largest exponent of each entry, None for no bound.
        budget: seconds; on overrun the result holds what lower degrees gave and is not complete.
        progress: whether to show a bar on the terminal.

    Returns:
        A basis, over Q or over the field of the parameters, of all conserved combinations modulo constants.

    Raises:
        FormulaError: for ansatz entries that are refused.
        ParameterError: for numbers out of range and for an ansatz of absurd size.

    Source: the method of an ansatz for polynomial first integrals, as in Schwarz (1986) for REDUCE; here over any
        functions of the tower.  The exact linear algebra is in :mod:`hamsym.symbolic.linear`.

    Example:
        >>> from hamsym import PhaseSpace
        >>> H = Hamiltonian("(p1**2 + p2**2)/2 + (q1**2 + q2**2)/2", PhaseSpace.standard(2))
        >>> basis = find_integrals(H, degree=2)
        >>> basis.dimension, basis.rank, basis.complete
        (4, 3, True)
        >>> basis.integrals
        [p1**2 + q1**2, p1*p2 + q1*q2, p2**2 + q2**2, -p1*q2 + p2*q1]
    """
    if not (hasattr(H, "expr") and isinstance(getattr(H, "space", None), Space)):
        raise SpaceError(
            f"find_integrals needs a Hamiltonian, not {type(H).__name__}; pass Hamiltonian(text, space)"
        )
    seconds = real("budget", budget, above=0)
    tried = monomials(H.space, degree, ansatz, momentum_degree, max_exponents)
    return solve(tried, [H.space.express(H)], seconds, progress)


def solve(
    ansatz: Ansatz, functions: Sequence[sp.Expr], budget: float, progress: bool = False
) -> IntegralBasis:
    """Return the combinations of an ansatz that are conserved along the flows of all given functions."""
    from hamsym.numeric.progress import Bar

    clock = tw.Clock(budget)
    stages = [ansatz.degree]
    if ansatz.size > LARGE:
        stages = [d for d in range(1, ansatz.degree) if ansatz.limited(d).size > LARGE // 20] + stages
    basis = IntegralBasis(ansatz, functions, budget)
    with Bar(progress, unit="degree", total=len(stages), desc="integrals") as bar:
        try:
            system = Conservation(ansatz, functions, clock)
            for d in stages:
                basis = _solved(system, ansatz, d, functions, budget)
                bar.update(1)
        except tw.ProofStopped as stop:
            basis.reason = f"{stop}; {basis.tried}"
        except (ArithmeticError, ValueError, MemoryError, RecursionError) as failure:
            basis.reason = f"the arithmetic gave up ({failure}); {basis.tried}"
    return basis


def _solved(
    system: Conservation, ansatz: Ansatz, degree: int, functions: Sequence[sp.Expr], budget: float
) -> IntegralBasis:
    columns = system.independent(ansatz.limited(degree).exponents)
    solution = system.solve(columns)
    vectors = [{columns[j]: value for j, value in vector.items()} for vector in solution.vectors]
    basis = IntegralBasis(ansatz, functions, budget, system, readable(ansatz, vectors), degree)
    if degree < ansatz.degree:
        return basis
    reason = doubt(system.tower, system.used)
    basis.complete = reason is None
    basis.reason = (
        "every conserved combination is a solution of an exact linear system, which was solved completely"
        if reason is None
        else f"functions in the system may be related in a way that was not seen ({reason})"
    )
    return basis


class IntegralBasis:
    """A basis of all conserved combinations of an ansatz, modulo constants.

    Attributes:
        space: the space.
        dimension: the number of independent integrals, over Q or over the field of the parameters.
        complete: whether it was shown that there are no others in the ansatz.
        reason: why, or why not.

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
        solved_degree: int = 0,
    ) -> None:
        self.ansatz, self.space, self.functions = ansatz, ansatz.space, tuple(functions)
        self.budget = budget
        self.complete, self.reason = False, ""
        self._system, self._combinations, self._solved_degree = system, list(combinations), solved_degree

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

    @cached_property
    def integrals(self) -> list[sp.Expr]:
        """The integrals, of low degree and of few terms first."""
        return [self._expression(c) for c in self._combinations]

    def _expression(self, combination: Combination) -> sp.Expr:
        assert self._system is not None
        read = Reader(self._system.tower, self.space.functions).expand
        terms = []
        for exponents, value in combination.items():
            factor = read(value) if isinstance(value, fmpq_mpoly) else sp.Rational(int(value.p), int(value.q))
            terms.append(factor * self.ansatz.monomial(exponents))
        return sp.Add(*terms)

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
            return self._minimal(self._ready())
        except tw.ProofStopped as stop:
            raise UndecidedError(f"the generators were not found: {stop}; give a larger budget") from stop

    def _minimal(self, system: Conservation) -> list[int]:
        """Go up in degree; what monomials in the generators so far span is no new generator."""
        degrees = [degree_of(c) for c in self._combinations]
        highest, ring, chosen = max(degrees), system.tower.ring, []
        powers: list[list[fmpq_mpoly]] = [[ring.one], *([] for _ in range(highest))]
        for degree in range(1, highest + 1):
            lower = [m for ms in powers[: degree + 1] for m in ms]
            present = [i for i, d in enumerate(degrees) if d == degree]
            if not present:
                continue
            elements = [system.element(self._combinations[i]) for i in present]
            found = system.relations([*lower, *elements]).vectors if len(lower) > 1 else []
            dependent = {max(v) - len(lower) for v in found}
            for k, i in enumerate(present):
                if k in dependent:
                    continue
                chosen.append(i)
                for d in range(degree, highest + 1):
                    system.tower.clock.allow(sum(map(len, powers[d - degree])) * len(elements[k]))
                    powers[d] += [system.tower.reduce(ring.mul(m, elements[k])) for m in powers[d - degree]]
        return chosen

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
        system = self._ready()
        clock = system.tower.clock
        found = JacobianRank(0)
        try:
            chosen = self._generators
            bound = min(len(chosen), len(self.space.variables))
            if self.space.time is None:  # the differential of an integral vanishes on the flows
                bound = min(bound, len(self.space.variables) - flow_rank(self.functions, self.space, clock))
            found = numeric_rank([self.integrals[i] for i in chosen], self.space, clock, bound)
            if found.value >= bound:
                return found.value, True
            elements = [system.element(self._combinations[i]) for i in chosen]
            variables = [system.tower.number(v) for v in self.space.variables]
            return found.value, is_rank_exact(system.tower, elements, variables, found)
        except (tw.ProofStopped, UndecidedError, ArithmeticError, ValueError):
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
        if reason is not None:
            raise UndecidedError(
                f"whether the basis contains {shorten(to_text(expr))} is undecided: {reason}"
            )
        return False

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
        """Return the basis in types that JSON knows, formulas as text."""
        return {
            "dimension": self.dimension,
            "rank": self.rank,
            "rank_is_exact": self.rank_is_exact,
            "complete": self.complete,
            "reason": self.reason,
            "integrals": [to_text(e) for e in self.integrals],
            "generators": [to_text(e) for e in self.generators],
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
