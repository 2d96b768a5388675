"""What the symmetry of bodies in space is worth: DW4 and LJ13 learned from few points and from many.

The densities are those of Köhler, Klein, Noé, *Equivariant Flows*, arXiv 2006.02425; the sweep over the number of
training points is that of Satorras, Hoogeboom, Fuchs, Posner, Welling, *E(n) Equivariant Normalizing Flows*, arXiv
2105.09016.  Data are long chains whose equilibrium is certified, each point turned at random and its bodies permuted, so
that no method can read labels or axes from where a chain began.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hamsym as hs
from hamsym.files import whole
from hamsym.numeric.codegen import array_function
from learn.experiments import tables
from learn.experiments.runs import Folder, difference, mean_and_error, seeds
from learn.flow import HamiltonianFlow
from learn.particles import Particles
from learn.particles.data import free_coordinates, moved
from learn.partition import LogZ, estimate_log_z, pooled
from learn.report import markdown_table
from learn.training import fit
from learn.validation import split

METHODS = {
    "none": "a free flow on the coordinates that are left without the mean, orthonormal ones",
    "augment": "the same flow, trained on copies of its points that are turned, reflected and permuted at random",
    "exact": "sums over pairs of functions of distances, invariant under E(d) and permutations whatever the weights",
}
#: An estimate of log Z is used from so many effective samples on.
USABLE = 1_000.0


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


# -- what it says ----------------------------------------------------------------------------------------------------


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
        panel.set_ylabel("KL gap (nats)" if gaps else "− bound on log p (nats)")
        if gaps:
            panel.set_yscale("log")
        panel.grid(which="both", alpha=0.2)
    panels[0][0].legend()
    with whole(path) as partly:
        drawn.savefig(partly, dpi=140)
    pyplot.close(drawn)
