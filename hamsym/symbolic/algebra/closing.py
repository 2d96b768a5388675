"""Does a list of functions close under the bracket?  Over Q, with a constant more, or over Q[h] with h central."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from flint import fmpq, fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.algebra.central import central_ratios, normalised, polynomial_columns
from hamsym.symbolic.algebra.functions import Functions
from hamsym.symbolic.algebra.independence import supports
from hamsym.symbolic.structure import Structure, Vector
from hamsym.symbolic.structure.elimination import plus

#: Highest power of a central function in structure constants that is looked for.
MAX_POWER = 3
#: Share of the remaining time that the search for a central function may take.
SEARCH_SHARE = 0.4
#: Seconds of the first search for a central function; most end well before.
AT_ONCE = 0.5


@dataclass
class Closing:
    """What the brackets of independent functions are made of.

    Attributes:
        basis: the independent functions.
        brackets: (i, j) to {X_i, X_j} in the basis; index n stands for the constant 1 where it was adjoined.
        adjoined: whether the constant 1 had to be added.
        outside: the pairs (i, j) of those brackets.
        expanded: the other brackets, in the basis, 1, and the ones outside.
        nonzero: the pairs of all brackets that are not zero.
        missing: brackets that leave the span of the basis and 1, each independent of those before it.
        central: a function h that commutes with the basis, where the brackets need it.
        stopped: why the search for a central function ended early, or "".
        powers: for each power of h, the part of the brackets that is multiplied by it.
    """

    basis: list[fmpq_mpoly]
    brackets: dict[tuple[int, int], Vector] = field(default_factory=dict)
    adjoined: bool = False
    outside: list[tuple[int, int]] = field(default_factory=list)
    expanded: dict[tuple[int, int], Vector] = field(default_factory=dict)
    nonzero: list[tuple[int, int]] = field(default_factory=list)
    missing: list[fmpq_mpoly] = field(default_factory=list)
    central: sp.Expr | None = None
    stopped: str = ""
    powers: list[dict[tuple[int, int], Vector]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Dimension of the algebra, the constant 1 included where it was adjoined."""
        return len(self.basis) + self.adjoined

    @property
    def structure(self) -> Structure:
        """The algebra, where the brackets close without a central function."""
        return Structure(self.brackets, self.size)

    def at(self, value: Any) -> Structure:
        """Return the algebra on the level set h = value of the central function, for a rational or a scalar."""
        total: dict[tuple[int, int], Vector] = {}
        power: Any = fmpq(1)
        for part in self.powers:
            if power:
                for pair, v in part.items():
                    total[pair] = plus(total.get(pair, {}), v, power)
            power = power * value
        return Structure(total, self.size)


def close(
    functions: Functions,
    basis: Sequence[fmpq_mpoly],
    hamiltonian: sp.Expr | None,
    *,
    search: bool = True,
    hopeless: Callable[[Closing], bool] = lambda closing: False,
) -> Closing:
    """Compute all brackets of independent functions and what they are made of.

    Arguments:
        functions: the tower of the elements.
        basis: independent functions.
        hamiltonian: tried first as a central function.
        search: whether to look for central functions at all.
        hopeless: tells of brackets whether no central function can help; asked before one is looked for.

    Raises:
        ProofStopped: when the clock runs out.
    """
    closing = Closing(list(basis))
    computed = {
        (i, j): b
        for i in range(len(basis))
        for j in range(i + 1, len(basis))
        if not (b := functions.bracket(basis[i], basis[j])).is_zero()
    }
    span = [*basis, functions.tower.ring.one]
    if functions.is_heavy:
        computed = {pair: b for pair, b in computed.items() if not functions.vanishes(b)}
    found = _expanded(functions, span, computed)
    columns = dict(zip(computed, range(len(span), len(span) + len(computed)), strict=True))
    outside = [pair for pair, column in columns.items() if column not in found]
    if not outside:
        closing.brackets = {pair: found[column] for pair, column in columns.items()}
        closing.adjoined = any(len(basis) in v for v in closing.brackets.values())
        return closing
    closing.outside, closing.missing = outside, [computed[pair] for pair in outside]
    place = {columns[pair]: len(span) + k for k, pair in enumerate(outside)}
    closing.nonzero = [pair for pair, column in columns.items() if found.get(column) != {}]
    closing.expanded = {
        pair: {place.get(k, k): c for k, c in found[column].items()}
        for pair, column in columns.items()
        if column in found
    }
    if search:
        _search(functions, closing, span, hamiltonian, computed, hopeless)
    return closing


