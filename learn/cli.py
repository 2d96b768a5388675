"""The learning commands of ``hamsym``; torch is loaded when one of them runs, not before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hamsym.errors import CheckpointError, ParameterError, did_you_mean
from hamsym.files import whole

if TYPE_CHECKING:
    import numpy as np

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
}  # fmt: skip

TargetName = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="A density of hamsym.targets, a file FILE.npy of points, or a data set of `hamsym dataset generate`, whose "
        "stored coordinates are the points.",
    ),
]
SplitName = Annotated[
    str | None, typer.Option("--split", help="The split of a data set (default: all of it).")
]
ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A flow saved by `hamsym train` or flow.save.")
]
Generators = Annotated[
    list[str] | None,
    typer.Option("--generator", help="A symmetry generator, 'q1*p2 - q2*p1'; repeat for more."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything random.")]


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


def train(
    target: TargetName,
    out: Annotated[Path, typer.Option(help="Folder for the flow, its checkpoints and the history.")],
    symmetry: Annotated[
        str, typer.Option(help="none, penalty, features, exact, average or augment.")
    ] = "none",
    generator: Generators = None,
    tolerance: Annotated[float, typer.Option(help="κ of the penalty, in units of {g,H}².")] = 0.01,
    points: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10**8,
            help="Training points: drawn from a named target (default 10000), or at most so many of a data set.",
        ),
    ] = None,
    split: SplitName = None,
    steps: Annotated[int, typer.Option(min=1, max=10**8, help="Optimiser steps.")] = 3000,
    batch: Annotated[int, typer.Option(min=1, max=10**7, help="Points per step.")] = 512,
    hamiltonians: Annotated[int, typer.Option(min=1, max=1000, help="Length of the chain.")] = 8,
    width: Annotated[int, typer.Option(min=1, max=10_000, help="Units of each potential.")] = 64,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a Hamiltonian flow on a named density, on points from a file or on the states of a data set."""
    import learn

    data = _points(target, points, seed, split, drawn=10_000)
    if (out / "model.json").exists() and not resume:
        raise ParameterError(
            f"{out} holds a trained flow already; go on with --resume, or give another folder"
        )
    dim = data.shape[-1]
    mode = None if symmetry == "none" else symmetry
    if mode is not None and not generator and dim != 2:
        raise ParameterError("name the symmetry with --generator, for example --generator 'q1*p2 - q2*p1'")
    generators = tuple(generator or ["q1*p2 - q2*p1"]) if mode is not None else ()
    flow = learn.HamiltonianFlow(
        dim=dim, hamiltonians=hamiltonians, width=width, symmetry=mode, generators=generators, seed=seed
    )
    constrained = mode in ("penalty", "features")
    constraint = learn.BracketConstraint(generators, tolerance=tolerance) if constrained else None
    result = learn.fit(
        flow, data, steps=steps, batch=batch, seed=seed, constraint=constraint, progress=not as_json, out=out, resume=resume
    )  # fmt: skip
    last = result.history["elbo"][-100:]
    summary = {
        "flow": str(out),
        "steps": steps,
        "best_step": result.best_step,
        "training_elbo": sum(last) / len(last),
    }
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(
            f"training ELBO {summary['training_elbo']:.3f} nats, mean of the last {len(last)} batches; wrote {out}"
        )
        typer.echo(f"measure it on fresh points with: hamsym evaluate {out} {target}")


