"""Special values of the parameters with more integrals, in the user's own symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from hamsym.symbolic import tower as tw
from hamsym.symbolic.formula.text import to_text
from hamsym.symbolic.integrals.ansatz import Exponents
from hamsym.symbolic.integrals.conditions import equation
from hamsym.symbolic.integrals.conserved import Conservation, Solution
from hamsym.symbolic.integrals.jumps import MAX_DEPTH, Jump, Search
from hamsym.symbolic.integrals.readable import Combination, readable


@dataclass(frozen=True)
class SpecialCase:
    """Special values of the parameters at which there are more integrals.

    Attributes:
        conditions: expressions in the parameters that vanish together.
        dimension: the number of integrals there.
        more: how many more these are than for generic parameters.
        integrals: those beyond what the generic integrals become there, as their limit if possible.
    """

    conditions: tuple[sp.Expr, ...]
    dimension: int
    more: int
    integrals: list[sp.Expr]

    @property
    def where(self) -> str:
        """The conditions as equations."""
        return ", ".join(map(equation, self.conditions))

    def holds(self, values: Mapping[sp.Symbol, sp.Expr]) -> bool:
        """Tell whether the conditions hold where some parameters have such values in the others.

        Example:
            >>> a, b = sp.symbols("a b", real=True)
            >>> SpecialCase((a - 2 * b,), 1, 1, []).holds({a: 2 * b})
            True
        """
        return all(sp.cancel(c.xreplace(values)) == 0 for c in self.conditions)

    def to_dict(self) -> dict[str, object]:
        """Return the case in types that JSON knows."""
        return {
            "conditions": [to_text(c) for c in self.conditions],
            "dimension": self.dimension,
            "more": self.more,
            "integrals": [to_text(e) for e in self.integrals],
        }

    def __str__(self) -> str:
        plural = "s" * (self.dimension != 1)
        return f"{self.where}: {self.dimension} integral{plural}, {self.more} more"


def special_cases(
    system: Conservation, solution: Solution, columns: Sequence[Exponents], budget: float
) -> tuple[list[SpecialCase], list[str]]:
    """Return the special cases of a solution whose parameters are coefficients only, and what else there may be.

    Arguments:
        system: the tower, with time left.
        solution: the generic solution.
        columns: the monomials of its columns.
        budget: seconds for the presentation of each case.
    """
    search = Search(system.tower, solution.rows, len(columns), system.denominators)
    reasons: list[str] = []
    try:
        search.run()
    except tw.ProofStopped as stop:
        reasons.append(str(stop))
    found: list[SpecialCase] = []
    kept: list[Jump] = []
    for jump in search.jumps:
        system.allow(budget)
        around = [j for j in kept if j.surface.contains(jump.surface)]
        case = _case(system, solution, columns, jump, around)
        if case is not None:
            found.append(case)
            kept.append(jump)
    read = system.reader.expand
    reasons += [f"{equation(read(c))} was not followed" for c in search.open]
    for conditions in search.unreached:
        where = " and ".join(equation(read(c)) for c in conditions)
        reasons.append(f"no real parameters were found with {where}, where there would be more")
    if search.cut:
        reasons.append(f"no more than {MAX_DEPTH} conditions were combined")
    return found, reasons


def _case(
    system: Conservation,
    solution: Solution,
    columns: Sequence[Exponents],
    jump: Jump,
    around: Sequence[Jump],
) -> SpecialCase | None:
    """Return what a jump adds to the generic integrals; None if that comes from the larger jumps around it."""
    named: list[Combination] = [{columns[j]: v for j, v in vector.items()} for vector in jump.vectors]
    presented = readable(system.ansatz, named)
    place = {e: j for j, e in enumerate(columns)}
    own = [{place[e]: v for e, v in jump.polynomials(c).items()} for c in presented]
    generic = jump.limit(solution.vectors)
    known = [*generic, *(row for j in around for row in jump.limit(j.vectors))]
    if jump.dependent([*known, *own]).issuperset(range(len(known), len(known) + len(own))):
        return None
    dependent = jump.dependent([*generic, *own])
    extra = [c for k, c in enumerate(presented, len(generic)) if k not in dependent]
    conditions = (sp.Poly(system.reader.expand(c)).primitive()[1].as_expr() for c in jump.conditions)
    dimension = len(jump.vectors)
    return SpecialCase(
        tuple(conditions),
        dimension,
        dimension - len(solution.vectors),
        [system.expression(c) for c in extra],
    )
