"""The bracket at a point, enclosed with certainty: the gradients of both functions, summed in arrays of intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import sympy as sp

from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.sum_proofs.atoms import Atoms, Summand
from hamsym.symbolic.sum_proofs.enclosure import _EPS, Box, enclosed
from hamsym.symbolic.sums import Ranges, auxiliaries, has_sums
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.zero_test.evaluation import concrete
from hamsym.symbolic.zero_test.operations import NoTape, OutsideDomain
from hamsym.symbolic.zero_test.witness import Point

#: Terms that are evaluated together.
TOGETHER = 50_000


class Bracket:
    """{g, H} + ∂g/∂t of two written forms at points.

    Arguments:
        g, H: the written forms.
        domain: conditions of both.
        atoms: of the space.
        functions: what stands for undefined functions.

    Raises:
        NoTape: for what cannot be evaluated in this way.
    """

    def __init__(
        self, g: sp.Expr, H: sp.Expr, domain: Domain, atoms: Atoms, functions: Mapping[str, sp.Lambda]
    ) -> None:
        self.atoms, self._domain, self._functions = atoms, domain, functions
        self._g, self._H = g, H

    def at(self, point: Point) -> Box:
        """Return bounds of the value.

        Raises:
            OutsideDomain: where g or H is not certainly finite and smooth, or a condition does not hold.
        """
        values = _Values(self.atoms, point)
        self._require_inside(values)
        space = self.atoms.space
        where = (tuple(point.items()), tuple(self._functions.items()))
        by_g, by_H = (_gradient(f, space, *where) for f in (self._g, self._H))
        n = len(space.coordinates)
        (gq, gp), (hq, hp) = (
            (Box(b.low[:n], b.high[:n]), Box(b.low[n : 2 * n], b.high[n : 2 * n])) for b in (by_g, by_H)
        )
        total = (gq * hp).total() + -(gp * hq).total()
        return total + Box(by_g.low[-1], by_g.high[-1])

    def _require_inside(self, values: _Values) -> None:
        for conditions, positive in ((self._domain.positive, True), (self._domain.nonzero, False)):
            for condition in conditions:
                if isinstance(condition, sp.Tuple):
                    body, *limits = condition.args
                    ranges = Ranges.of(sp.Sum(1, *limits))
                else:
                    body, ranges = condition, Ranges((), 1)
                if has_sums(body):
                    raise NoTape("a condition with sums in it cannot be evaluated in this way")
                e = concrete(self.atoms.without_subscripts(body, ranges.indices), self._functions)
                for at in values.chunks(e.free_symbols, ranges):
                    box = enclosed(e, at, {})
                    if not (box.is_positive if positive else box.is_nonzero):
                        raise OutsideDomain


@lru_cache(4)  # what is conserved comes with one Hamiltonian, at one point
def _gradient(
    f: sp.Expr,
    space: PhaseSpace,
    point: tuple[tuple[sp.Symbol, sp.Rational], ...],
    functions: tuple[tuple[str, sp.Lambda], ...],
) -> Box:
    atoms = Atoms(space)
    return _Function(f, atoms, dict(functions)).gradient(_Values(atoms, dict(point)))


class _Function:
    """A written form and its derivatives."""

    def __init__(self, expression: sp.Expr, atoms: Atoms, functions: Mapping[str, sp.Lambda]) -> None:
        left, sums = auxiliaries(expression, atoms.space)
        self._atoms = atoms
        self._parts = [(s, self._terms(value, functions)) for s, value in sums.items()]
        self._parts.append((None, self._terms(left, functions)))

    def _terms(self, e: sp.Expr, functions: Mapping[str, sp.Lambda]) -> list[Summand]:
        found = []
        for t in self._atoms.terms(e):
            parts = sp.Add.make_args(t.expr) if not t.size else (t.expr,)
            found += [Summand(concrete(part, functions), t.ranges) for part in parts]
        return found

    def gradient(self, values: _Values) -> Box:
        """Return the derivatives by all coordinates, momenta and time, in this order."""
        space = self._atoms.space
        known: dict[sp.Symbol, tuple[Box, Box]] = {}  # auxiliary sums: value and gradient
        for symbol, terms in self._parts:
            total = Box.exact(0.0)
            gradient = _Sum(2 * len(space.coordinates) + 1)
            outer: dict[sp.Symbol, Box] = {}
            for t in terms:
                variables = self._atoms.variables(t.expr)
                slopes = {v: self._atoms.partial(t.expr, v) for v in variables}
                extra = [s for s in known if s in t.expr.free_symbols]
                inner = {s: sp.diff(t.expr, s) for s in extra}
                time = space.time
                rate = None
                if time is not None and time in t.expr.free_symbols:
                    rate = self._atoms.partial(t.expr, time)
                for at in values.chunks(t.expr.free_symbols, t.ranges, {s: known[s][0] for s in extra}):
                    done: dict[sp.Basic, Box] = {}
                    count = at.count
                    total = total + _filled(enclosed(t.expr, at, done), count).total()
                    for v, e in slopes.items():
                        gradient.add(at.places(v), _filled(enclosed(e, at, done), count))
                    if rate is not None:
                        last = np.full(count, len(gradient.low) - 1)
                        gradient.add(last, _filled(enclosed(rate, at, done), count))
                    for s, e in inner.items():
                        part = _filled(enclosed(e, at, done), count).total()
                        outer[s] = outer[s] + part if s in outer else part
            found = gradient.box()
            for s, factor in outer.items():
                found = found + factor * known[s][1]
            if symbol is None:
                return found
            known[symbol] = (total, found)
        raise AssertionError


class _Sum:
    """Sums of intervals by place, with what is lost by rounding."""

    def __init__(self, size: int) -> None:
        self.low, self.high, self._size, self._count = (np.zeros(size) for _ in range(4))

    def add(self, places: np.ndarray, box: Box) -> None:
        n = len(self.low)
        self.low += np.bincount(places, box.low, n)
        self.high += np.bincount(places, box.high, n)
        self._size += np.bincount(places, box.magnitude(), n)
        self._count += np.bincount(places, minlength=n) + 2

    def box(self) -> Box:
        slack = 2 * (self._count + 2) * _EPS * self._size
        if not np.all(np.isfinite(slack)):
            raise OutsideDomain
        return Box(self.low - slack - 1e-300, self.high + slack + 1e-300)


def _filled(box: Box, count: int) -> Box:
    return Box(np.broadcast_to(box.low, (count,)), np.broadcast_to(box.high, (count,)))


class _Chunk(dict[sp.Symbol, Box]):
    """Values of symbols for some values of the indices."""

    def __init__(self, count: int, indices: Mapping[sp.Symbol, np.ndarray], values: _Values) -> None:
        super().__init__()
        self.count, self._indices, self._values = count, indices, values

    def places(self, symbol: sp.Symbol) -> np.ndarray:
        """Return where a variable stands among all coordinates and momenta."""
        return np.broadcast_to(self._values.places(symbol, self._indices), (self.count,))


class _Values:
    """Values of all symbols of a space, and where those of subscripted names stand."""

    def __init__(self, atoms: Atoms, point: Point) -> None:
        self.atoms = atoms
        self._order = {s: k for k, s in enumerate(atoms.space.symbols.values())}
        boxes = [Box.of_rational(point.get(s, sp.S.One)) for s in self._order]
        self._all = Box(np.array([float(b.low) for b in boxes]), np.array([float(b.high) for b in boxes]))
        self._tables: dict[tuple[str, int], tuple[list[int], np.ndarray]] = {}

    def chunks(
        self, symbols: set[sp.Symbol], ranges: Ranges, more: Mapping[sp.Symbol, Box] | None = None
    ) -> Iterator[_Chunk]:
        """Yield the values of some symbols for the values of indices, some at a time."""
        for count, indices in _grids(ranges):
            chunk = _Chunk(count, indices, self)
            chunk.update(more or {})
            for s in symbols:
                if s in indices:
                    chunk[s] = Box.exact(indices[s].astype(float))
                elif s not in chunk:
                    where = self.places(s, indices)
                    chunk[s] = Box(self._all.low[where], self._all.high[where])
            yield chunk

    def places(self, symbol: sp.Symbol, indices: Mapping[sp.Symbol, np.ndarray]) -> np.ndarray:
        """Return where a symbol stands, for each value of the indices."""
        if symbol in self._order:
            return np.asarray(self._order[symbol])
        family, subscripts = self.atoms.subscripts(symbol) or (("", 0), [])
        lows, table = self._table(family)
        numbers = [_affine(a, indices) - low for a, low in zip(subscripts, lows, strict=True)]
        return table[tuple(np.broadcast_arrays(*numbers))]

    def _table(self, family: tuple[str, int]) -> tuple[list[int], np.ndarray]:
        if family not in self._tables:
            symbols = self.atoms.families.all[family].symbols
            columns = list(zip(*symbols, strict=True))
            lows = [min(c) for c in columns]
            table = np.full([max(c) - low + 1 for c, low in zip(columns, lows, strict=True)], -1)
            for numbers, s in symbols.items():
                table[tuple(n - low for n, low in zip(numbers, lows, strict=True))] = self._order[s]
            self._tables[family] = (lows, table)
        return self._tables[family]


def _affine(a: Affine, indices: Mapping[sp.Symbol, np.ndarray]) -> np.ndarray:
    total = np.asarray(a.constant)
    for i, k in a.strides.items():
        total = total + k * indices[i]
    return total


def _grids(ranges: Ranges) -> Iterator[tuple[int, dict[sp.Symbol, np.ndarray]]]:
    """Yield the values of all indices, in order, so many at a time."""
    yield from _deeper(ranges.ranges, {}, 1)


def _deeper(
    ranges: Sequence, outer: dict[sp.Symbol, np.ndarray], count: int
) -> Iterator[tuple[int, dict[sp.Symbol, np.ndarray]]]:
    if not ranges:
        if count:
            yield count, outer
        return
    r = ranges[0]
    lower, upper = (np.broadcast_to(_affine(b, outer), (count,)) for b in (r.lower, r.upper))
    lengths = np.maximum(upper - lower + 1, 0)
    ends = np.cumsum(lengths)
    first = 0
    while first < count:
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + TOGETHER, side="right")))
        some = lengths[first:last]
        total = int(some.sum())
        row = np.repeat(np.arange(first, last), some)
        start = np.repeat(np.cumsum(some) - some, some)
        inner = {i: values[row] for i, values in outer.items()}
        inner[r.index] = lower[row] + np.arange(total) - start
        yield from _deeper(ranges[1:], inner, total)
        first = last
