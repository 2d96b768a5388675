"""The network inside an encoder, and how a context moves it."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from hamsym.errors import ParameterError
from learn.kernels.perceptron import perceptron


class InnerNetwork(nn.Sequential):
    """The network of an encoder: two inner layers (SiLU), outputs small at first; a context moves the first layer.

    Arguments:
        inputs, width, outputs: units.
        context: numbers in a context; 0 for none.

    Example:
        >>> network = InnerNetwork(2, 8, 3, context=1)
        >>> network.given(torch.zeros(5, 1))(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(self, inputs: int, width: int, outputs: int, context: int = 0) -> None:
        last = nn.Linear(width, outputs)
        with torch.no_grad():  # start near N(0, I)
            last.weight.mul_(0.1)
            last.bias.zero_()
        super().__init__(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), last)
        self.steering = nn.Parameter(torch.randn(context, width) / (1 + inputs) ** 0.5) if context else None
        self.shift: Tensor | None = None

    def given(self, context: Tensor) -> Self:
        """Return the network at a context, of shape (k,) or (batch, k); the weights are the same."""
        if self.steering is None:
            raise ParameterError("this network takes no context")
        given = copy.copy(self)
        given.shift = context @ self.steering
        return given

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs for inputs of shape (batch, inputs).

        Raises:
            ParameterError: for a network that needs a context and has none.
        """
        if self.steering is not None and self.shift is None:
            raise ParameterError("this flow is conditional; use flow.given(context)")
        layers = [self._modules[name]._parameters for name in ("0", "2", "4")]  # type: ignore[union-attr]
        return perceptron(x, self.shift, *(t for layer in layers for t in layer.values()))  # type: ignore[arg-type]
