"""Sums over subscripted names: against plain loops, text and back, limits, refusals, where operands stand."""

import json
import pickle

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.errors import FormulaError, NotSeparableError
from hamsym.symbolic.sums import auxiliaries, has_sums, summands, term_count, used_symbols

N = 7
SPACE = hs.PhaseSpace.standard(N, parameters={"k": "positive", "a": "real"}, functions={"V": 1}, time="t")
GRID = hs.PhaseSpace(
    *([f"{x}{i}_{j}" for i in range(3) for j in range(1, 4)] for x in "qp"),
    parameters={f"m{i}": "positive" for i in range(3)},
)
Q, P = (dict(enumerate(some, start=1)) for some in (SPACE.coordinates, SPACE.momenta))


def bodies(n, d=3):
    names = [f"{x}{i}" for i in range(1, n + 1) for x in "xyz"[:d]]
    masses = {f"m{i}": "positive" for i in range(1, n + 1)}
    return hs.PhaseSpace(names, [f"p{x}" for x in names], parameters={"G": "positive", **masses})


# -- random sums, and what plain Python makes of them ------------------------------------------------

#: Summands of one subscript, as text and as a function of the symbols q, p by number and of the indices.
SINGLE = {
    "p[{i}]**2/2": lambda i, j: P[i] ** 2 / 2,
    "k*(q[{i} + 1] - q[{i}])**2/2": lambda i, j: SPACE.parameters["k"] * (Q[i + 1] - Q[i]) ** 2 / 2,
    "exp(q[{i}] - q[{i} + 1])/{i}": lambda i, j: sp.exp(Q[i] - Q[i + 1]) / i,
    "V(q[{i}])*p[{i} + 1]": lambda i, j: SPACE.functions["V"](Q[i]) * P[i + 1],
    "{i}*q[7 - {i}]*q[2]": lambda i, j: i * Q[7 - i] * Q[2],
    "(p[{i}] + q[{i}])**2 - 2*p[{i}]*q[{i}]": lambda i, j: (P[i] + Q[i]) ** 2 - 2 * P[i] * Q[i],
}
PAIRS = {
    "cos(q[{i}] - q[{j}])": lambda i, j: sp.cos(Q[i] - Q[j]),
    "1/((q[{i}] - q[{j}])**2 + 1)": lambda i, j: 1 / ((Q[i] - Q[j]) ** 2 + 1),
    "p[{i}]*q[{j}]*{i}": lambda i, j: P[i] * Q[j] * i,
    "sqrt(({i} - {j})**2 + a**2)*q[{j}]": lambda i, j: (
        sp.sqrt((i - j) ** 2 + SPACE.parameters["a"] ** 2) * Q[j]
    ),
}


@st.composite
def random_sums(draw):
    """A sum over one or two indices: its text, and the same by loops."""
    i, j = draw(st.permutations(["i", "j", "n", "site"]))[:2]
    factor = draw(st.sampled_from([1, 3, sp.Rational(-2, 5)]))
    first = draw(st.integers(1, 4))
    last = draw(st.integers(first - 1, N - 1))
    if draw(st.booleans()):
        text, function = draw(st.sampled_from(sorted(SINGLE.items())))
        terms = [function(x, None) for x in range(first, last + 1)]
        ranges = f"({i}, {first}, {last})"
    else:
        text, function = draw(st.sampled_from(sorted(PAIRS.items())))
        kind = draw(st.sampled_from(["above", "all", "window"]))
        inner = {"above": f"{i} + 1, {N}", "all": f"1, {N}", "window": f"{i}, {i} + 1"}[kind]
        values = {
            "above": lambda x: range(x + 1, N + 1),
            "all": lambda x: range(1, N + 1),
            "window": lambda x: range(x, x + 2),
        }[kind]
        terms = [function(x, y) for x in range(first, last + 1) for y in values(x)]
        ranges = f"({j}, {inner}), ({i}, {first}, {last})"
    return f"({factor})*Sum({text.format(i=i, j=j)}, {ranges})", [factor * term for term in terms]


