"""``hamsym verify``: is this conserved?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hamsym.cli.options import (
    AsJson,
    Bracket,
    Budget,
    Coordinates,
    Declared,
    Functions,
    Momenta,
    Parameters,
    Size,
    SystemName,
    Time,
)


def verify(
    formulas: Annotated[
        list[str],
        typer.Argument(metavar="[HAMILTONIAN] GENERATOR", help="With --system, the generator alone."),
    ],
    coordinates: Coordinates = None,
    momenta: Momenta = None,
    parameter: Parameters = None,
    function: Functions = None,
    time: Time = None,
    bracket: Bracket = None,
    system: SystemName = None,
    size: Size = None,
    budget: Budget = 10.0,
    as_json: AsJson = False,
) -> None:
    """Decide whether {H, g} + dg/dt vanishes identically: proved (0), refuted with a point (1) or undecided (3)."""
    import hamsym as hs

    declared = Declared(coordinates, momenta, parameter, function, time, bracket, system, size)
    H, (generator,) = declared.hamiltonian_and_rest(formulas, 1, "GENERATOR")
    verdict = hs.verify(H, generator, budget=budget)
    if as_json:
        typer.echo(json.dumps({"hamiltonian": H.text, "generator": generator, **verdict.to_dict()}))
    else:
        typer.echo(f"H = {H.text}\ng = {generator}\n{verdict}")
    raise typer.Exit({"proved": 0, "refuted": 1, "undecided": 3}[verdict.status])
