"""A small variational auto-encoder: a representation that is learned without any symmetry, to be tested beside flows.

Source: Kingma, Welling, *Auto-Encoding Variational Bayes*, arXiv 1312.6114 (2013).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hamsym.arguments import integer, real
from hamsym.errors import ParameterError
from learn.arguments import seed_number
from learn.flow.architecture import MAX_WEIGHTS
from learn.points import as_points
from learn.training.objective import Batch, Objective, Progress


class VAE(nn.Module):
    """Points x ↦ a Gaussian over latent z ↦ a Gaussian over x, of one learned width.

    Arguments:
        inputs: numbers in a point.
        latent: numbers in z.
        width: units of the two inner layers of encoder and decoder.
        seed: of the first weights; the global state of torch if None.

    Raises:
        ParameterError: if a size is no positive integer, or they make more than 10⁸ weights.

    Example:
        >>> model = VAE(4, 2, width=8, seed=0)
        >>> mean, log_sd = model.encode(torch.zeros(5, 4))
        >>> mean.shape, model.decode(mean).shape
        (torch.Size([5, 2]), torch.Size([5, 4]))
    """

    def __init__(self, inputs: int, latent: int, width: int = 64, *, seed: int | None = None) -> None:
        super().__init__()
        self.inputs, self.latent, self.width = (
            integer(name, size, minimum=1, maximum=MAX_WEIGHTS)
            for name, size in (("inputs", inputs), ("latent", latent), ("width", width))
        )
        if _weights(self.inputs, self.latent, self.width) > MAX_WEIGHTS:
            raise ParameterError(
                f"inputs={inputs}, latent={latent}, width={width} make more than {MAX_WEIGHTS:.0e} weights"
            )
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed_number(seed))
            self.encoder = _layers(self.inputs, self.width, 2 * self.latent)
            self.decoder = _layers(self.latent, self.width, self.inputs)
        self.log_sd = nn.Parameter(torch.zeros(()))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation of z, each of shape (batch, latent)."""
        mean, log_sd = self.encoder(x).chunk(2, -1)
        return mean, log_sd

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of x, shape (batch, inputs)."""
        decoded: Tensor = self.decoder(z)
        return decoded

    @torch.no_grad()
    def represent(self, x: Any) -> Tensor:
        """Return the mean of z for points of shape (batch, inputs), anything that numpy reads: the representation.

        Example:
            >>> VAE(4, 2, width=8).represent([[0.0, 0.0, 0.0, 1.0]]).shape
            torch.Size([1, 2])
        """
        return self.encode(as_points(x, self.inputs, self.log_sd))[0]

    def config(self) -> dict[str, Any]:
        """Return the plain values that rebuild the model without its weights."""
        dtype = str(self.log_sd.dtype).removeprefix("torch.")
        return {"inputs": self.inputs, "latent": self.latent, "width": self.width, "dtype": dtype}


class EvidenceBound(Objective):
    """The negative ELBO of a VAE in nats a point: −E log p(x|z) + β KL(q(z|x) ‖ N(0, 1)), for ``learn.fit`` on points.

    Arguments:
        model: the VAE.
        beta: weight of the divergence; 1 for a bound of the likelihood.

    Example:
        >>> from learn import fit
        >>> result = fit(EvidenceBound(VAE(4, 2, width=8, seed=0)), torch.randn(64, 4), steps=3, batch=16, progress=False)
        >>> sorted(result.history)
        ['divergence', 'loss', 'seconds', 'step']
    """

    kind = "vae"
    names = ("x",)
    columns = {"divergence": None}  # noqa: RUF012

    def __init__(self, model: VAE, beta: float = 1.0) -> None:
        super().__init__(model)
        self.model: VAE = model
        self.beta = real("beta", beta, above=0)

    def transform(self, batch: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        """Return the points in the precision of the weights."""
        return (as_points(batch[0], self.model.inputs, self.model.log_sd),)

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the negative bound, and the divergence in it."""
        (x,) = batch.rows
        mean, log_sd = self.model.encode(x)
        noise = torch.randn(len(batch), self.model.latent, generator=random, dtype=x.dtype, device=x.device)
        decoded = self.model.decode(mean + log_sd.exp() * batch.share(noise))
        width = self.model.log_sd
        squares = (x - decoded).square() / (2 * (2 * width).exp()) + width + 0.5 * math.log(2 * math.pi)
        divergence = (0.5 * (mean.square() + (2 * log_sd).exp() - 1) - log_sd).sum(-1).mean()
        return squares.sum(-1).mean() + self.beta * divergence, {"divergence": divergence}

    def settings(self) -> dict[str, Any]:
        """Return what a resumed run must share."""
        return {"beta": self.beta}


def vae_from(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> VAE:
    """Return the model of a description, with other weights than those saved.

    Raises:
        HamsymError, KeyError, TypeError, ValueError: if it describes none, or one larger than the tensors.

    Example:
        >>> model = VAE(4, 2, width=8)
        >>> vae_from(model.config(), model.state_dict()).latent
        2
    """
    sizes = [config[name] for name in ("inputs", "latent", "width")]
    held = sum(t.numel() for t in tensors.values())
    # a description may claim any size; what the file holds bounds it before anything is allocated
    if any(type(size) is not int or size < 1 for size in sizes) or _weights(*sizes) > held:
        raise ValueError("it describes other weights than those that it holds")
    dtype = {"float32": torch.float32, "float64": torch.float64}.get(str(config.get("dtype")))
    if dtype is None:
        raise ValueError(f"it claims dtype {config.get('dtype')!r}; float32 and float64 are known")
    return VAE(*sizes).to(dtype)


def _layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
    )  # fmt: skip


def _weights(inputs: int, latent: int, width: int) -> int:
    return 2 * width * (inputs + width) + 3 * latent * width
