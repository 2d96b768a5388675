"""The encoder f(p|q): a Gaussian over the momentum that the data do not show."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from hamsym.errors import ParameterError
from learn import kernels
from learn.features import Features
from learn.lattice import lattice_noise
from learn.perceptron import FusedPerceptron
from learn.points import as_points, require_finite

#: Standard deviations are kept within e^±6 of the momentum unit.
LOG_SD_LIMIT = 6.0


@dataclass(frozen=True)
class Moments:
    """p = mean + factor·ε with ε ~ N(0, I).

    Attributes:
        mean: shape (batch, dim).
        factor: invertible matrices, shape (batch, dim, dim).
        log_det: log |det factor|, shape (batch,); of its part beside ``removed``.
        removed: orthonormal directions that p does not have, of shape (t, dim); f is then a density on the others.

    Example:
        >>> moments = GaussianEncoder(2, width=4).moments(torch.zeros(5, 2))
        >>> moments.mean.shape, moments.factor.shape, moments.log_det.shape
        (torch.Size([5, 2]), torch.Size([5, 2, 2]), torch.Size([5]))
    """

    mean: Tensor
    factor: Tensor
    log_det: Tensor
    removed: Tensor | None = None

    @property
    def freedom(self) -> int:
        """Number of dimensions of the law."""
        return self.mean.shape[-1] - (0 if self.removed is None else len(self.removed))

    def noise(self, samples: int, generator: torch.Generator | None = None, *, even: bool = False) -> Tensor:
        """Return standard normal numbers for ``samples`` draws at each point, independent ones or ``even`` ones.

        Arguments:
            samples: number of draws.
            generator: of torch; the global state if None.
            even: whether the draws of one point fill space evenly (:func:`learn.lattice.lattice_noise`).

        Returns:
            Noise of shape (batch, samples, dim).

        Example:
            >>> GaussianEncoder(2, width=4).moments(torch.zeros(5, 2)).noise(3).shape
            torch.Size([5, 3, 2])
        """
        like = self._like
        if even:
            return lattice_noise(len(like), samples, self._dim, like, generator)
        shape = len(like), samples, self._dim
        return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)

    def log_density(self, noise: Tensor, widening: float = 1.0) -> Tensor:
        """Return the log density, shape (batch, samples), at what :meth:`draw` makes of noise.

        Arguments:
            noise: of shape (batch, samples, dim).
            widening: of the law, in standard deviations of this one.

        Example:
            >>> moments = GaussianEncoder(2, width=4).moments(torch.zeros(5, 2))
            >>> noise = moments.noise(3)
            >>> torch.allclose(moments.log_density(noise), moments.draw(noise)[1], atol=1e-5)
            True
        """
        if self.removed is not None:
            noise = noise - (noise @ self.removed.T) @ self.removed
        constant = self.freedom * (0.5 * math.log(2 * math.pi) + math.log(widening))
        return -0.5 * (noise / widening).square().sum(-1) - constant - self.log_det[:, None]

    @property
    def _like(self) -> Tensor:
        return self.mean

    @property
    def _dim(self) -> int:
        return self.mean.shape[-1]

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return p and log f(p|q), of shapes (batch, samples, dim) and (batch, samples), from standard noise.

        Arguments:
            noise: standard normal numbers of shape (batch, samples, dim).

        Example:
            >>> p, log_f = GaussianEncoder(2, width=4).moments(torch.zeros(5, 2)).draw(torch.randn(5, 3, 2))
            >>> p.shape, log_f.shape
            (torch.Size([5, 3, 2]), torch.Size([5, 3]))
        """
        if self.removed is not None:
            noise = noise - (noise @ self.removed.T) @ self.removed
        return self.mean[:, None] + noise @ self.factor.mT, self.log_density(noise)


