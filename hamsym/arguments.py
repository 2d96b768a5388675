"""Numbers as a user gives them, or a refusal that names the argument, the bound and what was given."""

from __future__ import annotations

import math
import numbers
from typing import Any

from hamsym.errors import ParameterError

#: The last whole number that a double still counts to.
LARGEST = 2**53


def integer(name: str, value: Any, *, minimum: int = 0, maximum: int = LARGEST) -> int:
    """Return ``value`` as a plain int, or refuse it by name.

    Raises:
        ParameterError: if it is no integer (numpy's are, bools and 2.5 are not) or out of range.

    Example:
        >>> integer("steps", 10, minimum=1)
        10
        >>> integer("steps", 1.5)
        Traceback (most recent call last):
        hamsym.errors.ParameterError: steps is a whole number, not 1.5
    """
    if not isinstance(value, numbers.Integral) or _is_truth_value(value):
        raise ParameterError(f"{name} is a whole number, not {shown(value)}")
    number = int(value)
    if not minimum <= number <= maximum:
        bound = f"at least {minimum}" if number < minimum else f"at most {maximum}"
        raise ParameterError(f"{name} is {bound}, not {shown(number)}")
    return number


def real(name: str, value: Any, *, above: float = -math.inf, maximum: float = math.inf) -> float:
    """Return ``value`` as a finite float in (above, maximum], or refuse it by name.

    Raises:
        ParameterError: if it is not a real number, not finite, or out of range.

    Example:
        >>> real("beta", 2, above=0)
        2.0
        >>> real("beta", "2", above=0)
        Traceback (most recent call last):
        hamsym.errors.ParameterError: beta is a positive number, not '2'
    """
    kind = {-math.inf: "a finite number", 0.0: "a positive number"}.get(above, f"a number above {above:g}")
    if math.isfinite(maximum):
        kind += f" of at most {maximum:g}"
    try:
        number = float(value) if isinstance(value, numbers.Real) and not _is_truth_value(value) else math.nan
    except (OverflowError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and above < number <= maximum):
        raise ParameterError(f"{name} is {kind}, not {shown(value)}")
    return number


def flag(name: str, value: Any) -> bool:
    """Return ``value`` as True or False, or refuse it by name.

    Raises:
        ParameterError: if it is neither (numpy's truth values are, numbers and texts are not).

    Example:
        >>> flag("progress", True)
        True
        >>> flag("progress", "no")
        Traceback (most recent call last):
        hamsym.errors.ParameterError: progress is True or False, not 'no'
    """
    if not _is_truth_value(value):
        raise ParameterError(f"{name} is True or False, not {shown(value)}")
    return bool(value)


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


def _is_truth_value(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ == "bool_"


def plural(count: int, noun: str) -> str:
    """Return how many there are, in words.

    Example:
        >>> plural(1, "bracket"), plural(3, "mass")
        ('1 bracket', '3 masses')
    """
    return f"{count} {noun}" + ("" if count == 1 else "es" if noun.endswith("s") else "s")
