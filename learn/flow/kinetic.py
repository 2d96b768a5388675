"""The kinetic energy that is not learned: |p|²/2 in the units of a flow.

Source: Souveton, Guillin, Jasche, Lavaux, Michel, *Fixed-kinetic Neural Hamiltonian Flows*, arXiv 2302.01955.
"""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from learn.flow.features import Features


class QuadraticEnergy(nn.Module):
    """K(p) = |p/u|²/2 with a unit u: a particle of mass u², and no weights.

    The mass is one number for all coordinates, so that K is invariant under every rotation.  It need not be learned:
    p → αp with dt → dt/α and U → α²U leaves the flow unchanged, and dt, U and the scale of the base are learned.  To the
    CPU kernels it is a ridge potential without units.

    Arguments:
        features: those of the potential beside it, of which the directions matter that a point loses.

    Shapes: p is (batch, dim); ``value`` is (batch,), ``gradient`` is (batch, dim).

    Example:
        >>> K = QuadraticEnergy(Features.of(2, [0, 1]))
        >>> K.unit.fill_(2.0).item(), K.value(torch.tensor([[2.0, 4.0]])), K.gradient(torch.tensor([[2.0, 4.0]]))
        (2.0, tensor([2.5000]), tensor([[0.5000, 1.0000]]))
    """

    #: Alone it is left to torch; beside potentials that suit the kernels it suits them too.
    suits_kernels = False

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("unit", torch.tensor(1.0))
        self.unit: Tensor
        self.told: Tensor | None = None

    def given(self, context: Tensor) -> Self:
        """Return the energy at a context, which does not change it.

        Arguments:
            context: of shape (k,), or (batch, k) with one for each point.
        """
        given = copy.copy(self)
        given.told = context
        return given

    def value(self, p: Tensor) -> Tensor:
        """Return K(p), shape (batch,), for p of shape (batch, dim)."""
        return 0.5 * self.features.centre(p / self.unit).square().sum(-1)

    def gradient(self, p: Tensor) -> Tensor:
        """Return ∇K(p) = p/u², of the shape (batch, dim) of p."""
        return self.features.centre(p / self.unit) / self.unit

    def tensors(self) -> tuple[Tensor, ...]:
        """Return W, b and w of no units, k = 1 and u, as :meth:`learn.flow.potentials.RidgePotential.tensors` does."""
        return self._with_inputs(self.features.size)

    def steered_tensors(self) -> tuple[Tensor, ...]:
        """Return :meth:`tensors` where a context of each point is a further input."""
        told = 0 if self.told is None or self.told.ndim == 1 else self.told.shape[1]
        return self._with_inputs(self.features.size + told)

    def _with_inputs(self, inputs: int) -> tuple[Tensor, ...]:
        none = self.unit.new_empty(0)
        return none.new_empty(inputs, 0), none, none, torch.ones_like(self.unit), self.unit