def evaluate(
    model: ModelPath,
    target: TargetName,
    generator: Generators = None,
    points: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10**7,
            help="Held-out points: drawn from a named target, or at most so many of a data set (default 2000).",
        ),
    ] = None,
    split: SplitName = None,
    samples: Annotated[int, typer.Option(min=1, max=10**6, help="K of the importance-weighted bound.")] = 100,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Measure a trained flow: bounds on its likelihood, the gap to the truth, and its symmetry with the noise floor."""
    import hamsym
    import learn
    from learn.evaluation import evaluate as measure
    from learn.report import markdown_table, symmetry_rows

    if not model.exists():
        raise CheckpointError(f"{model} does not exist; give the folder that `hamsym train --out` wrote")
    flow = learn.load(model)
    q = _points(target, points, seed, split, drawn=2000, most=2000)
    truth = hamsym.targets.get(target)
    generators = tuple(generator) if generator else flow.generators
    quadrature = 48 if flow.freedom == flow.dim <= 2 else 0
    metrics = measure(
        flow, q, truth=truth, generators=generators, samples=samples, seed=seed, quadrature=quadrature
    )
    if as_json:
        typer.echo(json.dumps(metrics))
        return
    rows = [
        ["ELBO, nats (a bound, not a likelihood)", f"{metrics['elbo']:.4f} ± {metrics['elbo_se']:.4f}"],
        [f"importance-weighted bound, K = {samples}, nats",
         f"{metrics['log_likelihood_bound']:.4f} ± {metrics['log_likelihood_bound_se']:.4f}"],
    ]  # fmt: skip
    rows.append(["effective samples, median over points", f"{metrics['effective_samples']:.1f}"])
    if quadrature:
        rows.append(["error of the bound, by quadrature, nats", f"{metrics['bound_error']:.4f}"])
    distance = metrics["energy_distance"]
    rows.append(["energy distance of samples", f"{distance['value']:.2e}"])
    rows.append(["its noise floor", f"{distance['noise_floor']:.2e}"])
    if truth is not None:
        rows.append(["KL gap to the target, nats", f"{metrics['kl_gap']:.4f} ± {metrics['kl_gap_se']:.4f}"])
    rows += symmetry_rows(metrics)
    typer.echo(markdown_table(["measure", f"on {len(q)} points"], rows))


def sample(
    model: ModelPath,
    out: Annotated[Path, typer.Option(help="File FILE.npy for the points, shape (n, dim).")],
    n: Annotated[int, typer.Option("-n", min=1, max=10**9, help="How many points.")] = 1000,
    seed: Seed = 0,
) -> None:
    """Draw points from a trained flow."""
    import numpy as np

    import learn

    if out.suffix != ".npy":
        raise ParameterError(f"{out} has no known ending; use FILE.npy")
    if not model.exists():
        raise CheckpointError(f"{model} does not exist; give the folder that `hamsym train --out` wrote")
    flow = learn.load(model)
    points = flow.sample(n, seed=seed).cpu().numpy()
    with whole(out) as partial:
        np.save(partial, points)
    typer.echo(f"wrote {n} points to {out}")


def _points(
    target: str, n: int | None, seed: int, split: str | None, *, drawn: int, most: int | None = None
) -> np.ndarray[Any, Any]:
    """Points of a named density, of a file or of a data set, shape (n, dim).

    Arguments:
        target: name or path.
        n: how many, as the user says.
        seed: of what is drawn.
        split: of a data set.
        drawn, most: how many of a density and of a data set, if the user does not say.
    """
    import numpy as np

    import hamsym

    if Path(target).is_dir():
        return _states(target, n or most, seed, split)
    if split is not None:
        raise ParameterError(f"--split is for data sets, which {target} is not")
    if not target.endswith(".npy"):
        return hamsym.targets[target].sample(n or drawn, seed=seed)
    try:
        points = np.load(target, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise ParameterError(f"{target} holds no plain array of numbers; save one with numpy.save") from error
    if points.ndim != 2 or points.dtype.kind not in "fiu":
        raise ParameterError(
            f"{target} must hold numbers of shape (n, dim), not {points.dtype} {points.shape}"
        )
    return points


def _states(folder: str, n: int | None, seed: int, split: str | None) -> np.ndarray[Any, Any]:
    """Stored coordinates of a data set, all or n of them, shape (n, dof)."""
    import numpy as np
    import torch

    from learn.datasets import TrajectoryDataset

    states = TrajectoryDataset(folder, fields=["q"], split=split, dtype=torch.float64)
    if n is None or n >= len(states):
        return states.tensor("q").numpy()
    return states[np.sort(np.random.default_rng(seed).choice(len(states), n, replace=False))]["q"].numpy()
