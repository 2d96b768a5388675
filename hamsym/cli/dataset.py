"""``hamsym dataset generate | info | check``: data sets of trajectories on disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from hamsym.cli.options import AsJson

dataset = typer.Typer(
    help="Make, describe and check data sets of trajectories.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Folder = Annotated[Path, typer.Argument(metavar="PATH", help="Folder of the data set.")]
#: Exit codes of ``check``.
DAMAGED, INCOMPLETE = 1, 3


@dataset.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@dataset.command()
def generate(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The spec: FILE.yaml or FILE.json.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the data set; one that was begun is continued.")
    ],
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers shall make the shards.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the data set of a spec; interrupted, the same command goes on with the same result."""
    from hamsym.data.dataset import generate_dataset
    from hamsym.data.inspection import dataset_info, info_text
    from hamsym.data.spec import DatasetSpec

    wanted = DatasetSpec.from_file(spec)
    progress = not as_json and sys.stderr.isatty()
    try:
        if scheduler is None:
            generate_dataset(wanted, out, progress=progress)
        else:
            from hamsym.data.cluster import connected

            with connected(scheduler) as client:
                generate_dataset(wanted, out, client=client, progress=progress)
    except KeyboardInterrupt as stop:
        raise typer.Abort(str(stop)) from None  # typer would drop the words of a KeyboardInterrupt
    made = dataset_info(out)
    typer.echo(json.dumps(made) if as_json else info_text(made))


@dataset.command()
def info(path: Folder, as_json: AsJson = False) -> None:
    """Tell what a data set holds: Hamiltonian, proved integrals, sizes, energy errors."""
    from hamsym.data.inspection import dataset_info, info_text

    found = dataset_info(path)
    typer.echo(json.dumps(found) if as_json else info_text(found))


@dataset.command()
def check(path: Folder, as_json: AsJson = False) -> None:
    """Hold every byte against its checksum: sound (0), damaged (1), sound but not complete (3)."""
    from hamsym.data.inspection import check_dataset

    report = check_dataset(path, progress=not as_json and sys.stderr.isatty())
    typer.echo(json.dumps(report.to_dict()) if as_json else str(report))
    raise typer.Exit(DAMAGED if not report.is_sound else 0 if report.is_complete else INCOMPLETE)
