"""The linear system of an ansatz up to a degree, with its solution in a basis that people can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import fmpq_mpoly

from hamsym.symbolic.integrals.ansatz import Exponents
from hamsym.symbolic.integrals.conserved import Conservation, Solution
from hamsym.symbolic.integrals.readable import Combination, readable


@dataclass(frozen=True)
class Solved:
    """A system and its solution.

    Attributes:
        system: the entries and flows in a tower.
        degree: largest total degree of the monomials.
        columns: independent monomials, the unknowns.
        solution: the conserved combinations in echelon form.
        combinations: another basis of them, in the monomials.
    """

    system: Conservation
    degree: int
    columns: Sequence[Exponents]
    solution: Solution
    combinations: Sequence[Combination]

    @property
    def is_rational(self) -> bool:
        """Whether no coefficient contains a parameter."""
        return not any(isinstance(v, fmpq_mpoly) for c in self.combinations for v in c.values())


def solved(system: Conservation, degree: int) -> Solved:
    """Solve the linear system of the monomials up to a degree.

    Raises:
        ProofStopped: when the clock of the tower runs out.

    Example:
        >>> from hamsym import PhaseSpace
        >>> from hamsym.symbolic.integrals.ansatz import monomials
        >>> from hamsym.symbolic.tower import Clock
        >>> space = PhaseSpace.standard(1)
        >>> system = Conservation(monomials(space, 2), [space.parse("p1**2 - q1**2")], Clock(1.0))
        >>> [system.expression(c) for c in solved(system, 2).combinations]
        [p1**2 - q1**2]
    """
    columns = system.independent(system.ansatz.limited(degree).exponents)
    solution = system.solve(columns)
    vectors = [{columns[j]: value for j, value in vector.items()} for vector in solution.vectors]
    return Solved(system, degree, columns, solution, readable(system.ansatz, vectors))
