"""Fit against symmetry: every mode and every variant of the constraint, on symmetric targets and on one that is not.

Rezende, Racanière, Higgins, Toth, arXiv 1909.13739 (2019), impose a symmetry by a Lagrangian on E{g, H}² over base
states.  What does the learned density gain by it, and what does it cost?  Each flow is measured by its KL gap, by
how much log p varies over rotations beside the noise floor of that measure, and by its brackets on four kinds of states.
On the target without the symmetry a symmetric flow must fit worse, and the report says by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import hamsym as hs
from hamsym.files import whole
from learn.evaluation import evaluate
from learn.experiments import tables
from learn.experiments.runs import (
    ROTATION,
    Folder,
    Method,
    difference,
    mean_and_error,
    seeds,
    without_warnings_of_constraints,
)
from learn.report import markdown_table
from learn.training import fit

if TYPE_CHECKING:
    from hamsym.data.targets import Target

TARGETS = ("two_rings", "ring", "gaussians4")
KAPPA = 3e-3
NARROW = 1e-4  # κ of flows that see |q|, |p|, for which an invariant H is in easy reach
METHODS = (
    Method("none", None),
    Method("penalty", "penalty", {"tolerance": KAPPA}),
    Method("penalty-data", "penalty", {"tolerance": KAPPA, "sampling": "data"}),
    Method("penalty-path", "penalty", {"tolerance": KAPPA, "sampling": "trajectory"}),
    Method("penalty-through", "penalty", {"tolerance": KAPPA, "sampling": "trajectory", "detach": False}),
    Method("penalty-orbit", "penalty", {"tolerance": KAPPA, "sampling": "orbit"}),
    Method("penalty-share", "penalty", {"tolerance": 1e-3, "sampling": "orbit", "normalised": True}),
    Method("features-free", "features"),
    Method("features", "features", {"tolerance": NARROW}),
    Method("features-orbit", "features", {"tolerance": NARROW, "sampling": "orbit"}),
    Method("exact", "exact"),
    Method("average", "average"),
    Method("augment", "augment"),
)
WORDS = {
    "none": "no symmetry",
    "penalty": "the paper's constraint, on base states",
    "penalty-data": "the constraint on the data with momenta of the encoder",
    "penalty-path": "the constraint on the states that each Hamiltonian meets on the way from data to base",
    "penalty-through": "the same with a gradient through these states",
    "penalty-orbit": "the constraint on these states, turned at random",
    "penalty-share": "the same with E{g,H}² divided by E(|∂g||∂H|)², κ a share",
    "features-free": "|q|, |p| as further inputs of the potentials, no constraint",
    "features": "the same with the constraint on base states",
    "features-orbit": "the same with the constraint on turned states of the path",
    "exact": "functions of |q|² and |p|² alone, and an encoder that turns with q",
    "average": "potentials averaged over 16 turns",
    "augment": "a free flow on points turned at random",
}
LEAST_DRAWN = 0.01  # of the relative bracket
PLACES = {"base": "base", "data": "data", "trajectory": "path", "off_data": "off-data"}


@dataclass(frozen=True)
class Setting:
    """Sizes of a run; ``samples`` is the K of the importance-weighted bound, ``turned`` the points that are turned."""

    points: int
    held_out: int
    seeds: int
    steps: int
    batch: int
    hamiltonians: int
    width: int
    samples: int
    turned: int


QUICK = Setting(10_000, 1_000, 1, 500, 128, 4, 32, 100, 12)
FULL = Setting(50_000, 4_000, 3, 4_000, 512, 8, 64, 1_000, 48)


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics, report and the trained flows into a folder.

    Arguments:
        out: folder, made if it is not there.
        quick: the small setting, minutes on one core.
        seed: the first of the seeds of data, weights and evaluation.
        resume: go on with an interrupted run in the same folder, in the middle of a training if need be.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.
    """
    setting = QUICK if quick else FULL
    folder = Folder("symmetry-modes", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    proofs = {name: folder.prove(name, hs.targets[name]) for name in TARGETS}
    least = {name: least_gap(hs.targets[name], setting.held_out, seed=seed) for name in TARGETS}
    rows = []
    for name in TARGETS:
        for method in METHODS:
            found = [
                folder.row(
                    f"{name}-{method.key}-{s}", partial(measure, name, method, setting, folder, seed=s)
                )
                for s in seeds(seed, setting.seeds)
            ]
            rows += found
            cell = average(found)
            folder.console.print(
                f"{name}, {method.key}: KL gap {tables.plus_minus(*cell['kl_gap'])} nats, sd of log p over rotations "
                f"{cell['variation']:.2g}, noise floor {cell['noise_floor']:.2g}",
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


def measure(name: str, method: Method, setting: Setting, folder: Folder, *, seed: int) -> dict[str, Any]:
    """Train one flow, which is kept in the folder, and return its measures on fresh points, plain values by name."""
    target = hs.targets[name]
    flow = method.flow(hamiltonians=setting.hamiltonians, width=setting.width, seed=seed)
    with without_warnings_of_constraints():
        result = fit(
            flow, target.sample(setting.points, seed=seed), steps=setting.steps, batch=setting.batch, seed=seed,
            constraint=method.lagrangian(), progress=not folder.console.quiet, resume=folder.resume,
            out=folder.out / "flows" / f"{name}-{method.key}-{seed}",
        )  # fmt: skip
    fresh = target.sample(setting.held_out, seed=seeds(seed, 1001)[-1])
    measured = evaluate(
        flow, fresh, truth=target, generators=(ROTATION,), samples=setting.samples, turned=setting.turned,
        seed=seed,
    )  # fmt: skip
    measured |= measured.pop("symmetry")[ROTATION.text]
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


def select(rows: Sequence[dict[str, Any]], target: str, method: str) -> list[dict[str, Any]]:
    """Return the rows of all seeds of one method on one target."""
    return [r for r in rows if (r["target"], r["method"]) == (target, method)]


def average(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the measures of one cell, averaged over seeds; those of symmetry as root mean squares."""

    def rms(values: Sequence[float]) -> float:
        return float(np.sqrt(np.mean(np.square(values))))

    return {
        "kl_gap": mean_and_error([r["kl_gap"] for r in rows], [r["kl_gap_se"] for r in rows]),
        "variation": rms([r["density_invariance"]["value"] for r in rows]),
        "noise_floor": rms([r["density_invariance"]["noise_floor"] for r in rows]),
        "square": {k: float(np.mean([r["bracket_mean_square"][k] for r in rows])) for k in PLACES},
        "relative": {k: rms([r["bracket_relative"][k] for r in rows]) for k in PLACES},
        "satisfied": [r["constraint_satisfied"] for r in rows],
        "seconds": float(np.mean([r["training_seconds"] for r in rows])),
    }


def reading(metrics: dict[str, Any]) -> list[str]:
    """Return in words what the numbers say, each sentence made from them."""
    rows, said = metrics["runs"], []
    for name in TARGETS:
        symmetric = metrics["proofs"][name]["status"] == "proved"
        free = select(rows, name, "none")
        changes = {m.key: difference(select(rows, name, m.key), free) for m in METHODS[1:]}
        worse = {k: c for k, c in changes.items() if c[0] > 2 * c[1]}
        better = {k: c for k, c in changes.items() if c[0] < -2 * c[1]}
        listed = {
            "cost": ", ".join(f"{k} {tables.plus_minus(*c, sign=True)}" for k, c in worse.items()),
            "gain": ", ".join(f"{k} {tables.plus_minus(*c, sign=True)}" for k, c in better.items()),
        }
        head = f"{name} ({'has' if symmetric else 'does NOT have'} the symmetry), KL gap against no symmetry, in nats: "
        if not symmetric:
            hurt = listed["cost"] or "none, within two standard errors"
            least = tables.plus_minus(*metrics["least_gap"][name])
            said.append(
                f"{head}imposing it hurts {hurt}. No invariant density has a smaller gap than {least} here, however it is trained."
            )
            continue
        said.append(
            f"{head}smaller for {listed['gain'] or 'none'}; larger for {listed['cost'] or 'none'} "
            "(by more than two standard errors)."
        )
        kept = [m.key for m in METHODS[1:] if changes[m.key][0] <= max(0.01, 2 * changes[m.key][1])]
        if kept:
            cells = {k: average(select(rows, name, k)) for k in kept}
            best = min(cells, key=lambda k: cells[k]["variation"])
            said.append(
                f"{name}: among those whose gap is larger by no more than 0.01 nats or two standard errors, log p varies least over rotations for {best}, by {_variation(cells[best])}, "
                f"against {_variation(average(free))} without symmetry."
            )
    count = len({r["seed"] for r in rows})
    if count < 3:
        said.append(
            f"{count} seed(s); ± is the standard error over held-out points and says nothing about other seeds."
        )
    return said


def _variation(cell: dict[str, Any]) -> str:
    if cell["variation"] > cell["noise_floor"]:
        return f"{cell['variation']:.3g} nats"
    return f"less than is measurable ({cell['noise_floor']:.2g} nats)"


def report(metrics: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    setting, rows = metrics["setting"], metrics["runs"]
    head = ["method", "KL gap", "against none", "sd of log p", "its noise floor",
            *(f"E{{g,H}}² {w}" for w in PLACES.values()), *(f"relative, {w}" for w in PLACES.values()), "κ met", "training (s)"]  # fmt: skip
    parts: list[str] = []
    for name in TARGETS:
        free, body = select(rows, name, "none"), []
        for method in METHODS:
            found = select(rows, name, method.key)
            cell = average(found)
            change = "–" if method.key == "none" else tables.plus_minus(*difference(found, free), sign=True)
            met = "–" if cell["satisfied"][0] is None else f"{sum(cell['satisfied'])} of {len(found)}"
            body.append([
                method.key, tables.plus_minus(*cell["kl_gap"]), change, f"{cell['variation']:.1e}", f"{cell['noise_floor']:.1e}",
                *(f"{cell['square'][k]:.1e}" for k in PLACES), *(f"{cell['relative'][k]:.1e}" for k in PLACES),
                met, f"{cell['seconds']:.0f}",
            ])  # fmt: skip
        symmetric = metrics["proofs"][name]["status"] == "proved"
        parts += [f"## {name}, {'symmetric' if symmetric else 'NOT symmetric'}", "", markdown_table(head, body), ""]  # fmt: skip
    lines = [
        "# Fit against symmetry", "",
        f"Every mode, and the variants of the constraint of Rezende, Racanière, Higgins, Toth, arXiv 1909.13739. {tables.made_by(metrics)}", "",
        "![Variation of log p over rotations, and bracket off the data, against KL gap](symmetry-modes.png)", "",
        "## Symmetry of the targets", "", *tables.proofs(metrics["proofs"]), "", *parts,
        "## What it says", "", *(f"- {line}" for line in reading(metrics)), "",
        "## How to read the tables", "", tables.gap(setting["samples"]), tables.INVARIANCE, tables.BRACKET,
        "  Off the data q and p are independent Gaussians, 1.5 times as wide as data and momenta.",
        "- **relative**: rms{g,H} / rms(|∂g/∂q||∂H/∂p| + |∂g/∂p||∂H/∂q|), which no rescaling of H changes.",
        *(f"- **{m.key}**: {WORDS[m.key]}{_kappa(m)}." for m in METHODS), "",
        "## Setting", "",
        f"{setting['seeds']} seed(s); {setting['points']} training points, {setting['held_out']} held-out ones; {setting['steps']} steps of Adam, "
        f"batch {setting['batch']}; a chain of {setting['hamiltonians']} Hamiltonians with one leapfrog step each, width {setting['width']}; "
        f"{setting['turned']} points turned. The same for every method.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _kappa(method: Method) -> str:
    return "" if method.constraint is None else f", κ = {method.constraint['tolerance']:g}"


def figure(rows: Sequence[dict[str, Any]], least: dict[str, tuple[float, float]], path: Path) -> None:
    """Draw the variation of log p over rotations, and the relative bracket off the data, against the KL gap.

    A dashed line stands at the smallest gap of an invariant density, where the target is not one.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn, axes = pyplot.subplots(
        2, len(TARGETS), figsize=(4 * len(TARGETS) + 1.6, 7), sharex="col", squeeze=False, layout="constrained"
    )  # fmt: skip
    colours = pyplot.get_cmap("tab20")
    for column, name in enumerate(TARGETS):
        upper, lower = axes[:, column]
        floors = []
        for number, method in enumerate(METHODS):
            cell = average(select(rows, name, method.key))
            gap, error = cell["kl_gap"]
            floors.append(cell["noise_floor"])
            for panel, value in (
                (upper, max(cell["variation"], cell["noise_floor"])),
                (lower, max(cell["relative"]["off_data"], LEAST_DRAWN)),
            ):
                panel.errorbar(
                    gap, value, xerr=error, marker="osD^vP*Xhp<>d"[number], color=colours(number), capsize=2,
                    linestyle="none", label=method.key,
                )  # fmt: skip
        upper.axhspan(min(floors), max(floors), color="grey", alpha=0.25, linewidth=0)
        for panel in (upper, lower):
            if least[name][0] > 1e-6:
                panel.axvline(least[name][0], color="black", linestyle="--", linewidth=0.8)
            panel.set_yscale("log")
            panel.grid(alpha=0.2)
        upper.set_title(name)
        lower.set_xlabel("KL gap (nats)")
    axes[0, 0].set_ylabel("sd of $\\log p$ over rotations (nats)\ngrey: from least to largest noise floor")
    axes[1, 0].set_ylabel(f"relative bracket off the data\n(at least {LEAST_DRAWN:g} drawn)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside right center", fontsize=8)
    with whole(path) as partly:
        drawn.savefig(partly, dpi=140)
    pyplot.close(drawn)
