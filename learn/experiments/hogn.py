"""Hamiltonian graph networks against graph networks without an energy: what carries over to other steps, methods and sizes.

Sanchez-Gonzalez, Bapst, Cranmer, Battaglia, arXiv 1909.12790 (2019).  Particles bound by springs, with random masses,
constants, lengths and graphs, are learned from single steps by HOGN (an energy), OGN (rates) and DeltaGN (changes), on
one graph network.  Then each is asked for what it was not trained on: long trajectories, other time steps, other
integrators, smaller and larger systems; and HOGN for the energy that it learned.

The paper's widths, constants and tables were not at hand; what stands here is our setting, and the report says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hamsym as hs
from learn.experiments.hogn_figure import figure
from learn.experiments.hogn_measures import Truth, follow, learned_energy, one_step, turning_error
from learn.experiments.hogn_report import console_table, goals, number, report
from learn.experiments.runs import Folder, seeds
from learn.hogn import HOGN, OGN, DeltaGN, NextState, Springs, spring_hamiltonian, springs
from learn.hogn.model import GraphModel
from learn.training.fit import fit

#: Time steps that are tried, in units of that of the data.
SCALES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
#: Integrators that are tried.
METHODS = ("rk1", "rk2", "rk3", "rk4", "leapfrog", "yoshida4")
DT, SIZES = 0.1, (4, 5, 6, 7, 8, 9)


@dataclass(frozen=True)
class Setting:
    """Sizes of a run.

    Attributes:
        graphs, trajectory: systems to learn from, and steps of the one trajectory of each.
        tests, horizon: systems of each test, two trajectories of each, and their steps.
        steps, batch, width: of every training.
        with_messages: steps where a training takes several times as long for each.
        other_sizes: particles of the systems of further tests.
        models: keys of what is trained.
        seeds: repeats of everything, data and weights.
    """

    graphs: int
    trajectory: int
    tests: int
    horizon: int
    steps: int
    batch: int
    width: int
    with_messages: int
    other_sizes: tuple[int, ...]
    models: tuple[str, ...]
    seeds: int


@dataclass(frozen=True)
class Model:
    """A model that is trained: what it is, how it is made from width and seed, and its learning rate."""

    title: str
    make: Callable[[int, int], GraphModel]
    lr: float

    @property
    def has_messages(self) -> bool:
        """Whether it is an energy of many bodies, whose gradient is that of automatic differentiation."""
        return "messages" in self.title


def _hogn(method: str, **options: Any) -> Callable[[int, int], GraphModel]:
    return lambda width, seed: HOGN(2, method=method, width=width, seed=seed, **options)


def _ogn(method: str, **options: Any) -> Callable[[int, int], GraphModel]:
    return lambda width, seed: OGN(2, method=method, width=width, seed=seed, **options)


def _delta(**options: Any) -> Callable[[int, int], GraphModel]:
    return lambda width, seed: DeltaGN(2, dt=DT, width=width, seed=seed, **options)


#: Rates without an energy, stepped with several stages, do worse at the learning rate that suits energies and single stages.
FAST, SLOW = 1e-2, 3e-3
#: At the fast one rates and changes of Euler's method come out several times better or worse, by seed.
STEADY = 5e-3
MODELS = {
    **{f"hogn-{m}": Model(f"HOGN, {m}", _hogn(m), FAST) for m in ("rk1", "rk2", "rk3", "rk4", "leapfrog")},
    "hogn-messages": Model("HOGN with messages, leapfrog", _hogn("leapfrog", rounds=1), FAST),
    "hogn-joint": Model("HOGN, q and p together, rk4", _hogn("rk4", separable=False), FAST),
    "ogn-rk1": Model("OGN, rk1", _ogn("rk1"), STEADY),
    **{f"ogn-{m}": Model(f"OGN, {m}", _ogn(m), SLOW) for m in ("rk2", "rk4")},
    "ogn-turning": Model("OGN, equivariant, rk4", _ogn("rk4", equivariant=True), SLOW),
    "delta": Model("DeltaGN", _delta(), STEADY),
    "delta-turning": Model("DeltaGN, equivariant", _delta(equivariant=True), FAST),
}
QUICK = Setting(
    graphs=100, trajectory=40, tests=6, horizon=32, steps=1000, batch=64, width=48, with_messages=500,
    other_sizes=(3, 12), models=("hogn-rk1", "hogn-rk4", "hogn-leapfrog", "ogn-rk1", "ogn-rk4", "delta"), seeds=1,
)  # fmt: skip
FULL = Setting(
    graphs=200, trajectory=40, tests=12, horizon=64, steps=2000, batch=64, width=64, with_messages=1000,
    other_sizes=(2, 3, 12, 16, 24), models=tuple(MODELS), seeds=3,
)  # fmt: skip


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics and report into a folder.

    Arguments:
        out: folder, made if it is not there.
        quick: fewer models, short trainings: a minute or two.
        seed: first seed of data and weights.
        resume: take up an interrupted run in the same folder.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.
    """
    setting = QUICK if quick else FULL
    folder = Folder("hogn", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    say = folder.console.print
    folder.console.rule("symmetry, from the formulas")
    proofs = {"springs": _prove_springs(), "HOGN": _prove_learned()}
    for name, found in proofs.items():
        for claim, verdict in found.items():
            say(f"[bold]{name}[/bold]  {claim}: {verdict}", highlight=False)

    rows = []
    for each in seeds(seed, setting.seeds):
        folder.console.rule(f"data of seed {each}")
        train, truths = _data(setting, each)
        say(f"to learn from: {train}")
        for name, truth in truths.items():
            say(f"test, {name} particles: {truth.graphs}", highlight=False)
        for place, key in enumerate(setting.models, start=1):
            folder.console.rule(f"{place} of {len(setting.models)}: {MODELS[key].title}")
            training = partial(
                _train, MODELS[key], setting, train, truths, seed=each, progress=not quiet, out=out / f"{key}-{each}", resume=resume,
            )  # fmt: skip
            rows.append(folder.row(f"{key}-{each}", training) | {"model": key, "seed": each})
            own = rows[-1]["by_step"]["1"]
            say(
                f"one step {rows[-1]['one_step']:.1e}, trajectories {number(own['position'])}, "
                f"true energy {number(own['energy'])}", highlight=False,
            )  # fmt: skip
    figure(rows, out / "hogn.png")
    metrics = folder.close({"proofs": proofs, "rows": rows}, report)
    folder.console.rule("done")
    say(console_table(rows))
    for yes, text in goals(rows):
        say(f"{'met' if yes else 'MISSED'}: {text}", highlight=False)
    say(f"{metrics['seconds']:.0f} s; wrote hogn.png, metrics.json and report.md to {out}/", highlight=False)
    return metrics


def _data(setting: Setting, seed: int) -> tuple[Springs, dict[str, Truth]]:
    """Return the systems to learn from, and true trajectories of others by how many particles they have."""
    train = springs(graphs=setting.graphs, sizes=SIZES, steps=setting.trajectory, dt=DT, seed=seed)
    sizes = {"4-9": SIZES, **{str(n): (n,) for n in setting.other_sizes}}
    others = seeds(1000 * seed + 1, len(sizes))  # nobody's data are another seed's tests
    return train, {
        name: Truth.of(
            springs(graphs=setting.tests, sizes=n, trajectories=2, steps=setting.horizon, dt=DT, seed=other)
        )
        for other, (name, n) in zip(others, sizes.items(), strict=True)
    }


def _train(
    entry: Model, setting: Setting, data: Springs, truths: dict[str, Truth], *, seed: int, **options: Any
) -> dict[str, Any]:
    """Train a model and return everything that is measured of it."""
    model = entry.make(setting.width, seed)
    began = time.process_time()
    result = fit(
        NextState(model, DT), data.steps(), steps=setting.with_messages if entry.has_messages else setting.steps,
        batch=setting.batch, lr=entry.lr, seed=seed, **options,
    )  # fmt: skip
    last = result.history["loss"][-100:]
    return {
        "title": entry.title, "method": getattr(model, "method", None), "steps": len(result.history["step"]),
        "parameters": sum(w.numel() for w in model.parameters()), "loss": sum(last) / len(last),
        "cpu_seconds": time.process_time() - began, **measured(model, truths),
    }  # fmt: skip


def measured(model: GraphModel, truths: dict[str, Truth]) -> dict[str, Any]:
    """Return everything that is measured of a trained model.

    Arguments:
        model: trained.
        truths: true trajectories by name; the first are of systems as it was trained on.
    """
    home = next(iter(truths.values()))
    found: dict[str, Any] = {
        "one_step": one_step(model, home),
        "turning": turning_error(model, home),
        "by_step": {f"{s:g}": follow(model, home, dt=s * DT) for s in SCALES},
        "by_size": {name: follow(model, truth, dt=DT) for name, truth in truths.items()},
    }
    if isinstance(model, DeltaGN):
        return found
    steppable = [m for m in METHODS if m.startswith("rk") or getattr(model, "separable", False)]
    found["by_method"] = {m: follow(model, home, dt=DT, method=m) for m in steppable}
    return {**found, **(learned_energy(model, home, DT) if isinstance(model, HOGN) else {})}


def _prove_springs(n: int = 3) -> dict[str, str]:
    """Verdicts on the true Hamiltonian of three particles with a spring between every two."""
    H, bodies = spring_hamiltonian(n), range(1, n + 1)
    generators = [" + ".join(f"p{a}{i}" for i in bodies) for a in "xy"]
    generators.append(" + ".join(f"x{i}*py{i} - y{i}*px{i}" for i in bodies))
    return {f"{{H, {g}}} = 0": _verdict(hs.verify(H, g)) for g in generators}


def _prove_learned() -> dict[str, str]:
    """Verdicts on the learned energies, for every value of their weights: one line for each part."""
    found: dict[str, str] = {}
    for separable in (True, False):
        for verdict in HOGN(2, width=1, separable=separable).prove_symmetry():
            generator, _, part = verdict.question.partition("g = ")[2].partition(", ")
            found[part] = f"{found[part]}; " if part in found else ""
            found[part] += f"{{g, {part[0]}}} = 0 for g = {generator} {_verdict(verdict)}"
    return found


def _verdict(verdict: Any) -> str:
    return f"{verdict.status}, {'verified again' if verdict.check() else 'NOT confirmed'}"
