"""What the experiment prints and writes: one table of measures, how to read it, and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from learn.evaluation.report import markdown_table
from learn.experiments import tables


def measures(run: dict[str, Any], samples: int) -> dict[str, str]:
    """Return what the table says of one run: name with unit to formatted value."""
    symmetry = run["symmetry_of_density"]
    square, invariance = symmetry["bracket_mean_square"], symmetry["density_invariance"]
    kappa = run["tolerance"]
    return {
        "ELBO (nats)": f"{run['elbo']:.3f}",
        f"IW-{samples} bound (nats)": f"{run['log_likelihood_bound']:.3f}",
        "KL gap (nats)": f"{run['kl_gap']:.3f}",
        "its standard error": f"{run['kl_gap_se']:.3f}",
        "κ": "–" if kappa is None else f"{kappa:g}",
        "E{g,H}² base": f"{square['base']:.1e}",
        "E{g,H}² data": f"{square['data']:.1e}",
        "E{g,H}² path": f"{square['trajectory']:.1e}",
        "sd of log p (nats)": f"{invariance['value']:.1e}",
        "its noise floor": f"{invariance['noise_floor']:.1e}",
        "angles p-value": f"{run['angles']['p_value']:.2g}",
        "training (s)": f"{run['training_seconds']:.0f}",
    }


def console_table(runs: Sequence[dict[str, Any]], samples: int) -> Table:
    """Return the table for a terminal of 80 characters, one column a run."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold", caption="likelihoods in nats")
    table.add_column("", no_wrap=True)
    for r in runs:
        table.add_column(r["run"], no_wrap=True, justify="right")
    columns = [measures(r, samples) for r in runs]
    for name in columns[0]:
        table.add_row(name.replace(" (nats)", ""), *(c[name] for c in columns))
    return table


def reading(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Return in words what the numbers of this run say, each sentence made from them."""
    by_key = {r["run"]: r for r in runs}
    free = by_key["A-none"]
    said = []
    for run in runs:
        square = run["symmetry_of_density"]["bracket_mean_square"]
        kappa = run["tolerance"]
        if kappa is not None:
            where = ", ".join(
                f"{place} {'yes' if square[place] <= kappa else 'no'}"
                for place in ("base", "data", "trajectory")
            )
            said.append(
                f"{run['title']}: E{{g,H}}² ≤ κ on {where} states (training bounds it on base states only)."
            )
    for run in runs:
        if run["problem"] != "A" or run is free:
            continue
        change = run["kl_gap"] - free["kl_gap"]
        error = (run["kl_gap_se"] ** 2 + free["kl_gap_se"] ** 2) ** 0.5
        said.append(
            f"{run['title']}, against no constraint: KL gap {change:+.3f} ± {error:.3f} nats; log p varies over rotations by "
            f"{_variation(run)} against {_variation(free)}."
        )
    for run in runs:
        if "proofs" in run:
            said += [f"{run['title']}: {line}" for line in tables.flow_proofs(run["proofs"])]
    return [
        *said,
        "One seed; ± is the standard error over held-out points and says nothing about other seeds.",
    ]


def _variation(run: dict[str, Any]) -> str:
    invariance = run["symmetry_of_density"]["density_invariance"]
    value, floor = invariance["value"], invariance["noise_floor"]
    return f"{value:.3f} nats" if value > floor else f"less than is measurable ({floor:.3f} nats)"


def report(metrics: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    setting, runs = metrics["setting"], metrics["runs"]
    columns = [measures(r, setting["samples"]) for r in runs]
    rows = [[name, *(c[name] for c in columns)] for name in columns[0]]
    lines = [
        "# Equivariant Hamiltonian Flows, reproduced", "",
        f"Rezende, Racanière, Higgins, Toth, arXiv 1909.13739. {tables.made_by(metrics)}", "",
        "![Target density, learned density, kinetic and potential energy](ehf.png)", "",
        "## Symmetry of the targets", "", *tables.proofs(metrics["proofs"]), "",
        "## Data", "", *_data(metrics["sampling"]), "",
        "## Result", "", markdown_table(["", *(r["title"] for r in runs)], rows), "",
        *(f"- {line}" for line in reading(runs)), "",
        "## How to read the table", "", *_legend(setting), "",
        "## Settings where the paper is silent", "", _settings(setting), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _data(sampling: dict[str, Any]) -> list[str]:
    lines = []
    for problem, s in sampling.items():
        off = max(abs(a - b) for a, b in zip(s["shares"], s["masses"], strict=True))
        lines.append(
            f"- **{problem}**: Hamiltonian Monte Carlo with parallel tempering over {len(s['betas'])} temperatures; acceptance "
            f"{s['acceptance']:.2f}, smallest effective sample size {min(s['ess'].values()):.0f}, largest R-hat "
            f"{max(s['r_hat'].values()):.3f} (1 when the chains agree), {s['divergences']} divergent trajectories, rejected; "
            f"largest deviation of a mode's share from its exact mass {off:.3f}."
        )
    return lines


def _legend(setting: dict[str, Any]) -> list[str]:
    return [
        f"- **IW bound**: importance-weighted lower bound of the mean log-likelihood with K = {setting['samples']}. The ELBO is the same with "
        "K = 1 and is not a likelihood.",
        tables.gap(setting["samples"]),
        tables.BRACKET,
        tables.INVARIANCE,
        "- **angles p-value**: Pearson's χ² test that 20 000 samples of the flow have uniform angles.",
        "- **Energy panels**: means over the chain, weighted by the time steps.",
    ]


def _settings(setting: dict[str, Any]) -> str:
    return (
        "Targets: **A** two rings of radius 2.0 and 5.1, radial s.d. 0.35, equal mass; **B** nine equal Gaussians of s.d. 0.5. "
        f"{setting['points']} training points; {setting['held_out']} held-out points drawn directly, not by the Markov chains. A chain of "
        f"{setting['hamiltonians']} Hamiltonians with one leapfrog step each, width {setting['width']}; {setting['steps']} steps of Adam, "
        f"batch {setting['batch']}; κ as in the table. The constraint with invariant features is not the paper's: its potentials "
        "also see |q| or |p|, which lets κ be smaller at no loss of fit."
    )
