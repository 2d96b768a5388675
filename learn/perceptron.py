"""A network with two inner layers as one node of the graph: what an encoder spends its time on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, silu


def perceptron(x: Tensor, shift: Tensor | None, *layers: Tensor) -> Tensor:
    """Return the outputs of a network with two inner layers (SiLU) by torch operations.

    Arguments:
        x: inputs of shape (batch, inputs).
        shift: added to the first layer, of shape (width,) or (batch, width); None for nothing.
        layers: weight and bias of each of the three layers.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1)
        >>> x = torch.tensor([[0.5]])
        >>> torch.equal(perceptron(x, None, one, zero, one, zero, one, zero), silu(silu(x)))
        True
    """
    w1, b1, w2, b2, w3, b3 = layers
    first = linear(x, w1, b1)
    if shift is not None:
        first = first + shift
    return linear(silu(linear(silu(first), w2, b2)), w3, b3)


class FusedPerceptron(torch.autograd.Function):
    """:func:`perceptron` with a hand-written reverse pass, on any device."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor | None, *layers: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3 = layers
        first = linear(x, w1, b1)
        if shift is not None:
            first += shift
        s1 = silu(first)
        second = linear(s1, w2, b2)
        s2 = silu(second)
        ctx.save_for_backward(x, shift, *layers, first, s1, second, s2)
        return linear(s2, w3, b3)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        x, shift, *rest = ctx.saved_tensors
        layers, (first, s1, second, s2), (g,) = rest[:6], rest[6:], cotangents
        if torch.is_grad_enabled():  # this pass is itself to be differentiated
            given = [x, shift, *layers]
            wanted = [t for t in given if t is not None and t.requires_grad]
            found = iter(torch.autograd.grad(perceptron(x, shift, *layers), wanted, g, create_graph=True))
            return tuple(next(found) if t is not None and t.requires_grad else None for t in given)
        w1, _, w2, _, w3, _ = layers
        to_second = torch.ops.aten.silu_backward(g @ w3, second)
        to_first = torch.ops.aten.silu_backward(to_second @ w2, first)
        to_shift = None
        if shift is not None and ctx.needs_input_grad[1]:
            to_shift = to_first if shift.ndim == 2 else to_first.sum(0)
        to_x = to_first @ w1 if ctx.needs_input_grad[0] else None
        weights = (to_first.T @ x, to_first.sum(0), to_second.T @ s1, to_second.sum(0), g.T @ s2, g.sum(0))
        return (to_x, to_shift, *weights)
