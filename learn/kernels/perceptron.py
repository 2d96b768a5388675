"""A network with two inner layers as one node of the graph: what an encoder spends its time on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from learn.kernels import cpu
from learn.kernels.twice import pulled

#: Units beyond which a library's products are faster than those from registers.
WIDEST = 256


def perceptron(x: Tensor, shift: Tensor | None, *layers: Tensor) -> Tensor:
    """Return the outputs of a network with two inner layers (SiLU), on the CPU by one compiled call.

    Arguments:
        x: inputs of shape (batch, inputs).
        shift: added to the first layer, of shape (width,) or (batch, width); None for nothing.
        layers: weight and bias of each of the three layers.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1)
        >>> x = torch.tensor([[0.5]])
        >>> torch.allclose(perceptron(x, None, one, zero, one, zero, one, zero), silu(silu(x)))
        True
    """
    given = layers if shift is None else (shift, *layers)
    if cpu.applies(x, *given) and _fits(x, shift, layers):
        return FusedPerceptron.apply(x, shift, *layers)
    return plain_perceptron(x, shift, *layers)


def plain_perceptron(x: Tensor, shift: Tensor | None, *layers: Tensor) -> Tensor:
    """Return :func:`perceptron` by torch operations.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1)
        >>> x = torch.tensor([[0.5]])
        >>> torch.equal(plain_perceptron(x, None, one, zero, one, zero, one, zero), silu(silu(x)))
        True
    """
    w1, b1, w2, b2, w3, b3 = layers
    first = linear(x, w1, b1)
    if shift is not None:
        first = first + shift
    return linear(silu(linear(silu(first), w2, b2)), w3, b3)


class FusedPerceptron(torch.autograd.Function):
    """:func:`perceptron` on the CPU kernels.

    What lies between the layers is made again in the reverse pass, block by block, so nothing but the inputs is stored.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor | None, *layers: Tensor) -> Tensor:
        ctx.save_for_backward(x, shift, *layers)
        ctx.flat = cpu.flattened(layers)
        result = x.new_empty(x.shape[0], layers[5].shape[0])
        _dense().perceptron(*_arrays(x, shift, ctx.flat, layers), result.numpy())
        return result

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        x, shift, *layers = ctx.saved_tensors
        (g,) = cotangents
        if torch.is_grad_enabled():  # this pass is itself to be differentiated
            return pulled(plain_perceptron, [x, shift, *layers], g)
        to_x = torch.empty_like(
            x if ctx.needs_input_grad[0] else x[:0], memory_format=torch.contiguous_format
        )
        single = shift is None or shift.ndim == 1
        to_shift, to_flat = x.new_empty(0 if single else len(x), len(layers[1])), torch.empty_like(ctx.flat)
        back = [t.numpy() for t in (to_x, to_shift, to_flat)]
        _dense().perceptron_pulled(*_arrays(x, shift, ctx.flat, layers), cpu.array(g), *back)
        to_layers = cpu.unflattened(to_flat, layers)
        of_shift = None if shift is None else to_layers[1].clone() if single else to_shift
        return (to_x if ctx.needs_input_grad[0] else None, of_shift, *to_layers)


def _fits(x: Tensor, shift: Tensor | None, layers: Any) -> bool:
    """Whether the shapes are what the kernels take for granted, and small."""
    rows = (x.shape[1:], layers[0].shape[:1], layers[2].shape[:1])
    columns = (layers[0].shape[1:], layers[2].shape[1:], layers[4].shape[1:])
    moved = shift is None or shift.shape in (rows[1], (*x.shape[:1], *rows[1]))
    return x.ndim == 2 and rows == columns and moved and max(len(t) for t in layers) <= WIDEST


def _arrays(x: Tensor, shift: Tensor | None, flat: Tensor, layers: Sequence[Tensor]) -> list[Any]:
    units = len(layers[1]), len(layers[3])
    moved = x.new_empty(0, units[0]) if shift is None else shift.reshape(-1, units[0])
    return [*(cpu.array(t) for t in (x, moved, flat)), *units]


def _dense() -> Any:
    from learn.kernels import dense

    return dense
