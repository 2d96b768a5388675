"""What a basis is complete among: the ansatz in words, and what it lacks for the Hamiltonian itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.integrals.ansatz import Ansatz
from hamsym.symbolic.integrals.natural import Natural

#: Entries that are written out, and entries that a hint names.
WRITTEN, NAMED = 8, 3


def in_words(ansatz: Ansatz, *, latex: bool = False) -> str:
    """Return what the combinations of an ansatz are, as text or as LaTeX for text mode.

    Example:
        >>> from hamsym import PhaseSpace
        >>> from hamsym.symbolic.integrals.ansatz import monomials
        >>> in_words(monomials(PhaseSpace.standard(2), 4))
        'polynomials of degree ≤ 4 in q1, q2, p1, p2'
        >>> in_words(monomials(PhaseSpace.standard(1), 3, ["p1", "cos(q1)"], momentum_degree=2), latex=True)
        'polynomials of degree $\\\\leq 3$ in $p_{1}$, $\\\\cos{\\\\left(q_{1} \\\\right)}$, of degree 2 in the momenta'
    """
    write, listed = Natural(ansatz.space), ansatz.entries[:WRITTEN]
    if latex:
        entries = [f"${write.latex(e)}$" for e in listed]
    else:
        entries = [shorten(write.text(e), 40) for e in listed]
    left = len(ansatz.entries) - len(listed)
    entries += [f"and {left} more"] * bool(left)
    bound = rf"$\leq {ansatz.degree}$" if latex else f"≤ {ansatz.degree}"
    words = f"polynomials of degree {bound} in {', '.join(entries)}"
    if ansatz.momentum_degree is not None:
        words += f", of degree {ansatz.momentum_degree} in the momenta"
    if any(b < ansatz.degree for b in ansatz.bounds):
        words += ", with bounded exponents"
    return words


def contains_by_form(ansatz: Ansatz, expression: sp.Expr) -> bool:
    """Tell whether an expression is, as it is written, a polynomial in the entries of the right degree.

    Example:
        >>> from hamsym import PhaseSpace
        >>> from hamsym.symbolic.integrals.ansatz import monomials
        >>> space = PhaseSpace.standard(1)
        >>> ansatz = monomials(space, 2, ["p1", "cos(q1)"])
        >>> [contains_by_form(ansatz, space.parse(t)) for t in ("p1**2 + cos(q1)", "p1**3", "sin(q1)")]
        [True, False, False]
    """
    missing, degree = _missing(ansatz, expression)
    bounded = ansatz.momentum_degree is not None or any(b < ansatz.degree for b in ansatz.bounds)
    return not missing and degree <= ansatz.degree and not bounded


def advice(ansatz: Ansatz, expression: sp.Expr) -> str:
    """Return which entries or which degree to add, so that an expression is a polynomial in the entries.

    Example:
        >>> from hamsym import PhaseSpace
        >>> from hamsym.symbolic.integrals.ansatz import monomials
        >>> space = PhaseSpace.standard(2)
        >>> advice(monomials(space, 4), space.parse("p1**2/2 - 1/sqrt(q1**2 + q2**2)"))
        'add ansatz entries such as 1/sqrt(q1**2 + q2**2)'
        >>> advice(monomials(space, 4), space.parse("p1**2/2 + q1**6"))
        'raise the degree to 6'
    """
    missing, degree = _missing(ansatz, expression)
    if missing:
        write = Natural(ansatz.space)
        return "add ansatz entries such as " + ", ".join(write.text(e) for e in missing[:NAMED])
    if degree > ansatz.degree:
        return f"raise the degree to {degree}"
    return "loosen the bounds of the exponents"


def _missing(ansatz: Ansatz, expression: sp.Expr) -> tuple[list[sp.Expr], int]:
    """Return the entries that an expression needs and the ansatz lacks, and its degree in all of them."""
    moving = {*ansatz.space.variables, ansatz.space.time}
    missing: dict[sp.Expr, None] = {}
    degree = 0
    for term in _terms(expression):
        total = 0
        for entry, power in _factors(term, moving):
            total += power
            if entry not in ansatz.entries:
                missing[entry] = None
        degree = max(degree, total)
    return list(missing), degree


def _terms(expression: sp.Expr) -> Iterator[sp.Expr]:
    """Yield the terms of a product of sums, of sums of such, and so on; what is inside functions stays."""
    for term in sp.Add.make_args(expression):
        opened = sp.expand(term, deep=False, power_exp=False, power_base=False, log=False)
        if opened.is_Add:
            yield from _terms(opened)
        else:
            yield term


def _factors(term: sp.Expr, moving: set[sp.Symbol | None]) -> Iterator[tuple[sp.Expr, int]]:
    """Yield entries and powers whose product is a term, up to a constant factor."""
    for factor in sp.Mul.make_args(term):
        if not factor.free_symbols & moving:
            continue
        base, exponent = factor.as_base_exp()
        if not exponent.is_Rational or isinstance(factor, sp.exp):
            yield factor, 1
        elif exponent.is_Integer and exponent > 0:
            yield base, int(exponent)
        else:
            sign = 1 if exponent > 0 else -1
            yield base ** sp.Rational(sign, exponent.q), int(abs(exponent.p))


def hamiltonian_of(functions: Sequence[sp.Expr], ansatz: Ansatz) -> sp.Expr | None:
    """Return the function that conserves itself and that a basis would be expected to contain, if there is one."""
    single = len(functions) == 1 and ansatz.space.time is None and ansatz.momentum_degree is None
    return functions[0] if single else None
