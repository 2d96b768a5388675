"""``hamsym train``: train a flow on points, alone or under torchrun."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from hamsym.errors import ParameterError
from learn.cli.data import points_of, with_context
from learn.cli.options import AsJson, Generators, Seed, SplitName, TargetName, first_process

ROTATION = "q1*p2 - q2*p1"


def train(
    target: TargetName,
    out: Annotated[Path, typer.Option(help="Folder for the flow, its checkpoints and the history.")],
    symmetry: Annotated[
        str, typer.Option(help="none, penalty, features, exact, average or augment.")
    ] = "none",
    generator: Generators = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="κ of a constraint on {g,H}² on base states, in place of that of the mode."),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10**8,
            help="Training points: drawn from a named target (default 10000), or at most so many of a file or data set.",
        ),
    ] = None,
    split: SplitName = None,
    context: Annotated[
        int, typer.Option(min=0, max=10**4, help="Last columns of FILE.npy that are the context: p(q|c).")
    ] = 0,
    steps: Annotated[int, typer.Option(min=1, max=10**8, help="Optimiser steps.")] = 3000,
    batch: Annotated[int, typer.Option(min=1, max=10**7, help="Points per step.")] = 512,
    lr: Annotated[float, typer.Option(help="Largest learning rate.")] = 1e-2,
    draws: Annotated[
        int, typer.Option(min=1, max=10**4, help="Momenta for each point in the last part of the training.")
    ] = 4,
    draws_after: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the training before that part.")
    ] = 0.5,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1, max=10**6, help="Stop after so many looks at held-out points without a better one."
        ),
    ] = None,
    held_out: Annotated[
        float, typer.Option(help="Share of the points that is held out for --patience.")
    ] = 0.2,
    validate_every: Annotated[int, typer.Option(min=1, max=10**8, help="Steps between looks.")] = 100,
    save_every: Annotated[int, typer.Option(min=1, max=10**8, help="Steps between checkpoints.")] = 500,
    hamiltonians: Annotated[int, typer.Option(min=1, max=1000, help="Length of the chain.")] = 8,
    width: Annotated[int, typer.Option(min=1, max=10_000, help="Units of each potential.")] = 64,
    kinetic: Annotated[str, typer.Option(help="Kinetic energies: learned, or fixed as |p|²/2.")] = "learned",
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Threads of torch.")] = 1,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder for the history as TensorBoard reads it.")
    ] = None,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a Hamiltonian flow on a named density, on points from a file or on the states of a data set.

    By several processes: torchrun --standalone --nproc-per-node 2 --no-python hamsym train …
    """
    import learn
    from learn.storage import exists

    data, contexts = points_of(target, points, seed, split, drawn=10_000), None
    if context:
        data, contexts = with_context(data, context, target)
    if (out / "model.json").exists() and not resume:
        raise ParameterError(
            f"{out} holds a trained flow already; go on with --resume, or give another folder"
        )
    mode = None if symmetry == "none" else symmetry
    if generator and mode is None:
        raise ParameterError(
            "--generator is of use with --symmetry alone: penalty, features, exact, average or augment"
        )
    generators = () if mode is None else _generators(generator, target, data.shape[-1])
    quiet = as_json or not first_process()
    if generators and not quiet and not generator:
        typer.echo(
            f"symmetry: {mode}, under {ROTATION}, the rotation of the plane; --generator names another"
        )
    flow = learn.HamiltonianFlow(
        dim=data.shape[-1], hamiltonians=hamiltonians, width=width, symmetry=mode, generators=generators,
        context=context, kinetic=kinetic, seed=seed,
    )  # fmt: skip
    constraint = None  # that of the mode, if it has one
    if tolerance is not None and mode in ("penalty", "features"):
        constraint = learn.BracketConstraint(generators, tolerance=tolerance)
    if resume and not quiet and not exists(out, "training"):
        typer.echo(f"{out} holds no run to go on with; this one starts at the first step")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            result = learn.fit(
                flow, data, steps=steps, batch=batch, lr=lr, seed=seed, progress=not quiet, out=out, resume=resume,
                constraint=constraint,
                patience=patience, held_out=held_out, validate_every=validate_every, save_every=save_every,
                draws=draws, draws_after=draws_after, context=contexts, threads=threads,
                callback=None if tensorboard is None else learn.TensorBoard(tensorboard),
            )  # fmt: skip
    except KeyboardInterrupt as stop:  # typer would forget what it says
        raise typer.Abort(f"{str(stop).partition(';')[0]}; the same command with --resume goes on") from stop
    said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    if not first_process():
        return
    for message in said:
        typer.echo(f"warning: {message}", err=True)
    summary = _summary(result, out, generators, said)
    if as_json:
        typer.echo(json.dumps(summary))
        return
    stopped = (
        f"stopped after step {summary['steps']}, no better for {patience} looks; " * summary["stopped_early"]
    )
    typer.echo(
        f"{stopped}training ELBO {summary['training_elbo']:.3f} nats, mean of the last batches, weights of step "
        f"{summary['best_step']}; wrote {out}"
    )
    fresh = target if Path(target).is_dir() or not target.endswith(".npy") else "HELD_OUT.npy"
    typer.echo(f"measure it on fresh points with: hamsym evaluate {out} {fresh}")


def _generators(given: list[str] | None, target: str, dim: int) -> tuple[str, ...]:
    if given:
        return tuple(given)
    if dim != 2 or Path(target).is_dir():
        raise ParameterError(
            f"name the symmetry with --generator, for example --generator {ROTATION!r}; nothing says which symmetry "
            f"{target} has"
        )
    return (ROTATION,)


def _summary(result: Any, out: Path, generators: tuple[str, ...], warned: list[str]) -> dict[str, Any]:
    last = result.history["elbo"][-100:]
    return {
        "flow": str(out),
        "steps": result.history["step"][-1],
        "best_step": result.best_step,
        "stopped_early": result.stopped_early,
        "training_elbo": sum(last) / len(last),
        "generators": list(generators),
        "constraint_satisfied": result.constraint_satisfied,
        "warnings": warned,
    }
