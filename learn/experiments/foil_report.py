"""What the comparison of ways to impose a rotation on forecasts prints, draws and writes, and what its numbers say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from hamsym.files import whole
from learn.evaluation.report import markdown_table
from learn.experiments import tables

Row = Mapping[str, Any]
REFERENCES = ("still", "truth")
#: Ways that impose the symmetry on every state, not only where there are data.
IMPOSED = ("construction", "averaging", "augmentation", "places", "pictures")
EXACT = 1e-10


def median(rows: Sequence[Row], of: Callable[[Row], float | None]) -> float | None:
    """Return the median over seeds of a number of each row; None if a row has none.

    Example:
        >>> median([{"a": 1.0}, {"a": 5.0}, {"a": 2.0}], lambda row: row["a"])
        2.0
    """
    values = [of(row) for row in rows]
    return None if not values or None in values else float(np.median([v for v in values if v is not None]))


def shown(rows: Sequence[Row], of: Callable[[Row], float | None]) -> str:
    """Return the median over seeds with the smallest and the largest value, a table cell.

    Example:
        >>> shown([{"a": 0.5}, {"a": 0.25}, {"a": 1.0}], lambda row: row["a"]), shown([], len)
        ('5.0e-01 (2.5e-01 … 1.0e+00)', '–')
    """
    middle = median(rows, of)
    if middle is None:
        return "–"
    values = [float(of(row) or 0.0) for row in rows]
    return f"{middle:.1e}" + (
        f" ({min(values):.1e} … {max(values):.1e})" if min(values) < max(values) else ""
    )


def fit_of(where: str) -> Callable[[Row], float | None]:
    """Return what reads the pixel error of a test off a row."""
    return lambda row: row["fit"].get(where)


def starts_of(rows: Sequence[Row], scene: str) -> list[str]:
    """Return the tests of a scene by where they start, but for the long one."""
    first = next(r for r in rows if r["scene"] == scene)
    return [where for where in first["fit"] if where != "long"]


def lines(rows: Sequence[Row], scene: str) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells of the table of a scene."""
    tests = starts_of(rows, scene)
    columns: list[str] = [
        "by", *(f"pixel MSE, {where}" for where in tests), "long", "equivariance, pictures", "motion", "motion, turns of the average", *(f"bracket, {where}" for where in tests), "training (CPU s)", "forecast (ms)", "parameters",
    ]  # fmt: skip
    cells: list[list[str]] = []
    for way in dict.fromkeys(r["way"] for r in rows):
        some = [r for r in rows if r["scene"] == scene and r["way"] == way]
        trained = way not in REFERENCES
        cells.append([
            {"still": "*standing still*", "truth": "*the true energy*"}.get(way, str(some[0]["title"])),
            *(shown(some, fit_of(where)) for where in (*tests, "long")),
            *(f"{m:.1e}" if (m := median(some, lambda r, k=k: r[k])) is not None else "–"  # type: ignore[misc]
              for k in ("equivariance", "equivariance_of_places", "equivariance_of_group")),
            *(f"{m:.1e}" if (m := median(some, lambda r, w=w: r["bracket"][w])) is not None else "–"  # type: ignore[misc]
              for w in tests),
            f"{median(some, lambda r: r['cpu_seconds']):.0f}" if trained else "–",
            f"{1e3 * (median(some, lambda r: r['forecast_seconds']) or 0):.2f}",
            str(some[0]["parameters"]) if trained else "–",
        ])  # fmt: skip
    return columns, cells


