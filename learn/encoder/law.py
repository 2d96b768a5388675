"""The law f(p|q): what every encoder is."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from learn.encoder.moments import Moments, distribution
from learn.encoder.network import InnerNetwork
from learn.points import as_points, blames_weights, require_finite


class Encoder(nn.Module, ABC):
    """A Gaussian over p for each q; those that follow say of what their network makes its mean and factor.

    Arguments:
        dim: number of coordinates.

    Attributes:
        network: of the encoder; it has to be set.
        unit: of length; momenta are measured in its inverse.

    Example:
        >>> from learn import HamiltonianFlow
        >>> isinstance(HamiltonianFlow(2, hamiltonians=1, width=4).encoder, Encoder)
        True
    """

    network: InnerNetwork
    unit: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("unit", torch.tensor(1.0))

    @abstractmethod
    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given finite q of shape (batch, dim)."""

    @blames_weights
    def forward(self, q: Tensor) -> MultivariateNormal:
        """Return the distribution of p given q of shape (batch, dim), with batch shape (batch,).

        Arguments:
            q: points of shape (batch, dim), whatever holds real numbers.

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point, or what the network makes of it, is not finite.
        """
        return distribution(self.moments(require_finite(as_points(q, self.dim, self.unit), "q")))


EncoderLike = TypeVar("EncoderLike", bound=Encoder)


def encoder_given(encoder: EncoderLike, context: Tensor | None) -> EncoderLike:
    """Return an encoder at a context, of shape (k,) or (batch, k), with the same weights; as it is if that is None.

    Example:
        >>> from learn.encoder import GaussianEncoder
        >>> law = encoder_given(GaussianEncoder(2, width=4, context=1), torch.zeros(1))(torch.zeros(3, 2))
        >>> law.sample().shape
        torch.Size([3, 2])
    """
    if context is None:
        return encoder
    given = copy.copy(encoder)
    given._modules = {**encoder._modules, "network": encoder.network.given(context)}
    return given
