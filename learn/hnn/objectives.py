"""What is made small in training a Hamiltonian neural network: the residual of its equations of motion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError, ShapeError
from hamsym.numeric.methods import method_named
from learn.hnn.symmetry import KnownSlopes
from learn.integrators import integrate
from learn.symmetry.action import Rotations
from learn.symmetry.constraint import BracketConstraint
from learn.symmetry.generators import as_generators
from learn.training.objective import Batch, Objective, Progress

#: Where a constraint may look at the bracket: at the data, or at the data turned by random elements of the group.
SAMPLING = ("data", "orbit")


class MotionLoss(Objective):
    """What the losses share: rows of four arrays (batch, dim), the bracket constraint, the decay of weights.

    Arguments:
        model: with ``rates(q, p)``; with a constraint also ``hamiltonian``.
        constraint: makes {g, H} small, on the states of the batch or on these turned; None for no constraint.
        weight_decay: factor of |weights|²/2 in the loss, 0 or more.

    Raises:
        ParameterError: for a constraint that looks at states that a model without a base density has not.
    """

    def __init__(
        self, model: Any, *, constraint: BracketConstraint | None = None, weight_decay: float = 0.0
    ) -> None:
        super().__init__(model)
        self.model: Any = model
        self.kind = "hnn" if hasattr(model, "hamiltonian") else "vector_field"
        self.weight_decay = real("weight_decay", weight_decay)
        if self.weight_decay < 0:
            raise ParameterError(f"weight_decay is not negative, and {weight_decay!r} is")
        self.constraint, self.group = constraint, None
        count = 0
        if constraint is not None:
            if not isinstance(constraint, BracketConstraint):
                raise ParameterError(f"constraint is a BracketConstraint or None, not {shown(constraint)}")
            if not hasattr(model, "hamiltonian"):
                raise ParameterError("a bracket {g, H} needs an energy H, which a bare vector field has not")
            if constraint.sampling not in SAMPLING:
                raise ParameterError(
                    f"an HNN has no base density and no chain; its constraint has sampling={' or '.join(map(repr, SAMPLING))}, "
                    f"not {constraint.sampling!r}"
                )
            if constraint.measured != "bracket":
                raise ParameterError(
                    "the energy of an HNN need not be a sum, so its constraint has measured='bracket', not "
                    f"{constraint.measured!r}"
                )
            constraint.bind(model.dim)
            constraint.reset()
            count = len(constraint.generators)
            if constraint.sampling == "orbit":
                self.group = Rotations(as_generators(constraint.generators, model.dim))
        self.columns = {"motion": None, "lambda": count, "residual": count}

    def transform(self, batch: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        """Return the rows in the precision of the weights; the first batch sets the unit of a symmetric energy."""
        like = next(iter(self.model.parameters()))
        dim = self.model.dim
        if len(batch) != 4 or any(t.ndim != 2 or t.shape[1] != dim for t in batch):
            raise ShapeError(
                f"the data are four arrays of shape (n, {dim}): {', '.join(self.names)}; not "
                f"{[tuple(t.shape) for t in batch]}"
            )
        rows = tuple(t.to(like.dtype) for t in batch)
        if self.kind == "hnn" and not bool(self.model.unit_is_set):
            self.model.set_unit(*rows[:2])
        return rows

    def motion(self, rows: tuple[Tensor, ...]) -> Tensor:
        """Return the mean square of the residual of the motion over rows and coordinates."""
        raise TypeError(f"{type(self).__name__} has no motion(rows)")

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the residual of the motion, with decay and penalty; the residual alone, multipliers and brackets."""
        motion = self.motion(batch.rows)
        numbers: dict[str, Any] = {"motion": motion, "lambda": [], "residual": []}
        loss = motion
        if self.weight_decay:
            squares = [p.square().sum() for p in self.model.parameters()]
            loss = loss + 0.5 * self.weight_decay * torch.stack(squares).sum()
        if self.constraint is not None:
            residuals = self._brackets(batch, random)
            loss = loss + self.constraint.penalty(residuals)
            numbers |= {"lambda": list(self.constraint.multipliers), "residual": residuals.tolist()}
        return loss, numbers

    def _brackets(self, batch: Batch, random: torch.Generator) -> Tensor:
        """E{g_k, H}² on the states of the batch, of shape (generators,)."""
        assert self.constraint is not None
        q, p = batch.whole[:2]
        few = torch.arange(self.constraint.batch, device=q.device) % len(q)
        q, p = q[few], p[few]
        if self.group is not None:
            q, p = self.group.move(random, q, p)
        known: Any = KnownSlopes(*self.model.hamiltonian.slopes(q, p))
        return self.constraint.residuals([(known, q, p)])

    def after_step(self, numbers: Mapping[str, Any], progress: Progress) -> None:
        """Move the multipliers."""
        if self.constraint is not None:
            self.constraint.update(numbers["residual"], progress.step, progress.steps)

    @torch.no_grad()
    def score(self, held_out: tuple[Tensor, ...], random: torch.Generator) -> float:
        """Return the negative residual of the motion of held-out rows."""
        return -float(self.motion(self.transform(held_out, random)))

    @property
    def eligible(self) -> bool:
        """Whether the constraint is satisfied, as far as the steps can tell."""
        return self.constraint is None or self.constraint.satisfied

    def settings(self) -> dict[str, Any]:
        """Return the decay and the settings of the constraint."""
        described = None if self.constraint is None else self.constraint.settings()
        return {"loss": type(self).__name__, "weight_decay": self.weight_decay, "constraint": described}

    def state(self) -> dict[str, Any]:
        """Return multipliers and running means of the constraint."""
        return {} if self.constraint is None else dict(self.constraint.state())

    def restore(self, state: dict[str, Any]) -> None:
        """Take up multipliers and running means."""
        if self.constraint is not None:
            self.constraint.restore(state)

    def save(self, path: Any) -> None:
        """Save the model."""
        self.model.save(path)


