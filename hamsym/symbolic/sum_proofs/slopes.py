"""The derivative of a sum by the variable with the number s, as one formula in s for each stretch of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import sympy as sp

from hamsym.symbolic.sum_proofs.atoms import Atoms, NoTermwise, Summand
from hamsym.symbolic.sums.affine import Affine

#: The number of the variable.
SITE = sp.Symbol("site", integer=True)
#: Stretches with formulas of their own, at most.
MOST_PIECES = 200

Piece = tuple[int, int, sp.Expr]


@dataclass
class Slopes:
    """Derivatives of a function by all variables.

    Attributes:
        pieces: family to (first number, last number, derivative in :data:`SITE`), in order and apart; zero elsewhere.
        fixed: derivatives by variables that are in no family with one subscript.
    """

    pieces: dict[tuple[str, int], list[Piece]] = field(default_factory=dict)
    fixed: dict[sp.Symbol, sp.Expr] = field(default_factory=dict)


def slopes(terms: Sequence[Summand], atoms: Atoms) -> Slopes:
    """Return the derivatives of a sum of terms with at most one index each.

    Raises:
        NoTermwise: if a term has more, or a variable enters so that its derivative is a sum itself.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(9)
        >>> atoms = Atoms(space)
        >>> slopes(atoms.terms(space.parse("Sum(q[i]*p[i], (i, 1, 9)) + q3")), atoms).pieces[("q", 1)]
        [(1, 2, p[site]), (3, 3, p[site] + 1), (4, 9, p[site])]
    """
    found: dict[tuple[str, int], list[Piece]] = {}
    fixed: dict[sp.Symbol, sp.Expr] = {}
    for term in terms:
        if not term.size:
            for part in sp.Add.make_args(term.expr):
                for v in atoms.variables(part):
                    _plain(atoms, part, v, found, fixed)
        elif term.size == 1:
            for v in atoms.variables(term.expr):
                _single(atoms, term, v, found)
        else:
            raise NoTermwise("both functions have terms with several indices")
    return Slopes({family: _merged(pieces) for family, pieces in found.items()}, fixed)


def _plain(
    atoms: Atoms,
    part: sp.Expr,
    v: sp.Symbol,
    found: dict[tuple[str, int], list[Piece]],
    fixed: dict[sp.Symbol, sp.Expr],
) -> None:
    slope = atoms.partial(part, v)
    family, numbers = atoms.numbered.get(v, (None, ()))
    if family is None or family not in atoms.partner or len(numbers) != 1:
        fixed[v] = fixed.get(v, sp.S.Zero) + slope
        return
    (k,) = numbers
    lifted = {}
    for s in slope.free_symbols:
        there, its = atoms.numbered.get(s, (None, ()))
        if there is not None and len(its) == 1:
            lifted[s] = atoms.at(there, [Affine(its[0] - k, {SITE: 1})])
    found.setdefault(family, []).append((k, k, slope.xreplace(lifted)))


def _single(atoms: Atoms, term: Summand, v: sp.Symbol, found: dict[tuple[str, int], list[Piece]]) -> None:
    (r,) = term.ranges.ranges
    family, subscripts = atoms.subscripts(v) or (("", 0), [])
    if v not in atoms.keys or family not in atoms.partner or len(subscripts) != 1:
        raise NoTermwise(f"the derivative by {v} is a sum, or {v} has no conjugate with the same number")
    stride = subscripts[0].strides[r.index]
    if abs(stride) != 1:
        raise NoTermwise(f"the subscript of {v} takes steps of {abs(stride)}")
    slope = atoms.partial(term.expr, v)
    c = subscripts[0].constant
    first, last = sorted(subscripts[0].at({r.index: end.constant}) for end in (r.lower, r.upper))
    slope = atoms.substituted(slope, {r.index: Affine(-stride * c, {SITE: stride})})
    found.setdefault(family, []).append((first, last, slope))


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Return pieces that do not overlap, neighbours with the same formula as one."""
    long = [p for p in pieces if p[0] < p[1]]
    if len(long) > MOST_PIECES:
        raise NoTermwise("there are too many sums")
    short: dict[int, list[sp.Expr]] = {}
    for first, last, e in pieces:
        if first == last:
            short.setdefault(first, []).append(e)
    ends = {first for first, _, _ in long} | {last + 1 for _, last, _ in long}
    ends |= set(short) | {k + 1 for k in short}
    ordered = sorted(ends)
    found: list[Piece] = []
    for start, after in itertools.pairwise(ordered):
        active = [e for first, last, e in long if first <= start <= last] + short.get(start, [])
        total = sp.Add(*active)
        if total == 0:
            continue
        if found and found[-1][1] == start - 1 and found[-1][2] == total:
            found[-1] = (found[-1][0], after - 1, total)
        else:
            found.append((start, after - 1, total))
    return found
