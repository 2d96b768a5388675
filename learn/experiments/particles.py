"""What the symmetry of bodies in space is worth: DW4 and LJ13 learned from few points and from many.

The densities are those of Köhler, Klein, Noé, *Equivariant Flows*, arXiv 2006.02425; the sweep over the number of
training points is that of Satorras, Hoogeboom, Fuchs, Posner, Welling, *E(n) Equivariant Normalizing Flows*, arXiv
2105.09016.  Data are long chains whose equilibrium is certified, each point turned at random and its bodies permuted, so
that no method can read labels or axes from where a chain began.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hamsym as hs
from hamsym.numeric.codegen import array_function
from learn.evaluation.partition import estimate_log_z
from learn.experiments.particles_report import METHODS, figure, reading, report, summary, yardstick
from learn.experiments.runs import Folder, seeds
from learn.flow.density import HamiltonianFlow
from learn.particles import Particles
from learn.particles.data import free_coordinates, moved
from learn.training.fit import fit
from learn.training.validation import split


@dataclass(frozen=True)
class System:
    """A density of bodies: which, at what inverse temperature, and how its chains are run.

    DW4 is taken at β = ½, where log Z is 19.05 and the entropy of positions without their mean 9.28 nats; at β = 1 its
    wells are twice as deep.  ``weighted`` samples of each flow estimate log Z.
    """

    name: str
    bodies: Particles
    beta: float
    points: tuple[int, ...]
    steps: int
    batch: int
    width: int
    hottest: float
    weighted: int


@dataclass(frozen=True)
class Setting:
    """Sizes of a run; ``samples`` is the K of the importance-weighted bound."""

    systems: tuple[System, ...]
    seeds: int
    held_out: int
    hamiltonians: int
    samples: int
    copies: int


DW4, LJ13 = Particles(4, 2), Particles(13, 3)
QUICK = Setting(
    (
        System("dw4", DW4, 0.5, (100, 1_000), 250, 128, 32, 0.02, 20_000),
        System("lj13", LJ13, 1.0, (100,), 60, 64, 16, 0.3, 2_000),
    ),
    1, 500, 8, 64, 5_000,
)  # fmt: skip
FULL = Setting(
    (
        System("dw4", DW4, 0.5, (100, 1_000, 10_000), 1_000, 256, 32, 0.02, 50_000),
        System("lj13", LJ13, 1.0, (100,), 200, 128, 16, 0.3, 5_000),
    ),
    2, 2_000, 8, 256, 20_000,
)  # fmt: skip


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics and report into a folder.

    Arguments:
        out: folder, made if it is not there.
        quick: the small setting, minutes on one core.
        seed: the first of the seeds of data, weights and evaluation.
        resume: go on with an interrupted run in the same folder; what it measured is not measured again.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.
    """
    setting = QUICK if quick else FULL
    folder = Folder("particles", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    numbers = seeds(seed, setting.seeds)
    chains, rows, proofs = [], [], {}
    for system in setting.systems:
        chains += [
            folder.row(f"{system.name}-chains-{s}", partial(certify, system, setting, s)) for s in numbers
        ]
        proofs[system.name] = folder.row(f"{system.name}-proof", partial(prove, system, setting))
        for n in system.points:
            for method in METHODS:
                found = [
                    folder.row(f"{system.name}-{n}-{method}-{s}", partial(measure, system, method, n, setting, seed=s))
                    for s in numbers
                ]  # fmt: skip
                rows += found
                mean = float(np.mean([r["bound"] for r in found]))
                folder.console.print(
                    f"{system.name}, N = {n}, {method}: IW-{setting.samples} bound {mean:.3f} nats",
                    highlight=False,
                )
    yardsticks = {s.name: yardstick([r for r in rows if r["system"] == s.name]) for s in setting.systems}
    for r in rows:
        log_z = yardsticks[r["system"]]
        r["kl_gap"] = r["excess"] - log_z["value"] if log_z["usable"] else None
        r["kl_gap_se"] = math.hypot(r["excess_se"], log_z["error"]) if log_z["usable"] else None
    figure(rows, out / "particles.png")
    content = {"proofs": proofs, "chains": chains, "yardsticks": yardsticks, "runs": rows}
    metrics = folder.close(content | {"summary": summary(rows)}, report)
    for line in reading(metrics):
        folder.console.print(f"• {line}", highlight=False)
    folder.console.print(
        f"{metrics['seconds']:.0f} s; wrote particles.png, metrics.json and report.md to {out}/"
    )
    return metrics


# -- data ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def draws(system: System, count: int, seed: int) -> tuple[np.ndarray, dict[str, float]]:
    """Return draws of a system, turned and permuted at random, in random order, and what is known of the chains."""
    facts = hs.systems[system.name]
    start, _ = facts.initial_states(32, seed=seed)
    found = hs.sample_boltzmann(
        facts.hamiltonian, count, beta=system.beta, seed=seed, parameters=facts.parameters, initial=start,
        hottest=system.hottest,
    )  # fmt: skip
    random = np.random.default_rng([seed, count])
    points = moved(system.bodies, np.asarray(found)[random.permutation(count)], random)
    known = found.diagnostics
    assert known is not None
    return points, {"r_hat": max(known.r_hat.values()), "effective": min(known.ess.values())}


def training_points(system: System, seed: int) -> np.ndarray:
    """Return the points from which those of every N are the first."""
    return draws(system, max(system.points), seed)[0]


def fresh_points(system: System, setting: Setting, seed: int) -> np.ndarray:
    """Return held-out points, of chains of their own."""
    return draws(system, setting.held_out, seeds(seed, 1001)[-1])[0]


def log_weight(system: System) -> Callable[[np.ndarray], np.ndarray]:
    """Return −βU of points as a function."""
    facts = hs.systems[system.name]

    potential = array_function(facts.hamiltonian.potential, facts.hamiltonian.space)
    return lambda q: -system.beta * potential(q, np.zeros_like(q), facts.parameters)


def certify(system: System, setting: Setting, seed: int) -> dict[str, Any]:
    """Compare the chains of the training points with those of the held-out ones, which began elsewhere."""
    count = max(system.points)
    _, trained = draws(system, count, seed)
    _, held_out = draws(system, setting.held_out, seeds(seed, 1001)[-1])
    function = log_weight(system)
    energies = [
        -function(q) / system.beta
        for q in (training_points(system, seed), fresh_points(system, setting, seed))
    ]
    means = [float(e.mean()) for e in energies]
    errors = [float(e.std(ddof=1) / math.sqrt(max(2.0, min(len(e), known["effective"]))))
              for e, known in zip(energies, (trained, held_out), strict=True)]  # fmt: skip
    return {
        "system": system.name, "seed": seed, "r_hat": max(trained["r_hat"], held_out["r_hat"]),
        "effective": min(trained["effective"], held_out["effective"]), "energy": means, "energy_se": errors,
        "apart": abs(means[0] - means[1]) / math.hypot(*errors),
    }  # fmt: skip


# -- trainings -------------------------------------------------------------------------------------------------------


def make(system: System, method: str, setting: Setting, seed: int) -> HamiltonianFlow:
    """Return a new flow: of the bodies, or of the coordinates without their mean."""
    bodies, length = system.bodies, setting.hamiltonians
    if method == "exact":
        return HamiltonianFlow(
            bodies.dim, length, width=system.width, symmetry="exact", particles=bodies, seed=seed
        )
    return HamiltonianFlow(bodies.dim - bodies.dimensions, length, width=64, seed=seed)


def measure(system: System, method: str, n: int, setting: Setting, *, seed: int) -> dict[str, Any]:
    """Train one flow on n points and return its bound on fresh ones, and what its weights say of log Z.

    Arguments:
        system: the density.
        method: one of METHODS.
        n: number of points, the held-out fifth among them.
        setting: sizes.
        seed: of points, weights and draws.

    Returns:
        Plain values by name; ``excess`` is the mean of −βU − log p̂, from which log Z makes the KL gap.
    """
    bodies = system.bodies
    down = np.eye(bodies.dim) if method == "exact" else free_coordinates(bodies)
    points = training_points(system, seed)[:n]
    kept, watching = (points[rows.numpy()] for rows in split(n, 0.2, seed))
    if method == "augment":
        random = np.random.default_rng(seed)
        copies = max(1, setting.copies // n)
        kept, watching = (moved(bodies, np.repeat(q, copies, 0), random) for q in (kept, watching[:1000]))
    flow = make(system, method, setting, seed)
    started = time.process_time()
    result = fit(
        flow, kept @ down.T, watching @ down.T, steps=system.steps, batch=system.batch, seed=seed, progress=False,
        validate_every=max(1, system.steps // 40),
    )  # fmt: skip
    spent = time.process_time() - started
    fresh = fresh_points(system, setting, seed)
    function = log_weight(system)
    bound, elbo = (
        flow.log_prob(torch.as_tensor(fresh @ down.T).to(flow.unit), k, seed=seed).double().numpy()
        for k in (setting.samples, 1)
    )
    excess = function(fresh) - bound
    log_z = estimate_log_z(flow, lambda q: function(q @ down), system.weighted, seed=seed)
    return {
        "system": system.name, "method": method, "points": n, "seed": seed,
        "bound": float(bound.mean()), "elbo": float(elbo.mean()), "bound_se": _error(bound),
        "excess": float(excess.mean()), "excess_se": _error(excess), "log_z": asdict(log_z),
        "best_step": result.best_step, "steps": result.history["step"][-1], "cpu_seconds": spent,
        "weights": sum(p.numel() for p in flow.parameters()),
    }  # fmt: skip


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def prove(system: System, setting: Setting) -> dict[str, Any]:
    """Prove the invariance of the exact flow, and count the verdicts."""
    verdicts = make(system, "exact", setting, 0).prove_symmetry(budget=60.0)
    return {
        "system": system.name, "verdicts": len(verdicts), "checked": all(v.check() for v in verdicts),
        "statuses": sorted({v.status for v in verdicts}), "questions": [v.question for v in verdicts[:3]],
        "exchanges": len(system.bodies.exchanges),
    }  # fmt: skip
