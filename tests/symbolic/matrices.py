"""Known Lie algebras, built from matrices: structure constants that owe nothing to the code under test."""

from fractions import Fraction
from itertools import combinations

import numpy as np
from flint import fmpq

from hamsym.symbolic.structure import Structure


def unit(n, i, j):
    """The matrix with a single 1."""
    matrix = np.zeros((n, n), dtype=int)
    matrix[i, j] = 1
    return matrix


def structure_of(matrices):
    """Structure constants of independent matrices, fitted in floating point and then checked exactly."""
    flat = np.array([m.ravel() for m in matrices]).T
    inverse = np.linalg.pinv(flat.astype(float))
    brackets = {}
    for i, j in combinations(range(len(matrices)), 2):
        commutator = matrices[i] @ matrices[j] - matrices[j] @ matrices[i]
        fitted = [Fraction(float(c)).limit_denominator(60) for c in inverse @ commutator.ravel()]
        rebuilt = sum(c * m.astype(object) for c, m in zip(fitted, matrices, strict=True) if c)
        assert (rebuilt == commutator).all(), "these matrices are not closed"
        brackets[i, j] = {k: fmpq(c.numerator, c.denominator) for k, c in enumerate(fitted) if c}
    return Structure(brackets, len(matrices))


def so(p, q=0):
    """Matrices that preserve diag(1, …, -1, …)."""
    n, metric = p + q, [1] * p + [-1] * q
    return [metric[j] * unit(n, i, j) - metric[i] * unit(n, j, i) for i, j in combinations(range(n), 2)]


def sl(n):
    """Traceless matrices."""
    off = [unit(n, i, j) for i in range(n) for j in range(n) if i != j]
    return off + [unit(n, i, i) - unit(n, i + 1, i + 1) for i in range(n - 1)]


def gl(n):
    """All matrices."""
    return [unit(n, i, j) for i in range(n) for j in range(n)]


def sp(n):
    """Real matrices of size 2n that preserve the standard symplectic form."""
    blocks = [
        np.block([[unit(n, i, j), np.zeros((n, n), int)], [np.zeros((n, n), int), -unit(n, j, i)]])
        for i in range(n)
        for j in range(n)
    ]
    for i in range(n):
        for j in range(i, n):
            symmetric = unit(n, i, j) + (unit(n, j, i) if i != j else 0)
            zero = np.zeros((n, n), int)
            blocks += [
                np.block([[zero, symmetric], [zero, zero]]),
                np.block([[zero, zero], [symmetric, zero]]),
            ]
    return blocks


def real_form(complex_matrix):
    """A complex matrix as a real one of twice the size."""
    a, b = complex_matrix.real.astype(int), complex_matrix.imag.astype(int)
    return np.block([[a, -b], [b, a]])


def su(p, q=0):
    """Complex matrices that preserve the Hermitian form diag(1, …, -1, …), without trace."""
    n, metric = p + q, [1] * p + [-1] * q
    found = []
    for i, j in combinations(range(n), 2):
        sign = metric[i] * metric[j]
        found += [unit(n, i, j) - sign * unit(n, j, i), 1j * (unit(n, i, j) + sign * unit(n, j, i))]
    found += [1j * (unit(n, i, i) - unit(n, i + 1, i + 1)) for i in range(n - 1)]
    return [real_form(np.asarray(m, dtype=complex)) for m in found]


def sl_complex(n):
    """Traceless complex matrices as a real algebra."""
    return [real_form(np.asarray(c * m, dtype=complex)) for m in sl(n) for c in (1, 1j)]


def affine(matrices, translations=True):
    """Matrices together with the translations that they act on."""
    n = len(matrices[0])
    grown = [np.block([[m, np.zeros((n, 1), int)], [np.zeros((1, n + 1), int)]]) for m in matrices]
    return grown + [unit(n + 1, i, n) for i in range(n)] if translations else grown


def sum_of(*families):
    """Block matrices: the direct sum."""
    sizes = [len(family[0]) for family in families]
    total, found, start = sum(sizes), [], 0
    for family, size in zip(families, sizes, strict=True):
        for m in family:
            matrix = np.zeros((total, total), dtype=int)
            matrix[start : start + size, start : start + size] = m
            found.append(matrix)
        start += size
    return found


def heisenberg(n):
    """Upper triangular matrices of size n + 2: x_i in the first row, p_i in the last column, 1 in the corner."""
    size = n + 2
    xs = [unit(size, 0, i + 1) for i in range(n)]
    ps = [unit(size, i + 1, size - 1) for i in range(n)]
    return [*xs, *ps, unit(size, 0, size - 1)]


def line():
    """One dimension."""
    return [unit(1, 0, 0)]
