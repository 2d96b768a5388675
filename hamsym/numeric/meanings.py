"""What generated code means by ``fma``, ``sin``, ``exp`` and the other names that :mod:`hamsym.numeric.printing` prints."""

from __future__ import annotations

import re

from hamsym.numeric.printing import FUNCTIONS

#: Own functions that are NaN at huge arguments, and have a careful twin that is not.
_WITH_GAPS = ("sin", "cos", "tan")
_EXPONENTIAL = ("exp", "log", "sinh", "cosh", "tanh", "power")


def used_functions(source: str) -> list[str]:
    """Return the names of functions that occur in a source.

    Example:
        >>> used_functions("t0 = asin(x) + math.sqrt(log(y))")
        ['log', 'asin']
    """
    return [f for f in FUNCTIONS if re.search(rf"(?<!\.)\b{f}\(", source)]


def has_gaps(source: str) -> bool:
    """Whether a source uses own functions that have careful twins."""
    return not set(_WITH_GAPS).isdisjoint(used_functions(source))


def meanings(source: str, *, strict: bool = False, gaps: bool = True) -> str:
    """Return the lines that give the names in a source their meaning.

    Arguments:
        source: straight-line code, as :func:`hamsym.numeric.printing.straight_line` prints it.
        strict: no fused operations, and the library's functions.
        gaps: whether functions that are NaN at huge arguments will do; their careful twins are defined too.

    Returns:
        Lines for a module that has imported ``math`` and :mod:`hamsym.numeric.elementary`.

    Example:
        >>> print(meanings("fma(a, b, exp(a))", strict=True))
        fma = elementary.separate
        exp = math.exp
        <BLANKLINE>
        >>> print(meanings("sin(a)"))
        fma = elementary.fma
        sin = elementary.sin
        careful_sin = elementary.careful_sin
        <BLANKLINE>
    """
    lines = ["fma = elementary.separate" if strict else "fma = elementary.fma"]
    used = used_functions(source)
    if "power" in used or not (strict or set(_EXPONENTIAL).isdisjoint(used)):
        lines.append("from hamsym.numeric import exponential")
    for f in used:
        if strict or (f in _WITH_GAPS and not gaps):
            lines.append(f"{f} = {'exponential.library_power' if f == 'power' else f'math.{f}'}")
            continue
        lines.append(f"{f} = {'exponential' if f in _EXPONENTIAL else 'elementary'}.{f}")
        if f in _WITH_GAPS:
            lines.append(f"careful_{f} = elementary.careful_{f}")
    return "\n".join(lines) + "\n"


def careful(source: str, functions: tuple[str, ...]) -> str:
    """Return a source that calls, and defines, the careful twins of functions with gaps and of the functions given."""
    names = "|".join([*_WITH_GAPS, *functions])
    return re.sub(rf"(?<!\.)\b({names})\(", r"careful_\1(", source)
