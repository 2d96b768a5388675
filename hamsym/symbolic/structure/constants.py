"""A Lie algebra as its structure constants: brackets, centre, series of ideals, subalgebras and quotients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from flint import fmpq

from hamsym.symbolic.structure.elimination import Echelon, Vector, combination, kernel, plus, scaled


class Structure:
    """A Lie algebra with basis e_0 … e_(n-1) over Q, or over a field of parameters.

    Arguments:
        brackets: (i, j) with i < j to [e_i, e_j] as index -> coefficient; brackets that vanish may be left out.
        dimension: n.

    The Jacobi identity is not checked here; see :meth:`jacobi_failure`.

    Example:
        >>> one = fmpq(1)
        >>> rotations = Structure({(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}}, 3)
        >>> rotations.jacobi_failure() is None, rotations.centre.dimension, rotations.derived.dimension
        (True, 0, 3)
    """

    def __init__(self, brackets: Mapping[tuple[int, int], Vector], dimension: int) -> None:
        self.brackets = {pair: v for pair, v in brackets.items() if v}
        self.dimension = dimension

    @cached_property
    def ad(self) -> list[list[Vector]]:
        """``ad[i][j]`` is [e_i, e_j]."""
        n = self.dimension
        table: list[list[Vector]] = [[{} for _ in range(n)] for _ in range(n)]
        for (i, j), v in self.brackets.items():
            table[i][j] = v
            table[j][i] = scaled(v, -1)
        return table

    def bracket(self, x: Vector, y: Vector) -> Vector:
        """Return [x, y]."""
        total: Vector = {}
        for i, a in x.items():
            for j, b in y.items():
                if self.ad[i][j]:
                    total = plus(total, self.ad[i][j], a * b)
        return total

    def adjoint(self, x: Vector) -> list[Vector]:
        """Return the columns of ad_x: the images [x, e_j]."""
        return [self.bracket(x, {j: fmpq(1)}) for j in range(self.dimension)]

    def jacobi_failure(self) -> tuple[int, int, int] | None:
        """Return three basis elements that violate the Jacobi identity, or None if there are none."""
        n, ad = self.dimension, self.ad
        for i in range(n):
            for j in range(i + 1, n):
                for k in range(j + 1, n):
                    if not ad[i][j] and not ad[j][k] and not ad[i][k]:
                        continue
                    total = combination(ad[i][j], ad[k])
                    total = plus(total, combination(ad[j][k], ad[i]))
                    total = plus(total, combination(ad[i][k], ad[j]), -1)
                    if total:
                        return i, j, k
        return None

    # -- ideals ----------------------------------------------------------------------------------------

    @cached_property
    def whole(self) -> Echelon:
        """The algebra as a subspace of itself."""
        return Echelon({i: fmpq(1)} for i in range(self.dimension))

    def commutator(self, u: Echelon, v: Echelon) -> Echelon:
        """Return the span of [x, y] with x in u and y in v."""
        span = Echelon()
        for x in u:
            for y in v:
                span.add(self.bracket(x, y))
                if span.dimension == self.dimension:
                    return span
        return span

    @cached_property
    def derived(self) -> Echelon:
        """The derived algebra [L, L]."""
        return Echelon(self.brackets.values())

    @cached_property
    def derived_series(self) -> list[Echelon]:
        """L, [L, L], [[L, L], [L, L]], … until it repeats or vanishes."""
        return self._series(lambda step: self.commutator(step, step))

    @cached_property
    def lower_central_series(self) -> list[Echelon]:
        """L, [L, L], [L, [L, L]], … until it repeats or vanishes."""
        return self._series(lambda step: self.commutator(self.whole, step))

    def _series(self, following: Callable[[Echelon], Echelon]) -> list[Echelon]:
        """Return L, [L, L] and what follows, until it repeats or vanishes."""
        series, step = [self.whole], self.derived
        while step.dimension < series[-1].dimension:
            series.append(step)
            step = following(step)
        return series

    @cached_property
    def is_solvable(self) -> bool:
        """Whether the derived series ends at zero."""
        return self.derived_series[-1].dimension == 0

    @cached_property
    def is_nilpotent(self) -> bool:
        """Whether the lower central series ends at zero."""
        return self.lower_central_series[-1].dimension == 0

    @cached_property
    def centre(self) -> Echelon:
        """What commutes with everything."""
        return self.centraliser(self.whole)

    def centraliser(self, subspace: Echelon) -> Echelon:
        """Return the subspace of all x with [x, y] = 0 for every y in the subspace."""
        rows: list[Vector] = []
        for y in subspace:
            by_place: dict[int, Vector] = {}
            for i in range(self.dimension):
                for k, entry in self.bracket({i: fmpq(1)}, y).items():
                    by_place.setdefault(k, {})[i] = entry
            rows += by_place.values()
        return Echelon(kernel(rows, self.dimension))

    def is_ideal(self, subspace: Echelon) -> bool:
        """Whether [L, subspace] lies in the subspace."""
        return all(self.bracket({i: fmpq(1)}, v) in subspace for i in range(self.dimension) for v in subspace)

    # -- smaller algebras ------------------------------------------------------------------------------

    def subalgebra(self, subspace: Echelon) -> Structure:
        """Return the algebra on a subspace that is closed, in the basis of the subspace."""
        basis = subspace.basis
        return Structure(
            {
                (i, j): subspace.coordinates(self.bracket(basis[i], basis[j]))
                for i in range(len(basis))
                for j in range(i + 1, len(basis))
            },
            len(basis),
        )

    def complement(self, subspace: Echelon) -> list[int]:
        """Return basis elements of the algebra whose classes are a basis modulo the subspace."""
        pivots = set(subspace.pivots)
        return [i for i in range(self.dimension) if i not in pivots]

    def quotient(self, ideal: Echelon) -> Structure:
        """Return the algebra modulo an ideal, in the classes of the basis elements of :meth:`complement`."""
        kept = self.complement(ideal)
        place = {k: i for i, k in enumerate(kept)}
        brackets = {}
        for a, i in enumerate(kept):
            for b, j in enumerate(kept[a + 1 :], start=a + 1):
                brackets[a, b] = {place[k]: c for k, c in ideal.reduce(self.ad[i][j]).items()}
        return Structure(brackets, len(kept))

    def changed(self, basis: Iterable[Vector]) -> Structure:
        """Return the same algebra in another basis.

        Arguments:
            basis: n independent vectors.
        """
        new = list(basis)
        n = self.dimension
        span = Echelon({**v, n + k: fmpq(1)} for k, v in enumerate(new))  # [v | unit]: inverts by elimination
        rows = span.basis

        def coordinates(v: Vector) -> Vector:
            return {k - n: c for k, c in combination(v, rows).items() if k >= n}

        return Structure(
            {(i, j): coordinates(self.bracket(new[i], new[j])) for i in range(n) for j in range(i + 1, n)}, n
        )
