"""Exact nullspaces: against dense arithmetic of other libraries, and by what a nullspace is."""

import random

import pytest
import sympy as sp
from flint import Ordering, fmpq, fmpq_mat, fmpq_mpoly_ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from hamsym.symbolic.linear import kernel, nullspace
from hamsym.symbolic.linear import rational as rational_module
from hamsym.symbolic.linear.modular import kernel as modular_kernel
from hamsym.symbolic.linear.rational import FIRST_PRIME, rational
from hamsym.symbolic.linear.sparse import components, peeled, primitive

RING = fmpq_mpoly_ctx.get(["b", "a"], Ordering.lex)
B, A = RING.gens()
ONE = RING.constant(1)


def dense(rows, unknowns):
    matrix = fmpq_mat(max(len(rows), 1), unknowns)
    for i, row in enumerate(rows):
        for j, value in row.items():
            matrix[i, j] = value
    return matrix


def assert_is_nullspace(rows, unknowns, vectors):
    """Every vector solves every row, the vectors are independent, and there are as many as the dense rank leaves."""
    assert len(vectors) == unknowns - dense(rows, unknowns).rank()
    lasts = [max(v) for v in vectors]
    assert lasts == sorted(set(lasts))
    for vector, last in zip(vectors, lasts, strict=True):
        assert vector[last] == 1 and not (vector.keys() & set(lasts)) - {last}
        assert all(value != 0 for value in vector.values())
        for row in rows:
            assert sum((row[j] * vector[j] for j in row.keys() & vector.keys()), fmpq(0)) == 0


entries = st.builds(fmpq, st.integers(-40, 40).filter(bool), st.integers(1, 9))


@st.composite
def systems(draw):
    unknowns = draw(st.integers(1, 14))
    row = st.dictionaries(st.integers(0, unknowns - 1), entries, max_size=draw(st.sampled_from([2, 3, 14])))
    return unknowns, draw(st.lists(row, max_size=16))


@given(systems())
@settings(max_examples=150, deadline=None)
def test_nullspace_is_that_of_dense_arithmetic(system):
    unknowns, rows = system
    assert_is_nullspace(rows, unknowns, nullspace(rows, unknowns))


def test_nullspace_agrees_with_sympy():
    rows = [
        {0: fmpq(1, 3), 2: fmpq(-2), 4: fmpq(7)},
        {1: fmpq(5), 2: fmpq(1, 2)},
        {0: fmpq(2, 3), 2: fmpq(-4), 4: fmpq(14)},
    ]
    theirs = sp.Matrix(3, 5, lambda i, j: sp.Rational(str(rows[i].get(j, 0)))).nullspace()
    ours = nullspace(rows, 5)
    columns = [sp.Matrix([sp.Rational(str(v.get(j, 0))) for j in range(5)]) for v in ours]
    assert len(ours) == len(theirs) and sp.Matrix.hstack(*columns, *theirs).rank() == len(theirs)


@pytest.mark.parametrize("dense", [0, rational_module.DENSE])
def test_entries_larger_than_one_prime_are_found(dense, monkeypatch):
    """Numerators of 60 digits cannot be read off one residue of 61 bits: several primes, or integers."""
    monkeypatch.setattr(rational_module, "DENSE", dense)
    random_numbers = random.Random(2)
    rows = [{j: fmpq(random_numbers.randint(-(10**9), 10**9)) for j in range(9)} for _ in range(7)]
    vectors = nullspace(rows, 9)
    assert max(abs(int(v.p)) for vector in vectors for v in vector.values()) > 2**61
    assert_is_nullspace(rows, 9, vectors)


def test_a_prime_that_divides_an_entry_is_noticed():
    """Modulo the first prime this matrix has rank 1, over Q it has rank 2."""
    rows = [{0: fmpq(1), 1: fmpq(1), 2: fmpq(1)}, {0: fmpq(1), 1: fmpq(1 + FIRST_PRIME), 2: fmpq(1)}]
    assert len(modular_kernel(primitive(rows), [0, 1, 2], FIRST_PRIME, lambda: None)) == 2
    assert nullspace(rows, 3) == [{0: fmpq(-1), 2: fmpq(1)}]


