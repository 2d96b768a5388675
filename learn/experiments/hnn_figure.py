"""The figure of the experiment on Hamiltonian neural networks: the error of the energy along rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hamsym.files import whole
from learn.experiments.hnn_report import methods, select, tasks


def figure(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the error of the energy along rollouts, one panel for each task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = tasks(rows)
    drawn, panels = pyplot.subplots(2, 3, figsize=(11, 6), layout="constrained")
    colours = {
        "baseline": "C1",
        "HNN": "C0",
        "HNN, brackets": "C4",
        "HNN, separable": "C3",
        "HNN, invariants": "C2",
    }
    for panel, task in zip(panels.flat, names, strict=False):
        for method in methods(rows, task):
            chosen = select(rows, task, method)
            squares = np.mean(np.square([r["track"] for r in chosen]), 0)
            panel.plot(chosen[0]["times"], np.sqrt(squares), color=colours[method], label=method, linewidth=1)
        panel.set(yscale="log", xlabel="time", title=task)
        panel.grid(alpha=0.2)
    for panel in panels.flat[len(names) :]:
        panel.axis("off")
    for row in panels:
        row[0].set_ylabel("rms error of the energy")
    known = {h: label for p in panels.flat for h, label in zip(*p.get_legend_handles_labels(), strict=True)}
    unique = {label: handle for handle, label in known.items()}
    drawn.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=len(unique))
    with whole(path) as partly:
        drawn.savefig(partly, dpi=140)
    pyplot.close(drawn)
