"""The densities of the comparison with other libraries behind one face: build, train for so many steps, measure.

Neural spline flow: Durkan, Bekasov, Murray, Papamakarios, arXiv 1906.04032; masked autoregressive flow: Papamakarios,
Pavlakou, Murray, arXiv 1705.07057; RealNVP: Dinh, Sohl-Dickstein, Bengio, arXiv 1605.08803.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hamsym.errors import MissingExtraError, NonFiniteError
from learn.experiments.runs import ROTATION
from learn.flow.density import HamiltonianFlow
from learn.kernels.adam import clipped_step
from learn.symmetry.equivariance import density_invariance
from learn.training.fit import fit
from learn.training.run import CLIP
from learn.training.schedule import share_of_rate

ELEMENTS = 8  # turns of a point, over which log p is compared


class Model(Protocol):
    """A density that can be trained."""

    def train_on(self, q: Tensor, *, steps: int, batch: int, seed: int) -> None:
        """Train on points of shape (n, dim)."""

    def log_prob(self, q: Tensor, samples: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return log p, or the bound of so many draws on it, and its standard error, of shape (batch,) each."""

    def sample(self, n: int) -> Tensor:
        """Return n points."""

    def variation(self, q: Tensor, seed: int) -> tuple[float, float]:
        """Return by how much log p varies over rotations of the points, and the noise floor of that, in nats."""

    @property
    def size(self) -> int:
        """Number of parameters."""


class Hamiltonian:
    """A flow of this library, trained by the defaults of :func:`learn.fit`.

    Arguments:
        seed: of the first weights.
        symmetry: its mode.
        lr: largest learning rate; the default of ``fit`` if None.
        options: other than the defaults of :class:`learn.HamiltonianFlow`.

    Example:
        >>> Hamiltonian(0).sample(3).shape
        torch.Size([3, 2])
    """

    def __init__(
        self, seed: int, symmetry: str | None = None, *, lr: float | None = None, **options: Any
    ) -> None:
        self.rate: dict[str, Any] = {} if lr is None else {"lr": lr}
        self.flow = HamiltonianFlow(
            2, symmetry=symmetry, generators=(ROTATION,) if symmetry else (), seed=seed, **options
        )

    def train_on(self, q: Tensor, *, steps: int, batch: int, seed: int) -> None:
        fit(self.flow, q, steps=steps, batch=batch, seed=seed, progress=False, **self.rate)

    def log_prob(self, q: Tensor, samples: int, seed: int) -> tuple[Tensor, Tensor]:
        found = self.flow.estimate_log_prob(q, samples, seed=seed)
        return found.value, found.standard_error

    def sample(self, n: int) -> Tensor:
        return self.flow.sample(n)

    def variation(self, q: Tensor, seed: int) -> tuple[float, float]:
        value, floor = density_invariance(self.flow, [ROTATION], q, elements=ELEMENTS, seed=seed)
        return value, floor

    @property
    def size(self) -> int:
        return sum(w.numel() for w in self.flow.parameters())


