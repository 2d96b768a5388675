"""Phase spaces: names may come as text or as sympy symbols, and what cannot be a declaration says what can."""

import numpy as np
import pytest
import sympy as sp

import hamsym as hs
from hamsym.errors import ParameterError, SpaceError

WANTED = hs.PhaseSpace("x y", "px py", parameters={"m": "positive"}, functions={"V": 1}, time="t")


def test_symbols_are_taken_by_name():
    x, y, px, py, m, t = sp.symbols("x y px py m t")
    given = {"parameters": {m: "positive"}, "functions": {sp.Function("V"): 1}, "time": t}
    assert hs.PhaseSpace((x, y), [px, py.name], **given) == WANTED
    assert hs.PhaseSpace(x, px) == hs.PhaseSpace("x", "px")
    assert hs.PhaseSpace(sp.symbols("x y"), sp.symbols("px py"), **given) == WANTED
    assert all(s.is_real for s in hs.PhaseSpace(x, px).variables)
    expression = hs.PhaseSpace(x, px).express(px**2 / 2 + x)
    assert expression == hs.PhaseSpace("x", "px").parse("px**2/2 + x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": "m k"}, r"parameters=\{'m': 'positive'\}; not 'm k'"),
        ({"parameters": ["m"]}, r"parameters=\{'m': 'positive'\}"),
        ({"parameters": {"m": 1}}, "'real' or 'positive'"),
        ({"parameters": {"m": ["real"]}}, "'real' or 'positive'"),
        ({"parameters": {3: "real"}}, "names are text"),
        ({"parameters": {"m": "real", sp.Symbol("m"): "real"}}, "two of the parameters"),
        ({"functions": ["V"]}, r"functions=\{'V': 1\}"),
        ({"functions": "V"}, r"functions=\{'V': 1\}"),
        ({"functions": {"V": "1"}}, "number of arguments"),
        ({"time": 3}, "names are text"),
        ({"time": "t s"}, "one name"),
    ],
    ids=str,
)
def test_options_of_another_form_name_the_right_one(options, message):
    with pytest.raises(SpaceError, match=message):
        hs.PhaseSpace("q", "p", **options)


@pytest.mark.parametrize(
    "names", [3, None, [1], {"q": 1}, {"q"}, b"q", [["q"]], sp.Symbol("q") ** 2], ids=str
)
def test_names_of_another_form_are_refused(names):
    with pytest.raises(SpaceError, match="names are text"):
        hs.PhaseSpace(names, "p")


@pytest.mark.parametrize("budget", [float("nan"), float("inf"), -1, 0, None, "3", True, [1], 1j], ids=str)
def test_a_budget_is_a_positive_number_of_seconds(budget):
    space = hs.PhaseSpace("q", "p")
    with pytest.raises(ParameterError, match="positive number of seconds"):
        hs.is_zero("q", space, budget=budget)
    with pytest.raises(ParameterError, match="positive number of seconds"):
        hs.verify(hs.Hamiltonian("p**2", space), "p", budget=budget)


@pytest.mark.parametrize("budget", [2, 2.5, np.float32(2), np.int64(2)], ids=repr)
def test_a_budget_may_be_any_kind_of_number(budget):
    assert hs.is_zero("q - q", hs.PhaseSpace("q", "p"), budget=budget)


def test_counts_are_written_in_words():
    with pytest.raises(SpaceError, match=r"^1 coordinate but 2 momenta; "):
        hs.PhaseSpace("q", "p1 p2")
    with pytest.raises(SpaceError, match=r"for 2 coordinates have the shape \(2, 2, 2\)"):
        hs.LiePoissonSpace("x y", [[1]])