@settings(deadline=None, max_examples=40)
@given(st.lists(random_sums(), min_size=1, max_size=3))
def test_sums_written_out_are_what_loops_add_up(parts):
    text = " + ".join(part for part, _ in parts)
    naive = sp.Add(*(term for _, terms in parts for term in terms))
    assert sp.expand(SPACE.express(text) - naive) == 0
    written = SPACE.parse(text)
    assert not has_sums(SPACE.written_out(written))
    assert used_symbols(written, SPACE.families) >= naive.free_symbols


@settings(deadline=None, max_examples=40)
@given(st.lists(random_sums(), min_size=1, max_size=3))
def test_text_is_read_back_and_sympy_is_taken_as_it_is(parts):
    H = hs.Hamiltonian(" + ".join(part for part, _ in parts), SPACE)
    assert SPACE.parse(H.text) == H.written
    assert SPACE.written(H.written) == H.written
    plain = {s: sp.Symbol(s.name) for s in H.written.atoms(sp.Symbol)}
    assert SPACE.written(H.written.xreplace(plain)) == H.written


@settings(deadline=None, max_examples=40)
@given(st.lists(random_sums(), min_size=1, max_size=3))
def test_separability_is_that_of_the_formula_written_out(parts):
    H = hs.Hamiltonian(" + ".join(part for part, _ in parts), SPACE)
    plain = hs.Hamiltonian(H.expr, SPACE)
    assert H.is_separable == plain.is_separable
    if H.is_separable:
        assert sp.expand(H.kinetic - plain.kinetic) == sp.expand(H.potential - plain.potential) == 0
        assert not H.kinetic.free_symbols & set(SPACE.coordinates)
        assert not H.potential.free_symbols & set(SPACE.momenta)
    else:
        with pytest.raises(NotSeparableError):
            _ = H.written_kinetic


def read(symbol_or_access, values, space):
    """Return the symbol at a place, for values of the indices."""
    access = symbol_or_access
    place = access.offset + sum(k * values[i] for i, k in access.strides.items())
    return {"q": space.coordinates, "p": space.momenta, "k": tuple(space.parameters.values())}[access.kind][
        place
    ]


def added_up(terms, space):
    """What a loop computes that knows nothing but summands, limits and places."""
    found = []
    for term in terms:
        rows = [{}]
        for index, lower, upper in term.limits:
            rows = [
                {**row, index: value}
                for row in rows
                for value in range(int(lower.subs(row)), int(upper.subs(row)) + 1)
            ]
        assert len(rows) == term.count
        for row in rows:
            places = {e: read(access, row, space) for e, access in term.accesses.items()}
            found.append(term.expr.xreplace(places).xreplace({i: sp.Integer(n) for i, n in row.items()}))
    return sp.Add(*found)


@settings(deadline=None, max_examples=40)
@given(st.lists(random_sums(), min_size=1, max_size=3))
def test_summands_at_their_places_add_up_to_the_formula(parts):
    text = " + ".join(part for part, _ in parts)
    written, rest = auxiliaries(SPACE.parse(text), SPACE)
    assert not rest
    assert sp.expand(added_up(summands(written, SPACE), SPACE) - SPACE.express(text)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "Sum(p[i], (i, 1, 7))**2/2 + q1",
        "Sum((q[i] - Sum(q[j], (j, 1, 7))/7)**2, (i, 1, 7))",
        "exp(-Sum(q[i]**2, (i, 1, 7)))*Sum(p[i], (i, 2, 5)) + k*Sum(q[i], (i, 1, 7))",
        "Sum(q[i]*Sum(q[j]*p[j], (j, 1, 7)), (i, 1, 7))",
        "Sum(q[i]*Sum(q[j]*p[i], (j, i, 7)), (i, 1, 7))",
        "k*(Sum(q[i], (i, 1, 7)) + q1*p2)",
        "Sum(V(Sum(q[i + c], (c, 0, 2))), (i, 1, 5))",
        "Sum(sqrt(Sum((q[i] - Sum(q[j], (j, 1, 7))/7)**2, (i, 1, 7))) + p[n], (n, 1, 3))",
    ],
)
def test_sums_in_functions_become_values_of_their_own(text):
    left, values = auxiliaries(SPACE.parse(text), SPACE)
    total = added_up(summands(left, SPACE), SPACE)
    for symbol, value in reversed(values.items()):
        total = total.xreplace({symbol: added_up(summands(value, SPACE), SPACE)})
    assert sp.expand(total - SPACE.express(text)) == 0


