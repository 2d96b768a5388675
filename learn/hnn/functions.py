"""Learnable scalar functions of a point with closed-form gradients, of which energies are made."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn


class Function(Protocol):
    """A scalar function of a point: ``value`` is (batch,), ``gradient`` (batch, size), for x of shape (batch, size)."""

    def value(self, x: Tensor) -> Tensor: ...
    def gradient(self, x: Tensor) -> Tensor: ...


def orthogonal(module: nn.Module) -> nn.Module:
    """Return the module with every matrix of weights made orthogonal, rows or columns, as in arXiv 1906.01563.

    Example:
        >>> weight = orthogonal(nn.Linear(3, 3)).weight.detach()
        >>> torch.allclose(weight @ weight.T, torch.eye(3), atol=1e-6)
        True
    """
    for parameter in module.parameters():
        if parameter.ndim == 2:
            nn.init.orthogonal_(parameter)
    return module


class TanhNetwork(nn.Module):
    """w·tanh(W_k … tanh(W_1 x + b_1) … + b_k), with the gradient in x as a closed form.

    The gradient is the reverse pass written out: g_k = w ⊙ (1 − a_k²), g_{i−1} = W_iᵀg_i ⊙ (1 − a_{i−1}²), so that
    a loss on it takes one backward pass and no graph of a graph.  Weights start orthogonal, as in arXiv 1906.01563.

    Arguments:
        inputs: size of x.
        width: units of every inner layer.
        depth: inner layers, one or more.

    Example:
        >>> f = TanhNetwork(3, 8, 2)
        >>> x = torch.randn(5, 3, requires_grad=True)
        >>> (by_autograd,) = torch.autograd.grad(f.value(x).sum(), x)
        >>> torch.allclose(f.gradient(x), by_autograd, atol=1e-6)
        True
    """

    def __init__(self, inputs: int, width: int = 200, depth: int = 2) -> None:
        super().__init__()
        sizes = [inputs] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.out = nn.Parameter(torch.empty(1, width))
        orthogonal(self)

    def _activations(self, x: Tensor) -> list[Tensor]:
        found = []
        for layer in self.layers:
            x = layer(x).tanh()
            found.append(x)
        return found

    def value(self, x: Tensor) -> Tensor:
        """Return f(x) of shape (batch,)."""
        return self._activations(x)[-1] @ self.out[0]

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇f(x), of the shape (batch, inputs) of x."""
        activations = self._activations(x)
        pulled: Tensor = self.out
        for layer, a in zip(reversed(self.layers), reversed(activations), strict=True):
            pulled = (pulled - pulled * a.square()) @ layer.weight  # type: ignore[operator]
        return pulled


class QuadraticFunction(nn.Module):
    """b·x + xᵀA x/2 with a symmetric A, all coefficients learned.

    Arguments:
        inputs: size of x.

    Example:
        >>> f = QuadraticFunction(2)
        >>> f.gradient(torch.zeros(1, 2)).shape
        torch.Size([1, 2])
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.form = nn.Parameter(torch.randn(inputs, inputs) / inputs)
        self.slope = nn.Parameter(torch.zeros(inputs))

    def value(self, x: Tensor) -> Tensor:
        """Return f(x) of shape (batch,)."""
        return x @ self.slope + 0.5 * (x * (x @ self._symmetric())).sum(-1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∇f(x), of the shape (batch, inputs) of x."""
        return self.slope + x @ self._symmetric()

    def _symmetric(self) -> Tensor:
        return 0.5 * (self.form + self.form.T)
