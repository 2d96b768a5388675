"""A Hamiltonian with sums as loops: summands, the ranges of their indices, and where each operand stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.expansion import _written_out, has_sums, outermost_sums
from hamsym.symbolic.sums.families import Access, Families
from hamsym.symbolic.sums.ranges import Range, Ranges

if TYPE_CHECKING:
    from hamsym.symbolic.space import Space

#: Inner sums of so few terms, the same number for all values of the indices around them, are written out.
FEW = 16


@dataclass(frozen=True)
class Term:
    """A summand that is added up over ranges of its indices; without ranges, a single term.

    Attributes:
        expr: the summand, in subscripted names, plain symbols and indices; no sums.
        ranges: the ranges of the indices; see :attr:`limits`.
        accesses: each subscripted name, and each plain coordinate, momentum or parameter, to where its value stands.
    """

    expr: sp.Expr
    ranges: Ranges
    accesses: Mapping[sp.Expr, Access]

    @property
    def limits(self) -> list[tuple[sp.Symbol, sp.Expr, sp.Expr]]:
        """Index, lower and upper value, the outermost first; the limits are affine in indices further out."""
        return [(r.index, r.lower.expression, r.upper.expression) for r in self.ranges.ranges]

    @property
    def count(self) -> int:
        """How many times the summand is added."""
        return self.ranges.count


def summands(expression: sp.Expr, space: Space) -> list[Term]:
    """Return the terms of a sum of sums.

    A factor before a sum goes into it, sums of sums become one with all their indices, and inner sums of a few terms are
    written out.

    Arguments:
        expression: a written form in which no sum stands inside of a function or power; see :func:`auxiliaries`.
        space: the space that it was read in.

    Raises:
        FormulaError: if a long sum stands inside of a function, or a subscript leaves the space.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(4)
        >>> first, second = summands(space.parse("2*Sum((q[i + 1] - q[i])**2, (i, 1, 3)) + q1"), space)
        >>> first.expr, first.limits, first.count
        (2*(q[i + 1] - q[i])**2, [(i, 1, 3)], 3)
        >>> [(a.kind, a.offset, list(a.strides.values())) for a in first.accesses.values()]
        [('q', 0, [1]), ('q', -1, [1])]
        >>> second.expr, second.limits
        (q1, [])
    """
    found: list[Term] = []
    _collect(expression, (), space.families, found)
    return sorted(found, key=lambda term: not term.ranges.ranges)


def auxiliaries(expression: sp.Expr, space: Space) -> tuple[sp.Expr, dict[sp.Symbol, sp.Sum]]:
    """Return an expression with symbols in place of those sums that enter it nonlinearly, and their values.

    Taken out are sums inside of functions, powers and products of sums, and, within other sums, all that do not depend on
    the indices around them.  What is left can be given to :func:`summands`, and so can the value of each symbol, which may
    contain symbols before it.  Symbols are named ``Sum 1``, ``Sum 2``, …, which no name of a space is.

    Arguments:
        expression: a written form.
        space: the space that it was read in.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(9)
        >>> H = space.parse("Sum((q[i] - Sum(q[j], (j, 1, 9))/9)**2, (i, 1, 9)) + Sum(p[i], (i, 1, 9))**2")
        >>> auxiliaries(H, space)
        (Sum 1**2 + Sum((-Sum 2/9 + q[i])**2, (i, 1, 9)), {Sum 1: Sum(p[i], (i, 1, 9)), Sum 2: Sum(q[j], (j, 1, 9))})
    """
    taken: dict[sp.Sum, sp.Symbol] = {}
    variables = set(space.variables)

    def take(s: sp.Sum) -> sp.Symbol:
        inside = within(s)
        if inside not in taken:
            taken[inside] = sp.Symbol(f"Sum {len(taken) + 1}", real=True)
        return taken[inside]

    def within(s: sp.Sum) -> sp.Sum:
        """Take out what does not depend on the indices of a sum."""
        indices = set(s.variables)
        return s.func(_without_fixed(s.function, indices), *s.limits)

    def _without_fixed(body: sp.Expr, indices: set[sp.Symbol]) -> sp.Expr:
        replace: dict[sp.Basic, sp.Basic] = {}
        for s in outermost_sums(body):
            if s.free_symbols & indices:
                inner = s.func(_without_fixed(s.function, indices | set(s.variables)), *s.limits)
                if inner != s:
                    replace[s] = inner
            else:
                replace[s] = take(s)
        return body.xreplace(replace) if replace else body

    def linear(e: sp.Expr) -> sp.Expr:
        if isinstance(e, sp.Sum):
            return within(e)
        if not has_sums(e):
            return e
        if e.is_Add:
            return e.func(*map(linear, e.args))
        if e.is_Mul:
            deep = [f for f in e.args if has_sums(f)]
            rest = [f for f in e.args if not has_sums(f)]
            if (
                len(deep) == 1
                and (isinstance(deep[0], sp.Sum) or deep[0].is_Add)
                and not any(f.free_symbols & variables for f in rest)
            ):
                return sp.Mul(*rest, linear(deep[0]))
        return e.xreplace({s: take(s) for s in outermost_sums(e)})

    left = linear(expression)
    return left, {symbol: s for s, symbol in taken.items()}


def _collect(e: sp.Expr, outer: tuple[Range, ...], families: Families, found: list[Term]) -> None:
    plain = []
    for part in sp.Add.make_args(e):
        if not has_sums(part):
            plain.append(part)
            continue
        factors = sp.Mul.make_args(part)
        deep = [f for f in factors if has_sums(f)]
        if outer:
            few = {s: _few(s, families) for s in outermost_sums(part)}
            if all(value is not None for value in few.values()):
                plain.append(part.xreplace(few))
                continue
        rest = sp.Mul(*(f for f in factors if not has_sums(f)))
        if len(deep) == 1 and isinstance(deep[0], sp.Sum):
            ranges = Ranges.of(deep[0].func(1, *deep[0].limits, *_limits(outer))).ranges
            _collect(_times(rest, deep[0].function), ranges, families, found)
        elif len(deep) == 1 and deep[0].is_Add:
            for piece in deep[0].args:
                _collect(rest * piece, outer, families, found)
        else:
            raise FormulaError(
                f"in {shorten(str(part))} a sum stands inside of a function or power and depends on the index of a sum around "
                f"it; that is possible up to {FEW} terms. Write it otherwise, or take a smaller size"
            )
    if plain:
        expr = sp.Add(*plain)
        if expr != 0:
            around = Ranges.checked(outer)
            if around.count:
                found.append(Term(expr, around, accesses(expr, around, families)))


def _times(factor: sp.Expr, body: sp.Expr) -> sp.Expr:
    if factor == 1:
        return body
    return (
        body.func(*(factor * part for part in body.args)) if body.is_Add and has_sums(body) else factor * body
    )


def _few(s: sp.Sum, families: Families) -> sp.Expr | None:
    """Return a short sum written out, the indices around it left in place; None if it is long."""
    if any(a.free_symbols or b.free_symbols for _, a, b in s.limits):
        return None
    ranges = Ranges.of(s)
    if ranges.count > FEW:
        return None
    terms = []
    for values in ranges.values():
        term = s.function.xreplace({i: sp.Integer(n) for i, n in values.items()})
        terms.append(_resolved(term, families))
    return _written_out(sp.Add(*terms), families)


def _resolved(expression: sp.Expr, families: Families) -> sp.Expr:
    """Return an expression with plain symbols for subscripts that are numbers."""
    constant = [e for e in expression.atoms(sp.Indexed) if all(s.is_Integer for s in e.indices)]
    return expression.xreplace(
        {e: families.symbol(e.base.label.name, tuple(int(s) for s in e.indices)) for e in constant}
    )


def _limits(ranges: Sequence[Range]) -> list[tuple[sp.Symbol, sp.Expr, sp.Expr]]:
    return [(r.index, r.lower.expression, r.upper.expression) for r in reversed(ranges)]


def accesses(expression: sp.Expr, ranges: Ranges, families: Families) -> dict[sp.Expr, Access]:
    """Return where each operand of a summand stands.

    Raises:
        FormulaError: if a subscript leaves the space.
    """
    found: dict[sp.Expr, Access] = {}
    subscripted = sorted(expression.atoms(sp.Indexed), key=sp.default_sort_key)
    for e in subscripted:
        numbers = [Affine.of(s, ranges.indices) for s in e.indices]
        found[e] = families.find(e.base.label.name, len(numbers)).access(numbers, ranges)
    labels = {e.base.label for e in subscripted}
    symbols = (s for s in expression.free_symbols if isinstance(s, sp.Symbol) and s not in labels)
    for symbol in sorted(symbols, key=sp.default_sort_key):
        if symbol in families.places:
            found[symbol] = families.places[symbol]
    return found
