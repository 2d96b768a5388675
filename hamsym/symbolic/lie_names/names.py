"""The name of a Lie algebra from the names of its direct summands."""

from __future__ import annotations

from hamsym.errors import UndecidedError
from hamsym.symbolic.lie_names.semidirect import semidirect_name
from hamsym.symbolic.lie_names.simple import simple_names
from hamsym.symbolic.lie_names.solvable import solvable_name
from hamsym.symbolic.structure import Structure, direct_sum, radical

#: Dimension above which no name is looked for.
LARGEST = 80
#: Direct sums that have a name of their own.
_SUMS: dict[tuple[str, ...], str] = {
    ("so(3)", "so(3)"): "so(4) = so(3) ⊕ so(3)",
    ("sl(2,R)", "sl(2,R)"): "so(2,2) = sl(2,R) ⊕ sl(2,R)",
    ("so(3)", "R"): "u(2) = so(3) ⊕ R",
    ("sl(2,R)", "R"): "gl(2,R) = sl(2,R) ⊕ R",
}
#: Squares that have a name of their own.
_PAIRS = {"so(3)": "so(4)", "sl(2,R)": "so(2,2)"}


def name_of(algebra: Structure) -> str | None:
    """Return the name of a real Lie algebra, or None where the invariants at hand do not prove one.

    The algebra is split into a direct sum of ideals, and each summand is named.

    Example:
        >>> from flint import fmpq
        >>> name_of(Structure({(0, 1): {2: fmpq(1)}}, 4))
        'h_3 ⊕ R'
    """
    if not algebra.brackets:
        return "R" if algebra.dimension == 1 else f"R^{algebra.dimension}"
    if algebra.dimension > LARGEST:
        return None
    try:
        return _name(algebra)
    except UndecidedError:  # a sign that depends on parameters
        return None


def _name(algebra: Structure) -> str | None:
    lines, names = 0, []
    for part in direct_sum(algebra):
        if part.dimension == 1:
            lines += 1
            continue
        found = _summand(algebra.subalgebra(part))
        if found is None:
            return None
        names += found
    names.sort()
    if lines:
        names.append("R" if lines == 1 else f"R^{lines}")
    known = _SUMS.get(tuple(names))
    if known is not None:
        return known
    if names[1:] == ["R"]:
        first = names[0].split(" = ")[0]
        if first.startswith("su("):
            return f"{first[1:]} = {first} ⊕ R"  # u(n) or u(p,q): its centre is the line of multiples of i
        if first.startswith("sl(") and first.endswith(",R)"):
            return f"g{first[1:]} = {first} ⊕ R"
    if len(names) == 1:
        return names[0]
    names = [name.split(" = ")[0] for name in names]
    for twice, once in _PAIRS.items():
        if names.count(twice) == 2:
            place = names.index(twice)
            names[place : place + 2] = [once]
    return " ⊕ ".join(names)


def _summand(algebra: Structure) -> list[str] | None:
    size = radical(algebra).dimension
    if size == 0:
        return simple_names(algebra)
    found = solvable_name(algebra) if size == algebra.dimension else semidirect_name(algebra)
    return None if found is None else [found]
