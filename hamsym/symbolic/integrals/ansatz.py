"""Ansatz spaces: the monomials in given functions, up to a total degree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from hamsym.arguments import integer, shown
from hamsym.errors import FormulaError, ParameterError
from hamsym.symbolic.bracket import Formula
from hamsym.symbolic.space import Space

#: Monomials in an ansatz at most: the linear system has one unknown for each.
MAX_UNKNOWNS = 100_000
#: Largest total degree.
MAX_DEGREE = 200

Exponents = tuple[int, ...]


@dataclass(frozen=True)
class Ansatz:
    """The monomials, without the constant one, in given entries up to a total degree.

    Arguments:
        space: the space of the entries.
        entries: the functions that monomials are formed of.
        degree: largest total degree in the entries.
        bounds: largest exponent of each entry.
        weights: degree of each entry in the momenta, if ``momentum_degree`` is asked for.
        momentum_degree: exact total degree of a monomial in the momenta; None for any.

    Example:
        >>> from hamsym import PhaseSpace
        >>> ansatz = monomials(PhaseSpace.standard(1), 2)
        >>> ansatz.exponents
        [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
        >>> [str(ansatz.monomial(e)) for e in ansatz.exponents]
        ['q1', 'p1', 'q1**2', 'p1*q1', 'p1**2']
    """

    space: Space
    entries: tuple[sp.Expr, ...]
    degree: int
    bounds: tuple[int, ...]
    weights: tuple[int, ...] | None = None
    momentum_degree: int | None = None

    @property
    def size(self) -> int:
        """The number of monomials, counted without writing them down."""
        # counts[d][w]: monomials in the entries so far, of total degree d and degree w in the momenta
        counts: dict[tuple[int, int], int] = {(0, 0): 1}
        for bound, weight in zip(self.bounds, self.weights or (0,) * len(self.entries), strict=True):
            grown: dict[tuple[int, int], int] = {}
            for (d, w), n in counts.items():
                for k in range(min(bound, self.degree - d) + 1):
                    place = d + k, w + k * weight
                    grown[place] = grown.get(place, 0) + n
            counts = grown
        kept = (n for (d, w), n in counts.items() if d and self.momentum_degree in (None, w))
        return sum(kept)

    @cached_property
    def exponents(self) -> list[Exponents]:
        """The exponents of all monomials: by total degree, then the first entries first."""
        return [e for d in range(1, self.degree + 1) for e in self._of_degree(d, self.momentum_degree, 0)]

    def _of_degree(self, degree: int, weight: int | None, first: int) -> Iterator[Exponents]:
        """Yield exponents of the entries from one on, of exact degrees."""
        if first == len(self.entries):
            if degree == 0 and not weight:
                yield ()
            return
        if sum(self.bounds[first:]) < degree:
            return
        own = self.weights[first] if self.weights else 0
        for k in range(min(degree, self.bounds[first]), -1, -1):
            left = None if weight is None else weight - k * own
            if left is None or left >= 0:
                for rest in self._of_degree(degree - k, left, first + 1):
                    yield (k, *rest)

    def limited(self, degree: int) -> Ansatz:
        """Return the part of a lower degree."""
        return Ansatz(self.space, self.entries, degree, self.bounds, self.weights, self.momentum_degree)

    def monomial(self, exponents: Exponents) -> sp.Expr:
        """Return the expression with these exponents."""
        return sp.Mul(*(e**k for e, k in zip(self.entries, exponents, strict=True) if k))


def monomials(
    space: Space,
    degree: int,
    entries: Sequence[Formula] | None = None,
    momentum_degree: int | None = None,
    max_exponents: Sequence[int | None] | None = None,
) -> Ansatz:
    """Return the ansatz of all monomials up to a total degree.

    Arguments:
        space: the space.
        degree: largest total degree in the entries, 0 or more.
        entries: texts or expressions; all coordinates and momenta by default.
        momentum_degree: exact total degree in the momenta, or None for any.
        max_exponents: largest exponent of each entry, None for no bound.

    Raises:
        FormulaError: for entries that are refused.
        ParameterError: for numbers out of range, and for an ansatz of absurd size.

    Example:
        >>> from hamsym import PhaseSpace
        >>> monomials(PhaseSpace.standard(10), 4).size
        10625
        >>> monomials(PhaseSpace.standard(10), 20)
        Traceback (most recent call last):
        hamsym.errors.ParameterError: the ansatz has 137846528819 monomials, more than 100000; lower the degree, ...
    """
    degree = integer("degree", degree, maximum=MAX_DEGREE)
    if entries is None:
        listed: tuple[sp.Expr, ...] = space.variables
    else:
        if isinstance(entries, (str, sp.Basic)) or not hasattr(entries, "__iter__"):
            raise FormulaError(
                f"an ansatz is a list of formulas, for example ['q1', 'p1', '1/q1'], not {shown(entries)}"
            )
        listed = tuple(space.express(e) for e in entries)
        if not listed:
            raise FormulaError("the ansatz is empty; give at least one formula, or None for all variables")
    ansatz = Ansatz(
        space,
        listed,
        degree,
        _bounds(max_exponents, len(listed), degree),
        None if momentum_degree is None else tuple(_weight(e, space) for e in listed),
        None if momentum_degree is None else integer("momentum_degree", momentum_degree, maximum=MAX_DEGREE),
    )
    if ansatz.size > MAX_UNKNOWNS:
        raise ParameterError(
            f"the ansatz has {ansatz.size} monomials, more than {MAX_UNKNOWNS}; "
            "lower the degree, bound the exponents with max_exponents, or leave entries out"
        )
    return ansatz


def _bounds(given: Sequence[int | None] | None, count: int, degree: int) -> tuple[int, ...]:
    if given is None:
        return (degree,) * count
    if isinstance(given, str) or not hasattr(given, "__len__") or not hasattr(given, "__iter__"):
        raise ParameterError(
            f"max_exponents is a list of one number for each entry of the ansatz, not {shown(given)}"
        )
    if len(given) != count:
        raise ParameterError(
            f"max_exponents has {len(given)} number(s) for {count} entries of the ansatz; give one for each"
        )
    return tuple(
        degree if bound is None else min(degree, integer("an entry of max_exponents", bound))
        for bound in given
    )


def _weight(entry: sp.Expr, space: Space) -> int:
    """Return the degree of an entry in the momenta."""
    if not space.momenta:
        raise ParameterError("momentum_degree needs momenta, and this space has none; leave it out")
    if not entry.has(*space.momenta):
        return 0
    try:
        degrees = {sum(m) for m in sp.Poly(sp.expand(entry), *space.momenta).monoms()}
    except sp.PolynomialError:
        degrees = set()
    if len(degrees) != 1:
        raise ParameterError(
            f"the ansatz entry {entry} has no exact degree in the momenta; "
            "leave momentum_degree out, or give entries that are homogeneous in the momenta"
        )
    return int(degrees.pop())
