"""Sums written out term by term, and counted without that."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.families import Families, Letter
from hamsym.symbolic.sums.ranges import Ranges

#: Terms up to which sums are written out.
MOST_WRITTEN_OUT = 20_000


def has_sums(expression: sp.Basic) -> bool:
    """Tell whether an expression contains sums.

    Example:
        >>> i, q = sp.Symbol("i", integer=True), sp.IndexedBase("q")
        >>> has_sums(sp.Sum(q[i], (i, 1, 3)) + 1), has_sums(sp.Symbol("q1"))
        (True, False)
    """
    return next(outermost(expression, sp.Sum), None) is not None


def outermost(expression: sp.Basic, *kinds: type[sp.Basic]) -> Iterator[sp.Basic]:
    """Yield the different parts of some kinds that stand in no other such part, in the order of the expression.

    Each part is looked at once, however often it occurs.

    Example:
        >>> i, q = sp.Symbol("i", integer=True), sp.IndexedBase("q")
        >>> list(outermost(1 + 2*sp.Sum(q[i], (i, 1, 3)), sp.Sum))
        [Sum(q[i], (i, 1, 3))]
    """
    seen: set[sp.Basic] = set()
    stack = [expression]
    while stack:
        e = stack.pop()
        if e not in seen:
            seen.add(e)
            if isinstance(e, kinds):
                yield e
            elif e.args:
                stack.extend(reversed(e.args))


def outermost_sums(expression: sp.Basic) -> list[sp.Sum]:
    """Return the different sums of an expression that stand in no other."""
    return list(outermost(expression, sp.Sum))


def term_count(expression: sp.Expr) -> int:
    """Return how many terms the expression has when its sums are written out; nothing is written out for that.

    Terms of every sum are counted, those inside of functions, powers and products too.

    Example:
        >>> i, j = sp.symbols("i j", integer=True)
        >>> q = sp.IndexedBase("q")
        >>> term_count(sp.Sum((q[i] - q[j])**2, (j, i + 1, 1000), (i, 1, 1000)) + sp.Sum(q[i], (i, 1, 10))**2)
        499510
    """
    if not has_sums(expression):
        return len(sp.Add.make_args(expression))
    total = 0
    for part in sp.Add.make_args(expression):
        sums = outermost_sums(part)
        total += sum(_count(s, ()) for s in sums) if sums else 1
    return total


def _count(total: sp.Sum, outer: tuple) -> int:
    limits = (*total.limits, *outer)
    count = Ranges.of(sp.Sum(1, *limits)).count
    inner = [part for part in sp.Add.make_args(total.function) if has_sums(part)]
    if not inner:
        return count
    plain = len(sp.Add.make_args(total.function)) > len(inner)
    return count * plain + sum(_count(s, limits) for part in inner for s in outermost_sums(part))


def written_out(expression: sp.Expr, families: Families, most: int = MOST_WRITTEN_OUT) -> sp.Expr:
    """Return an expression with its sums term by term, in the plain symbols of a space.

    Arguments:
        expression: a written form, as a space reads it.
        families: ``space.families``.
        most: terms up to which it is done.

    Raises:
        FormulaError: if there are more.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(4)
        >>> written_out(space.parse("Sum((q[i + 1] - q[i])**2, (i, 1, 3))"), space.families)
        (-q1 + q2)**2 + (-q2 + q3)**2 + (-q3 + q4)**2
    """
    if not has_sums(expression):
        return expression
    require_few(term_count(expression), most)
    return _written_out(expression, families)


def require_few(count: int, most: int = MOST_WRITTEN_OUT) -> None:
    """Raise a FormulaError for sums with more terms than are written out."""
    if count > most:
        raise FormulaError(
            f"the sums have {count} terms, and at most {most} are written out one by one. Simulation and sampling keep "
            "sums as they are (H.written); for proofs and symbolic work take a smaller size"
        )


def _written_out(expression: sp.Expr, families: Families) -> sp.Expr:
    sums = outermost_sums(expression)
    if not sums:
        return expression
    return expression.xreplace({s: sp.Add(*instances(s.function, Ranges.of(s), families)) for s in sums})


def each_written_out(condition: sp.Basic, families: Families) -> list[sp.Expr]:
    """Return a condition for each value of the indices that it is for.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(3)
        >>> domain = space.parse_with_domain("Sum(q[i]/q[i], (i, 1, 3))")[1]
        >>> each_written_out(domain.nonzero[0], space.families)
        [q1, q2, q3]
    """
    if not isinstance(condition, sp.Tuple):
        return [written_out(condition, families)]
    body, *limits = condition.args
    total = sp.Sum(body, *limits)
    require_few(term_count(total))
    return [e for e in instances(body, Ranges.of(sp.Sum(1, *limits)), families) if e.free_symbols]


def instances(body: sp.Expr, ranges: Ranges, families: Families) -> list[sp.Expr]:
    """Return an expression in indices for all their values, the sums inside of it written out.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(3)
        >>> total = space.parse("Sum(q[i]*q[i + 1], (i, 1, 2))")
        >>> instances(total.function, Ranges.of(total), space.families)
        [q1*q2, q2*q3]
    """
    indices = ranges.indices
    subscripted = {
        e: (
            families.find(e.base.label.name, len(e.indices)).symbols,
            [_subscript(s, indices) for s in e.indices],
        )
        for e in body.atoms(sp.Indexed)
        if all(s.free_symbols <= set(indices) for s in e.indices)
    }
    as_numbers = [i for i in indices if _occurs(i, body)]
    nested = has_sums(body)
    found = []
    for values in ranges.values():
        replace: dict[sp.Basic, sp.Basic] = {
            e: symbols[tuple(s.at(values) for s in subscripts)]
            for e, (symbols, subscripts) in subscripted.items()
        }
        replace.update({i: sp.Integer(values[i]) for i in as_numbers})
        term = body.xreplace(replace)
        found.append(_written_out(term, families) if nested else term)
    return found


def _subscript(expression: sp.Expr, indices: tuple[sp.Symbol, ...]) -> Affine:
    return Affine.of(expression, indices)


def _occurs(index: sp.Symbol, body: sp.Expr) -> bool:
    """Tell whether an index occurs outside of subscripts of its own sum, or in an inner sum."""
    stack: list[sp.Basic] = [body]
    while stack:
        e = stack.pop()
        if e == index:
            return True
        if isinstance(e, sp.Sum):
            if e.has(index):
                return True
        elif not isinstance(e, sp.Indexed):
            stack.extend(e.args)
    return False


def used_symbols(expression: sp.Expr, families: Families) -> set[sp.Symbol]:
    """Return the plain symbols that an expression contains when its sums are written out; nothing is written out for that.

    Of a subscript that skips numbers, those between are counted too.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(9, parameters={"k": "real"})
        >>> sorted(s.name for s in used_symbols(space.parse("k*Sum(q[i + 1] - q[i], (i, 1, 3))"), space.families))
        ['k', 'q1', 'q2', 'q3', 'q4']
    """
    found = {s for s in expression.free_symbols if isinstance(s, sp.Symbol) and not isinstance(s, Letter)}
    _used(expression, (), families, found)
    return found


def _used(
    expression: sp.Expr, outer: tuple[sp.Tuple, ...], families: Families, found: set[sp.Symbol]
) -> None:
    for total in outermost_sums(expression):
        limits = (*total.limits, *outer)
        ranges = Ranges.of(sp.Sum(1, *limits))
        if not ranges.count:
            continue
        for e in total.function.atoms(sp.Indexed):
            if all(s.free_symbols <= set(ranges.indices) for s in e.indices):
                boxes = [ranges.bounds(Affine.of(s, ranges.indices)) for s in e.indices]
                symbols = families.find(e.base.label.name, len(boxes)).symbols
                numbers = itertools.product(*(range(low, high + 1) for low, high in boxes))
                found.update(symbols[n] for n in numbers if n in symbols)
        _used(total.function, limits, families, found)


def concrete(values: Mapping[sp.Symbol, int], expression: sp.Expr, families: Families) -> sp.Expr:
    """Return an expression in indices for one value of each of them."""
    replace: dict[sp.Basic, sp.Basic] = {}
    for e in expression.atoms(sp.Indexed):
        numbers = tuple(Affine.of(s, values).at(values) for s in e.indices)
        replace[e] = families.symbol(e.base.label.name, numbers)
    replace.update({i: sp.Integer(n) for i, n in values.items()})
    return expression.xreplace(replace)