class TriangularMoments(Moments):
    """Moments with a triangular factor, from which momenta are drawn on the CPU kernels; the rest is made when asked for.

    Arguments:
        raw: mean, log of the diagonal of the factor and what is below it, shape (batch, dim + dim (dim + 1)/2).
        unit: of length.
        below: places of what is below the diagonal.

    Example:
        >>> moments = TriangularMoments(torch.zeros(3, 5), torch.tensor(1.0), torch.tril_indices(2, 2, -1))
        >>> moments.factor[0]
        tensor([[1., 0.],
                [0., 1.]])
    """

    def __init__(self, raw: Tensor, unit: Tensor, below: Tensor) -> None:
        d = (1 + math.isqrt(1 + 8 * below.shape[1])) // 2
        object.__setattr__(self, "_given", (raw, unit, below, d))
        object.__setattr__(self, "removed", None)

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        raw, _, below, d = self._given  # type: ignore[attr-defined]
        mean, log_sd, off = raw.split([d, d, below.shape[1]], -1)
        return mean, log_sd.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT), off

    @property
    def _like(self) -> Tensor:
        return self._given[0]  # type: ignore[attr-defined,no-any-return]

    @property
    def _dim(self) -> int:
        return self._given[3]  # type: ignore[attr-defined,no-any-return]

    @property
    def freedom(self) -> int:
        """Number of dimensions of the law."""
        return self._given[3]  # type: ignore[attr-defined,no-any-return]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        """The mean, shape (batch, dim)."""
        return self._parts()[0] / self._given[1]  # type: ignore[attr-defined]

    @property
    def factor(self) -> Tensor:  # type: ignore[override]
        """The factor, shape (batch, dim, dim)."""
        _, unit, below, _ = self._given  # type: ignore[attr-defined]
        _, log_sd, off = self._parts()
        return _triangle(log_sd.exp(), off, below) / unit

    @property
    def log_det(self) -> Tensor:  # type: ignore[override]
        """The logarithm of its determinant, shape (batch,)."""
        _, unit, _, d = self._given  # type: ignore[attr-defined]
        return self._parts()[1].sum(-1) - d * unit.log()

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        raw, unit, *_ = self._given  # type: ignore[attr-defined]
        if kernels.applies(raw, noise) and not noise.requires_grad:
            return FusedDraw.apply(raw, noise, unit)
        return super().draw(noise)

    draw.__doc__ = Moments.draw.__doc__


