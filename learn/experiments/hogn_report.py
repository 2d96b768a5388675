"""What the experiment on graph networks prints, draws and writes, and what its numbers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from learn.evaluation.report import markdown_table
from learn.experiments import tables

Row = Mapping[str, Any]


def number(value: float | None) -> str:
    """Return an error as a table shows it; what went astray has none.

    Example:
        >>> number(0.01234), number(None), number(123.4)
        ('0.0123', 'astray', '123')
    """
    return "astray" if value is None or value > 1e4 else f"{value:.3g}"


def results(rows: Sequence[Row]) -> list[list[str]]:
    """Return the main table: each model with its own integrator and time step."""
    return [
        [
            r["title"], f"{r['loss']:.1e}", f"{r['one_step']:.1e}", number(r["by_step"]["1"]["position"]),
            _range(r), f"{r['r2']:.5f}" if "r2" in r else "–", f"{r['turning']:.0e}",
        ]
        for r in rows
    ]  # fmt: skip


def by_model(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return one row for each model, medians over seeds, in the order of the first seed."""
    models = dict.fromkeys(r["model"] for r in rows)
    found = []
    for m in models:
        own = [r for r in rows if r["model"] == m]
        energies = sorted((r["by_step"]["1"]["energy"] for r in own), key=lambda e: _ratio(e, 1.0))
        found.append({**tables.middle(own), "key": m, "energies": (energies[0], energies[-1])})
    return found


def goals(rows: Sequence[Row]) -> list[tuple[bool, str]]:
    """Return what was to be shown: whether it was, for every seed, and the numbers, medians over seeds."""
    every = [
        _goals([{**r, "key": r["model"]} for r in rows if r["seed"] == s])
        for s in dict.fromkeys(r["seed"] for r in rows)
    ]
    found = []
    for k, (_, text) in enumerate(_goals(by_model(rows))):
        held = sum(one[k][0] for one in every)
        found.append(
            (held == len(every), text + (f"; so for {held} of {len(every)} seeds" if len(every) > 1 else ""))
        )
    return found


RESULTS = ("model", "loss", "one step", "trajectory", "true energy", "R² of H", "turning")


def console_table(rows: Sequence[Row]) -> Table:
    """Return the main table for a terminal."""
    rows = by_model(rows)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    for k, name in enumerate(RESULTS):
        table.add_column(name, justify="right" if k else "left")
    for cells in results(rows):
        table.add_row(*cells)
    return table


def by(rows: Sequence[Row], what: str, error: str) -> tuple[list[str], list[list[str]]]:
    """Return columns and cells of a table of errors by time step, integrator or size.

    Arguments:
        rows: of the models.
        what: ``"by_step"``, ``"by_method"`` or ``"by_size"``.
        error: ``"position"`` or ``"energy"``.
    """
    chosen = [r for r in rows if what in r]
    columns = list(dict.fromkeys(name for r in chosen for name in r[what]))
    cells = [
        [r["title"], *(number(r[what][c][error]) if c in r[what] else "–" for c in columns)] for r in chosen
    ]
    return columns, cells


def _range(row: Row) -> str:
    """The error of the energy, with the least and largest over seeds where there are some."""
    least, most = row["energies"]
    spread = "" if least == most else f" ({number(least)} to {number(most)})"
    return number(row["by_step"]["1"]["energy"]) + spread


def _find(rows: Sequence[Row], key: str) -> Row | None:
    return next((r for r in rows if r["key"] == key), None)


def _ratio(a: float | None, b: float | None) -> float:
    """How many times larger a is than b; what went astray is larger than anything."""
    return float("inf") if a is None else a / b if b else 0.0


