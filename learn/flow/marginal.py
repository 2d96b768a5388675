"""The density on q of a flow on (q, p): p is integrated out with the help of an encoder f(p|q).

Sources: Rezende, Racanière, Higgins, Toth, arXiv 1909.13739 for the ELBO;
Burda, Grosse, Salakhutdinov, arXiv 1509.00519 for the importance-weighted bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hamsym.arguments import flag, integer
from learn.arguments import MAX_NUMBERS, random_generator, seed_number
from learn.encoder import Encoder, encoder_given
from learn.flow.context import repeated
from learn.flow.joint import JointFlow
from learn.flow.leapfrog import SeparableHamiltonian
from learn.flow.likelihood import ENCODER, LogProbEstimate, Proposal, importance_weighted
from learn.points import OVERFLOW, blames_weights, require_finite


class MarginalFlow(JointFlow):
    """A density on q: that of the states (q, p) of a JointFlow, with p integrated out.

    Arguments:
        dim, chain, steps, removed, context: of the density on (q, p), see :class:`learn.flow.joint.JointFlow`.
        encoder: f(p|q), from which momenta are drawn where log p(q) is asked for.

    Example:
        >>> from learn.flow.architecture import Sizes, build
        >>> flow = MarginalFlow(2, *build(Sizes(2, 3, 1, 8), None, (), 0.25, 1))
        >>> flow.log_prob(torch.zeros(5, 2), samples=10).shape
        torch.Size([5])
    """

    def __init__(
        self,
        dim: int,
        chain: Sequence[SeparableHamiltonian],
        encoder: Encoder,
        steps: int = 1,
        removed: np.ndarray | None = None,
        context: int = 0,
    ) -> None:
        super().__init__(dim, chain, steps, removed, context)
        self.encoder = encoder

    def set_unit(self, length: float) -> None:
        super().set_unit(length)
        self.encoder.unit.copy_(self.unit)

    set_unit.__doc__ = JointFlow.set_unit.__doc__

    def units_agree(self) -> bool:
        return super().units_agree() and math.isclose(
            float(self.encoder.unit), float(self.unit), rel_tol=1e-5
        )

    units_agree.__doc__ = JointFlow.units_agree.__doc__

    @blames_weights
    def elbo(self, q: Tensor, *, generator: torch.Generator | None = None, context: Any = None) -> Tensor:
        """Return a one-sample estimate of the evidence lower bound, shape (batch,), differentiable.

        The bound is E_f[log p(q, p) − log f(p|q)]; it lies below log p(q) by the divergence from f(p|q) to
        p(p|q), and is not a likelihood.

        Arguments:
            q: points of shape (batch, dim).
            generator: of the encoder's noise; the global state of torch if None.
            context: of a conditional flow, of shape (k,) or (batch, k).

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point or its bound is not finite, as for points of 1e20 in float32.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
            >>> loss = -flow.elbo(torch.randn(16, 2)).mean()
            >>> loss.backward()
            >>> bool(flow.log_scale.grad.isfinite().all())
            True
        """
        q = require_finite(self._points(q), "q")
        given = self.read_context(context, len(q))
        bound = self.training_elbo(q, random_generator(generator), given)
        return require_finite(bound, "the bound on log p(q)", OVERFLOW)

    def training_elbo(
        self, q: Tensor, generator: torch.Generator | None = None, context: Tensor | None = None
    ) -> Tensor:
        """Return :meth:`elbo` without a look at points or result: ``fit`` looks at its data once and at each loss.

        Arguments:
            q: finite points of shape (batch, dim), in the precision and on the device of the flow.
            generator: of the encoder's noise.
            context: as ``read_context`` returns it.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
            >>> flow.training_elbo(torch.zeros(3, 2)).shape
            torch.Size([3])
        """
        return self.training_bound(q, 1, generator, context)[0]

    def training_bound(
        self,
        q: Tensor,
        samples: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the importance-weighted bound of ``samples`` draws and the ELBO of the same draws, as :meth:`training_elbo`.

        Both of shape (batch,) and differentiable; the first is nowhere below the second.

        Arguments:
            q: finite points of shape (batch, dim), in the precision and on the device of the flow.
            samples: K, draws from the encoder for each point.
            generator: of the encoder's noise.
            context: as ``read_context`` returns it.
            noise: standard normal numbers of shape (batch, samples, dim), in place of what the generator would draw.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
            >>> bound, elbo = flow.training_bound(torch.zeros(3, 2), 4)
            >>> bool((bound >= elbo).all())
            True
        """
        moments = encoder_given(self.encoder, context).moments(q)
        p, log_f = ENCODER.draw(moments, samples, generator) if noise is None else moments.draw(noise)
        if samples == 1:
            elbo = self.raw_log_joint(q, p[:, 0], context) - log_f[:, 0]
            return elbo, elbo
        log_p = self.raw_log_joint(
            q.repeat_interleave(samples, 0), p.flatten(0, 1), repeated(context, samples)
        )
        log_w = log_p.view(-1, samples) - log_f
        return log_w.logsumexp(-1) - math.log(samples), log_w.mean(-1)

    def log_prob(
        self, q: Tensor, samples: int = 100, *, seed: int | None = None, context: Any = None
    ) -> Tensor:
        """Return the importance-weighted bound on log p(q) with K = ``samples``, shape (batch,), without gradient.

        In expectation it lies below log p(q), and rises to it with K (Burda, Grosse, Salakhutdinov, arXiv 1509.00519).
        The draws for one point fill space evenly, which makes few of them do what four times as many independent ones
        did; :meth:`estimate_log_prob` has independent ones too.

        Arguments:
            q: points of shape (batch, dim).
            samples: K, draws from the encoder for each point.
            seed: of these draws; the global state of torch if None.
            context: of a conditional flow, of shape (k,) or (batch, k); the bound is then on log p(q|c).

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point is not finite.
            ParameterError: if ``samples`` is not a positive integer.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
            >>> q = torch.zeros(2, 1)
            >>> bool((flow.log_prob(q, 50, seed=0) == flow.log_prob(q, 50, seed=0)).all())
            True
        """
        return self.estimate_log_prob(q, samples, seed=seed, context=context).value

    @torch.no_grad()
    @blames_weights
    def estimate_log_prob(
        self,
        q: Tensor,
        samples: int = 100,
        *,
        seed: int | None = None,
        defensive: float = 0.0,
        widening: float = 3.0,
        even: bool = True,
        context: Any = None,
    ) -> LogProbEstimate:
        """Return the bound of :meth:`log_prob` with its standard error and effective sample size.

        Points are taken in chunks, so memory does not grow with batch × samples.

        Arguments:
            q: points of shape (batch, dim).
            samples: K, draws from the encoder for each point.
            seed: of these draws; the global state of torch if None.
            defensive: share of draws from a copy of the encoder's Gaussian that is ``widening`` times as wide, for
                encoders that are too narrow somewhere (:class:`learn.flow.likelihood.Proposal`).  The weights are those of
                the mixture, so the value is a bound of the same kind.
            widening: of that copy.
            even: whether the draws for one point are a lattice with a random shift, under a law a little wider than the
                encoder's; with False they are independent and from the encoder itself, the bound of the paper.
            context: of a conditional flow, of shape (k,) or (batch, k).

        Raises:
            ShapeError: if the points have another shape.
            NonFiniteError: if a point is not finite.
            ParameterError: if ``samples`` is not a positive integer, or the share or the widening makes no sense.

        Example:
            >>> from learn import HamiltonianFlow
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
            >>> estimate = flow.estimate_log_prob([[0.0], [1.0]], 200, seed=0)
            >>> bool((estimate.standard_error < 0.2).all()), bool((estimate.effective_samples > 20).all())
            (True, True)
        """
        proposal = Proposal(defensive, widening, flag("even", even))
        samples = integer("samples", samples, minimum=1, maximum=MAX_NUMBERS)
        q = require_finite(self._points(q), "q")
        if not len(q):
            return LogProbEstimate(*[q.new_zeros(0)] * 3)
        generator = None if seed is None else torch.Generator(q.device).manual_seed(seed_number(seed))
        given = self.read_context(context, len(q))
        return importance_weighted(self, self.encoder, q, samples, generator, proposal, given)
