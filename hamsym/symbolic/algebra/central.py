"""Central functions: a function h that commutes with all generators may serve as a number.

Brackets that leave the span over Q may stay in the span over Q[h].  On every level set h = const the generators
then close to a Lie algebra, whose isomorphism class can change with the level: the Kepler problem is so(4) on
bound orbits and so(3,1) on unbound ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp
from flint import fmpq_mpoly

from hamsym.symbolic.algebra.functions import Functions
from hamsym.symbolic.algebra.scalars import lowest_terms
from hamsym.symbolic.space import Space

#: Ratios of a bracket and a generator that are tried as central functions.
MAX_RATIOS = 400


def central_ratios(
    functions: Functions, basis: Sequence[fmpq_mpoly], brackets: Sequence[fmpq_mpoly]
) -> Iterator[fmpq_mpoly]:
    """Yield functions h = {X_i, X_j}/X_k that were proved to commute with the whole basis and are not constant.

    Arguments:
        functions: the tower of the elements.
        basis: the generators.
        brackets: those brackets of generators that leave their span.
    """
    ring, tried, seen = functions.tower.ring, 0, set()
    for b in brackets:
        slopes = [functions.bracket(b, x) for x in basis]
        for k, divisor in enumerate(basis):
            tried += 1
            if tried > MAX_RATIOS:
                return
            # {b/X, Y} = 0 without a division: {b, Y} X = b {X, Y}
            commutes = all(
                functions.vanishes(
                    ring.sub(ring.mul(slope, divisor), ring.mul(b, functions.bracket(basis[k], y)))
                )
                for slope, y in zip(slopes, basis, strict=True)
            )
            if not commutes:
                continue
            h = _quotient(functions, b, divisor)
            if not functions.tower.depends(h) - functions.parameters or str(h) in seen:
                continue
            seen.add(str(h))
            yield h


def _quotient(functions: Functions, a: fmpq_mpoly, b: fmpq_mpoly) -> fmpq_mpoly:
    """Return a/b, without the denominators that cancel."""
    tower, ring = functions.tower, functions.tower.ring
    (top, over), (bottom, under) = tower.cleared(a), tower.cleared(b)
    quotient, rest = divmod(ring.lift(top), ring.lift(bottom))
    if not rest.is_zero():
        for index, m in under.items():
            top = ring.mul(top, ring.power(tower.extensions[index].arguments[0], m))
        for index, m in over.items():
            bottom = ring.mul(bottom, ring.power(tower.extensions[index].arguments[0], m))
        return _rationalised(functions, top, bottom)
    for index, m in over.items():
        quotient = ring.mul(quotient, ring.power(tower.gen(index), m))
    for index, m in under.items():
        quotient = ring.mul(quotient, ring.power(tower.extensions[index].arguments[0], m))
    outer = [functions.tower.number(p) for p in functions.space.momenta if p in functions.used]
    return ring.sum(
        ring.mul(lowest_terms(tower, part), _monomial(functions, exponents, outer))
        for exponents, part in ring.split(quotient, outer).items()
    )


def _rationalised(functions: Functions, top: fmpq_mpoly, bottom: fmpq_mpoly) -> fmpq_mpoly:
    """Return top/bottom with square roots in numerators only, each term in the momenta in lowest terms.

    A field of fractions with one square root has one such form of each element, so that what cancels does.
    """
    tower, ring = functions.tower, functions.tower.ring
    top, bottom = tower.reduce(top), tower.reduce(bottom)
    roots = [e for e in tower.extensions if e.kind == "root"]
    for root in reversed(roots):
        parts = ring.coefficients(ring.lift(bottom), root.index)
        relation = root.relation
        if relation is None or set(parts) <= {0} or ring.degrees(relation)[root.index] != 2:
            continue
        conjugate = ring.sub(parts.get(0, ring.zero), ring.mul(parts[1], ring.gen(root.index)))
        top = tower.reduce(ring.mul(top, conjugate))
        bottom = tower.reduce(ring.mul(bottom, conjugate))
    outer = [tower.number(p) for p in functions.space.momenta if p in functions.used]
    outer += [*(root.index for root in roots), *sorted(functions.parameters)]
    top, bottom, terms = ring.lift(top), ring.lift(bottom), []
    common = bottom
    for part in ring.split(top, [root.index for root in roots]).values():
        common = common.gcd(ring.lift(part))
    bottom = divmod(bottom, common)[0]
    for exponents, part in ring.split(divmod(top, common)[0], outer).items():
        own = bottom.gcd(part)
        term = ring.mul(_monomial(functions, exponents, outer), divmod(part, own)[0])
        scale, factors = ring.factors(divmod(bottom, own)[0])
        for factor, m in factors:
            term = ring.mul(term, ring.power(tower.inverse(factor), m))
        terms.append(ring.mul(ring.constant(1 / scale), term))
    return ring.sum(terms)


def _monomial(functions: Functions, exponents: Sequence[int], indices: Sequence[int]) -> fmpq_mpoly:
    ring = functions.tower.ring
    product = ring.one
    for index, e in zip(indices, exponents, strict=True):
        product = ring.mul(product, ring.power(ring.gen(index), e))
    return product


def normalised(h: sp.Expr, space: Space) -> sp.Expr:
    """Return a multiple of h + constant in the form in which a Hamiltonian is written.

    The square of the first momentum gets the coefficient 1/2 where h is quadratic in the momenta; otherwise the
    numerical content is divided out and the leading term in the momenta is positive.

    Example:
        >>> from hamsym import PhaseSpace
        >>> space = PhaseSpace.standard(2)
        >>> normalised(space.parse("-p1**2 - p2**2 + 2/sqrt(q1**2 + q2**2)"), space)
        p1**2/2 + p2**2/2 - 1/sqrt(q1**2 + q2**2)
        >>> normalised(space.parse("-4*q1**3 - 6*q2"), space)
        2*q1**3 + 3*q2
    """
    h = h.as_independent(*space.variables, as_Add=True)[1]
    variables = [s for s in space.momenta if h.has(s)] or [s for s in space.coordinates if h.has(s)]
    if variables and h.is_polynomial(*variables):
        polynomial = sp.Poly(h, *variables)
        leading = polynomial.coeffs()[0]
        if polynomial.total_degree() == 2 and variables[0] in space.momenta and leading.is_Rational:
            return _scaled(h, 1 / (2 * leading))
        number = sp.Poly(leading, *leading.free_symbols).LC() if leading.free_symbols else leading
    else:
        number = sp.Integer(1)
    content = sp.gcd_list([term.as_coeff_Mul()[0] for term in sp.Add.make_args(h)])
    return _scaled(h, (-1 if number.is_negative else 1) / content)


def _scaled(h: sp.Expr, factor: sp.Expr) -> sp.Expr:
    return sp.Add(*(factor * term for term in sp.Add.make_args(h)))


def polynomial_columns(
    functions: Functions, h: fmpq_mpoly, degree: int, columns: Sequence[fmpq_mpoly]
) -> list[fmpq_mpoly]:
    """Return each column times 1, h, …, h^degree, the powers outermost."""
    ring = functions.tower.ring
    power, found = ring.one, []
    for _ in range(degree + 1):
        found += [functions.tower.reduce(ring.mul(power, c)) for c in columns]
        power = functions.tower.reduce(ring.mul(power, h))
    return found
