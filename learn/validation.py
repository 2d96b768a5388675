"""Held-out points that watch over a training: which step they like best, and when to stop waiting for a better one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from learn.flow import HamiltonianFlow
from learn.likelihood import importance_weighted

#: Momenta drawn in one look where that is one or more for each point.
DRAWS = 4096


def split(n: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the numbers of the training points and of the held-out ones, drawn at random, each in order.

    Arguments:
        n: number of points, at least 2.
        share: of the points held out, in (0, 1); at least one point stays on each side.
        seed: of the draw.

    Example:
        >>> train, held_out = split(10, 0.2, seed=0)
        >>> len(train), len(held_out), sorted([*train.tolist(), *held_out.tolist()]) == list(range(10))
        (8, 2, True)
    """
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    held_out = min(max(1, round(share * n)), n - 1)
    return order[held_out:].sort().values, order[:held_out].sort().values


class Validation:
    """Looks at held-out points, and the weights that they liked best.

    Arguments:
        q: points of shape (n, dim), in the precision and on the device of the flow; None for no looks at all.
        every: steps between looks.
        patience: looks without a better one after which the training should stop; None for never.
        seed: of the noise, which is the same in every look, so that steps are compared and not draws.
        context: of the points, for a conditional flow.

    Attributes:
        looks: (step, mean bound on log p in nats) of every look.
        best: the weights liked best, empty before there are any.
        best_step, best_bound: of these.

    Example:
        >>> watch = Validation(torch.zeros(4, 1), every=2, patience=1)
        >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
        >>> for step in (1, 2, 3, 4):
        ...     watch.look(flow, step)
        >>> [step for step, _ in watch.looks], watch.best_step, watch.exhausted
        ([2, 4], 2, True)
    """

    def __init__(
        self, q: Tensor | None, every: int = 100, patience: int | None = None, seed: int = 0,
        context: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.q, self.every, self.patience, self.seed = q, every, patience, seed
        self.context = context
        self.looks: list[tuple[int, float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_bound = 0, -math.inf

    def look(self, flow: HamiltonianFlow, step: int, *, last: bool = False, allowed: bool = True) -> None:
        """If a look is due, take it, and keep the weights if the points like them best so far.

        Done twice for one step it changes nothing, so that an interruption in between does no harm.

        Arguments:
            flow: as it is after the step.
            step: its number, from 1.
            last: whether the training ends with it; a look is due then.
            allowed: whether the weights may be chosen at all.
        """
        seen = self.looks[-1][0] if self.looks else 0
        if self.q is None or step == seen or (step % self.every and not last):
            return
        bound = self.bound(flow)
        if allowed and bound > self.best_bound:
            self.best = {k: v.detach().clone() for k, v in flow.state_dict().items()}
            self.best_bound, self.best_step = bound, step
        self.looks.append((step, bound))

    def bound(self, flow: HamiltonianFlow) -> float:
        """Return the mean bound on log p of the held-out points in nats.

        The importance-weighted one where points are few: then not the density alone is learned by heart but the
        encoder too, which the ELBO would take for a worse density.

        Example:
            >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
            >>> watch = Validation(torch.zeros(4, 1))
            >>> watch.bound(flow) == watch.bound(flow)
            True
        """
        assert self.q is not None
        noise = torch.Generator(self.q.device).manual_seed(self.seed)
        samples = max(1, DRAWS // len(self.q))
        with torch.no_grad():
            found = importance_weighted(flow, flow.encoder, self.q, samples, noise, context=self.context)
        return float(found.value.double().mean())

    @property
    def exhausted(self) -> bool:
        """Whether ``patience`` looks have passed since the best step; never before there is one.

        Example:
            >>> Validation(torch.zeros(4, 1), patience=1).exhausted
            False
        """
        since = sum(step > self.best_step for step, _ in self.looks)
        return self.patience is not None and self.best_step > 0 and since >= self.patience
