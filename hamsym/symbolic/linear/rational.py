"""The nullspace of a sparse matrix over Q: guessed modulo primes, proved over Q.

The kernel modulo a prime has at least the dimension of the kernel over Q.  Its vectors are lifted to rational
ones and each is put into every row exactly; when all hold, as many independent vectors exist over Q, and the
two dimensions agree.  So the result is complete and proved whatever the prime.

Source: rational reconstruction, von zur Gathen and Gerhard, Modern Computer Algebra, section 5.10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from flint import fmpq, fmpz, fmpz_mat

from hamsym.symbolic.linear.modular import Vector, kernel
from hamsym.symbolic.linear.sparse import IntegerRow, components, peeled, primitive

#: The largest prime that is tried; the next ones are smaller.
FIRST_PRIME = 2**61 - 1
#: Systems of at most so many entries are solved over the integers when two primes do not suffice.
DENSE = 250_000


def nullspace(
    rows: Sequence[Mapping[int, fmpq]], unknowns: int, check: Callable[[], None] = lambda: None
) -> list[dict[int, fmpq]]:
    """Return a basis of the vectors c with Σ c_j row[j] = 0 for every row.

    Arguments:
        rows: column -> entry.
        unknowns: number of columns.
        check: called now and then; what it raises ends the work.

    Returns:
        Column -> nonzero entry, columns ascending; each vector is 1 at its last column, where the others are 0.
        So the last columns are those that depend on columns before them, and vectors in few leading columns come
        first.

    Example:
        >>> nullspace([{0: fmpq(1), 1: fmpq(1), 2: fmpq(2)}, {0: fmpq(1), 1: fmpq(-1)}], 3)
        [{0: -1, 1: -1, 2: 1}]
    """
    vanishing, left = peeled(primitive(rows))
    found: dict[int, dict[int, fmpq]] = {}
    touched = set(vanishing)
    for columns, part in components(left):
        touched.update(columns)
        check()
        found |= _part(columns, part, check)
    found |= {j: {j: fmpq(1)} for j in range(unknowns) if j not in touched}
    return [found[j] for j in sorted(found)]


def _part(
    columns: list[int], rows: list[IntegerRow], check: Callable[[], None]
) -> dict[int, dict[int, fmpq]]:
    """Return the nullspace of one component by its vectors' last columns."""
    prime, modulus = FIRST_PRIME, 1
    residues: dict[int, Vector] = {}
    while True:
        check()
        vectors = kernel(rows, columns, prime, check)
        if modulus == 1 or len(vectors) < len(residues) or sum(vectors) < sum(residues):
            residues, modulus = vectors, prime  # the primes before were unlucky
        elif vectors.keys() == residues.keys():
            for last, vector in vectors.items():
                residues[last] = _combined(residues[last], modulus, vector, prime)
            modulus *= prime
        lifted = _lifted(residues, modulus)
        if lifted is not None and _hold(lifted, rows):
            return lifted
        if modulus > prime and len(rows) * len(columns) <= DENSE:
            return _exact(columns, rows)
        prime = _previous_prime(prime)


def _exact(columns: list[int], rows: list[IntegerRow]) -> dict[int, dict[int, fmpq]]:
    """Return the nullspace by elimination over the integers, for long numbers in small systems."""
    matrix = fmpz_mat([[row.get(j, 0) for j in columns] for row in rows])
    reduced, scale, rank = matrix.rref()
    table = reduced.tolist()[:rank]
    pivots = [next(k for k, v in enumerate(line) if v != 0) for line in table]
    found = {}
    for free in sorted(set(range(len(columns))) - set(pivots)):
        entries = {columns[k]: -fmpq(line[free], scale) for k, line in zip(pivots, table, strict=True)}
        vector = {j: v for j, v in entries.items() if v != 0}
        found[columns[free]] = dict(sorted({**vector, columns[free]: fmpq(1)}.items()))
    return found


def _combined(one: Vector, modulus: int, other: Vector, prime: int) -> Vector:
    """Return the vector with both residues."""
    inverse = pow(modulus, -1, prime)
    total = {}
    for j in sorted(one.keys() | other.keys()):
        a = one.get(j, 0)
        value = a + modulus * ((other.get(j, 0) - a) * inverse % prime)
        if value:
            total[j] = value
    return total


def _lifted(residues: dict[int, Vector], modulus: int) -> dict[int, dict[int, fmpq]] | None:
    """Return the rational vectors with these residues, None if some entry has no small one."""
    known: dict[int, fmpq | None] = {}
    found: dict[int, dict[int, fmpq]] = {}
    for last, vector in residues.items():
        lifted = found[last] = {}
        for j, r in vector.items():
            if r not in known:
                known[r] = rational(r, modulus)
            value = known[r]
            if value is None:
                return None
            lifted[j] = value
    return found


def rational(residue: int, modulus: int) -> fmpq | None:
    """Return the fraction n/d with n = residue * d modulo the modulus and |n|, d <= sqrt(modulus / 2), if there is one.

    Example:
        >>> rational(pow(3, -1, 101) * 2 % 101, 101)
        2/3
    """
    bound = math.isqrt(modulus // 2)
    r0, r1, t0, t1 = modulus, residue, 0, 1
    while r1 > bound:
        q = r0 // r1
        r0, r1, t0, t1 = r1, r0 - q * r1, t1, t0 - q * t1
    if abs(t1) > bound or math.gcd(r1, t1) != 1:
        return None
    return fmpq(r1, t1)


def _hold(vectors: dict[int, dict[int, fmpq]], rows: list[IntegerRow]) -> bool:
    """Tell whether every vector solves every row, exactly."""
    where: dict[int, list[tuple[int, int]]] = {}
    for i, row in enumerate(rows):
        for j, v in row.items():
            where.setdefault(j, []).append((i, v))
    for vector in vectors.values():
        scale = math.lcm(*(int(v.q) for v in vector.values()))
        total: dict[int, int] = {}
        for j, value in vector.items():
            factor = int(value.p) * (scale // int(value.q))
            for i, v in where.get(j, ()):
                total[i] = total.get(i, 0) + factor * v
        if any(total.values()):
            return False
    return True


def _previous_prime(prime: int) -> int:
    candidate = fmpz(prime - 2)
    while not candidate.is_prime():
        candidate -= 2
    return int(candidate)
