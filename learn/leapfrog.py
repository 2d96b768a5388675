"""One differentiable leapfrog step of a learned separable Hamiltonian, and its exact inverse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

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
    dt = -hamiltonian.dt if inverse else hamiltonian.dt
    energies = (hamiltonian.potential_energy, hamiltonian.kinetic_energy)
    inputs = [q, p, dt]
    for energy in energies:
        inputs += [*energy.ridges(), energy.curvature, energy.unit]
    if all(energy.features.is_identity for energy in energies) and kernels.applies(*inputs):
        return FusedLeapfrog.apply(*inputs, steps)
    return _steps(q, p, dt, hamiltonian.grad_potential, hamiltonian.grad_kinetic, steps)


def _steps(
    q: Tensor, p: Tensor, dt: Tensor, force: Slope, velocity: Slope, steps: int
) -> tuple[Tensor, Tensor]:
    half = 0.5 * dt
    p = p - half * force(q)
    for k in range(steps):
        q = q + dt * velocity(p)
        p = p - (half if k == steps - 1 else dt) * force(q)
    return q, p


class FusedLeapfrog(torch.autograd.Function):
    """The steps of :func:`leapfrog` for potentials of coordinates alone, on the CPU kernels: one node of the graph.

    The reverse pass undoes the steps from the final states, so it stores these and nothing between, whatever the
    number of steps.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *tensors, steps = inputs
        q, p, _, *rest = tensors
        unit_q, unit_p = rest[4], rest[9]
        x, y = kernels.leapfrog(q / unit_q, p / unit_p, *_ridges(rest), _numbers(tensors), steps)
        ctx.save_for_backward(*tensors, x, y)
        ctx.steps = steps
        return x * unit_q, y * unit_p

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, x, y = ctx.saved_tensors
        if (
            torch.is_grad_enabled()
        ):  # this pass is itself to be differentiated, so it is made of torch operations
            wanted = [t for t in tensors if t.requires_grad]
            found = iter(
                torch.autograd.grad(_plain(tensors, ctx.steps), wanted, cotangents, create_graph=True)
            )
            return (*(next(found) if t.requires_grad else None for t in tensors), None)
        rest = tensors[3:]
        unit_q, unit_p = rest[4], rest[9]
        a, b, weights, numbers = kernels.leapfrog_backward(
            x, y, cotangents[0] * unit_q, cotangents[1] * unit_p, *_ridges(rest), _numbers(tensors), ctx.steps
        )
        to_dt, to_u, to_k = torch.from_numpy(numbers)
        to_dt = to_dt / (unit_q * unit_p)
        return a / unit_q, b / unit_p, to_dt, *weights[:3], to_u, None, *weights[3:], to_k, None, None


def _ridges(rest: list[Tensor]) -> tuple[kernels.Ridges, kernels.Ridges]:
    return (rest[0], rest[1], rest[2]), (rest[5], rest[6], rest[7])


def _numbers(tensors: list[Tensor]) -> list[float]:
    """The time step in the units of q and p, and the curvatures."""
    dt, rest = tensors[2], tensors[3:]
    return [float(dt) / (float(rest[4]) * float(rest[9])), float(rest[3]), float(rest[8])]


def _plain(tensors: list[Tensor], steps: int) -> tuple[Tensor, Tensor]:
    q, p, dt, *rest = tensors
    every = Features.of(q.shape[-1], range(q.shape[-1]))

    def slope(at: int) -> Slope:
        weight, bias, out, curvature, unit = rest[at : at + 5]
        return lambda x: closed_gradient(x, weight, bias, out, curvature, unit, every)

    return _steps(q, p, dt, slope(0), slope(5), steps)
