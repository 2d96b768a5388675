"""sympy's sums over subscripted names, brought to the one form in which hamsym keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy as sp

from hamsym.errors import FormulaError
from hamsym.symbolic.formula.language import CONSTANTS, DEFINED, FUNCTIONS, RESERVED, is_identifier
from hamsym.symbolic.sums.affine import Affine
from hamsym.symbolic.sums.expansion import has_sums, outermost
from hamsym.symbolic.sums.families import Families

#: Brings an expression without sums and subscripts to the symbols that are given by name.
Admit = Callable[[sp.Expr, Mapping[str, sp.Symbol]], sp.Expr]


def index_symbol(name: str) -> sp.Symbol:
    """Return the symbol of an index."""
    return sp.Symbol(name, integer=True)


def require_index(name: str, taken: Mapping[str, object], families: Families) -> None:
    """Raise a FormulaError for the name of an index that means something else."""
    if not is_identifier(name) or name in RESERVED:
        raise FormulaError(f"{name!r} is not a name of an index; use a letter such as i")
    if name in taken or name in FUNCTIONS or name in DEFINED or name in CONSTANTS or name in families:
        raise FormulaError(
            f"the index {name!r} of a sum has the name of something else; take another letter for it"
        )


def read_sums(
    expression: sp.Expr, symbols: Mapping[str, sp.Symbol], families: Families, admit: Admit
) -> sp.Expr:
    """Return an expression with sums in hamsym's form, all else brought there by ``admit``.

    Raises:
        FormulaError: for limits, subscripts and names that are refused.
    """
    ranged = expression.atoms(sp.Idx)
    if ranged:
        expression = expression.xreplace({i: index_symbol(str(i.label)) for i in ranged})
    return _read(expression, {}, symbols, families, admit)


def _read(
    expression: sp.Expr,
    scope: dict[str, sp.Symbol],
    symbols: Mapping[str, sp.Symbol],
    families: Families,
    admit: Admit,
) -> sp.Expr:
    forth: dict[sp.Basic, sp.Basic] = {}
    back: dict[sp.Basic, sp.Basic] = {}
    known = {**symbols, **scope}
    for node in outermost(expression, sp.Sum, sp.Indexed):
        read = (
            _sum(node, scope, symbols, families, admit)
            if isinstance(node, sp.Sum)
            else _subscripted(node, scope, families)
        )
        if isinstance(read, sp.Symbol):
            forth[node] = read
            continue
        place = stand_in(read)
        forth[node], back[place], known[place.name] = place, read, place
    return admit(expression.xreplace(forth), known).xreplace(back)


def stand_in(e: sp.Expr) -> sp.Symbol:
    """Return a symbol for a sum or a subscripted name; no name of a space is written like its own.

    Example:
        >>> i, q = sp.Symbol("i", integer=True), sp.IndexedBase("q", positive=True)
        >>> stand_in(q[i + 1]), stand_in(q[i + 1]).is_positive
        (q[i + 1], True)
    """
    if isinstance(e, sp.Indexed):
        kind = "positive" if e.is_positive else "real"
    else:
        body = e.function.xreplace({x: stand_in(x) for x in e.function.atoms(sp.Indexed)})
        has_terms = all((b - a).is_nonnegative for _, a, b in e.limits)
        signs = ("positive", "negative", "nonnegative", "nonpositive")[0 if has_terms else 2 :]
        kind = next((sign for sign in signs if not has_sums(body) and getattr(body, f"is_{sign}")), "real")
    return sp.Symbol(str(e), **{kind: True})


def _sum(
    total: sp.Sum,
    scope: dict[str, sp.Symbol],
    symbols: Mapping[str, sp.Symbol],
    families: Families,
    admit: Admit,
) -> sp.Sum:
    inner, limits = dict(scope), []
    rename: dict[sp.Basic, sp.Basic] = {}
    for limit in reversed(total.limits):
        if len(limit) != 3:
            raise FormulaError(f"the index {limit[0]} of a sum needs limits, as in ({limit[0]}, 1, 10)")
        name = str(limit[0])
        require_index(name, {**symbols, **inner}, families)
        a, b = (
            Affine.of(
                bound.xreplace({s: inner.get(s.name, s) for s in bound.free_symbols}), inner.values()
            ).expression
            for bound in limit[1:]
        )
        inner[name] = rename[limit[0]] = index_symbol(name)
        limits.append((inner[name], a, b))
    body = total.function.xreplace(rename)
    return sp.Sum(_read(body, inner, symbols, families, admit), *reversed(limits))


def _subscripted(e: sp.Indexed, scope: Mapping[str, sp.Symbol], families: Families) -> sp.Expr:
    name = str(e.base.label)
    own = (
        s.xreplace({x: scope.get(x.name, x) for x in s.free_symbols if isinstance(x, sp.Symbol)})
        for s in e.indices
    )
    return subscripted(name, [Affine.of(s, scope.values()) for s in own], families)


def subscripted(name: str, numbers: list[Affine], families: Families) -> sp.Expr:
    """Return what a name with subscripts means: a symbol of the space where they are numbers."""
    if any(n.strides for n in numbers):
        return families.find(name, len(numbers)).base[tuple(n.expression for n in numbers)]
    return families.symbol(name, tuple(n.constant for n in numbers))
