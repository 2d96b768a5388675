"""What the comparison with flows of other libraries says: tables, sentences and the figure, all from the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.files import whole
from learn.evaluation.report import markdown_table
from learn.experiments import tables
from learn.experiments.contenders import CONTENDERS
from learn.experiments.runs import difference, mean_and_error, mean_gap

#: Share by which the CPU times of trainings may differ before the report says so.
UNEQUAL = 0.1
OURS, SPLINES = "hamiltonian", "nsf"


def select(rows: Sequence[dict[str, Any]], name: str, budget: float, model: str) -> list[dict[str, Any]]:
    """Return the rows of all seeds of one model on one target at one budget."""
    return [r for r in rows if (r["target"], r["budget"], r["model"]) == (name, budget, model)]


def cells(rows: Sequence[dict[str, Any]]) -> list[tuple[str, float]]:
    """Return target and budget of every comparison, in the order in which they were done.

    Example:
        >>> cells([{"target": "ring", "budget": 15.0}, {"target": "moons", "budget": 15.0}, {"target": "ring", "budget": 15.0}])
        [('ring', 15.0), ('moons', 15.0)]
    """
    return list(dict.fromkeys((r["target"], r["budget"]) for r in rows))


def reading(metrics: Mapping[str, Any]) -> list[str]:
    """Return in words what the numbers say, each sentence made from them."""
    rows, said = metrics["runs"], []
    for name, budget in cells(rows):
        ours = select(rows, name, budget, OURS)
        others = {c.key: select(rows, name, budget, c.key) for c in CONTENDERS if not c.ours}
        best = min(others, key=lambda k: mean_gap(others[k])[0])
        change, error = difference(ours, others[best])
        clear = abs(change) > 2 * error
        word = "no clear difference" if not clear else "the Hamiltonian flow fits " + ("better" if change < 0 else "WORSE")  # fmt: skip
        said.append(
            f"{name}, {budget:g} s: gap {tables.plus_minus(*mean_gap(ours))} of the Hamiltonian flow, "
            f"{tables.plus_minus(*mean_gap(others[best]))} of the best other, {best}; {word} "
            f"({tables.plus_minus(change, error, sign=True)})."
        )
    said += _speed(metrics["speed"])
    uneven = [r for r in rows if abs(r["cpu_seconds"] / r["budget"] - 1) > UNEQUAL]
    if uneven:
        ratios = [r["cpu_seconds"] / r["budget"] for r in uneven]
        said.append(
            f"{len(uneven)} of {len(rows)} trainings took {min(ratios):.2f} to {max(ratios):.2f} of their seconds: the "
            "machine was not equally fast all the time. Steps are those of times measured in turns, so a slow hour takes none from a model."
        )
    for c in CONTENDERS:
        again = sum(r["restarts"] > 0 for r in rows if r["model"] == c.key)
        if again:
            said.append(
                f"{c.key} diverged in {again} trainings, which were done again with a third of the learning rate until it did not."
            )
    counts = {len(select(rows, *place, OURS)) for place in cells(rows)}
    if min(counts) < 3:
        said.append("Fewer than three seeds: ± is rough, and with one says nothing about other seeds.")
    return said


def _speed(speed: Mapping[str, Any]) -> list[str]:
    others = [c.key for c in CONTENDERS if not c.ours]
    said = []
    for what, words in (("log_prob", "log p of 1000 points"), ("sample", "drawing samples")):
        times = speed[what]
        quick = min(others, key=times.__getitem__)
        share = times[OURS] / times[quick]
        word = f"{share:.1f} times as long as" if share > 1 else f"{1 / share:.1f} times less than"
        said.append(
            f"{words} takes the Hamiltonian flow {times[OURS] * 1e3:.1f} ms, {word} the quickest other, {quick} ({times[quick] * 1e3:.1f} ms)."
        )
    said.append(
        "The log p of the other flows is exact; that of the Hamiltonian flow is a bound by importance sampling."
    )
    return said


def report(metrics: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    setting, rows, speed = metrics["setting"], metrics["runs"], metrics["speed"]
    gaps, body = [], []
    for name, budget in cells(rows):
        line = []
        for c in CONTENDERS:
            found = select(rows, name, budget, c.key)
            line.append(tables.plus_minus(*mean_gap(found)) if found else "–")
        against = difference(select(rows, name, budget, OURS), select(rows, name, budget, SPLINES))
        trained = len(select(rows, name, budget, OURS))
        gaps.append([name, f"{budget:g}", str(trained), *line, tables.plus_minus(*against, sign=True)])
        body.append([name, f"{budget:g}", *_spent(rows, name, budget)])
    keys = [c.key for c in CONTENDERS]
    libraries = ", ".join(f"{name} {version}" for name, version in metrics["libraries"].items())
    rates = ", ".join(f"{key} {rate:g}" for key, rate in metrics["rates"].items())
    lines = [
        "# Beside flows of other libraries, at equal CPU time", "",
        f"{tables.made_by(metrics)} Other libraries: {libraries}.", "",
        "![KL gap of every model on every target](peers.png)", "",
        "## KL gap (nats)", "",
        markdown_table(["target", "seconds", "seeds", *keys, f"{OURS} − {SPLINES}"], gaps), "",
        "## Symmetry", "", *tables.proofs(metrics["proofs"]), "",
        markdown_table(["target", "seconds", *keys], _variations(rows)), "",
        "Standard deviation of log p over rotations of a point in nats, root mean square over points and seeds; in brackets the noise "
        "floor of the estimate, below which nothing is measured. The log p of the other models is exact.", "",
        "## Time and size", "",
        markdown_table(
            ["", *keys],
            [["step of training (ms)", *(metrics["pace"][k] * 1e3 for k in keys)],
             ["log p of 1000 points (ms)", *(speed["log_prob"][k] * 1e3 for k in keys)],
             [f"{setting['drawn']} samples (ms)", *(speed["sample"][k] * 1e3 for k in keys)],
             ["parameters", *(speed["parameters"][k] for k in keys)]],
        ), "",
        f"The log p of Hamiltonian flows is timed with K = {setting['few']} draws; the next table says what that costs.", "",
        "## What it says", "", *(f"- {line}" for line in reading(metrics)), "",
        "## What was done", "",
        markdown_table(
            ["target", "seconds", *(f"CPU s, steps: {k}" for k in keys), f"{OURS}: gap with K = {setting['few']}", "floor", f"floor with K = {setting['samples']}"],
            body,
        ), "",
        "## How to read the tables", "",
        "- **KL gap**: mean of log p − log p̂ over held-out points, paired, with its standard error over seeds, or over points where there is one seed; an upper bound of the divergence "
        f"for Hamiltonian flows, whose log p̂ is the bound of K = {setting['samples']} draws, and the divergence itself for the others.",
        "- **floor**: by how much the bound of K draws lies below the log p̂ of the flow on average, from the scatter of the weights (delta method); "
        "that much of the gap is the estimate's and not the flow's.",
        *(f"- **{c.key}**: {c.words}." for c in CONTENDERS), "",
        "## Setting", "",
        f"{setting['points']} training points, {setting['held_out']} held-out ones; batches of {setting['batch']}. "
        "As many steps as fit into the seconds of one core, by the times of a step measured in turns (first line of the table of times). "
        f"Adam with the schedule of `learn.fit` for all; the largest learning rate of the others is the best of {', '.join(f'{r:g}' for r in setting['rates'])} "
        f"in trainings of {setting['trial']:g} s on two_rings and pinwheel, not counted: {rates}. "
        "The others see points of mean 0 and variance 1, as their documentation asks.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _spent(rows: Sequence[dict[str, Any]], name: str, budget: float) -> list[str]:
    line = []
    for c in CONTENDERS:
        found = select(rows, name, budget, c.key)
        spent = np.mean([r["cpu_seconds"] for r in found]) if found else None
        line.append("–" if spent is None else f"{spent:.1f}, {found[0]['steps']}")
    ours = select(rows, name, budget, OURS)
    few = mean_and_error([r["few_gap"] for r in ours], [r["few_gap_se"] for r in ours])
    floors = (np.mean([r[f"{column}_floor"] for r in ours]) for column in ("few_gap", "kl_gap"))
    return [*line, tables.plus_minus(*few), *(f"{floor:.1e}" for floor in floors)]


def _variations(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    lines = []
    for name, budget in cells([r for r in rows if "variation" in r]):
        line = [name, f"{budget:g}"]
        for c in CONTENDERS:
            found = select(rows, name, budget, c.key)
            value, floor = (
                float(np.sqrt(np.mean([r[k] ** 2 for r in found]))) for k in ("variation", "noise_floor")
            )
            line.append(f"{value:.2g} ({floor:.1g})" if floor else f"{value:.2g}")
        lines.append(line)
    return lines


def figure(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the KL gap of every model on every target."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    places = cells(rows)
    drawn, panel = pyplot.subplots(figsize=(1.2 * len(places) + 3, 4), layout="constrained")
    for number, c in enumerate(CONTENDERS):
        x, means, errors = [], [], []
        for place, (name, budget) in enumerate(places):
            found = select(rows, name, budget, c.key)
            if found:
                mean, error = mean_gap(found)
                x.append(place + 0.12 * (number - len(CONTENDERS) / 2))
                means.append(max(mean, 1e-4))
                errors.append(error)
        panel.errorbar(x, means, errors, marker="os^vD"[number], linestyle="none", capsize=2, label=c.key)
    panel.set_yscale("log")
    panel.set_xticks(range(len(places)), [f"{name}\n{budget:g} s" for name, budget in places], fontsize=8)
    panel.set_ylabel("KL gap (nats)")
    panel.grid(axis="y", which="both", alpha=0.2)
    drawn.legend(*panel.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    with whole(path) as partly:
        drawn.savefig(partly, dpi=140)
    pyplot.close(drawn)
