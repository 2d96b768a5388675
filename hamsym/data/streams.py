"""Random numbers of a data set, drawn for blocks of trajectories so that drawing costs little for each.

Block b has ``SeedSequence(seed, spawn_key=(b,))`` for the trajectories 64 b … 64 b + 63, and everything about trajectory i
depends on the seed of the data set and on i alone: not on the shard size, the number of trajectories, the order, the
process or the number of threads in which shards are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

#: Trajectories in a block.
BLOCK = 64
#: What streams of a block are for; more of one (parameters, noise) does not change the others.
PARAMETERS, STATES, NOISE = range(3)


@dataclass(frozen=True)
class Block:
    """Some trajectories of one block.

    Attributes:
        index: of the block.
        seed: from which everything in it is drawn; 53 bits, which every format keeps.
        rows: places in the block of the trajectories that are wanted.

    Example:
        >>> [(block.index, list(block.members)) for block in Block.covering(0, range(63, 66))]
        [(0, [63]), (1, [64, 65])]
        >>> block = Block.of(0, 0, [3])
        >>> float(block.stream(NOISE, 3).random()) == float(Block.of(0, 0, [2, 3]).stream(NOISE, 3).random())
        True
    """

    index: int
    seed: int
    rows: tuple[int, ...]

    @classmethod
    def of(cls, seed: int, index: int, rows: Iterable[int]) -> Block:
        """Return some rows of a block of the data set with this seed."""
        sequence = np.random.SeedSequence(seed, spawn_key=(index,))
        return cls(index, int(sequence.generate_state(1, np.uint64)[0] >> 11), tuple(rows))

    @classmethod
    def covering(cls, seed: int, members: range) -> Iterator[Block]:
        """Return the blocks that hold consecutive trajectories."""
        for index in range(members.start // BLOCK, -(-members.stop // BLOCK)):
            first = index * BLOCK
            rows = range(max(members.start - first, 0), min(members.stop - first, BLOCK))
            yield cls.of(seed, index, rows)

    @property
    def members(self) -> Iterator[int]:
        """The trajectories, by their index in the data set."""
        return (self.index * BLOCK + row for row in self.rows)

    def stream(self, purpose: int, *row: int) -> np.random.Generator:
        """Return random numbers for the whole block, or for one row of it."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(purpose, *row)))
