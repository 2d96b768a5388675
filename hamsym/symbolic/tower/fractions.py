"""Partial fractions in one generator, for elements with many denominators.

Clearing n denominators multiplies their sizes; partial fractions keep them apart.  With u_i = 1/(x + c_i),

    x u_i = 1 - c_i u_i,      u_i u_j = (u_j - u_i)/(c_i - c_j),

and 1/(a x + b) = u/a, u = 1/(x + b/a), where a is a product of generators, an element becomes a combination of powers of x and of single u_i, and these are linearly independent over the
field of everything that does not contain x (the normal form of Orlik and Terao for hyperplane arrangements).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint import fmpq_mpoly

if TYPE_CHECKING:
    from hamsym.symbolic.tower.field import Tower

#: Elements with more inverse generators than this are taken apart; below, clearing denominators is faster.
FEW = 3

#: (0, b) stands for x**b, (i + 1, k) for u_i**k.
Part = tuple[int, int]


def partial_fractions(
    tower: Tower, piece: fmpq_mpoly, kept: frozenset[int] = frozenset(), few: int = FEW
) -> list[fmpq_mpoly] | None:
    """Return coefficients that all vanish exactly if the piece does, None if no generator x that is not kept will do.

    Arguments:
        tower: the tower.
        piece: a reduced element.
        kept: generators that may not be x.
        few: the number of inverses up to which clearing their denominators is preferred.
    """
    inverses = [i for i in tower.ring.support(piece) if tower.extensions[i].kind == "inverse"]
    if len(inverses) <= few:
        return None
    chosen = _variable(tower, piece, inverses, kept, few)
    if chosen is None:
        return None
    x, linear = chosen
    return _Expansion(tower, x, linear).coefficients(piece)


def _variable(
    tower: Tower, piece: fmpq_mpoly, inverses: list[int], kept: frozenset[int], few: int
) -> tuple[int, list[int]] | None:
    """Return a free generator x and the inverses that contain it, all of them linear in x."""
    ring = tower.ring
    containing: dict[int, list[int]] = {}
    spoilt: set[int] = set(kept)
    for i in ring.support(piece):
        extension = tower.extensions[i]
        if extension.kind == "inverse":
            denominator = extension.arguments[0]
            for x, degree in ring.degrees(denominator).items():
                containing.setdefault(x, []).append(i)
                if degree > 1 or len(ring.derivative(denominator, x)) > 1:
                    spoilt.add(x)
                spoilt |= _below_relation(tower, x) - {x}
        spoilt |= _below_relation(tower, i)
    best = max(
        (x for x in containing if x not in spoilt and tower.extensions[x].relation is None),
        key=lambda x: len(containing[x]),
        default=None,
    )
    return None if best is None or len(containing[best]) <= few else (best, containing[best])


def _below_relation(tower: Tower, index: int) -> set[int]:
    """Return the generators that a monic relation of this one ties it to, at any depth."""
    extension = tower.extensions[index]
    if extension.relation is None or extension.kind == "inverse":
        return set()
    found: set[int] = set()
    waiting = [index]
    while waiting:
        e = tower.extensions[waiting.pop()]
        for element in (e.relation, *(e.arguments if e.kind == "inverse" else ())):
            if element is not None:
                new = set(tower.ring.support(element)) - found
                found |= new
                waiting += new
    return found


class _Expansion:
    """Rewriting of monomials in x and u_i, each computed once."""

    def __init__(self, tower: Tower, x: int, linear: list[int]) -> None:
        self.tower, self.x, self.linear = tower, x, linear
        ring = tower.ring
        self.shifts, self.scales = [], []
        for i in linear:
            parts = ring.coefficients(tower.extensions[i].arguments[0], x)
            scale = tower.inverse(parts[1])
            self.scales.append(scale)
            self.shifts.append(ring.mul(parts.get(0, ring.zero), scale))
        self.known: dict[tuple[int, tuple[int, ...]], dict[Part, fmpq_mpoly]] = {}
        self.gaps: dict[tuple[int, int], fmpq_mpoly] = {}

    def coefficients(self, piece: fmpq_mpoly) -> list[fmpq_mpoly]:
        """Return the coefficients of all parts of a piece."""
        ring = self.tower.ring
        total: dict[Part, fmpq_mpoly] = {}
        for (a, *powers), coefficient in ring.split(piece, [self.x, *self.linear]).items():
            for scale, k in zip(self.scales, powers, strict=True):
                if k and not scale.is_one():
                    coefficient = ring.mul(coefficient, ring.power(scale, k))
            for part, factor in self.monomial(a, tuple(powers)).items():
                term = ring.mul(coefficient, factor)
                total[part] = ring.add(total[part], term) if part in total else term
        return [self.tower.reduce(c) for c in total.values()]

    def monomial(self, a: int, powers: tuple[int, ...]) -> dict[Part, fmpq_mpoly]:
        """Return the parts of x**a * product of u_i**powers_i, with u_i = 1/(x + c_i)."""
        found = self.known.get((a, powers))
        if found is None:
            self.tower.clock.check()
            found = self.known[a, powers] = self._monomial(a, powers)
        return found

    def _monomial(self, a: int, powers: tuple[int, ...]) -> dict[Part, fmpq_mpoly]:
        one = self.tower.ring.one
        present = [i for i, k in enumerate(powers) if k]
        if not present:
            return {(0, a): one}
        first = present[0]
        fewer = _lower(powers, first)
        if a:
            return self._combine(
                self.monomial(a - 1, fewer), self.monomial(a - 1, powers), one, -self.shifts[first]
            )
        if len(present) == 1:
            return {(first + 1, powers[first]): one}
        second = present[1]
        weight = self._gap(first, second)
        return self._combine(
            self.monomial(0, fewer), self.monomial(0, _lower(powers, second)), weight, -weight
        )

    def _gap(self, i: int, j: int) -> fmpq_mpoly:
        """Return 1/(c_i - c_j)."""
        if (i, j) not in self.gaps:
            self.gaps[i, j] = self.tower.inverse(self.tower.ring.sub(self.shifts[i], self.shifts[j]))
        return self.gaps[i, j]

    def _combine(
        self, f: dict[Part, fmpq_mpoly], g: dict[Part, fmpq_mpoly], a: fmpq_mpoly, b: fmpq_mpoly
    ) -> dict[Part, fmpq_mpoly]:
        ring = self.tower.ring
        result = {part: ring.mul(a, value) for part, value in f.items()}
        for part, value in g.items():
            term = ring.mul(b, value)
            result[part] = ring.add(result[part], term) if part in result else term
        return result


def _lower(powers: tuple[int, ...], i: int) -> tuple[int, ...]:
    return (*powers[:i], powers[i] - 1, *powers[i + 1 :])
