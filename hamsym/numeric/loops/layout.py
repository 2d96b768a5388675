"""Where the variables of one trajectory stand while loops run over them.

Coordinates that are told apart by the remainder of their number, such as x1 y1 z1 x2 y2 z2 …, stand in rows of their own, so
that loops find neighbours side by side.  A state is one array: the rows of coordinates, those of momenta, and whatever room a
method needs, each beginning at a multiple of eight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import sympy as sp

from hamsym.numeric.parts import Part
from hamsym.symbolic.sums import Access
from hamsym.symbolic.sums.affine import Affine

#: Numbers in a SIMD register, as in :mod:`hamsym.numeric.vectors` (which loads numba).
WIDTH = 8


def _up(n: int) -> int:
    return -(-n // WIDTH) * WIDTH


@dataclass(frozen=True)
class Rows:
    """Numbers 0 … size - 1 in so many rows, by remainder.

    Attributes:
        size: how many numbers.
        rows: how many rows.
    """

    size: int
    rows: int

    @property
    def length(self) -> int:
        """Numbers in the longest row."""
        return -(-self.size // self.rows)

    @property
    def pitch(self) -> int:
        """Distance of rows."""
        return _up(self.length) + WIDTH

    @property
    def room(self) -> int:
        """Numbers in all rows, with what is between them."""
        return self.rows * self.pitch

    def length_of(self, row: int) -> int:
        """Numbers in one row."""
        return -(-(self.size - row) // self.rows)

    def place(self, access: Access) -> tuple[int, Affine]:
        """Return the row of an access, and the place in it."""
        strides = {i: k // self.rows for i, k in access.strides.items() if k}
        return access.offset % self.rows, Affine(access.offset // self.rows, strides)


@dataclass(frozen=True)
class Layout:
    """Rows of coordinates (and of momenta), rows of parameters, and how far beyond its ends a row is read."""

    variables: Rows
    parameters: Rows
    margin: int

    @staticmethod
    def of(parts: Iterable[Part], dof: int, parameters: int) -> Layout:
        """Return the layout that suits some parts."""
        strides: dict[str, int] = {"q": 0, "k": 0}
        reach = 1
        for part in parts:
            offsets = []
            for access in part.operands.values():
                kind = "k" if access.kind == "k" else "q"
                strides[kind] = gcd(strides[kind], *access.strides.values())
                if any(access.strides.values()):
                    offsets.append(access.offset)
                    reach = max(reach, *map(abs, access.strides.values()))
            if len(part.ranges) == 1 and offsets:
                reach = max(reach, max(offsets) - min(offsets))
        variables, constants = (
            Rows(max(size, 1), max(1, min(strides[kind], size)))
            for kind, size in (("q", dof), ("k", parameters))
        )
        return Layout(variables, constants, _up(WIDTH * (reach + 2)))

    def place(self, access: Access) -> tuple[Rows, int, Affine]:
        """Return the rows in which an access is, its row, and the place in it."""
        rows = self.parameters if access.kind == "k" else self.variables
        return rows, *rows.place(access)


def affine_text(affine: Affine, names: Mapping[sp.Symbol, str], more: int = 0) -> str:
    """Return an affine expression as source code.

    Example:
        >>> i = sp.Symbol("i", integer=True)
        >>> affine_text(Affine(3, {i: 2}), {i: "i0"}, 4)
        '2*i0 + 7'
    """
    constant = affine.constant + more
    texts = [names[i] if k == 1 else f"{k}*{names[i]}" for i, k in affine.strides.items()]
    if constant or not texts:
        texts.append(str(constant))
    return " + ".join(texts)


def areas(names: Sequence[str], layout: Layout, rooms: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return where areas begin, each for one number of every coordinate if nothing else is said; ``SIZE`` is the end.

    Arguments:
        names: of the areas, in order.
        layout: the layout.
        rooms: sizes of areas that are not of that size.
    """
    place, found = layout.margin, {}
    for name in names:
        found[name] = place
        place += _up((rooms or {}).get(name, layout.variables.room))
    return {**found, "SIZE": place + layout.margin}
