"""The order in which a data set in shards is read: batches that are shuffled, yet need few shards at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from hamsym.arguments import flag, integer
from learn.arguments import seed_number


class Batches(Sampler[np.ndarray]):
    """Batches of item numbers, a new order in every pass; it depends on the seed and the number of the pass only.

    Shuffled, the shards come in random order, so many at a time as ``group`` says, and the items of these are mixed.

    Arguments:
        shards: the items of each shard.
        batch: items in a batch.
        group: shards whose items are mixed.
        shuffle: whether the order is random.
        seed: of the order.
        drop_last: leave out a last batch that is not full.

    Attributes:
        epoch: number of the next pass; set it to go on with an interrupted training.
        seed: as given.

    Example:
        >>> batches = Batches([np.arange(3), np.arange(3, 5)], 2, group=2, shuffle=False)
        >>> [b.tolist() for b in batches], batches.epoch
        ([[0, 1], [2, 3], [4]], 1)
    """

    def __init__(
        self,
        shards: Sequence[np.ndarray],
        batch: int,
        *,
        group: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.shards, self.group = list(shards), integer("group", group, minimum=1)
        self.batch, self.seed = integer("batch", batch, minimum=1), seed_number(seed)
        self.shuffle, self.drop_last = flag("shuffle", shuffle), flag("drop_last", drop_last)
        self.epoch = 0

    def __len__(self) -> int:
        items = sum(map(len, self.shards))
        return items // self.batch if self.drop_last else -(-items // self.batch)

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        order = rng.permutation(len(self.shards)) if self.shuffle else np.arange(len(self.shards))
        rest = np.zeros(0, np.int64)
        for first in range(0, len(order), self.group):
            items = np.concatenate([self.shards[i] for i in order[first : first + self.group]])
            items = np.concatenate([rest, rng.permutation(items) if self.shuffle else items])
            full = len(items) // self.batch * self.batch
            yield from items[:full].reshape(-1, self.batch)
            rest = items[full:]
        if len(rest) and not self.drop_last:
            yield rest
