"""The state of one training run, and the update that moves it on."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import shown
from hamsym.errors import NonFiniteError, ParameterError
from learn.kernels.adam import Adam, clipped_step
from learn.training.objective import Batch, Objective, Progress
from learn.training.processes import Processes
from learn.training.result import FitResult
from learn.training.schedule import share_of_rate
from learn.training.snapshot import TAKEN, Moment, restore, save
from learn.training.validation import Validation

CLIP = 1.0


class Run:
    """The state of one training run: weights, optimiser, random numbers, history, best weights.

    Arguments:
        objective: with the model that is trained.
        data: tensors of equal length, what batches are drawn from.
        validation: what the held-out data have said.
        steps: number of updates.
        settings: plain values that a resumed run must share; "batch", "lr" and "seed" are used here.
        processes: that train together, each on its share of every batch; None for this one alone.

    Example:
        >>> class Square(Objective):
        ...     def loss(self, batch, random, progress):
        ...         return self.model(batch.rows[0]).square().mean(), {}
        >>> run = Run(
        ...     Square(torch.nn.Linear(1, 1)), (torch.ones(4, 1),), Validation(None), 3,
        ...     {"batch": 2, "lr": 0.1, "seed": 0},
        ... )
        >>> run.advance(time.perf_counter())
        >>> run.step, run.over, len(run.result.history["loss"])
        (1, False, 1)
    """

    def __init__(
        self,
        objective: Objective,
        data: tuple[Tensor, ...],
        validation: Validation,
        steps: int,
        settings: dict[str, Any],
        processes: Processes | None = None,
    ) -> None:
        self.processes = processes or Processes(data[0].device)
        if settings["batch"] < self.processes.size:
            raise ParameterError(
                f"batch={settings['batch']} is less than a row for each of {self.processes.size} processes; take a "
                "larger batch or fewer processes"
            )
        self.objective, self.data, self.validation = objective, data, validation
        self.steps, self.settings = steps, settings
        self.parameters = {k: p for k, p in objective.model.named_parameters() if p.requires_grad}
        self.weights = list(self.parameters.values())
        if not self.weights:
            raise ParameterError(
                "the model has no parameter that wants a gradient, so there is nothing to train"
            )
        _require_free_names(objective)
        self.optimizer = Adam(self.weights, lr=settings["lr"], fused=True)
        self.random = torch.Generator(data[0].device).manual_seed(settings["seed"])
        self.result = FitResult(
            {k: [] for k in ("step", "loss", *objective.columns, "seconds")}, validation.looks
        )
        self.step, self.seconds = 0, 0.0
        self.consistent = True
        self.finished = False
        self.batch = Batch(tuple(t[:0] for t in data))

    def advance(self, started: float) -> None:
        """Do one step, or none: an interruption before weights change leaves the state of the step before.

        Arguments:
            started: when the run began, by ``time.perf_counter``.

        Raises:
            NonFiniteError: if the loss is not finite.
        """
        before = self.random.get_state()
        try:
            numbers = self._descend()
        except BaseException:
            self.random.set_state(before)
            raise
        self.consistent = False  # from here on half a step may be done, which must not be saved
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["lr"] * share_of_rate(self.step, self.steps)
        clipped_step(self.optimizer, self.weights, CLIP)
        self.step += 1
        self.seconds = time.perf_counter() - started
        row = {"step": self.step, **numbers, "seconds": self.seconds}
        for name, column in self.result.history.items():
            column.append(row[name])
        self.objective.after_step(numbers, Progress(self.step, self.steps))
        self.consistent = True

    def _descend(self) -> dict[str, Any]:
        """Leave the gradient for a fresh batch at the weights, and return the loss and the numbers of the history."""
        processes, n = self.processes, len(self.data[0])
        with processes.together():
            index = torch.randint(
                n, (self.settings["batch"],), generator=self.random, device=self.data[0].device
            )
            whole = self.objective.transform(tuple(t[index] for t in self.data), self.random)
            self.batch = Batch(whole, processes.part(len(index)))
            weight = 1.0 if self.batch.part is None else len(self.batch.rows[0]) / len(self.batch)
            loss, told = self._loss()
            numbers = {"loss": _plain(loss), **{k: _plain(v) for k, v in told.items()}}
            if processes.alone:
                self._require_finite(numbers["loss"])
            for each in self.weights:
                each.grad = None
            (loss if processes.alone else weight * loss).backward()
            for each in self.weights:
                if each.grad is None:  # a weight that this loss does not know has moments too
                    each.grad = torch.zeros_like(each)
        numbers = processes.mean(numbers, weight)
        self._require_finite(numbers["loss"])
        processes.add([each.grad for each in self.weights if each.grad is not None])
        return numbers

    def _loss(self) -> tuple[Tensor, Mapping[str, Any]]:
        """Return what the objective says of the batch, if that is what an objective says."""
        said: Any = self.objective.loss(self.batch, self.random, Progress(self.step, self.steps))
        name = type(self.objective).__name__
        if not isinstance(said, tuple) or len(said) != 2 or not isinstance(said[1], Mapping):
            raise ParameterError(
                f"the loss of {name} returns the loss and the numbers of its columns by name, not {shown(said)}"
            )
        loss, told = said
        if not isinstance(loss, Tensor) or loss.numel() != 1 or loss.ndim or not loss.requires_grad:
            raise ParameterError(
                f"the loss of {name} is a scalar tensor that depends on the weights, not {shown(loss)}"
            )
        for column, length in self.objective.columns.items():
            found = _plain(told.get(column))
            size = len(found) if isinstance(found, list) else None
            if found is None or size != length:
                wanted = "one number" if length is None else f"{length} numbers"
                raise ParameterError(
                    f"the loss of {name} says {wanted} for its column {column!r}, not {shown(found)}"
                )
        return loss, told

    def _require_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise NonFiniteError(
                f"the loss became {loss} at step {self.step + 1}; lower lr (now {self.settings['lr']}) or look at "
                "the batch that did it, which is kept in out as failure.json"
            )

    def validate(self) -> None:
        """Let the held-out data look at the weights, if a look is due."""
        self.validation.look(
            self.objective, self.step, last=self.step >= self.steps, processes=self.processes
        )

    @property
    def over(self) -> bool:
        """Whether there is no step left to do."""
        return self.step >= self.steps or self.validation.exhausted

    def finish(self) -> None:
        """Give the model its best weights."""
        self.finished = True
        if self.validation.best:
            self.objective.model.load_state_dict(self.validation.best)
        self.result.best_step = self.validation.best_step or self.step
        self.result.stopped_early = self.step < self.steps

    def stop(self, out: str | Path | None) -> str:
        """Save what is whole, and say where the run stands."""
        stopped = f"training stopped after step {self.step} of {self.steps}"
        if out is None:
            return f"{stopped} and nothing was saved; give out=… to be able to go on later"
        if self.finished:  # the weights are those of the best step, and the run was saved before
            return f"{stopped}; the run in {out} is complete, the same call with resume=True writes its flow"
        if self.consistent and self.step:
            self.save(out)
            return f"{stopped}; the same call with out={str(out)!r} and resume=True goes on from there"
        return (
            f"{stopped}; the same call with out={str(out)!r} and resume=True goes on from the last checkpoint"
        )

    def summary(self) -> dict[str, str]:
        """The line of the progress bar."""
        return self.objective.summary({k: column[-1] for k, column in self.result.history.items()})

    def moment(self) -> Moment:
        """Return the run as it stands, for a checkpoint."""
        return Moment(
            self.objective,
            self.validation,
            self.optimizer,
            self.parameters,
            self.random,
            self.result.history,
            self.settings,
            self.step,
            self.steps,
        )

    def save(self, out: str | Path) -> None:
        """Write everything that a resumed run needs; of several processes the first one does."""
        with self.processes.together():
            if self.processes.first:
                save(out, self.moment())

    def restore(self, out: str | Path) -> None:
        """Take up a saved run.

        Raises:
            CheckpointError: if its settings differ from this run's, or it holds what no run writes; the model is
                then as it was.
        """
        history = restore(out, self.moment())
        self.result = FitResult(history, self.validation.looks)
        self.step, self.seconds = history["step"][-1], history["seconds"][-1]


def _require_free_names(objective: Objective) -> None:
    kind, name = objective.kind, type(objective).__name__
    if not (isinstance(kind, str) and kind.isidentifier()) or kind in TAKEN:
        raise ParameterError(f"the kind of {name} is one word that is not taken on disk, not {shown(kind)}")
    if taken := sorted({"step", "loss", "seconds"} & {*objective.columns}):
        raise ParameterError(
            f"{taken[0]!r} is a column of every history, so {name} calls its own by another name"
        )


def _plain(value: Any) -> Any:
    """A number or a list of numbers, from what an objective says."""
    return value.detach().tolist() if isinstance(value, Tensor) else value
