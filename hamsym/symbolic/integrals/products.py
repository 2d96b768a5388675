"""The algebra that integrals generate: which of them are no polynomials in others?"""

from __future__ import annotations

from collections.abc import Sequence

from flint import fmpq_mpoly

from hamsym.symbolic.integrals.conserved import Conservation
from hamsym.symbolic.integrals.readable import Combination, degree_of


def minimal_generators(system: Conservation, combinations: Sequence[Combination]) -> list[int]:
    """Return the places of those combinations that are not spanned by products of chosen ones of lower degree.

    Arguments:
        system: the tower and the ansatz.
        combinations: linearly independent combinations that span all conserved ones up to each degree.

    Raises:
        ProofStopped: when the budget is used up.
    """
    degrees = [degree_of(c) for c in combinations]
    highest, ring, chosen = max(degrees, default=0), system.tower.ring, []
    powers: list[list[fmpq_mpoly]] = [[ring.one], *([] for _ in range(highest))]
    for degree in range(1, highest + 1):
        lower = [m for ms in powers[: degree + 1] for m in ms]
        present = [i for i, d in enumerate(degrees) if d == degree]
        if not present:
            continue
        elements = [system.element(combinations[i]) for i in present]
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
