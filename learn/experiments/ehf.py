"""The two experiments of *Equivariant Hamiltonian Flows*: rings (rotation invariant) and blobs (not).

Rezende, Racanière, Higgins, Toth, arXiv 1909.13739 (2019).  The path goes through all three layers: the symmetry
of each target is proved or refuted from its formula, the same formula is compiled and sampled, and flows learn
the samples: A without constraint, A with the paper's Lagrangian, A exactly invariant by construction, B without.
Beyond the paper, A is learned once more with the constraint and |q| and |p| as further inputs of the potentials.

The paper gives neither target formulas nor sizes, steps, κ or optimiser; what stands here is our setting, and the
report says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

import hamsym as hs
from hamsym.files import whole
from learn.evaluation.measures import evaluate
from learn.evaluation.report import Panel, density_figure
from learn.experiments.ehf_report import console_table, reading, report
from learn.experiments.runs import ROTATION, Folder, Method
from learn.symmetry.angles import angle_uniformity
from learn.training.fit import fit

if TYPE_CHECKING:
    from hamsym.data.targets import Target
    from learn.flow.density import HamiltonianFlow

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

    @property
    def method(self) -> Method:
        kappa = self.tolerance
        constraint = None if kappa is None else {"tolerance": kappa, "sampling": "base"}
        return Method(self.key, self.symmetry, constraint)


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
    folder = Folder("ehf", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    console = folder.console
    targets = {problem: hs.targets[name] for problem, name in TARGETS.items()}

    console.rule("symmetry, from the formula")
    proofs = {problem: folder.prove(problem, target) for problem, target in targets.items()}
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
        flow, measured = _train(entry, target, data[entry.problem], setting, out, seed, resume, quiet)
        results.append(measured)
        panels.append(Panel(entry.title.replace(", ", "\n", 1), target, flow))
        console.print(
            f"ELBO {measured['elbo']:.3f}, IW-{setting.samples} bound {measured['log_likelihood_bound']:.3f}, "
            f"KL gap {measured['kl_gap']:.3f} nats, {measured['training_seconds']:.0f} s of training"
        )

    density_figure(panels, out / "ehf.png", extent=7.5, seed=seed)
    metrics = folder.close({"proofs": proofs, "sampling": sampling, "runs": results}, report)
    console.rule("done")
    console.print(console_table(results, setting.samples))
    for line in reading(results):
        console.print(f"• {line}", highlight=False)
    console.print(f"{metrics['seconds']:.0f} s; wrote ehf.png, metrics.json and report.md to {out}/")
    return metrics


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
    entry: Run, target: Target, data: np.ndarray, setting: Setting, out: Path, seed: int, resume: bool, quiet: bool
) -> tuple[HamiltonianFlow, dict[str, Any]]:  # fmt: skip
    flow = entry.method.flow(hamiltonians=setting.hamiltonians, width=setting.width, seed=seed)
    folder = out / entry.key
    result = fit(
        flow, data, steps=setting.steps, batch=setting.batch, seed=seed, constraint=entry.method.lagrangian(),
        progress=not quiet, out=folder, resume=resume, draws=1,  # the paper's objective throughout
    )  # fmt: skip
    held_out = target.sample(setting.held_out, seed=seed + 1)
    measured = evaluate(
        flow, held_out, truth=target, generators=(ROTATION,), samples=setting.samples, turned=setting.turned, seed=seed + 2
    )  # fmt: skip
    angles = angle_uniformity(flow.sample(20_000, seed=seed + 3).double().numpy())
    measured["symmetry_of_density"] = measured.pop("symmetry")[ROTATION.text]
    measured |= {
        "run": entry.key, "problem": entry.problem, "title": entry.title, "mode": entry.symmetry, "steps": setting.steps,
        "training_seconds": result.history["seconds"][-1], "angles": angles,
        "lambda": result.history["lambda"][-1], "tolerance": entry.tolerance,
        "generator": ROTATION.text,
    }  # fmt: skip
    return flow, measured
