"""The phase-space half of a flow: a Gaussian on (q, p) carried by a canonical map, which needs no determinant.

Source: Rezende, Racanière, Higgins, Toth, arXiv 1909.13739.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hamsym.arguments import integer
from hamsym.errors import ParameterError
from learn.arguments import MAX_NUMBERS, random_generator, seed_number
from learn.flow.canonical_map import CanonicalMap
from learn.flow.context import rows_of
from learn.flow.features import Constant
from learn.flow.leapfrog import SeparableHamiltonian, leapfrog_chain, log_density
from learn.points import OVERFLOW, blames_weights, require_finite

CHUNK = 1 << 15  # states moved at once: about 50 MB where a likelihood is estimated


class JointFlow(CanonicalMap):
    """A density on (q, p): isotropic Gaussians of q₀ and p₀, carried by leapfrog through a chain of Hamiltonians.

    Every step has unit Jacobian, so log p(q, p) = log π(q₀, p₀) without any determinant.

    Arguments:
        dim: number of coordinates.
        chain: the Hamiltonians, the first one next to the base.
        steps: leapfrog steps of each.
        removed: orthonormal directions along which the density does not depend on q, of shape (t, dim); it is then a
            density on what is orthogonal to them.
        context: numbers in the context that a conditional flow is given with its points; 0 for none.

    Attributes:
        freedom: number of dimensions of the density, dim without the removed directions.

    Example:
        >>> from learn.flow.potentials import RidgePotential
        >>> U, K = RidgePotential(2, 8), RidgePotential(2, 8, curvature=1.0)
        >>> JointFlow(2, [SeparableHamiltonian(U, K)]).sample(3).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        dim: int,
        chain: Sequence[SeparableHamiltonian],
        steps: int = 1,
        removed: np.ndarray | None = None,
        context: int = 0,
    ) -> None:
        super().__init__(dim, chain, steps, context)
        self.removed = Constant(np.zeros((0, dim)) if removed is None else removed)
        self.freedom = dim - len(self.removed.exact)
        self.log_scale = nn.Parameter(torch.zeros(2))  # of q and of p, in the units of the flow

    # -- the base --------------------------------------------------------------------------------------------

    @property
    def base_scales(self) -> tuple[Tensor, Tensor]:
        """Standard deviations of q₀ and p₀ in the base density π, both isotropic, scalars in the unit of the data.

        Example:
            >>> from learn import HamiltonianFlow
            >>> [scale.item() for scale in HamiltonianFlow(1, hamiltonians=1, width=4).base_scales]
            [1.0, 1.0]
        """
        scale = self.log_scale.exp()
        return scale[0] * self.unit, scale[1] / self.unit

    def centre(self, x: Tensor) -> Tensor:
        """Return points or momenta of shape (batch, dim) without the directions that the density does not know."""
        away = self.removed.value
        return x - (x @ away.T) @ away if len(away) else x

    # -- densities -------------------------------------------------------------------------------------------

    def log_base(self, q0: Tensor, p0: Tensor) -> Tensor:
        """Return log π(q₀, p₀) in nats, shape (batch,), of the isotropic Gaussian base.

        Arguments:
            q0, p0: base states of shape (batch, dim).

        Raises:
            ShapeError: if the states have another shape.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4)
            >>> q0 = p0 = torch.zeros(1, 1)
            >>> bool(torch.isclose(flow.log_base(q0, p0).exp(), torch.tensor(1 / (2 * math.pi))))
            True
        """
        a, b = self.base_scales
        q0, p0 = (self.centre(self._points(x)) for x in (q0, p0))
        square = (q0 / a).square().sum(-1) + (p0 / b).square().sum(-1)
        # the unit of length cancels: it enters q and p inversely
        return -0.5 * square - self.freedom * (self.log_scale.sum() + math.log(2 * math.pi))

    @blames_weights
    def log_joint(self, q: Tensor, p: Tensor, *, context: Any = None) -> Tensor:
        """Return log p(q, p) = log π(pull_back(q, p)) in nats, shape (batch,).

        Volume is preserved, so there is no determinant.

        Arguments:
            q, p: states of shape (batch, dim).
            context: of a conditional flow, of shape (k,) or (batch, k); the density is then that given it.

        Raises:
            ShapeError: if the states have another shape.
            NonFiniteError: if a state or its density is not finite, as for states of 1e20 in float32.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=2, width=4, seed=0)
            >>> q0, p0 = flow.sample_base(3)
            >>> torch.allclose(flow.log_joint(*flow.push_forward(q0, p0)), flow.log_base(q0, p0), atol=1e-4)
            True
        """
        q, p = self._states(q, p)
        context = self.read_context(context, len(q))
        return require_finite(self.raw_log_joint(q, p, context), "log p(q, p)", OVERFLOW)

    def raw_log_joint(self, q: Tensor, p: Tensor, context: Tensor | None = None) -> Tensor:
        """Return :meth:`log_joint` of finite states of the right shape without a look at them or at the result.

        Arguments:
            q, p: states of shape (batch, dim).
            context: as :meth:`read_context` returns it.
        """
        given = (self.log_scale, self.unit, self.removed.value)
        fused = log_density(self.chain_given(context), q, p, *given, steps=self.steps)
        return self.log_base(*self._pull_back(q, p, context)) if fused is None else fused

    # -- samples ---------------------------------------------------------------------------------------------

    @torch.no_grad()
    @blames_weights
    def sample_base(self, n: int, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw n states (q₀, p₀) from π, each of shape (n, dim), without gradient.

        Arguments:
            n: number of states.
            generator: of torch; the global state if None.

        Raises:
            ParameterError: if n is not a non-negative integer, or too large.
            NonFiniteError: if a state is not finite.

        Example:
            >>> from learn import HamiltonianFlow
            >>> q0, p0 = HamiltonianFlow(2, hamiltonians=1, width=4).sample_base(7)
            >>> q0.shape, p0.shape
            (torch.Size([7, 2]), torch.Size([7, 2]))
        """
        n = integer("the number of states", n, minimum=0, maximum=MAX_NUMBERS // self.dim)
        noise = torch.randn(
            2,
            n,
            self.dim,
            dtype=self.unit.dtype,
            device=self.unit.device,
            generator=random_generator(generator),
        )
        a, b = self.base_scales
        q0, p0 = a * self.centre(noise[0]), b * self.centre(noise[1])
        return require_finite(q0, "q₀", OVERFLOW), require_finite(p0, "p₀", OVERFLOW)

    @torch.no_grad()
    @blames_weights
    def sample(
        self,
        n: int,
        *,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        context: Any = None,
    ) -> Tensor:
        """Draw n points of shape (n, dim), exactly from the density of the flow.

        Arguments:
            n: number of points.
            seed: for the same points again; or a ``generator`` of torch; the global state if neither is given.
            context: of a conditional flow, of shape (k,), or (n, k) with one for each point.

        Raises:
            ParameterError: if n is not a non-negative integer, or too large, or both seed and generator are given.
            NonFiniteError: if a sample is not finite.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4)
            >>> flow.sample(3, seed=1).shape, torch.equal(flow.sample(3, seed=1), flow.sample(3, seed=1))
            (torch.Size([3, 2]), True)
        """
        n = integer("the number of points", n, minimum=0, maximum=MAX_NUMBERS // self.dim)
        if seed is not None:
            if generator is not None:
                raise ParameterError("give seed or generator, not both")
            generator = torch.Generator(self.unit.device).manual_seed(seed_number(seed))
        given = self.read_context(context, n)
        parts = []
        for start in range(0, n, CHUNK):
            q, p = self.sample_base(min(CHUNK, n - start), generator=generator)
            chain = self.chain_given(rows_of(given, slice(start, start + CHUNK)))
            q, p = leapfrog_chain(chain, q, p, steps=self.steps)
            parts.append(require_finite(q, "q", OVERFLOW))
        return torch.cat(parts) if parts else self.unit.new_zeros(0, self.dim)
