"""Special values of parameters inside functions or in the ansatz: each is put in, and the search is done again there.

What comes out is compared with the generic integrals at the special values, modulo constants.  So each case that is
reported is one; that there are no others is not claimed.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from hamsym.symbolic import tower as tw
from hamsym.symbolic.integrals.ansatz import Ansatz
from hamsym.symbolic.integrals.candidates import conditions, is_reached, rules
from hamsym.symbolic.integrals.completeness import doubt
from hamsym.symbolic.integrals.conditions import equation
from hamsym.symbolic.integrals.conserved import Conservation
from hamsym.symbolic.integrals.independence import is_certain
from hamsym.symbolic.integrals.jumps import MAX_DEPTH
from hamsym.symbolic.integrals.solved import Solved, solved
from hamsym.symbolic.integrals.special import SpecialCase

#: Searches at special values at most.
MAX_TRIALS = 60
PARTIAL = (
    "parameters occur in the ansatz or inside functions, which special values change; "
    "likely values were tried one by one, and there may be others"
)
UNDEFINED = (sp.nan, sp.oo, -sp.oo, sp.zoo, sp.I)

Values = Mapping[sp.Symbol, sp.Expr]
Conditions = tuple[sp.Expr, ...]


@dataclass
class Place:
    """Special values and the integrals there.

    Attributes:
        values: parameters -> values in the others.
        conditions: expressions that vanish there.
        found: the linear system at these values, solved.
    """

    values: Values
    conditions: Conditions
    found: Solved

    def candidates(self) -> Iterator[tuple[Values, Conditions]]:
        """Yield the values that are worth a trial where one condition more holds."""
        system = self.found.system
        for condition in conditions(system, self.found.solution.critical):
            found = rules(condition)
            for s, value in found:
                own = condition if len(found) == 1 and not sp.denom(value).free_symbols else s - value
                put = {t: sp.cancel(v.xreplace({s: value})) for t, v in self.values.items()}
                yield {**put, s: value}, (*self.conditions, own)


class Trials:
    """Trials of special values.

    Arguments:
        ansatz: the ansatz, with parameters.
        functions: what generates the flows, with parameters.
        found: the generic system, solved.
        integrals: the generic integrals.
        budget: seconds for all trials.

    Attributes:
        cases: values with more integrals than generically, those with few conditions first.
        reasons: what else there may be.
    """

    def __init__(
        self,
        ansatz: Ansatz,
        functions: Sequence[sp.Expr],
        found: Solved,
        integrals: Sequence[sp.Expr],
        budget: float,
    ) -> None:
        self.ansatz, self.functions, self.found, self.integrals = ansatz, functions, found, integrals
        self.clock = tw.Clock(budget)
        self.cases: list[SpecialCase] = []
        self.reasons = [PARTIAL]

    def run(self) -> None:
        """Try single conditions first, then further conditions where these hold."""
        seen: set[frozenset[tuple[sp.Symbol, sp.Expr]]] = set()
        waiting = deque([Place({}, (), self.found)])
        try:
            while waiting:
                for values, where in waiting.popleft().candidates():
                    name = frozenset(values.items())
                    if name in seen or not is_reached(values):
                        continue
                    if len(seen) == MAX_TRIALS:
                        self.reasons.append(f"no more than {MAX_TRIALS} values were tried")
                        return
                    seen.add(name)
                    place = self._place(values, where)
                    if place is not None and len(where) < MAX_DEPTH:
                        waiting.append(place)
        except tw.ProofStopped as stop:
            self.reasons.append(str(stop))

    def _place(self, values: Values, where: Conditions) -> Place | None:
        """Search at special values, and note the case if there is more; None where that is not possible."""
        self.clock.check()
        entries, functions = ([e.xreplace(values) for e in x] for x in (self.ansatz.entries, self.functions))
        if any(e.has(*UNDEFINED) for e in (*entries, *functions)):
            return None
        around = [case for case in self.cases if case.holds(values)]
        generic = _defined(self.integrals, values)
        known = _defined([g for case in around for g in case.integrals], values)
        ansatz = dataclasses.replace(self.ansatz, entries=tuple(entries))
        named = ", ".join(map(equation, where))
        try:
            clock = tw.Clock(self.clock.remaining)
            system = Conservation(ansatz, functions, clock, [*generic, *known])
            found = solved(system, self.found.degree)
            dimension = len(found.combinations)
            if dimension > max([len(self.integrals), *(case.dimension for case in around)]):
                if self._is_certain(found, functions):
                    self._note(found, where, len(generic))
                else:
                    self.reasons.append(f"functions may be related at {named} in a way that was not seen")
        except (tw.NotCovered, ArithmeticError, ValueError, RecursionError) as failure:
            self.reasons.append(f"{named} was not followed ({failure})")
            return None
        return Place(values, where, found)

    def _is_certain(self, found: Solved, functions: Sequence[sp.Expr]) -> bool:
        """Tell whether the integrals are certainly as many as were counted."""
        system = found.system
        if doubt(system.tower, system.used) is None:
            return True
        return is_certain(system.ansatz, found.columns, [], functions, self.clock)

    def _note(self, found: Solved, where: Conditions, generic: int) -> None:
        """Note a case, unless all its integrals come from the generic ones and from the cases around it."""
        if not _beyond(found, len(found.system.extra)):
            return
        dimension = len(found.combinations)
        integrals = [found.system.expression(found.combinations[k]) for k in _beyond(found, generic)]
        self.cases.append(SpecialCase(where, dimension, dimension - len(self.integrals), integrals))


def _defined(expressions: Sequence[sp.Expr], values: Values) -> list[sp.Expr]:
    """Return what expressions become at special values, where that is defined."""
    put = (e.xreplace(values) for e in expressions)
    return [e for e in put if not e.has(*UNDEFINED)]


def _beyond(found: Solved, known: int) -> list[int]:
    """Return the numbers of the integrals that do not follow from a constant and the first of the known ones."""
    system, ring = found.system, found.system.tower.ring
    own = [system.element(c) for c in found.combinations]
    columns = [ring.lift(e) for e in (ring.one, *system.extra[:known], *own)]
    dependent = {max(v) for v in system.relations(columns).vectors}
    return [k for k in range(len(own)) if k + 1 + known not in dependent]
