"""Hamiltonians: the equations are those of the bracket, the split is found exactly where it exists."""

import pytest
import sympy as sp

import hamsym as hs
from hamsym.errors import FormulaError, NotSeparableError, SpaceError

SPACE = hs.PhaseSpace("x y", "px py", parameters={"m": "positive", "k": "real"}, functions={"V": 1})


def test_equations_are_brackets_with_H():
    H = hs.Hamiltonian("(px**2 + py**2)/(2*m) + k*x*py + V(x**2 + y**2)", SPACE)
    for variable, rate in H.equations().items():
        assert hs.is_zero(rate - hs.poisson_bracket(variable, H, SPACE), SPACE)
    x, px, m = (SPACE.symbols[n] for n in ("x", "px", "m"))
    assert H.equations()[x] == px / m
    assert list(H.equations()) == [*SPACE.coordinates, *SPACE.momenta]
    assert hs.poisson_bracket(x, px, SPACE) == 1


@pytest.mark.parametrize(
    "text",
    [
        "px**2/2 + cos(x)",
        "(px**2 + py**2)/(2*m) + k*(x**2 + y**2)/2 + V(x)",
        "(px + x)**2/2 - px*x",
        "(px**2 + 1)*(m + k) + (x + y)**3",
        "log(exp(px)*exp(x)) + py**2",
        "sqrt(m**2 + px**2) + 3",
        "0",
    ],
)
def test_a_separable_hamiltonian_is_split(text):
    H = hs.Hamiltonian(text, SPACE)
    assert H.is_separable
    assert hs.is_zero(H.kinetic + H.potential - H.expr, SPACE)
    assert not H.kinetic.free_symbols & set(SPACE.coordinates)
    assert not H.potential.free_symbols & set(SPACE.momenta)


@pytest.mark.parametrize("text", ["px*x", "(px - k*y)**2/2", "px**2/(1 + x**2)", "V(x*px)", "exp(x + px)"])
def test_a_mixed_hamiltonian_is_not_split_and_says_why(text):
    H = hs.Hamiltonian(text, SPACE)
    assert not H.is_separable
    with pytest.raises(NotSeparableError, match="mixes coordinates and momenta"):
        _ = H.kinetic


def test_text_gives_the_formula_back():
    H = hs.Hamiltonian("sqrt(px**2 + m**2) - k/(1 + x**2)**(1/3) + 0.1*V(y)", SPACE)
    assert SPACE.parse(H.text) == H.expr


@pytest.mark.parametrize("bad", [None, 3j, [1], sp.Symbol("z"), "px +", sp.nan])
def test_what_is_not_a_formula_is_refused(bad):
    with pytest.raises(FormulaError):
        hs.Hamiltonian(bad, SPACE)


def test_a_space_is_needed():
    with pytest.raises(SpaceError):
        hs.Hamiltonian("p1**2", "q1 p1")


def test_a_long_mixed_hamiltonian_is_shortened_in_the_refusal_which_says_what_to_do():
    H = hs.systems["double_pendulum"].hamiltonian
    with pytest.raises(NotSeparableError) as caught:
        _ = H.potential
    assert len(str(caught.value)) < 560 and "…" in str(caught.value)
    assert "canonical change of variables" in str(caught.value)
