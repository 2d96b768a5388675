"""``hamsym integrals``: every first integral of an ansatz."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from hamsym.cli import options
from hamsym.cli.options import Declared, whole_numbers


def integrals(
    formulas: Annotated[
        list[str] | None, typer.Argument(metavar="[HAMILTONIAN]", help="Leave out with --system.")
    ] = None,
    coordinates: options.Coordinates = None,
    momenta: options.Momenta = None,
    parameter: options.Parameters = None,
    function: options.Functions = None,
    time: options.Time = None,
    bracket: options.Bracket = None,
    system: options.SystemName = None,
    size: options.Size = None,
    degree: Annotated[int, typer.Option(help="Largest total degree in the entries of the ansatz.")] = 4,
    ansatz: Annotated[
        list[str] | None,
        typer.Option(help="An entry of the ansatz, '1/sqrt(q1**2+q2**2)'; repeat. Default: all variables."),
    ] = None,
    momentum_degree: Annotated[int | None, typer.Option(help="Exact total degree in the momenta.")] = None,
    max_exponents: Annotated[
        str | None, typer.Option(help="Largest exponent of each entry of the ansatz, '1 1 2 2'.")
    ] = None,
    budget: options.Budget = 60.0,
    as_json: options.AsJson = False,
) -> None:
    """Find all first integrals in an ansatz space: complete (0), or what the budget allowed (3)."""
    import hamsym as hs

    declared = Declared(coordinates, momenta, parameter, function, time, bracket, system, size)
    H, _ = declared.hamiltonian_and_rest(formulas or [], 0, "")
    basis = hs.find_integrals(
        H,
        degree=degree,
        ansatz=ansatz,
        momentum_degree=momentum_degree,
        max_exponents=whole_numbers(max_exponents, "--max-exponents"),
        budget=budget,
        progress=not as_json and sys.stderr.isatty(),
    )
    if as_json:
        typer.echo(json.dumps({"hamiltonian": H.text, **basis.to_dict()}))
    else:
        typer.echo(f"H = {H.text}\n{basis}")
    raise typer.Exit(0 if basis.complete else 3)
