"""Names with numbers: which symbol of a space the subscripts of ``q[i]`` and ``q[i, j]`` mean.

In a formula ``q[3]`` is the symbol named ``q3``, and ``q[2, 5]`` the one named ``q2_5``.  All names of one letter (or
word) and as many numbers are a family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from hamsym.arguments import plural
from hamsym.errors import FormulaError, did_you_mean
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.ranges import Ranges


class Letter(sp.Symbol):
    """What stands before subscripts; it never equals a symbol of the same name."""


@dataclass(frozen=True)
class Access:
    """Where the value of a symbol or a subscripted name stands.

    Attributes:
        kind: ``"q"``, ``"p"`` or ``"k"``: among coordinates, momenta or parameters.
        offset: place, counted from 0, at which all indices would be 0.
        strides: index to the number of places that one more of it moves.
    """

    kind: str
    offset: int
    strides: Mapping[sp.Symbol, int]


@dataclass(frozen=True)
class Family:
    """Symbols that share a name and differ in their numbers.

    Attributes:
        name: what they share.
        places: numbers to kind and place.
        symbols: numbers to symbol.
    """

    name: str
    places: Mapping[tuple[int, ...], tuple[str, int]]
    symbols: Mapping[tuple[int, ...], sp.Symbol]

    @cached_property
    def base(self) -> sp.IndexedBase:
        """What is subscripted; positive if all of the family are."""
        kind = "positive" if all(s.is_positive for s in self.symbols.values()) else "real"
        return sp.IndexedBase(Letter(self.name, **{kind: True}))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Kinds of its symbols, one letter each: ``q``, ``p`` or ``k``."""
        return frozenset(kind for kind, _ in self.places.values())

    @cached_property
    def _box(self) -> list[tuple[int, int]]:
        columns = zip(*self.places, strict=True)
        return [(min(column), max(column)) for column in columns]

    @cached_property
    def _law(self) -> tuple[str, int, tuple[int, ...]] | None:
        """Kind, offset and strides, if the places of the whole family are affine in its numbers."""
        return self._affine(self._box)

    def _affine(self, box: Sequence[tuple[int, int]]) -> tuple[str, int, tuple[int, ...]] | None:
        corner = tuple(low for low, _ in box)
        if corner not in self.places:
            return None
        kind, first = self.places[corner]
        strides = []
        for axis, (low, high) in enumerate(box):
            other = self.places.get((*corner[:axis], low + 1, *corner[axis + 1 :])) if high > low else None
            if high > low and (other is None or other[0] != kind):
                return None
            strides.append(other[1] - first if other else 0)
        offset = first - sum(k * low for k, low in zip(strides, corner, strict=True))
        size = 1
        for low, high in box:
            size *= high - low + 1
        if size > len(self.places):
            return None
        inside = 0
        for numbers, place in self.places.items():
            if all(low <= n <= high for n, (low, high) in zip(numbers, box, strict=True)):
                inside += 1
                if place != (kind, offset + sum(k * n for k, n in zip(strides, numbers, strict=True))):
                    return None
        return (kind, offset, tuple(strides)) if inside == size else None

    def access(self, subscripts: Sequence[Affine], ranges: Ranges) -> Access:
        """Return where the symbols stand that subscripts mean.

        Raises:
            FormulaError: if there is no such symbol for some values of the indices, or their places are not affine.
        """
        box = [ranges.bounds(s) for s in subscripts]
        for (low, high), (first, last) in zip(box, self._box, strict=True):
            if low < first or high > last:
                wrong = low if low < first else high
                raise FormulaError(self._outside(wrong, box))
        law = self._law or self._affine(box)
        if law is None:
            raise FormulaError(
                f"the symbols {self.shown} do not stand in a row (or some between them are missing), so {self.name}[…] cannot "
                "run over them; write the terms out, or name them in order"
            )
        kind, offset, strides = law
        place = Affine(offset, {})
        for stride, subscript in zip(strides, subscripts, strict=True):
            place = place.plus(subscript, stride)
        return Access(kind, place.constant, dict(place.strides))

    @property
    def shown(self) -> str:
        """First and last name, as ``q1 … q64``."""
        names = [s.name for s in self.symbols.values()]
        return f"{names[0]} … {names[-1]}" if len(names) > 1 else names[0]

    def _outside(self, wrong: int, box: Sequence[tuple[int, int]]) -> str:
        numbers = ", ".join(str(low if low == high else f"{low}…{high}") for low, high in box)
        where = " and ".join(f"from {low} to {high}" for low, high in self._box)
        return f"{self.name}[{numbers}] reaches {wrong}, but the subscripts of {self.name} go {where} in this space ({self.shown})"


