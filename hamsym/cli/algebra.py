"""``hamsym algebra``: what do these functions close to?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hamsym.cli import options
from hamsym.cli.options import Declared
from hamsym.errors import ParameterError


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
    """Close functions under the Poisson bracket: closed with these alone (0), with more (1), not decided (3)."""
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
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        typer.echo(str(found))
    raise typer.Exit(0 if found.closes else 1)
