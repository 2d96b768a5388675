"""One differentiable leapfrog step of a learned separable Hamiltonian, and its exact inverse."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from learn import kernels
from learn.features import Features
from learn.potentials import RidgePotential, closed_gradient

Slope: TypeAlias = Callable[[Tensor], Tensor]


class SeparableHamiltonian(nn.Module):
    """H(q, p) = K(p) + U(q), both learned, with the time step that belongs to it.

    Arguments:
        potential: module with ``value`` and ``gradient``, U.
        kinetic: the same for K.
        dt: first value of the time step.
        learn_dt: whether dt is trained.  H → cH, dt → dt/c leaves the flow unchanged, so a constraint on {g, H}
            has a meaning only with dt fixed.

    Example:
        >>> H = SeparableHamiltonian(RidgePotential(2, 8), RidgePotential(2, 8, curvature=1.0), dt=0.25)
        >>> q, p = torch.zeros(3, 2), torch.ones(3, 2)
        >>> moved = leapfrog(H, q, p)
        >>> back = leapfrog(H, *moved, inverse=True)
        >>> torch.allclose(back[0], q, atol=1e-6) and torch.allclose(back[1], p, atol=1e-6)
        True
    """

    def __init__(
        self, potential: RidgePotential, kinetic: RidgePotential, *, dt: float = 0.25, learn_dt: bool = True
    ) -> None:
        super().__init__()
        self.potential_energy, self.kinetic_energy = potential, kinetic
        log_dt = torch.tensor(math.log(dt))
        if learn_dt:
            self.log_dt = nn.Parameter(log_dt)
        else:
            self.register_buffer("log_dt", log_dt)

    def given(self, context: Tensor) -> Self:
        """Return H at a context, of shape (k,) or (batch, k) with one for each point; the weights are the same.

        Example:
            >>> U, K = RidgePotential(1, 4, context=1), RidgePotential(1, 4, curvature=1.0, context=1)
            >>> SeparableHamiltonian(U, K).given(torch.zeros(1)).potential(torch.zeros(3, 1)).shape
            torch.Size([3])
        """
        given = copy.copy(self)
        energies = self.potential_energy.given(context), self.kinetic_energy.given(context)
        given._modules = dict(zip(("potential_energy", "kinetic_energy"), energies, strict=True))
        return given

    @property
    def dt(self) -> Tensor:
        """The time step, a positive scalar tensor."""
        return self.log_dt.exp()

    def potential(self, q: Tensor) -> Tensor:
        """Return U(q), shape (batch,), for q of shape (batch, dim)."""
        return self.potential_energy.value(q)

    def kinetic(self, p: Tensor) -> Tensor:
        """Return K(p), shape (batch,), for p of shape (batch, dim)."""
        return self.kinetic_energy.value(p)

    def grad_potential(self, q: Tensor) -> Tensor:
        """Return ∇U(q), of the shape (batch, dim) of q."""
        return self.potential_energy.gradient(q)

    def grad_kinetic(self, p: Tensor) -> Tensor:
        """Return ∇K(p), of the shape (batch, dim) of p: the velocity, which is not p here."""
        return self.kinetic_energy.gradient(p)


def leapfrog(
    hamiltonian: SeparableHamiltonian, q: Tensor, p: Tensor, *, steps: int = 1, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """Move states by kick–drift–kick steps; the inverse runs the same steps with −dt.

    Symplectic, of unit Jacobian, time reversible and of order two (Hairer, Lubich, Wanner, *Geometric Numerical
    Integration*, section I.1.4).

    Arguments:
        hamiltonian: K, U and dt.
        q, p: states of shape (batch, dim).
        steps: number of steps; the half kicks between them are merged.
        inverse: undo instead of do.

    Returns:
        (q, p) after the steps, differentiable in states and weights.

    Example:
        >>> H = SeparableHamiltonian(RidgePotential(1, 4), RidgePotential(1, 4))
        >>> q, p = torch.zeros(1, 1), torch.ones(1, 1)
        >>> twice = leapfrog(H, *leapfrog(H, q, p))
        >>> torch.allclose(torch.cat(leapfrog(H, q, p, steps=2)), torch.cat(twice))
        True
    """
    return leapfrog_chain([hamiltonian], q, p, steps=steps, inverse=inverse)


def leapfrog_chain(
    chain: Sequence[SeparableHamiltonian], q: Tensor, p: Tensor, *, steps: int = 1, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """Move states by the steps of one Hamiltonian after the other; the inverse undoes them, the last one first.

    On the CPU in float32 and float64 the whole chain is one call of a compiled kernel.

    Arguments:
        chain: the Hamiltonians.
        q, p: states of shape (batch, dim).
        steps: number of steps of each.
        inverse: undo instead of do.

    Example:
        >>> chain = [SeparableHamiltonian(RidgePotential(1, 4), RidgePotential(1, 4)) for _ in range(3)]
        >>> q, p = torch.zeros(1, 1), torch.ones(1, 1)
        >>> back = leapfrog_chain(chain, *leapfrog_chain(chain, q, p), inverse=True)
        >>> torch.allclose(torch.cat(back), torch.cat([q, p]), atol=1e-6)
        True
    """
    chain = list(reversed(chain)) if inverse else list(chain)
    tensors = [(h.log_dt, *h.potential_energy.tensors(), *h.kinetic_energy.tensors()) for h in chain]
    alike = _alike(chain, tensors)
    if alike and kernels.applies(q, p, *(t for own in tensors for t in own)):
        plan = Plan(chain[0].potential_energy.features, steps, -1 if inverse else 1)
        return FusedLeapfrog.apply(plan, q, p, *(t for own in tensors for t in own))
    for h in chain:
        if len(chain) > 1 and not alike:
            q, p = leapfrog(h, q, p, steps=steps, inverse=inverse)
        else:
            dt = -h.dt if inverse else h.dt
            q, p = steps_by(q, p, dt, h.grad_potential, h.grad_kinetic, steps)
    return q, p


def _alike(chain: Sequence[SeparableHamiltonian], tensors: Sequence[Sequence[Tensor]]) -> bool:
    """Whether the potentials of a chain suit the kernels and differ in nothing but weights."""
    if not chain:
        return False
    first = chain[0].potential_energy
    shapes = [t.shape for t in first.tensors()]
    return (
        first.suits_kernels
        and len(shapes[1]) == 1  # phases that differ from point to point are left to torch
        and all(
            energy.features.key == first.features.key and [t.shape for t in own[at : at + 5]] == shapes
            for h, own in zip(chain, tensors, strict=True)
            for energy, at in ((h.potential_energy, 1), (h.kinetic_energy, 6))
        )
    )


def steps_by(
    q: Tensor, p: Tensor, dt: Tensor, force: Slope, velocity: Slope, steps: int
) -> tuple[Tensor, Tensor]:
    """Move states by kick–drift–kick steps made of torch operations.

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
    """What steps through a chain depend on beside tensors: the features, number of steps, sign of time."""

    features: Features
    steps: int
    sign: int


