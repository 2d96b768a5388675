"""``hamsym algebra``: what do these functions close to?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hamsym.cli import options
from hamsym.cli.options import Declared
from hamsym.errors import ParameterError
from hamsym.symbolic.formula.text import shorten, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hamsym.symbolic.algebra import LieAlgebra


def algebra(
    generators: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="GENERATOR...",
            help="Two or more functions. With --system and none given: its known integrals without the energy.",
        ),
    ] = None,
    hamiltonian: Annotated[
        str | None,
        typer.Option(help="A central function that coefficients may depend on, as in Kepler's so(4)."),
    ] = None,
    coordinates: options.Coordinates = None,
    momenta: options.Momenta = None,
    parameter: options.Parameters = None,
    function: options.Functions = None,
    time: options.Time = None,
    bracket: options.Bracket = None,
    system: options.SystemName = None,
    size: options.Size = None,
    budget: options.Budget = 30.0,
    as_json: options.AsJson = False,
) -> None:
    """Close functions under the Poisson bracket, over the rationals.

    Exit code 0: they close, alone, with a constant, or with coefficients that depend on a central function such as the energy;
    1: they do not; 3: not decided within the budget.
    """
    import hamsym as hs

    declared = Declared(coordinates, momenta, parameter, function, time, bracket, system, size)
    named = declared.catalogue_system()
    given: list[object] = list(generators or [])
    central: object = hamiltonian
    if named is None:
        if not given:
            raise ParameterError(
                "no functions given; write them one by one: hamsym algebra 'q1*p2 - q2*p1' 'p1'"
            )
        space = declared.space([*(generators or []), *([hamiltonian] if hamiltonian else [])])
    else:
        space = named.hamiltonian.space
        central = hamiltonian or named.hamiltonian
        given = given or list(named.integrals[1:])
        if not given:
            raise ParameterError(
                f"the energy is the only known integral of {named.name}; name functions instead"
            )
    found = hs.LieAlgebra(given, space, hamiltonian=central, budget=budget)
    if named is not None and not generators:  # the catalogue lists squares such as L² too
        found = found.without_products
    told = found.to_dict()
    if as_json:
        typer.echo(json.dumps(told))
    else:
        typer.echo("\n".join([str(found), *_brackets(found)]))
    raise typer.Exit(_exit_code(found))


def _exit_code(found: LieAlgebra) -> int:
    if found.facts()["describes"] is None:
        return 3 if found.stopped else 1
    with_constants = bool(found.adjoined) and all(g.is_number for g in found.adjoined)
    return 0 if found.closes or with_constants or found.coefficients_depend_on is not None else 1


def _brackets(found: LieAlgebra) -> Iterator[str]:
    """Write what the basis is called and its brackets that are not zero, one a line."""
    if found.facts()["describes"] is None:
        return
    for symbol, function in zip(found.symbols, found.basis, strict=True):
        if symbol != function:
            yield f"  {symbol} = {shorten(to_text(function))}"
    n = len(found.symbols)
    for i in range(n):
        for j in range(i + 1, n):
            value = found.bracket(i, j)
            if value != 0:
                yield f"  {{{found.symbols[i]}, {found.symbols[j]}}} = {value}"
