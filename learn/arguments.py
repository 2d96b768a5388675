"""What torch takes as a seed and as a source of random numbers."""

from __future__ import annotations

from typing import Any

import torch

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError

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


def random_generator(value: Any) -> torch.Generator | None:
    """Return ``value`` if random numbers can come from it: a generator of torch, or None for the global state.

    Raises:
        ParameterError: if it is something else.

    Example:
        >>> random_generator(7)
        Traceback (most recent call last):
        hamsym.errors.ParameterError: generator is a torch.Generator or None, not 7; a number is given as seed
    """
    if value is None or isinstance(value, torch.Generator):
        return value
    raise ParameterError(
        f"generator is a torch.Generator or None, not {shown(value)}; a number is given as seed"
    )
