"""A film as the picture of a motion in a latent phase space, whose energy is learned with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError, ShapeError
from hamsym.numeric.methods import Method
from learn.arguments import MAX_NUMBERS, seed_number
from learn.hgn.convolutions import DIM, FEATURES, SIDE, MapDecoder, MapEncoder, MapStarter
from learn.hgn.energies import KINDS, build
from learn.hgn.images import as_film
from learn.hgn.networks import LAYERS, RANK, FrameEncoder, LayeredDecoder, ResidualMap
from learn.integrators import rollout
from learn.points import as_points, require_finite
from learn.storage import write

MAX_WEIGHTS = 10**8


class HGN(nn.Module):
    """Frames ↦ a Gaussian over z ↦ a state (q, p) ↦ a motion by a learned energy H ↦ pictures, drawn from q alone.

    Train it with ``learn.fit(learn.hgn.VideoELBO(model), images)``.  Since pictures see q only, and p is what moves q,
    places are found in q and velocities in p without being told.

    Source: Toth, Rezende, Jaegle, Racanière, Botev, Higgins, arXiv 1909.13789; a latent phase space of few coordinates
    instead of maps as in Higgins et al., arXiv 2111.05986.

    Arguments:
        size: pixels in a row and in a column of a picture.
        channels: numbers in a pixel.
        frames: that the encoder sees, two or more; the state is that of the first of them.
        dim: number of latent coordinates.
        dt: time between two frames.
        hamiltonian: "natural", H = pᵀ M⁻¹ p / 2 + U(q) with learned masses M; "separable", H = K(p) + U(q) with a
            network for each; "joint", one network of (q, p).
        width: units of every inner layer.
        depth: inner layers of the energy.
        networks: "dense", small ones of ``width`` for a phase space of few dimensions; "maps", the convolutions of the
            paper, with 48 maps of z, 16 of q and 16 of p, of which ``dim`` and the size of z follow (256 and 48 size²).
        seed: of the first weights; the global state of torch if None, which is left alone otherwise.

    Raises:
        ParameterError: for sizes out of range and an unknown kind of energy.

    Example:
        >>> model = HGN(size=8, dim=1, width=16, seed=0)
        >>> film = torch.rand(2, 5, 8, 8)
        >>> model.predict(film, 10).shape
        torch.Size([2, 11, 8, 8])
    """

    def __init__(
        self,
        size: int = 32,
        channels: int = 1,
        frames: int = 5,
        dim: int = 2,
        *,
        dt: float = 0.125,
        hamiltonian: str = "natural",
        width: int = 128,
        depth: int = 2,
        networks: str = "dense",
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.size, self.channels, self.dim, self.width, self.depth = (
            integer(name, value, minimum=1, maximum=most)
            for name, value, most in (
                ("size", size, 4096), ("channels", channels, 64), ("dim", dim, MAX_NUMBERS),
                ("width", width, MAX_NUMBERS), ("depth", depth, 100),
            )
        )  # fmt: skip
        self.frames = integer("frames", frames, minimum=2, maximum=1000)
        self.dt = real("dt", dt, above=0)
        if not isinstance(hamiltonian, str) or hamiltonian not in KINDS:
            raise ParameterError(
                f"hamiltonian is one of {', '.join(map(repr, KINDS))}, not {shown(hamiltonian)}"
            )
        self.hamiltonian_kind = hamiltonian
        if not isinstance(networks, str) or networks not in ("dense", "maps"):
            raise ParameterError(f"networks is 'dense' or 'maps', not {shown(networks)}")
        self.networks = networks
        if networks == "maps":
            if self.dim not in (2, DIM) or self.size % SIDE or (k := self.size // SIDE) & (k - 1):
                raise ParameterError(
                    f"networks='maps' has dim={DIM} and a size that is {SIDE} times a power of two, not dim={dim} and "
                    f"size={size}"
                )
            self.dim = DIM
        #: Numbers in z.
        self.latent = FEATURES * self.size**2 if networks == "maps" else 2 * self.dim
        pixels = self.channels * self.size**2
        weights = (
            self.width
            * (
                pixels
                + 2 * self.size * self.channels * LAYERS * RANK
                + (self.depth + 6) * self.width
                + 8 * self.dim
            )
            + 4 * self.dim**2
        )  # the forms of an energy
        if weights > MAX_WEIGHTS:
            raise ParameterError(
                f"size={size}, channels={channels}, dim={dim} and width={width} make {weights:.3g} weights, more than "
                f"the {MAX_WEIGHTS:.0e} that are allowed"
            )
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed_number(seed))
            self.encoder: nn.Module
            self.starter: nn.Module
            self.decoder: nn.Module
            if networks == "maps":
                self.encoder, self.starter = MapEncoder(self.channels, self.frames), MapStarter(self.size)
                self.decoder = MapDecoder(self.channels, self.size)
            else:
                self.encoder = FrameEncoder(pixels, self.frames, self.latent, self.width)
                self.starter = ResidualMap(self.latent, self.width)
                self.decoder = LayeredDecoder(self.dim, self.channels, self.size, self.width)
            self.hamiltonian = build(hamiltonian, self.dim, self.width, self.depth)

    # -- from films to states -------------------------------------------------------------------------------

    def encode(self, images: Any) -> Normal:
        """Return the posterior of z, of batch shape (batch, latent), from the first frames of films.

        Arguments:
            images: films of shape (batch, time, size, size) for one channel, or (batch, time, channels, size, size),
                at least ``frames`` long: numbers in [0, 1], or bytes.

        Raises:
            ShapeError: if the shape is another, or there are too few frames.
            NonFiniteError, ParameterError: if a number is not finite, or outside of [0, 1].

        Example:
            >>> HGN(size=8, dim=1, width=16).encode(torch.zeros(3, 5, 8, 8)).mean.shape
            torch.Size([3, 2])
        """
        film = as_film(images, self.channels, self.size, self.like, frames=self.frames)
        return self.posterior(film)

    def posterior(self, film: Tensor) -> Normal:
        """Return the posterior of z from films of shape (batch, time, channels, size, size), without a look at them."""
        mean, sd = self.encoder(film[:, : self.frames])
        return Normal(mean, sd, validate_args=False)

    def start(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state (q0, p0), each of shape (batch, dim), that z of shape (batch, latent) stands for."""
        q, p = self.starter(z).chunk(2, -1)
        return q, p

    def states(self, images: Any) -> tuple[Tensor, Tensor]:
        """Return the states (q0, p0) at the first frames, each of shape (batch, dim), at the mean of the posterior.

        Arguments:
            images: films, as for :meth:`encode`.

        Example:
            >>> q, p = HGN(size=8, dim=1, width=16).states(torch.zeros(3, 5, 8, 8))
            >>> q.shape
            torch.Size([3, 1])
        """
        return self.start(self.encode(images).mean)

    # -- motion ---------------------------------------------------------------------------------------------

    def energy(self, q: Any, p: Any) -> Tensor:
        """Return H(q, p) of shape (batch,), for states of shape (batch, dim); known up to a constant and a unit."""
        return self.hamiltonian.value(*self._states(q, p))

    @property
    def system(self) -> Any:
        """What ``learn.integrators`` steps: the two gradients of a separable energy, else the rates (∂H/∂p, −∂H/∂q)."""
        return self.hamiltonian if self.hamiltonian.is_separable else self._rates

    def _rates(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        of_q, of_p = self.hamiltonian.slopes(q, p)
        return of_p, -of_q

    def rollout(
        self, q0: Any, p0: Any, steps: int, *, dt: float | None = None, method: str | Method = "auto",
        save_every: int = 1,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return the motion from given states by Hamilton's equations.

        Arguments:
            q0, p0: states of shape (batch, dim).
            steps: how many.
            dt: time step; None for that of the frames.  Negative runs backward, smaller is slow motion.
            method: a name of ``learn.integrators.integrators()``; "auto" for "leapfrog", and for "rk4" if the energy
                is not separable.
            save_every: steps between stored states.

        Returns:
            (q, p), each of shape (batch, steps // save_every + 1, dim), the given states first.

        Raises:
            NotSeparableError: if a splitting method is given an energy that is not U(q) + K(p).
            NonFiniteError: if a trajectory leaves the numbers.
            ShapeError, ParameterError, UnknownNameError: for bad arguments.

        Example:
            >>> model = HGN(size=8, dim=1, width=16, seed=0).double()
            >>> q, p = model.rollout([[1.0]], [[0.5]], 20)
            >>> back, _ = model.rollout(q[:, -1], p[:, -1], 20, dt=-model.dt)
            >>> bool((back[:, -1] - 1.0).abs() < 1e-12)
            True
        """
        q, p = self._states(q0, p0)
        if isinstance(method, str) and method == "auto":
            method = self._method
        step = self.dt if dt is None else real("dt", dt)
        return rollout(self.system, q, p, step, steps, save_every=save_every, method=method)

    def move(self, q0: Tensor, p0: Tensor, steps: int) -> Tensor:
        """Return the coordinates (batch, steps + 1, dim) of a rollout at the pace of the frames, without a look at the start."""
        return rollout(self.system, q0, p0, self.dt, steps, method=self._method)[0]

    @property
    def _method(self) -> str:
        return "leapfrog" if self.hamiltonian.is_separable else "rk4"

    # -- pictures -------------------------------------------------------------------------------------------

    def decode(self, q: Any) -> Tensor:
        """Return pictures of coordinates, numbers in (0, 1).

        Arguments:
            q: coordinates of shape (…, dim); momenta are not seen.

        Returns:
            Shape (…, size, size) for one channel, else (…, channels, size, size).

        Example:
            >>> HGN(size=8, dim=1, width=16).decode(torch.zeros(3, 7, 1)).shape
            torch.Size([3, 7, 8, 8])
        """
        try:
            q = q if isinstance(q, Tensor) else torch.as_tensor(q)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ShapeError(f"coordinates are numbers of shape (…, {self.dim}): {error}") from error
        if q.numel() // self.dim * self.channels * self.size**2 > MAX_NUMBERS:
            raise ParameterError(
                f"{q.numel() // self.dim} pictures of {self.channels} x {self.size} x {self.size} are more than "
                f"{MAX_NUMBERS:.0e} numbers; draw fewer at a time"
            )
        if q.ndim < 2 or q.shape[-1] != self.dim:
            raise ShapeError(f"coordinates have shape (…, {self.dim}), not {tuple(q.shape)}")
        flat = as_points(q.reshape(-1, self.dim), self.dim, self.like)
        pictures = self.decoder(require_finite(flat, "q"))
        pictures = pictures.reshape(*q.shape[:-1], self.channels, self.size, self.size)
        return pictures.squeeze(-3) if self.channels == 1 else pictures

    def predict(self, images: Any, steps: int, *, dt: float | None = None, save_every: int = 1) -> Tensor:
        """Return the film that follows from the first frames of another, beginning with the first.

        Arguments:
            images: films, as for :meth:`encode`; frames behind the first few are not looked at.
            steps, dt, save_every: as for :meth:`rollout`.

        Returns:
            Pictures of shape (batch, steps // save_every + 1, size, size), with channels if there are more than one.

        Example:
            >>> HGN(size=8, dim=1, width=16).predict(torch.zeros(1, 5, 8, 8), 4, dt=-0.05).shape
            torch.Size([1, 5, 8, 8])
        """
        return self.decode(self.rollout(*self.states(images), steps, dt=dt, save_every=save_every)[0])

    def sample(
        self, n: int, steps: int, *, dt: float | None = None, save_every: int = 1, seed: int | None = None
    ) -> Tensor:
        """Return films of motions that begin at states drawn from the prior, z of a standard normal.

        Arguments:
            n: how many.
            steps, dt, save_every: as for :meth:`rollout`.
            seed: of the states; the global state of torch if None.

        Example:
            >>> HGN(size=8, dim=1, width=16).sample(2, 3, seed=0).shape
            torch.Size([2, 4, 8, 8])
        """
        n = integer("n", n, minimum=1, maximum=MAX_NUMBERS // self.latent)
        random = None if seed is None else torch.Generator().manual_seed(seed_number(seed))
        z = torch.randn(n, self.latent, generator=random, dtype=self.like.dtype).to(self.like.device)
        return self.decode(self.rollout(*self.start(z), steps, dt=dt, save_every=save_every)[0])

    # -- the model itself -----------------------------------------------------------------------------------

    @property
    def like(self) -> Tensor:
        """A tensor with the dtype and on the device of the weights."""
        return next(self.parameters())

    def config(self) -> dict[str, Any]:
        """Return the plain values that rebuild the model without its weights.

        Example:
            >>> HGN(size=8, dim=1, width=16).config()["hamiltonian"]
            'natural'
        """
        return {
            **{name: getattr(self, name) for name in ("size", "channels", "frames", "dim", "dt", "width", "depth", "networks")},
            "hamiltonian": self.hamiltonian_kind,
            "dtype": str(self.like.dtype).removeprefix("torch."),
        }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the model into the directory ``path`` (safetensors and json), atomically; ``learn.load`` reads it.

        Raises:
            CheckpointError: if the directory cannot be written.
        """
        write(path, "model", self.state_dict(), {"hgn": self.config()})

    def extra_repr(self) -> str:
        return f"size={self.size}, channels={self.channels}, frames={self.frames}, dim={self.dim}, dt={self.dt:g}"

    def _states(self, q: Any, p: Any) -> tuple[Tensor, Tensor]:
        q, p = as_points(q, self.dim, self.like), as_points(p, self.dim, self.like)
        if q.shape != p.shape:
            raise ShapeError(
                f"q and p have one shape (batch, {self.dim}), not {(*q.shape,)} and {(*p.shape,)}"
            )
        return require_finite(q, "q"), require_finite(p, "p")
