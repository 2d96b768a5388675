"""``hamsym sample``: draw points from a trained flow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hamsym.errors import ParameterError
from hamsym.files import whole
from learn.cli.options import AsJson, AtContext, ModelPath, Seed, flow_at, numbers_of


def sample(
    model: ModelPath,
    out: Annotated[Path, typer.Option(help="File FILE.npy for the points, shape (n, dim).")],
    n: Annotated[int, typer.Option("-n", min=1, max=10**9, help="How many points.")] = 1000,
    context: AtContext = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Draw points from a trained flow."""
    import numpy as np

    if out.suffix != ".npy":
        raise ParameterError(f"{out} has no known ending; use FILE.npy")
    flow = flow_at(model)
    given = numbers_of(flow, context)
    if flow.context is not None and given is None:
        raise ParameterError(
            f"{model} is a conditional flow; give its {flow.context.size} number(s) with --context"
        )
    points = flow.sample(n, seed=seed, context=given).cpu().numpy()
    with whole(out) as partial:
        np.save(partial, points)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "shape": list(points.shape), "seed": seed, "context": given}))
    else:
        typer.echo(f"wrote {n} points to {out}")
