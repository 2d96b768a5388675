"""Formulas in natural order say the same, and results say in one line what was found."""

import copy
import pickle

import pytest

from hamsym import Hamiltonian, LiePoissonSpace, PhaseSpace, find_integrals
from hamsym.symbolic.integrals.natural import Natural

SPACE = PhaseSpace("x y", "px py", parameters={"k": "real", "m": "positive"}, functions={"V": 1}, time="t")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("-px*y + py*x", "x*py - y*px"),
        ("k*x**2/2 + px**2/(2*m)", "px**2/(2*m) + k*x**2/2"),
        ("x + py*px*x + py**3", "py**3 + x*px*py + x"),
        ("t*px - m*x", "t*px - m*x"),
        ("V(x)*k + cos(x)*x*px", "x*px*cos(x) + k*V(x)"),
        ("-3*x/7/(y + x)**2 - 1", "-3*x/(7*(x + y)**2) - 1"),
        ("(y*py + x*px)**3", "(x*px + y*py)**3"),
        ("7/3", "7/3"),
    ],
)
def test_natural_text_is_read_back_as_the_same_expression(text, wanted):
    write = Natural(SPACE)
    assert write.text(SPACE.parse(text)) == wanted
    assert SPACE.parse(wanted) == SPACE.parse(text)


def test_a_space_without_momenta_has_an_order_too():
    space = LiePoissonSpace("L1 L2 L3", "so3", parameters={"a": "real"})
    assert Natural(space).text(space.parse("L2*L1*a + L3 + L1**2")) == "L1**2 + a*L1*L2 + L3"


@pytest.fixture(scope="module")
def basis():
    space = PhaseSpace.standard(2, parameters={"k": "positive"})
    return find_integrals(Hamiltonian("(p1**2 + p2**2)/2 + k*q1**2 + q2**2", space), 2)


def test_the_headline_tells_dimension_rank_and_completeness(basis):
    lines = str(basis).splitlines()
    assert lines[0] == "2 integrals, rank 2, complete among polynomials of degree ≤ 2 in q1, q2, p1, p2"
    assert lines[1:3] == ["  p1**2 + 2*k*q1**2", "  p2**2 + 2*q2**2"]
    assert lines[3] == "special values: k = 1: 4 integrals, 2 more"
    assert basis.reason not in str(basis) and basis.reason in basis._repr_html_()
    assert r"p_{1}^{2} + 2 k q_{1}^{2}" in basis._repr_latex_()


KEPLER = "(px**2 + py**2)/2 - 1/sqrt(x**2 + y**2)"


@pytest.mark.parametrize(
    ("text", "options", "advised"),
    [
        (KEPLER, {}, "entries such as 1/sqrt(x**2 + y**2)"),
        (KEPLER, {"ansatz": ["x", "y", "px", "py"]}, "entries such as 1/sqrt(x**2 + y**2)"),
        (KEPLER, {"ansatz": ["x", "y", "px", "py", "1/sqrt(x**2 + y**2)"]}, ""),
        ("px**2 + py**2 + exp(x - y)", {}, "entries such as exp(x - y)"),
        ("px**2 + py**2 + (x**2 + y)**(-3/2)", {}, "entries such as 1/sqrt(x**2 + y)"),
        ("px**2 + py**2 + x**2*cos(y)", {}, "entries such as cos(y)"),
        ("px**2 + py**2 + x**4", {}, "raise the degree to 4"),
        ("px**2 + py**2 + x**2", {"max_exponents": [1, 1, 2, 2]}, "loosen the bounds"),
        ("px**2 + py**2 + x**2", {}, ""),
        ("px**2 + py**2 + cos(x)**2 + sin(x)**2", {}, ""),
        ("px**2 + py**2 + cos(x)", {"momentum_degree": 1}, ""),
    ],
)
def test_a_basis_without_the_hamiltonian_hints_at_what_is_missing(text, options, advised):
    """What is advised holds: with it, H is in the span."""
    basis = find_integrals(Hamiltonian(text, PhaseSpace("x y", "px py")), 2, **options)
    assert basis.complete and bool(basis.hint) == bool(advised) and advised in basis.hint
    assert basis.to_dict()["hint"] == basis.hint
    assert bool(advised) == ("H itself is not" in str(basis)) == ("H itself is not" in basis._repr_html_())


def test_an_unfinished_search_says_so_and_why():
    basis = find_integrals(
        Hamiltonian("p1**2 + p2**2 + q1**2 + q2**2", PhaseSpace.standard(2)), 12, budget=1e-6
    )
    assert not basis.complete
    assert str(basis).startswith("0 integrals, rank 0, perhaps not complete among ")
    assert "budget" in str(basis).splitlines()[0]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])  # noqa: S301
def test_a_copy_of_a_basis_answers_everything_by_itself(copied):
    space = PhaseSpace.standard(2, parameters={"k": "positive"})
    fresh = find_integrals(Hamiltonian("(p1**2 + p2**2)/2 + k*q1**2 + q2**2", space), 2)
    basis = copied(fresh)
    assert basis.contains("3*p1**2 + 6*k*q1**2 + p2**2 + 2*q2**2") and not basis.contains("p1")
    assert (basis.integrals, basis.rank, basis.generators) == (fresh.integrals, fresh.rank, fresh.generators)
    assert [str(case) for case in basis.jumps] == [str(case) for case in fresh.jumps] != []
    assert basis.to_dict() == fresh.to_dict() and str(basis) == str(fresh)
    assert all(verdict.status == "proved" for verdict in basis.verify())
