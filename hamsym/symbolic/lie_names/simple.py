"""Names of real simple Lie algebras.

A real simple Lie algebra is either a real form of a complex simple one (its centroid is R) or a complex one seen as
real (its centroid is C).  The complex simple algebras of dimension up to 66 are A1 (3), A2 (8), B2 (10), G2 (14),
A3 (15), B3 and C3 (21), A4 (24), D4 (28), A5 (35), B4 and C4 (36), D5 (45), A6 (48), F4 (52), B5 and C5 (55), A7 (63)
and D6 (66): one in each dimension, or B and C of equal rank.  The real forms of one type in this range are told apart
by the signature of the Killing form.

Source: Helgason, Differential Geometry, Lie Groups, and Symmetric Spaces, chapter X, tables IV and V; the isomorphisms
in low dimension are in section 6.4 there.
"""

from __future__ import annotations

from functools import cache
from math import comb

from flint import fmpq, fmpq_mat

from hamsym.symbolic.structure import Structure, killing_form, signature
from hamsym.symbolic.structure.elimination import Vector, multiply
from hamsym.symbolic.structure.ideals import regular_elements
from hamsym.symbolic.structure.quadratic import sign
from hamsym.symbolic.structure.summands import semisimple_centroid

#: Other names of the same algebra.
_EQUAL = {
    "so(4,1)": "so(4,1) = sp(1,1)",
    "so(5)": "so(5) = sp(2)",
    "so(3,2)": "sp(4,R) = so(3,2)",
    "su(4)": "su(4) = so(6)",
    "su(3,1)": "su(3,1) = so*(6)",
    "su(2,2)": "su(2,2) = so(4,2)",
    "sl(4,R)": "sl(4,R) = so(3,3)",
    "su*(4)": "su*(4) = so(5,1)",
    "so(6,2)": "so(6,2) = so*(8)",
}
#: Complex simple algebras by complex dimension, where there is one of that dimension.
_COMPLEX = {3: "so(3,1) = sl(2,C)", 8: "sl(3,C)", 10: "so(5,C)", 14: "g2(C)", 15: "sl(4,C)"}


