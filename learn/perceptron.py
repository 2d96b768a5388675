"""A network with two inner layers as one node of the graph: what an encoder spends its time on."""

from __future__ import annotations

from collections.abc import Sequence
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


#: Rows worked on at once: what lies between the layers stays in the second cache.
ROWS = 1024


class FusedPerceptron(torch.autograd.Function):
    """:func:`perceptron` with a hand-written reverse pass, on any device.

    Many rows are done block by block, and what lies between the layers is made again in the reverse pass: that is faster
    than fetching it from memory.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor | None, *layers: Tensor) -> Tensor:
        whole = len(x) <= 2 * ROWS or not x.is_cpu
        if whole:
            between, result = _forward(x, shift, layers)
        else:
            between, result = (), x.new_empty(len(x), len(layers[-1]))
            for rows in _blocks(len(x)):
                result[rows] = _forward(x[rows], _rows(shift, rows), layers)[1]
        ctx.save_for_backward(x, shift, *layers, *between)
        return result

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        x, shift, *rest = ctx.saved_tensors
        layers, between, (g,) = rest[:6], rest[6:], cotangents
        if torch.is_grad_enabled():  # this pass is itself to be differentiated
            given = [x, shift, *layers]
            wanted = [t for t in given if t is not None and t.requires_grad]
            found = iter(torch.autograd.grad(perceptron(x, shift, *layers), wanted, g, create_graph=True))
            return tuple(next(found) if t is not None and t.requires_grad else None for t in given)
        wants_x = ctx.needs_input_grad[0]
        if between:
            to_x, to_first, weights = _backward(x, layers, between, g, wants_x)
            return (to_x, _to_shift(shift, to_first), *weights)
        to_x = torch.empty_like(x) if wants_x else None
        to_shift = None if shift is None else torch.zeros_like(shift)
        sums = [torch.zeros_like(w) for w in layers]
        for rows in _blocks(len(x)):
            between, _ = _forward(x[rows], _rows(shift, rows), layers)
            part, to_first, weights = _backward(x[rows], layers, between, g[rows], wants_x)
            for total, w in zip(sums, weights, strict=True):
                total += w
            if to_x is not None:
                to_x[rows] = part  # type: ignore[assignment]
            if to_shift is not None:
                _rows(to_shift, rows).add_(_to_shift(shift, to_first))
        return (to_x, to_shift, *sums)


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, n, ROWS)]


def _rows(shift: Tensor | None, rows: slice) -> Any:
    return shift if shift is None or shift.ndim < 2 else shift[rows]


def _to_shift(shift: Tensor | None, to_first: Tensor) -> Any:
    return None if shift is None else to_first if shift.ndim == 2 else to_first.sum(0)


def _forward(x: Tensor, shift: Tensor | None, layers: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
    """What lies between the layers, and the outputs."""
    w1, b1, w2, b2, w3, b3 = layers
    first = linear(x, w1, b1)
    if shift is not None:
        first += shift
    s1 = silu(first)
    second = linear(s1, w2, b2)
    s2 = silu(second)
    return (first, s1, second, s2), linear(s2, w3, b3)


def _backward(
    x: Tensor, layers: Sequence[Tensor], between: Sequence[Tensor], g: Tensor, wants_x: bool
) -> tuple[Tensor | None, Tensor, tuple[Tensor, ...]]:
    """Cotangents of x, of the first layer's values, and of weights and biases."""
    w1, _, w2, _, w3, _ = layers
    first, s1, second, s2 = between
    to_second = torch.ops.aten.silu_backward(g @ w3, second)
    to_first = torch.ops.aten.silu_backward(to_second @ w2, first)
    to_w1 = (x.T @ to_first).T.contiguous()  # this way round a product with few columns is five times as fast
    weights = (to_w1, to_first.sum(0), to_second.T @ s1, to_second.sum(0), g.T @ s2, g.sum(0))
    return to_first @ w1 if wants_x else None, to_first, weights
