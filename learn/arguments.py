"""What torch takes as a seed."""

from __future__ import annotations

from typing import Any

from hamsym.arguments import integer

#: What the random generators of torch take, with room for the seeds that are counted on from one.
MAX_SEED = 2**62
MAX_NUMBERS = 10**9  # in what one call returns


def seed_number(value: Any, name: str = "seed") -> int:
    """Return ``value`` as a seed that torch takes.

    Raises:
        ParameterError: if it is no integer from 0 to :data:`MAX_SEED`.

    Example:
        >>> seed_number(7)
        7
    """
    return integer(name, value, maximum=MAX_SEED)
