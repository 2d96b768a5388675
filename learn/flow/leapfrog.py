"""One differentiable leapfrog step of a learned separable Hamiltonian, and its exact inverse."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from learn.flow.kinetic import QuadraticEnergy
from learn.flow.potentials import FusedGradients, RidgePotential
from learn.flow.reversible import FusedLeapfrog, FusedLogDensity, Plan, steps_by
from learn.kernels import cpu


class SeparableHamiltonian(nn.Module):
    """H(q, p) = K(p) + U(q), U and mostly K learned, with the time step that belongs to it.

    Arguments:
        potential: module with ``value`` and ``gradient``, U.
        kinetic: the same for K, or |p|²/2.
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
        self,
        potential: RidgePotential,
        kinetic: RidgePotential | QuadraticEnergy,
        *,
        dt: float = 0.25,
        learn_dt: bool = True,
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
        """Return ∇K(p), of the shape (batch, dim) of p: the velocity, which need not be p."""
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


def slopes(chain: Sequence[Any], q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Return ∇U(q) and ∇K(p) of every Hamiltonian at its own states, each of the shape (members, batch, dim) of q.

    Arguments:
        chain: the Hamiltonians, or other things with ``grad_potential`` and ``grad_kinetic``.
        q, p: states of shape (members, batch, dim).

    Example:
        >>> chain = [SeparableHamiltonian(RidgePotential(2, 4), RidgePotential(2, 4)) for _ in range(3)]
        >>> q, p = torch.randn(2, 3, 5, 2)
        >>> torch.allclose(slopes(chain, q, p)[0][1], chain[1].grad_potential(q[1]))
        True
    """
    if all(type(h) is SeparableHamiltonian for h in chain):
        of_u, of_k = ([getattr(h, name) for h in chain] for name in ("potential_energy", "kinetic_energy"))
        found = _together(of_u + of_k, torch.cat([q, p]))
        if found is not None:
            return found[: len(q)], found[len(q) :]
        found = _together(of_u, q)  # where the kinetic energies have no weights
        if found is not None:
            return found, torch.stack([k.gradient(y) for k, y in zip(of_k, p, strict=True)])
    by_one = torch.stack([h.grad_potential(x) for h, x in zip(chain, q, strict=True)])
    return by_one, torch.stack([h.grad_kinetic(y) for h, y in zip(chain, p, strict=True)])


def _together(energies: Sequence[Any], x: Tensor) -> Tensor | None:
    """The gradients of potentials at their own points as one node of the graph; None where the kernels do not apply."""
    tensors = [e.tensors() for e in energies]
    flat = [t for own in tensors for t in own]
    if _alike(energies, tensors) and cpu.applies(x, *flat):
        found: Tensor = FusedGradients.apply(energies[0].features, x, *flat)
        return found
    return None


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
    alike, plan, tensors = _plan(chain, (q, p), steps, inverse)
    if plan is not None:
        return FusedLeapfrog.apply(plan, q, p, *tensors)
    for h in chain:
        if len(chain) > 1 and not alike:
            q, p = leapfrog(h, q, p, steps=steps, inverse=inverse)
        else:
            dt = -h.dt if inverse else h.dt
            q, p = steps_by(q, p, dt, h.grad_potential, h.grad_kinetic, steps)
    return q, p


def log_density(
    chain: Sequence[SeparableHamiltonian],
    q: Tensor,
    p: Tensor,
    log_scale: Tensor,
    unit: Tensor,
    removed: Tensor,
    *,
    steps: int = 1,
) -> Tensor | None:
    """Return the log density at states that a chain has carried there from a Gaussian base, as one node of the graph.

    Arguments:
        chain: the Hamiltonians.
        q, p: states of shape (batch, dim).
        log_scale: logarithms of the standard deviations of q₀ and p₀, in ``unit`` and its inverse.
        unit: of length.
        removed: orthonormal directions without a density, of shape (t, dim).
        steps: number of steps of each Hamiltonian.

    Returns:
        log π(q₀, p₀) of shape (batch,); None where the kernels do not apply.
    """
    chain = list(reversed(chain))
    _, plan, tensors = _plan(chain, (q, p, log_scale, unit, removed), steps, inverse=True)
    return None if plan is None else FusedLogDensity.apply(plan, q, p, log_scale, unit, removed, *tensors)


def _plan(
    chain: Sequence[SeparableHamiltonian], states: Sequence[Tensor], steps: int, inverse: bool
) -> tuple[bool, Plan | None, list[Tensor]]:
    """Whether the potentials of a chain differ in nothing but weights, how the kernels are called, and with what."""
    of_u, of_k = [h.potential_energy for h in chain], [h.kinetic_energy for h in chain]
    own_u, own_k = ([energy.steered_tensors() for energy in energies] for energies in (of_u, of_k))
    quadratic = bool(chain) and all(isinstance(k, QuadraticEnergy) for k in of_k)
    energies, compared = (of_u, own_u) if quadratic else (of_u + of_k, own_u + own_k)
    if not chain or not _alike(energies, compared):
        return False, None, []
    tensors = [t for h, u, k in zip(chain, own_u, own_k, strict=True) for t in (h.log_dt, *u, *k)]
    if not cpu.applies(*states, *tensors):
        return True, None, []
    told = [energy.told for energy in of_u + of_k]
    context = told[0] if told[0] is not None and told[0].ndim == 2 else None
    if context is not None and not (
        all(t is context for t in told) and len(context) == len(states[0]) and cpu.applies(states[0], context)
    ):
        return False, None, []
    size = 0 if context is None else context.shape[1]
    shape = cpu.Shape(of_u[0].features, own_u[0][0].shape[1], size, 0 if quadratic else None)
    return True, Plan(shape, steps, -1 if inverse else 1, context), tensors


def _alike(energies: Sequence[RidgePotential | QuadraticEnergy], tensors: Sequence[Sequence[Tensor]]) -> bool:
    """Whether potentials suit the kernels and differ in nothing but weights."""
    first, shape = energies[0], tensors[0][0].shape
    key = first.features.key
    return (
        first.suits_kernels
        # phases that differ from point to point are left to torch
        and all(weight.shape == shape and bias.ndim == 1 for weight, bias, *_ in tensors)
        and all(energy.features.key == key for energy in energies)
    )