class FusedLeapfrog(torch.autograd.Function):
    """The steps of :func:`leapfrog_chain` on the CPU kernels: one node of the graph.

    Called with the plan, q, p, and for each Hamiltonian log dt and W, b, w, k and u of U and of K.  The reverse pass
    undoes the steps from the final states, so it stores these and nothing between, whatever the number of steps.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, q: Tensor, p: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        ctx.plan, ctx.ridges = plan, _ridges(plan, tensors)
        moved = kernels.leapfrog(q, p, *ctx.ridges, steps=plan.steps)
        ctx.save_for_backward(q, p, *tensors, *moved)
        return moved

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        *given, q, p = ctx.saved_tensors
        if (
            torch.is_grad_enabled()
        ):  # this pass is itself to be differentiated, so it is made of torch operations
            wanted = [t for t in given if t.requires_grad]
            found = iter(torch.autograd.grad(_plain(ctx.plan, *given), wanted, cotangents, create_graph=True))
            return (None, *(next(found) if t.requires_grad else None for t in given))
        ridges, dt = ctx.ridges
        a, b, to_dt, to_weights = kernels.leapfrog_pulled(q, p, cotangents, ridges, dt, ctx.plan.steps)
        to_log_dt = (to_dt * torch.from_numpy(dt)).unbind()
        columns = list(zip(*(t.unbind() for t in to_weights), strict=True))
        n = len(dt)
        back = [(t, *columns[m], None, *columns[n + m], None) for m, t in enumerate(to_log_dt)]
        return (None, a, b, *(t for own in back for t in own))


def _by_member(tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    return [tensors[k : k + 11] for k in range(0, len(tensors), 11)]


def _ridges(plan: Plan, tensors: Sequence[Tensor]) -> tuple[kernels.Ridges, np.ndarray]:
    members = _by_member(tensors)
    dt = plan.sign * torch.stack([own[0].detach() for own in members]).exp()
    return kernels.Ridges.of(
        [own[at : at + 5] for at in (1, 6) for own in members], plan.features
    ), dt.numpy()


def _plain(plan: Plan, q: Tensor, p: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
    """The same steps by torch operations."""
    for log_dt, *own in _by_member(tensors):

        def force(x: Tensor, weights: list[Tensor] = own[:5]) -> Tensor:
            return closed_gradient(x, *weights, features=plan.features)

        def velocity(x: Tensor, weights: list[Tensor] = own[5:]) -> Tensor:
            return closed_gradient(x, *weights, features=plan.features)

        q, p = steps_by(q, p, plan.sign * log_dt.exp(), force, velocity, plan.steps)
    return q, p
