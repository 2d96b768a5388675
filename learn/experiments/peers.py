"""Hamiltonian flows beside those of other libraries at equal CPU time: fit, symmetry, time of log p and of samples.

Every model gets as many steps as fit into the same seconds of one core, by times measured in turns in this process;
data, batch, schedule, clipping and optimiser are the same for all.  A learning rate is chosen for each model of another
library by short trainings, whose time is not counted; the flows of this library keep their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hamsym as hs
from learn.experiments import peers_report, tables
from learn.experiments.contenders import CONTENDERS, package
from learn.experiments.equal_time import (
    LR,
    ROUND,
    Sizes,
    chosen_rate,
    in_turns,
    measure,
    one_thread,
    pace_of,
    points_of,
    tried_rates,
)
from learn.experiments.runs import Folder, seeds

#: Targets on which learning rates are chosen.
TUNED = ("two_rings", "pinwheel")
OTHERS = ("ring", "gaussians8", "moons", "checkerboard")

LIBRARIES = ("zuko", "normflows")


@dataclass(frozen=True)
class Budget:
    """Seconds of CPU for a training, how many trainings with different seeds, and the targets that are learned so."""

    seconds: float
    seeds: int
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Setting(Sizes):
    """Sizes of a run; the models of other libraries try the rates, and log p is timed with the smaller K.

    Attributes:
        budgets: what is trained.
    """

    budgets: tuple[Budget, ...]


QUICK = Setting(20_000, 1_000, 512, 200, 64, 8, (3e-3,), 1.0, 40, 3, 10_000, budgets=(Budget(2.0, 1, TUNED),))
FULL = Setting(
    100_000, 4_000, 512, 1_000, 64, 32, (1e-3, 3e-3, 1e-2, 3e-2), 5.0, 100, 5, 10_000,
    budgets=(Budget(15.0, 2, TUNED), Budget(10.0, 1, OTHERS)),
)  # fmt: skip


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole comparison and write figure, metrics and report into a folder.

    Arguments:
        out: folder, made if it is not there.
        quick: the small setting, a minute or two on one core.
        seed: the first of the seeds of data, weights and evaluation.
        resume: go on with an interrupted run in the same folder; what it measured is not measured again.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.

    Raises:
        MissingExtraError: if the other libraries are not installed; nothing is written then.
    """
    for name in LIBRARIES:
        package(name)
    setting = QUICK if quick else FULL
    folder = Folder("peers", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    targets = {name for budget in setting.budgets for name in budget.targets}
    with one_thread():
        proofs = {name: folder.prove(name, hs.targets[name]) for name in ROUND if name in targets}
        pace = folder.row("pace", partial(paces, setting, seed))["seconds"]
        rates = {
            c.key: chosen_rate(tried_rates(folder, c, TUNED, pace[c.key], setting, seed), setting)
            for c in CONTENDERS
            if not c.ours
        }
        rows = []
        for budget in setting.budgets:
            for name in budget.targets:
                for s in seeds(seed, budget.seeds):
                    for c in CONTENDERS:
                        if c.symmetric and name not in ROUND:
                            continue
                        key = f"{name}-{budget.seconds:g}-{c.key}-{s}"
                        rate = rates.get(c.key)
                        row = folder.row(
                            key,
                            partial(measure, c, name, budget.seconds, pace[c.key], setting, lr=rate, seed=s),
                        )
                        rows.append(row)
                        folder.console.print(
                            f"{name}, {budget.seconds:g} s, {c.key}, seed {s}: KL gap "
                            f"{tables.plus_minus(row['kl_gap'], row['kl_gap_se'])} nats", highlight=False,
                        )  # fmt: skip
        speed = folder.row("speed", partial(speeds, setting, seed))
    peers_report.figure(rows, out / "peers.png")
    metrics = folder.close(
        {"proofs": proofs, "pace": pace, "rates": rates, "speed": speed, "runs": rows,
         "libraries": {name: getattr(package(name), "__version__", None) for name in LIBRARIES}},
        peers_report.report,
    )  # fmt: skip
    for line in peers_report.reading(metrics):
        folder.console.print(f"• {line}", highlight=False)
    folder.console.print(f"{metrics['seconds']:.0f} s; wrote peers.png, metrics.json and report.md to {out}/")
    return metrics


def paces(setting: Setting, seed: int) -> dict[str, Any]:
    """Return the seconds of one training step of each model, from short trainings in turns."""
    return {"seconds": pace_of(CONTENDERS, setting, seed)}


def speeds(setting: Setting, seed: int) -> dict[str, Any]:
    """Return the seconds of log p of 1000 points and of drawing samples, and the number of parameters, by model."""
    q, models = points_of("ring", 1000, seed), {c.key: c.build(seed, LR) for c in CONTENDERS}
    log_prob = in_turns(
        {key: partial(m.log_prob, q, setting.few, seed) for key, m in models.items()}, setting.rounds
    )
    sample = in_turns({key: partial(m.sample, setting.drawn) for key, m in models.items()}, setting.rounds)
    return {"log_prob": log_prob, "sample": sample, "parameters": {k: m.size for k, m in models.items()}}
