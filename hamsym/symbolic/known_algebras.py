"""Structure constants and Casimir functions of the Lie algebras that are known by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import sympy as sp

#: (i, j, k) -> nonzero coefficient of x_k in {x_i, x_j}.
Constants: TypeAlias = dict[tuple[int, int, int], sp.Rational]


def _brackets(given: Mapping[tuple[int, int], tuple[int, int]]) -> Constants:
    """Return structure constants from brackets {x_i, x_j} = c·x_k given for one order of each pair, as (k, c)."""
    constants: Constants = {}
    for (i, j), (k, c) in given.items():
        constants[i, j, k], constants[j, i, k] = sp.Integer(c), sp.Integer(-c)
    return constants


def _rotor(sign: int | None) -> Constants:
    """so(3), or with three more: {L_i, K_j} = ε_ijk K_k and {K_i, K_j} = sign·ε_ijk L_k."""
    given = {}
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        given[i, j] = (k, 1)
        if sign is not None:
            given[i, j + 3], given[j, i + 3] = (k + 3, 1), (k + 3, -1)
            if sign:
                given[i + 3, j + 3] = (k, sign)
    return _brackets(given)


#: Known algebras by name: coordinates by convention, and structure constants.
ALGEBRAS: dict[str, tuple[str, Constants]] = {
    "so3": ("L1 L2 L3", _rotor(None)),
    "e3": ("L1 L2 L3 g1 g2 g3", _rotor(0)),
    "so4": ("L1 L2 L3 K1 K2 K3", _rotor(1)),
    "so31": ("L1 L2 L3 K1 K2 K3", _rotor(-1)),
    "e2": ("L g1 g2", _brackets({(0, 1): (2, 1), (0, 2): (1, -1)})),
    "sl2": ("h e f", _brackets({(0, 1): (1, 2), (0, 2): (2, -2), (1, 2): (0, 1)})),
    "heisenberg": ("x y z", _brackets({(0, 1): (2, 1)})),
}
#: Other names of these algebras.
ALIASES = {
    "su2": "so3",
    "se3": "e3",
    "se2": "e2",
    "iso3": "e3",
    "iso2": "e2",
    "so13": "so31",
    "lorentz": "so31",
}
ALIASES |= {"sl2r": "sl2", "so21": "sl2", "h3": "heisenberg", "h1": "heisenberg"}


def casimirs(algebra: str, x: Sequence[sp.Symbol]) -> tuple[sp.Expr, ...]:
    """Return the independent Casimir functions of a known algebra.

    Arguments:
        algebra: its name, one of :data:`ALGEBRAS`.
        x: coordinates on its dual.

    Source: Marsden, Ratiu, Introduction to Mechanics and Symmetry, chapter 14.

    Example:
        >>> casimirs("sl2", sp.symbols("h e f"))
        (4*e*f + h**2,)
    """
    if algebra in ("so3", "e2"):
        return (sp.Add(*(s**2 for s in (x if algebra == "so3" else x[1:]))),)
    if algebra == "sl2":
        return (x[0] ** 2 + 4 * x[1] * x[2],)
    if algebra == "heisenberg":
        return (x[2],)
    sign = {"e3": 0, "so4": 1, "so31": -1}[algebra]
    L, K = x[:3], x[3:]
    squares = sp.Add(*(k**2 + sign * m**2 for m, k in zip(L, K, strict=True)))
    return squares, sp.Add(*(m * k for m, k in zip(L, K, strict=True)))
