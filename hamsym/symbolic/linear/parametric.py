"""The nullspace of a sparse matrix over a field of parameters, and where it may grow.

Entries are polynomials in parameters.  Pivots that are numbers are taken first: they hold for all values.  What is
left is eliminated without fractions, and every pivot, and every factor that was divided out of a row, is noted:
where none of them vanishes, each step is valid and the dimension is the generic one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from flint import fmpq_mpoly

from hamsym.symbolic.linear.sparse import ShortestFirst, by_column

#: Column -> nonzero polynomial in the parameters.
PolynomialRow = dict[int, fmpq_mpoly]
Reduce = Callable[[fmpq_mpoly], fmpq_mpoly]


@dataclass
class Kernel:
    """A nullspace over a field of parameters.

    Attributes:
        vectors: last column -> vector with polynomial entries without common factor; at each last column, the other
            vectors are 0.
        critical: polynomials; where none of them vanishes, the dimension is the number of vectors.
    """

    vectors: dict[int, PolynomialRow]
    critical: list[fmpq_mpoly]


class Elimination:
    """Rows, and the pivots taken from them.

    Arguments:
        rows: column -> polynomial in the parameters.
        reduce: brings a polynomial to normal form by the relations between the parameters; it is 0 only for zero.
        check: called now and then; what it raises ends the work.
    """

    def __init__(
        self, rows: Iterable[Mapping[int, fmpq_mpoly]], reduce: Reduce, check: Callable[[], None]
    ) -> None:
        self.reduce, self.check = reduce, check
        self.rows: dict[int, PolynomialRow] = {}
        self.pivots: list[tuple[int, fmpq_mpoly, PolynomialRow]] = []
        self.critical: dict[str, fmpq_mpoly] = {}
        seen: set[tuple[tuple[int, str], ...]] = set()
        for i, row in enumerate(rows):
            reduced = {j: r for j, v in row.items() if not (r := reduce(v)).is_zero()}
            name = tuple(sorted((j, str(v)) for j, v in reduced.items()))
            if reduced and name not in seen:
                seen.add(name)
                self.rows[i] = reduced
        self.where = by_column(self.rows)

    def take_constant_pivots(self) -> None:
        """Eliminate with pivots that are numbers; this holds for all values of the parameters."""
        queue = ShortestFirst(self.rows)
        for i, row in queue:
            constant = [j for j, v in row.items() if v.is_constant()]
            if constant:
                pivot = min(constant, key=lambda j: len(self.where[j]))
                queue.changed(self._eliminate(i, pivot))

    def take_all_pivots(self) -> None:
        """Eliminate to the end, noting what must not vanish."""
        while self.rows:
            i = min(self.rows, key=self._cost)
            row = self.rows[i]
            content = _content(row.values())
            if not content.is_constant():
                self._note(content)
                row = self.rows[i] = {j: divmod(v, content)[0] for j, v in row.items()}
            pivot = min(row, key=lambda j: (len(row[j]), row[j].total_degree(), len(self.where[j])))
            if not row[pivot].is_constant():
                self._note(row[pivot])
            self._eliminate(i, pivot)

    def _cost(self, i: int) -> tuple[int, int]:
        row = self.rows[i]
        return sum(map(len, row.values())), i

    def _note(self, polynomial: fmpq_mpoly) -> None:
        self.critical.setdefault(str(polynomial), polynomial)

    def _eliminate(self, i: int, pivot: int) -> list[int]:
        """Remove a column from all rows but one, which is set aside; return the rows that changed and are left."""
        self.check()
        row = self.rows.pop(i)
        for j in row:
            self.where[j].discard(i)
        head = row.pop(pivot)
        self.pivots.append((pivot, head, row))
        changed = []
        for k in self.where.pop(pivot):
            target = self.rows[k]
            tail = target.pop(pivot)
            if head.is_constant():
                scale, factor = None, tail / head.leading_coefficient()
            else:
                common = head.gcd(tail)
                scale, factor = divmod(head, common)[0], divmod(tail, common)[0]
            total = target if scale is None else {j: scale * v for j, v in target.items()}
            for j, v in row.items():
                term = factor * v
                total[j] = total[j] - term if j in total else -term
            old, new = self.rows[k].keys() | row.keys(), {}
            for j, v in total.items():
                reduced = self.reduce(v) if scale is not None or j in row else v
                if not reduced.is_zero():
                    new[j] = reduced
            for j in new:
                self.where[j].add(k)
            for j in old - new.keys():
                self.where[j].discard(k)
            if new:
                self.rows[k] = new
                changed.append(k)
            else:
                del self.rows[k]
        return changed

    def solutions(self, unknowns: int, one: fmpq_mpoly) -> list[PolynomialRow]:
        """Return a basis of the nullspace, by putting free columns into the pivots from the last to the first."""
        pivots = {j for j, _, _ in self.pivots}
        vectors = []
        for free in range(unknowns):
            if free in pivots:
                continue
            vector = {free: one}
            for pivot, head, row in reversed(self.pivots):
                terms = [row[j] * vector[j] for j in row.keys() & vector.keys()]
                total = self.reduce(sum(terms[1:], terms[0])) if terms else None
                if total is None or total.is_zero():
                    continue
                if head.is_constant():
                    vector[pivot] = -total / head.leading_coefficient()
                    continue
                self.check()
                common = head.gcd(total)
                scale = divmod(head, common)[0]
                if not scale.is_constant() or scale.leading_coefficient() != 1:
                    vector = {j: self.reduce(v * scale) for j, v in vector.items()}
                vector[pivot] = -divmod(total, common)[0]
            vectors.append(vector)
        return vectors


def kernel(
    rows: Sequence[Mapping[int, fmpq_mpoly]],
    unknowns: int,
    one: fmpq_mpoly,
    reduce: Reduce = lambda v: v,
    check: Callable[[], None] = lambda: None,
) -> Kernel:
    """Return the nullspace over the field of fractions of a ring of parameters, proved on every row.

    Arguments:
        rows: column -> polynomial in the parameters.
        unknowns: number of columns.
        one: the polynomial 1.
        reduce: normal form by relations between the parameters, if there are any.
        check: called now and then; what it raises ends the work.

    Example:
        >>> from flint import Ordering, fmpq_mpoly_ctx
        >>> ring = fmpq_mpoly_ctx.get(["a"], Ordering.lex)
        >>> a, one = ring.gens()[0], ring.constant(1)
        >>> found = kernel([{0: a, 1: a - 1}], 2, one)
        >>> found.vectors, found.critical
        ({1: {0: -a + 1, 1: a}}, [a])
    """
    elimination = Elimination(rows, reduce, check)
    elimination.take_constant_pivots()
    elimination.take_all_pivots()
    vectors = _echelon(elimination.solutions(unknowns, one), reduce, check)
    for row in rows:
        for vector in vectors.values():
            terms = [row[j] * vector[j] for j in row.keys() & vector.keys()]
            if terms and not reduce(sum(terms[1:], terms[0])).is_zero():
                raise ArithmeticError("an eliminated system is not solved by its solution")
    return Kernel(vectors, list(elimination.critical.values()))


def _echelon(
    vectors: list[PolynomialRow], reduce: Reduce, check: Callable[[], None]
) -> dict[int, PolynomialRow]:
    """Bring vectors to the form in which all others are 0 at the last column of each."""
    done: dict[int, PolynomialRow] = {}
    waiting = [_primitive(v) for v in vectors]
    while waiting:
        check()
        last = max(max(v) for v in waiting)
        chosen = min((v for v in waiting if last in v), key=lambda v: sum(map(len, v.values())))
        waiting = [_without(v, last, chosen, reduce) if last in v else v for v in waiting if v is not chosen]
        done = {j: _without(v, last, chosen, reduce) if last in v else v for j, v in done.items()}
        done[last] = chosen
    return {j: dict(sorted(done[j].items())) for j in sorted(done)}


def _without(vector: PolynomialRow, column: int, other: PolynomialRow, reduce: Reduce) -> PolynomialRow:
    """Return a multiple of a vector minus a multiple of another one such that a column vanishes."""
    common = vector[column].gcd(other[column])
    scale, factor = divmod(other[column], common)[0], divmod(vector[column], common)[0]
    total = {j: scale * v for j, v in vector.items()}
    for j, v in other.items():
        total[j] = total[j] - factor * v if j in total else -factor * v
    del total[column]
    return _primitive({j: r for j, v in total.items() if not (r := reduce(v)).is_zero()})


def _primitive(vector: PolynomialRow) -> PolynomialRow:
    content = _content(vector.values())
    return {j: divmod(v, content)[0] for j, v in vector.items()}


def _content(polynomials: Iterable[fmpq_mpoly]) -> fmpq_mpoly:
    """Return the greatest common divisor, monic."""
    common = None
    for v in sorted(polynomials, key=len):
        common = v if common is None else common.gcd(v)
        if common.is_constant():
            break
    assert common is not None
    return common / common.leading_coefficient()
