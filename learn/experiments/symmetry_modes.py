"""Fit against symmetry: every mode and every variant of the constraint, on symmetric targets and on one that is not.

Rezende, Racanière, Higgins, Toth, arXiv 1909.13739 (2019), impose a symmetry by a Lagrangian on E{g, H}² over base
states.  What does the learned density gain by it, and what does it cost?  Each flow is measured by its KL gap, by
how much log p varies over rotations beside the noise floor of that measure, and by its brackets on four kinds of states.
On the target without the symmetry a symmetric flow must fit worse, and the report says by how much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import hamsym as hs
from learn.evaluation.measures import evaluate
from learn.experiments import runs, tables
from learn.experiments.symmetry_modes_report import figure, reading, report
from learn.experiments.symmetry_variants import METHODS, TARGETS
from learn.training.fit import fit

if TYPE_CHECKING:
    from hamsym.data.targets import Target


@dataclass(frozen=True)
class Setting:
    """Sizes of a run; ``samples`` is the K of the importance-weighted bound, ``turned`` the points that are turned.

    ``invariance`` is how their log p is computed, as in :func:`learn.density_invariance`.
    """

    points: int
    held_out: int
    seeds: int
    steps: int
    batch: int
    hamiltonians: int
    width: int
    samples: int
    turned: int
    invariance: str = "importance"


QUICK = Setting(10_000, 1_000, 1, 500, 128, 4, 32, 100, 12)
FULL = Setting(50_000, 4_000, 2, 4_000, 512, 8, 64, 256, 12, "quadrature")


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics, report and the trained flows into a folder.

    Arguments and result are those of every experiment: :func:`learn.experiments.ehf.run` tells them; what an
    interrupted run did is taken up in the middle of a training if need be.
    """
    setting = QUICK if quick else FULL
    folder = runs.Folder("symmetry-modes", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    proofs = {name: folder.prove(name, hs.targets[name]) for name in TARGETS}
    least = {name: least_gap(hs.targets[name], setting.held_out, seed=seed) for name in TARGETS}
    rows = []
    # one seed after the other: whoever stops early has whole tables of the first ones
    for s, name, method in product(runs.seeds(seed, setting.seeds), TARGETS, METHODS):
        row = folder.row(f"{name}-{method.key}-{s}", partial(measure, name, method, setting, folder, seed=s))
        rows.append(row)
        invariance = row["density_invariance"]
        folder.console.print(
            f"{name}, {method.key}, seed {s}: KL gap {tables.plus_minus(row['kl_gap'], row['kl_gap_se'])} nats, sd of log p "
            f"over rotations {invariance['value']:.2g}, noise floor {invariance['noise_floor']:.2g}",
            highlight=False,
        )
    figure(rows, least, out / "symmetry-modes.png")
    metrics = folder.close({"proofs": proofs, "least_gap": least, "runs": rows}, report)
    for line in reading(metrics):
        folder.console.print(f"• {line}", highlight=False)
    folder.console.print(
        f"{metrics['seconds']:.0f} s; wrote symmetry-modes.png, metrics.json and report.md to {out}/"
    )
    return metrics


def measure(
    name: str, method: runs.Method, setting: Setting, folder: runs.Folder, *, seed: int
) -> dict[str, Any]:
    """Train one flow, which is kept in the folder, and return its measures on fresh points, plain values by name."""
    target = hs.targets[name]
    flow = method.flow(hamiltonians=setting.hamiltonians, width=setting.width, seed=seed)
    with runs.without_warnings_of_constraints():
        result = fit(
            flow, target.sample(setting.points, seed=seed), steps=setting.steps, batch=setting.batch, seed=seed,
            constraint=method.lagrangian(), progress=not folder.console.quiet, resume=folder.resume,
            out=folder.out / "flows" / f"{name}-{method.key}-{seed}",
        )  # fmt: skip
    fresh = target.sample(setting.held_out, seed=runs.seeds(seed, 1001)[-1])
    measured = evaluate(
        flow, fresh, truth=target, generators=(runs.ROTATION,), samples=setting.samples, turned=setting.turned,
        invariance=setting.invariance, seed=seed,
    )  # fmt: skip
    measured |= measured.pop("symmetry")[runs.ROTATION.text]
    return measured | {
        "target": name, "method": method.key, "seed": seed, "steps": setting.steps,
        "constraint_satisfied": result.constraint_satisfied, "lambda": result.history["lambda"][-1],
        "training_seconds": result.history["seconds"][-1],
    }  # fmt: skip


def least_gap(target: Target, points: int, *, turns: int = 512, seed: int = 0) -> tuple[float, float]:
    """Return the smallest KL gap that any rotation-invariant density can have, in nats, and its standard error.

    The invariant density closest to p in KL(p‖·) is p averaged over rotations; equal turns average a smooth periodic
    function with an error that falls faster than any power of their number.

    Arguments:
        target: the density.
        points: draws from it over which the divergence is averaged.
        turns: number of equal turns.
        seed: of the draws.

    Example:
        >>> value, error = least_gap(hs.targets["ring"], 100)
        >>> abs(value) < 1e-9 and error < 1e-9
        True
    """
    q = target.sample(points, seed=seed)
    turned = []
    for angle in 2 * np.pi * np.arange(turns) / turns:
        c, s = np.cos(angle), np.sin(angle)
        turned.append(target.log_prob(q @ np.array([[c, s], [-s, c]])))
    lost = target.log_prob(q) - (np.logaddexp.reduce(turned, axis=0) - np.log(turns))
    return float(lost.mean()), float(lost.std(ddof=1) / np.sqrt(points))
