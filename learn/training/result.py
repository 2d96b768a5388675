"""What a training run says when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class FitResult:
    """What a training run did.

    Attributes:
        history: lists of equal length, one entry per step: ``step`` (from 1), ``loss``, what the objective keeps, and
            ``seconds``.  For flows that is ``elbo`` (mean over the batch, nats; the loss is below its negative by
            what several draws gain), ``lambda`` and ``residual`` (one value per generator: λ_k and E{g_k, H}²).
        validation: list of (step, score of the held-out data); for flows the mean bound on log p in nats: the ELBO,
            or with few points the importance-weighted bound.
        best_step: the step whose weights the model now has: the best on the held-out data, else the last.
        stopped_early: whether the training ended before its last step, because ``patience`` was over.
        constraint_satisfied: whether every E{g_k, H}² of those weights is within κ, measured on fresh states when the
            training was over; None without a constraint.

    Example:
        >>> FitResult({"step": [1, 2], "loss": [1.0, 0.5], "seconds": [0.0, 0.1]}, best_step=2)
        FitResult(steps=2, best_step=2, loss=0.5000, seconds=0.1)
    """

    history: dict[str, list[Any]] = field(default_factory=dict)
    validation: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    stopped_early: bool = False
    constraint_satisfied: bool | None = None

    def __repr__(self) -> str:
        h = self.history
        if not h.get("step"):
            return "FitResult(no steps)"
        told = (
            f"elbo={h['elbo'][-1]:.4f}, lambda={h['lambda'][-1]}, constraint_satisfied={self.constraint_satisfied}"
            if "elbo" in h and "lambda" in h
            else f"loss={h['loss'][-1]:.4f}"
        )
        early = ", stopped_early=True" * self.stopped_early
        return f"FitResult(steps={h['step'][-1]}{early}, best_step={self.best_step}, {told}, seconds={h['seconds'][-1]:.1f})"
