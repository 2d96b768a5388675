"""``hamsym simulate``: trajectories from a formula or the catalogue."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hamsym.cli.options import (
    AsJson,
    Coordinates,
    Declared,
    Momenta,
    Parameters,
    Size,
    SystemName,
    Time,
    assignments,
)
from hamsym.errors import NonFiniteError, ParameterError

#: Kinds of figure that --plot writes.
FIGURE_ENDINGS = (".pdf", ".png", ".svg")
FIGURE_KINDS = ("phase", "configuration", "energy", "section")


def simulate(
    formulas: Annotated[
        list[str] | None, typer.Argument(metavar="[HAMILTONIAN]", help="Leave out with --system.")
    ] = None,
    coordinates: Coordinates = None,
    momenta: Momenta = None,
    parameter: Parameters = None,
    time: Time = None,
    system: SystemName = None,
    size: Size = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="The value of a parameter: m=1.0 (a catalogue system has defaults)."),
    ] = None,
    q0: Annotated[
        list[str] | None, typer.Option("--q0", help="Initial coordinates '1.0 0.0'; repeat for a batch.")
    ] = None,
    p0: Annotated[list[str] | None, typer.Option("--p0", help="Initial momenta, one for each --q0.")] = None,
    trajectories: Annotated[
        int, typer.Option(help="How many initial states to draw (with --system and without --q0).")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the drawn initial states.")] = 0,
    dt: Annotated[float, typer.Option(help="Time step.")] = 0.01,
    steps: Annotated[int, typer.Option(help="Number of steps.")] = 1000,
    save_every: Annotated[int, typer.Option(help="Store every n-th state.")] = 10,
    method: Annotated[str, typer.Option(help="Integrator.")] = "leapfrog",
    threads: Annotated[int | None, typer.Option(help="Number of threads (default: all).")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the trajectories to FILE.npz or DIRECTORY.zarr.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a figure to FILE.png, .pdf or .svg.")] = None,
    kind: Annotated[
        str, typer.Option(help="Of the figure: phase, configuration, energy or section.")
    ] = "phase",
    as_json: AsJson = False,
) -> None:
    """Integrate a Hamiltonian's equations and report the energy error."""
    import hamsym as hs
    from hamsym.numeric.trajectories import FILE_ENDINGS

    declared = Declared(coordinates, momenta, parameter, time=time, system=system, size=size)
    H, _ = declared.hamiltonian_and_rest(formulas or [], 0, "", values)
    named = declared.catalogue_system()
    numbers = dict(named.parameters) if named else {}
    numbers.update(assignments(values, "--set", float))
    if q0 or p0:
        start: Any = [_state(q, "--q0") for q in q0 or []], [_state(p, "--p0") for p in p0 or []]
    elif named:
        start = named.initial_states(trajectories, seed=seed, parameters=numbers)
    else:
        raise ParameterError(
            "initial states are missing; give --q0 and --p0, for example --q0 '1 0' --p0 '0 1'"
        )
    if out is not None and out.suffix not in FILE_ENDINGS:
        raise ParameterError(f"{out} has no known ending; use FILE.npz or DIRECTORY.zarr")
    if kind not in FIGURE_KINDS:
        raise ParameterError(f"--kind is one of {', '.join(FIGURE_KINDS)}, not {kind!r}")
    if plot is not None and plot.suffix not in FIGURE_ENDINGS:
        raise ParameterError(f"{plot} has no known ending; use FILE.png, .pdf or .svg")
    lost: NonFiniteError | None = None
    try:
        traj = hs.simulate(
            H, start[0], start[1], dt=dt, steps=steps, save_every=save_every, method=method, parameters=numbers,
            threads=threads, progress=not as_json and sys.stderr.isatty(),
        )  # fmt: skip
    except NonFiniteError as error:
        if error.partial is None or (out is None and plot is None):
            raise
        lost, traj = error, error.partial  # the other trajectories are whole
    if out is not None:
        traj.save(out)
    if plot is not None:
        traj.plot(kind, path=plot)
    if lost is not None:
        places = " and ".join(str(path) for path in (out, plot) if path is not None)
        raise NonFiniteError(f"{lost}; all trajectories are in {places}", lost.index, lost.time)
    drift = abs(traj.energy_error).max()
    summary = {
        "hamiltonian": H.text, "method": traj.method, "dt": dt, "steps": steps, "trajectories": len(traj.q),
        "stored": len(traj.t), "time": float(traj.t[-1]), "largest_relative_energy_error": float(drift),
        "out": out and str(out), "plot": plot and str(plot),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(repr(traj))
        for written in (out, plot):
            if written is not None:
                typer.echo(f"wrote {written}")


def _state(text: str, option: str) -> list[float]:
    try:
        return [float(x) for x in text.replace(",", " ").split()]
    except ValueError:
        raise ParameterError(f"{option} {text!r} is not a list of numbers such as '1.0 0.5'") from None