@cache
def real_forms() -> dict[tuple[int, int], list[tuple[str, str]]]:
    """Return (n_plus, n_minus) of the Killing form to (type, name), for all real forms of dimension up to 66.

    Example:
        >>> real_forms()[2, 1], real_forms()[12, 9]
        ([('A1', 'sl(2,R)')], [('B3', 'so(4,3)'), ('C3', 'sp(6,R)')])
    """
    table: dict[tuple[int, int], list[tuple[str, str]]] = {}

    def enter(kind: str, name: str, noncompact: int, compact: int) -> None:
        table.setdefault((noncompact, compact), []).append((kind, _EQUAL.get(name, name)))

    enter("A1", "so(3)", 0, 3)
    enter("A1", "sl(2,R)", 2, 1)
    for n in (3, 4, 5, 6, 7, 8):
        kind = f"A{n - 1}"
        enter(kind, f"sl({n},R)", n * (n + 1) // 2 - 1, n * (n - 1) // 2)
        for q in range(n // 2 + 1):
            p = n - q
            enter(kind, f"su({p},{q})" if q else f"su({n})", 2 * p * q, p * p + q * q - 1)
        if n % 2 == 0:
            m = n // 2
            enter(kind, f"su*({n})", (m - 1) * (2 * m + 1), m * (2 * m + 1))
    for n in (5, 7, 8, 9, 10, 11, 12):
        kind = f"B{n // 2}" if n % 2 else f"D{n // 2}"
        for q in range(n // 2 + 1):
            p = n - q
            enter(kind, f"so({p},{q})" if q else f"so({n})", p * q, p * (p - 1) // 2 + q * (q - 1) // 2)
    enter("D5", "so*(10)", 20, 25)
    enter("D6", "so*(12)", 30, 36)
    for n in (3, 4, 5):
        enter(f"C{n}", f"sp({2 * n},R)", n * (n + 1), n * n)
        for q in range(n // 2 + 1):
            p = n - q
            enter(f"C{n}", f"sp({p},{q})" if q else f"sp({n})", 4 * p * q, p * (2 * p + 1) + q * (2 * q + 1))
    enter("G2", "g2 (compact)", 0, 14)
    enter("G2", "g2 (split)", 8, 6)
    enter("F4", "f4 (compact)", 0, 52)
    enter("F4", "f4 (split)", 28, 24)
    enter("F4", "f4 (-20)", 16, 36)
    return table


def simple_names(algebra: Structure) -> list[str] | None:
    """Return the names of the real simple ideals of an algebra that is simple over Q, or None.

    Over Q the centroid is a number field; each of its real places gives a real form and each complex place a complex
    algebra seen as real.
    """
    maps = semisimple_centroid(algebra)
    form = killing_form(algebra)
    if len(maps) == 1:
        name = _real_form(algebra, signature(form))
        return None if name is None else [name]
    if len(maps) != 2 or algebra.dimension % 2:
        return None
    # φ = a map of the centroid that is no multiple of 1, made traceless: φ² = s with s a number.
    n, half = algebra.dimension, algebra.dimension // 2
    for columns in maps:
        trace = sum((columns[j].get(j, fmpq(0)) for j in range(n)), fmpq(0)) / n
        shifted = [_shifted(column, j, trace) for j, column in enumerate(columns)]
        square = multiply(shifted, shifted)[0].get(0, fmpq(0))
        if sign(square) < 0:
            name = _COMPLEX.get(half)
            return None if name is None else [name]
        if sign(square) > 0:
            # K(φx, y) has the opposite sign of K on the ideal where φ = -sqrt(s).
            turned = multiply(form, shifted)
            plus, minus, _ = signature(form)
            plus_turned = signature(turned)[0]
            first_plus = (plus - plus_turned + half) // 2
            first = (first_plus, half - first_plus, 0)
            second = (plus - first_plus, minus - half + first_plus, 0)
            names = [_unique_form(each) for each in (first, second)]
            return None if None in names else sorted(name for name in names if name is not None)
    return None


def _shifted(column: Vector, j: int, trace: fmpq) -> Vector:
    moved = {**column, j: column.get(j, fmpq(0)) - trace}
    return {k: c for k, c in moved.items() if c}


def _unique_form(found: tuple[int, int, int]) -> str | None:
    forms = real_forms().get(found[:2], [])
    return forms[0][1] if len(forms) == 1 else None


def _real_form(algebra: Structure, found: tuple[int, int, int]) -> str | None:
    forms = real_forms().get(found[:2], [])
    if len(forms) == 2:  # B_n or C_n: what the roots say excludes one of them
        forms = [form for form in forms if _roots_agree(algebra, form[0])]
    return forms[0][1] if len(forms) == 1 else None


def _roots_agree(algebra: Structure, kind: str) -> bool:
    """Whether the roots can be ±e_i ± e_j with ±e_i (type B) or with ±2e_i (type C); False is a proof that not.

    With p_k = Σ e_i^2k the sums of the 2k-th powers of the positive roots, tr(ad_x^2k)/2, are
    Σ_m C(2k, 2m) (p_m p_(k-m) - p_k) + 2(n-1) p_k + β^k p_k over m = 1 … k-1 with β = 1 for B and 4 for C.  They
    determine p_1 … p_(n+1), and by Newton's identities the first n determine the last.
    """
    n, beta = int(kind[1]), 1 if kind[0] == "B" else 4
    dimension = algebra.dimension
    x = next(regular_elements(algebra.whole))
    columns = algebra.adjoint(x)
    if not all(isinstance(c, fmpq) for column in columns for c in column.values()):
        return True
    matrix = fmpq_mat(
        dimension, dimension, [columns[j].get(i, fmpq(0)) for i in range(dimension) for j in range(dimension)]
    )
    square = matrix * matrix
    power, sums = square, [fmpq(n)]
    for k in range(1, n + 2):
        trace = sum((power[i, i] for i in range(dimension)), fmpq(0)) / 2
        power = power * square
        known = sum((comb(2 * k, 2 * m) * sums[m] * sums[k - m] for m in range(1, k)), fmpq(0))
        own = 2 * (n - 1) + beta**k - sum(comb(2 * k, 2 * m) for m in range(1, k))
        sums.append((trace - known) / own)
    elementary = [fmpq(1)]
    for k in range(1, n + 2):
        total = sum(((-1) ** (m - 1) * elementary[k - m] * sums[m] for m in range(1, k + 1)), fmpq(0))
        elementary.append(total / k)
    return bool(elementary[n + 1] == 0)
