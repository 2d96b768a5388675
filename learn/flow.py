"""The Hamiltonian flow: a density on coordinates, moved by a chain of learned separable Hamiltonians.

Source: Rezende, Racanière, Higgins, Toth, arXiv 1909.13739 (equations E1–E6 of that paper's method); the
importance-weighted bound is Burda, Grosse, Salakhutdinov, arXiv 1509.00519.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError, ShapeError, SymmetryError
from learn.arguments import seed_number
from learn.encoder import FrameEncoder, GaussianEncoder, Moments
from learn.leapfrog import SeparableHamiltonian, leapfrog
from learn.points import as_points, require_finite
from learn.potentials import Features, RidgePotential
from learn.proof import prove_invariance
from learn.storage import write
from learn.symmetry import as_generators, measure_brackets, rotation_blocks

MAX_WEIGHTS = 10**8
MAX_LENGTH = 10**4  # Hamiltonians, and steps of each
MAX_UNIT = 1e30
MAX_NUMBERS = 10**9  # in what one call returns
OVERFLOW = "the states or the weights are too large for this precision; use smaller ones or flow.double()"

MODES = (None, "penalty", "features", "exact")
_CHUNK = 1 << 15  # states moved at once when a likelihood is estimated: about 50 MB


@dataclass(frozen=True)
class LogProbEstimate:
    """An importance-weighted estimate of log p(q), with its own reliability.

    Attributes:
        value: the bound log (1/K) Σ_k w_k, shape (batch,); in expectation below log p(q), and rising to it with K.
        standard_error: delta-method standard error of ``value``, shape (batch,).
        effective_samples: (Σw)²/Σw², between 1 and K, shape (batch,).

    Example:
        >>> estimate = HamiltonianFlow(1, hamiltonians=1, width=4).estimate_log_prob([[0.0]], 20)
        >>> bool(1 <= estimate.effective_samples <= 20.001)
        True
    """

    value: Tensor
    standard_error: Tensor
    effective_samples: Tensor


class HamiltonianFlow(nn.Module):
    """A density on q: Gaussian states (q₀, p₀) carried by leapfrog, with p integrated out.

    Every step has unit Jacobian, so log p(q, p) = log π(q₀, p₀) without any determinant.

    Arguments:
        dim: number of coordinates.
        hamiltonians: number of different Hamiltonians in the chain.
        steps: leapfrog steps of each.
        width: units in each potential and in the encoder.
        symmetry: None; "penalty" (the paper's: free potentials and a fixed time step, so that a BracketConstraint
            has a meaning; ``fit`` uses ``BracketConstraint(generators)`` if it is given no other); "features" (the same
            potentials with the lengths of the rotated blocks as further inputs; constrained only if ``fit`` is given
            a constraint); "exact" (potentials of the invariants only, so {H, g} = 0 whatever the weights).
        generators: hamsym generators, or formulas in q1…qn, p1…pn; every mode but None needs them.
        dt: first value of each time step.
        seed: of the first weights; the global state of torch if None, which is left alone otherwise.

    Raises:
        SymmetryError: for an unknown mode, or generators that the mode cannot use.
        ParameterError: for sizes that are not positive integers, more than 10⁴ Hamiltonians or steps, or more
            than 10⁸ weights.

    Example:
        >>> flow = HamiltonianFlow(2, hamiltonians=2, width=8, symmetry="exact", generators="q1*p2 - q2*p1", seed=0)
        >>> flow.sample(3, seed=0).shape, flow.log_prob(torch.zeros(5, 2), samples=10).shape
        (torch.Size([3, 2]), torch.Size([5]))
        >>> [verdict.status for verdict in flow.prove_symmetry()]
        ['proved', 'proved', 'proved']
    """

    def __init__(
        self,
        dim: int = 2,
        hamiltonians: int = 8,
        steps: int = 1,
        width: int = 64,
        symmetry: str | None = None,
        generators: Any = (),
        *,
        dt: float = 0.25,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        dim = integer("dim", dim, minimum=1, maximum=MAX_NUMBERS)
        width = integer("width", width, minimum=1, maximum=MAX_NUMBERS)
        hamiltonians = integer("hamiltonians", hamiltonians, maximum=MAX_LENGTH, minimum=1)
        steps = integer("steps", steps, maximum=MAX_LENGTH, minimum=1)
        weights = _count_weights(dim, hamiltonians, width)
        if weights > MAX_WEIGHTS:
            raise ParameterError(
                f"dim={dim}, hamiltonians={hamiltonians} and width={width} make {weights:.3g} weights, more than "
                f"the {MAX_WEIGHTS:.0e} that are allowed; choose a smaller width or fewer Hamiltonians"
            )
        dt = real("dt", dt, above=0)
        if seed is not None:
            seed = seed_number(seed)
        if not (symmetry is None or isinstance(symmetry, str)) or symmetry not in MODES:
            raise SymmetryError(
                f"symmetry={shown(symmetry)} is not available; the modes are {', '.join(map(repr, MODES))}"
            )
        self.dim, self.hamiltonians, self.steps, self.width = dim, hamiltonians, steps, width
        self.symmetry, self.first_dt = symmetry, dt
        self.generators = as_generators(generators, dim)
        self.blocks: tuple[tuple[int, ...], ...] = ()
        if symmetry is not None and not self.generators:
            raise SymmetryError(f"symmetry={symmetry!r} needs generators, for example 'q1*p2 - q2*p1'")
        if symmetry in ("features", "exact"):
            self.blocks = rotation_blocks(self.generators, dim)
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self._build()

    def _build(self) -> None:
        exact = self.symmetry == "exact"
        rotated = {i for block in self.blocks for i in block}
        kept = [i for i in range(self.dim) if not (exact and i in rotated)]

        def potential(curvature: float) -> RidgePotential:
            features = Features(self.dim, kept, self.blocks)
            return RidgePotential(self.dim, self.width, features=features, curvature=curvature)

        learn_dt = self.symmetry not in ("penalty", "features")
        self.chain: Sequence[SeparableHamiltonian] = nn.ModuleList(  # type: ignore[assignment]
            SeparableHamiltonian(potential(0.0), potential(1.0), dt=self.first_dt, learn_dt=learn_dt)
            for _ in range(self.hamiltonians)
        )
        self.encoder: GaussianEncoder | FrameEncoder = (
            FrameEncoder(self.dim, self.blocks, self.width)
            if exact
            else GaussianEncoder(self.dim, self.width)
        )
        self.log_scale = nn.Parameter(torch.zeros(2))  # of q and of p, in the units of the flow
        self.register_buffer("unit", torch.tensor(1.0))
        self.register_buffer("unit_is_set", torch.tensor(False))
        self.unit: Tensor
        self.unit_is_set: Tensor

    # -- units -----------------------------------------------------------------------------------------------

    def set_unit(self, length: float) -> None:
        """Measure coordinates in ``length`` and momenta in 1/``length``.

        This is a canonical change of variables, one number for all coordinates, so it keeps every rotation and
        needs no Jacobian.  ``fit`` calls it once with the root mean square of the data, before the first step.

        Arguments:
            length: in the unit of the data.

        Raises:
            ParameterError: if it is not a number between 1e-30 and 1e30, so that its inverse is one too.

        Example:
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4)
            >>> flow.set_unit(3.0)
            >>> [round(scale.item(), 3) for scale in flow.base_scales]
            [3.0, 0.333]
        """
        length = real("a unit of length", length, above=1 / MAX_UNIT, maximum=MAX_UNIT)
        for h in self.chain:
            h.potential_energy.unit.fill_(length)
            h.kinetic_energy.unit.fill_(1 / length)
        self.encoder.unit.fill_(length)
        self.unit.fill_(length)
        self.unit_is_set.fill_(True)

    @property
    def base_scales(self) -> tuple[Tensor, Tensor]:
        """Standard deviations of q₀ and p₀ in the base density π, both isotropic, scalars in the unit of the data.

        Example:
            >>> [scale.item() for scale in HamiltonianFlow(1, hamiltonians=1, width=4).base_scales]
            [1.0, 1.0]
        """
        scale = self.log_scale.exp()
        return scale[0] * self.unit, scale[1] / self.unit

    # -- the map ---------------------------------------------------------------------------------------------

    def push_forward(self, q0: Tensor, p0: Tensor) -> tuple[Tensor, Tensor]:
        """Carry base states to data states, by leapfrog through the chain.

        Arguments:
            q0, p0: states of shape (batch, dim).

        Returns:
            (q, p), each of shape (batch, dim), differentiable in the states and in the weights.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite, before or after.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=2, width=4, seed=0).double()
            >>> q0, p0 = flow.sample_base(5)
            >>> q, p = flow.push_forward(q0, p0)
            >>> torch.allclose(flow.pull_back(q, p)[0], q0)
            True
        """
        q, p = self._states(q0, p0)
        for h in self.chain:
            q, p = leapfrog(h, q, p, steps=self.steps)
        return require_finite(q, "q", OVERFLOW), require_finite(p, "p", OVERFLOW)

    def pull_back(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Carry data states to base states, the exact inverse of :meth:`push_forward`.

        Arguments:
            q, p: states of shape (batch, dim).

        Returns:
            (q₀, p₀), each of shape (batch, dim), differentiable in the states and in the weights.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite, before or after.

        Example:
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
            >>> q0, p0 = flow.pull_back([[0.5]], [[1.0]])
            >>> torch.allclose(torch.cat(flow.push_forward(q0, p0)), torch.tensor([[0.5], [1.0]]))
            True
        """
        q0, p0 = self._pull_back(*self._states(q, p))
        return require_finite(q0, "q₀", OVERFLOW), require_finite(p0, "p₀", OVERFLOW)

    def _pull_back(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        for h in reversed(self.chain):
            q, p = leapfrog(h, q, p, steps=self.steps, inverse=True)
        return q, p

    def trajectory(self, q: Tensor, p: Tensor) -> list[tuple[SeparableHamiltonian, Tensor, Tensor]]:
        """Return (H, q, p) for each member of the chain: the data-side state that it meets on the way to the base.

        The list runs from the data to the base, in the order of :meth:`pull_back`.

        Arguments:
            q, p: data states of shape (batch, dim).

        Returns:
            One (Hamiltonian, q, p) for each member of the chain.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state is not finite; what they lead to is not looked at.

        Example:
            >>> flow = HamiltonianFlow(1, hamiltonians=3, width=4)
            >>> met = flow.trajectory([[0.5]], [[1.0]])
            >>> len(met), met[0][0] is flow.chain[-1], float(met[0][1])
            (3, True, 0.5)
        """
        q, p = self._states(q, p)
        met = []
        for h in reversed(self.chain):
            met.append((h, q, p))
            q, p = leapfrog(h, q, p, steps=self.steps, inverse=True)
        return met

    # -- densities -------------------------------------------------------------------------------------------

    def log_base(self, q0: Tensor, p0: Tensor) -> Tensor:
        """Return log π(q₀, p₀) in nats, shape (batch,), of the isotropic Gaussian base.

        Arguments:
            q0, p0: base states of shape (batch, dim).

        Example:
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4)
            >>> q0 = p0 = torch.zeros(1, 1)
            >>> bool(torch.isclose(flow.log_base(q0, p0).exp(), torch.tensor(1 / (2 * math.pi))))
            True
        """
        a, b = self.base_scales
        square = (q0 / a).square().sum(-1) + (p0 / b).square().sum(-1)
        # the unit of length cancels: it enters q and p inversely
        return -0.5 * square - self.dim * (self.log_scale.sum() + math.log(2 * math.pi))

    def log_joint(self, q: Tensor, p: Tensor) -> Tensor:
        """Return log p(q, p) = log π(pull_back(q, p)) in nats, shape (batch,).

        Volume is preserved, so there is no determinant.

        Arguments:
            q, p: states of shape (batch, dim).

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state or its density is not finite, as for states of 1e20 in float32.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=2, width=4, seed=0)
            >>> q0, p0 = flow.sample_base(3)
            >>> torch.allclose(flow.log_joint(*flow.push_forward(q0, p0)), flow.log_base(q0, p0), atol=1e-4)
            True
        """
        return require_finite(self._log_joint(*self._states(q, p)), "log p(q, p)", OVERFLOW)

    def _log_joint(self, q: Tensor, p: Tensor) -> Tensor:
        return self.log_base(*self._pull_back(q, p))

    def elbo(self, q: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return a one-sample estimate of the evidence lower bound, shape (batch,), differentiable.

        The bound is E_f[log p(q, p) − log f(p|q)]; it lies below log p(q) by the divergence from f(p|q) to
        p(p|q), and is not a likelihood.

        Arguments:
            q: points of shape (batch, dim).
            generator: of the encoder's noise; the global state of torch if None.

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point or its bound is not finite, as for points of 1e20 in float32.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
            >>> loss = -flow.elbo(torch.randn(16, 2)).mean()
            >>> loss.backward()
            >>> bool(flow.log_scale.grad.isfinite().all())
            True
        """
        q = require_finite(self._points(q), "q")
        return require_finite(self.training_elbo(q, generator), "the bound on log p(q)", OVERFLOW)

    def training_elbo(self, q: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return :meth:`elbo` without a look at points or result: ``fit`` looks at its data once and at each loss.

        Arguments:
            q: finite points of shape (batch, dim), in the precision and on the device of the flow.
            generator: of the encoder's noise.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
            >>> flow.training_elbo(torch.zeros(3, 2)).shape
            torch.Size([3])
        """
        p, log_f = self._encode(self.encoder.moments(q), 1, generator)
        return self._log_joint(q, p[:, 0]) - log_f[:, 0]

    def log_prob(self, q: Tensor, samples: int = 100, *, seed: int | None = None) -> Tensor:
        """Return the importance-weighted bound on log p(q) with K = ``samples``, shape (batch,), without gradient.

        In expectation it lies between the ELBO (K = 1) and log p(q), and rises to the latter with K (Burda, Grosse,
        Salakhutdinov, arXiv 1509.00519, theorem 1).

        Arguments:
            q: points of shape (batch, dim).
            samples: K, draws from the encoder for each point.
            seed: of these draws; the global state of torch if None.

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point is not finite.
            ParameterError: if ``samples`` is not a positive integer.

        Example:
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
            >>> q = torch.zeros(2, 1)
            >>> bool((flow.log_prob(q, 50, seed=0) == flow.log_prob(q, 50, seed=0)).all())
            True
        """
        return self.estimate_log_prob(q, samples, seed=seed).value

    @torch.no_grad()
    def estimate_log_prob(self, q: Tensor, samples: int = 100, *, seed: int | None = None) -> LogProbEstimate:
        """Return the bound of :meth:`log_prob` with its standard error and effective sample size.

        Points are taken in chunks, so memory does not grow with batch × samples.

        Arguments:
            q: points of shape (batch, dim).
            samples: K, draws from the encoder for each point.
            seed: of these draws; the global state of torch if None.

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point is not finite.
            ParameterError: if ``samples`` is not a positive integer.

        Example:
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
            >>> estimate = flow.estimate_log_prob([[0.0], [1.0]], 200, seed=0)
            >>> bool((estimate.standard_error < 0.2).all()), bool((estimate.effective_samples > 20).all())
            (True, True)
        """
        samples = integer("samples", samples, minimum=1, maximum=MAX_NUMBERS)
        q = require_finite(self._points(q), "q")
        if not len(q):
            return LogProbEstimate(*[q.new_zeros(0)] * 3)
        generator = None if seed is None else torch.Generator(q.device).manual_seed(seed_number(seed))
        first, second = [], []
        # each point carries running sums of its weights and squared weights, in logarithms
        for points in q.split(max(1, _CHUNK // min(samples, _CHUNK))):
            moments = self.encoder.moments(points)
            log_sum = points.new_full((len(points),), -math.inf)
            log_square = log_sum
            left = samples
            while left:
                k = min(left, max(1, _CHUNK // len(points)))
                p, log_f = self._encode(moments, k, generator)
                log_p = self._log_joint(points.repeat_interleave(k, 0), p.flatten(0, 1)).view(-1, k)
                log_w = log_p - log_f
                log_sum = torch.logaddexp(log_sum, log_w.logsumexp(-1))
                log_square = torch.logaddexp(log_square, (2 * log_w).logsumexp(-1))
                left -= k
            first.append(log_sum)
            second.append(log_square)
        total, square = require_finite(torch.cat(first), "log p(q)", OVERFLOW), torch.cat(second)
        effective = (2 * total - square).exp()
        error = (1 / effective - 1 / samples).clamp(min=0).sqrt()
        return LogProbEstimate(total - math.log(samples), error, effective)

    # -- samples ---------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample_base(self, n: int, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw n states (q₀, p₀) from π, each of shape (n, dim), without gradient.

        Arguments:
            n: number of states.
            generator: of torch; the global state if None.

        Raises:
            ParameterError: if n is not a non-negative integer, or too large.

        Example:
            >>> q0, p0 = HamiltonianFlow(2, hamiltonians=1, width=4).sample_base(7)
            >>> q0.shape, p0.shape
            (torch.Size([7, 2]), torch.Size([7, 2]))
        """
        n = integer("the number of states", n, minimum=0, maximum=MAX_NUMBERS // self.dim)
        noise = torch.randn(
            2, n, self.dim, dtype=self.unit.dtype, device=self.unit.device, generator=generator
        )
        a, b = self.base_scales
        return a * noise[0], b * noise[1]

    @torch.no_grad()
    def sample(self, n: int, *, seed: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw n points of shape (n, dim), exactly from the density of the flow.

        Arguments:
            n: number of points.
            seed: for the same points again; or a ``generator`` of torch; the global state if neither is given.

        Raises:
            ParameterError: if n is not a non-negative integer, or too large.
            NonFiniteError: if a sample is not finite.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4)
            >>> flow.sample(3, seed=1).shape, torch.equal(flow.sample(3, seed=1), flow.sample(3, seed=1))
            (torch.Size([3, 2]), True)
        """
        n = integer("the number of points", n, minimum=0, maximum=MAX_NUMBERS // self.dim)
        if seed is not None:
            generator = torch.Generator(self.unit.device).manual_seed(seed_number(seed))
        parts = [
            self.push_forward(*self.sample_base(min(_CHUNK, n - start), generator=generator))[0]
            for start in range(0, n, _CHUNK)
        ]
        return torch.cat(parts) if parts else self.unit.new_zeros(0, self.dim)

    # -- symmetry --------------------------------------------------------------------------------------------

    def prove_symmetry(self, *, budget: float = 10.0, states: int = 2000) -> list[Any]:
        """Return what is known about {H, g} = 0 for the generators of the flow.

        In exact mode: hamsym verdicts, for each generator g one for the potentials, one for the kinetic energies
        and one for the base density; the ``question`` of each names g and the part.  Potentials enter as an
        *undefined* function V of the invariants, so a proof holds for every value of the weights.  Leapfrog commutes with a linear point action whenever K and U do,
        hence the density of the flow has the symmetry too.

        In every other mode nothing is proved, and the measured residuals on base states are returned
        (:class:`learn.symmetry.BracketResidual`, one per generator).

        Arguments:
            budget: seconds for each verdict.
            states: number of base states for the residuals.

        Example:
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, symmetry="exact", generators="q1*p2 - q2*p1")
            >>> print(flow.prove_symmetry()[0].question)
            {g, U} = 0 for g = -p1*q2 + p2*q1, U = V(q1**2 + q2**2) for every V
        """
        if self.symmetry != "exact":
            device = self.unit.device
            q, p = self.sample_base(states, generator=torch.Generator(device).manual_seed(0))
            return measure_brackets(self.chain, self.generators, q, p)
        return [v for g in self.generators for v in prove_invariance(g, self.blocks, budget=budget)]

    # -- the rest --------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the flow into the directory ``path`` (safetensors and json), atomically; ``learn.load`` reads it.

        Arguments:
            path: made if it is not there; a flow saved there before is replaced.

        Raises:
            CheckpointError: if the directory cannot be written.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     HamiltonianFlow(2, hamiltonians=1, width=4).save(folder)
            ...     sorted(file.suffix for file in Path(folder).iterdir())
            ['.json', '.safetensors']
        """
        write(path, "model", self.state_dict(), {"flow": self.config()})

    def config(self) -> dict[str, Any]:
        """Return the plain values that rebuild the flow without its weights.

        Example:
            >>> HamiltonianFlow(2, hamiltonians=1, width=4).config()["symmetry"] is None
            True
        """
        spaces = [{"q": [s.name for s in g.space.coordinates], "p": [s.name for s in g.space.momenta]}
                  for g in self.generators]  # fmt: skip
        return {
            "dim": self.dim,
            "hamiltonians": self.hamiltonians,
            "steps": self.steps,
            "width": self.width,
            "symmetry": self.symmetry,
            "generators": [{"formula": g.text, **s} for g, s in zip(self.generators, spaces, strict=True)],
            "dt": self.first_dt,
            "dtype": str(self.unit.dtype).removeprefix("torch."),
        }

    def extra_repr(self) -> str:
        a, b = (float(s.detach()) for s in self.base_scales)
        weights = sum(p.numel() for p in self.parameters())
        generators = [g.text for g in self.generators]
        return (
            f"dim={self.dim}, hamiltonians={self.hamiltonians}, steps={self.steps}, width={self.width}, "
            f"symmetry={self.symmetry!r}, generators={generators}, base=N(0, {a:.3g}²)×N(0, {b:.3g}²), "
            f"parameters={weights}, dtype={self.unit.dtype}"
        )

    def __repr__(self) -> str:
        return f"HamiltonianFlow({self.extra_repr()})"

    def _encode(self, moments: Moments, k: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        n, d = moments.mean.shape
        noise = torch.randn(
            n, k, d, dtype=moments.mean.dtype, device=moments.mean.device, generator=generator
        )
        return moments.draw(noise)

    def _points(self, q: Any) -> Tensor:
        return as_points(q, self.dim, self.unit)

    def _states(self, q: Any, p: Any) -> tuple[Tensor, Tensor]:
        q, p = self._points(q), self._points(p)
        if q.shape != p.shape:
            raise ShapeError(
                f"q and p must have the same shape (batch, {self.dim}), not {(*q.shape,)} and {(*p.shape,)}"
            )
        return require_finite(q, "q"), require_finite(p, "p")


def _count_weights(dim: int, hamiltonians: int, width: int) -> int:
    """The number of weights, or a little more: invariants are at most as many as coordinates and their blocks."""
    inputs = dim + dim // 2
    potential = (inputs + 2) * width + 1
    encoder = (inputs + 1) * width + (width + 1) * width + (width + 1) * (2 * dim + dim * (dim + 1) // 2)
    return hamiltonians * (2 * potential + 1) + encoder
