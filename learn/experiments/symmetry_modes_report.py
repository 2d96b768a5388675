"""What the experiment of fit against symmetry says: means over seeds, tables, sentences, a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.files import whole
from learn.evaluation.report import markdown_table
from learn.experiments import tables
from learn.experiments.runs import Method, difference, mean_and_error
from learn.experiments.symmetry_variants import METHODS, TARGETS

LEAST_DRAWN = 0.01  # of the relative bracket
PLACES = {"base": "base", "data": "data", "trajectory": "path", "off_data": "off-data"}

MARKERS = "osD^vP*Xhp<>d8H"  # together with a colour each method has its own


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
    told = (tables.flow_proofs(r["proofs"]) for r in rows if "proofs" in r)
    proved = dict.fromkeys(line for listed in told for line in listed)  # the same for all weights, said once
    lines = [
        "# Fit against symmetry", "",
        f"Every mode, and the variants of the constraint of Rezende, Racanière, Higgins, Toth, arXiv 1909.13739. {tables.made_by(metrics)}", "",
        "![Variation of log p over rotations, and bracket off the data, against KL gap](symmetry-modes.png)", "",
        "## Symmetry of the targets", "", *tables.proofs(metrics["proofs"]), "",
        "## Symmetry of the exact flows, for every value of the weights", "", *(f"- {line}" for line in proved), "", *parts,
        "## What it says", "", *(f"- {line}" for line in reading(metrics)), "",
        "## How to read the tables", "", tables.gap(setting["samples"]), tables.INVARIANCE, tables.BRACKET,
        "  Off the data q and p are independent Gaussians, 1.5 times as wide as data and momenta.",
        "- **relative**: rms{g,H} / rms(|∂g/∂q||∂H/∂p| + |∂g/∂p||∂H/∂q|), which no rescaling of H changes.",
        *(f"- **{m.key}**: {m.words}{_kappa(m)}." for m in METHODS), "",
        "## Setting", "",
        f"{setting['seeds']} seed(s); {setting['points']} training points, {setting['held_out']} held-out ones; {setting['steps']} steps of Adam, "
        f"batch {setting['batch']}; a chain of {setting['hamiltonians']} Hamiltonians with one leapfrog step each, width {setting['width']}; "
        f"{setting['turned']} points turned, their log p in float64 by {setting['invariance']}. The same for every method.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _kappa(method: Method) -> str:
    return "" if method.constraint is None else f", κ = {method.constraint['tolerance']:.2g}"


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
                    gap, value, xerr=error, marker=MARKERS[number % len(MARKERS)], color=colours(number), capsize=2,
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
