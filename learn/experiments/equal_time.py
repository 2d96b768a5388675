"""Densities at equal CPU time: the clock, a training of so many seconds, and its measures on fresh points."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

import hamsym as hs
from hamsym.errors import NonFiniteError
from learn.experiments.contenders import Contender, Model
from learn.experiments.runs import Folder, mean_gap, seeds

#: Targets with the rotation: there its error is measured.
ROUND = ("two_rings", "ring")
MOST_RESTARTS = 5
LR = 1e-3  # where no rate is chosen: times do not depend on it


@dataclass(frozen=True)
class Sizes:
    """What comparisons say of trainings and measures.

    Attributes:
        points, held_out, batch: numbers of points.
        samples: K of the importance-weighted bound.
        few: another, smaller K.
        turned: points whose log p is compared over rotations, on targets that have them.
        rates: learning rates that are tried.
        trial: seconds of such a try.
        paced: steps of a training by which the time of a step is measured.
        rounds: how often times are measured, in turns.
        drawn: samples that are drawn.
    """

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


def pace_of(contenders: Iterable[Contender], setting: Sizes, seed: int) -> dict[str, float]:
    """Return the seconds of one training step of each model by its key, from short trainings in turns."""
    q = points_of("ring", setting.points, seed)

    def short(contender: Contender) -> None:
        contender.build(seed, LR).train_on(q, steps=setting.paced, batch=setting.batch, seed=seed)

    found = in_turns({c.key: partial(short, c) for c in contenders}, setting.rounds)
    return {key: spent / setting.paced for key, spent in found.items()}


def train(
    contender: Contender,
    name: str,
    budget: float,
    pace: float,
    setting: Sizes,
    *,
    lr: float | None,
    seed: int,
) -> tuple[Model, dict[str, Any]]:
    """Train one model for a time and return it and what was done.

    Arguments:
        contender: the model.
        name: of the target.
        budget: seconds of CPU.
        pace: seconds of a step, by which the number of steps is chosen.
        setting: sizes.
        lr: largest learning rate; None for flows of this library, which keep their default.
        seed: of points, weights and draws.

    Returns:
        The model, and plain values by name.

    Raises:
        NonFiniteError: if the loss is not finite even at a small part of the learning rate; a training whose loss is not
            finite starts anew with a third of it, and its time is not counted.
    """  # fmt: skip
    steps, restarts = max(1, round(budget / pace)), 0
    q = points_of(name, setting.points, seed)
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
    done = {
        "target": name, "model": contender.key, "budget": budget, "seed": seed, "steps": steps, "lr": lr,
        "restarts": restarts, "cpu_seconds": time.process_time() - started,
    }  # fmt: skip
    return model, done


def assess(model: Model, name: str, setting: Sizes, seed: int) -> dict[str, Any]:
    """Return the measures of a trained model on fresh points, plain values by name.

    Arguments:
        model: a density.
        name: of the target.
        setting: sizes.
        seed: of the training; the points of the measure are others.
    """
    target = hs.targets[name]
    row: dict[str, Any] = {}
    fresh = target.sample(setting.held_out, seed=seeds(seed, 1001)[-1])
    points = torch.as_tensor(fresh).to(torch.get_default_dtype())
    truth = target.log_prob(fresh)
    for column, k in (("kl_gap", setting.samples), ("few_gap", setting.few)):
        value, error = (x.double().numpy() for x in model.log_prob(points, k, seed))
        gap = truth - value
        row |= {column: float(gap.mean()), f"{column}_se": float(gap.std(ddof=1) / np.sqrt(len(gap)))}
        # the logarithm of a mean lies below by half its variance (delta method)
        row |= {f"{column}_floor": float(np.square(error).mean() / 2)}
    if name in ROUND:
        row["variation"], row["noise_floor"] = model.variation(points[: setting.turned], seed)
    return row


def measure(
    contender: Contender,
    name: str,
    budget: float,
    pace: float,
    setting: Sizes,
    *,
    lr: float | None,
    seed: int,
) -> dict[str, Any]:
    """Train one model for a time as :func:`train` does, and return its measures on fresh points, plain values by name."""
    model, done = train(contender, name, budget, pace, setting, lr=lr, seed=seed)
    return done | assess(model, name, setting, seed)


def tried_rates(
    folder: Folder, contender: Contender, targets: Sequence[str], pace: float, setting: Sizes, seed: int
) -> dict[float, float]:
    """Return the mean KL gap in short trainings with each learning rate; nothing, if there is no choice.

    Arguments:
        folder: keeps what was tried.
        contender: the model.
        targets: on which it is tried.
        pace: seconds of a step.
        setting: sizes, with the rates and the seconds of a trial.
        seed: of the run; trials have points and weights of their own.
    """
    other = seeds(seed, 2001)[-1]

    def tried(rate: float) -> float:
        rows = [
            folder.row(
                f"rate-{name}-{contender.key}-{rate:g}",
                partial(measure, contender, name, setting.trial, pace, setting, lr=rate, seed=other),
            )
            for name in targets
        ]
        return mean_gap(rows)[0]

    return {rate: tried(rate) for rate in setting.rates} if len(setting.rates) > 1 else {}


def chosen_rate(tried: Mapping[float, float], setting: Sizes) -> float:
    """Return the learning rate with the smallest of the gaps of :func:`tried_rates`; the only one, if there is no choice."""
    return min(tried, key=tried.__getitem__) if tried else setting.rates[0]


def points_of(name: str, n: int, seed: int) -> torch.Tensor:
    """Return n points of a target, of shape (n, 2)."""
    return torch.as_tensor(hs.targets[name].sample(n, seed=seed), dtype=torch.get_default_dtype())
