"""The state of one training run: what a step changes, what is saved, and what the run says when it is over."""

from __future__ import annotations

import hashlib
import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import CheckpointError, NonFiniteError, ParameterError
from learn.adam import clipped_step
from learn.constraint import BracketConstraint
from learn.flow import HamiltonianFlow
from learn.schedule import share_of_rate
from learn.storage import read, write
from learn.validation import Validation

CLIP = 1.0
ADAM = ("step", "exp_avg", "exp_avg_sq")
JUDGED = 8192  # states on which the finished flow is held against the constraint


@dataclass
class FitResult:
    """What a training run did.

    Attributes:
        history: lists of equal length, one entry per step: ``step`` (from 1), ``loss``, ``elbo`` (mean over the batch,
            nats; the loss is below its negative by what several draws gain), ``lambda`` and ``residual`` (one value per generator: λ_k and E{g_k, H}²), ``seconds``.
        validation: list of (step, mean bound on log p of the validation points in nats): the ELBO, or with few
            points the importance-weighted bound.
        best_step: the step whose weights the flow now has: the best on the validation points, else the last.
        stopped_early: whether the training ended before its last step, because ``patience`` was over.
        constraint_satisfied: whether every E{g_k, H}² of those weights is within κ, measured on fresh states when the
            training was over; None without a constraint.

    Example:
        >>> from learn.training import fit
        >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
        >>> result = fit(flow, torch.randn(100, 1), torch.randn(50, 1), steps=4, validate_every=2, progress=False)
        >>> [step for step, _ in result.validation], result.constraint_satisfied
        ([2, 4], None)
    """

    history: dict[str, list[Any]] = field(default_factory=dict)
    validation: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    stopped_early: bool = False
    constraint_satisfied: bool | None = None

    def __repr__(self) -> str:
        if not self.history.get("step"):
            return "FitResult(no steps)"
        h = self.history
        return (
            f"FitResult(steps={h['step'][-1]}, best_step={self.best_step}, elbo={h['elbo'][-1]:.4f}, "
            f"lambda={h['lambda'][-1]}, constraint_satisfied={self.constraint_satisfied}, "
            f"seconds={h['seconds'][-1]:.1f})"
        )


