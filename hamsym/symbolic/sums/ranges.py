"""The ranges of a sum's indices: their values, how many there are, and bounds of what depends on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.counting import count

#: Terms of the longest sum.
MOST_TERMS = 10**9


@dataclass(frozen=True)
class Range:
    """An index from a lower to an upper value, both included; they may depend on indices further out.

    Attributes:
        index: the bound symbol.
        lower, upper: its first and last value.
    """

    index: sp.Symbol
    lower: Affine
    upper: Affine


@dataclass(frozen=True)
class Ranges:
    """All ranges of a sum, the outermost first.

    Attributes:
        ranges: one for each index.
        count: how many terms the sum has.

    Raises:
        FormulaError: if a range may run backward, or the sum is too long.

    Example:
        >>> i, j = sp.symbols("i j", integer=True)
        >>> pairs = Ranges.of(sp.Sum(i*j, (j, i + 1, 4), (i, 1, 4)))
        >>> pairs.count, pairs.bounds(Affine.of(j - i, [i, j]))
        (6, (1, 3))
    """

    ranges: tuple[Range, ...]
    count: int

    @classmethod
    def of(cls, total: sp.Sum) -> Ranges:
        """Read the limits of a sympy Sum."""
        return _read(total.limits)

    @classmethod
    def checked(cls, ranges: Sequence[Range]) -> Ranges:
        """Return the ranges with their number of terms, those values left out for which an inner range is empty."""
        found = cls(_tightened(ranges), 0)
        for k, r in enumerate(ranges):
            if _bounds(r.upper - r.lower, ranges[:k])[0] < -1:
                raise FormulaError(
                    f"the range of {r.index}, from {r.lower.expression} to {r.upper.expression}, runs backward for some values "
                    "of the indices around it; end those earlier, so that it is empty by at most one"
                )
        terms = found._count()
        if terms > MOST_TERMS:
            raise FormulaError(f"a sum of {terms:.3g} terms; at most {MOST_TERMS} are possible")
        return cls(found.ranges, terms)

    @property
    def indices(self) -> tuple[sp.Symbol, ...]:
        """The indices, the outermost first."""
        return tuple(r.index for r in self.ranges)

    def bounds(self, affine: Affine) -> tuple[int, int]:
        """Return bounds of an affine expression over all values of the indices."""
        return _bounds(affine, self.ranges)

    def values(self) -> Iterator[dict[sp.Symbol, int]]:
        """Return the values of all indices, term by term, the innermost fastest."""
        yield from self._values(0, {})

    def _values(self, k: int, outer: dict[sp.Symbol, int]) -> Iterator[dict[sp.Symbol, int]]:
        if k == len(self.ranges):
            yield outer
            return
        r = self.ranges[k]
        for value in range(r.lower.at(outer), r.upper.at(outer) + 1):
            yield from self._values(k + 1, {**outer, r.index: value})

    def _count(self) -> int:
        if not any(r.lower.strides or r.upper.strides for r in self.ranges):
            return prod(max(0, r.upper.constant - r.lower.constant + 1) for r in self.ranges)
        place: dict[object, int] = {r.index: n for n, r in enumerate(self.ranges)}
        return count([(r.lower, r.upper) for r in self.ranges], place)


@lru_cache(256)
def _read(limits: tuple[sp.Tuple, ...]) -> Ranges:
    ranges: list[Range] = []
    for limit in reversed(limits):
        known = [r.index for r in ranges]
        ranges.append(Range(limit[0], Affine.of(limit[1], known), Affine.of(limit[2], known)))
    return Ranges.checked(ranges)


def _bounds(affine: Affine, ranges: Sequence[Range]) -> tuple[int, int]:
    low = high = affine
    for r in reversed(ranges):
        low = low.substitute(r.index, r.lower if low.strides.get(r.index, 0) > 0 else r.upper)
        high = high.substitute(r.index, r.upper if high.strides.get(r.index, 0) > 0 else r.lower)
    return low.constant, high.constant


def _tightened(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Return the ranges without those values of an index for which a range further in is certainly empty."""
    found = list(ranges)
    for inner in reversed(range(len(found))):
        width = found[inner].upper - found[inner].lower
        if len(width.strides) != 1:
            continue
        ((index, k),) = width.strides.items()  # the range is not empty where k·index + constant >= 0
        outer = next(n for n, r in enumerate(found) if r.index == index)
        r = found[outer]
        if k > 0 and not r.lower.strides:
            lowest = max(r.lower.constant, -(width.constant // k))
            found[outer] = Range(index, Affine(lowest, {}), r.upper)
        if k < 0 and not r.upper.strides:
            highest = min(r.upper.constant, width.constant // -k)
            found[outer] = Range(index, r.lower, Affine(highest, {}))
    return tuple(found)
