"""Numbers as a user gives them, or a refusal that names the argument, the bound and what was given."""

from __future__ import annotations

import math
import numbers
from typing import Any

from hamsym.errors import ParameterError

#: What the random generators of torch take, with room for the seeds that are counted on from one.
MAX_SEED = 2**62


def integer(name: str, value: Any, *, least: int = 1, most: int = 10**9) -> int:
    """Return ``value`` as a plain integer in [least, most]; numpy's integers are integers, True and 2.0 are not.

    Raises:
        ParameterError: naming the argument.

    Example:
        >>> integer("steps", 3)
        3
        >>> integer("steps", 1.5)
        Traceback (most recent call last):
        hamsym.errors.ParameterError: steps is a positive integer, not 1.5
    """
    kind = {0: "a non-negative integer", 1: "a positive integer"}.get(
        least, f"an integer of at least {least}"
    )
    number = int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else None
    if number is None or number < least:
        raise ParameterError(f"{name} is {kind}, not {shown(value)}")
    if number > most:
        raise ParameterError(f"{name} is {kind} of at most {most}, not {shown(value)}")
    return number


def real(name: str, value: Any, *, above: float = 0.0, most: float = math.inf) -> float:
    """Return ``value`` as a finite float in (above, most].

    Raises:
        ParameterError: naming the argument.

    Example:
        >>> real("lr", 1)
        1.0
        >>> real("lr", "1")
        Traceback (most recent call last):
        hamsym.errors.ParameterError: lr is a positive number, not '1'
    """
    kind = (
        "a finite number"
        if above == -math.inf
        else f"a number above {above:g}"
        if above
        else "a positive number"
    )
    if math.isfinite(most):
        kind += f" of at most {most:g}"
    try:
        number = float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else math.nan
    except (OverflowError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and above < number <= most):
        raise ParameterError(f"{name} is {kind}, not {shown(value)}")
    return number


def seed_number(value: Any, name: str = "seed") -> int:
    """Return ``value`` as a seed that torch takes.

    Raises:
        ParameterError: if it is no integer from 0 to :data:`MAX_SEED`.

    Example:
        >>> seed_number(7)
        7
    """
    return integer(name, value, least=0, most=MAX_SEED)


def shown(value: Any) -> str:
    """Return ``repr(value)``, cut to a length that a message can hold.

    Example:
        >>> shown(10**400)
        'a number of more than 40 digits'
    """
    if isinstance(value, int) and abs(value) >= 10**40:
        return "a number of more than 40 digits"  # Python refuses to write very long ones
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