class Run:
    """The state of one training run: weights, optimiser, random numbers, multipliers, history, best weights."""

    def __init__(
        self,
        flow: HamiltonianFlow,
        q_train: Tensor,
        validation: Validation,
        steps: int,
        settings: dict[str, Any],
        constraint: BracketConstraint | None,
        context: Tensor | None = None,
    ) -> None:
        self.flow, self.q_train, self.validation = flow, q_train, validation
        self.steps, self.settings, self.constraint = steps, settings, constraint
        if not flow.unit_is_set:
            rms = float(flow.centre(q_train).square().sum(-1).mean().div(flow.freedom).sqrt())
            flow.set_unit(rms if rms > 0 else 1.0)
            if flow.context is not None and context is not None:
                flow.context.set_unit(context)
        self.context = flow.read_context(context, len(q_train))
        if validation.q is not None:
            validation.context = flow.read_context(validation.context, len(validation.q))
        if constraint is not None:
            constraint.bind(flow.dim)
            constraint.reset()
        self.parameters = dict(flow.named_parameters())
        self.weights = list(self.parameters.values())
        self.optimizer = torch.optim.Adam(self.weights, lr=settings["lr"], fused=True)
        self.random = torch.Generator(q_train.device).manual_seed(settings["seed"])
        columns = ("step", "loss", "elbo", "lambda", "residual", "seconds")
        self.result = FitResult({k: [] for k in columns}, validation.looks)
        self.step, self.seconds = 0, 0.0
        self.consistent = True
        self.finished = False
        self.batch_points = q_train[:0]

    def advance(self, started: float) -> None:
        """Do one step, or none: an interruption before weights change leaves the state of the step before."""
        before = self.random.get_state()
        try:
            loss, elbo, residuals = self._loss()
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        except BaseException:
            self.random.set_state(before)
            raise
        self.consistent = False  # from here on half a step may be done, which must not be saved
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["lr"] * share_of_rate(self.step, self.steps)
        clipped_step(self.optimizer, self.weights, CLIP)
        self.step += 1
        self.seconds = time.perf_counter() - started
        multipliers = [] if self.constraint is None else list(self.constraint.multipliers)
        if self.constraint is not None:
            self.constraint.update(residuals, self.step, self.steps)
        row = (self.step, float(loss.detach()), float(elbo.detach()), multipliers, residuals, self.seconds)
        for column, entry in zip(self.result.history.values(), row, strict=True):
            column.append(entry)
        self.consistent = True

    def _loss(self) -> tuple[Tensor, Tensor, list[float]]:
        """Return the loss on a fresh batch, its ELBO and the residuals of the constraint.

        With one draw the ELBO pulls the flow to where posteriors are Gaussian, as the encoder is; a bound of several
        draws pulls less, and its gradient is worth the price once the density is roughly there.
        """
        flow, n = self.flow, len(self.q_train)
        index = torch.randint(n, (self.settings["batch"],), generator=self.random, device=self.q_train.device)
        q = self.q_train[index]
        if flow.group is not None:
            (q,) = flow.group.move(self.random, q)
        self.batch_points = q
        context = None if self.context is None else self.context[index]
        draws = self.settings["draws"] if self.step >= self.settings["draws_after"] * self.steps else 1
        bound, elbo = (b.mean() for b in flow.training_bound(q, draws, self.random, context))
        loss, residuals = -bound, []
        if self.constraint is not None:
            few = torch.arange(self.constraint.batch, device=q.device) % len(q)
            states = self.constraint.states(
                flow, flow.encoder, q[few], self.random, None if context is None else context[few]
            )
            measured = self.constraint.residuals(states)
            loss = loss + self.constraint.penalty(measured)
            residuals = measured.tolist()
        if not math.isfinite(value := float(loss.detach())):
            raise NonFiniteError(
                f"the loss became {value} at step {self.step + 1}; lower lr (now {self.settings['lr']}) or look at "
                "the batch that did it, which is kept in out as failure.json"
            )
        return loss, elbo, residuals

    def validate(self) -> None:
        """Let the validation points look at the weights, if a look is due."""
        allowed = self.constraint is None or self.constraint.satisfied
        self.validation.look(self.flow, self.step, last=self.step >= self.steps, allowed=allowed)

    @property
    def over(self) -> bool:
        """Whether there is no step left to do."""
        return self.step >= self.steps or self.validation.exhausted

    def finish(self) -> None:
        """Give the flow its best weights."""
        self.finished = True
        if self.validation.best:
            self.flow.load_state_dict(self.validation.best)
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

    @torch.no_grad()
    def judge(self) -> None:
        """Hold the weights that the flow now has against the constraint, on fresh states, and warn if it is missed."""
        constraint = self.constraint
        if constraint is None:
            return
        random = torch.Generator(self.q_train.device).manual_seed(self.settings["seed"] + 1)
        rows = torch.arange(JUDGED, device=self.q_train.device) % len(self.q_train)
        context = None if self.context is None else self.context[rows]
        states = constraint.states(self.flow, self.flow.encoder, self.q_train[rows], random, context)
        found = constraint.residuals(states).tolist()
        self.result.constraint_satisfied = all(m <= constraint.tolerance for m in found)
        if not self.result.constraint_satisfied:
            worst = max(range(len(found)), key=found.__getitem__)
            warnings.warn(
                f"the constraint is missed after {self.step} steps: {constraint.measure} = {found[worst]:.3g} for "
                f"g = {constraint.formulas[worst]}, {found[worst] / constraint.tolerance:.3g} times the tolerance "
                f"κ = {constraint.tolerance:g}; give more steps, a larger tolerance, or, for rotations, a flow with "
                "symmetry='exact', which has no need of a constraint",
                stacklevel=4,  # this, the no_grad around it, fit, its caller
            )

    def summary(self) -> dict[str, str]:
        """The line of the progress bar."""
        h = self.result.history
        shown = {"elbo": f"{h['elbo'][-1]:.3f}"}
        if self.constraint is not None:
            shown[self.constraint.measure] = f"{max(h['residual'][-1]):.2g}"
            shown["λ"] = f"{max(h['lambda'][-1]):.3g}"
        return shown

    def save(self, out: str | Path) -> None:
        """Write everything that a resumed run needs."""
        tensors = {f"flow.{k}": v for k, v in self.flow.state_dict().items()}
        watch = self.validation
        tensors |= {f"best.{k}": v for k, v in watch.best.items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"adam.{key}.{name}"] = value
        tensors["random"] = self.random.get_state()
        history = self.result.history
        for key, column in history.items():
            tensors[f"history.{key}"] = torch.tensor(column, dtype=torch.float64)
        tensors["validation"] = torch.tensor(watch.looks, dtype=torch.float64).reshape(-1, 2)
        values: dict[str, Any] = {"settings": self.settings, "steps": self.steps, "step": self.step}
        values |= {"best_step": watch.best_step, "best_bound": watch.best_bound if watch.best else None}
        if self.constraint is not None:
            values["multipliers"] = self.constraint.state()
        write(out, "training", tensors, values)

    def restore(self, out: str | Path) -> None:
        """Take up a saved run.

        Raises:
            CheckpointError: if its settings differ from this run's, or it holds what no run writes; the flow is
                then as it was.
        """
        tensors, values = read(out, "training")
        saved = values.get("settings")
        if not isinstance(saved, dict) or saved != self.settings:
            saved = saved if isinstance(saved, dict) else {}
            other = sorted(k for k in {*saved, *self.settings} if saved.get(k) != self.settings.get(k))
            raise CheckpointError(
                f"the run in {out} had other settings than this one: {', '.join(map(shown, other))}; give the same "
                "settings and data, another out, or resume=False to start afresh"
            )
        try:
            steps = integer("steps", values["steps"], minimum=1)
            if steps > self.steps:
                raise CheckpointError(
                    f"the run in {out} had the settings steps={steps}, this one has steps={self.steps}; give as many "
                    "steps or more, or another out"
                )
            self._take_up(tensors, values, integer("step", values["step"], maximum=steps, minimum=1))
        except CheckpointError:
            raise
        except (KeyError, RuntimeError, TypeError, ValueError, OverflowError, ParameterError) as error:
            raise CheckpointError(f"the run in {out} does not fit this flow: {error}") from error

    def _take_up(self, tensors: dict[str, Tensor], values: dict[str, Any], step: int) -> None:
        """Check everything that was saved, then take it up."""
        weights, best = _under("flow.", tensors), _under("best.", tensors)
        _require_like(state := self.flow.state_dict(), weights, "weights")
        if best:
            _require_like(state, best, "best weights")
        moments: dict[str, dict[str, Tensor]] = {key: _under(f"adam.{key}.", tensors) for key in ADAM}
        for key in ("exp_avg", "exp_avg_sq"):
            _require_like(self.parameters, moments[key], f"Adam's {key}")
        _require_like({name: torch.tensor(0.0) for name in self.parameters}, moments["step"], "Adam's step")
        if any(bool((t < 0).any()) for key in ("step", "exp_avg_sq") for t in moments[key].values()):
            raise ValueError("Adam's step and exp_avg_sq are not negative")
        best_step = integer("best_step", values["best_step"], minimum=0, maximum=step)
        best_bound = values["best_bound"]
        if (best_bound is None) == bool(best):
            raise ValueError("best_bound and the best weights belong together")
        n = 0 if self.constraint is None else len(self.constraint.generators)
        wide = {"lambda": (step, n), "residual": (step, n)}
        shapes = {f"history.{key}": wide.get(key, (step,)) for key in self.result.history}
        table = tensors["validation"]
        shapes["validation"] = (len(table) if table.ndim else 0, 2)
        for name, shape in shapes.items():
            if tuple(tensors[name].shape) != shape or not bool(torch.isfinite(tensors[name]).all()):
                raise ValueError(f"{name} is not a table of {shape} finite numbers")
        history = {key: tensors[f"history.{key}"].tolist() for key in self.result.history}
        history["step"] = [int(s) for s in history["step"]]
        if history["step"] != list(range(1, step + 1)):
            raise ValueError(f"the history is not that of {step} steps")
        best_bound = -math.inf if best_bound is None else real("best_bound", best_bound, above=-math.inf)
        if self.constraint is not None:
            self.constraint.restore(values["multipliers"])
        self.random.set_state(tensors["random"])
        self.flow.load_state_dict(weights)
        for name, parameter in self.parameters.items():
            self.optimizer.state[parameter] = {key: moments[key][name].to(parameter.device) for key in ADAM}
        watch = self.validation
        watch.looks, watch.best = (
            [(int(s), e) for s, e in table.tolist()],
            {k: v.to(self.q_train.device) for k, v in best.items()},
        )
        watch.best_step, watch.best_bound = best_step, best_bound
        self.result = FitResult(history, watch.looks)
        self.step, self.seconds = step, history["seconds"][-1]


def _require_like(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], what: str) -> None:
    """Refuse tensors of other names, shapes or precision than wanted, and those that are not finite."""
    if {k: (t.shape, t.dtype) for k, t in wanted.items()} != {
        k: (t.shape, t.dtype) for k, t in found.items()
    }:
        raise ValueError(f"the {what} have other names, shapes or precision")
    for name, t in found.items():
        if not bool(torch.isfinite(t).all()):
            raise ValueError(f"the {what} are not finite, first in {name}")


def fingerprint(q: Tensor | None) -> str | None:
    """Return the SHA-256 of points, their shape and their precision; None for none.

    Example:
        >>> fingerprint(torch.zeros(2, 1))[:8], fingerprint(torch.zeros(1, 2)) == fingerprint(torch.zeros(2, 1))
        ('2635359c', False)
    """
    if q is None:
        return None
    digest = hashlib.sha256(f"{q.dtype} {tuple(q.shape)} ".encode())
    digest.update(q.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
