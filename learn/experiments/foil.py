"""Ways to impose a rotation on forecasts of turning bodies, seen as pictures: by loss, features, construction, averaging,
augmentation, or by a direct transform of the representation, HoloGAN's way.

Bodies that attract each other are seen in three frames and forecast in those that follow.  All ways share an eye that
reads places and momenta off pictures and draws them; they differ in the motion in between.  In one scene the rotation is
a symmetry, and orientations outside of a sector are never seen in training; in the other a trap breaks it, so that imposing
it must hurt.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from learn.experiments.foil_data import DT, EVERYWHERE, EXTENT, RADIUS, SIZE, Scene, Sequences, scene
from learn.experiments.foil_measures import (
    Still,
    TrueMotion,
    bracket,
    pixel_error,
    seconds_of,
    state_turning_error,
    turning_error,
)
from learn.experiments.foil_report import console_table, figure, goals, report
from learn.experiments.runs import Folder, seeds
from learn.foil import EnergyForecast, Eye, FrameLoss, TurnedPicture, TurnedPlaces, energy
from learn.foil.energies import turn_of_the_plane
from learn.foil.forecasts import Forecast
from learn.hnn import HNN
from learn.hnn.symmetry import prove
from learn.symmetry.constraint import BracketConstraint
from learn.training.fit import fit

SCENES = {
    "bodies": scene("bodies", 2, trap=False),
    "bodies in a trap": scene("bodies in a trap", 2, trap=True),
}
#: κ of the constraint, in units of {g, H}², and the pace of its multiplier.  Each is less than what is reached without a
#: constraint on the same states: of the data, or of these turned, where brackets are larger, unless U sees invariants.
KAPPA, PACE = {"data": 1e-5, "turned": 1e-4, "features": 3e-6}, 20.0
#: Of Adam, for what moves places and for latent pictures.  Three times as fast, one in some energies that see invariants throws
#: bodies out of the picture, where no gradient is; ten times as fast, most do.
RATE, PICTURE_RATE = 1e-3, 3e-3


@dataclass(frozen=True)
class Setting:
    """Sizes of a run.

    Attributes:
        seeds: how many, from the given one on.
        sequences, tests: sequences of the training and of each test.
        frames, long: that are forecast in the training and most tests, and in the test of a long forecast.
        steps, batch: of the trainings.
        picture_steps, picture_batch: where latent pictures are turned, which costs fifteen times as much for each sequence.
        width, channels: of the networks, and of latent pictures.
        elements: turns of the average.
        angles: by which pictures are turned to measure equivariance.
    """

    seeds: int
    sequences: int
    tests: int
    frames: int
    long: int
    steps: int
    batch: int
    picture_steps: int
    picture_batch: int
    width: int
    channels: int
    elements: int
    angles: int


QUICK = Setting(1, 300, 50, 8, 24, 600, 16, 150, 16, 48, 8, 8, 4)
FULL = Setting(3, 500, 100, 8, 24, 1200, 16, 300, 16, 64, 8, 8, 8)


@dataclass(frozen=True)
class Way:
    """A way to impose the rotation: its title, and what is trained."""

    title: str
    make: Callable[[Setting, Scene, int], FrameLoss]


def _energy(
    way: str, kappa: str | None = None, *, redraw: bool = False
) -> Callable[[Setting, Scene, int], FrameLoss]:
    def make(setting: Setting, shown: Scene, seed: int) -> FrameLoss:
        learned = energy(way, shown.bodies, width=setting.width, elements=setting.elements, seed=seed)
        model = EnergyForecast(_eye(shown), HNN(2 * shown.bodies, energy=learned))
        turn = [turn_of_the_plane(shown.bodies)]
        constraint = (
            None
            if kappa is None
            else BracketConstraint(
                turn, tolerance=KAPPA[kappa], pace=PACE, sampling="data" if kappa == "data" else "orbit"
            )
        )
        return FrameLoss(model, constraint=constraint, redraw=shown.render if redraw else None)

    return make


def _direct(of: Any, *options: str) -> Callable[[Setting, Scene, int], FrameLoss]:
    return lambda setting, shown, seed: FrameLoss(
        of(_eye(shown), width=setting.width, seed=seed, **{name: getattr(setting, name) for name in options})
    )


def _eye(shown: Scene, radius: float = 1.3 * RADIUS) -> Eye:
    return Eye(shown.bodies, DT, size=SIZE, extent=EXTENT, radius=radius)


WAYS = {
    "none": Way("none", _energy("coordinates")),
    "loss": Way("loss", _energy("coordinates", "data")),
    "loss-turned": Way("loss, on turned states", _energy("coordinates", "turned")),
    "features": Way("features", _energy("features")),
    "features-loss": Way("features and loss", _energy("features", "features")),
    "construction": Way("construction", _energy("invariants")),
    "averaging": Way("averaging", _energy("average")),
    "augmentation": Way("augmentation", _energy("coordinates", redraw=True)),
    "places": Way("direct transform of places", _direct(TurnedPlaces)),
    "pictures": Way("direct transform of a latent picture", _direct(TurnedPicture, "channels")),
}


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics and report into a folder.

    Arguments and result are those of every experiment: :func:`learn.experiments.ehf.run` tells them.
    """
    setting = QUICK if quick else FULL
    folder = Folder("foil", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    say = folder.console.print
    proofs = {name: shown.prove() for name, shown in SCENES.items()}
    for name, found in proofs.items():
        say(f"[bold]{name}[/bold], g = {found['generator']}: {found['text'][0]}", highlight=False)
    learned = _prove_construction()
    for record in learned:
        say(f"{record['question']}: {record['status']}", highlight=False)
    data = cache(partial(_data, setting))
    rows = []
    for s, name in product(seeds(seed, setting.seeds), SCENES):
        for key in ("still", "truth", *WAYS):
            label = f"{name.replace(' ', '-')}-{key}-{s}"
            measured = partial(_row, label, key, name, setting, data, folder, s)
            rows.append(folder.row(label, measured))
        say(f"{name}, seed {s}: done", highlight=False)
    figure(rows, _pictures(setting), out / "foil.png")
    metrics = folder.close(
        {"proofs": proofs, "construction": learned, "rows": rows,
         "constraint": {"tolerance": KAPPA, "pace": PACE}, "rate": RATE, "picture_rate": PICTURE_RATE}, report,
    )  # fmt: skip
    for name in SCENES:
        say(console_table(rows, name))
    for met, text in goals(rows):
        say(f"{'met' if met else 'not met'}: {text}", highlight=False)
    say(f"{metrics['seconds']:.0f} s; wrote foil.png, metrics.json and report.md to {out}/", highlight=False)
    return metrics


def _data(setting: Setting, name: str, seed: int) -> tuple[Sequences, dict[str, Sequences]]:
    """Sequences to learn from, and those of each test."""
    shown = SCENES[name]
    first, second, *others = seeds(1000 * (seed + 1) % 2**32, 2 + len(shown.tested))
    frames = 3 + setting.frames
    tests = {
        where: shown.draw(setting.tests, angles, frames, s)
        for (where, angles), s in zip(shown.tested.items(), others, strict=True)
    }
    tests["long"] = shown.draw(setting.tests, shown.trained, 3 + setting.long, second)
    return shown.draw(setting.sequences, shown.trained, frames, first), tests


def _row(
    label: str, key: str, name: str, setting: Setting, data: Any, folder: Folder, seed: int
) -> dict[str, Any]:
    """Train one way, or take a reference, and measure it: plain values by name."""
    shown = SCENES[name]
    train, tests = data(name, seed)
    trained: dict[str, Any] = {"steps": 0, "cpu_seconds": 0.0}
    if key in WAYS:
        objective = WAYS[key].make(setting, shown, seed)
        model: Forecast = objective.forecast
        pictures = isinstance(model, TurnedPicture)
        began = time.process_time()
        result = fit(
            objective, (train.frames, train.places), steps=setting.picture_steps if pictures else setting.steps,
            batch=setting.picture_batch if pictures else setting.batch, lr=PICTURE_RATE if pictures else RATE,
            seed=seed, progress=False, resume=folder.resume, out=folder.out / "models" / label,
        )  # fmt: skip
        trained = {
            "steps": len(result.history["step"]), "cpu_seconds": time.process_time() - began,
            "loss": float(np.mean(result.history["pixels"][-50:])) / 1e3,
            **{k: float(result.history[k][-1][0]) for k in ("lambda", "residual") if k in result.history},
        }  # fmt: skip
    else:
        eye = _eye(shown, RADIUS)
        model = Still(eye) if key == "still" else TrueMotion(eye, shown)
    first = next(iter(tests))
    measured = {
        "fit": {where: pixel_error(model, sequences) for where, sequences in tests.items()},
        "bracket": {where: bracket(model, shown, s) for where, s in tests.items() if where != "long"},
        "forecast_seconds": seconds_of(model, tests[first]),
    }
    model.double()
    few = tests[first].places[:, :3]
    turns = [2 * np.pi * (k + 0.37) / setting.angles for k in range(setting.angles)]
    return {
        "scene": name, "way": key, "title": WAYS[key].title if key in WAYS else key, "seed": seed,
        "parameters": sum(w.numel() for w in model.parameters()) if key in WAYS else 0, **trained, **measured,
        "equivariance": turning_error(model, shown, few[:20], turns, setting.frames),
        "equivariance_of_places": _of_places(model, tests[first], turns, setting.frames),
        "equivariance_of_group": _of_places(
            model, tests[first], [2 * np.pi * k / setting.elements for k in range(1, setting.elements)], setting.frames
        ),
    }  # fmt: skip


def _of_places(model: Forecast, sequences: Sequences, turns: list[float], frames: int) -> float | None:
    """How far the motion is from equivariance; None where it is one of pictures and not of places."""
    if isinstance(model, TurnedPicture):
        return None
    return state_turning_error(model, sequences.places[:, 1], sequences.momenta[:, 1], turns, frames)


def _prove_construction() -> list[dict[str, Any]]:
    """What is proved of the energies of invariants, for every value of their weights."""
    bodies = next(iter(SCENES.values())).bodies
    verdict = prove(turn_of_the_plane(bodies), energy("invariants", bodies, width=1).texts)
    return [{"question": verdict.question, "checked": verdict.check(), **verdict.to_dict()}]


def _pictures(setting: Setting) -> np.ndarray:
    """A strip of frames of one sequence, all bodies in one picture, (frames, size, size)."""
    shown = next(iter(SCENES.values()))
    frames = shown.draw(1, EVERYWHERE, 3 + setting.frames, 0).frames[0].double() / 255
    return frames.sum(1).clamp(max=1).numpy()
