"""Parameters of a Lie algebra: where its invariants may change, and the algebra at given values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp

from hamsym.arguments import shown
from hamsym.errors import ParameterError
from hamsym.symbolic.algebra.arguments import level_value
from hamsym.symbolic.algebra.scalars import Scalar
from hamsym.symbolic.space import Space
from hamsym.symbolic.structure import Structure, killing_form
from hamsym.symbolic.structure.elimination import Echelon, Vector
from hamsym.symbolic.structure.quadratic import diagonal


def conditions(structure: Structure) -> Iterator[Scalar]:
    """Yield what must not vanish for the ranks of the series of ideals, the centre and the Killing form to stay.

    These are the pivots of eliminations: where none vanishes, each step holds as for generic parameters.

    Arguments:
        structure: structure constants that may contain parameters.
    """
    found: list[Any] = []
    for series in (structure.derived_series, structure.lower_central_series):
        for step in series:
            found += step.heads
    found += Echelon(_centre_equations(structure)).heads
    found += diagonal(killing_form(structure))
    yield from (c for c in found if isinstance(c, Scalar))


def _centre_equations(structure: Structure) -> Iterator[Vector]:
    n = structure.dimension
    for j in range(n):
        rows: dict[int, Vector] = {}
        for i in range(n):
            for k, c in structure.ad[i][j].items():
                rows.setdefault(k, {})[i] = c
        yield from rows.values()


def values_of(space: Space, given: Mapping[Any, Any]) -> dict[sp.Symbol, sp.Rational]:
    """Return parameters of a space with exact values, after they were checked.

    Raises:
        ParameterError: for names that are no parameters of the space, values that are no finite numbers, and those
            that the assumptions exclude.

    Example:
        >>> from hamsym import PhaseSpace
        >>> values_of(PhaseSpace.standard(1, parameters={"a": "positive"}), {"a": 0.5})
        {a: 1/2}
    """
    known, found = space.parameters, {}
    for name, value in given.items():
        symbol = known.get(str(name))
        if symbol is None:
            names = ", ".join(known) or "none"
            raise ParameterError(f"{shown(name)} is no parameter of the space; its parameters: {names}")
        exact = level_value(value)
        if (symbol.is_positive and exact <= 0) or (symbol.is_nonzero and exact == 0):
            raise ParameterError(f"{name} = {exact} contradicts what was declared of {name}")
        found[symbol] = exact
    bound = {s for entry in space.poisson_tensor.values() for s in entry.free_symbols} & found.keys()
    if bound:
        raise ParameterError(
            f"the brackets of the space contain {', '.join(sorted(map(str, bound)))}; build the space with numbers"
        )
    return found


def put_in(expression: sp.Expr, values: Mapping[sp.Symbol, sp.Rational]) -> sp.Expr:
    """Return an expression at values of parameters.

    Raises:
        ParameterError: if it is not finite there.
    """
    result = expression.subs(dict(values), simultaneous=True)
    if result.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        where = ", ".join(f"{s} = {v}" for s, v in values.items())
        raise ParameterError(f"{expression} is not finite at {where}")
    return result
