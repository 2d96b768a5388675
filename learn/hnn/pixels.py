"""An energy learned from pictures: an autoencoder whose latent state moves by Hamilton's equations.

Source: Greydanus, Dzamba, Yosinski, arXiv 1906.01563, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError, ShapeError
from learn.arguments import MAX_NUMBERS, seed_number
from learn.flow.architecture import MAX_WEIGHTS
from learn.hnn.field import FieldNetwork
from learn.hnn.functions import orthogonal
from learn.hnn.model import HNN
from learn.points import require_finite
from learn.training.objective import Batch, Objective, Progress

#: Share of the residual of the latent motion in the loss, as published.
MOTION = 0.1
#: Where the energy's slopes are taken that lead from one latent state to the next.
STEPS = ("euler", "midpoint")


class Perceptron(nn.Module):
    """Four layers of ReLU, the inner two added to what they are given.

    Arguments:
        inputs, width, outputs: sizes.

    Example:
        >>> Perceptron(5, 4, 3)(torch.zeros(2, 5)).shape
        torch.Size([2, 3])
    """

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs of shape (batch, outputs)."""
        x = relu(self.first(x))
        for layer in self.inner:
            x = x + relu(layer(x))
        return self.last(x)


class PixelHNN(nn.Module):
    """Two frames in a row ↦ a latent state (z_q, z_p) ↦ the frames; the state moves by a learned energy, or field.

    Arguments:
        pixels: of one frame.
        dim: number of latent coordinates.
        width: of all inner layers; 200 as published.
        energy: whether the state moves by Hamilton's equations; otherwise by a bare vector field, the baseline.
        seed: of the first weights.

    Example:
        >>> model = PixelHNN(9, width=8, seed=0)
        >>> z_q, z_p = model.encode(torch.zeros(4, 2, 9))
        >>> z_q.shape, model.decode(z_q, z_p).shape
        (torch.Size([4, 1]), torch.Size([4, 2, 9]))
    """

    def __init__(
        self, pixels: int, dim: int = 1, *, width: int = 200, energy: bool = True, seed: int | None = None
    ) -> None:
        super().__init__()
        self.pixels = integer("pixels", pixels, minimum=1, maximum=MAX_NUMBERS)
        self.width = integer("width", width, minimum=1, maximum=MAX_NUMBERS)
        if (weights := 4 * self.width * (self.pixels + self.width)) > MAX_WEIGHTS:
            raise ParameterError(
                f"pixels={self.pixels} and width={self.width} make {weights:.3g} weights, more than the "
                f"{MAX_WEIGHTS:.0e} that are allowed"
            )
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed_number(seed))
            self.latent = HNN(dim, self.width) if energy else FieldNetwork(dim, self.width)
            self.encoder = orthogonal(Perceptron(2 * self.pixels, self.width, 2 * dim))
            self.decoder = orthogonal(Perceptron(2 * dim, self.width, 2 * self.pixels))

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return (z_q, z_p), each of shape (batch, dim), of pairs of frames of shape (batch, 2, pixels) in [0, 1]."""
        like = next(iter(self.parameters()))
        if (
            not isinstance(frames, Tensor)
            or tuple(frames.shape[1:]) != (2, self.pixels)
            or frames.dtype != like.dtype
        ):
            raise ShapeError(
                f"pairs of frames are a tensor of shape (batch, 2, {self.pixels}) in {like.dtype}, not "
                f"{shown(getattr(frames, 'shape', frames))} {getattr(frames, 'dtype', '')}"
            )
        z_q, z_p = self.encoder(require_finite(frames, "frames").flatten(1)).chunk(2, -1)
        return z_q, z_p

    def decode(self, z_q: Tensor, z_p: Tensor) -> Tensor:
        """Return pairs of frames of shape (batch, 2, pixels) of latent states."""
        return self.decoder(torch.cat([z_q, z_p], -1)).unflatten(-1, (2, self.pixels))

    def config(self) -> dict[str, Any]:
        """Return the plain values that rebuild the model without its weights.

        Example:
            >>> PixelHNN(9, width=8).config()["energy"]
            True
        """
        return {
            "pixels": self.pixels, "dim": self.latent.dim, "width": self.width, "energy": isinstance(self.latent, HNN),
            "dtype": str(next(iter(self.parameters())).dtype).removeprefix("torch."),
        }  # fmt: skip

    def loss(self, step: str = "euler") -> PixelLoss:
        """Return the objective for ``learn.fit`` on rows of three frames.

        Arguments:
            step: "euler", as published, or "midpoint"; see :class:`PixelLoss`.
        """
        return PixelLoss(self, step)


class PixelLoss(Objective):
    """|x − decode(encode(x))|² + |z_p − (z_q' − z_q)|² + 0.1 |z' − z − J∇H(z*)|², means over batch and components.

    x are two frames in a row, z their latent state, z' that of the two frames one frame later: the second term makes
    z_p a velocity in units of a frame, the third is a step of one frame.  By Euler's rule z* = z, as published; but states
    of frames are symplectic maps of each other and Euler's step is none, so what is left of the residual bends H.  The
    midpoint, z* = (z + z')/2, is symplectic, and costs as much.

    Rows are three frames in a row, shape (batch, 3, pixels): numbers in [0, 1], or bytes.

    Arguments:
        model: of frames.
        step: "euler" or "midpoint".

    Raises:
        ParameterError: for another step.

    Example:
        >>> rows = (torch.rand(4, 3, 9),)
        >>> loss, numbers = PixelLoss(PixelHNN(9, width=8)).loss(
        ...     Batch(rows), torch.Generator(), Progress(0, 1)
        ... )
        >>> sorted(numbers), bool(loss > 0)
        (['autoencoder', 'canonical', 'motion'], True)
    """

    kind = "pixel_hnn"
    names = ("frames",)
    columns = {"autoencoder": None, "canonical": None, "motion": None}  # noqa: RUF012

    def __init__(self, model: PixelHNN, step: str = "euler") -> None:
        super().__init__(model)
        self.model: PixelHNN = model
        if step not in STEPS:
            raise ParameterError(f"step is one of {', '.join(map(repr, STEPS))}, not {shown(step)}")
        self.step = step

    def transform(self, batch: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        """Return the frames as numbers in [0, 1] in the precision of the weights."""
        if len(batch) != 1:
            raise ShapeError(f"the data are frames alone, one tensor, not {len(batch)}")
        (frames,) = batch
        if frames.ndim != 3 or tuple(frames.shape[1:]) != (3, self.model.pixels):
            raise ShapeError(
                f"the data are three frames in a row, shape (n, 3, {self.model.pixels}), not {tuple(frames.shape)}"
            )
        like = next(iter(self.model.parameters()))
        return ((frames.to(like.dtype) / 255 if frames.dtype == torch.uint8 else frames.to(like.dtype)),)

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the loss and its three parts."""
        (frames,) = batch.rows
        model = self.model
        now, after = frames[:, :2], frames[:, 1:]
        # one call for both pairs: the layers of one are too small to fill the machine
        z_q, z_p = model.encode(torch.cat([now, after]))
        (q, q_next), (p, p_next) = z_q.chunk(2), z_p.chunk(2)
        between = (q, p) if self.step == "euler" else ((q + q_next) / 2, (p + p_next) / 2)
        dq, dp = model.latent.rates(*between)
        parts = {
            "autoencoder": (model.decode(q, p) - now).square().mean(),
            "canonical": (p - (q_next - q)).square().mean(),
            "motion": 0.5 * ((q + dq - q_next).square().mean() + (p + dp - p_next).square().mean()),
        }
        return parts["autoencoder"] + parts["canonical"] + MOTION * parts["motion"], parts

    def settings(self) -> dict[str, Any]:
        """Return the rule of the step."""
        return {"step": self.step}
