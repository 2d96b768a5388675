"""``hamsym reproduce``: run a published experiment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hamsym.errors import ParameterError, did_you_mean
from learn.cli.options import AsJson, Seed

#: Experiments by name: the module whose ``run`` does each, which :func:`reproduce` imports, and what it shows.
EXPERIMENTS = {
    "ehf": ("learn.experiments.ehf", "the two problems of Equivariant Hamiltonian Flows, with proofs"),
    "data-efficiency": (
        "learn.experiments.data_efficiency", "KL gap against the number of training points, all six modes",
    ),
    "symmetry-modes": (
        "learn.experiments.symmetry_modes", "fit against invariance: all modes, and the variants of the constraint",
    ),
    "particles": (
        "learn.experiments.particles", "what the symmetry of bodies in space is worth: DW4 and LJ13, E(d) and permutations",
    ),
    "peers": (
        "learn.experiments.peers", "fit, symmetry and speed beside zuko and normflows at equal CPU time",
    ),
    "nhf": ("learn.experiments.nhf", "Neural Hamiltonian Flows on densities of the plane, K learned and fixed, beside RealNVP"),
    "hnn": ("learn.experiments.hnn", "Hamiltonian Neural Networks: the published tasks, and the planets, with and without symmetry"),
    "hgn": ("learn.experiments.hgn", "Hamiltonian Generative Networks: films of four systems, other times and speeds, and whether the motion is Hamiltonian"),
    "hogn": ("learn.experiments.hogn", "Hamiltonian Graph Networks: springs, other time steps, integrators and sizes, beside OGN and DeltaGN"),
    "disentangling": ("learn.experiments.disentangling", "base states of flows, a VAE and an HGN under the definition of disentangled representations"),
    "foil": ("learn.experiments.foil", "a rotation by loss, features, construction, averaging, augmentation or direct transform, on pictures"),
}  # fmt: skip


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(help="The experiment: " + ", ".join(EXPERIMENTS) + "; none to list them."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Minutes on a laptop instead of the full setting.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for figure, metrics and report (default: runs/NAME).")
    ] = None,
    seed: Seed = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run in the same folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a published experiment from formula to report; without a name, list what there is."""
    from importlib import import_module

    if name is None:
        if as_json:
            typer.echo(json.dumps({known: shows for known, (_, shows) in EXPERIMENTS.items()}))
        else:
            for known, (_, shows) in EXPERIMENTS.items():
                typer.echo(f"{known:<{max(map(len, EXPERIMENTS))}}  {shows}")
        return
    if name not in EXPERIMENTS:
        raise ParameterError(f"there is no experiment {name!r}" + did_you_mean(name, EXPERIMENTS))
    folder = out if out is not None else Path("runs") / name
    metrics = import_module(EXPERIMENTS[name][0]).run(
        folder, quick=quick, seed=seed, resume=resume, quiet=as_json
    )
    if as_json:
        typer.echo(json.dumps(metrics))