def test_places_of_bodies_and_grids():
    space = bodies(5)
    (term,) = summands(space.parse("Sum(m[i]*pz[j]*y[i + 1]*G, (j, i + 1, 5), (i, 1, 4))"), space)
    i, j = (limit[0] for limit in term.limits)
    shown = {str(e): (a.kind, a.offset, dict(a.strides)) for e, a in term.accesses.items()}
    assert shown == {
        "m[i]": ("k", 0, {i: 1}), "pz[j]": ("p", -1, {j: 3}), "y[i + 1]": ("q", 1, {i: 3}), "G": ("k", 0, {}),
    }  # fmt: skip
    (term,) = summands(GRID.parse("Sum(q[i + 1, j]*m[i], (j, 1, 3), (i, 0, 1))"), GRID)
    i, j = (limit[0] for limit in term.limits)
    assert {(a.kind, a.offset, a.strides[i], a.strides.get(j, 0)) for a in term.accesses.values()} == {
        ("q", 2, 3, 1), ("k", 0, 1, 0),
    }  # fmt: skip


def test_counting_writes_nothing_out():
    space = hs.PhaseSpace.standard(3000)
    pairs = space.parse(
        "Sum(cos(q[i] - q[j]), (j, i + 1, 3000), (i, 1, 3000)) + Sum(p[i], (i, 1, 3000))**2 + q1"
    )
    assert term_count(pairs) == 3000 * 2999 // 2 + 3000 + 1
    with pytest.raises(FormulaError, match=r"4501501 terms, and at most 20000 are written out"):
        space.written_out(pairs)
    with pytest.raises(FormulaError, match="smaller size"):
        hs.is_zero(pairs, space)


def test_a_hamiltonian_keeps_what_was_written():
    text = "k*Sum((q[i + 1] - q[i])**2/2, (i, 1, 6)) + Sum(p[i]**2/2, (i, 1, 7))"
    H = hs.Hamiltonian(text, SPACE)
    assert H.text == text
    assert text in repr(H)
    assert r"\sum_{i=1}^{7}" in H._repr_latex_()
    assert json.loads(json.dumps(H.to_dict()))["expression"] == text
    assert H == hs.Hamiltonian(text, SPACE)
    assert hash(H) == hash(hs.Hamiltonian(text, SPACE))
    assert H != hs.Hamiltonian(H.expr, SPACE)  # the same function, written otherwise
    again = pickle.loads(pickle.dumps(H))  # noqa: S301
    assert again == H
    assert again.expr == H.expr
    assert H.equations() == hs.Hamiltonian(H.expr, SPACE).equations()
    assert hs.verify(H, "Sum(p[i], (i, 1, 7))").status == "proved"
    assert hs.verify(H, "Sum(p[i], (i, 1, 6))").status == "refuted"


def test_symbolic_work_is_done_on_what_is_written_out():
    H = hs.Hamiltonian("Sum((p[i]**2 + q[i]**2)/2, (i, 1, 2))", hs.PhaseSpace.standard(2))
    assert hs.find_integrals(H, degree=2).dimension == 4
    assert hs.poisson_bracket("Sum(q[i], (i, 1, 7))", "Sum(p[i], (i, 1, 7))", SPACE) == 7
    g = hs.Generator("Sum(q[i]*p[i], (i, 1, 7))", SPACE)
    assert g.is_point_action
    assert g.flow("s").images[Q[3]] == sp.exp(sp.Symbol("s", real=True)) * Q[3]
    assert hs.verify(
        hs.Hamiltonian("Sum(L[i]**2/2, (i, 1, 3))", hs.LiePoissonSpace("L1 L2 L3", "so3")),
        "L1**2 + L2**2 + L3**2",
    )


def test_time_in_a_sum():
    H = hs.Hamiltonian("Sum(p[i]**2/2 + sin(i*t)*q[i], (i, 1, 3))", SPACE)
    t = SPACE.time
    assert H.energy_rate == sum(i * sp.cos(i * t) * Q[i] for i in (1, 2, 3))
    assert not H.is_autonomous
    assert H.extended().expr == H.expr + H.extended().space.momenta[-1]
    assert hs.Hamiltonian("Sum(p[i]**2/2, (i, 1, 3))", SPACE).is_autonomous


