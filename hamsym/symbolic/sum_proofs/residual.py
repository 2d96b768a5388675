"""The bracket of two sums as a sum again: what has to vanish, by the number of indices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import sympy as sp

from hamsym.symbolic.sum_proofs.atoms import Atoms, NoTermwise, Summand
from hamsym.symbolic.sum_proofs.slopes import MOST_PIECES, SITE, Slopes, slopes
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.ranges import Range, Ranges

#: The index of all sums over one index.
INDEX = sp.Symbol("i", integer=True)
#: Stretches of so few numbers are written out.
FEW = 2
#: Operations of the largest expression that is expanded.
MOST_OPERATIONS = 3_000


@dataclass
class Residual:
    """A sum of terms without index, with one and with several.

    Attributes:
        plain: terms without index.
        single: first and last value of :data:`INDEX` and the summand.
        several: ranges of the indices, as text that tells equal ones, to these ranges and the summands.
    """

    plain: list[sp.Expr] = field(default_factory=list)
    single: list[tuple[int, int, sp.Expr]] = field(default_factory=list)
    several: dict[str, tuple[Ranges, list[sp.Expr]]] = field(default_factory=dict)

    def add(self, atoms: Atoms, expr: sp.Expr, ranges: Ranges) -> None:
        """Add a summand over its ranges."""
        if expr == 0 or not ranges.count:
            return
        if not ranges.ranges:
            self.plain.append(expr)
        elif len(ranges.ranges) == 1:
            (r,) = ranges.ranges
            self.add_single(atoms, r.lower.constant, r.upper.constant, expr, r.index)
        else:
            names = {r.index: sp.Symbol(f"i{k}", integer=True) for k, r in enumerate(ranges.ranges, 1)}
            values = {old: Affine(0, {new: 1}) for old, new in names.items()}
            renamed = tuple(
                Range(names[r.index], *(_renamed(bound, names) for bound in (r.lower, r.upper)))
                for r in ranges.ranges
            )
            key = ", ".join(f"{r.index}: {r.lower.expression}…{r.upper.expression}" for r in renamed)
            entry = self.several.setdefault(key, (Ranges(renamed, ranges.count), []))
            entry[1].append(atoms.substituted(expr, values))

    def add_single(self, atoms: Atoms, first: int, last: int, expr: sp.Expr, index: sp.Symbol) -> None:
        """Add a summand over one index."""
        if expr == 0 or first > last:
            return
        if first == last:
            self.plain.append(atoms.substituted(expr, {index: Affine(first, {})}))
        else:
            self.single.append((first, last, atoms.substituted(expr, {index: Affine(0, {INDEX: 1})})))

    def split(self, atoms: Atoms) -> Residual:
        """Return the same sum with the summands of one index taken apart and begun at the same place each.

        A term is moved so that its first subscript is the index itself, and terms without index are counted.
        """
        found = Residual(list(self.plain), [], self.several)
        for first, last, e in self.single:
            for part in sp.Add.make_args(_expanded(e)):
                shift = _shift(atoms, part)
                if shift is None and INDEX not in part.free_symbols:
                    found.plain.append((last - first + 1) * part)
                    continue
                s = shift or 0
                moved = atoms.substituted(part, {INDEX: Affine(-s, {INDEX: 1})}) if s else part
                found.single.append((first + s, last + s, moved))
        return found

    def stretches(self, atoms: Atoms) -> tuple[sp.Expr, list[tuple[int, int, sp.Expr]]]:
        """Return the terms without index, and for each stretch of the index the sum of all summands there.

        Raises:
            NoTermwise: if there are too many.
        """
        ends = sorted({k for first, last, _ in self.single for k in (first, last + 1)})
        if len(ends) > MOST_PIECES:
            raise NoTermwise("the sums begin and end at too many different places")
        plain, found = list(self.plain), []
        for start, after in itertools.pairwise(ends):
            total = sp.Add(*(e for first, last, e in self.single if first <= start <= last))
            if total == 0:
                continue
            if after - start <= FEW:
                plain += [atoms.substituted(total, {INDEX: Affine(k, {})}) for k in range(start, after)]
            else:
                found.append((start, after - 1, total))
        return sp.Add(*(_expanded(e) for e in plain)), found


def _renamed(bound: Affine, names: dict[sp.Symbol, sp.Symbol]) -> Affine:
    return Affine(bound.constant, {names[i]: k for i, k in bound.strides.items()})


def _expanded(e: sp.Expr) -> sp.Expr:
    """Multiply out products and positive powers of sums."""
    if e.count_ops() > MOST_OPERATIONS:
        return e
    return sp.expand(e, power_base=False, power_exp=False, log=False, basic=False)


def _shift(atoms: Atoms, e: sp.Expr) -> int | None:
    """Return by how much the index may grow so that the first subscript is the index; None without subscripts."""
    found = []
    for s in e.free_symbols:
        if s in atoms.keys:
            _, subscripts = atoms.subscripts(s) or (("", 0), [])
            for a in subscripts:
                k = a.strides.get(INDEX, 0)
                if k:
                    found.append(a.constant // k if k > 0 else -(a.constant // k))
    return min(found) if found else None


def bracket(f: Sequence[Summand], g: Sequence[Summand], atoms: Atoms) -> Residual:
    """Return {f, g}, where one of both has no more than one index in each term.

    Raises:
        NoTermwise: if both have, or the sums have no such form.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(9)
        >>> atoms = Atoms(space)
        >>> p, H = (atoms.terms(space.parse(t)) for t in ("Sum(p[i], (i, 1, 9))", "Sum((q[j + 1] - q[j])**2, (j, 1, 8))"))
        >>> bracket(p, H, atoms).stretches(atoms)
        (0, [])
    """
    try:
        return _bracket(slopes(f, atoms), g, atoms, 1)
    except NoTermwise as first:
        try:
            return _bracket(slopes(g, atoms), f, atoms, -1)
        except NoTermwise:
            raise first from None


def _bracket(slope: Slopes, terms: Sequence[Summand], atoms: Atoms, sign: int) -> Residual:
    """Return Σ ∂f/∂q ∂T/∂p − ∂f/∂p ∂T/∂q over the terms T, times a sign."""
    found = Residual()
    for term in terms:
        parts = sp.Add.make_args(term.expr) if not term.size else (term.expr,)
        for part in parts:
            for v in atoms.variables(part):
                by_v = atoms.partial(part, v)
                for ranges, e, s in _conjugate_slopes(slope, term.ranges, v, atoms):
                    found.add(atoms, sign * s * e * by_v, ranges)
    return found


def _conjugate_slopes(
    slope: Slopes, ranges: Ranges, v: sp.Symbol, atoms: Atoms
) -> Iterator[tuple[Ranges, sp.Expr, int]]:
    """Yield ranges, the derivative of f there by the conjugate of a variable of a term, and its sign in the bracket."""
    where = atoms.subscripts(v)
    if where is None or where[0] not in atoms.partner or len(where[1]) != 1:
        if v in atoms.keys:
            raise NoTermwise(f"{v} has no conjugate with the same number")
        other, sign = atoms.conjugate[v]
        e = slope.fixed.get(other, sp.S.Zero)
        if e != 0:
            yield ranges, e, sign
        return
    family, sign = atoms.partner[where[0]]
    (at,) = where[1]
    pieces = slope.pieces.get(family, [])
    low, high = ranges.bounds(at)
    here = [p for p in pieces if p[0] <= high and p[1] >= low]
    if len(ranges.ranges) == 1 and at.strides:
        (r,) = ranges.ranges
        ((_, k),) = at.strides.items()
        for first, last, e in here:
            a, b = (
                (first - at.constant, last - at.constant)
                if k > 0
                else (at.constant - last, at.constant - first)
            )
            start, end = max(r.lower.constant, -(-a // abs(k))), min(r.upper.constant, b // abs(k))
            if start <= end:
                inside = Ranges((Range(r.index, Affine(start, {}), Affine(end, {})),), end - start + 1)
                yield inside, atoms.substituted(e, {SITE: at}), sign
        return
    if not here:
        return
    if len(here) > 1 or here[0][0] > low or here[0][1] < high:
        raise NoTermwise(
            f"the function has not one formula for all numbers that {v} takes in a sum over several indices"
        )
    yield ranges, atoms.substituted(here[0][2], {SITE: at}), sign