@pytest.mark.parametrize("width", [50, 90])
def test_dense_rest_goes_through_blocks_of_rows(width):
    """Many more dense rows than columns, of known rank."""
    random_numbers = random.Random(width)
    generators = [[random_numbers.randint(-5, 5) for _ in range(width)] for _ in range(width - 4)]
    rows = []
    for _ in range(3 * width):
        weights = [random_numbers.randint(-2, 2) for _ in generators]
        mixed = [sum(w * g[j] for w, g in zip(weights, generators, strict=True)) for j in range(width)]
        rows.append({j: fmpq(v) for j, v in enumerate(mixed) if v})
    assert_is_nullspace(rows, width, nullspace(rows, width))


def test_columns_without_rows_are_free_and_no_rows_leave_all():
    assert nullspace([], 2) == [{0: fmpq(1)}, {1: fmpq(1)}]
    assert nullspace([{0: fmpq(0), 1: fmpq(3)}, {}], 2) == [{0: fmpq(1)}]
    assert nullspace([], 0) == []


def test_deadline_is_asked():
    def stop():
        raise TimeoutError

    rows = [{j: fmpq(i + j * j + 1) for j in range(60)} for i in range(50)]
    with pytest.raises(TimeoutError):
        nullspace(rows, 60, stop)


def test_peeling_follows_chains():
    """x0 = 0 makes x1 = 0 makes x2 = 0."""
    rows = primitive(
        [{0: fmpq(2)}, {0: fmpq(1), 1: fmpq(1)}, {1: fmpq(1), 2: fmpq(5)}, {3: fmpq(1), 4: fmpq(1)}]
    )
    vanishing, left = peeled(rows)
    assert vanishing == {0, 1, 2} and left == [{3: 1, 4: 1}]


@given(systems())
@settings(max_examples=60, deadline=None)
def test_components_share_no_column_and_lose_no_row(system):
    _, rows = system
    rows = [row for row in primitive(rows) if row]
    parts = components(rows)
    columns = [j for part, _ in parts for j in part]
    assert len(columns) == len(set(columns)) == len(set().union(*rows)) if rows else not parts
    assert sum(len(own) for _, own in parts) == len(rows)
    for part, own in parts:
        assert all(set(row) <= set(part) for row in own)


@given(st.integers(-(2**29), 2**29), st.integers(1, 2**29))
def test_fractions_come_back_from_their_residues(top, bottom):
    value = fmpq(top, bottom)
    assert rational(int(value.p) * pow(int(value.q), -1, FIRST_PRIME) % FIRST_PRIME, FIRST_PRIME) == value


# -- with parameters -------------------------------------------------------------------------------------------

polynomials = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(-3, 3)), min_size=1, max_size=3
).map(lambda terms: sum((c * A**i * B**j for i, j, c in terms), RING.constant(0)))


@st.composite
def families(draw):
    unknowns = draw(st.integers(1, 6))
    row = st.dictionaries(
        st.integers(0, unknowns - 1), polynomials.filter(lambda p: not p.is_zero()), max_size=4
    )
    return unknowns, draw(st.lists(row, max_size=7))


def at(polynomial, a, b):
    return polynomial(fmpq(b), fmpq(a))


@given(families(), st.tuples(st.integers(-1, 2), st.integers(-1, 2)))
@settings(max_examples=100, deadline=None)
def test_parametric_kernel_is_the_kernel_wherever_no_critical_polynomial_vanishes(family, point):
    unknowns, rows = family
    found = kernel(rows, unknowns, ONE)
    for vector in found.vectors.values():
        for row in rows:
            assert sum((row[j] * vector[j] for j in row.keys() & vector.keys()), RING.constant(0)).is_zero()
    special = [{j: at(v, *point) for j, v in row.items()} for row in rows]
    nullity = unknowns - dense(special, unknowns).rank()
    assert nullity >= len(found.vectors)
    if all(at(c, *point) != 0 for c in found.critical):
        assert nullity == len(found.vectors)


@given(families())
@settings(max_examples=60, deadline=None)
def test_parametric_rank_is_the_rank_at_a_generic_point(family):
    unknowns, rows = family
    special = [{j: at(v, fmpq(10007, 13), fmpq(-20011, 7)) for j, v in row.items()} for row in rows]
    assert len(kernel(rows, unknowns, ONE).vectors) == unknowns - dense(special, unknowns).rank()


def test_relations_between_parameters_are_used():
    """With a**2 = b the rows (a, b) and (1, a) are proportional."""

    def reduce(polynomial):
        return divmod(polynomial, B - A**2)[1]

    rows = [{0: A, 1: B}, {0: ONE, 1: A}]
    assert len(kernel(rows, 2, ONE).vectors) == 0
    assert list(kernel(rows, 2, ONE, reduce).vectors.values()) == [{0: -A, 1: ONE}]