def _goals(rows: Sequence[Row]) -> list[tuple[bool, str]]:
    """Return whether one row for each model shows what was to be shown, and the numbers."""
    found = []
    for method in ("rk2", "rk4"):
        ours, theirs = _find(rows, f"hogn-{method}"), _find(rows, f"ogn-{method}")
        if ours and theirs:
            a, b = (r["by_step"]["1"]["energy"] for r in (theirs, ours))
            found.append((
                _ratio(a, b) > 1,
                f"HOGN keeps the true energy better than OGN, both with {method}: {number(b)} against {number(a)} of the "
                f"kinetic energy, {_times(_ratio(a, b))}",
            ))  # fmt: skip
    ours, turning = _find(rows, "hogn-rk4"), _find(rows, "ogn-turning")
    if ours and turning:
        a, b = (r["by_step"]["1"]["energy"] for r in (turning, ours))
        found.append((
            _ratio(a, b) > 1,
            f"and better than an OGN with the same symmetry: {number(b)} against {number(a)}, {_times(_ratio(a, b))}",
        ))  # fmt: skip
    controls = [r for r in rows if r["key"].startswith("ogn-")]
    if controls and ours:
        best = min(controls, key=lambda r: _ratio(r["by_step"]["1"]["energy"], 1.0))
        a, b = (r["by_step"]["1"]["energy"] for r in (best, ours))
        found.append((
            _ratio(a, b) > 1,
            f"and HOGN with rk4 better than the best OGN of all, {best['title'].removeprefix('OGN, ')}: {number(b)} against {number(a)}, "
            f"{_times(_ratio(a, b))}",
        ))  # fmt: skip
    delta = _find(rows, "delta")
    if delta and ours:
        others = ("0.125", "0.25", "0.5", "2", "4")
        off, still = (
            [_ratio(r["by_step"][s]["soon"], r["by_step"]["1"]["soon"]) for s in others]
            for r in (delta, ours)
        )
        found.append((
            min(off) > 3 and max(still) < 1.5,
            f"DeltaGN fails off its time step: after the time of four steps of the data its positions are at least {min(off):.2g} times as "
            f"wrong with other steps as with that of the data, those of HOGN with rk4 at most {max(still):.2g} times",
        ))  # fmt: skip
    if ours:
        found.append((
            ours["r2"] > 0.999,
            f"the energy that HOGN learned with rk4 is the true one: R² = {ours['r2']:.6f}",
        ))  # fmt: skip
    return found


def low_order(rows: Sequence[Row]) -> list[str]:
    """Return what becomes of the models that were trained with Euler's method."""
    ours, theirs = _find(rows, "hogn-rk1"), _find(rows, "ogn-rk1")
    if not (ours and theirs):
        return []
    a, b = (r["by_step"]["1"]["energy"] for r in (ours, theirs))
    return [
        f"With rk1 the true energy is off by {number(a)} with HOGN and by {number(b)} with OGN: Euler's method gains energy with every "
        "Hamiltonian vector field of oscillators, so an energy cannot make up for it, while rates can learn to be damped. What HOGN "
        f"learned with rk1 is nearly the true energy all the same (R² = {ours['r2']:.5f}): stepped with rk4 it is off by "
        f"{number(ours['by_method']['rk4']['energy'])}.",
        "At the time step of the data DeltaGN is OGN with rk1, the same function with the same weights, and so the same in all tables "
        "but that of the time steps.",
    ]  # fmt: skip


def _times(ratio: float) -> str:
    return "which goes astray" if ratio == float("inf") else f"{ratio:.3g} times"


def energy_lines(rows: Sequence[Row]) -> list[str]:
    """Return what the energies learned with each integrator are, against the true one and the one that leapfrog calls for."""
    cells = [
        [
            r["title"],
            f"{r['r2']:.6f}",
            f"{100 * r['unexplained']:.2f} %",
            f"{100 * r['leapfrog_unexplained']:.2f} %",
        ]
        for r in rows
        if "r2" in r
    ]
    columns = ["model", "R² against H", "unexplained of H", "unexplained of H̃"]
    return [
        markdown_table(columns, cells), "",
        "Unexplained is √(1 − R²). H̃ = H − dt²(vᵀU″v/12 − |∇U|²/(24m)) is, to order dt², the energy whose leapfrog steps are those "
        "of the exact motion of H: what a network with leapfrog ought to learn if it could. It is neither a sum over pairs nor "
        "separable, so HOGN of pairs can follow it only in part. The low-order Runge–Kutta methods call for a vector field that has no energy.",
    ]  # fmt: skip


