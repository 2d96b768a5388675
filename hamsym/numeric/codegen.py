"""Formulas to numbers: kernels for numba and array functions for numpy from one Hamiltonian.

With :mod:`hamsym.numeric.printing` this is the only place that turns sympy expressions into code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import sympy as sp

from hamsym.arguments import real
from hamsym.errors import FormulaError, ParameterError, did_you_mean
from hamsym.numeric.log_sum_exp import shift_exponentials
from hamsym.numeric.printing import straight_line
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import Space
from hamsym.symbolic.sums import auxiliaries, has_sums, summands
from hamsym.symbolic.sums.affine import Affine


@dataclass(frozen=True)
class Arguments:
    """The local names of a space's symbols in generated code: q0, q1, …, p0, p1, …, k0, k1, … and clock."""

    q: tuple[str, ...]
    p: tuple[str, ...]
    k: tuple[str, ...]
    names: dict[sp.Symbol, str]

    @staticmethod
    def of(space: Space) -> Arguments:
        """Return the names for a space; parameters in the order in which they were declared."""
        q = tuple(f"q{i}" for i in range(len(space.coordinates)))
        p = tuple(f"p{i}" for i in range(len(space.momenta)))
        k = tuple(f"k{i}" for i in range(len(space.parameters)))
        symbols = [*space.coordinates, *space.momenta, *space.parameters.values()]
        names = dict(zip(symbols, [*q, *p, *k], strict=True))
        return Arguments(q, p, k, names if space.time is None else names | {space.time: "clock"})


def separable_source(H: Hamiltonian) -> str:
    """Return the numba source of the functions ``force`` = ∂U/∂q, ``velocity`` = ∂K/∂p and ``potential`` = U.

    Each takes scalars, ``q…`` or ``p…``, then the time ``clock`` if H depends on it, then ``k…``, and returns a scalar
    or a tuple of ``dof`` scalars.  The module that holds the source supplies the decorator ``inlined``.

    Raises:
        NotSeparableError: if H is not K(p) + U(q).
        FormulaError: if H contains functions without a formula.
    """
    arguments, tail = Arguments.of(H.space), formula_tail(H)
    U, K = shift_exponentials(H.potential), shift_exponentials(H.kinetic)
    return "\n\n".join(
        [
            _function_source("force", [U.diff(x) for x in H.space.coordinates], arguments.q, arguments, tail),
            _function_source("velocity", [K.diff(x) for x in H.space.momenta], arguments.p, arguments, tail),
            _function_source("potential", [U], arguments.q, arguments, tail),
        ]
    )


def gradient_source(H: Hamiltonian) -> str:
    """Return the numba source of the function ``gradient``: all ∂H/∂q, then all ∂H/∂p, of ``q…``, ``p…``.

    It takes further arguments and needs the same of its module as the functions of :func:`separable_source`.

    Raises:
        FormulaError: if H contains functions without a formula.
    """
    arguments, H_shifted = Arguments.of(H.space), shift_exponentials(H.expr)
    slopes = [H_shifted.diff(x) for x in H.space.variables]
    return _function_source("gradient", slopes, [*arguments.q, *arguments.p], arguments, formula_tail(H))


def hessian_source(H: Hamiltonian) -> str:
    """Return the numba source of the function ``hessian``: the second derivatives of H by q… and p…, row by row from the diagonal on.

    It takes what ``gradient`` takes, and needs the same of its module.

    Raises:
        FormulaError: if H contains functions without a formula.
    """
    arguments, H_shifted = Arguments.of(H.space), shift_exponentials(H.expr)
    variables = H.space.variables
    entries = [H_shifted.diff(x).diff(y) for i, x in enumerate(variables) for y in variables[i:]]
    return _function_source("hessian", entries, [*arguments.q, *arguments.p], arguments, formula_tail(H))


def depends_on_time(H: Hamiltonian) -> bool:
    """Whether the time of the phase space occurs in H."""
    return H.space.time in H.written.free_symbols


def formula_tail(H: Hamiltonian) -> tuple[str, ...]:
    """Return the arguments that follow the variables in generated functions: the time if H needs it, parameters."""
    return ("clock",) * depends_on_time(H) + Arguments.of(H.space).k


def _function_source(
    name: str,
    outputs: Sequence[sp.Expr],
    variables: Sequence[str],
    arguments: Arguments,
    tail: Sequence[str],
) -> str:
    lines, results = straight_line(outputs, arguments.names)
    result = results[0] if name == "potential" else f"({', '.join(results)},)"
    body = "".join(f"    {line}\n" for line in lines)
    return f"@inlined\ndef {name}({', '.join([*variables, *tail])}):\n{body}    return {result}\n"


