"""What a Lie algebra may be made of, and what stops its computation, in errors that a user can act on."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import sympy as sp
from flint import fmpq

from hamsym.errors import ParameterError, ShapeError, SpaceError, SymmetryError, UndecidedError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.space import Space
from hamsym.symbolic.structure import Structure, Vector

#: Generators that are accepted.
MAX_GENERATORS = 200


class stops:
    """Turns what stops the tower into errors that a user can act on."""

    def __init__(self, work: str, budget: float) -> None:
        self.work, self.budget = work, budget

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, tw.Overrun):
            raise UndecidedError(
                f"{self.work} did not end: {error}; pass a larger budget= or fewer generators"
            ) from error
        if isinstance(error, tw.ProofStopped):
            raise SymmetryError(f"{self.work} could not be computed exactly: {error}") from error


def require(generators: object, space: object, budget: object) -> None:
    """Refuse generators, spaces and budgets of the wrong kind or size."""
    if not isinstance(space, Space):
        raise SpaceError(f"a phase space is needed, not {type(space).__name__}; pass PhaseSpace('q1', 'p1')")
    if isinstance(generators, (str, bytes, sp.Basic)) or not isinstance(generators, Sequence):
        raise SymmetryError(
            f"generators are a list of formulas, for example ['q1*p2 - q2*p1'], not {generators!r}"
        )
    if not generators:
        raise SymmetryError("there are no generators; pass at least one formula")
    if len(generators) > MAX_GENERATORS:
        raise SymmetryError(
            f"{len(generators)} generators are more than {MAX_GENERATORS}; pass a set that generates the algebra "
            "and read its .closure"
        )
    if (
        isinstance(budget, bool)
        or not isinstance(budget, numbers.Real)
        or not 0 < float(budget) < float("inf")
    ):
        raise ParameterError(f"the budget is a positive number of seconds, not {budget!r}")


def checked_constants(constants: object) -> Structure:
    """Return nested lists c[i][j][k] as a structure after their shape, antisymmetry and Jacobi identity were checked."""
    try:
        table = [[list(row) for row in block] for block in constants]  # type: ignore[attr-defined]
    except TypeError as error:
        raise ShapeError("structure constants are nested lists c[i][j][k] of shape (n, n, n)") from error
    n = len(table)
    if not n or any(len(block) != n or any(len(row) != n for row in block) for block in table):
        raise ShapeError("structure constants are nested lists c[i][j][k] of shape (n, n, n)")
    exact = [[[exact_number(c) for c in row] for row in block] for block in table]
    brackets: dict[tuple[int, int], Vector] = {}
    for i in range(n):
        for j in range(i, n):
            for k in range(n):
                if exact[i][j][k] != -exact[j][i][k]:
                    raise SymmetryError(
                        f"c[{i}][{j}][{k}] = {exact[i][j][k]} is not -c[{j}][{i}][{k}] = {-exact[j][i][k]}"
                    )
            v = {k: fraction(c) for k, c in enumerate(exact[i][j]) if c}
            if v:
                brackets[i, j] = v
    structure = Structure(brackets, n)
    failure = structure.jacobi_failure()
    if failure is not None:
        raise SymmetryError(
            "the Jacobi identity fails for the basis elements " + ", ".join(map(str, failure)) + " (from 0)"
        )
    return structure


def exact_number(value: object) -> sp.Rational:
    """Return a real number as a rational; a float as the decimal that it is written as."""
    if isinstance(value, sp.Rational):
        return value
    if isinstance(value, numbers.Rational) and not isinstance(value, bool):
        return sp.Rational(int(value.numerator), int(value.denominator))
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        as_float = float(value)
        if as_float == as_float and abs(as_float) != float("inf"):
            return sp.Rational(repr(as_float))
    raise ParameterError(f"an exact number is needed, not {value!r}; pass an integer or a fraction")


def fraction(value: sp.Rational) -> fmpq:
    """Return a sympy rational in the type of the exact arithmetic."""
    return fmpq(int(value.p), int(value.q))
