"""A training run on disk: everything that it needs to go on as if it had never stopped, checked before it is taken up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import CheckpointError, ParameterError
from learn.storage import read, write
from learn.training.objective import Objective
from learn.training.validation import Validation

ADAM = ("step", "exp_avg", "exp_avg_sq")
#: Names on disk that no kind of model may have: beside its description, and beside its weights.
TAKEN = {
    "format",
    "version",
    "weights",
    "sha256",
    "proofs",
    "best",
    "adam",
    "history",
    "random",
    "validation",
}


@dataclass
class Moment:
    """A training run at one step.

    Attributes:
        objective, validation, optimizer, parameters, random: that hold the state, and take it up.
        history: a list for each column.
        settings: plain values that a run must share with the one that it goes on with.
        step, steps: updates done, and in all.
    """

    objective: Objective
    validation: Validation
    optimizer: torch.optim.Adam
    parameters: dict[str, torch.nn.Parameter]
    random: torch.Generator
    history: dict[str, list[Any]]
    settings: dict[str, Any]
    step: int
    steps: int

    @property
    def columns(self) -> dict[str, int | None]:
        """The columns of the history, each with the length of its lists, or None where it holds numbers."""
        return dict.fromkeys(self.history) | dict(self.objective.columns)


def save(out: str | Path, moment: Moment) -> None:
    """Write a run into a directory, atomically.

    Raises:
        CheckpointError: if the directory cannot be written.
    """
    watch, kind = moment.validation, moment.objective.kind
    tensors = {f"{kind}.{k}": v for k, v in moment.objective.model.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in watch.best.items()}
    for name, parameter in moment.parameters.items():
        for key, value in moment.optimizer.state[parameter].items():
            tensors[f"adam.{key}.{name}"] = value
    tensors["random"] = moment.random.get_state()
    for key, column in moment.history.items():
        tensors[f"history.{key}"] = torch.tensor(column, dtype=torch.float64)
    tensors["validation"] = torch.tensor(watch.looks, dtype=torch.float64).reshape(-1, 2)
    values: dict[str, Any] = {"settings": moment.settings, "steps": moment.steps, "step": moment.step}
    values |= {"best_step": watch.best_step, "best_bound": watch.best_score if watch.best else None}
    if state := moment.objective.state():
        values["multipliers"] = state
    write(out, "training", tensors, values)


def restore(out: str | Path, moment: Moment) -> dict[str, list[Any]]:
    """Take up a saved run, and return its history.

    Raises:
        CheckpointError: if its settings differ, or it holds what no run writes; everything is then as it was.
    """
    tensors, values = read(out, "training")
    saved = values.get("settings")
    if not isinstance(saved, dict) or saved != moment.settings:
        saved = saved if isinstance(saved, dict) else {}
        other = sorted(k for k in {*saved, *moment.settings} if saved.get(k) != moment.settings.get(k))
        raise CheckpointError(
            f"the run in {out} had other settings than this one: {', '.join(map(shown, other))}; give the same "
            "settings and data, another out, or resume=False to start afresh"
        )
    try:
        steps = integer("steps", values["steps"], minimum=1)
        if steps > moment.steps:
            raise CheckpointError(
                f"the run in {out} had the settings steps={steps}, this one has steps={moment.steps}; give as many "
                "steps or more, or another out"
            )
        return _take_up(moment, tensors, values, integer("step", values["step"], maximum=steps, minimum=1))
    except CheckpointError:
        raise
    except (KeyError, RuntimeError, TypeError, ValueError, OverflowError, ParameterError) as error:
        raise CheckpointError(
            f"the run in {out} does not fit this {moment.objective.kind}: {error}"
        ) from error


def _take_up(
    moment: Moment, tensors: dict[str, Tensor], values: dict[str, Any], step: int
) -> dict[str, list[Any]]:
    """Check everything that was saved, then take it up."""
    objective, watch = moment.objective, moment.validation
    weights, best = _under(f"{objective.kind}.", tensors), _under("best.", tensors)
    _require_like(state := objective.model.state_dict(), weights, "weights")
    if best:
        _require_like(state, best, "best weights")
    moments = {key: _under(f"adam.{key}.", tensors) for key in ADAM}
    for key in ("exp_avg", "exp_avg_sq"):
        _require_like(moment.parameters, moments[key], f"Adam's {key}")
    _require_like({name: torch.tensor(0.0) for name in moment.parameters}, moments["step"], "Adam's step")
    if any(bool((t < 0).any()) for key in ("step", "exp_avg_sq") for t in moments[key].values()):
        raise ValueError("Adam's step and exp_avg_sq are not negative")
    best_step = integer("best_step", values["best_step"], minimum=0, maximum=step)
    best_score = values["best_bound"]
    if (best_score is None) == bool(best):
        raise ValueError("best_bound and the best weights belong together")
    best_score = -math.inf if best_score is None else real("best_bound", best_score, above=-math.inf)
    table = _looks(tensors["validation"])
    history = _history(moment.columns, tensors, step)
    if objective.state():
        objective.restore(values["multipliers"])
    moment.random.set_state(tensors["random"])
    objective.model.load_state_dict(weights)
    for name, parameter in moment.parameters.items():
        moment.optimizer.state[parameter] = {key: moments[key][name].to(parameter.device) for key in ADAM}
    watch.looks = table
    watch.best = {k: v.to(state[k].device) for k, v in best.items()}
    watch.best_step, watch.best_score = best_step, best_score
    return history


def _looks(table: Tensor) -> list[tuple[int, float]]:
    _require_table("validation", table, (len(table) if table.ndim else 0, 2))
    return [(int(step), score) for step, score in table.tolist()]


def _history(
    columns: Mapping[str, int | None], tensors: Mapping[str, Tensor], step: int
) -> dict[str, list[Any]]:
    found = {}
    for name, length in columns.items():
        column = tensors[f"history.{name}"]
        finite = name in ("step", "loss", "seconds")  # what else an objective tells may be undefined at times
        _require_table(
            f"history.{name}", column, (step,) if length is None else (step, length), finite=finite
        )
        found[name] = column.tolist()
    found["step"] = [int(s) for s in found["step"]]
    if found["step"] != list(range(1, step + 1)):
        raise ValueError(f"the history is not that of {step} steps")
    return found


def _require_table(name: str, table: Tensor, shape: tuple[int, ...], *, finite: bool = True) -> None:
    if tuple(table.shape) != shape or (finite and not bool(torch.isfinite(table).all())):
        raise ValueError(f"{name} is not a table of {shape} finite numbers")


def _require_like(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], what: str) -> None:
    """Refuse tensors of other names, shapes or precision than wanted, and those that are not finite."""
    if {k: (t.shape, t.dtype) for k, t in wanted.items()} != {
        k: (t.shape, t.dtype) for k, t in found.items()
    }:
        raise ValueError(f"the {what} have other names, shapes or precision")
    for name, t in found.items():
        if not bool(torch.isfinite(t).all()):
            raise ValueError(f"the {what} are not finite, first in {name}")


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
