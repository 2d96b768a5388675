"""What a Hamiltonian generative network is trained on: the evidence of films under a bound on the error of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError, ShapeError
from learn.hgn.images import as_film
from learn.hgn.model import HGN
from learn.symmetry.multipliers import Ascent
from learn.training.objective import Batch, Objective, Progress

_TINY = 1e-300


class VideoELBO(Objective):
    """KL(q(z | film) ‖ N(0, 1)) as small as a bound on the mean square error of pixels allows.

    The negative ELBO of films with Gaussian pixels is KL + ½ Σ (error/σ)², up to a constant.  Instead of choosing σ, the
    mean square error is held at ``tolerance``²: the loss is (KL/N + λ (MSE − tolerance²))/(1 + λ), N the number of
    pixels of a film, and λ rises while a running mean of the error is above its bound and falls while it is below
    (GECO; :class:`learn.symmetry.multipliers.Ascent`).  So λ stands for 1/(2σ²), and KL + λ N MSE for the negative ELBO at that σ.  The
    factor 1/(1 + λ) changes no minimum and keeps the size of gradients.

    Films may begin out of focus (``focus``), for the encoder as for the comparison: places that are near each other then look
    alike, whatever the distance, so that q follows the places instead of a folded image of them that no energy can move.

    Rows are films, at least ``frames`` long; a piece of them at a random place is trained on.

    Source: Toth et al., arXiv 1909.13789, section 3; Rezende, Viola, *Taming VAEs*, arXiv 1810.00597.

    Arguments:
        model: of films.
        tolerance: root mean square error of pixels that is allowed, in units of full brightness.
        frames: length of the pieces that are decoded in training, from the first that the encoder sees.
        looks: frames of each piece that are drawn and compared, at random places; None for all.  Rolling out costs
            little, drawing much.
        blur: width of the blur at first, in units of the picture's side.
        focus: share of the training in which films come into focus; 0 for sharp ones throughout, which
            do better on a single mass.
        growth: share of the training after which all ``frames`` are rolled out; from ``focus`` on they become more, from
            as many as the encoder sees.
        initial: first value of λ.
        pace: log of the factor by which λ may move over the training.

    Raises:
        ParameterError: for numbers that make no sense.

    Example:
        >>> import learn
        >>> objective = VideoELBO(HGN(size=8, dim=1, width=16, seed=0), frames=6)
        >>> result = learn.fit(objective, torch.rand(8, 10, 8, 8), steps=2, batch=4, progress=False)
        >>> sorted(result.history)
        ['kl', 'lambda', 'loss', 'mse', 'seconds', 'step']
    """

    kind = "hgn"
    names = ("images",)
    columns = {"mse": None, "kl": None, "lambda": None}  # noqa: RUF012

    def __init__(
        self,
        model: HGN,
        *,
        tolerance: float = 0.03,
        frames: int = 20,
        looks: int | None = 8,
        blur: float = 0.3,
        focus: float = 0.0,
        growth: float = 0.6,
        initial: float = 1000.0,
        pace: float = 5.0,
    ) -> None:
        if not isinstance(model, HGN):
            raise ParameterError(f"model is an HGN, not {shown(model)}")
        super().__init__(model)
        self.model: HGN = model
        self.tolerance = real("tolerance", tolerance, above=0)
        self.frames = integer("frames", frames, minimum=model.frames, maximum=10_000)
        self.looks = None if looks is None else integer("looks", looks, minimum=1, maximum=10_000)
        self.growth = real("growth", growth, maximum=1, above=-_TINY)
        self.blur, self.focus = (
            real("blur", blur, maximum=1, above=0),
            real("focus", focus, maximum=1, above=-_TINY),
        )
        self.ascent = Ascent(
            1, tolerance=self.tolerance**2, initial=initial, pace=pace, loose=1.0, tightening=0.0, margin=0.0
        )

    def transform(self, batch: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        """Return pieces of the films at random places, numbers in [0, 1]."""
        if len(batch) != 1:
            raise ShapeError(f"rows are films alone, one tensor, not {len(batch)}")
        (films,) = batch
        length = films.shape[1] if films.ndim > 1 else 0
        if length < self.frames:
            raise ShapeError(f"films of at least {self.frames} frames are needed, not of {length}")
        first = torch.randint(length - self.frames + 1, (len(films), 1), generator=random)
        places = (first + torch.arange(self.frames)).to(films.device)
        pieces = films[torch.arange(len(films), device=films.device)[:, None], places]
        model = self.model
        return (as_film(pieces, model.channels, model.size, model.like, frames=self.frames),)

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the loss of a batch, and its mean square error, divergence and multiplier."""
        model = self.model
        (film,) = batch.rows
        noise = torch.randn(len(batch), model.latent, generator=random, dtype=film.dtype)
        until = self._until(progress)
        looks = torch.arange(until)
        if self.looks is not None and self.looks < until:
            looks = torch.randperm(until, generator=random)[: self.looks].sort().values
        lens, seen_film = None, film[:, : model.frames]
        if (width := self._blur(progress)) > 0:
            lens = blurring(model.size, width).to(film)
            blurred = lens @ seen_film @ lens.T
            seen_film = (
                blurred * (seen_film.square().mean() / blurred.square().mean().clamp(min=1e-30)).sqrt()
            )
        posterior = model.posterior(seen_film)
        z = posterior.mean + posterior.stddev * batch.share(noise).to(film.device)
        divergence = kl_to_standard(posterior.mean, posterior.stddev).mean()
        looks = looks.to(film.device)
        q = model.move(*model.start(z), max(1, until - 1))[:, looks]
        drawn = model.decoder(q.flatten(0, 1)).reshape(*q.shape[:2], *film.shape[2:])
        error = drawn - film[:, looks]
        mse = seen = error.square().mean()
        if lens is not None:
            # in units of what is left to see: out of focus all differences are small
            about = film - film.mean((0, 1))
            left = (lens @ about @ lens.T).square().mean().clamp(min=1e-30)
            seen = (lens @ error @ lens.T).square().mean() * about.square().mean() / left
        (strength,) = self.ascent.multipliers
        numbers = film[0].numel()
        loss = (divergence / numbers + strength * (seen - self.tolerance**2)) / (1 + strength)
        return loss, {"mse": mse, "kl": divergence, "lambda": strength}

    def _until(self, progress: Progress) -> int:
        """Frames of a piece that are rolled out at a time of the training."""
        left = max(0.0, self.growth - progress.share)
        share = 1 - min(1.0, left / max(self.growth - self.focus, 1e-9))
        return self.model.frames + round(share * (self.frames - self.model.frames))

    def _blur(self, progress: Progress) -> float:
        """Width of the blur at a time of the training, in pixels."""
        left = 1 - progress.share / self.focus if self.focus else 0.0
        return self.blur * self.model.size * left if left > 0 else 0.0

    def after_step(self, numbers: Mapping[str, Any], progress: Progress) -> None:
        """Move λ: up while the running mean of the error is above its bound, down while it is below."""
        self.ascent.update([numbers["mse"]], progress.step, progress.steps)

    def score(self, held_out: tuple[Tensor, ...], random: torch.Generator) -> float:
        """Return the negative mean square error of whole pieces at the mean of the posterior."""
        with torch.no_grad():
            (film,) = self.transform(held_out, random)
            model = self.model
            drawn = model.predict(film, max(1, self.frames - 1))
            return -float((drawn.reshape(film.shape) - film).square().mean())

    def settings(self) -> dict[str, Any]:
        """Return what a resumed run must share."""
        names = ("tolerance", "frames", "looks", "blur", "focus", "growth")
        return {name: getattr(self, name) for name in names} | {
            "initial": self.ascent.initial, "pace": self.ascent.pace, "model": self.config(),
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Return the multiplier and its running mean."""
        return self.ascent.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state` returned."""
        self.ascent.restore(state)

    def summary(self, numbers: Mapping[str, Any]) -> dict[str, str]:
        """Return what the bar shows."""
        return {"mse": f"{numbers['mse']:.2e}", "kl": f"{numbers['kl']:.1f}", "λ": f"{numbers['lambda']:.3g}"}


def blurring(size: int, width: float) -> Tensor:
    """Return the matrix that blurs a row of pixels by a Gaussian of some width in pixels; its rows add up to one.

    Example:
        >>> blurring(3, 1e-3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    place = torch.arange(size, dtype=torch.float64)
    kernel = (-0.5 * ((place[:, None] - place) / max(width, 1e-3)).square()).exp()
    return kernel / kernel.sum(1, keepdim=True)


def kl_to_standard(mean: Tensor, sd: Tensor) -> Tensor:
    """Return KL(N(mean, sd²) ‖ N(0, 1)), summed over the last axis.

    Example:
        >>> kl_to_standard(torch.zeros(1, 2), torch.ones(1, 2))
        tensor([0.])
    """
    return 0.5 * (mean.square() + sd.square() - 1 - 2 * sd.log()).sum(-1)
