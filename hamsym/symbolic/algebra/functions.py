"""Functions on a Poisson manifold as vectors: their brackets, and who is a linear combination of whom."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy as sp
from flint import fmpq, fmpq_mpoly

from hamsym.symbolic import linear
from hamsym.symbolic import tower as tw
from hamsym.symbolic.algebra.scalars import Scalar, rational
from hamsym.symbolic.space import Space
from hamsym.symbolic.structure import Echelon, Vector
from hamsym.symbolic.tower.certificate import Reader
from hamsym.symbolic.tower.derive import Gradient

#: Denominators from which on systems are made as small as guesses by numbers allow.
HEAVY = 3


class Functions:
    """Phase-space functions inside one tower.

    Scalars are the rational numbers, irrational constants and functions of the parameters of the space.

    Arguments:
        space: the Poisson manifold.
        expressions: all functions that will be converted, in the space's symbols.
        positive: expressions that are positive wherever the functions are considered.
        clock: the deadline.

    Raises:
        ProofStopped: from every method, when the deadline has passed.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2)
        >>> texts = ["q1*p2 - q2*p1", "p1", "p2", "2*p1 - p2"]
        >>> functions = Functions(space, [space.parse(t) for t in texts], (), tw.Clock(1.0))
        >>> elements = functions.elements
        >>> functions.dependences([*elements, functions.bracket(elements[0], elements[1])])
        {3: {1: 2, 2: -1}, 4: {2: 1}}
    """

    def __init__(
        self,
        space: Space,
        expressions: Sequence[sp.Expr],
        positive: Iterable[sp.Expr],
        clock: tw.Clock,
    ) -> None:
        self.space, self.clock = space, clock
        self.used = used = set().union(*(e.free_symbols for e in expressions))
        self.tower = tw.Tower(clock, size=2 * len(used) + 8)
        self.converter = tw.Converter(self.tower)
        self.converter.prepare(*expressions, *(sp.log(e, evaluate=False) for e in positive))
        self.elements = [self.converter.convert(e) for e in expressions]
        #: Polynomials in parameters; where none of them vanishes, dependences are as they were found.
        self.critical: dict[str, fmpq_mpoly] = {}
        self._slopes: dict[str, dict[int, fmpq_mpoly]] = {}
        self._tensor = [
            (self.tower.number(a), self.tower.number(b), self.converter.convert(entry))
            for (a, b), entry in space.poisson_tensor.items()
            if not space.momenta or (a in used and b in used)  # canonical brackets bring in no new variables
        ]
        in_tensor = set().union(*(entry.free_symbols for entry in space.poisson_tensor.values()))
        parameters = {*space.parameters.values()} & (used | in_tensor)
        self.parameters = frozenset(self.tower.number(s) for s in parameters)

    def restart(self, budget: float = math.inf) -> None:
        """Give the work from now on its own deadline; without one for arithmetic with scalars, which is small."""
        self.clock = self.tower.clock = self.tower.ring.clock = tw.Clock(budget)

    def monic(self, element: fmpq_mpoly) -> fmpq_mpoly:
        """Return the multiple of an element whose leading coefficient is 1."""
        return self.tower.ring.monic(self.tower.ring.lift(element))[1]

    def expression(self, element: fmpq_mpoly) -> sp.Expr:
        """Return an element in the symbols of the space."""
        return Reader(self.tower, self.space.functions).expand(element)

    @property
    def is_heavy(self) -> bool:
        """Whether there are so many denominators that clearing all of them at once is to be avoided."""
        return sum(e.kind == "inverse" for e in self.tower.extensions) >= HEAVY

    def scalar(self, entry: fmpq_mpoly) -> Any:
        """Return an element that depends on no variable as a number."""
        if entry.is_constant():
            return fmpq(0) if entry.is_zero() else fmpq(entry.leading_coefficient())
        return rational(Scalar(self.tower, entry))

    def scaled(self, element: fmpq_mpoly, factor: Any) -> fmpq_mpoly:
        """Return factor · element for a scalar."""
        ring = self.tower.ring
        by = factor.element if isinstance(factor, Scalar) else ring.constant(factor)
        return ring.mul(by, element)

    def bracket(self, f: fmpq_mpoly, g: fmpq_mpoly) -> fmpq_mpoly:
        """Return {f, g}, reduced."""
        ring, by_f, by_g = self.tower.ring, self._gradient(f), self._gradient(g)
        total = ring.zero
        for a, b, entry in self._tensor:
            if a in by_f and b in by_g:
                term = ring.mul(by_f[a], by_g[b])
                total = ring.add(total, term if entry.is_one() else ring.mul(entry, term))
        return self.tower.reduce(total)

    def _gradient(self, f: fmpq_mpoly) -> dict[int, fmpq_mpoly]:
        """Return the derivatives that do not vanish, by number of variable."""
        name = str(f)
        if name not in self._slopes:
            self.clock.check()
            gradient, present = Gradient(self.tower, f), self.tower.depends(f)
            variables = {a for a, _, _ in self._tensor} & present
            slopes = {a: gradient.by(a) for a in variables}
            self._slopes[name] = {a: slope for a, slope in slopes.items() if not slope.is_zero()}
        return self._slopes[name]

    def vanishes(self, element: fmpq_mpoly) -> bool:
        """Tell whether an element is proved to be zero."""
        return tw.vanishes(self.tower, element)

    def dependences(self, columns: Sequence[fmpq_mpoly]) -> dict[int, Vector]:
        """Return each element that is a linear combination of earlier ones, with its combination.

        Only elements that are not such a combination themselves occur in it, so it is unique.
        """
        found = self._rows(columns)
        if all(entry.is_constant() for row in found for entry in row.values()):
            return self._rational_dependences(found, len(columns))
        kernel = linear.kernel(found, len(columns), self.tower.ring.one, self.tower.reduce, self.clock.check)
        for polynomial in kernel.critical:
            for factor, _ in self.tower.factored(polynomial)[1]:
                self.critical.setdefault(str(factor), factor)
        dependences: dict[int, Vector] = {}
        for last, v in kernel.vectors.items():
            numbers = {k: self.scalar(c) for k, c in v.items()}
            dependences[last] = {k: rational(-c / numbers[last]) for k, c in numbers.items() if k != last}
        return dependences

    def reduced_basis(self, columns: Sequence[fmpq_mpoly]) -> list[Vector]:
        """Return combinations of independent elements in which as many coefficients as possible are 0 or 1.

        The reduced echelon basis of a span does not depend on the elements that it was given by: parameters that
        only mix the elements drop out.
        """
        found = self._rows(columns)
        vectors: list[Vector] = [{} for _ in columns]
        for i, row in enumerate(found):
            for j, entry in row.items():
                number = self.scalar(entry)
                if number:
                    vectors[j][i] = number
        height = len(found)
        reduced = Echelon({**v, height + j: fmpq(1)} for j, v in enumerate(vectors))
        return [{k - height: rational(c) for k, c in v.items() if k >= height} for v in reduced]

    def _rows(self, columns: Sequence[fmpq_mpoly]) -> list[dict[int, fmpq_mpoly]]:
        """Return the linear system of the vanishing combinations, over the field of the scalars."""
        kept = frozenset(e.index for e in self.tower.extensions if e.depends <= self.parameters)
        return tw.rows(self.tower, list(columns), kept)

    def _rational_dependences(
        self, found: Sequence[Mapping[int, fmpq_mpoly]], count: int
    ) -> dict[int, Vector]:
        rows = [{j: fmpq(entry.leading_coefficient()) for j, entry in row.items()} for row in found]
        vectors = linear.nullspace(rows, count, self.clock.check)
        return {max(v): {k: -c for k, c in v.items() if k != max(v)} for v in vectors}
