"""The figure of the experiment on graph networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hamsym.files import whole
from learn.experiments.hogn_report import Row, by_model


def figure(rows: Sequence[Row], path: Path) -> None:
    """Draw errors of the energy over time, of positions over time step and size, and the learned energy."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [
        r
        for r in by_model(rows)
        if r["key"] in ("hogn-rk1", "hogn-rk4", "hogn-leapfrog", "ogn-rk4", "ogn-turning", "delta")
    ]
    colours = {r["key"]: f"C{k}" for k, r in enumerate(shown)}
    drawn, panels = pyplot.subplots(2, 2, figsize=(10, 7), layout="constrained")
    time, step, size, energy = panels.flat
    for r in shown:
        style: dict[str, Any] = {"color": colours[r["key"]], "label": r["title"], "linewidth": 1.2}
        track = [x if x is not None else float("nan") for x in r["by_step"]["1"]["energy_at"]]
        time.plot([0.4 * (k + 1) for k in range(len(track))], track, **style)
        for panel, what, axis in ((step, "by_step", float), (size, "by_size", _middle)):
            points = sorted(
                (axis(name), found["position"])
                for name, found in r[what].items()
                if found["position"] is not None
            )
            panel.plot(*zip(*points, strict=True), marker="o", markersize=3, **style)
    time.set(yscale="log", xlabel="time", ylabel="error of the true energy / kinetic energy", title="energy")
    step.set(xscale="log", yscale="log", xlabel="time step / that of the data", ylabel="error of positions", ylim=(None, 1e2),
             title="other time steps")  # fmt: skip
    step.set_xticks([0.125, 0.25, 0.5, 1, 2, 4], ["1/8", "1/4", "1/2", "1", "2", "4"])
    step.minorticks_off()
    size.set(
        yscale="log", xlabel="particles", ylabel="error of positions", title="other sizes", ylim=(None, 1e2)
    )
    for r in shown:
        if r["key"] in ("hogn-rk1", "hogn-rk4"):
            at = zip(*r["pairs"], strict=True)
            energy.plot(*at, ".", markersize=2, color=colours[r["key"]], label=r["title"])
    energy.set(xlabel="true H", ylabel="learned H", title="energy, less its mean in each system")
    for panel in panels.flat:
        panel.grid(alpha=0.2)
    handles, labels = time.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3)
    with whole(path) as partly:
        drawn.savefig(partly, dpi=140)
    pyplot.close(drawn)


def _middle(sizes: str) -> float:
    """The middle of a range of sizes.

    Example:
        >>> _middle("4-9"), _middle("12")
        (6.5, 12.0)
    """
    ends = [float(n) for n in sizes.split("-")]
    return sum(ends) / len(ends)
