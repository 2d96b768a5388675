"""Neural Hamiltonian Flows on densities of the plane, with the kinetic energy learned and fixed, beside RealNVP.

Toth, Rezende, Jaegle, Racanière, Botev, Higgins, arXiv 1909.13789: one Hamiltonian, learned, and many leapfrog steps.
Souveton, Guillin, Jasche, Lavaux, Michel, arXiv 2302.01955: the same with K(p) = |p|²/2.  Every model gets the same
seconds of one core; then both kinds of one Hamiltonian are trained over a range of step counts, integration times and
widths, to see which depends less on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hamsym as hs
from hamsym.errors import MissingExtraError, NonFiniteError
from learn.experiments import nhf_report, tables
from learn.experiments.contenders import CONTENDERS, Contender, Hamiltonian, package
from learn.experiments.equal_time import (
    Sizes,
    assess,
    chosen_rate,
    one_thread,
    pace_of,
    points_of,
    train,
    tried_rates,
)
from learn.experiments.nhf_report import window
from learn.experiments.runs import Folder, seeds
from learn.flow.density import HamiltonianFlow

#: Leapfrog steps of a flow, of one Hamiltonian or of as many different ones.
DEPTH = 8
#: dt times the number of steps, where neither is varied: what the defaults of the library begin with.
TIME = 2.0
WIDTH = 64
#: Targets on which learning rates are chosen.
TUNED = ("gaussians8", "pinwheel")
#: The learning rate where robustness is measured, but where it is what is varied.
RATE = 3e-3


def _flow(kinetic: str, hamiltonians: int) -> Any:
    return lambda seed, lr: Hamiltonian(
        seed, hamiltonians=hamiltonians, steps=DEPTH // hamiltonians, kinetic=kinetic, lr=lr
    )


FLOWS = (
    Contender("single", f"NHF of the paper: one learned H = K + U, {DEPTH} leapfrog steps", _flow("learned", 1), ours=True),
    Contender("single fixed", f"the same with K = |p|²/2, the fixed-kinetic variant: one learned U, {DEPTH} steps", _flow("fixed", 1), ours=True),
    Contender("chain", f"{DEPTH} different learned H with a step each, the default of this library", _flow("learned", DEPTH), ours=True),
    Contender("chain fixed", f"the same with K = |p|²/2: {DEPTH} different U", _flow("fixed", DEPTH), ours=True),
)  # fmt: skip
REALNVP = next(c for c in CONTENDERS if c.key == "realnvp")


@dataclass(frozen=True)
class Setting(Sizes):
    """Sizes of a run.

    Attributes:
        seconds: of CPU for each training.
        seeds: trainings of each model on each target.
        targets: what is learned.
        bins: of the histogram of a model, along an axis.
        probed: the target on which robustness is measured.
        training: optimiser steps of such a training.
        steps, times, widths, robust: what is varied there, the last being learning rates.
        repeats: seeds there.
    """

    seconds: float
    seeds: int
    targets: tuple[str, ...]
    bins: int
    probed: str
    training: int
    steps: tuple[int, ...]
    times: tuple[float, ...]
    widths: tuple[int, ...]
    robust: tuple[float, ...]
    repeats: int


QUICK = Setting(
    20_000, 1_000, 512, 200, 20, 8, (RATE,), 1.0, 40, 3, 20_000,
    seconds=2.0, seeds=1, targets=("gaussians8", "moons", "pinwheel"), bins=40, probed="gaussians8", training=300,
    steps=(2, 8, 32), times=(0.5, 8.0), widths=(16,), robust=(3e-2,), repeats=1,
)  # fmt: skip
FULL = Setting(
    100_000, 4_000, 512, 1_000, 64, 8, (1e-3, 3e-3, 1e-2), 5.0, 100, 5, 100_000,
    seconds=8.0, seeds=3, targets=("gaussians8", "paper_blobs", "paper_rings", "moons", "pinwheel", "checkerboard"), bins=60,
    probed="gaussians8", training=1_500, steps=(2, 4, 8, 16, 32), times=(0.5, 1.0, 4.0, 8.0), widths=(16, 32, 128),
    robust=(1e-3, 1e-2, 3e-2), repeats=3,
)  # fmt: skip


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Train every flow on every density, vary steps, times and widths, and write figure, metrics and report.

    Arguments:
        out: folder, made if it is not there.
        quick: the small setting, two minutes of one core.
        seed: the first of the seeds of data, weights and evaluation.
        resume: go on with an interrupted run in the same folder; what it measured is not measured again.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.  Without the extra flow-peers RealNVP is left out, and ``missing`` says why.
    """
    setting = QUICK if quick else FULL
    folder = Folder("nhf", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    say = partial(folder.console.print, highlight=False, markup=False)
    contenders: tuple[Contender, ...] = FLOWS
    missing = None
    try:
        package("normflows")
        contenders = (*FLOWS, REALNVP)
    except MissingExtraError as error:
        missing = str(error)
        say(f"RealNVP is left out: {missing}")
    with one_thread():
        key = "pace" if missing is None else "pace-without-realnvp"
        pace = folder.row(key, lambda: {"seconds": pace_of(contenders, setting, seed)})["seconds"]
        trials = {c.key: tried_rates(folder, c, TUNED, pace[c.key], setting, seed) for c in contenders}
        rates = {key: chosen_rate(tried, setting) for key, tried in trials.items()}
        rows = []
        for name, s, c in product(setting.targets, seeds(seed, setting.seeds), contenders):
            how = partial(measure, c, name, pace[c.key], rates[c.key], setting, s, s == seed)
            row = folder.row(f"{name}-{c.key}-{s}", how)
            rows.append(row)
            say(
                f"{name}, {c.key}, seed {s}: KL gap {tables.plus_minus(row['kl_gap'], row['kl_gap_se'])} nats"
            )
        probes = []
        for place, kinetic, s in product(places(setting), ("learned", "fixed"), seeds(seed, setting.repeats)):
            words = ", ".join(f"{what} {value:g}" for what, value in place.items())
            row = folder.row(
                f"probe-{kinetic}-{words.replace(', ', '-').replace(' ', '')}-{s}",
                partial(probe, kinetic, place, setting, s),
            )
            probes.append(row)
            gap = "diverged" if row["kl_gap"] is None else f"KL gap {row['kl_gap']:.3f} nats"
            say(f"K {kinetic}, {words}, seed {s}: {gap}")
    nhf_report.figure(rows, probes, out / "nhf.png")
    metrics = folder.close(
        {"pace": pace, "rates": rates, "runs": rows, "probes": probes, "missing": missing,
         "trials": {key: {f"{rate:g}": gap for rate, gap in tried.items()} for key, tried in trials.items()},
         "words": {c.key: c.words for c in contenders}},
        nhf_report.report,
    )  # fmt: skip
    for met, line in nhf_report.goals(metrics):
        say(f"• {'met' if met else 'NOT met'}: {line}")
    say(f"{metrics['seconds']:.0f} s; wrote nhf.png, metrics.json and report.md to {out}/")
    return metrics


def places(setting: Setting) -> list[dict[str, Any]]:
    """Return the step counts, integration times, widths and learning rates that are tried, one of them varied at a time.

    Example:
        >>> len(places(FULL)), places(QUICK)[0]
        (15, {'steps': 2, 'time': 2.0, 'width': 64, 'lr': 0.003})
    """
    usual: dict[str, Any] = {"steps": DEPTH, "time": TIME, "width": WIDTH, "lr": RATE}
    varied = {"steps": setting.steps, "time": setting.times, "width": setting.widths, "lr": setting.robust}
    return [usual | {what: value} for what, values in varied.items() for value in values]


def measure(
    contender: Contender, name: str, pace: float, lr: float, setting: Setting, seed: int, drawn: bool
) -> dict[str, Any]:
    """Train one model for its seconds and return its measures, with a histogram of its samples if they are to be drawn."""
    model, row = train(contender, name, setting.seconds, pace, setting, lr=lr, seed=seed)
    row |= assess(model, name, setting, seed) | {"parameters": model.size}
    single = model.flow if isinstance(model, Hamiltonian) and model.flow.hamiltonians == 1 else None
    if single is not None:
        row["likeness"] = likeness(single, name, setting.held_out, seed)
    if drawn:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            q = model.sample(setting.drawn).double().numpy()
        edges = np.linspace(-1, 1, setting.bins + 1) * window(name)
        row["histogram"] = np.histogram2d(q[:, 0], q[:, 1], bins=[edges, edges])[0].astype(int).tolist()
        if single is not None:
            row["potential"] = landscape(single, name, setting.bins)
    return row


def landscape(flow: HamiltonianFlow, name: str, bins: int) -> list[list[float]]:
    """Return the learned potential of a flow of one Hamiltonian at the centres of the bins, less its mean."""
    centre = (np.arange(bins) + 0.5) / bins * 2 - 1
    grid = torch.cartesian_prod(*[torch.as_tensor(centre * window(name))] * 2).to(flow.unit)
    with torch.no_grad():
        height = flow.chain[0].potential(grid).double().view(bins, bins)
    return (height - height.mean()).tolist()  # type: ignore[no-any-return]


def likeness(flow: HamiltonianFlow, name: str, n: int, seed: int) -> float:
    """Return the rank correlation of the learned U with −log p of the target over fresh points.

    Example:
        >>> flow = HamiltonianFlow(2, 1, 1, 8, kinetic="fixed", seed=0)
        >>> -1 <= likeness(flow, "ring", 50, 0) <= 1
        True
    """
    target = hs.targets[name]
    q = target.sample(n, seed=seeds(seed, 1001)[-1])
    with torch.no_grad():
        u = flow.chain[0].potential(torch.as_tensor(q).to(flow.unit)).double().numpy()
    ranks = np.stack([np.argsort(np.argsort(x)) for x in (u, -target.log_prob(q))]).astype(float)
    ranks -= ranks.mean(1, keepdims=True)
    return float(ranks[0] @ ranks[1] / (ranks[0] @ ranks[0]))


def probe(kinetic: str, place: dict[str, Any], setting: Setting, seed: int) -> dict[str, Any]:
    """Train one Hamiltonian with so many steps over so long a time, which stays, and return its KL gap.

    A training whose loss is not finite is a measure too: its gap is None.
    """
    how = {"steps": place["steps"], "width": place["width"], "dt": place["time"] / place["steps"]}
    model = Hamiltonian(seed, hamiltonians=1, kinetic=kinetic, lr=place["lr"], **how)
    model.flow.chain[0].log_dt.requires_grad_(False)  # else the time would be learned
    row = {"kinetic": kinetic, **place, "seed": seed, "parameters": model.size, "kl_gap": None}
    q = points_of(setting.probed, setting.points, seed)
    try:
        model.train_on(q, steps=setting.training, batch=setting.batch, seed=seed)
        return row | assess(model, setting.probed, setting, seed)
    except NonFiniteError as error:
        return row | {"said": str(error)}
