"""Hamiltonian flows beside those of other libraries at equal CPU time: fit, symmetry, time of log p and of samples.

Every model gets as many steps as fit into the same seconds of one core, by times measured in turns in this process;
data, batch, schedule, clipping and optimiser are the same for all.  A learning rate is chosen for each model of another
library by short trainings, whose time is not counted; the flows of this library keep their defaults.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hamsym as hs
from hamsym.errors import NonFiniteError
from learn.experiments import peers_report, tables
from learn.experiments.contenders import CONTENDERS, Contender, package
from learn.experiments.peers_report import mean_gap
from learn.experiments.runs import Folder, seeds

#: Targets with the rotation: there its error is measured, and the exact flow takes part.
ROUND = ("two_rings", "ring")
#: Targets on which learning rates are chosen.
TUNED = ("two_rings", "pinwheel")
OTHERS = ("ring", "gaussians8", "moons", "checkerboard")

LIBRARIES = ("zuko", "normflows")
MOST_RESTARTS = 5
LR = 1e-3  # where no rate is chosen: times do not depend on it


@dataclass(frozen=True)
class Budget:
    """Seconds of CPU for a training, how many trainings with different seeds, and the targets that are learned so."""

    seconds: float
    seeds: int
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """Sizes of a run.

    Attributes:
        budgets: what is trained.
        points, held_out, batch: numbers of points.
        samples: K of the importance-weighted bound.
        few: K with which log p is timed.
        turned: points whose log p is compared over rotations.
        rates: learning rates tried for models of other libraries.
        trial: seconds of such a try.
        paced: steps of a training by which the time of a step is measured.
        rounds: how often times are measured, in turns.
        drawn: samples that are timed.
    """

    budgets: tuple[Budget, ...]
    points: int
    held_out: int
    batch: int
    samples: int
    few: int
    turned: int
    rates: tuple[float, ...]
    trial: float
    paced: int
    rounds: int
    drawn: int


QUICK = Setting((Budget(2.0, 1, TUNED),), 20_000, 1_000, 512, 200, 64, 8, (3e-3,), 1.0, 40, 3, 10_000)
FULL = Setting(
    (Budget(15.0, 2, TUNED), Budget(10.0, 1, OTHERS)), 100_000, 4_000, 512, 1_000, 64, 32, (1e-3, 3e-3, 1e-2, 3e-2), 5.0, 100, 5, 10_000
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
        rates = {c.key: _chosen_rate(folder, c, pace, setting, seed) for c in CONTENDERS if not c.ours}
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


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, so that the time of the process is that of one core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_turns(
    contenders: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Return the median time of each, done in turns, so that what slows the machine slows all; the first is not counted.

    Arguments:
        contenders: what is timed.
        rounds: how often.
        clock: in seconds; the CPU time of the process by default.

    Example:
        >>> in_turns({"a": lambda: None}, 3)["a"] < 1
        True
    """
    times: dict[str, list[float]] = {key: [] for key in contenders}
    for turn in range(rounds + 1):
        for key, do in contenders.items():
            started = clock()
            do()
            if turn:
                times[key].append(clock() - started)
    return {key: statistics.median(found) for key, found in times.items()}


def paces(setting: Setting, seed: int) -> dict[str, Any]:
    """Return the seconds of one training step of each model, from short trainings in turns."""
    q = _points("ring", setting.points, seed)

    def train(contender: Contender) -> None:
        contender.build(seed, LR).train_on(q, steps=setting.paced, batch=setting.batch, seed=seed)

    found = in_turns({c.key: partial(train, c) for c in CONTENDERS}, setting.rounds)
    return {"seconds": {key: spent / setting.paced for key, spent in found.items()}}


def measure(
    contender: Contender,
    name: str,
    budget: float,
    pace: float,
    setting: Setting,
    *,
    lr: float | None,
    seed: int,
) -> dict[str, Any]:
    """Train one model for a time and return its measures on fresh points.

    Arguments:
        contender: the model.
        name: of the target.
        budget: seconds of CPU.
        pace: seconds of a step, by which the number of steps is chosen.
        setting: sizes.
        lr: largest learning rate; None for flows of this library, which keep their default.
        seed: of points, weights and draws.

    Returns:
        Plain values by name.

    Raises:
        NonFiniteError: if the loss is not finite even at a small part of the learning rate; a training whose loss is not
            finite starts anew with a third of it, and its time is not counted.
    """  # fmt: skip
    target, steps, restarts = hs.targets[name], max(1, round(budget / pace)), 0
    q = _points(name, setting.points, seed)
    while True:
        model = contender.build(seed, lr or LR)
        started = time.process_time()
        try:
            model.train_on(q, steps=steps, batch=setting.batch, seed=seed)
            break
        except NonFiniteError:
            if lr is None or restarts == MOST_RESTARTS:
                raise
            lr, restarts = lr / 3, restarts + 1
    spent = time.process_time() - started
    fresh = target.sample(setting.held_out, seed=seeds(seed, 1001)[-1])
    points = torch.as_tensor(fresh).to(q)
    truth = target.log_prob(fresh)
    row: dict[str, Any] = {
        "target": name, "model": contender.key, "budget": budget, "seed": seed, "steps": steps, "lr": lr,
        "restarts": restarts, "cpu_seconds": spent,
    }  # fmt: skip
    for column, k in (("kl_gap", setting.samples), ("few_gap", setting.few)):
        value, error = (x.double().numpy() for x in model.log_prob(points, k, seed))
        gap = truth - value
        row |= {column: float(gap.mean()), f"{column}_se": float(gap.std(ddof=1) / np.sqrt(len(gap)))}
        # the logarithm of a mean lies below by half its variance (delta method)
        row |= {f"{column}_floor": float(np.square(error).mean() / 2)}
    if name in ROUND:
        row["variation"], row["noise_floor"] = model.variation(points[: setting.turned], seed)
    return row


def speeds(setting: Setting, seed: int) -> dict[str, Any]:
    """Return the seconds of log p of 1000 points and of drawing samples, and the number of parameters, by model."""
    q, models = _points("ring", 1000, seed), {c.key: c.build(seed, LR) for c in CONTENDERS}
    log_prob = in_turns(
        {key: partial(m.log_prob, q, setting.few, seed) for key, m in models.items()}, setting.rounds
    )
    sample = in_turns({key: partial(m.sample, setting.drawn) for key, m in models.items()}, setting.rounds)
    return {"log_prob": log_prob, "sample": sample, "parameters": {k: m.size for k, m in models.items()}}


def _chosen_rate(
    folder: Folder, contender: Contender, pace: Mapping[str, float], setting: Setting, seed: int
) -> float:
    """The learning rate with the smallest mean KL gap in short trainings on the tuned targets."""
    if len(setting.rates) == 1:
        return setting.rates[0]
    other = seeds(seed, 2001)[-1]  # points and weights of their own

    def tried(rate: float) -> float:
        rows = [
            folder.row(
                f"rate-{name}-{contender.key}-{rate:g}",
                partial(
                    measure, contender, name, setting.trial, pace[contender.key], setting, lr=rate, seed=other
                ),
            )
            for name in TUNED
        ]
        return mean_gap(rows)[0]

    return min(setting.rates, key=tried)


def _points(name: str, n: int, seed: int) -> torch.Tensor:
    return torch.as_tensor(hs.targets[name].sample(n, seed=seed), dtype=torch.get_default_dtype())