class FusedDraw(torch.autograd.Function):
    """p and log f(p|q) from the outputs of a network, on the CPU kernels."""

    @staticmethod
    def forward(ctx: Any, raw: Tensor, noise: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(raw, noise, unit)
        return kernels.draw(raw, noise, float(unit), LOG_SD_LIMIT)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        raw, noise, unit = ctx.saved_tensors
        if torch.is_grad_enabled():  # this pass is itself to be differentiated
            d = noise.shape[-1]
            below = torch.tril_indices(d, d, -1)
            value = Moments.draw(TriangularMoments(raw, unit, below), noise)
            return (*torch.autograd.grad(value, raw, cotangents, create_graph=True), None, None)
        return kernels.draw_pulled(raw, noise, float(unit), LOG_SD_LIMIT, *cotangents), None, None


class GaussianEncoder(nn.Module):
    """Gaussian with a full covariance; mean and Cholesky factor come from a network of q.

    Arguments:
        dim: number of coordinates.
        width: units in each of the two inner layers (SiLU).
        context: numbers that the network looks at too.

    Example:
        >>> law = GaussianEncoder(2)(torch.zeros(3, 2))
        >>> law.sample().shape, law.log_prob(torch.zeros(3, 2)).shape
        (torch.Size([3, 2]), torch.Size([3]))
    """

    unit: Tensor
    below: Tensor

    def __init__(self, dim: int, width: int = 64, context: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.network = InnerNetwork(dim, width, dim + dim * (dim + 1) // 2, context)
        register_unit(self)
        self.register_buffer("below", torch.tril_indices(dim, dim, -1), persistent=False)

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        d = self.dim
        raw = self.network(q / self.unit)
        if kernels.applies(raw, self.unit):
            return TriangularMoments(raw, self.unit, self.below)
        mean, log_sd, off = raw.split([d, d, d * (d - 1) // 2], -1)
        log_sd = log_sd.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)
        factor = _triangle(log_sd.exp(), off, self.below)
        return Moments(mean / self.unit, factor / self.unit, log_sd.sum(-1) - d * self.unit.log())

    def forward(self, q: Tensor) -> MultivariateNormal:
        """Return the distribution of p given q of shape (batch, dim), with batch shape (batch,).

        Arguments:
            q: points of shape (batch, dim), whatever holds real numbers.

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point, or what the network makes of it, is not finite.
        """
        return distribution(self.moments(require_finite(as_points(q, self.dim, self.unit), "q")))


class FrameEncoder(nn.Module):
    """Gaussian with f(Rp|Rq) = f(p|q) for every rotation R of the given blocks of coordinates.

    Mean and covariance are written in the frame that q itself carries: along q_block and, in a plane, across it;
    in a block of three or more coordinates the directions across share one variance.  The network sees only block
    lengths and untouched coordinates.  Towards the origin of a block, where the frame is lost, the mean goes to
    zero and the covariance to a multiple of the identity, so the law stays continuous.

    Arguments:
        dim: number of coordinates.
        blocks: sets of coordinates that rotate among themselves.
        width: units in each of the two inner layers (SiLU).
        context: numbers that the network looks at too.

    Example:
        >>> law = FrameEncoder(2, [(0, 1)])(torch.zeros(1, 2))
        >>> bool((law.mean == 0).all())
        True
    """

    unit: Tensor
    below: Tensor

    def __init__(self, dim: int, blocks: Sequence[Sequence[int]], width: int = 64, context: int = 0) -> None:
        super().__init__()
        rotated = {i for block in blocks for i in block}
        kept = [i for i in range(dim) if i not in rotated]
        self.dim = dim
        self.blocks, self.kept = tuple(map(tuple, blocks)), tuple(kept)
        self.features = Features.of(dim, kept, blocks)
        # columns of the frame: per block along (and, in a plane, across), then the kept coordinates
        self.columns = sum(2 if len(block) == 2 else 1 for block in blocks) + len(kept)
        n = self.columns
        outputs = 2 * n + n * (n - 1) // 2 + len(blocks)
        self.network = InnerNetwork(self.features.size, width, outputs, context)
        register_unit(self)
        self.register_buffer("below", torch.tril_indices(n, n, -1), persistent=False)

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        x = q / self.unit
        n, blocks = self.columns, self.blocks
        sizes = [n, n, n * (n - 1) // 2, len(blocks)]
        mean, log_sd, off, log_across = self.network(self.features(x)).split(sizes, -1)
        log_sd = log_sd.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)
        log_across = log_across.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)

        frame = x.new_zeros(len(x), self.dim, n)
        trust = torch.ones_like(mean)  # 0 where the frame is lost, 1 far from there
        column_block = torch.zeros_like(mean)
        wide = x.new_zeros(len(x), self.dim, self.dim)
        log_det = torch.zeros_like(x[:, 0])
        at = 0
        for k, block in enumerate(blocks):
            index = list(block)
            along, weight = _direction(x[:, index], self.features.smoothing)
            columns = 2 if len(block) == 2 else 1
            frame[:, index, at] = along
            if columns == 2:
                frame[:, index, at + 1] = torch.stack([-along[:, 1], along[:, 0]], -1)
            else:
                sd = log_across[:, k].exp()
                projector = (
                    torch.eye(len(block), dtype=x.dtype, device=x.device) - along[:, :, None] * along[:, None]
                )
                rows = torch.tensor(index, device=x.device)
                wide[:, rows[:, None], rows[None]] = sd[:, None, None] * projector
                log_det = log_det + (len(block) - 1) * log_across[:, k]
            trust[:, at : at + columns] = weight[:, None]
            column_block[:, at : at + columns] = log_across[:, k, None]
            at += columns
        for column, i in enumerate(self.kept, start=at):
            frame[:, i, column] = 1

        log_sd = column_block + trust * (log_sd - column_block)
        off = off * trust[:, self.below[0]] * trust[:, self.below[1]]
        core = _triangle(log_sd.exp(), off, self.below)
        factor = frame @ core @ frame.mT + wide
        centre = (frame @ (mean * trust)[..., None])[..., 0]
        log_det = log_det + log_sd.sum(-1) - self.dim * self.unit.log()
        return Moments(centre / self.unit, factor / self.unit, log_det)

    def forward(self, q: Tensor) -> MultivariateNormal:
        """Return the distribution of p given q of shape (batch, dim), with batch shape (batch,).

        Arguments:
            q: points of shape (batch, dim), whatever holds real numbers.

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point, or what the network makes of it, is not finite.
        """
        return distribution(self.moments(require_finite(as_points(q, self.dim, self.unit), "q")))


def _direction(x: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """The unit vector along x and its trust |x|²/(|x|² + ε²); the first axis where x = 0."""
    square = x.square().sum(-1)
    found = square > 0
    along = x / torch.where(found, square, 1.0).sqrt()[:, None]
    first = torch.zeros_like(x)
    first[:, 0] = 1
    return torch.where(found[:, None], along, first), square / (square + smoothing**2)


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
        return FusedPerceptron.apply(x, self.shift, *(t for layer in layers for t in layer.values()))


EncoderLike = TypeVar("EncoderLike", bound=nn.Module)


def encoder_given(encoder: EncoderLike, context: Tensor | None) -> EncoderLike:
    """Return an encoder at a context, of shape (k,) or (batch, k), with the same weights; as it is if that is None.

    Example:
        >>> law = encoder_given(GaussianEncoder(2, width=4, context=1), torch.zeros(1))(torch.zeros(3, 2))
        >>> law.sample().shape
        torch.Size([3, 2])
    """
    if context is None:
        return encoder
    given = copy.copy(encoder)
    given._modules = {**encoder._modules, "network": encoder.network.given(context)}  # type: ignore[union-attr,operator]
    return given


def register_unit(module: nn.Module) -> None:
    """Give a module the buffer ``unit``, one at first."""
    module.register_buffer("unit", torch.tensor(1.0))


def _triangle(diagonal: Tensor, off: Tensor, below: Tensor) -> Tensor:
    factor = torch.diag_embed(diagonal)
    if off.shape[-1]:
        factor[:, below[0], below[1]] = off
    return factor


def distribution(moments: Moments) -> MultivariateNormal:
    """Return the Gaussian with these moments.

    Raises:
        NonFiniteError: if they are not finite.
    """
    require_finite(moments.mean, "the mean of p")
    require_finite(moments.factor, "the factor of p")
    covariance = moments.factor @ moments.factor.mT
    return MultivariateNormal(moments.mean, scale_tril=torch.linalg.cholesky(covariance), validate_args=False)
