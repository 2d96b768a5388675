"""Hamiltonian Generative Networks: an energy learned from films, asked for other times, other speeds and the way back.

Toth, Rezende, Jaegle, Racanière, Botev, Higgins, arXiv 1909.13789 (2019), on films of four systems; and whether what was
learned is Hamiltonian, by the question of Higgins et al., arXiv 2111.05986 (2021).  Beside it stands the same network
with a latent motion by any vector field.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from learn.evaluation.animation import save_gif
from learn.experiments.hgn_data import DT, SCENES, SIZE, Films, films
from learn.experiments.hgn_measures import FreeMotion, measured, trivial
from learn.experiments.hgn_report import console_table, figure, goals, report
from learn.experiments.runs import Folder, seeds
from learn.hgn import HGN, VideoELBO
from learn.training.fit import fit

#: What is trained: its title, and how it is made.
MODELS: dict[str, tuple[str, Callable[..., HGN]]] = {
    "hgn": ("HGN", HGN),
    "free": ("free field", FreeMotion),
}
_TEST_SEED = 1 << 20


@dataclass(frozen=True)
class Setting:
    """Sizes of a run.

    Attributes:
        scenes, models: what is filmed, and what is trained on it.
        films, frames: to learn from, and frames of each.
        learned: frames of the pieces that are trained on, by what is filmed.
        tests, horizon: films of the test, and steps of their rollouts.
        steps: of a training, by what is filmed.
        batch: of every training.
        lr: learning rate, by what is filmed.
        width: of every network.
        seeds: repetitions, each with its own films, tests and weights.
        objective: options of ``learn.hgn.VideoELBO``, by what is filmed.
    """

    scenes: tuple[str, ...]
    models: tuple[str, ...]
    films: int
    frames: int
    learned: dict[str, int]
    tests: int
    horizon: int
    steps: dict[str, int]
    batch: int
    lr: dict[str, float]
    width: int
    seeds: int = 1
    objective: dict[str, dict[str, Any]] = field(default_factory=dict)


#: Without blur one pendulum of those tried was folded into q and stayed so; a longer blur leaves pictures coarse.
_ONE = {"tolerance": 0.015, "focus": 0.1, "growth": 0.5}
#: Pictures of bodies come into focus while a body is learned, and long pieces bend their coordinates.
_BODIES = {"tolerance": 0.015, "focus": 0.1, "growth": 0.8, "pace": 3.0}
_OBJECTIVES = {"spring": _ONE, "pendulum": _ONE, "two-body": _BODIES, "three-body": _BODIES}
_LEARNED = {"spring": 20, "pendulum": 20, "two-body": 18, "three-body": 16}
_LR = {"spring": 2e-3, "pendulum": 2e-3, "two-body": 3e-3, "three-body": 3e-3}
QUICK = Setting(
    scenes=("spring", "pendulum"), models=("hgn", "free"), films=200, frames=40, learned=_LEARNED, tests=60, horizon=60,
    steps=dict.fromkeys(SCENES, 700), batch=32, lr=_LR, width=128, objective=_OBJECTIVES,
)  # fmt: skip
FULL = Setting(
    scenes=tuple(SCENES), models=("hgn", "free"), films=400, frames=60, learned=_LEARNED, tests=150, horizon=60,
    steps={"spring": 2000, "pendulum": 2000, "two-body": 5000, "three-body": 3000}, batch=32, lr=_LR, width=128,
    objective=_OBJECTIVES,
)  # fmt: skip


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write films, figure, metrics and report into a folder.

    Arguments:
        out: folder, made if it is not there.
        quick: two systems, short trainings: minutes.
        seed: seed of films and weights.
        resume: take up an interrupted run in the same folder.
        quiet: print nothing.

    Returns:
        The content of ``metrics.json``.
    """
    setting = QUICK if quick else FULL
    folder = Folder("hgn", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    say = folder.console.print
    rows, controls = [], {}
    for each in seeds(seed, setting.seeds):
        for scene in setting.scenes:
            folder.console.rule(f"{SCENES[scene].title}, seed {each}")
            train, test = _films(setting, scene, out / "films", each)
            controls[f"{scene}-{each}"] = trivial(
                train, test, frames=_FRAMES, learned=setting.learned[scene], horizon=setting.horizon
            )
            for key in setting.models:
                name = f"{scene}-{key}-{each}"
                work = partial(
                    _train,
                    setting,
                    scene,
                    key,
                    train,
                    test,
                    seed=each,
                    out=out / name,
                    resume=resume,
                    quiet=quiet,
                )
                row = folder.row(name, work) | {
                    "scene": scene,
                    "model": key,
                    "title": MODELS[key][0],
                    "seed": each,
                }
                rows.append(row)
                say(f"{row['title']}: {_said(row)}", highlight=False)
            if each == seed:
                _gif(setting, scene, test, out, each)
    strips = {
        scene: _pictures(
            setting,
            scene,
            films(scene, out / "films" / f"{scene}-test-{seed}", **_test(setting, seed)),
            out,
            seed,
        )
        for scene in setting.scenes
    }
    figure(rows, controls, strips, setting.learned, out / "hgn.png")
    metrics = folder.close(
        {"rows": rows, "controls": controls, "scenes": {s: SCENES[s].words for s in setting.scenes},
         "titles": {s: SCENES[s].title for s in setting.scenes}},
        report,
    )  # fmt: skip
    folder.console.rule("done")
    say(console_table(rows, controls))
    for yes, text in goals(rows, controls):
        say(f"{'met' if yes else 'MISSED'}: {text}", highlight=False)
    say(
        f"{metrics['seconds']:.0f} s; wrote films, figure, metrics.json and report.md to {out}/",
        highlight=False,
    )
    return metrics


#: Frames that an encoder sees, as published.
_FRAMES = 5
_SPEEDS = {"half": "half speed", "double": "double speed"}


def _test(setting: Setting, seed: int) -> dict[str, Any]:
    """What determines the test films: long enough for the way back and for its encoder."""
    return {
        "count": setting.tests, "frames": 2 * (setting.horizon + _FRAMES), "seed": seed + _TEST_SEED, "finer": 2,
    }  # fmt: skip


def _films(setting: Setting, scene: str, folder: Path, seed: int) -> tuple[Films, Films]:
    train = films(
        scene, folder / f"{scene}-train-{seed}", count=setting.films, frames=setting.frames, seed=seed
    )
    return train, films(scene, folder / f"{scene}-test-{seed}", **_test(setting, seed))


def _train(
    setting: Setting, scene: str, key: str, train: Films, test: Films, *, seed: int, out: Path, resume: bool,
    quiet: bool,
) -> dict[str, Any]:  # fmt: skip
    """Train one model on one system, keep its pictures, and return what is measured of it."""
    model = MODELS[key][1](
        size=SIZE, frames=_FRAMES, dim=SCENES[scene].dim, dt=DT, width=setting.width, seed=seed
    )
    objective = VideoELBO(model, frames=setting.learned[scene], **setting.objective.get(scene, {}))
    started = time.process_time()
    result = fit(
        objective, torch.from_numpy(train.images), steps=setting.steps[scene], batch=setting.batch, lr=setting.lr[scene], seed=seed,
        progress=not quiet, out=out, resume=resume,
    )  # fmt: skip
    seconds = time.process_time() - started
    found, pictures = measured(model, test, learned=setting.learned[scene], horizon=setting.horizon)
    np.savez_compressed(out / "pictures.npz", **pictures)  # type: ignore[arg-type]
    last = {name: float(np.mean(result.history[name][-100:])) for name in ("mse", "kl", "lambda")}
    return {
        **found, "training": last, "cpu_seconds": seconds, "parameters": sum(w.numel() for w in model.parameters()),
    }  # fmt: skip


def _pictures(
    setting: Setting, scene: str, test: Films, out: Path, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Pictures of the first test film by row and column: the truth, and each model, on the way and back and at other speeds."""
    whole, last = test.images[0, ::2], setting.horizon
    rows = {
        "truth": {
            "forward": whole[: last + 1], "backward": whole[last::-1], "half speed": test.images[0, : last + 1],
            "double speed": whole[: last + 1 : 2],
        },
    }  # fmt: skip
    for key in setting.models:
        with np.load(out / f"{scene}-{key}-{seed}" / "pictures.npz", allow_pickle=False) as found:
            rows[MODELS[key][0]] = {_SPEEDS.get(name, name): found[name] for name in found.files}
    return rows


def _gif(setting: Setting, scene: str, test: Films, out: Path, seed: int) -> None:
    save_gif(
        out / f"hgn-{scene}.gif", _pictures(setting, scene, test, out, seed), scale=4, seconds_per_frame=0.08
    )


def _said(row: dict[str, Any]) -> str:
    if row["forward"] is None:
        return "the rollouts leave the numbers"
    form = row["form_whole"]
    return (
        f"pixels {row['reconstruction']:.2e}, later {row['extrapolation']:.2e}; R² {form['r2']:.3f}, deviation {form['deviation']:.3f}; "
        f"{row['cpu_seconds']:.0f} s of CPU"
    )
