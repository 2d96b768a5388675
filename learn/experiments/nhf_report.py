"""What the experiment on Neural Hamiltonian Flows says, from its rows: goals, tables and the figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import hamsym as hs
from hamsym.files import whole
from learn.evaluation.report import markdown_table
from learn.experiments import tables
from learn.experiments.runs import difference, mean_gap

Row = Mapping[str, Any]
#: What is varied in the trainings for robustness, and its words.
VARIED = {
    "steps": "leapfrog steps",
    "time": "integration time dt·steps",
    "width": "width",
    "lr": "learning rate",
}
#: Pairs of models of which the first was to fit no worse than the second, and why that is asked.
CLAIMS = (
    ("single", "realnvp", "from memory the paper of NHF shows them alike"),
    ("chain", "realnvp", "the default of this library"),
    ("single fixed", "single", "not promised; it would make the learned K needless"),
    ("chain fixed", "chain", "the same with different H"),
)

#: Half the side of the square on which densities are drawn, in standard deviations of the target.
WINDOW = 2.2


def window(name: str) -> float:
    """Return half the side of the square in which a target is drawn."""
    return WINDOW * float(np.sqrt(np.square(hs.targets[name].sample(10_000, seed=0)).mean()))


def of(rows: Sequence[Row], name: str, model: str) -> list[Row]:
    """Return the rows of all seeds of a model on a target."""
    return [r for r in rows if (r["target"], r["model"]) == (name, model)]


def goals(metrics: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """Return what was to be shown: whether it was, and the numbers."""
    rows, found = metrics["runs"], []
    for model, other in (("single fixed", "single"), ("chain fixed", "chain")):
        fixed, learned = (next(r["parameters"] for r in rows if r["model"] == m) for m in (model, other))
        found.append(
            (fixed < learned, f"{model} has fewer parameters than {other}: {fixed} against {learned}")
        )
    targets = list(dict.fromkeys(r["target"] for r in rows))
    for model, other, why in CLAIMS:
        if not any(r["model"] == other for r in rows):
            continue
        gains = {t: difference(of(rows, t, model), of(rows, t, other)) for t in targets}
        worse = [t for t, (change, error) in gains.items() if change > 2 * error]
        better = [t for t, (change, error) in gains.items() if change < -2 * error]
        by = ", ".join(f"{t} {tables.plus_minus(*g, sign=True)}" for t, g in gains.items())
        found.append((
            not worse, f"{model} fits no worse than {other} on every density ({why}): worse by more than two errors on "
            f"{len(worse)}, better on {len(better)} of {len(targets)}; differences of the KL gap: {by}",
        ))  # fmt: skip
    for what, words in VARIED.items():
        learned, fixed = (spread(metrics["probes"], what, kinetic) for kinetic in ("learned", "fixed"))
        found.append((
            fixed < learned, f"the fit depends less on {words} with K fixed: the KL gap spans {fixed:.3g} nats, with K "
            f"learned {learned:.3g}",
        ))  # fmt: skip
    probed = metrics["setting"]["probed"]
    useless, number = gaussian_gap(probed), len(metrics["probes"]) // 2
    astray = {k: sum(is_astray(r, useless) for r in metrics["probes"] if r["kinetic"] == k) for k in ("learned", "fixed")}  # fmt: skip
    found.append((
        not astray["fixed"], f"no training for robustness with K fixed went astray, which is to diverge or to fit worse than the best Gaussian, "
        f"{useless:.2f} nats: {astray['fixed']} of {number} did, and {astray['learned']} of {number} with K learned",
    ))  # fmt: skip
    return found


def spread(probes: Sequence[Row], what: str, kinetic: str) -> float:
    """Return the largest less the smallest mean gap over the values of what is varied; infinite if a training diverged."""
    means = [gap for _, gap, _ in curve(probes, what, kinetic)]
    return max(means) - min(means) if all(map(math.isfinite, means)) else math.inf


def gaussian_gap(name: str) -> float:
    """Return the KL divergence of the best Gaussian from a target, in nats: what a model without any use has.

    Example:
        >>> 0.5 < gaussian_gap("gaussians8") < 2
        True
    """
    covariance = np.cov(hs.targets[name].sample(100_000, seed=0).T)
    return float(1 + math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1] / 2 - hs.targets[name].entropy)


def is_astray(row: Row, useless: float) -> bool:
    """Return whether a training diverged or left a model that fits worse than the best Gaussian."""
    return row["kl_gap"] is None or bool(row["kl_gap"] > useless)


def curve(probes: Sequence[Row], what: str, kinetic: str) -> list[tuple[float, float, float]]:
    """Return value, mean gap over seeds and its error, for one thing varied and the others as they mostly are.

    Example:
        >>> row = {"kinetic": "fixed", "steps": 8, "time": 2.0, "width": 64, "lr": 1e-3, "kl_gap_se": 0.1}
        >>> rows = [row | {"kl_gap": 0.5}, row | {"kl_gap": 0.3, "steps": 2}, row | {"kl_gap": None, "time": 9.0}]
        >>> curve(rows, "steps", "fixed"), curve(rows, "time", "fixed")[1]
        ([(2, 0.3, 0.1), (8, 0.5, 0.1)], (9.0, inf, 0.0))
    """
    own = [r for r in probes if r["kinetic"] == kinetic]
    others = [k for k in VARIED if k != what]
    usual = {k: max({r[k] for r in own}, key=[r[k] for r in own].count) for k in others}
    own = [r for r in own if all(r[k] == usual[k] for k in others)]
    found = []
    for value in sorted({r[what] for r in own}):
        there = [r for r in own if r[what] == value]
        failed = any(r["kl_gap"] is None for r in there)
        found.append((value, *((math.inf, 0.0) if failed else mean_gap(there))))
    return found


def report(metrics: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    setting, rows, words = metrics["setting"], metrics["runs"], metrics["words"]
    keys, targets = list(words), list(dict.fromkeys(r["target"] for r in rows))
    counts = {k: next(r["parameters"] for r in rows if r["model"] == k) for k in keys}
    steps = {k: next(r["steps"] for r in rows if r["model"] == k) for k in keys}
    spent = {k: sum(r["cpu_seconds"] for r in rows if r["model"] == k) / sum(r["model"] == k for r in rows) for k in keys}  # fmt: skip
    ours = [k for k in keys if k != "realnvp"]
    missing = [] if metrics["missing"] is None else [f"RealNVP was left out: {metrics['missing']}.", ""]
    lines = [
        "# Neural Hamiltonian Flows, with the kinetic energy learned and fixed", "",
        "After Toth, Rezende, Jaegle, Racanière, Botev, Higgins, arXiv 1909.13789 (NHF), and Souveton, Guillin, Jasche, Lavaux, Michel, "
        f"arXiv 2302.01955 (K fixed). {tables.made_by(metrics)}", "", *missing,
        "![Densities, learned potentials, and the fit over steps, times and widths](nhf.png)", "",
        "Histograms of samples of the first seed under each density, with the KL gap of that seed; beside the flows of one Hamiltonian "
        "the potential that they learned, dark where it is low.", "",
        "## What was to be shown", "",
        *(f"- {'met' if met else '**not met**'}: {line}." for met, line in goals(metrics)), "",
        "## KL gap (nats)", "",
        markdown_table(["target", "entropy", *keys], [
            [t, f"{hs.targets[t].entropy:.3f}", *(tables.plus_minus(*mean_gap(of(rows, t, k))) for k in keys)] for t in targets
        ]), "",
        f"{_seeds(setting['seeds'], metrics['seed'])}; {setting['seconds']:g} s of one core for each training.", "",
        markdown_table(["", *keys], [
            ["parameters", *(counts[k] for k in keys)],
            ["step of training (ms)", *(f"{metrics['pace'][k] * 1e3:.2f}" for k in keys)],
            ["steps", *(steps[k] for k in keys)],
            ["learning rate", *(f"{metrics['rates'][k]:g}" for k in keys)],
            ["CPU s, mean", *(f"{spent[k]:.1f}" for k in keys)],
        ]), "",
        "The number of steps follows from the times of a step, measured in turns before; where the CPU s are not the seconds, the machine was slower later.", "",
        "## The bound and its noise", "",
        markdown_table(["target", *(f"{k}: K = {setting['few']}, floor; floor at {setting['samples']}" for k in ours)], [
            [t, *(_bound(of(rows, t, k)) for k in ours)] for t in targets
        ]), "",
        "## Steps, times and widths", "",
        f"One Hamiltonian on {setting['probed']}, {setting['training']} optimiser steps whatever they cost, dt = time/steps not trained, the learning rate 0.003 for both where it is not varied. "
        f"{_seeds(setting['repeats'], metrics['seed'])}.", "",
        markdown_table(["varied", "value", "K learned", "K fixed", "fixed − learned"], _robustness(metrics["probes"], setting["probed"])), "",
        "## The learned potential", "",
        markdown_table(["target", "U beside learned K", "U beside fixed K"], [
            [t, *(_likeness(of(rows, t, k)) for k in ("single", "single fixed"))] for t in targets
        ]), "",
        "Rank correlation of U with −log p of the target over held-out points, mean over seeds, for the flows of one Hamiltonian: "
        "1 where U orders points as the target does, – for a density that is one number where it is not zero. A flow of finite time need not learn such a U.", "",
        "## How to read the tables", "",
        tables.gap(setting["samples"]) + " For RealNVP log p is exact, and so is the gap.",
        "- **floor**: by how much the bound of K draws lies below log p of the flow on average, from the scatter of the weights (delta method).",
        *(f"- **{k}**: {w}." for k, w in words.items()), "",
        "## What is as in the papers, and what is not", "",
        "- Of the densities in the paper of NHF is known that they are multimodal and in the plane; that of the variant has a mixture of Gaussians. "
        "Which, with how many modes, was not found: gaussians8 stands in; paper_blobs and paper_rings are read off the figure of Equivariant "
        "Hamiltonian Flows (arXiv 1909.13739), and moons, pinwheel and checkerboard are the usual ones.",
        "- No likelihood, no number of steps, widths, learning rates or training sizes were found in what could be read of either; so no number here "
        "is beside a published one. That the variant is more robust to the number of steps, the integration time and the width is its claim.",
        "- The mass of the fixed K is one number, one over the square of the unit of length. Whether the paper trains a mass matrix was not found. "
        "An isotropic mass is no freedom where dt, U and the scale of the base are learned; a diagonal one would break rotations.",
        "- Potentials are sums of waves with bounded gradients, not the softplus networks of known implementations, and the base has two learned scales.",
        "", "## Setting", "",
        f"{setting['points']} training points, {setting['held_out']} held-out ones, batches of {setting['batch']}, as many steps as fit into the seconds by times "
        f"measured in turns. Flows of this library are trained by the defaults of `learn.fit` but for the learning rate, RealNVP (normflows, 12 affine couplings, on points "
        f"of mean 0 and variance 1) by maximum likelihood with the same optimiser, schedule and clipping. {_rates(setting)}", "",
        *_trials(metrics["trials"]),
    ]  # fmt: skip
    return "\n".join(lines)


def _seeds(count: int, first: int) -> str:
    return (
        "One seed, so ± is over points"
        if count == 1
        else f"Mean and standard error over the seeds {first} to {first + count - 1}"
    )


def _likeness(rows: Sequence[Row]) -> str:
    target = hs.targets[rows[0]["target"]]
    if np.ptp(target.log_prob(target.sample(100, seed=0))) < 1e-9:
        return "–"
    return f"{np.mean([r['likeness'] for r in rows]):+.2f}"


def _rates(setting: Mapping[str, Any]) -> str:
    tried = ", ".join(f"{r:g}" for r in setting["rates"])
    if len(setting["rates"]) == 1:
        return f"The learning rate is {tried} for all."
    return (
        f"The learning rate of each is that of {tried} with the smallest mean gap in trainings of {setting['trial']:g} s on gaussians8 and "
        "pinwheel with another seed, whose time is not counted."
    )


def _trials(trials: Mapping[str, Mapping[str, float]]) -> list[str]:
    rates = list(next(iter(trials.values())))
    if not rates:
        return []
    lines = [[key, *(f"{gap:.3f}" for gap in gaps.values())] for key, gaps in trials.items()]
    edge = [key for key, gaps in trials.items() if min(gaps, key=gaps.__getitem__) == rates[-1]]
    said = (
        f"The largest was the best for {', '.join(edge)}: a larger one might be better still." if edge else ""
    )
    return [markdown_table(["mean gap in trials", *rates], lines), "", *([said, ""] if said else [])]


def _bound(rows: Sequence[Row]) -> str:
    few, many = (np.mean([r[f"{c}_floor"] for r in rows]) for c in ("few_gap", "kl_gap"))
    return f"{mean_gap(rows, 'few_gap')[0]:.3f}, {few:.0e}; {many:.0e}"


def _robustness(probes: Sequence[Row], probed: str) -> list[list[str]]:
    lines, useless = [], gaussian_gap(probed)
    for what, words in VARIED.items():
        both = (curve(probes, what, kinetic) for kinetic in ("learned", "fixed"))
        for (value, a, da), (_, b, db) in zip(*both, strict=True):
            sound = max(a, b) < useless
            cells = (
                tables.plus_minus(x, dx) if x < useless else f"{x:.3g}: astray"
                for x, dx in ((a, da), (b, db))
            )
            lines.append([words, f"{value:g}", *cells, f"{b - a:+.3f}" if sound else "–"])
    return lines


def figure(rows: Sequence[Row], probes: Sequence[Row], path: Path) -> None:
    """Draw every density beside the samples of every model and the learned potentials, and below the fit over what is varied."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn = [r for r in rows if "histogram" in r]
    targets, models = (list(dict.fromkeys(r[k] for r in drawn)) for k in ("target", "model"))
    columns = ["target"]
    for m in models:
        columns += [m, f"U of {m}"] if any("potential" in r for r in drawn if r["model"] == m) else [m]
    size = 1.5
    page = pyplot.figure(figsize=(size * len(columns), size * len(targets) + 3.2), layout="constrained")
    above, below = page.subfigures(2, 1, height_ratios=[size * len(targets), 3.0], squeeze=False)[:, 0]
    panels = above.subplots(len(targets), len(columns), squeeze=False)
    for panel, column in zip(panels[0], columns, strict=True):
        panel.set_title(column, fontsize=8)
    for line, name in zip(panels, targets, strict=True):
        found = {r["model"]: r for r in drawn if r["target"] == name}
        bins = len(next(iter(found.values()))["histogram"])
        for panel, column in zip(line, columns, strict=True):
            panel.set_xticks([]), panel.set_yticks([])
            model = column.removeprefix("U of ")
            if column == "target":
                panel.imshow(_density(name, bins).T, origin="lower", cmap="magma")
                panel.set_ylabel(name, fontsize=8)
            elif column == model:
                panel.imshow(np.asarray(found[model]["histogram"]).T, origin="lower", cmap="magma")
                panel.set_xlabel(f"{found[model]['kl_gap']:.3f} nats", fontsize=7)
            else:
                panel.imshow(np.asarray(found[model]["potential"]).T, origin="lower", cmap="viridis")
    for panel, (what, words) in zip(below.subplots(1, len(VARIED)).flat, VARIED.items(), strict=True):
        for kinetic, marker in (("learned", "o"), ("fixed", "s")):
            points = [x for x in curve(probes, what, kinetic) if math.isfinite(x[1])]
            x, y, error = zip(*points, strict=True) if points else ((), (), ())
            panel.errorbar(x, y, error, marker=marker, capsize=2, label=f"K {kinetic}")
        panel.set_xscale("log", base=10 if what == "lr" else 2)
        panel.set_yscale("log")
        panel.set_xlabel(words)
        panel.grid(which="both", alpha=0.2)
        panel.set_ylabel("KL gap (nats)")
        panel.legend(fontsize=8)
    with whole(path) as partly:
        page.savefig(partly, dpi=110)
    pyplot.close(page)


def _density(name: str, bins: int) -> Any:
    centre = ((np.arange(bins) + 0.5) / bins * 2 - 1) * window(name)
    grid = np.stack(np.meshgrid(centre, centre, indexing="ij"), -1).reshape(-1, 2)
    return np.exp(hs.targets[name].log_prob(grid)).reshape(bins, bins)