def test_what_a_sum_forgets_of_its_domain_holds_for_each_term():
    H = hs.Hamiltonian("Sum(sqrt(q[i])**2*p[i]/p[i], (i, 2, 4))", SPACE)
    assert set(H.domain.positive) == {Q[2], Q[3], Q[4]}
    assert set(H.domain.nonzero) == {P[2], P[3], P[4]}
    positive = hs.PhaseSpace.standard(3, parameters={"q1": "positive", "q2": "positive", "q3": "positive"})
    assert positive.express("Sum(sqrt(q[i]**2), (i, 1, 3))") == sum(positive.coordinates)
    assert positive.parse_with_domain("sqrt(Sum(q[i], (i, 1, 3)))**2")[1].positive == ()


def test_constant_subscripts_are_the_symbols_themselves():
    assert SPACE.parse("q[3]*p[1 + 1]") == Q[3] * P[2]
    assert GRID.parse("q[0, 3]").name == "q0_3"
    assert SPACE.express(sp.IndexedBase("q")[4]) == Q[4]
    q = hs.PhaseSpace(["q", "q1", "q2"], ["p", "p1", "p2"])
    first, second, third = q.coordinates
    assert q.express("Sum(q*q[i], (i, 1, 2))") == first * second + first * third


def test_sympy_indices_of_any_kind_are_read():
    q, i, a = sp.IndexedBase("q"), sp.Idx("i", 5), sp.Symbol("a_", positive=True)
    space = hs.PhaseSpace.standard(5)
    assert space.written(sp.Sum(q[i + 1], (i, 0, 4))) == space.parse("Sum(q[i + 1], (i, 0, 4))")
    assert space.written(sp.Sum(0.5 * q[a] ** 2, (a, 1, 3))) == space.parse("Sum(q[a_]**2/2, (a_, 1, 3))")
    for bad, message in [
        (sp.Sum(q[i] * sp.floor(q[i]), (i, 1, 3)), "floor is not smooth"),
        (sp.Sum(q[a], (a, 1, sp.oo)), "not made of integers"),
        (sp.Sum(q[a], (a, 1, sp.Symbol("n"))), "not made of integers"),
        (sp.Sum(q[a] * sp.Sum(q[a], (a, 1, 3)), (a, 1, 3)), "the name of something else"),
        (sp.Sum(sp.IndexedBase("w")[a], (a, 1, 3)), "no symbols w followed by numbers"),
        (q[a], "not made of integers"),
        (sp.Sum(1 / (a - 3), (a, 1, 1000)), "not finite at a_ = 3"),
        (sp.Sum(a ** sp.Integer(10**6), (a, 1, 9)), "exponent"),
    ]:
        with pytest.raises(FormulaError, match=message):
            space.written(bad)


