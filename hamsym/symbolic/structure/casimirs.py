"""Casimir invariants: the polynomials on the dual of a Lie algebra that the coadjoint action leaves alone."""

from __future__ import annotations

from itertools import combinations_with_replacement

from hamsym.symbolic.structure.constants import Structure
from hamsym.symbolic.structure.elimination import Vector, accumulate, kernel

#: Exponents of the basis elements in a monomial, as the sorted indices of its factors.
Monomial = tuple[int, ...]


def casimirs(algebra: Structure, degree: int) -> list[dict[Monomial, object]]:
    """Return a basis of the ad-invariants in Sym^degree, each as monomial -> coefficient.

    An element P of the symmetric algebra is invariant when Σ_jk c_ij^k e_k ∂P/∂e_j = 0 for every i; on phase space
    that is {e_i, P(e)} = 0, so the invariants are the polynomial functions of the generators that commute with all.

    Arguments:
        algebra: the Lie algebra.
        degree: d >= 1.

    Source: Dixmier, Enveloping Algebras, section 2.4 (by symmetrisation these are the centre of U(g)).

    Example:
        >>> from flint import fmpq
        >>> one = fmpq(1)
        >>> rotations = Structure({(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}}, 3)
        >>> casimirs(rotations, 2)
        [{(0, 0): 1, (1, 1): 1, (2, 2): 1}]
    """
    monomials = list(combinations_with_replacement(range(algebra.dimension), degree))
    rows: list[Vector] = []
    for i in range(algebra.dimension):
        images: dict[Monomial, Vector] = {}
        for column, monomial in enumerate(monomials):
            for place, j in enumerate(monomial):  # Leibniz: one factor after the other
                for k, c in algebra.ad[i][j].items():
                    image = tuple(sorted((*monomial[:place], k, *monomial[place + 1 :])))
                    accumulate(images.setdefault(image, {}), column, c)
        rows += [row for row in images.values() if row]
    found = kernel(rows, len(monomials))
    return [{monomials[k]: c for k, c in sorted(v.items())} for v in found]