class Exact:
    """A flow with an exact log density, trained by maximum likelihood on standardised points.

    Optimiser, schedule, clipping and compiled update are those of :func:`learn.fit`.

    Arguments:
        module: holds the parameters.
        log_density: of standardised points of shape (batch, dim), to (batch,).
        draw: so many standardised points.
        lr: largest learning rate.

    Example:
        >>> normal = torch.distributions.Normal(0.0, 1.0)
        >>> model = Exact(nn.Linear(1, 1), lambda z: normal.log_prob(z).sum(-1), lambda n: torch.randn(n, 2))
        >>> model.log_prob(torch.zeros(3, 2), 1, 0)[0].shape, model.size
        (torch.Size([3]), 2)
    """

    def __init__(
        self,
        module: nn.Module,
        log_density: Callable[[Tensor], Tensor],
        draw: Callable[[int], Tensor],
        lr: float = 1e-3,
    ) -> None:
        self.module, self.log_density, self.draw, self.lr = module, log_density, draw, lr
        self.mean, self.sd = torch.tensor(0.0), torch.tensor(1.0)

    def train_on(self, q: Tensor, *, steps: int, batch: int, seed: int) -> None:
        self.mean, self.sd = q.mean(0), q.std(0)
        z, weights = (q - self.mean) / self.sd, list(self.module.parameters())
        optimizer = torch.optim.Adam(weights, lr=self.lr, fused=True)
        random = torch.Generator().manual_seed(seed)
        for step in range(steps):
            rows = torch.randint(len(z), (batch,), generator=random)
            loss = -self.log_density(z[rows]).mean()
            if not math.isfinite(value := float(loss.detach())):
                raise NonFiniteError(
                    f"the loss became {value} at step {step + 1} with lr = {self.lr:g}; lower lr"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = self.lr * share_of_rate(step, steps)
            clipped_step(optimizer, weights, CLIP)

    @torch.no_grad()
    def log_prob(self, q: Tensor, samples: int, seed: int) -> tuple[Tensor, Tensor]:
        value = self.log_density((q - self.mean) / self.sd) - self.sd.log().expand(q.shape[-1]).sum()
        return value, torch.zeros_like(value)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        return self.mean + self.sd * self.draw(n)

    def variation(self, q: Tensor, seed: int) -> tuple[float, float]:
        random = torch.Generator().manual_seed(seed)
        angle = (torch.arange(ELEMENTS) + torch.rand((), generator=random)) * (2 * math.pi / ELEMENTS)
        c, s = angle.cos()[:, None], angle.sin()[:, None]
        turned = torch.stack([c * q[:, 0] - s * q[:, 1], s * q[:, 0] + c * q[:, 1]], -1)
        found = self.log_prob(turned.flatten(0, 1), 1, seed)[0].view(ELEMENTS, -1)
        return float(found.double().std(0).square().mean().sqrt()), 0.0

    @property
    def size(self) -> int:
        return sum(w.numel() for w in self.module.parameters())


@dataclass(frozen=True)
class Contender:
    """One model of the comparison.

    Attributes:
        key: its name in tables.
        words: what it is.
        build: makes it from the seed of its first weights and the largest learning rate, which flows of this library
            do not ask for.
        ours: whether it is a flow of this library; the learning rates of others are chosen by trial.
        symmetric: whether it is for targets with the rotation only.
    """

    key: str
    words: str
    build: Callable[[int, float], Model]
    ours: bool = False
    symmetric: bool = False


def package(name: str) -> Any:
    """Return another library of flows.

    Raises:
        MissingExtraError: if it is not installed.

    Example:
        >>> package("math").pi > 3
        True
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"the comparison with other flows needs the package {error.name!r}; pip install 'hamsym[flow-peers]'"
        ) from None


def _zuko(name: str, transforms: int) -> Callable[[int, float], Model]:
    def build(seed: int, lr: float) -> Model:
        make = getattr(package("zuko").flows, name)
        flow = _seeded(seed, lambda: make(2, transforms=transforms, hidden_features=(64, 64)))
        return Exact(flow, lambda z: flow().log_prob(z), lambda n: flow().sample((n,)), lr)

    return build


def _real_nvp(seed: int, lr: float) -> Model:
    nf = package("normflows")

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for _ in range(COUPLINGS):
            # its scales are bounded: with the library's default, exp, the loss soon became infinite
            inner = nf.nets.MLP([1, 64, 64, 2], init_zeros=True)
            layers.append(nf.flows.AffineCouplingBlock(inner, scale_map="sigmoid"))
            layers.append(nf.flows.Permute(2, mode="swap"))
        return nf.NormalizingFlow(nf.distributions.base.DiagGaussian(2), layers)

    flow: Any = _seeded(seed, make)
    return Exact(flow, flow.log_prob, lambda n: flow.sample(n)[0], lr)


def _seeded(seed: int, make: Callable[[], Any]) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


#: Coupling layers of RealNVP; the library's own example has 32, of which equal time allows few steps.
COUPLINGS = 12
CONTENDERS = (
    Contender("hamiltonian", "`HamiltonianFlow` of this library with its defaults", lambda seed, lr: Hamiltonian(seed), ours=True),
    Contender(
        "exact", "the same with `symmetry=\"exact\"`, on targets with the rotation",
        lambda seed, lr: Hamiltonian(seed, "exact"), ours=True, symmetric=True,
    ),
    Contender("nsf", "neural spline flow of zuko: 3 transforms, 8 bins, hidden layers 64, 64", _zuko("NSF", 3)),
    Contender("maf", "masked autoregressive flow of zuko: 6 transforms, hidden layers 64, 64", _zuko("MAF", 6)),
    Contender(
        "realnvp", f"RealNVP of normflows: {COUPLINGS} affine couplings with its bounded scales (`sigmoid`), hidden layers 64, 64",
        _real_nvp,
    ),
)  # fmt: skip
