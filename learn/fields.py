"""What the integrators step: the two gradients of a separable Hamiltonian, or any vector field.

With a time, each of these functions is called with it as one argument more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

Pair: TypeAlias = tuple[Tensor, Tensor]
#: (q, p) or (q, p, t) to (dq/dt, dp/dt), each of the shape of q.
Field: TypeAlias = Callable[..., Pair]


@runtime_checkable
class Separable(Protocol):
    """H = K(p) + U(q) by its gradients, each of the shape of its argument."""

    @property
    def grad_potential(self) -> Callable[..., Tensor]:
        """∇U of q, or of q and t."""

    @property
    def grad_kinetic(self) -> Callable[..., Tensor]:
        """∇K of p, or of p and t: the velocity, which is not p unless the mass is one."""


System: TypeAlias = Separable | Field


@dataclass(frozen=True)
class Separated:
    """H = K(p) + U(q) from two functions.

    Arguments:
        grad_potential: ∇U, of the shape (batch, …) of q.
        grad_kinetic: ∇K, of the shape (batch, …) of p.

    Example:
        >>> mass = 2.0
        >>> spring = Separated(lambda q: q, lambda p: p / mass)
        >>> isinstance(spring, Separable), spring.grad_kinetic(torch.ones(1, 1))
        (True, tensor([[0.5000]]))
    """

    grad_potential: Callable[..., Tensor]
    grad_kinetic: Callable[..., Tensor]


@dataclass(frozen=True)
class CanonicalField:
    """The vector field (∂H/∂p, -∂H/∂q) of any scalar function, by automatic differentiation.

    Differentiable itself where gradients are enabled, which takes a double backward pass: where a network knows its
    gradient in closed form, give that instead.  Not for ``torch.compile`` or data-parallel training.

    Arguments:
        energy: H, from (q, p) or (q, p, t) of shape (batch, …) to (batch,).

    Example:
        >>> pendulum = CanonicalField(lambda q, p: (p.square() / 2 - q.cos()).sum(-1))
        >>> [x.tolist() for x in pendulum(torch.zeros(1, 1), torch.ones(1, 1))]
        [[[1.0]], [[-0.0]]]
    """

    energy: Callable[..., Tensor]

    def __call__(self, q: Tensor, p: Tensor, *time: Any) -> Pair:
        """Return (dq/dt, dp/dt), each of the shape of q."""
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            q = q if q.requires_grad else q.detach().requires_grad_()
            p = p if p.requires_grad else p.detach().requires_grad_()
            # every row has its own energy, so the gradient of the sum has that of each row in its place
            total = self.energy(q, p, *time).sum()
            of_q, of_p = torch.autograd.grad(
                total, (q, p), create_graph=differentiable, materialize_grads=True
            )
        return of_p, -of_q
