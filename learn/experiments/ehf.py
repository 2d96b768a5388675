"""The two experiments of *Equivariant Hamiltonian Flows*: rings (rotation invariant) and blobs (not).

Rezende, Racanière, Higgins, Toth, arXiv 1909.13739 (2019).  The path goes through all three layers: the symmetry
of each target is proved or refuted from its formula, the same formula is compiled and sampled, and flows learn
the samples: A without constraint, A with the paper's Lagrangian, A exactly invariant by construction, B without.
Beyond the paper, A is learned once more with the constraint and |q| and |p| as further inputs of the potentials.

The paper gives neither target formulas nor sizes, steps, κ or optimiser; what stands here is our setting, and the
report says so.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console

import hamsym as hs
from hamsym.errors import CheckpointError
from hamsym.files import whole
from learn.constraint import BracketConstraint
from learn.evaluation import angle_uniformity, evaluate
from learn.experiments.ehf_report import console_table, reading, report
from learn.flow import HamiltonianFlow
from learn.report import Panel, density_figure, write_json, write_text
from learn.training import fit

if TYPE_CHECKING:
    from hamsym.data.targets import Target

TARGETS = {"A": "paper_rings", "B": "paper_blobs"}


@dataclass(frozen=True)
class Setting:
    """Sizes of a run; ``samples`` is the K of the importance-weighted bound."""

    points: int
    held_out: int
    steps: int
    batch: int
    hamiltonians: int
    width: int
    samples: int
    turned: int


QUICK = Setting(10_000, 2_000, 1_500, 512, 8, 64, 100, 48)
FULL = Setting(50_000, 10_000, 8_000, 512, 8, 64, 1_000, 128)


@dataclass(frozen=True)
class Run:
    """One training: which problem, which symmetry, its name in tables, and κ where there is a constraint."""

    problem: str
    symmetry: str | None
    title: str
    tolerance: float | None = None

    @property
    def key(self) -> str:
        return f"{self.problem}-{self.symmetry or 'none'}"


RUNS = (
    Run("A", None, "A, no constraint"),
    Run("A", "penalty", "A, bracket constraint (paper)", 3e-3),
    Run("A", "exact", "A, invariant by construction"),
    Run("A", "features", "A, constraint with invariant features", 1e-4),
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
    _claim(out, {"experiment": "ehf", "quick": quick, "seed": seed, "setting": asdict(setting)}, resume)
    targets = {problem: hs.targets[name] for problem, name in TARGETS.items()}
    generator = hs.angular_momentum(hs.PhaseSpace.standard(2), 0, 1)

    console.rule("symmetry, from the formula")
    proofs = {problem: _prove(problem, target, generator, console) for problem, target in targets.items()}
    console.rule("data, from the same formula")
    data, sampling = {}, {}
    for problem, target in targets.items():
        data[problem], sampling[problem] = _draw(problem, target, setting, seed, console)
        with whole(out / f"data-{problem}.npy") as partial:
            np.save(partial, data[problem])

    results, panels = [], []
    for number, entry in enumerate(RUNS, start=1):
        console.rule(f"training {number} of {len(RUNS)}: {entry.title}")
        target = targets[entry.problem]
        flow, measured = _train(
            entry, target, data[entry.problem], generator, setting, out, seed, resume, quiet
        )
        results.append(measured)
        panels.append(Panel(entry.title.replace(", ", "\n", 1), target, flow))
        console.print(
            f"ELBO {measured['elbo']:.3f}, IW-{setting.samples} bound {measured['log_likelihood_bound']:.3f}, "
            f"KL gap {measured['kl_gap']:.3f} nats, {measured['training_seconds']:.0f} s of training"
        )

    density_figure(panels, out / "ehf.png", extent=7.5, seed=seed)
    metrics = {
        "experiment": "ehf", "quick": quick, "seed": seed, "setting": asdict(setting), "proofs": proofs,
        "sampling": sampling, "runs": results, "seconds": time.perf_counter() - started,
        "versions": {"hamsym": hs.__version__, "torch": torch.__version__, "numpy": np.__version__},
    }  # fmt: skip
    write_json(out / "metrics.json", metrics)
    write_text(out / "report.md", report(metrics))
    console.rule("done")
    console.print(console_table(results, setting.samples))
    for line in reading(results):
        console.print(f"• {line}", highlight=False)
    console.print(f"{metrics['seconds']:.0f} s; wrote ehf.png, metrics.json and report.md to {out}/")
    return metrics


def _claim(out: Path, settings: dict[str, Any], resume: bool) -> None:
    """Write the settings of this run into its folder, or compare them with those of the run to resume.

    Raises:
        CheckpointError: if the run to resume had other settings; nothing in the folder is touched then.
    """
    path = out / "setting.json"
    if resume and path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{path} is not valid JSON; take another folder") from error
        if found != settings:
            raise CheckpointError(
                f"the run in {out} had other settings ({path}); give the same ones, or another folder"
            )
    write_json(path, settings)


def _prove(problem: str, target: Target, generator: hs.Generator, console: Console) -> dict[str, Any]:
    verdict = hs.verify(target.hamiltonian, generator)
    summary = str(verdict).splitlines()
    checked = verdict.check()
    console.print(
        f"[bold]{problem}[/bold]  {target.name}, g = {generator.text}: {summary[0]}", highlight=False
    )
    if verdict.status == "proved":
        console.print(
            f"   by {len(summary) - 2} generators and relations, listed in metrics.json", highlight=False
        )
    else:
        console.print(f"   {summary[1].strip()}", highlight=False)
    console.print(f"   verified again by independent code: {'yes' if checked else 'no'}", highlight=False)
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


def _train(
    entry: Run, target: Target, data: np.ndarray, generator: hs.Generator, setting: Setting, out: Path,
    seed: int, resume: bool, quiet: bool,
) -> tuple[HamiltonianFlow, dict[str, Any]]:  # fmt: skip
    flow = HamiltonianFlow(
        dim=2, hamiltonians=setting.hamiltonians, width=setting.width, symmetry=entry.symmetry,
        generators=() if entry.symmetry is None else (generator,), seed=seed,
    )  # fmt: skip
    constraint = None
    if entry.tolerance is not None:
        constraint = BracketConstraint([generator], tolerance=entry.tolerance, sampling="base")
    folder = out / entry.key
    result = fit(
        flow, data, steps=setting.steps, batch=setting.batch, seed=seed, constraint=constraint,
        progress=not quiet, out=folder, resume=resume, draws=1,  # the paper's objective throughout
    )  # fmt: skip
    held_out = target.sample(setting.held_out, seed=seed + 1)
    measured = evaluate(
        flow, held_out, truth=target, generators=(generator,), samples=setting.samples, turned=setting.turned, seed=seed + 2
    )  # fmt: skip
    angles = angle_uniformity(flow.sample(20_000, seed=seed + 3).double().numpy())
    proved = [v.status for v in flow.prove_symmetry()] if entry.symmetry == "exact" else None
    measured["symmetry_of_density"] = measured.pop("symmetry")[generator.text]
    measured |= {
        "run": entry.key, "problem": entry.problem, "title": entry.title, "mode": entry.symmetry, "steps": setting.steps,
        "training_seconds": result.history["seconds"][-1], "angles": angles, "flow_symmetry": proved,
        "lambda": result.history["lambda"][-1], "tolerance": entry.tolerance,
        "generator": generator.text,
    }  # fmt: skip
    return flow, measured
