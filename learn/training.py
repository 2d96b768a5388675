"""Fit a flow to points: Adam on the ELBO, with the bracket constraint as a Lagrangian, resumable to the bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from hamsym.errors import CheckpointError, NonFiniteError, ParameterError, ShapeError
from learn.constraint import BracketConstraint
from learn.flow import HamiltonianFlow, as_points, require_finite
from learn.storage import exists, read, write

WARM_UP = 100
LAST_RATE = 0.02
CLIP = 1.0


@dataclass
class FitResult:
    """What a training run did.

    Attributes:
        history: lists of equal length, one entry per step: ``step`` (from 1), ``loss``, ``elbo`` (mean over the batch,
            nats), ``lambda`` and ``residual`` (one value per generator: λ_k and E{g_k, H}²), ``seconds``.
        validation: list of (step, mean ELBO of the validation points).
        best_step: the step whose weights the flow now has: the best on the validation points, else the last.
    """

    history: dict[str, list[Any]] = field(default_factory=dict)
    validation: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0

    def __repr__(self) -> str:
        if not self.history.get("step"):
            return "FitResult(no steps)"
        h = self.history
        return (
            f"FitResult(steps={h['step'][-1]}, best_step={self.best_step}, elbo={h['elbo'][-1]:.4f}, "
            f"lambda={h['lambda'][-1]}, seconds={h['seconds'][-1]:.1f})"
        )


def fit(
    flow: HamiltonianFlow,
    q_train: Any,
    q_valid: Any = None,
    *,
    steps: int = 3000,
    batch: int = 512,
    lr: float = 1e-2,
    seed: int = 0,
    constraint: BracketConstraint | None = None,
    progress: bool = True,
    out: str | Path | None = None,
    resume: bool = False,
    validate_every: int = 100,
    save_every: int = 500,
    threads: int | None = 1,
    callback: Callable[[int, FitResult], None] | None = None,
) -> FitResult:
    """Train a flow on points by maximising the ELBO.

    Adam with 100 steps of warm-up, then a cosine down to 2 % of ``lr``; the global gradient norm is clipped at 1.
    Everything random comes from ``seed``, so the same call gives the same weights on the same machine.

    Arguments:
        flow: trained in place; its unit of length is set from the data before its first training.
        q_train: points of shape (n, dim), arrays or tensors of any dtype.
        q_valid: points for choosing the best step; with a constraint only steps that satisfy it are candidates.
        steps: number of updates.
        batch: points per update, drawn with replacement.
        lr: largest learning rate.
        seed: of batches, encoder noise and base states.
        constraint: the paper's Lagrangian; its multipliers start afresh.
        progress: show a bar.
        out: directory for checkpoints (every ``save_every`` steps, at the end and on interruption).
        resume: take up the run in ``out`` where it stopped; it then ends as if it had never stopped.
        validate_every: steps between looks at ``q_valid``.
        save_every: steps between checkpoints.
        threads: of torch while it trains; the tensors of one step are too small for more than one to help, and
            two runs side by side each want a core.  None leaves torch as it is.
        callback: called as ``callback(step, result)`` after every step.

    Raises:
        ShapeError: if the points have the wrong shape or are too few.
        NonFiniteError: if data or loss are not finite; the offending batch is kept in ``out``.
        ParameterError: for settings out of range.
        CheckpointError: if ``resume`` finds a run with other settings.

    Example:
        >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
        >>> result = fit(flow, torch.randn(100, 1), steps=3, progress=False)
        >>> result.history["step"], result.best_step
        ([1, 2, 3], 3)
    """
    for name, value in {
        "threads": 1 if threads is None else threads,
        "steps": steps,
        "batch": batch,
        "validate_every": validate_every,
        "save_every": save_every,
    }.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ParameterError(f"{name} is a positive integer, not {value!r}")
    if not 0 < lr < math.inf:
        raise ParameterError(f"lr is a positive number, not {lr!r}")
    if resume and out is None:
        raise ParameterError("resume=True needs out=…, the directory of the interrupted run")
    q_train = _training_points(flow, q_train, "q_train")
    q_valid = None if q_valid is None else _training_points(flow, q_valid, "q_valid")
    settings = {
        "batch": batch,
        "lr": lr,
        "seed": seed,
        "points": len(q_train),
        "constraint": repr(constraint),
    }
    run = _Run(flow, q_train, q_valid, steps, settings, constraint)
    if resume and exists(out, "training"):  # type: ignore[arg-type]
        run.restore(out)  # type: ignore[arg-type]
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    bar = tqdm(
        total=steps, initial=run.step, disable=not progress, desc="fit", unit="step", dynamic_ncols=True
    )
    started = time.perf_counter() - run.seconds
    try:
        while run.step < steps:
            try:
                run.advance(started)
            except NonFiniteError:
                if out is not None:
                    write(out, "failure", {"q": run.batch_points}, {"step": run.step + 1, **settings})
                raise
            if q_valid is not None and (run.step % validate_every == 0 or run.step == steps):
                run.validate()
            if callback is not None:
                callback(run.step, run.result)
            if out is not None and run.step % save_every == 0 and run.step < steps:
                run.save(out)
            bar.update()
            if run.step % 20 == 0:
                bar.set_postfix(run.summary(), refresh=False)
    except KeyboardInterrupt:
        if out is not None:
            run.save(out)
        raise
    finally:
        bar.close()
        torch.set_num_threads(before)
    if out is not None:
        run.save(out)
    run.finish()
    if out is not None:
        flow.save(out)
    return run.result


class _Run:
    """The state of one training run: weights, optimiser, random numbers, multipliers, history, best weights."""

    def __init__(
        self,
        flow: HamiltonianFlow,
        q_train: Tensor,
        q_valid: Tensor | None,
        steps: int,
        settings: dict[str, Any],
        constraint: BracketConstraint | None,
    ) -> None:
        self.flow, self.q_train, self.q_valid = flow, q_train, q_valid
        self.steps, self.settings, self.constraint = steps, settings, constraint
        if not flow.unit_is_set:
            rms = float(q_train.square().mean().sqrt())
            flow.set_unit(rms if rms > 0 else 1.0)
        if constraint is not None:
            constraint.bind(flow.dim)
            constraint.reset()
        self.parameters = dict(flow.named_parameters())
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=settings["lr"], fused=True)
        self.random = torch.Generator(q_train.device).manual_seed(settings["seed"])
        self.result = FitResult({k: [] for k in ("step", "loss", "elbo", "lambda", "residual", "seconds")})
        self.best: dict[str, Tensor] = {}
        self.best_elbo = -math.inf
        self.step, self.seconds = 0, 0.0
        self.batch_points = q_train[:0]

    def advance(self, started: float) -> None:
        """Do one step."""
        flow, n = self.flow, len(self.q_train)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["lr"] * _schedule(self.step, self.steps)
        index = torch.randint(n, (self.settings["batch"],), generator=self.random, device=self.q_train.device)
        q = self.batch_points = self.q_train[index]
        elbo = flow.elbo(q, generator=self.random).mean()
        loss, residuals = -elbo, []
        if self.constraint is not None:
            measured = self.constraint.residuals(self._constraint_states(q))
            loss = loss + self.constraint.penalty(measured)
            residuals = measured.tolist()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NonFiniteError(
                f"the loss became {value} at step {self.step + 1}; lower lr (now {self.settings['lr']}) or look at "
                "the batch that did it, which is kept in out as failure.json"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), CLIP)
        self.optimizer.step()
        self.step += 1
        self.seconds = time.perf_counter() - started
        multipliers = [] if self.constraint is None else list(self.constraint.multipliers)
        if self.constraint is not None:
            self.constraint.update(residuals, self.step, self.steps)
        row = (self.step, value, float(elbo.detach()), multipliers, residuals, self.seconds)
        for column, entry in zip(self.result.history.values(), row, strict=True):
            column.append(entry)

    @torch.no_grad()
    def _constraint_states(self, q: Tensor) -> list[tuple[Any, Tensor, Tensor]]:
        assert self.constraint is not None
        flow, constraint = self.flow, self.constraint
        if constraint.sampling == "base":
            q0, p0 = flow.sample_base(constraint.batch, generator=self.random)
            return [(h, q0, p0) for h in flow.chain]
        q = q[: constraint.batch]
        noise = torch.randn(len(q), 1, flow.dim, dtype=q.dtype, device=q.device, generator=self.random)
        p = flow.encoder.moments(q).draw(noise)[0][:, 0]
        if constraint.sampling == "data":
            return [(h, q, p) for h in flow.chain]
        return flow.trajectory(q, p)

    @torch.no_grad()
    def validate(self) -> None:
        """Remember the weights if the validation points like them best so far."""
        assert self.q_valid is not None
        # the same noise every time, so that steps are compared and not draws
        noise = torch.Generator(self.q_valid.device).manual_seed(self.settings["seed"])
        parts = [self.flow.elbo(part, generator=noise).sum() for part in self.q_valid.split(8192)]
        elbo = float(torch.stack(parts).sum()) / len(self.q_valid)
        self.result.validation.append((self.step, elbo))
        allowed = self.constraint is None or self.constraint.satisfied
        if allowed and elbo > self.best_elbo:
            self.best_elbo, self.result.best_step = elbo, self.step
            self.best = {k: v.detach().clone() for k, v in self.flow.state_dict().items()}

    def finish(self) -> None:
        """Give the flow its best weights."""
        if self.best:
            self.flow.load_state_dict(self.best)
        else:
            self.result.best_step = self.step

    def summary(self) -> dict[str, str]:
        """The line of the progress bar."""
        h = self.result.history
        shown = {"elbo": f"{h['elbo'][-1]:.3f}"}
        if self.constraint is not None:
            shown["E{g,H}²"] = f"{max(h['residual'][-1]):.2g}"
            shown["λ"] = f"{max(h['lambda'][-1]):.3g}"
        return shown

    def save(self, out: str | Path) -> None:
        """Write everything that a resumed run needs."""
        tensors = {f"flow.{k}": v for k, v in self.flow.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"adam.{key}.{name}"] = value
        tensors["random"] = self.random.get_state()
        history = self.result.history
        for key, column in history.items():
            tensors[f"history.{key}"] = torch.tensor(column, dtype=torch.float64)
        tensors["validation"] = torch.tensor(self.result.validation, dtype=torch.float64).reshape(-1, 2)
        values: dict[str, Any] = {"settings": self.settings, "steps": self.steps, "step": self.step}
        values |= {"best_step": self.result.best_step, "best_elbo": self.best_elbo if self.best else None}
        if self.constraint is not None:
            values["multipliers"] = self.constraint.state()
        write(out, "training", tensors, values)

    def restore(self, out: str | Path) -> None:
        """Take up a saved run.

        Raises:
            CheckpointError: if its settings differ from this run's.
        """
        tensors, values = read(out, "training")
        saved = values.get("settings")
        if not isinstance(saved, dict) or saved != self.settings or values["steps"] > self.steps:
            raise CheckpointError(
                f"the run in {out} had the settings {saved} and steps={values.get('steps')}, this one has "
                f"{self.settings} and steps={self.steps}; give the same settings, or another out"
            )
        try:
            self.flow.load_state_dict(_under("flow.", tensors))
            best = _under("best.", tensors)
            self.best = {k: v.to(self.q_train.device) for k, v in best.items()}
            for name, parameter in self.parameters.items():
                state = {key: tensors[f"adam.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
                self.optimizer.state[parameter] = {k: v.to(parameter.device) for k, v in state.items()}
            self.random.set_state(tensors["random"])
            history = {key: tensors[f"history.{key}"].tolist() for key in self.result.history}
            history["step"] = [int(s) for s in history["step"]]
            validation = [(int(s), e) for s, e in tensors["validation"].tolist()]
            self.result = FitResult(history, validation, int(values["best_step"]))
            self.best_elbo = -math.inf if values["best_elbo"] is None else float(values["best_elbo"])
            self.step = int(values["step"])
            self.seconds = history["seconds"][-1] if history["seconds"] else 0.0
            if self.constraint is not None:
                self.constraint.restore(values["multipliers"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(f"the run in {out} does not fit this flow: {error}") from error


def _schedule(step: int, steps: int) -> float:
    """Share of the largest learning rate: linear warm-up, then a cosine down to 2 %."""
    warm = min(WARM_UP, max(1, steps // 10))
    if step < warm:
        return (step + 1) / warm
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _training_points(flow: HamiltonianFlow, q: Any, name: str) -> Tensor:
    q = as_points(q, flow.dim, flow.unit)
    if len(q) < 2:
        raise ShapeError(f"{name} has {len(q)} point(s); at least 2 are needed")
    return require_finite(q, name)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
