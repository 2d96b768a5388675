"""Leapfrog steps as one node of the graph: the reverse pass undoes them, so memory does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor

from learn.flow.potentials import closed_gradient
from learn.kernels import cpu
from learn.kernels.twice import pulled

Slope: TypeAlias = Callable[[Tensor], Tensor]


def steps_by(
    q: Tensor, p: Tensor, dt: Tensor, force: Slope, velocity: Slope, steps: int
) -> tuple[Tensor, Tensor]:
    """Move states by kick–drift–kick steps made of torch operations.

    This is the leapfrog of :mod:`learn.integrators` for what is trained: the half kicks between steps are merged, which
    takes a tenth less time.

    Arguments:
        q, p: states of shape (batch, dim).
        dt: the time step, a scalar tensor.
        force, velocity: ∇U and ∇K.
        steps: number of steps; the half kicks between them are merged.

    Example:
        >>> still = torch.zeros(1, 1)
        >>> steps_by(still, still + 1, torch.tensor(0.5), torch.zeros_like, lambda p: p, 2)[0]
        tensor([[1.]])
    """
    half = 0.5 * dt
    p = p - half * force(q)
    for k in range(steps):
        q = q + dt * velocity(p)
        p = p - (half if k == steps - 1 else dt) * force(q)
    return q, p


@dataclass(frozen=True)
class Plan:
    """What steps through a chain depend on beside tensors that are differentiated.

    Attributes:
        shape: of the potentials.
        steps: number of steps of each Hamiltonian.
        sign: of time.
        context: of every point, of shape (batch, told), if their potentials have been given one each.
    """

    shape: cpu.Shape
    steps: int
    sign: int
    context: Tensor | None = None

    @property
    def how(self) -> dict[str, Any]:
        """What the kernels are told by name."""
        return {"steps": self.steps, "sign": self.sign, "context": self.context}


class FusedLeapfrog(torch.autograd.Function):
    """The steps of :func:`learn.flow.leapfrog.leapfrog_chain` on the CPU kernels: one node of the graph.

    Called with the plan, q, p, and for each Hamiltonian log dt and W, b, w, k and u of U and of K.  The reverse pass
    undoes the steps from the final states, so it stores these and nothing between, whatever the number of steps.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, q: Tensor, p: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        ctx.plan, ctx.flat = plan, cpu.flattened(tensors)
        moved = cpu.leapfrog(q, p, ctx.flat, plan.shape, **plan.how)
        ctx.save_for_backward(q, p, *tensors, *moved)
        return moved

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        *given, q, p = ctx.saved_tensors
        if (
            torch.is_grad_enabled()
        ):  # this pass is itself to be differentiated, so it is made of torch operations
            return (None, *pulled(partial(_plain, ctx.plan), given, cotangents))
        plan, tensors = ctx.plan, given[2:]
        a, b, to_flat = cpu.leapfrog_pulled(q, p, cotangents, ctx.flat, plan.shape, **plan.how)
        return (None, a, b, *cpu.unflattened(to_flat, tensors))


class FusedLogDensity(torch.autograd.Function):
    """:func:`learn.flow.leapfrog.log_density` on the CPU kernels; the reverse pass stores the base states only.

    Called with the plan, q, p, the logarithms of the scales, the unit of length, the removed directions, and the
    tensors of :class:`FusedLeapfrog`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        q: Tensor,
        p: Tensor,
        log_scale: Tensor,
        unit: Tensor,
        removed: Tensor,
        *tensors: Tensor,
    ) -> Tensor:
        ctx.plan, ctx.flat = plan, cpu.flattened(tensors)
        q0, p0 = cpu.leapfrog(q, p, ctx.flat, plan.shape, **plan.how)
        (a, b), length = log_scale.tolist(), float(unit)
        ctx.scales, ctx.freedom = (math.exp(a) * length, math.exp(b) / length), q.shape[-1] - len(removed)
        constant = -ctx.freedom * (
            a + b + math.log(2 * math.pi)
        )  # the unit cancels: it enters q and p inversely
        ctx.save_for_backward(q, p, log_scale, unit, removed, *tensors, q0, p0)
        return cpu.log_base(q0, p0, removed, ctx.scales, constant)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        *given, q0, p0 = ctx.saved_tensors
        if torch.is_grad_enabled():  # as in FusedLeapfrog
            return (None, *pulled(partial(_plain_log_density, ctx.plan), given, cotangents))
        removed = given[4]
        *pulls, (from_q, from_p, total) = cpu.log_base_pulled(q0, p0, removed, ctx.scales, cotangents[0])
        to_log_scale = q0.new_tensor([from_q - ctx.freedom * total, from_p - ctx.freedom * total])
        plan = ctx.plan
        to_q, to_p, to_flat = cpu.leapfrog_pulled(q0, p0, pulls, ctx.flat, plan.shape, **plan.how)
        return (None, to_q, to_p, to_log_scale, None, None, *cpu.unflattened(to_flat, given[5:]))


def _plain_log_density(
    plan: Plan, q: Tensor, p: Tensor, log_scale: Tensor, unit: Tensor, removed: Tensor, *tensors: Tensor
) -> Tensor:
    """The same by torch operations."""
    states = (x - (x @ removed.T) @ removed for x in _plain(plan, q, p, *tensors))
    a, b = log_scale.exp()
    square = sum((x / scale).square().sum(-1) for x, scale in zip(states, (a * unit, b / unit), strict=True))
    return -0.5 * square - (q.shape[-1] - len(removed)) * (log_scale.sum() + math.log(2 * math.pi))


def _by_member(tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    return [tensors[k : k + 11] for k in range(0, len(tensors), 11)]


def _at_context(plan: Plan, weights: list[Tensor]) -> list[Tensor]:
    """Weights as torch operations want them: the context of each point has moved the phases."""
    if plan.context is None:
        return weights
    weight, bias, *rest = weights
    own, steering = weight.split([plan.shape.features.size, plan.shape.told])
    return [own, bias + plan.context @ steering, *rest]


def _plain(plan: Plan, q: Tensor, p: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
    """The same steps by torch operations."""
    for log_dt, *own in _by_member(tensors):

        def force(x: Tensor, weights: list[Tensor] = own[:5]) -> Tensor:
            return closed_gradient(x, *_at_context(plan, weights), features=plan.shape.features)

        def velocity(x: Tensor, weights: list[Tensor] = own[5:]) -> Tensor:
            return closed_gradient(x, *_at_context(plan, weights), features=plan.shape.features)

        q, p = steps_by(q, p, plan.sign * log_dt.exp(), force, velocity, plan.steps)
    return q, p
