"""``hamsym systems``: what is in the catalogue."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hamsym.cli import options
from hamsym.cli.options import Declared


def systems(
    name: Annotated[
        str | None, typer.Argument(help="A system to describe; without it, a table of all.")
    ] = None,
    size: options.Size = None,
    as_json: options.AsJson = False,
) -> None:
    """List the catalogue of systems, or describe one: its Hamiltonian, its proved integrals, its parameters."""
    import hamsym as hs

    if name is None:
        typer.echo(json.dumps(list(hs.systems)) if as_json else str(hs.systems))
        return
    system = Declared(system=name, size=size).catalogue_system()
    assert system is not None  # a name was given
    told = system.to_dict()
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{system!r}\n  {system.about}; {system.source}")
    typer.echo(f"  q = {' '.join(told['coordinates'])}; p = {' '.join(told['momenta'])}")
    for parameter, value in system.parameters.items():
        typer.echo(f"  {parameter} = {value:g}")
    for label, integral in zip(system.labels, system.integrals, strict=True):
        typer.echo(f"  {label}: {integral.text}")
