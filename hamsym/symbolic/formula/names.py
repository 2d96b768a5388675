"""Declared names and exact numbers: what a user writes when a space is made, checked and brought to one form."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Set
from typing import Any, TypeAlias

import sympy as sp

from hamsym.errors import FormulaError, SpaceError
from hamsym.symbolic.formula.language import DEFINED, FUNCTIONS, RESERVED, is_identifier

#: A name, or a sympy symbol (or undefined function) that is taken by its name.
Name: TypeAlias = str | sp.Symbol


def exact_number(number: numbers.Real) -> sp.Rational:
    """Return a number exactly; a float is the decimal that it is written as.

    Raises:
        FormulaError: for infinities and NaN.

    Example:
        >>> exact_number(0.1), exact_number(3)
        (1/10, 3)
    """
    if isinstance(number, numbers.Rational):
        return sp.Rational(int(number.numerator), int(number.denominator))
    if not math.isfinite(float(number)):
        raise FormulaError(f"{number} is not a finite number; a formula is finite and real")
    return sp.Rational(repr(float(number)))


def name_list(names: object) -> list[str]:
    """Return names given as text with blanks or commas, as one symbol, or as a sequence.

    Example:
        >>> name_list("x, y z"), name_list([sp.Symbol("x"), "y"])
        (['x', 'y', 'z'], ['x', 'y'])
    """
    if isinstance(names, str):
        return names.replace(",", " ").split()
    listed = [names] if isinstance(names, sp.Symbol) else names
    if not isinstance(listed, Iterable) or isinstance(listed, (bytes, Mapping, Set)):
        raise SpaceError(f"names are text, for example 'q1 q2' or ['q1', 'q2'], not {names!r}")
    return [_name(n) for n in listed]


def declared(kind: str, given: Any, example: str) -> dict[str, Any]:
    """Return what is declared by name, as plain text to its value.

    Example:
        >>> declared("parameters", {sp.Symbol("m"): "positive"}, "{'m': 'positive'}")
        {'m': 'positive'}
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise SpaceError(f"{kind} are given by name, as {kind}={example}; not {given!r}")
    plain = {_name(name): value for name, value in given.items()}
    if len(plain) < len(given):
        raise SpaceError(f"two of the {kind} have the same name")
    return plain


def require_declarable(name: str) -> None:
    """Raise a SpaceError for what cannot be declared: no identifier, or the name of something else."""
    if not is_identifier(name):
        raise SpaceError(f"{name!r} is not a name; use ASCII letters, digits and underscores, a letter first")
    if name in RESERVED or name in FUNCTIONS or name in DEFINED:
        raise SpaceError(
            f"{name!r} is the name of a function or constant; choose another, for example {name + '_'!r}"
        )


def shown_names(symbols: Iterable[sp.Symbol]) -> str:
    """Return the names in parentheses, the middle left out where there are many.

    Example:
        >>> shown_names(sp.symbols("x1:13"))
        '(x1, x2, x3, …, x12)'
    """
    names = [s.name for s in symbols]
    return "(" + ", ".join(names if len(names) <= 8 else [*names[:3], "…", names[-1]]) + ")"


def _name(name: object) -> str:
    if isinstance(name, sp.Symbol):
        return str(name.name)
    if isinstance(name, sp.core.function.UndefinedFunction):
        return str(name.__name__)
    if not isinstance(name, str):
        raise SpaceError(f"names are text, for example 'q1 q2' or ['q1', 'q2'], not {name!r}")
    return name
