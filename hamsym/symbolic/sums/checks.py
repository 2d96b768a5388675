"""What must hold for every term of a sum: its subscripts stay in the space, and it is finite and real.

Subscripts are checked exactly.  Terms are looked at one by one where they are few; of long sums those are that are most
likely to be wrong: the first and last of every range, and those at which two subscripts meet or a denominator of indices
alone vanishes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.expansion import concrete, has_sums, outermost_sums
from hamsym.symbolic.sums.families import Access, Families
from hamsym.symbolic.sums.ranges import Range, Ranges

#: Sums of so few terms are looked at term by term.
FEW = 64
#: The largest exponent that indices may give.
MAX_EXPONENT = 400
#: Values of an index at which subscripts are looked at for meeting.
_TRIES = 10_000
_NOT_FINITE = (sp.zoo, sp.nan, sp.oo, -sp.oo)


def require_sums(expression: sp.Expr, families: Families) -> None:
    """Raise a FormulaError for sums with a term that means nothing.

    Example:
        >>> from hamsym import PhaseSpace
        >>> PhaseSpace.standard(4).parse("Sum(q[i + 1], (i, 1, 4))")
        Traceback (most recent call last):
        hamsym.errors.FormulaError: q[2…5] reaches 5, but the subscripts of q go from 1 to 4 in this space (q1 … q4)
        >>> PhaseSpace.standard(900).parse("Sum(1/(q[i] - q[j]), (j, 1, 900), (i, 1, 900))")
        Traceback (most recent call last):
        hamsym.errors.FormulaError: the term 1/(q[i] - q[j]) is not finite at i = 1, j = 1; leave it out of the range
    """
    _require(expression, (), families)


def require_each(condition: sp.Tuple, families: Families, *, positive: bool) -> None:
    """Raise a FormulaError if a quantity certainly vanishes, or is never positive, for some values of its indices.

    Arguments:
        condition: the quantity, followed by the limits of its indices.
        families: of the space.
        positive: whether it must be positive; otherwise it must not vanish.
    """
    body, *limits = condition.args
    ranges = Ranges.of(sp.Sum(1, *limits))
    for values in _telling(body, ranges, families):
        e = concrete(values, body, families)
        if e.is_zero or (positive and e.is_nonpositive):
            wrong = "never positive" if positive else "zero"
            raise FormulaError(f"{shorten(str(body))} is {wrong} at {_shown(values)}, where one divides by it or takes a root or "
                               "logarithm; leave that out of the range")  # fmt: skip


def _require(expression: sp.Expr, outer: tuple[sp.Tuple, ...], families: Families) -> None:
    for total in outermost_sums(expression):
        limits = (*total.limits, *outer)
        ranges = Ranges.of(sp.Sum(1, *limits))
        if not ranges.count:
            continue
        body = total.function
        _accesses(body, ranges, families)
        _require_exponents(body, ranges)
        _require(body, limits, families)
        if not has_sums(body):
            for values in _telling(body, ranges, families):
                _require_term(body, values, families)


def _accesses(body: sp.Expr, ranges: Ranges, families: Families) -> dict[sp.Expr, Access]:
    """Return where those subscripted names stand that use known indices, and plain symbols."""
    found = {}
    for e in body.atoms(sp.Indexed):
        if all(s.free_symbols <= set(ranges.indices) for s in e.indices):
            numbers = [Affine.of(s, ranges.indices) for s in e.indices]
            found[e] = families.find(e.base.label.name, len(numbers)).access(numbers, ranges)
    return found


def _require_exponents(body: sp.Expr, ranges: Ranges) -> None:
    indices = set(ranges.indices)
    for power in body.atoms(sp.Pow):
        if power.exp.free_symbols & indices:
            low, high = (
                ranges.bounds(Affine.of(power.exp, ranges.indices))
                if _is_affine(power.exp)
                else (0, MAX_EXPONENT + 1)
            )
        elif power.exp.is_Rational and power.base.free_symbols <= indices:
            low = high = power.exp
        else:
            continue
        if max(-low, high) > MAX_EXPONENT:
            raise FormulaError(
                f"the exponent of {shorten(str(power), 60)} is not affine in the indices and at most {MAX_EXPONENT}"
            )


def _is_affine(e: sp.Expr) -> bool:
    return all(
        c.is_Integer and (rest == 1 or rest.is_Symbol)
        for c, rest in (t.as_coeff_Mul() for t in sp.Add.make_args(e))
    )


def _require_term(body: sp.Expr, values: dict[sp.Symbol, int], families: Families) -> None:
    term = concrete(values, body, families)
    arcs = [a for a in term.atoms(sp.asin, sp.acos) if a.args[0].is_number and abs(a.args[0]) > 1]
    wrong = "finite" if term.has(*_NOT_FINITE) else "real" if term.has(sp.I) or arcs else None
    if wrong:
        raise FormulaError(
            f"the term {shorten(str(body))} is not {wrong} at {_shown(values)}; leave it out of the range"
        )


def _shown(values: dict[sp.Symbol, int]) -> str:
    return ", ".join(f"{index} = {value}" for index, value in values.items())


def _telling(body: sp.Expr, ranges: Ranges, families: Families) -> Iterator[dict[sp.Symbol, int]]:
    """Yield the values of the indices at which to look at a term."""
    if ranges.count <= FEW:
        yield from ranges.values()
        return
    yield from _corners(ranges.ranges, {})
    for difference in _differences(body, ranges, families):
        meeting = _root(difference, ranges.ranges, {})
        if meeting is not None:
            yield meeting
    for base in {power.base for power in body.atoms(sp.Pow) if power.exp.could_extract_minus_sign()}:
        indices = base.free_symbols
        if len(indices) == 1 and indices <= set(ranges.indices) and base.is_polynomial(*indices):
            (index,) = indices
            for root in sp.Poly(base, index).ground_roots():
                meeting = (
                    _root(Affine(-int(root), {index: 1}), ranges.ranges, {}) if root.is_Integer else None
                )
                if meeting is not None:
                    yield meeting


def _corners(ranges: Sequence[Range], outer: dict[sp.Symbol, int]) -> Iterator[dict[sp.Symbol, int]]:
    if not ranges:
        yield outer
        return
    first, last = ranges[0].lower.at(outer), ranges[0].upper.at(outer)
    for value in {first, last} if first <= last else ():
        yield from _corners(ranges[1:], {**outer, ranges[0].index: value})


def _differences(body: sp.Expr, ranges: Ranges, families: Families) -> list[Affine]:
    """Return the distances of places that may be the same for some values of the indices, but not for all."""
    places = [*_accesses(body, ranges, families).values()]
    places += [families.places[s] for s in body.free_symbols if s in families.places]
    found = []
    for n, a in enumerate(places):
        for b in places[:n]:
            difference = Affine(a.offset, a.strides) - Affine(b.offset, b.strides)
            low, high = ranges.bounds(difference)
            if a.kind == b.kind and difference.strides and low <= 0 <= high and difference not in found:
                found.append(difference)
    return found


def _root(
    affine: Affine, ranges: Sequence[Range], outer: dict[sp.Symbol, int]
) -> dict[sp.Symbol, int] | None:
    """Return values of the indices at which an affine expression vanishes; None if none are found."""
    if not ranges:
        return outer if affine.constant == 0 else None
    index, first, last = ranges[0].index, ranges[0].lower.constant, ranges[0].upper.constant
    for value in range(first, min(last, first + _TRIES) + 1):
        here = Affine(value, {})
        rest = affine.substitute(index, here)
        inner = [
            Range(r.index, r.lower.substitute(index, here), r.upper.substitute(index, here))
            for r in ranges[1:]
        ]
        low, high = Ranges(tuple(inner), 0).bounds(rest)
        if low <= 0 <= high:
            found = _root(rest, inner, {**outer, index: value})
            if found is not None:
                return found
    return None
