"""One generator of the tower: its kind, what defines it, and the relation that it satisfies."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp
from flint import fmpq_mpoly


@dataclass
class Extension:
    """A generator g of the tower.

    Attributes:
        index: its number; a generator is defined by generators of lower number only.
        kind: ``symbol``, ``constant``, ``inverse`` (u·D = 1), ``root`` (r**n = B), ``abs`` (a**2 = f**2), ``exp``,
            ``log`` (of |f|), ``sin``, ``cos`` (c**2 = 1 - s**2), ``function`` (an undefined function or one of its
            derivatives), or the name of an inverse trigonometric function.
        arguments: the elements that define it.
        relation: the monic polynomial that vanishes, of degree ``degree`` in g; None when g is free or
            the inverse of more than a generator.
        nonnegative: whether its value is never negative where it is defined.
        symbol: the sympy symbol or constant for the kinds ``symbol`` and ``constant``.
        name, orders: for ``function``, its name and how often it is differentiated by each argument.
        base, order: for ``root``, the number of the radicand's entry and the total order: g = base**(1/order).
        depends: the numbers of the symbols and undefined functions that it depends on; empty for a known constant.
        derivatives: what was computed of its derivatives by those symbols.
        partner: for ``sin`` and ``cos``, the number of the other one.
    """

    index: int
    kind: str
    arguments: tuple[fmpq_mpoly, ...] = ()
    relation: fmpq_mpoly | None = None
    degree: int = 0
    nonnegative: bool = False
    symbol: sp.Expr | None = None
    name: str = ""
    orders: tuple[int, ...] = ()
    base: fmpq_mpoly | None = None
    order: int = 1
    partner: int = -1
    depends: frozenset[int] = frozenset()
    derivatives: dict[int, fmpq_mpoly] = field(default_factory=dict)