DEEP = "".join(["Sum("] * 50) + "q[1]" + "".join(f", (i{n}, 1, 3))" for n in range(50))
REFUSED = [
    ("Sum(q[i], (i, 1, 10**12))", "at most 1000000000 are possible"),
    ("Sum(q[i], (i, 1, 10**13))", "larger than 1000000000000"),
    ("Sum(q[i], (i, 1, 8))", r"q\[1…8\] reaches 8, but the subscripts of q go from 1 to 7 in this space \(q1 … q7\)"),
    ("Sum(q[i], (i, 0, 3))", "reaches 0"), ("Sum(q[i - j], (j, 1, 3), (i, 3, 7))", "reaches 0"), ("q[9]", "reaches 9"),
    ("Sum(q[i])", "needs ranges"), ("Sum(q[i], i, 1, 3)", "a range is"), ("Sum(q[i], (i, 1))", "a range is"),
    ("Sum(q[i], (i, 1, 2, 3))", "a range is"), ("Sum()", "needs ranges"), ("Sum", "Sum is a function"),
    ("Sum(q[i], (q1, 1, 3))", "'q1' of a sum has the name of something else"), ("Sum(q[q], (q, 1, 3))", "'q' of a sum"),
    ("Sum(q[i], (k, 1, 3))", "'k'"), ("Sum(q[sin], (sin, 1, 3))", "'sin'"), ("Sum(q[V], (V, 1, 3))", "'V'"),
    ("Sum(q[t], (t, 1, 3))", "'t'"), ("Sum(Sum(q[i], (i, 1, 3)), (i, 1, 3))", "'i'"), ("Sum(q[I], (I, 1, 3))", "'I' is not a name"),
    ("Sum(q[i], (i, 1, 3.5))", "not made of integers"), ("Sum(q[i/2], (i, 2, 4))", "not made of integers"),
    ("Sum(q[i**2], (i, 1, 2))", "not made of integers"), ("Sum(q[i], (i, 1, k))", "not made of integers"),
    ("q[q1]", "not made of integers"), ("Sum(q[i], (i, 1, i))", "'i' is not declared"), ("Sum(q[i], (j, 1, 3))", "'i' is not declared"),
    ("q[1, 2]", "q takes 1 subscript, not 2"), ("w[1]", "no symbols w"), ("q[", "ends"), ("q[1", "bracket is not closed"),
    ("q[]", "']'"), ("[1]", "lists"), ("q1]", "brackets follow"), ("Sum(q[i], (i, 1, 3)", "not closed"),
    ("Sum(q[i], (i, 5, 3))", "runs backward"), ("Sum(q[i]*p[j], (j, i + 2, 7), (i, 1, 7))", "runs backward"),
    ("Sum(1/(q[i] - q[j]), (j, 1, 7), (i, 1, 7))", "not finite at i = 1, j = 1"),
    ("Sum(1/(q[i] - q[3]), (i, 1, 7))", "not finite at i = 3"), ("Sum(log(i - 3), (i, 1, 7))", "not real|not finite"),
    ("Sum(q[1]/(i - 500), (i, 1, 1000))", "not finite at i = 500"), ("Sum(asin(i)*q[i], (i, 1, 7))", "not real"),
    ("Sum((q[i] - q[j])/(q[i] - q[j]), (j, 1, 7), (i, 1, 7))", "zero at"), ("Sum(i**(1000*i), (i, 1, 7))", "exponent"),
    ("Sum(sqrt(-1 - q[i]**2), (i, 1, 7))", "domain is empty"), ("sqrt(-1 - Sum(q[i]**2, (i, 1, 7)))", "domain is empty"),
    ("Sum(log(-q[i]**2), (i, 1, 7))", "domain is empty"), ("Sum(abs(q[i]), (i, 1, 3))", "not smooth"),
    (DEEP, "more than 6 indices"), ("Sum(" * 90 + "1", "needs ranges|not closed"), ("q[" * 200, "nested"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refused_with_the_reason(text, message):
    with pytest.raises(FormulaError, match=message):
        SPACE.parse(text)


def test_sums_over_symbols_that_do_not_stand_in_a_row_are_refused():
    space = hs.PhaseSpace("q1 q2 q4 q3", "p1 p2 p3 p4")
    with pytest.raises(FormulaError, match="do not stand in a row"):
        space.parse("Sum(q[i], (i, 1, 4))")
    assert space.express("Sum(q[i], (i, 1, 2))") == sum(space.coordinates[:2])


def test_an_empty_inner_range_reaches_nothing():
    """At i = 7 there is no j, so q8 is not missed."""
    assert SPACE.express("Sum(q[i + 1]*p[j], (j, i + 1, 7), (i, 1, 7))") == sum(
        Q[i + 1] * P[j] for i in range(1, 7) for j in range(i + 1, 8)
    )


@pytest.mark.parametrize(
    "zero", ["Sum(0, (i, 1, 2))", "Sum(q[i], (i, 3, 2))", "(Sum(q[i], (i, 1, 2)) - q1 - q2)"]
)
def test_division_by_sums_that_are_zero_is_refused_when_they_are_written_out(zero):
    H = hs.Hamiltonian(f"p1**2/2 + 1/{zero}", hs.PhaseSpace.standard(2))
    with pytest.raises(FormulaError, match="divides by what is zero"):
        H.expr  # noqa: B018
