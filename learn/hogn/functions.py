"""Functions of attributes and invariants: networks with two inner layers, and their gradients as one node of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from learn.kernels import twice
from learn.kernels.perceptron import FusedPerceptron, perceptron


class Perceptron(nn.Module):
    """A network with two inner layers of equal width (SiLU).

    Arguments:
        inputs, outputs: sizes.
        width: units of each inner layer.
        random: of the first weights, uniform within ±1/√inputs of each layer.

    Example:
        >>> f = Perceptron(3, 2, 8)
        >>> f(torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(self, inputs: int, outputs: int, width: int, random: torch.Generator | None = None) -> None:
        super().__init__()
        sizes = [inputs, width, width, outputs]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in pairwise(sizes):
            bound = max(before, 1) ** -0.5
            for where, shape in ((self.weights, (after, before)), (self.biases, (after,))):
                where.append(nn.Parameter((2 * torch.rand(shape, generator=random) - 1) * bound))

    @property
    def tensors(self) -> list[Tensor]:
        """Weight and bias of each layer, in turn."""
        return [t for pair in zip(self.weights, self.biases, strict=True) for t in pair]

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x), shape (batch, outputs), for x of shape (batch, inputs)."""
        return FusedPerceptron.apply(x, None, *self.tensors)

    def gradient(self, x: Tensor) -> Tensor:
        """Return ∂f/∂x of the only output, of the shape (batch, inputs) of x: the reverse pass as a closed form.

        Example:
            >>> f, x = Perceptron(3, 1, 8), torch.randn(5, 3, requires_grad=True)
            >>> (by_autograd,) = torch.autograd.grad(f(x).sum(), x)
            >>> torch.allclose(f.gradient(x), by_autograd, atol=1e-6)
            True
        """
        return FusedGradient.apply(x, *self.tensors[:-1])


def gradient_of(x: Tensor, *layers: Tensor) -> Tensor:
    """Return the gradient of a network with one output by torch operations.

    Arguments:
        x: inputs of shape (batch, inputs).
        layers: weight and bias of both inner layers, and the last weight, of shape (1, width).

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1)
        >>> gradient_of(torch.zeros(1, 1), one, zero, one, zero, one)
        tensor([[0.2500]])
    """
    w1, b1, w2, b2, w3 = layers
    first = linear(x, w1, b1)
    second = linear(silu(first), w2, b2)
    return (((w3 * _slope(second)) @ w2) * _slope(first)) @ w1


class FusedGradient(torch.autograd.Function):
    """:func:`gradient_of` with a hand-written reverse pass, on any device.

    A cotangent y of the gradient asks for the derivatives of ⟨y, ∇f⟩, the slope of f along y: values and slopes are
    carried forward together, and the reverse pass of that is written out.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *layers: Tensor) -> Tensor:
        w1, b1, w2, b2, w3 = layers
        first = linear(x, w1, b1)
        one = first.sigmoid()
        s1 = first * one
        second = linear(s1, w2, b2)
        two = second.sigmoid()
        d1, d2 = one + s1 * (1 - one), two + second * two * (1 - two)
        to_second = w3 * d2
        through = to_second @ w2
        to_first = through * d1
        ctx.save_for_backward(x, *layers, first, one, second, two, d1, d2, to_second, through, to_first)
        return to_first @ w1

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        (y,) = cotangents
        x, w1, b1, w2, b2, w3, first, one, second, two, d1, d2, to_second, through, to_first = (
            ctx.saved_tensors
        )
        if torch.is_grad_enabled():  # this pass is itself to be differentiated
            return twice.pulled(gradient_of, [x, w1, b1, w2, b2, w3], y)
        # slopes along y: of the first layer, of its activation, of the second layer
        along_first = y @ w1.T
        along_s1 = d1 * along_first
        along_second = along_s1 @ w2.T
        pulled = w3 * _curvature(second, two) * along_second  # to the value of the second layer
        to_value = along_first * through * _curvature(first, one) + d1 * (pulled @ w2)
        to_w3 = (d2 * along_second).sum(0, keepdim=True)
        to_w2 = to_second.T @ along_s1 + pulled.T @ (first * one)
        to_w1 = to_first.T @ y + to_value.T @ x
        to_x = to_value @ w1 if ctx.needs_input_grad[0] else None
        return to_x, to_w1, to_value.sum(0), to_w2, pulled.sum(0), to_w3


def _slope(z: Tensor) -> Tensor:
    """The derivative of SiLU."""
    sigmoid = z.sigmoid()
    return sigmoid * (1 + z * (1 - sigmoid))


def _curvature(z: Tensor, sigmoid: Tensor) -> Tensor:
    """The second derivative of SiLU, from its sigmoid."""
    return sigmoid * (1 - sigmoid) * (2 + z * (1 - 2 * sigmoid))


def plain(network: Perceptron, x: Tensor) -> Tensor:
    """Return f(x) by torch operations, which can be differentiated twice at the price of one graph.

    Example:
        >>> f, x = Perceptron(3, 1, 8), torch.randn(5, 3)
        >>> torch.allclose(plain(f, x), f(x), atol=1e-6)
        True
    """
    return perceptron(x, None, *network.tensors)


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Return tensors (n, …) side by side; those without columns are left out.

    Example:
        >>> joined([torch.zeros(2, 1), torch.zeros(2, 0), torch.ones(2, 1)])
        tensor([[0., 1.],
                [0., 1.]])
    """
    kept = [x for x in parts if x.shape[1]]
    return torch.cat(kept, 1) if len(kept) > 1 else kept[0]