def report(metrics: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    every, setting = metrics["rows"], metrics["setting"]
    rows, count = by_model(every), setting["seeds"]
    step_columns = {c: f"{float(c):g} dt" for c in ("0.125", "0.25", "0.5", "1", "2", "4")}

    def table(what: str, error: str) -> str:
        columns, cells = by(rows, what, error)
        return markdown_table(
            ["model", *(step_columns.get(c, c) if "step" in what else c for c in columns)], cells
        )

    lines = [
        "# Hamiltonian graph networks", "",
        f"After Sanchez-Gonzalez, Bapst, Cranmer, Battaglia, arXiv 1909.12790. {tables.made_by(metrics)} "
        + (f"Medians over {count} seeds, each with its own data, tests and weights." if count > 1 else "One seed; no ±."), "",
        "![Errors by time, time step and size, and the learned energy](hogn.png)", "",
        "## What was to be shown", "",
        *(f"- {'met' if yes else '**missed**'}: {text}." for yes, text in goals(every)), "",
        "## Results", "",
        "Each model with the integrator and the time step that it was trained with, on systems of 4 to 9 particles that it has not seen.", "",
        markdown_table(RESULTS, results(rows)), "",
        *(f"- {line}" for line in low_order(rows)), "",
        "## Other time steps", "",
        "Median error of positions along the same stretch of time:", "", table("by_step", "position"), "",
        "and of the true energy, in units of the kinetic energy:", "", table("by_step", "energy"), "",
        "## Other integrators", "",
        "Rows were trained with one integrator, columns say with which they are stepped at the time step of the training. "
        "Median error of the true energy:", "", table("by_method", "energy"), "",
        "and of positions:", "", table("by_method", "position"), "",
        "## Other sizes", "",
        "Trained on 4 to 9 particles. Median error of positions:", "", table("by_size", "position"), "",
        "and of the true energy:", "", table("by_size", "energy"), "",
        "## The energy that was learned", "", *energy_lines(rows), "",
        "## Symmetry", "",
        *(f"- **{name}**, {claim}: {verdict}."
          for name, found in metrics["proofs"].items() for claim, verdict in found.items()),
        "- The other models are not invariant by an energy; **turning** in the table is measured: by how much a step from a "
        "turned start misses the turned step, relative to the step, in float64.", "",
        "## How to read the tables", "",
        "- **loss**: mean square error of one step over dt, q and p together, mean of the last hundred batches.",
        "- **one step**: root mean square error of q and p after one step.",
        f"- **trajectory**: root mean square over {setting['horizon']} steps of the data of the distance of a particle from where it should "
        "be, median over trajectories; springs are about 2 long.",
        "- **true energy**: root mean square over the same time of H − H₀ along the model's trajectory, H the true energy, over the mean "
        "kinetic energy of the true trajectory; median over trajectories.",
        "- **astray**: the median trajectory left the numbers, or 10⁴.",
        "- **R² of H**: learned against true energy on states with the coordinates of one time and the momenta of another, less a "
        "constant for each system, which no motion tells.", "",
        "## Setting", "",
        f"{setting['graphs']} random systems of 4 to 9 particles in the plane with one trajectory of {setting['trajectory']} steps each, dt = 0.1; masses and "
        "spring constants uniform in [0.5, 2], lengths 0.8 to 1.2 times the first distance, a random tree and half as many springs "
        "again as particles; references by a method of order six with steps of dt/8. "
        f"Tests: {setting['tests']} systems with two trajectories each for every size. Adam as in `learn.fit`, {setting['steps']} steps of {setting['batch']} "
        f"({setting['with_messages']} for the energy with messages), rate 0.01, but 0.003 for OGN with rk2 and rk4, whose loss with rk4 was seven times larger at 0.01, and 0.005 for OGN with rk1 and DeltaGN, which at 0.01 were trapped at one seed in three (chosen at seeds 0 to 2 and 101); "
        f"width {setting['width']}, two inner layers. The paper's widths, data constants and numbers were not at hand: this is its protocol, not its table.", "",
        markdown_table(
            ["model", "parameters", "steps", "CPU seconds of training"],
            [[r["title"], str(r["parameters"]), str(r["steps"]), f"{r['cpu_seconds']:.0f}"] for r in rows],
        ), "",
    ]  # fmt: skip
    return "\n".join(lines)