def _search(
    functions: Functions,
    closing: Closing,
    span: Sequence[fmpq_mpoly],
    hamiltonian: sp.Expr | None,
    computed: dict[tuple[int, int], fmpq_mpoly],
    hopeless: Callable[[Closing], bool],
) -> None:
    """Look for a central function: for a moment, and only if that did not end and there is hope, for long."""
    left = functions.clock.remaining
    for seconds in (min(AT_ONCE, SEARCH_SHARE * left), SEARCH_SHARE * left):
        functions.restart(seconds)
        try:
            if closing.stopped and hamiltonian is None and hopeless(closing):
                closing.stopped = ""
                break
            closing.stopped = ""
            if hamiltonian is not None or not _one_step_closes(functions, closing):
                _find_central(functions, closing, span, hamiltonian, computed)
            break
        except tw.ProofStopped as stop:
            closing.stopped = f"the search for a central function ended early: {stop}"
    functions.restart((1 - SEARCH_SHARE) * left)


def _expanded(
    functions: Functions, span: Sequence[fmpq_mpoly], computed: Mapping[tuple[int, int], fmpq_mpoly]
) -> dict[int, Vector]:
    """Return the dependences of the columns: the span, then the brackets.

    Where clearing all denominators at once would be too much, a guess by numbers says which columns matter; that the
    brackets are combinations of these is proved all the same.
    """
    if functions.is_heavy and computed:
        written = [functions.expression(x) for x in span]
        needed = sorted(set().union(*supports(functions.space, written, list(computed))))
        if len(needed) < len(span):
            part = functions.dependences([*(span[k] for k in needed), *computed.values()])
            places = [*needed, *range(len(span), len(span) + len(computed))]
            if len(part) == len(computed) and min(part) >= len(needed):
                return {places[c]: {places[k]: value for k, value in v.items()} for c, v in part.items()}
    return functions.dependences([*span, *computed.values()]) if computed else {}


def _one_step_closes(functions: Functions, closing: Closing) -> bool:
    """Whether the brackets that are missing close the algebra over Q, so that no coefficient has to depend on h."""
    if functions.is_heavy:
        return False
    critical = dict(functions.critical)
    basis = [*closing.basis, *closing.missing]
    span = [*basis, functions.tower.ring.one]
    brackets = [b for x in basis if not (b := functions.bracket(closing.missing[0], x)).is_zero()]
    found = functions.dependences([*span, *brackets]) if brackets else {}
    closes = all(place in found for place in range(len(span), len(span) + len(brackets)))
    closes = closes and not close(functions, basis, None, search=False).missing
    functions.critical = critical
    return closes


def _find_central(
    functions: Functions,
    closing: Closing,
    span: Sequence[fmpq_mpoly],
    hamiltonian: sp.Expr | None,
    computed: dict[tuple[int, int], fmpq_mpoly],
) -> None:
    """Look for a central function over whose polynomials the brackets close, and enter it."""
    basis = closing.basis
    for expression in _candidates(functions, basis, hamiltonian, closing.missing):
        h = functions.converter.convert(expression)
        if not all(functions.vanishes(functions.bracket(h, x)) for x in basis):
            continue
        for degree in range(1, MAX_POWER + 1):
            powers = _over_polynomials(functions, span, h, degree, computed)
            if powers is not None:
                closing.central, closing.powers = expression, powers
                closing.adjoined = any(len(basis) in v for part in powers for v in part.values())
                return


def _candidates(
    functions: Functions,
    basis: Sequence[fmpq_mpoly],
    hamiltonian: sp.Expr | None,
    outside: Sequence[fmpq_mpoly],
) -> Iterator[sp.Expr]:
    if hamiltonian is not None:
        yield hamiltonian
    for ratio in central_ratios(functions, basis, outside):
        yield normalised(functions.expression(ratio), functions.space)


def _over_polynomials(
    functions: Functions,
    span: Sequence[fmpq_mpoly],
    h: fmpq_mpoly,
    degree: int,
    computed: dict[tuple[int, int], fmpq_mpoly],
) -> list[dict[tuple[int, int], Vector]] | None:
    """Return the brackets by powers of h, or None if they leave the span of h^a X_k up to the degree."""
    columns = polynomial_columns(functions, h, degree, span)
    found = functions.dependences([*columns, *computed.values()])
    powers: list[dict[tuple[int, int], Vector]] = [{} for _ in range(degree + 1)]
    for place, pair in enumerate(computed, start=len(columns)):
        if place not in found:
            return None
        for column, c in found[place].items():
            a, k = divmod(column, len(span))
            powers[a].setdefault(pair, {})[k] = c
    trial = Closing(list(span), powers=powers)
    if any(trial.at(fmpq(v)).jacobi_failure() for v in range(1, 2 * degree + 2)):
        return None  # the X_k are dependent over Q[h], and this choice of coefficients is no Lie algebra
    return powers