def parameter_values(
    space: Space, given: Mapping[str, float] | None, *, used: Iterable[sp.Expr]
) -> dict[str, float]:
    """Check parameters by name and return those declared in the space that have a value, in declared order.

    Arguments:
        space: the phase space that declares them.
        given: name to number.
        used: expressions that will be evaluated; the parameters in them must be given.

    Raises:
        ParameterError: for an unknown name (with a suggestion), a missing one, a value that is not finite, or one
            that is not positive although it was declared so.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace("q", "p", parameters={"m": "positive", "k": "real"})
        >>> parameter_values(space, {"m": 2}, used=[space.parse("p**2/m")])
        {'m': 2.0}
    """
    if given is not None and not isinstance(given, Mapping):
        raise ParameterError(f"parameters is a mapping of names to numbers, not {type(given).__name__}")
    values = _each_of_a_family(space, dict(given or {}))
    for name in values:
        if name not in space.parameters:
            hint = did_you_mean(str(name), space.parameters) or "; this space has no parameters"
            raise ParameterError(f"there is no parameter {name!r}{hint}")
    needed = {name for e in used for name in _used_names(e, space)}
    missing = [n for n in space.parameters if n in needed and n not in values]
    if missing:
        example = ", ".join(f"{n!r}: 1.0" for n in missing)
        raise ParameterError(
            f"the parameter(s) {', '.join(missing)} have no value; pass parameters={{{example}}}"
        )
    return {
        n: real(f"parameter {n!r}", values[n], above=0.0 if s.is_positive else -math.inf)
        for n, s in space.parameters.items()
        if n in values
    }


def _each_of_a_family(space: Space, given: dict[str, Any]) -> dict[str, Any]:
    """Return values by name where some may be given for all of a family at once, ``m`` for m1, m2, …."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in space.parameters:
            values[name] = value
            continue
        numbered = re.compile(rf"{re.escape(str(name))}\d+(_\d+)*")
        family = [n for n in space.parameters if numbered.fullmatch(n)]
        if not family:
            values[name] = value
            continue
        listed = np.ravel(value)
        if np.ndim(value) and len(listed) != len(family):
            raise ParameterError(
                f"{name!r} stands for the {len(family)} parameters {family[0]} … {family[-1]}, and {len(listed)} values were given"
            )
        single = np.ndim(value) == 0
        values |= {
            n: value if single else x
            for n, x in zip(family, [value] * len(family) if single else listed, strict=True)
        }
    return values


@lru_cache(maxsize=256)  # asked at every simulation
def _used_names(expression: sp.Expr, space: Space) -> frozenset[str]:
    """Names that occur in an expression, with those that subscripts mean."""
    if not has_sums(expression):
        return frozenset(s.name for s in expression.free_symbols)
    parameters, names = list(space.parameters), set()
    try:
        left, inside = auxiliaries(expression, space)
        terms = [t for e in (left, *inside.values()) for t in summands(e, space)]
    except FormulaError:  # a sum in a function of the index of a sum around it
        return _used_names(space.written_out(expression), space)
    for term in terms:
        for access in term.accesses.values():
            if access.kind == "k":
                low, high = term.ranges.bounds(Affine(access.offset, access.strides))
                names.update(parameters[low : high + 1 : math.gcd(*access.strides.values()) or 1])
    return frozenset(names)


def scalar_value(expression: sp.Expr, space: Space, parameters: Mapping[str, float]) -> float:
    """Return the value of an expression in the parameters alone.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1, parameters={"m": "positive"})
        >>> scalar_value(space.parse("1/m"), space, {"m": 4.0})
        0.25
    """
    nowhere = np.zeros(len(space.coordinates))
    return float(array_function(expression, space)(nowhere, nowhere, parameters))


@cache
def array_function(expression: sp.Expr, space: Space) -> Callable[..., np.ndarray]:
    """Compile an expression to a numpy function of whole arrays.

    Arguments:
        expression: an expression of ``space``.
        space: the phase space.

    Returns:
        ``f(q, p, parameters, t)`` with q and p of shape ``(..., dof)``, parameters a dict of name to number and t the
        time, if the expression depends on it, of a shape that broadcasts to ``(...)``; it returns an array of shape
        ``(...)``, also where the expression is a constant.

    Raises:
        FormulaError: if the expression has no numeric form.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(1, parameters={"m": "positive"})
        >>> f = array_function(space.parse("p1**2/(2*m)"), space)
        >>> f(np.zeros((2, 1)), np.array([[1.0], [2.0]]), {"m": 2.0})
        array([0.25, 1.  ])
    """
    arguments = Arguments.of(space)
    lines, results = straight_line([shift_exponentials(expression)], arguments.names, flavour="numpy")
    unpack = [f"{n} = q[..., {i}]" for i, n in enumerate(arguments.q)]
    unpack += [f"{n} = p[..., {i}]" for i, n in enumerate(arguments.p)]
    unpack += [
        f"{local} = k.get({name!r})" for local, name in zip(arguments.k, space.parameters, strict=True)
    ]
    body = "".join(f"    {line}\n" for line in [*unpack, *lines])
    scope: dict[str, Any] = {"np": np}
    source = f"def value(q, p, k, clock):\n{body}    return {results[0]}\n"
    exec(compile(source, "<hamsym formula>", "exec"), scope)  # noqa: S102  our own generated source
    value = scope["value"]

    def evaluate(
        q: np.ndarray, p: np.ndarray, parameters: Mapping[str, float], t: np.ndarray | float = math.nan
    ) -> np.ndarray:
        with np.errstate(all="ignore"):  # the caller looks at what is not finite and says where
            result = value(q, p, parameters, t)
        return np.array(np.broadcast_to(result, q.shape[:-1]), dtype=np.float64)

    return evaluate
