"""Values of parameters that are worth a trial where the parameters stand inside functions or in the ansatz.

There the functions themselves change at special values, so that no elimination finds them all.  Tried are the values
at which a pivot of the elimination, a coefficient of an argument or of an entry, or a difference of such coefficients
of two functions of one kind vanishes.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping

import sympy as sp
from flint import fmpq_mpoly

from hamsym.symbolic.integrals.conserved import Conservation

#: Arguments of one kind of function that are compared in multiples up to this one; random points for signs.
LARGEST_MULTIPLE, POINTS = 3, 60

#: Functions that are zero where their argument is.
VANISHING = (sp.sin, sp.tan, sp.asin, sp.atan, sp.sinh, sp.tanh, sp.Abs)

#: Parameter -> its value in the other parameters.
Rule = tuple[sp.Symbol, sp.Expr]


def conditions(system: Conservation, critical: Iterable[fmpq_mpoly]) -> list[sp.Expr]:
    """Return irreducible expressions in the parameters whose zeros are worth a trial, simple ones first.

    Arguments:
        system: the entries and flows.
        critical: pivots of the elimination.

    Example:
        >>> from hamsym import PhaseSpace
        >>> from hamsym.symbolic.integrals.ansatz import monomials
        >>> from hamsym.symbolic.tower import Clock
        >>> space = PhaseSpace.standard(1, parameters={"a": "real"})
        >>> ansatz = monomials(space, 1, ["p1", "cos(q1)"])
        >>> system = Conservation(ansatz, [space.parse("p1**2 + cos(a*q1)")], Clock(1.0))
        >>> conditions(system, [])
        [a, a + 1, a - 1]
    """
    read = system.reader.expand
    found: dict[sp.Expr, None] = {}
    for polynomial in (*critical, *_coefficients(system)):
        for factor in _factors(read(polynomial)):
            found[-factor if factor.could_extract_minus_sign() else factor] = None
    return sorted(found, key=lambda f: (sp.count_ops(f), str(f)))


def _factors(expression: sp.Expr) -> Iterator[sp.Expr]:
    """Yield the factors of a numerator that contain parameters and can vanish; a function that vanishes where
    its argument does is replaced by that."""
    top = sp.numer(sp.together(expression))
    for factor, _ in sp.factor_list(top)[1] if top.free_symbols else ():
        if not factor.free_symbols or factor.is_nonzero:
            continue
        if factor.is_Pow or isinstance(factor, VANISHING):
            yield from _factors(factor.args[0])
        elif isinstance(factor, sp.log):
            yield from _factors(factor.args[0] - 1)
        else:
            yield factor


def _coefficients(system: Conservation) -> Iterator[fmpq_mpoly]:
    """Yield coefficients of entries and of arguments of functions, and differences between functions of one kind."""
    tower, ring = system.tower, system.tower.ring
    outer = [e for e in tower.extensions if e.depends & system.moving and e.arguments and e.kind != "cos"]
    moving = [e.index for e in tower.extensions if e.depends & system.moving]
    split = [(e.kind, [ring.split(ring.lift(a), moving) for a in e.arguments]) for e in outer]
    for element in system.elements:
        yield from ring.split(ring.lift(element), moving).values()
    for _, arguments in split:
        for parts in arguments:
            yield from parts.values()
    for (kind, first), (other, second) in itertools.combinations(split, 2):
        if kind != other:
            continue
        most = min(system.ansatz.degree, LARGEST_MULTIPLE) if kind in ("exp", "sin") else 1
        for a, b in zip(first, second, strict=False):
            for key in a.keys() & b.keys():
                for m, n in itertools.product(range(1, most + 1), repeat=2):
                    yield m * a[key] - n * b[key]
                    yield m * a[key] + n * b[key]


def rules(condition: sp.Expr) -> list[Rule]:
    """Return values of one parameter at which an expression vanishes, in rational numbers or square roots.

    Example:
        >>> a, b = sp.symbols("a b", real=True)
        >>> rules(2*a - 3*b), rules(a**2 - 2), rules(a**3 - 2)
        ([(a, 3*b/2)], [(a, -sqrt(2)), (a, sqrt(2))], [])
    """
    symbols = sorted(condition.free_symbols, key=str)
    tried = [(s, _roots(condition, s)) for s in symbols]
    found = [(s, values) for s, values in tried if values]
    if not found:
        return []
    s, values = min(found, key=lambda item: sum(sp.count_ops(sp.denom(v)) for v in item[1]))
    return [(s, v) for v in values]


def _roots(condition: sp.Expr, symbol: sp.Symbol) -> list[sp.Expr]:
    """Return values of a symbol at which an expression vanishes; none where that is not easy."""
    root = sp.Dummy(symbol.name, nonnegative=True)
    powers = condition.atoms(sp.Pow)
    if any(p.base == symbol and not p.exp.is_Integer for p in powers):
        inner = condition.subs(symbol, root**2)
        return [v**2 for v in _roots(inner, root) if v.is_nonnegative is not False]
    try:
        polynomial = sp.Poly(condition, symbol)
    except sp.PolynomialError:
        return []
    if polynomial.degree() == 1:
        top, rest = polynomial.all_coeffs()
        return [sp.cancel(-rest / top)]
    if polynomial.degree() == 2 and all(c.is_Rational for c in polynomial.all_coeffs()):
        a, b, c = polynomial.all_coeffs()
        root = sp.sqrt(b**2 - 4 * a * c)
        return [sp.expand((-b - root) / (2 * a)), sp.expand((-b + root) / (2 * a))] if root.is_real else []
    return []


def is_reached(values: Mapping[sp.Symbol, sp.Expr]) -> bool:
    """Tell whether real numbers were found for the free parameters that give all others their assumed signs.

    Example:
        >>> a, b = sp.Symbol("a", positive=True), sp.Symbol("b", positive=True)
        >>> is_reached({a: b - 1}), is_reached({a: -b})
        (True, False)
    """
    numbers = random.Random(1)
    free = sorted(set().union(*(v.free_symbols for v in values.values())), key=str)
    for _ in range(POINTS if free else 1):
        point = {}
        for s in free:
            size = sp.Rational(numbers.randint(1, 60), numbers.randint(1, 20))
            point[s] = size if s.is_positive or numbers.random() < 0.5 else -size
        taken = [(s, v.subs(point)) for s, v in values.items()]
        if all(v.is_finite and v.is_real and (v > 0 or not s.is_positive) for s, v in taken):
            return True
    return False
