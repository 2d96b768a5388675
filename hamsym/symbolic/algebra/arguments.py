"""What a Lie algebra may be made of, and what stops its computation, in errors that a user can act on."""

from __future__ import annotations

import numbers
from collections.abc import Sequence, Sized

import sympy as sp

from hamsym.arguments import real, shown
from hamsym.errors import FormulaError, SpaceError, SymmetryError, UndecidedError
from hamsym.symbolic import tower as tw
from hamsym.symbolic.formula.admission import admitted
from hamsym.symbolic.formula.names import exact_number
from hamsym.symbolic.formula.parser import parse
from hamsym.symbolic.lie_poisson import LiePoissonSpace
from hamsym.symbolic.space import Space

#: Generators that are accepted.
MAX_GENERATORS = 200


class stops:
    """Turns what stops the tower into errors that a user can act on."""

    def __init__(self, work: str) -> None:
        self.work = work

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, tw.Overrun):
            raise UndecidedError(
                f"{self.work} did not end: {error}; pass a larger budget= or fewer generators"
            ) from error
        if isinstance(error, tw.ProofStopped):
            raise SymmetryError(f"{self.work} could not be computed exactly: {error}") from error


def require(generators: object, space: object) -> None:
    """Refuse generators and spaces of the wrong kind or size."""
    if not isinstance(space, Space):
        raise SpaceError(f"a phase space is needed, not {type(space).__name__}; pass PhaseSpace('q1', 'p1')")
    if isinstance(generators, (str, bytes, sp.Basic)) or not isinstance(generators, Sequence):
        raise SymmetryError(
            f"generators are a list of formulas, for example ['q1*p2 - q2*p1'], not {shown(generators)}"
        )
    if not generators:
        raise SymmetryError("there are no generators; pass at least one formula")
    if len(generators) > MAX_GENERATORS:
        raise SymmetryError(
            f"{len(generators)} generators are more than {MAX_GENERATORS}; pass a set that generates the algebra "
            "and read its .closure"
        )


def level_value(value: object) -> sp.Rational:
    """Return the value of a central function as an exact number; a float as the decimal that it is written as.

    Raises:
        ParameterError: for anything that is no finite real number.

    Example:
        >>> level_value(-0.5)
        -1/2
    """
    if isinstance(value, sp.Rational):
        return value
    real("the level", value)
    assert isinstance(value, numbers.Real)
    return exact_number(value)


def space_of(constants: Sequence[Sequence[Sequence[object]]]) -> LiePoissonSpace:
    """Return the Lie–Poisson space with given structure constants, after they were checked; coordinates X1, X2, …

    Raises:
        SpaceError: for constants of the wrong shape, inexact ones, and those of no Lie algebra.

    Example:
        >>> space_of([[[0, 0], [0, 1]], [[0, -1], [0, 0]]])
        LiePoissonSpace(x=(X1, X2), [{X1, X2} = X2])
    """
    size = len(constants) if isinstance(constants, Sized) and not isinstance(constants, str) else 1
    if size > MAX_GENERATORS:
        raise SymmetryError(f"{size} basis elements are more than {MAX_GENERATORS}")
    return LiePoissonSpace([f"X{i + 1}" for i in range(max(size, 1))], constants)


def in_symbols(given: object, symbols: Sequence[sp.Symbol], space: Space) -> sp.Expr:
    """Return text or an expression in the symbols of a basis and the parameters of a space.

    Raises:
        FormulaError: for other names, and for anything that is no formula.

    Example:
        >>> from hamsym import PhaseSpace
        >>> in_symbols("X1**2 + k", sp.symbols("X1 X2", real=True), PhaseSpace.standard(1, parameters={"k": "real"}))
        X1**2 + k
    """
    names = {**space.parameters, **{s.name: s for s in symbols}}
    if isinstance(given, str):
        return parse(given, names)
    if isinstance(given, sp.Expr):
        return admitted(given, names, space.functions, space.function_arity)
    if isinstance(given, numbers.Real) and not isinstance(given, bool):
        return exact_number(given)
    raise FormulaError(f"a polynomial in X1, X2, … is text or a sympy expression, not {shown(given)}")