class Families:
    """The families of a space, each found when it is first asked for.

    Arguments:
        coordinates, momenta, parameters: its symbols, in order.

    Example:
        >>> q = sp.symbols("q1:5", real=True)
        >>> families = Families(q, [], [])
        >>> families.find("q", 1).shown, families.symbol("q", (3,))
        ('q1 … q4', q3)
    """

    def __init__(
        self, coordinates: Sequence[sp.Symbol], momenta: Sequence[sp.Symbol], parameters: Sequence[sp.Symbol]
    ) -> None:
        self._kinds = {"q": coordinates, "p": momenta, "k": parameters}
        self._found: dict[tuple[str, int], Family | None] = {}

    @cached_property
    def _names(self) -> dict[tuple[str, int], Family]:
        found: dict[tuple[str, int], tuple[dict, dict]] = {}
        for kind, symbols in self._kinds.items():
            for place, symbol in enumerate(symbols):
                match = _NUMBERED.fullmatch(symbol.name)
                if match is None:
                    continue
                name, numbers = str(match["name"]), str(match["numbers"]).split("_")
                if any(n != "0" and n[0] == "0" for n in numbers):
                    continue  # q01 is not q[1]
                key = tuple(map(int, numbers))
                places, of = found.setdefault((name, len(key)), ({}, {}))
                places[key], of[key] = (kind, place), symbol
        return {key: Family(key[0], places, of) for key, (places, of) in found.items()}

    @property
    def all(self) -> Mapping[tuple[str, int], Family]:
        """All families, by name and number of subscripts."""
        return self._names

    def find(self, name: str, subscripts: int) -> Family:
        """Return the family of a name with so many subscripts.

        Raises:
            FormulaError: if there is none.
        """
        family = self._names.get((name, subscripts))
        if family is None:
            counts = [count for known, count in self._names if known == name]
            if counts:
                raise FormulaError(f"{name} takes {plural(counts[0], 'subscript')}, not {subscripts}")
            example = f"{name}[1]" if subscripts == 1 else f"{name}[{', '.join('1' * subscripts)}]"
            meant = name + "_".join("1" * subscripts)
            raise FormulaError(
                f"{example} means the symbol {meant!r}, and this space has no symbols {name} followed by numbers"
                + did_you_mean(name, {known for known, _ in self._names})
            )
        return family

    def symbol(self, name: str, numbers: tuple[int, ...]) -> sp.Symbol:
        """Return the symbol that constant subscripts mean.

        Raises:
            FormulaError: if there is none.
        """
        family = self.find(name, len(numbers))
        if numbers not in family.symbols:
            raise FormulaError(family._outside(numbers[0], [(n, n) for n in numbers]))
        return family.symbols[numbers]

    def __contains__(self, name: object) -> bool:
        return any(known == name for known, _ in self._names)

    @cached_property
    def places(self) -> dict[sp.Symbol, Access]:
        """Each symbol and where it stands."""
        return {
            s: Access(kind, place, {})
            for kind, symbols in self._kinds.items()
            for place, s in enumerate(symbols)
        }


_NUMBERED = re.compile(r"(?P<name>[A-Za-z]\w*?)(?P<numbers>\d+(?:_\d+)*)", re.ASCII)
