"""``hamsym verify``: is this conserved?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hamsym.cli import options
from hamsym.cli.options import Declared


def verify(
    formulas: Annotated[
        list[str],
        typer.Argument(metavar="[HAMILTONIAN] GENERATOR", help="With --system, the generator alone."),
    ],
    coordinates: options.Coordinates = None,
    momenta: options.Momenta = None,
    parameter: options.Parameters = None,
    function: options.Functions = None,
    time: options.Time = None,
    bracket: options.Bracket = None,
    system: options.SystemName = None,
    size: options.Size = None,
    budget: options.Budget = 10.0,
    as_json: options.AsJson = False,
) -> None:
    """Decide whether {H, g} + dg/dt vanishes identically: proved (0), refuted with a point (1) or undecided (3)."""
    import hamsym as hs

    declared = Declared(coordinates, momenta, parameter, function, time, bracket, system, size)
    H, (generator,) = declared.hamiltonian_and_rest(formulas, 1, "GENERATOR")
    verdict = hs.verify(H, generator, budget=budget)
    typer.echo(json.dumps(verdict.to_dict()) if as_json else str(verdict))
    raise typer.Exit({"proved": 0, "refuted": 1, "undecided": 3}[verdict.status])
