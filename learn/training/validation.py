"""Held-out data that watch over a training: which step they like best, and when to stop waiting for a better one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hamsym.arguments import shown
from hamsym.errors import NonFiniteError, ParameterError
from learn.training.objective import Objective
from learn.training.processes import Processes


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
    """Looks at held-out data, and the weights that they liked best.

    Arguments:
        held_out: tensors of equal length, as the objective takes them; None for no looks at all.
        every: steps between looks.
        patience: looks without a better one after which the training should stop; None for never.
        seed: of the noise, which is the same in every look, so that steps are compared and not draws.

    Attributes:
        looks: (step, score) of every look.
        best: the weights liked best, empty before there are any.
        best_step, best_score: of these.

    Example:
        >>> class Constant(Objective):
        ...     def score(self, held_out, random):
        ...         return 0.0
        >>> watch = Validation((torch.zeros(4, 1),), every=2, patience=1)
        >>> for step in (1, 2, 3, 4):
        ...     watch.look(Constant(torch.nn.Linear(1, 1)), step)
        >>> watch.looks, watch.best_step, watch.exhausted
        ([(2, 0.0), (4, 0.0)], 2, True)
    """

    def __init__(
        self,
        held_out: tuple[Tensor, ...] | None,
        every: int = 100,
        patience: int | None = None,
        seed: int = 0,
    ) -> None:
        self.held_out, self.every, self.patience, self.seed = held_out, every, patience, seed
        self.looks: list[tuple[int, float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_score = 0, -math.inf

    def look(
        self, objective: Objective, step: int, *, last: bool = False, processes: Processes | None = None
    ) -> None:
        """If a look is due, take it, and keep the weights if the data like them best so far.

        Done twice for one step it changes nothing, so that an interruption in between does no harm.

        Arguments:
            objective: as it is after the step.
            step: its number, from 1.
            last: whether the training ends with it; a look is due then.
            processes: that train together; the first one looks.

        Raises:
            NonFiniteError: if the data say something that is not finite.
        """
        seen = self.looks[-1][0] if self.looks else 0
        if self.held_out is None or step == seen or (step % self.every and not last):
            return
        processes = processes or Processes(self.held_out[0].device)
        score = processes.told(lambda: self.score(objective))
        if isinstance(score, Tensor) and score.numel() == 1:
            score = score.item()
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise ParameterError(f"the score of {type(objective).__name__} is one number, not {shown(score)}")
        if not math.isfinite(score):
            raise NonFiniteError(
                f"held-out data have the score {score} after step {step}; lower lr or look at them"
            )
        if objective.eligible and score > self.best_score:
            self.best = {k: v.detach().clone() for k, v in objective.model.state_dict().items()}
            self.best_score, self.best_step = score, step
        self.looks.append((step, score))

    def score(self, objective: Objective) -> float:
        """Return what the held-out data say of the weights as they are, with the noise of every look.

        Example:
            >>> watch = Validation((torch.zeros(4, 1),))
            >>> from learn.training.evidence import Evidence
            >>> from learn.flow.density import HamiltonianFlow
            >>> evidence = Evidence(HamiltonianFlow(1, hamiltonians=1, width=4, seed=0))
            >>> watch.score(evidence) == watch.score(evidence)
            True
        """
        assert self.held_out is not None
        return objective.score(self.held_out, torch.Generator(self.held_out[0].device).manual_seed(self.seed))

    @property
    def exhausted(self) -> bool:
        """Whether ``patience`` looks have passed since the best step; never before there is one.

        Example:
            >>> Validation((torch.zeros(4, 1),), patience=1).exhausted
            False
        """
        since = sum(step > self.best_step for step, _ in self.looks)
        return self.patience is not None and self.best_step > 0 and since >= self.patience
