"""When does a nonzero normal form prove that a function is not zero?

It does where the generators of a tower satisfy no relations but those that the tower knows.  That is shown here
from the structure of the tower: radicands and arguments of functions are polynomials in the symbols, and they are
independent of one another.  Source: Lang, Algebra, section VI.8 (Kummer theory); Ax (1971), Annals of Mathematics
93, 252 (exponentials); Ostrowski (1946) (logarithms).
"""

from __future__ import annotations

from collections.abc import Iterable

from flint import fmpq_mpoly

from hamsym.symbolic import tower as tw
from hamsym.symbolic.tower.extension import Extension


def closure(tower: tw.Tower, elements: Iterable[fmpq_mpoly]) -> set[int]:
    """Return the numbers of the generators that occur in elements, or in what those are made of."""
    present: set[int] = set()
    waiting = list(elements)
    while waiting:
        for index in tower.ring.support(waiting.pop()):
            if index not in present:
                present.add(index)
                extension = tower.extensions[index]
                waiting += extension.arguments
                if extension.relation is not None:
                    waiting.append(extension.relation)
    return present


def doubt(tower: tw.Tower, elements: Iterable[fmpq_mpoly]) -> str | None:
    """Return None if all relations between the generators of elements are known, else what was not shown.

    Example:
        >>> import sympy as sp
        >>> from fractions import Fraction
        >>> tower = tw.Tower(tw.Clock(1.0))
        >>> x = tower.symbol(sp.Symbol("x", real=True))
        >>> r = tower.power(x*x + 1, Fraction(1, 2))
        >>> doubt(tower, [r]), doubt(tower, [tower.power(r + 2, Fraction(1, 2))])
        (None, 'a root of something that contains functions itself')
    """
    ring = tower.ring
    generators = [tower.extensions[i] for i in sorted(closure(tower, elements))]
    constants = [e for e in generators if e.kind == "constant"]
    if constants and any(e.kind in ("exp", "log", "sin", "cos") and not e.depends for e in generators):
        return "constants like pi and exp(1) may be related"
    roots = [e for e in generators if e.kind == "root"]
    for k, one in enumerate(roots):
        if any(
            not ring.lift(one.arguments[0]).gcd(ring.lift(other.arguments[0])).is_constant()
            for other in roots[:k]
        ):
            return "roots of quantities with a common factor"
    return next((reason for e in generators if (reason := _doubt_of(tower, e))), None)


def _doubt_of(tower: tw.Tower, e: Extension) -> str | None:
    match e.kind:
        case "symbol" | "constant" | "inverse" | "function":
            return None
        case "root":
            if not _is_polynomial(tower, e):
                return "a root of something that contains functions itself"
            radicand = e.arguments[0]
            if radicand.is_constant():
                return None if _is_prime(radicand) else "a root of a number that is not prime"
            # r**n = A with A free of squares is irreducible by Eisenstein's criterion at any factor of A.
            _, factors = radicand.factor_squarefree()
            return None if all(k == 1 for _, k in factors) else "a root of something with a repeated factor"
        case "exp" | "sin" | "cos" | "log":
            return (
                None if _is_polynomial(tower, e) else f"{e.kind} of something that contains functions itself"
            )
        case "abs":
            return "an absolute value of something whose sign is not known"
    return f"{e.kind} of something"


def _is_polynomial(tower: tw.Tower, e: Extension) -> bool:
    """Tell whether what defines a generator is a polynomial in symbols."""
    inner = {i for a in e.arguments for i in tower.ring.support(a)}
    return all(tower.extensions[i].kind == "symbol" for i in inner)


def _is_prime(number: fmpq_mpoly) -> bool:
    value = number.leading_coefficient()
    return value.q == 1 and value.p > 1 and value.p.is_prime()