class DerivativeLoss(MotionLoss):
    """Mean square of ds/dt − J∇H(s) over states and coordinates, the loss of arXiv 1906.01563, equation 3.

    Rows are (q, p, dq/dt, dp/dt), each of shape (batch, dim).

    Example:
        >>> from learn.hnn import HNN
        >>> q, p = torch.randn(2, 10, 1)
        >>> spring = HNN(1, energy=lambda q, p: (q.square() + p.square()).sum(-1) / 2)
        >>> DerivativeLoss(spring).motion((q, p, p, -q)).item()
        0.0
    """

    names = ("q", "p", "dq", "dp")

    def motion(self, rows: tuple[Tensor, ...]) -> Tensor:
        """Return the mean square of the residual over rows and coordinates."""
        q, p, dq, dp = rows
        of_q, of_p = self.model.rates(q, p)
        return 0.5 * ((of_q - dq).square().mean() + (of_p - dp).square().mean())


class StepLoss(MotionLoss):
    """Mean square of (s(t + dt) − step(s(t)))/dt: no derivatives have to be known, only states at two times.

    By the implicit midpoint rule the residual is (s' − s)/dt − J∇H((s + s')/2): both ends are data, so the equation
    that makes the rule implicit is not solved but is the loss.  A trained H is that of a symplectic map close to the
    flow, so it is off by O(dt²) for "midpoint" and "leapfrog" (Hairer, Lubich, Wanner, section IX.3).

    Source: symplectic integrators in the loss are from Chen, Zhang, Arjovsky, Bottou, arXiv 1909.13334; Zhu, Jin,
    Tang, arXiv 2004.13830.

    Arguments:
        model, constraint, weight_decay: as for :class:`MotionLoss`.
        dt: time between the states of a row.
        method: "midpoint", or a method of ``learn.integrators``.
        substeps: steps of that method between the two states.

    Raises:
        NotSeparableError: for a splitting method where the energy is not U(q) + K(p), with the first batch.
        ParameterError, UnknownNameError: for settings that make no sense.

    Example:
        >>> from learn.hnn import HNN
        >>> spring = HNN(1, energy=lambda q, p: (q.square() + p.square()).sum(-1) / 2)
        >>> q, p = torch.zeros(3, 1), torch.ones(3, 1)
        >>> loss = StepLoss(spring, 0.1).motion((q, p, torch.sin(q + 0.1), torch.cos(q + 0.1)))
        >>> bool(loss < 1e-6)
        True
    """

    names = ("q", "p", "q_next", "p_next")

    def __init__(
        self, model: Any, dt: float, *, method: str = "midpoint", substeps: int = 1,
        constraint: BracketConstraint | None = None, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(model, constraint=constraint, weight_decay=weight_decay)
        self.dt, self.method = real("dt", dt), method
        if self.dt == 0:
            raise ParameterError("dt is not zero")
        self.substeps = integer("substeps", substeps, minimum=1)
        if method == "midpoint" and self.substeps > 1:
            raise ParameterError("the midpoint between two states is that of one step; give substeps=1")
        if method != "midpoint":
            method_named(method)

    def motion(self, rows: tuple[Tensor, ...]) -> Tensor:
        """Return the mean square of the residual over rows and coordinates, in units of a derivative."""
        q, p, q_next, p_next = rows
        if self.method == "midpoint":
            of_q, of_p = self.model.rates((q + q_next) / 2, (p + p_next) / 2)
            residuals = ((q_next - q) / self.dt - of_q, (p_next - p) / self.dt - of_p)
        else:
            step = self.dt / self.substeps
            made = integrate(self.model.system, q, p, step, self.substeps, method=self.method)
            residuals = ((q_next - made[0]) / self.dt, (p_next - made[1]) / self.dt)
        return 0.5 * (residuals[0].square().mean() + residuals[1].square().mean())

    def settings(self) -> dict[str, Any]:
        """Return the step, beside what every loss returns."""
        return super().settings() | {"dt": self.dt, "method": self.method, "substeps": self.substeps}
