"""``hamsym evaluate``: measure a trained flow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learn.cli.data import points_of, with_context
from learn.cli.options import (
    AsJson,
    AtContext,
    Generators,
    ModelPath,
    Seed,
    SplitName,
    TargetName,
    flow_at,
    numbers_of,
)

if TYPE_CHECKING:
    import numpy as np

    from learn.flow.density import HamiltonianFlow


def evaluate(
    model: ModelPath,
    target: TargetName,
    generator: Generators = None,
    points: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=10**7,
            help="Held-out points: drawn from a named target (default 2000), or at most so many of a file (default all) or data set (default 2000).",
        ),
    ] = None,
    split: SplitName = None,
    samples: Annotated[int, typer.Option(min=1, max=10**6, help="K of the importance-weighted bound.")] = 100,
    context: AtContext = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Measure a trained flow: bounds on its likelihood, the gap to the truth, and its symmetry with the noise floor."""
    import hamsym
    from learn.evaluation.measures import evaluate as measure
    from learn.evaluation.report import symmetry_rows

    flow = flow_at(model)
    given = numbers_of(flow, context)
    q = points_of(target, points, seed, split, drawn=2000, most=2000)
    if flow.context is not None and given is None:
        metrics, rows = _bounds(flow, *with_context(q, flow.context.size, target), samples=samples, seed=seed)
        _show(metrics, rows, len(q), as_json)
        return
    if given is not None:
        flow = flow.given(given)
    truth = hamsym.targets.get(target)
    generators = tuple(generator) if generator else flow.generators
    quadrature = 48 if flow.freedom == flow.dim <= 2 else 0
    metrics = measure(
        flow, q, truth=truth, generators=generators, samples=samples, seed=seed, quadrature=quadrature
    )
    rows = _bound_rows(metrics)
    if quadrature:
        rows.append(["error of the bound, by quadrature, nats", f"{metrics['bound_error']:.4f}"])
    distance = metrics["energy_distance"]
    rows.append(["energy distance of samples", f"{distance['value']:.2e}"])
    rows.append(["its noise floor", f"{distance['noise_floor']:.2e}"])
    if truth is not None:
        rows.append(["KL gap to the target, nats", f"{metrics['kl_gap']:.4f} ± {metrics['kl_gap_se']:.4f}"])
    rows += symmetry_rows(metrics)
    _show(metrics, rows, len(q), as_json)


def _bounds(
    flow: HamiltonianFlow, q: np.ndarray[Any, Any], context: np.ndarray[Any, Any], *, samples: int, seed: int
) -> tuple[dict[str, Any], list[list[str]]]:
    """What can be said of a conditional flow without choosing one context: bounds on log p(q|c), each point at its own."""
    import torch

    points = torch.as_tensor(q)
    with torch.no_grad():
        noise = torch.Generator().manual_seed(seed)
        elbo = flow.elbo(points, generator=noise, context=context).double()
        estimate = flow.estimate_log_prob(points, samples, seed=seed, context=context)
    bound = estimate.value.double()
    metrics = {
        "points": len(q), "samples": samples,
        "elbo": float(elbo.mean()), "elbo_se": float(elbo.std() / len(q) ** 0.5),
        "log_likelihood_bound": float(bound.mean()), "log_likelihood_bound_se": float(bound.std() / len(q) ** 0.5),
        "bound_noise": float(estimate.standard_error.mean()),
        "effective_samples": float(estimate.effective_samples.median()),
    }  # fmt: skip
    return metrics, _bound_rows(metrics)


def _bound_rows(metrics: dict[str, Any]) -> list[list[str]]:
    return [
        ["ELBO, nats (a bound, not a likelihood)", f"{metrics['elbo']:.4f} ± {metrics['elbo_se']:.4f}"],
        [f"importance-weighted bound, K = {metrics['samples']}, nats",
         f"{metrics['log_likelihood_bound']:.4f} ± {metrics['log_likelihood_bound_se']:.4f}"],
        ["its noise floor for one point, nats", f"{metrics['bound_noise']:.1e}"],
        ["effective samples, median over points", f"{metrics['effective_samples']:.1f}"],
    ]  # fmt: skip


def _show(metrics: dict[str, Any], rows: list[list[str]], points: int, as_json: bool) -> None:
    from learn.evaluation.report import markdown_table

    typer.echo(json.dumps(metrics) if as_json else markdown_table(["measure", f"on {points} points"], rows))
