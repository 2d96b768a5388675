"""What a training loop has to know of a model: the loss of a batch, what a look at held-out data says, what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from learn.storage import write


class Progress(NamedTuple):
    """Where a training stands.

    Attributes:
        step: updates done.
        steps: updates in all.

    Example:
        >>> Progress(30, 40).share
        0.75
    """

    step: int
    steps: int

    @property
    def share(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return self.step / self.steps


@dataclass(frozen=True)
class Batch:
    """The batch of one update, and the share of its rows that this process takes.

    One process takes all rows; of several, each takes some, and their gradients are added up.  So a loss is the mean
    over ``rows``; what is random is drawn for all rows, in every process alike, and then shared:
    ``noise = batch.share(torch.randn(len(batch), 3, generator=random))``.  What is no mean over rows is computed from
    ``whole``, in every process alike.

    Attributes:
        whole: tensors of equal length, all rows of the batch.
        part: the rows of this process; None for all.

    Example:
        >>> batch = Batch((torch.arange(4), torch.arange(4) ** 2), slice(0, 2))
        >>> batch.rows, len(batch)
        ((tensor([0, 1]), tensor([0, 1])), 4)
    """

    whole: tuple[Tensor, ...]
    part: slice | None = None

    def __len__(self) -> int:
        return len(self.whole[0])

    @property
    def rows(self) -> tuple[Tensor, ...]:
        """The rows of this process, of every tensor."""
        return tuple(map(self.share, self.whole))

    def share(self, drawn: Tensor) -> Tensor:
        """Return the rows of this process, of what was drawn for the whole batch: shape (len(batch), …)."""
        return drawn if self.part is None else drawn[self.part]


class Objective:
    """A model and what is to be made small about it, for :func:`learn.fit`; derive from it for a model of your own.

    Needed are ``model``, :meth:`loss` and, for checkpoints, ``kind`` and :meth:`config`; everything else has a default
    that does nothing.  Batches, the optimiser, its schedule, clipping, seeds, checkpoints, resuming, early stopping,
    Ctrl-C and several processes are the business of ``fit``.

    Arguments:
        model: whose parameters are trained.

    Attributes:
        model: as given; a module in which everything that training changes is a parameter or a buffer.
        kind: one word for what the model is: the name of its description on disk, by which ``learn.load`` finds what
            rebuilds it (:func:`learn.checkpoint.register`).
        names: of the tensors of a batch, for messages and for the batch that is kept when a loss is not finite; as
            many as there are, or fewer.
        columns: what the history keeps beside step, loss and seconds: names, each with the length of a list of
            numbers, or None for one number.

    Example:
        >>> class Regression(Objective):
        ...     def loss(self, batch, random, progress):
        ...         x, y = batch.rows
        ...         return (self.model(x) - y).square().mean(), {}
        >>> from learn import fit
        >>> x = torch.linspace(-1, 1, 100)[:, None]
        >>> line = Regression(torch.nn.Linear(1, 1))
        >>> result = fit(line, (x, 2 * x + 1), steps=200, lr=0.1, progress=False)
        >>> [round(value.item(), 2) for value in line.model.parameters()]
        [2.0, 1.0]
    """

    kind: str = "model"
    names: tuple[str, ...] = ("x", "y", "z")
    columns: Mapping[str, int | None] = {}

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    # -- of one update ---------------------------------------------------------------------------------------

    def transform(self, batch: tuple[Tensor, ...], random: torch.Generator) -> tuple[Tensor, ...]:
        """Return the batch as it is trained on, all rows of it: augmented, moved, cast; by default as it is.

        Arguments:
            batch: rows of the data, drawn with replacement.
            random: what is drawn must come from here.
        """
        return batch

    def loss(
        self, batch: Batch, random: torch.Generator, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Any]]:
        """Return the loss, a scalar tensor that is a mean over ``batch.rows``, and the numbers of the ``columns``.

        Arguments:
            batch: as :meth:`transform` returned it.
            random: what is drawn must come from here, for the whole batch: :class:`Batch` says how.
            progress: before this update.

        Returns:
            The loss; numbers, scalar tensors or lists of numbers by the name of their column, means over the rows too.
        """
        raise TypeError(
            f"{type(self).__name__} has no loss; an objective defines loss(batch, random, progress)"
        )

    def after_step(self, numbers: Mapping[str, Any], progress: Progress) -> None:
        """Do what follows an update, as moving multipliers; by default nothing.

        Arguments:
            numbers: what :meth:`loss` returned, plain numbers and lists; with "loss".
            progress: after this update.
        """

    # -- of the training -------------------------------------------------------------------------------------

    def score(self, held_out: tuple[Tensor, ...], random: torch.Generator) -> float:
        """Return how much held-out data like the model as it is: the more the better, the same whenever it is asked.

        By default the negative loss of them all, as at the end of the training.

        Arguments:
            held_out: tensors as the data are.
            random: seeded in the same way in every look, so that steps are compared and not draws.
        """
        batch = Batch(self.transform(held_out, random))
        return -float(self.loss(batch, random, Progress(1, 1))[0].detach())

    @property
    def eligible(self) -> bool:
        """Whether the present weights may be chosen as the best; by default always."""
        return True

    def settings(self) -> dict[str, Any]:
        """Return plain values that a resumed run must share with the one that was interrupted; by default none."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return what is kept between steps beside weights and buffers, as multipliers: plain values, default none."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state` returned, after a look whether it is sound.

        Raises:
            KeyError, TypeError, ValueError: if it is not; the objective is then as it was.
        """

    def summary(self, numbers: Mapping[str, Any]) -> dict[str, str]:
        """Return what the progress bar shows of the last row of the history; by default the loss."""
        return {"loss": f"{numbers['loss']:.4g}"}

    # -- on disk ---------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return plain values that rebuild the model without its weights; by default what ``model.config()`` says."""
        described: dict[str, Any] = self.model.config() if hasattr(self.model, "config") else {}  # type: ignore[operator]
        return described

    def save(self, path: str | Path) -> None:
        """Write the model into the directory ``path``, for ``learn.load``.

        Raises:
            CheckpointError: if the directory cannot be written.
        """
        write(path, "model", self.model.state_dict(), {self.kind: self.config()})
