"""The two experiments of *Equivariant Hamiltonian Flows*: rings (rotation invariant) and blobs (not).

Rezende, Racanière, Higgins, Toth, arXiv 1909.13739 (2019).  The path goes through all three layers: the symmetry
of each target is proved or refuted from its formula, the same formula is compiled and sampled, and flows learn
the samples: A without constraint, A with the paper's Lagrangian, A exactly invariant by construction, B without.
Beyond the paper, A is learned once more with the constraint and |q| and |p| as further inputs of the potentials.

The paper gives neither target formulas nor sizes, steps, κ or optimiser; what stands here is our setting, and the
report says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import hamsym as hs
from learn.constraint import BracketConstraint
from learn.evaluation import angle_uniformity, evaluate
from learn.flow import HamiltonianFlow
from learn.report import Panel, density_figure, format_number, markdown_table, write_json, write_text
from learn.training import fit

if TYPE_CHECKING:
    from hamsym.data.targets import Target

TARGETS = {"A": "paper_rings", "B": "paper_blobs"}
SHOWN_LINES = 8
CONSTRAINED = ("penalty", "features")


@dataclass(frozen=True)
class Setting:
    """Sizes of a run; ``tolerance`` is κ, ``samples`` the K of the importance-weighted bound."""

    points: int
    held_out: int
    steps: int
    batch: int
    hamiltonians: int
    width: int
    tolerance: float
    samples: int
    turned: int


QUICK = Setting(10_000, 2_000, 1_500, 512, 8, 64, 0.003, 100, 48)
FULL = Setting(50_000, 10_000, 8_000, 512, 8, 64, 0.003, 1_000, 128)


@dataclass(frozen=True)
class Run:
    """One training: which problem, which symmetry, and its name in tables."""

    problem: str
    symmetry: str | None
    title: str

    @property
    def key(self) -> str:
        return f"{self.problem}-{self.symmetry or 'none'}"


RUNS = (
    Run("A", None, "A, no constraint"),
    Run("A", "penalty", "A, bracket constraint (paper)"),
    Run("A", "exact", "A, invariant by construction"),
    Run("A", "features", "A, constraint with invariant features"),
    Run("B", None, "B, no constraint"),
)


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics and report into a folder.

    Arguments:
        out: folder, made if it is not there.
        quick: the small setting, minutes on two cores.
        seed: seed of data, weights and evaluation.
        resume: take up the trainings of an interrupted run in the same folder.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.
    """
    setting = QUICK if quick else FULL
    started = time.perf_counter()
    console = Console(quiet=quiet)
    out.mkdir(parents=True, exist_ok=True)
    targets = {problem: hs.targets[name] for problem, name in TARGETS.items()}
    generator = hs.angular_momentum(hs.PhaseSpace.standard(2), 0, 1)

    console.rule("symmetry, from the formula")
    proofs = {problem: _prove(problem, target, generator, console) for problem, target in targets.items()}
    console.rule("data, from the same formula")
    data, sampling = {}, {}
    for problem, target in targets.items():
        data[problem], sampling[problem] = _draw(problem, target, setting, seed, console)
    _save_points(out, data)

    results, panels = [], []
    for entry in RUNS:
        console.rule(entry.title)
        target = targets[entry.problem]
        flow, measured = _train(
            entry, target, data[entry.problem], generator, setting, out, seed, resume, quiet
        )
        results.append(measured)
        panels.append(Panel(entry.title.replace(", ", "\n", 1), target, flow))
        console.print(_one_line(measured))

    density_figure(panels, out / "ehf.png", extent=7.5)
    metrics = {
        "experiment": "ehf", "quick": quick, "seed": seed, "setting": asdict(setting), "proofs": proofs,
        "sampling": sampling, "runs": results, "seconds": time.perf_counter() - started,
        "versions": {"hamsym": hs.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }  # fmt: skip
    write_json(out / "metrics.json", metrics)
    write_text(out / "report.md", _report(metrics))
    console.rule("done")
    console.print(_console_table(results))
    console.print(f"\n{metrics['seconds']:.0f} s; wrote ehf.png, metrics.json and report.md to {out}/")
    return metrics


def _prove(problem: str, target: Target, generator: hs.Generator, console: Console) -> dict[str, Any]:
    verdict = hs.verify(target.hamiltonian, generator)
    summary = str(verdict).splitlines()
    checked = verdict.check()
    console.print(f"[bold]{problem}[/bold]  {target.name}, g = {generator.text}", highlight=False)
    shown = (
        summary
        if len(summary) <= SHOWN_LINES
        else [*summary[:SHOWN_LINES], "  … the rest is in metrics.json"]
    )
    for line in [*shown, f"  verified again by independent code: {'yes' if checked else 'no'}"]:
        console.print("   " + line, markup=False, highlight=False, no_wrap=bool(verdict), overflow="ellipsis")
    return {
        "target": target.name, "hamiltonian": target.hamiltonian.text, "generator": generator.text,
        **verdict.to_dict(), "checked": checked, "text": summary,
    }  # fmt: skip


def _draw(
    problem: str, target: Any, setting: Setting, seed: int, console: Console
) -> tuple[np.ndarray, dict[str, Any]]:
    """Training data from exp(-H) by Hamiltonian Monte Carlo, with the share of every mode beside its exact mass."""
    samples = hs.sample_boltzmann(
        target.hamiltonian, n=setting.points, beta=1.0, seed=seed, progress=not console.quiet
    )
    shares = target.responsibilities(np.asarray(samples)).mean(axis=0)
    diagnostics = samples.diagnostics
    assert diagnostics is not None
    console.print(f"[bold]{problem}[/bold]  {diagnostics}", highlight=False)
    console.print("   share of each mode  " + " ".join(f"{s:.3f}" for s in shares), highlight=False)
    console.print("   exact mass          " + " ".join(f"{m:.3f}" for m in target.masses), highlight=False)
    summary = diagnostics.to_dict() | {"shares": shares.tolist(), "masses": target.masses.tolist()}
    return np.asarray(samples), summary


def _save_points(out: Path, data: dict[str, np.ndarray]) -> None:
    for problem, points in data.items():
        np.save(out / f"data-{problem}.npy", points)


def _train(
    entry: Run, target: Target, data: np.ndarray, generator: hs.Generator, setting: Setting, out: Path,
    seed: int, resume: bool, quiet: bool,
) -> tuple[HamiltonianFlow, dict[str, Any]]:  # fmt: skip
    flow = HamiltonianFlow(
        dim=2, hamiltonians=setting.hamiltonians, width=setting.width, symmetry=entry.symmetry,
        generators=() if entry.symmetry is None else (generator,), seed=seed,
    )  # fmt: skip
    constraint = None
    if entry.symmetry in CONSTRAINED:
        constraint = BracketConstraint([generator], tolerance=setting.tolerance, sampling="base")
    folder = out / entry.key
    result = fit(
        flow, data, steps=setting.steps, batch=setting.batch, seed=seed, constraint=constraint,
        progress=not quiet, out=folder, resume=resume,
    )  # fmt: skip
    held_out = target.sample(setting.held_out, seed=seed + 1)
    measured = evaluate(
        flow, held_out, truth=target, generators=(generator,), samples=setting.samples, turned=setting.turned, seed=seed + 2
    )  # fmt: skip
    angles = angle_uniformity(flow.sample(20_000, seed=seed + 3).double().numpy())
    proved = [v.status for v in flow.prove_symmetry()] if entry.symmetry == "exact" else None
    measured |= {
        "run": entry.key, "title": entry.title, "symmetry": entry.symmetry, "steps": setting.steps,
        "training_seconds": result.history["seconds"][-1], "angles": angles, "flow_symmetry": proved,
        "lambda": result.history["lambda"][-1], "tolerance": None if constraint is None else setting.tolerance,
        "generator": generator.text,
    }  # fmt: skip
    return flow, measured


COLUMNS = (
    "run", "ELBO", "IW bound", "KL gap", "E{g,H}² base", "rms base", "rms data", "rms path",
    "invariance", "noise floor", "angles p", "seconds",
)  # fmt: skip


def _row(measured: dict[str, Any]) -> list[Any]:
    symmetry = measured[f"symmetry {measured['generator']}"]
    rms, invariance = symmetry["bracket_rms"], symmetry["density_invariance"]
    return [
        measured["title"], measured["elbo"], measured["log_likelihood_bound"],
        f"{measured['kl_gap']:.3f}±{measured['kl_gap_se']:.3f}", symmetry["bracket_mean_square"]["base"],
        rms["base"], rms["data"], rms["trajectory"], invariance["value"], invariance["noise_floor"],
        measured["angles"]["p_value"], measured["training_seconds"],
    ]  # fmt: skip


def _console_table(results: Sequence[dict[str, Any]]) -> Table:
    """One column a run: fits a terminal of 80 characters."""
    table = Table("", *(r["run"] for r in results), header_style="bold")
    cells = [[format_number(value) for value in _row(r)] for r in results]
    for k, name in enumerate(COLUMNS[1:], start=1):
        table.add_row(name, *(row[k] for row in cells))
    return table


def _one_line(measured: dict[str, Any]) -> str:
    return (
        f"ELBO {measured['elbo']:.3f}, IW-{measured['samples']} bound {measured['log_likelihood_bound']:.3f}, "
        f"KL gap {measured['kl_gap']:.3f} nats, {measured['training_seconds']:.0f} s"
    )


def _report(metrics: dict[str, Any]) -> str:
    setting = metrics["setting"]
    lines = ["# Equivariant Hamiltonian Flows, reproduced", "",
             "Rezende, Racanière, Higgins, Toth, arXiv 1909.13739. "
             f"Made by `hamsym reproduce ehf{' --quick' if metrics['quick'] else ''} --seed {metrics['seed']}` in "
             f"{metrics['seconds']:.0f} s.", "", "![panels](ehf.png)", "", "## Symmetry of the targets", ""]  # fmt: skip
    for problem, proof in metrics["proofs"].items():
        again = (
            "verified again by independent code" if proof["checked"] else "NOT verified by independent code"
        )
        lines.append(
            f"- **{problem}** ({proof['target']}), g = {proof['generator']}: {{g, H}} = 0 is **{proof['status']}**, {again}."
        )
        if proof["status"] == "refuted":
            lines.append(f"  {proof['text'][1].strip()}.")
    lines += ["", "## Data", ""]
    for problem, s in metrics["sampling"].items():
        off = max(abs(a - b) for a, b in zip(s["shares"], s["masses"], strict=True))
        lines.append(f"- **{problem}**: Hamiltonian Monte Carlo with parallel tempering; acceptance {s['acceptance']:.2f}, "
                     f"smallest effective sample size {min(s['ess'].values()):.0f}, largest R-hat {max(s['r_hat'].values()):.3f}; "
                     f"largest deviation of a mode's share from its exact mass {off:.3f}.")  # fmt: skip
    lines += ["", "## Result", "", markdown_table(COLUMNS, [_row(r) for r in metrics["runs"]]), "", *_legend(metrics), "", "## Settings where the paper is silent", "",
              "Targets: **A** two rings of radius 2.0 and 5.1, radial s.d. 0.35, equal mass; **B** nine equal Gaussians of s.d. 0.5. "
              f"{setting['points']} training points, {setting['held_out']} held-out points drawn directly, chain of "
              f"{setting['hamiltonians']} Hamiltonians with one leapfrog step each, width {setting['width']}, {setting['steps']} steps of "
              f"batch {setting['batch']}, κ = {setting['tolerance']}.", ""]  # fmt: skip
    return "\n".join(lines)


def _legend(metrics: dict[str, Any]) -> list[str]:
    samples = metrics["setting"]["samples"]
    return [
        f"The IW bound is the importance-weighted lower bound of the log-likelihood with K = {samples}, in nats; the ELBO is the same "
        "with K = 1 and is not a likelihood. The KL gap is the mean of log p − IW bound over held-out points, an upper bound of "
        "the divergence from the target. E{g,H}² on base states is what the constraint bounds by κ; data and trajectory states are "
        "where it was not looked at (path: the state that each Hamiltonian meets on the way from the data to the base). Invariance is the standard deviation of the learned log-density over rotations of a point; "
        "below its noise floor nothing is measured. The energy panels are means over the chain, weighted by the time steps.",
        *(f"\n{r['title']}: the symmetry of the learned flow is {', '.join(r['flow_symmetry'])}, for every value of its weights."
          for r in metrics["runs"] if r["flow_symmetry"]),
    ]  # fmt: skip
