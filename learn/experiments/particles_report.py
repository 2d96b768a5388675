"""What the experiment with bodies says of its numbers: gaps, gains, tables and the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.files import whole
from learn.evaluation.partition import LogZ, pooled
from learn.evaluation.report import markdown_table
from learn.experiments import tables
from learn.experiments.runs import difference, mean_and_error

METHODS = {
    "none": "a free flow on the coordinates that are left without the mean, orthonormal ones",
    "augment": "the same flow, trained on copies of its points that are turned, reflected and permuted at random",
    "exact": "sums over pairs of functions of distances, invariant under E(d) and permutations whatever the weights",
}
#: An estimate of log Z is used from so many effective samples on.
USABLE = 1_000.0


def yardstick(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return log Z of a system from the weights of all its flows, and whether it is good enough for a KL gap."""
    single = [LogZ(**r["log_z"]) for r in rows]
    found = pooled(single)
    return {**asdict(found), "usable": found.effective_samples >= USABLE and found.error < 0.05}


def select(rows: Sequence[dict[str, Any]], system: str, n: int, method: str) -> list[dict[str, Any]]:
    """Return the rows of all seeds of one cell."""
    return [r for r in rows if (r["system"], r["points"], r["method"]) == (system, n, method)]


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for every cell the mean bound, KL gap and gain over no symmetry, each with its standard error."""
    cells = []
    for system, n, method in dict.fromkeys((r["system"], r["points"], r["method"]) for r in rows):
        found, free = select(rows, system, n, method), select(rows, system, n, "none")
        bound, bound_se = mean_and_error([r["bound"] for r in found], [r["bound_se"] for r in found])
        # what bounds differ by is what gaps differ by: log Z cancels
        as_gaps = [
            [r | {"kl_gap": r["excess"], "kl_gap_se": r["excess_se"]} for r in some] for some in (free, found)
        ]
        gain, gain_se = difference(*as_gaps)
        cell = {"system": system, "points": n, "method": method, "bound": bound, "bound_se": bound_se,
                "gain": gain, "gain_se": gain_se, "seeds": len(found), "kl_gap": None, "kl_gap_se": None,
                "cpu_seconds": float(np.mean([r["cpu_seconds"] for r in found]))}  # fmt: skip
        if all(r.get("kl_gap") is not None for r in found):
            cell["kl_gap"], cell["kl_gap_se"] = mean_and_error(
                [r["kl_gap"] for r in found], [r["kl_gap_se"] for r in found]
            )
        cells.append(cell)
    return cells


def reading(metrics: Mapping[str, Any]) -> list[str]:
    """Return in words what the numbers say, each sentence made from them."""
    cells = {(c["system"], c["points"], c["method"]): c for c in metrics["summary"]}
    said = []
    for name, log_z in metrics["yardsticks"].items():
        word = (
            "is used"
            if log_z["usable"]
            else f"is not used, and no KL gap given (at least {USABLE:g} are asked for)"
        )
        said.append(
            f"{name}: log Z = {log_z['value']:.3f} ± {log_z['error']:.3f} by the weights of the flows' own samples, of which "
            f"{log_z['effective_samples']:.0f} are effective; this {word}."
        )
    for system, n in dict.fromkeys((s, n) for s, n, _ in cells):
        exact, augment = cells[system, n, "exact"], cells[system, n, "augment"]
        gap = (
            ""
            if exact["kl_gap"] is None
            else f" (KL gap {tables.plus_minus(exact['kl_gap'], exact['kl_gap_se'])})"
        )
        said.append(
            f"{system}, N = {n}: against no symmetry the exact flow{gap} {_gains(exact)} and augmentation {_gains(augment)}."
        )
    count = len({r["seed"] for r in metrics["runs"]})
    if count < 3:
        said.append(f"{count} seed(s): the errors themselves are rough.")
    return said


def _gains(cell: Mapping[str, Any]) -> str:
    word = "gains" if cell["gain"] > 0 else "loses"
    return f"{word} {abs(cell['gain']):.3f} ± {cell['gain_se']:.3f} nats"


def report(metrics: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    setting, parts = metrics["setting"], []
    for system in setting["systems"]:
        cells = {(c["points"], c["method"]): c for c in metrics["summary"] if c["system"] == system["name"]}
        body = []
        for n in system["points"]:
            for method in METHODS:
                c = cells[n, method]
                gap = "–" if c["kl_gap"] is None else tables.plus_minus(c["kl_gap"], c["kl_gap_se"])
                gain = "–" if method == "none" else tables.plus_minus(c["gain"], c["gain_se"], sign=True)
                body.append(
                    [
                        str(n),
                        method,
                        tables.plus_minus(c["bound"], c["bound_se"]),
                        gap,
                        gain,
                        f"{c['cpu_seconds']:.0f}",
                    ]
                )
        head = [
            "N",
            "method",
            f"IW-{setting['samples']} bound",
            "KL gap",
            "gain over none",
            "training (s of CPU)",
        ]
        parts += [f"## {system['name']}", "", markdown_table(head, body), ""]
    chains = [
        f"- **{c['system']}**, seed {c['seed']}: R-hat at most {c['r_hat']:.4f}, at least {c['effective']:.0f} effective draws; mean energy "
        f"{tables.plus_minus(c['energy'][0], c['energy_se'][0])} of the training chains and {tables.plus_minus(c['energy'][1], c['energy_se'][1])} "
        f"of the held-out ones, which began elsewhere: {c['apart']:.1f} standard errors apart."
        for c in metrics["chains"]
    ]
    proofs = [
        f"- **{name}**: {p['verdicts']} verdicts, all {', '.join(p['statuses'])}, "
        f"{'verified again' if p['checked'] else 'NOT confirmed'} by independent code; {p['exchanges']} exchanges make all permutations."
        for name, p in metrics["proofs"].items()
    ]
    lines = [
        "# What the symmetry of bodies in space is worth", "",
        f"The densities of Köhler, Klein, Noé, arXiv 2006.02425. {tables.made_by(metrics)}", "",
        "![Held-out bound against the number of training points](particles.png)", "", *parts,
        "## What it says", "", *(f"- {line}" for line in reading(metrics)), "",
        "## Invariance of the exact flow, proved for every function of the distances", "", *proofs, "",
        "## Are the chains in equilibrium?", "", *chains, "",
        "## How to read the tables", "",
        *(f"- **{name}**: {words}." for name, words in METHODS.items()),
        "- **Bound**: mean importance-weighted bound on log p of held-out points, in nats, of the density on positions without their mean "
        "(volume of orthonormal coordinates, the same for all methods); larger is better, and it lies below log p.",
        "- **KL gap**: mean of −βU − log Z − bound over held-out points. log Z comes without bias of Z from samples of the flows: weights "
        "exp(−βU(q)) f(p|q)/p(q, p) in the space of (q, p), pooled over flows by their variances.",
        "- Every training keeps the weights that a held-out fifth of its N points likes best.",
        f"- **Augmentation**: about {setting['copies']} copies in all; the held-out fifth is copied too.", "",
        "## Setting", "",
        f"{setting['seeds']} seed(s); a chain of {setting['hamiltonians']} Hamiltonians with one leapfrog step each; {setting['held_out']} held-out points; "
        + "; ".join(f"{s['name']} at β = {s['beta']:g}: {s['steps']} steps, batch {s['batch']}, width {s['width']} (exact) and 64" for s in setting["systems"])
        + ". The same steps for every method and N.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def figure(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the KL gap, or the loss without log Z, against the number of points, one panel for each system."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cells = summary(rows)
    names = list(dict.fromkeys(r["system"] for r in rows))
    drawn, panels = pyplot.subplots(
        1, len(names), figsize=(4.2 * len(names) + 1, 4), squeeze=False, layout="constrained"
    )
    for panel, name in zip(panels[0], names, strict=True):
        own = [c for c in cells if c["system"] == name]
        gaps = all(c["kl_gap"] is not None for c in own)
        for number, method in enumerate(METHODS):
            line = [c for c in own if c["method"] == method]
            x = np.array([c["points"] for c in line]) * 1.04 ** (number - 1)
            y = [c["kl_gap"] if gaps else -c["bound"] for c in line]
            errors = [c["kl_gap_se"] if gaps else c["bound_se"] for c in line]
            panel.errorbar(x, y, errors, marker="osp"[number], capsize=2, label=method, linewidth=1)
        panel.set(xscale="log", xlabel="training points $N$", title=name)
        points = sorted({c["points"] for c in own})
        panel.set_xticks(points, [str(n) for n in points])
        panel.set_xticks([], minor=True)
        panel.set_xlim(points[0] / 1.5, points[-1] * 1.5)
        panel.set_ylabel("KL gap (nats)" if gaps else "− bound on log p (nats)")
        if gaps:
            panel.set_yscale("log")
        panel.grid(which="both", alpha=0.2)
    panels[0][0].legend()
    with whole(path) as partly:
        drawn.savefig(partly, dpi=140)
    pyplot.close(drawn)
