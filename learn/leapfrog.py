"""One differentiable leapfrog step of a learned separable Hamiltonian, and its exact inverse."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from learn.potentials import RidgePotential


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
    half = 0.5 * dt
    p = p - half * hamiltonian.grad_potential(q)
    for k in range(steps):
        q = q + dt * hamiltonian.grad_kinetic(p)
        p = p - (half if k == steps - 1 else dt) * hamiltonian.grad_potential(q)
    return q, p