def console_table(rows: Sequence[Row], scene: str) -> Table:
    """Return a table of medians for a terminal."""
    table = Table(title=scene, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    columns, cells = lines(rows, scene)
    kept = [k for k, name in enumerate(columns) if not name.startswith(("motion", "forecast", "param"))]
    for k in kept:
        table.add_column(
            columns[k].removeprefix("pixel MSE, "), justify="right" if k else "left", no_wrap=not k
        )
    for line in cells:
        table.add_row(
            *(line[k].split(" (")[0].strip("*").replace("direct transform", "direct") for k in kept)
        )
    return table


def _find(rows: Sequence[Row], scene: str, way: str) -> list[Row]:
    return [r for r in rows if r["scene"] == scene and r["way"] == way]


def goals(rows: Sequence[Row]) -> list[tuple[bool, str]]:
    """Return what was expected: whether it is so, and the numbers, medians over seeds."""
    symmetric, broken = list(dict.fromkeys(r["scene"] for r in rows))[:2]

    def number(scene: str, way: str, of: Callable[[Row], float | None]) -> float:
        found = median(_find(rows, scene, way), of)
        return float("nan") if found is None else found

    seen, unseen = (
        {w: number(symmetric, w, fit_of(t)) for w in ("none", "construction", "averaging")}
        for t in ("seen", "unseen")
    )
    found = [(
        unseen["none"] > 10 * seen["none"] and unseen["construction"] < unseen["none"] / 10,
        f"with the symmetry, what was learned in a sector holds outside of it by construction and not without: pixel MSE {unseen['construction']:.1e} "
        f"against {unseen['none']:.1e}, where in the sector they are {seen['construction']:.1e} and {seen['none']:.1e}",
    )]  # fmt: skip
    exact = max(number(s, "construction", lambda r: r["equivariance_of_places"]) for s in (symmetric, broken))
    free = number(symmetric, "none", lambda r: r["equivariance_of_places"])
    found.append((
        exact < EXACT < free,
        f"the motion of an energy of invariants is equivariant to round-off, {exact:.1e}, and that of a free one is not, {free:.1e}",
    ))  # fmt: skip
    group = max(number(s, "averaging", lambda r: r["equivariance_of_group"]) for s in (symmetric, broken))
    between = number(symmetric, "averaging", lambda r: r["equivariance_of_places"])
    found.append((
        group < EXACT < between,
        f"an average over turns is exactly equivariant under these, {group:.1e}, and only nearly under others, {between:.1e}",
    ))  # fmt: skip
    best = number(broken, "none", fit_of("everywhere"))
    hurt = {w: number(broken, w, fit_of("everywhere")) for w in IMPOSED}
    found.append((
        min(hurt.values()) > 3 * best,
        f"where a trap breaks the symmetry, imposing it hurts: pixel MSE {min(hurt.values()):.1e} to {max(hurt.values()):.1e} for {', '.join(IMPOSED[:3])} and "
        f"the direct transforms, against {best:.1e} without",
    ))  # fmt: skip
    energies = ("construction", "averaging", "augmentation")
    direct = {w: number(symmetric, w, fit_of("unseen")) for w in ("places", "pictures")}
    worst = max(number(symmetric, w, fit_of("unseen")) for w in energies)
    found.append((
        min(direct.values()) > worst,
        f"a rigid turn is not the motion of bodies: outside of the sector a direct transform is off by {direct['places']:.1e} (places) and "
        f"{direct['pictures']:.1e} (a latent picture), energies with the symmetry by {worst:.1e} at most",
    ))  # fmt: skip
    return found


def reading(rows: Sequence[Row], tolerance: Mapping[str, float]) -> list[str]:
    """Return what else the numbers say; ``tolerance`` is κ by the states that the constraint looks at."""
    kappa = {
        "loss": tolerance["data"], "loss-turned": tolerance["turned"], "features-loss": tolerance["features"],
    }  # fmt: skip
    symmetric = next(r["scene"] for r in rows)

    def ranked(of: Callable[[Row], float | None]) -> str:
        ways = {
            w: median(_find(rows, symmetric, w), of)
            for w in dict.fromkeys(r["way"] for r in rows)
            if w not in REFERENCES
        }
        known = sorted((v, w) for w, v in ways.items() if v is not None)
        return ", ".join(f"{w} {v:.1e}" for v, w in known)

    held = {
        w: [(r["lambda"], r["residual"]) for r in rows if r["way"] == w and "lambda" in r]
        for w in dict.fromkeys(r["way"] for r in rows)
    }
    return [
        f"Outside of the sector, from the best to the worst: {ranked(fit_of('unseen'))}.",
        f"In it: {ranked(fit_of('seen'))}.",
        f"Bracket outside of the sector: {ranked(lambda r: r['bracket'].get('unseen'))}. "
        "A bracket bounds the torque at a state and not the slope of U across it, nor what small torques add up to over half a turn.",
        *(
            f"{w}: λ at the end {', '.join(f'{a:.2g}' for a, _ in found)}; E{{g,H}}² of the last batch {', '.join(f'{b:.1e}' for _, b in found)}, by seed and scene; "
            f"κ met in {sum(b <= kappa[w] for _, b in found)} of {len(found)}."
            for w, found in held.items() if found
        ),
    ]  # fmt: skip


def report(metrics: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    rows, setting = metrics["rows"], metrics["setting"]
    scenes = list(dict.fromkeys(r["scene"] for r in rows))
    kappa = metrics["constraint"]["tolerance"]
    total = sum(r["cpu_seconds"] for r in rows)
    return "\n".join([
        "# Symmetry by loss, features, construction, averaging, augmentation, or a direct transform", "",
        f"On pictures of turning bodies; the last way is HoloGAN's (Nguyen-Phuoc et al., arXiv 1904.01326): rotate the latent tensor, then decode. "
        f"{tables.made_by(metrics)} {setting['seeds']} seed(s): the median, and the smallest and the largest in parentheses.", "",
        "![Frames, pixel errors by way, and equivariance](foil.png)", "",
        "## Symmetry of the scenes", "", *tables.proofs(metrics["proofs"]), "",
        "## Symmetry of the energy by construction, for every value of its weights", "",
        *(f"- {line}" for line in tables.flow_proofs(metrics["construction"])), "",
        "## What was expected", "",
        *(f"- {'met' if met else '**not met**'}: {text}." for met, text in goals(rows)), "",
        *(line for scene in scenes for line in (f"## {scene[0].upper()}{scene[1:]}", "", markdown_table(*lines(rows, scene)), "")),
        "## What it says", "", *(f"- {line}" for line in reading(rows, kappa)), "",
        "## How to read the tables", "",
        f"- **pixel MSE**: mean square error of the light, 0 to 1, of the {setting['frames']} frames that follow on three given ones; *seen*: the first body starts within 30° of "
        f"the x axis as in training, *unseen*: opposite to it, so that no state of any frame was seen. *Long*: {setting['long']} frames from a start as in training.",
        "- **equivariance, pictures**: ‖f(Rx) − R f(x)‖/‖R f(x)‖ in float64, Rx drawn again from turned places, f(x) turned as a band-limited picture; the row of "
        "standing still is the floor that eye and measure have by themselves, that of the true energy what it becomes with a motion that is equivariant, on momenta that the eye reads.",
        "- **motion**: the same of the motion alone, without the eye, from true states in float64, relative to how far bodies go; "
        f"**turns of the average**: under multiples of 360°/{setting['elements']} only.",
        "- **bracket**: rms{g, H} over rms(|∂g/∂q||∂H/∂p| + |∂g/∂p||∂H/∂q|) of the learned energy on true states, which no rescaling of H changes.",
        "- **training** and **forecast**: CPU time on one thread of a machine shared with others; the forecast of one sequence, all at once.", "",
        "- **none**: H = |p|²/2 + U(q), U a tanh network of the coordinates, one leapfrog step for each frame.",
        f"- **loss**: the paper's constraint on E{{g,H}}², κ = {kappa['data']:g}, on the states of the data; **on turned states**: on these, turned at random, κ = {kappa['turned']:g}.",
        "- **features**: U also sees the invariants; **features and loss**: and the constraint on turned states, κ = " f"{kappa['features']:g}.",
        "- **construction**: U sees nothing but the invariants, scalar and vector products of places.",
        f"- **averaging**: U is averaged over {setting['elements']} turns, in training too.",
        "- **augmentation**: none, on sequences that are turned at random and drawn again.",
        "- **direct transform of places**: what the eye reads is turned by ω t and drawn, ω a network of invariants of the state; no energy.",
        "- **direct transform of a latent picture**: the second frame is encoded by convolutions, the latent picture turned by the same ω t with bilinear "
        "interpolation, and decoded by convolutions.", "",
        "## Setting", "",
        f"Two bodies of mass 1 that attract each other (`nbody`), orbits of radii 0.7 to 1.1 that are nearly circles, their centre off that of the picture by 0.06 at most; "
        f"32×32 pixels, a channel for each body, discs of a radius of 1.5 pixels, bytes; the frames are 0.25 apart, in which bodies turn by 6° to 14°. The trap pulls to the line y = 0. "
        f"{setting['sequences']} sequences to learn from, {setting['tests']} in each test. Adam as in `learn.fit`, {setting['steps']} steps of {setting['batch']} sequences at a rate of {metrics['rate']:g}; where latent pictures are turned "
        f"{setting['picture_steps']} of {setting['picture_batch']} at {metrics['picture_rate']:g}, which take about as long; width {setting['width']}, {setting['channels']} channels. "
        "The eye, centres of light and central differences, is the same for all and learns the radius of the discs only. "
        "κ of the data and of turned states, the pace of λ and the rate of latent pictures were chosen with other seeds than 100 to 102; the rate of 0.001, one unit for all inputs of U and κ beside features "
        "after a look at seed 100, with which an energy of invariants had thrown bodies out of the picture.",
        "HoloGAN is a generator of pictures, trained against a discriminator, that turns a volume; here a forecast turns a latent picture in the plane: the same transform of the representation, "
        "and nothing else of it. Its numbers were not at hand.", "",
        f"CPU time of all trainings together: {total:.0f} s.", "",
    ])  # fmt: skip


def figure(rows: Sequence[Row], strip: Any, path: Path) -> None:
    """Draw some frames, the pixel errors of all ways in both scenes, and equivariance against the error outside of the sector."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    scenes = list(dict.fromkeys(r["scene"] for r in rows))[:2]
    ways = [w for w in dict.fromkeys(r["way"] for r in rows) if w != "still"]
    drawn = pyplot.figure(figsize=(12, 6.4), layout="constrained")
    parts: Any = drawn.subfigures(2, 1, height_ratios=[1, 4])
    top, bottom = parts
    for panel, picture in zip(top.subplots(1, len(strip)), strip, strict=True):
        panel.imshow(picture, cmap="magma", vmin=0, vmax=1)
        panel.set_axis_off()
    panels = bottom.subplots(1, 3)
    for panel, scene in zip(panels[:2], scenes, strict=True):
        for k, where in enumerate((*starts_of(rows, scene), "long")):
            points = [
                (i + 0.2 * (k - 1), r["fit"][where])
                for i, way in enumerate(ways)
                for r in _find(rows, scene, way)
            ]
            panel.plot(*zip(*points, strict=True), "osD"[k], color=f"C{k}", markersize=4, label=where)
        level = median(_find(rows, scene, "still"), fit_of(starts_of(rows, scene)[0]))
        panel.axhline(level or np.nan, color="0.5", linestyle="--", linewidth=0.8, label="standing still")
        panel.set_xticks(range(len(ways)), ways, rotation=60, ha="right")
        panel.set(yscale="log", title=scene, ylabel="pixel MSE", ylim=(5e-8, None))
        panel.legend(fontsize=7)
    for k, way in enumerate(ways):
        some = _find(rows, scenes[0], way)
        panels[2].plot(
            [r["equivariance"] for r in some], [r["fit"]["unseen"] for r in some], "o^"[k // 10], color=f"C{k % 10}",
            markersize=5, label=way,
        )  # fmt: skip
    floor = median(_find(rows, scenes[0], "still"), lambda r: r["equivariance"])
    panels[2].axvline(floor or np.nan, color="0.5", linestyle="--", linewidth=0.8, label="eye alone")
    panels[2].set(xscale="log", yscale="log", xlabel="equivariance error, pictures", ylabel="pixel MSE, unseen orientations",
                  title=scenes[0])  # fmt: skip
    panels[2].legend(fontsize=6)
    for panel in panels:
        panel.grid(alpha=0.2)
    with whole(path) as partly:
        drawn.savefig(partly, format="png", dpi=130)
    pyplot.close(drawn)
