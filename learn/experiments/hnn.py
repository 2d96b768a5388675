"""*Hamiltonian Neural Networks* again: the published tasks, losses and energy errors, and what a symmetry adds.

Greydanus, Dzamba, Yosinski, arXiv 1906.01563 (2019).  Beside the published baseline and network stands one that sees
nothing but invariants of the symmetries of the system, and one whose brackets with them the training makes small.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

import hamsym as hs
from learn.experiments.hnn_figure import figure
from learn.experiments.hnn_pixels import measure_pixels
from learn.experiments.hnn_planets import at_hand, planets
from learn.experiments.hnn_report import console_table, report
from learn.experiments.hnn_tasks import Rollouts, States, Task, spring, three_body, two_body
from learn.experiments.hnn_tasks import pendulum as pendulum_task
from learn.experiments.runs import Folder, seeds
from learn.hnn.field import FieldNetwork
from learn.hnn.model import HNN
from learn.symmetry.constraint import BracketConstraint
from learn.training.fit import fit

Measure: TypeAlias = Callable[[], dict[str, Any]]
PIXELS = "pixel pendulum"
#: Looks at the energy that are kept for the figure.
_TRACK = 100


@dataclass(frozen=True)
class Training:
    """How a network of a task is trained."""

    steps: int
    batch: int
    lr: float
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Setting:
    """Sizes of a run: trainings by task, repeats, and of how many orbits and trials data are made."""

    seeds: int
    trainings: Mapping[str, Training]
    orbits: Mapping[str, int]
    trials: int


FULL = Setting(
    5,
    {
        "spring": Training(300, 375, 1e-3, 1e-3),
        "pendulum": Training(500, 560, 2e-3, 1e-4),
        "two-body": Training(8000, 200, 3e-3),
        "three-body": Training(8000, 200, 5e-3),
        "outer planets": Training(2000, 200, 3e-3),
        PIXELS: Training(6000, 100, 1e-3),
    },
    {"two-body": 1000, "three-body": 5000},
    200,
)
QUICK = Setting(
    1,
    {name: replace(t, steps=min(t.steps, 1000)) for name, t in FULL.trainings.items()},
    {"two-body": 200, "three-body": 500},
    20,
)


@dataclass(frozen=True)
class Method:
    """One kind of network, by its name in tables.

    Attributes:
        key: the name.
        symmetry: the mode of an HNN; None for the published one.
        field: whether it is the baseline instead.
        separable: whether H = U(q) + K(p) is given.
    """

    key: str
    symmetry: str | None = None
    field: bool = False
    separable: bool = False

    def suits(self, task: Task) -> bool:
        """Whether the table has a row for it: a symmetry, and what it is held against, need generators; a constraint is shown on two bodies."""
        if self.symmetry == "penalty":
            return task.name == "two-body"
        return bool(task.generators) or not (self.symmetry or self.separable)

    def model(self, task: Task, seed: int) -> HNN | FieldNetwork:
        """Return a network with fresh weights."""
        if self.field:
            return FieldNetwork(task.dim, seed=seed)
        energy = "separable" if self.separable else "network"
        generators = task.generators if self.symmetry else ()
        return HNN(task.dim, energy=energy, symmetry=self.symmetry, generators=generators, seed=seed)


METHODS = (
    Method("baseline", field=True),
    Method("HNN"),
    Method("HNN, brackets", "penalty"),
    Method("HNN, separable", separable=True),
    Method("HNN, invariants", "exact", separable=True),
)
#: κ in units of {g, H}²: the data say how large H is, so it cannot shrink to satisfy it.  Brackets of a network that only
#: fits fall as its rate does; a goal that runs ahead of them drives λ up and spoils the fit, so it tightens to the end,
#: and λ starts low and moves slowly.
CONSTRAINT: dict[str, Any] = {
    "tolerance": 2e-6, "sampling": "data", "batch": 200, "initial": 0.1, "pace": 4.0, "loose": 1000.0, "tightening": 1.0,
}  # fmt: skip


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics and report into a folder.

    Arguments:
        out: folder, made if it is not there.
        quick: a thousand steps at most, fewer orbits and one seed; a minute or two.
        seed: of the first repeat; the others follow.
        resume: take up an interrupted run in the same folder.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.
    """
    setting = QUICK if quick else FULL
    folder = Folder("hnn", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    tasks = [
        spring(), pendulum_task(), two_body(setting.orbits["two-body"]), three_body(setting.orbits["three-body"]),
    ]  # fmt: skip
    if at_hand():
        tasks.append(planets())
    else:
        folder.console.print("without the extra 'ephemeris' there are no outer planets", highlight=False)
    proofs = {task.name: prove(task) for task in tasks if task.generators}
    for name, found in proofs.items():
        folder.console.print(f"{name}: {', '.join(f'{g} {v}' for g, v in found.items())}", highlight=False)
    rows: list[dict[str, Any]] = []
    for title, key, measure in jobs(tasks, setting, seed):
        if not rows or rows[-1]["task"] != title:
            folder.console.rule(title)
        rows.append(folder.row(key, measure))
        folder.console.print(_line(rows[-1]), highlight=False)
    figure(rows, out / "hnn.png")
    metrics = folder.close({"proofs": proofs, "rows": rows}, report)
    folder.console.print(console_table(metrics))
    folder.console.print(f"wrote {out / 'report.md'}")
    return metrics


def jobs(tasks: Sequence[Task], setting: Setting, seed: int) -> list[tuple[str, str, Measure]]:
    """Return every training of a run: its task, the name of its row, and what trains and measures.

    Example:
        >>> [key for _, key, _ in jobs((), QUICK, 0)]
        ['pixel-pendulum-baseline-0', 'pixel-pendulum-HNN-0']
    """
    listed: list[tuple[str, str, Measure]] = []

    def add(title: str, method: Method, number: int, measure: Measure) -> None:
        name = f"{title}-{method.key}-{number}".replace(", ", "-").replace(" ", "-")
        listed.append((title, name, measure))

    for task in tasks:
        for method in METHODS:
            for number in seeds(seed, setting.seeds) if method.suits(task) else ():
                measure = partial(_measured, task, method, setting.trainings[task.name], number)
                add(task.name, method, number, measure)
    for method in METHODS[:2]:
        for number in seeds(seed, setting.seeds):
            measure = partial(_measured_pixels, method, setting.trainings[PIXELS], setting.trials, number)
            add(PIXELS, method, number, measure)
    return listed


def prove(task: Task) -> dict[str, str]:
    """Return the verdict on {g, H} = 0 for each generator of a task, by its formula, verified again.

    Example:
        >>> prove(two_body(5))["px1 + px2"]
        'proved, verified again'
    """
    verdicts = {g.text: hs.verify(task.hamiltonian, g) for g in task.generators}
    return {
        g: v.status + (", verified again" if v.check() else ", NOT confirmed") for g, v in verdicts.items()
    }


def _measured(task: Task, method: Method, training: Training, seed: int) -> dict[str, Any]:
    """Train one network on data of its own and measure it."""
    torch.set_num_threads(1)  # the tensors of one step are too small for more to help
    train, test, rollouts = task.draw(seed)
    model = method.model(task, seed)
    constraint = None
    if method.symmetry == "penalty":
        constraint = BracketConstraint(task.generators, **CONSTRAINT)
    more = {} if isinstance(model, FieldNetwork) else {"constraint": constraint}
    loss = model.derivative_loss(weight_decay=training.weight_decay, **more)
    started = time.process_time()
    fit(
        loss, _rows(train), steps=training.steps, batch=training.batch, lr=training.lr, seed=seed,
        progress=False,
    )  # fmt: skip
    seconds = time.process_time() - started
    random = torch.Generator()
    losses = [-loss.score(tuple(torch.tensor(x) for x in _rows(s)), random) for s in (train, test)]
    model.double()
    return {
        "task": task.name, "method": method.key, "seed": seed,
        "train": losses[0], "test": losses[1], "cpu_seconds": seconds,
        **energies(task, model, rollouts), **brackets(task, model, test),
    }  # fmt: skip


def _measured_pixels(method: Method, training: Training, trials: int, seed: int) -> dict[str, Any]:
    """The same for pictures."""
    torch.set_num_threads(1)
    found = measure_pixels(
        seed, hamiltonian=not method.field, count=trials, steps=training.steps, batch=training.batch,
        lr=training.lr,
    )  # fmt: skip
    return {"task": PIXELS, "method": method.key, "seed": seed, **found}


def _rows(states: States) -> tuple[np.ndarray, ...]:
    return states.q, states.p, states.dq, states.dp


def energies(task: Task, model: HNN | FieldNetwork, rollouts: Rollouts) -> dict[str, Any]:
    """Roll a model out and return the mean square error of the true energy, and what else is conserved.

    Returns:
        ``energy``: mean of (E(model) − E(truth))² over rollouts and looks; ``energy_by_rollout``, its parts;
        ``times`` and ``track``: its root over rollouts along the way; ``drift``: the root mean square of what each
        generator of the task has changed by; ``distance``: mean of |q(model) − q(truth)| where the truth is measured.
    """
    look = rollouts.span * rollouts.stretch / (rollouts.points - 1)
    found = model.rollout(
        rollouts.q, rollouts.p, look / rollouts.fine, (rollouts.points - 1) * rollouts.fine,
        save_every=rollouts.fine,
    )  # fmt: skip
    q, p = (x.numpy() for x in found)
    energy = task.energy(q, p)
    truth = energy[:, :1] if rollouts.truth is None else task.energy(*rollouts.truth)
    squares = (energy - truth) ** 2
    few = np.linspace(0, rollouts.points - 1, min(rollouts.points, _TRACK)).round().astype(int)
    drift = {}
    for g in task.generators:
        value = task.value(g.expr, q, p)
        drift[g.text] = float(np.sqrt(np.mean((value - value[:, :1]) ** 2)))
    measured: dict[str, Any] = {
        "energy": float(squares.mean()),
        "energy_by_rollout": squares.mean(1).tolist(),
        "times": (look * few).tolist(),
        "track": np.sqrt(squares.mean(0))[few].tolist(),
        "drift": drift,
    }
    if rollouts.truth is not None:
        measured["distance"] = float(np.linalg.norm(q - rollouts.truth[0], axis=-1).mean())
    return measured


def brackets(task: Task, model: HNN | FieldNetwork, states: States) -> dict[str, Any]:
    """Return how far {g, H} is from 0 on states, relative to the gradients, for the worst generator of a task."""
    if isinstance(model, FieldNetwork) or not task.generators:
        return {}
    few = slice(None, None, max(1, len(states.q) // 1000))
    found = model.bracket_residual(states.q[few], states.p[few], task.generators)
    proved = [v.status for v in model.prove_symmetry()]
    return {"bracket": max(record.relative for record in found), "proved": proved}


def _line(row: Mapping[str, Any]) -> str:
    return (
        f"{row['method']}, seed {row['seed']}: train {row['train']:.3e}, test {row['test']:.3e}, "
        f"energy {row['energy']:.3e}, {row['cpu_seconds']:.0f} s of CPU"
    )
