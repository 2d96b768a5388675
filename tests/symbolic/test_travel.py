"""What the symbolic layer returns travels: through pickle, copies, other processes and JSON."""

import copy
import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import hamsym as hs

PLANE = hs.PhaseSpace.standard(2, parameters={"k": "positive"}, functions={"V": 1}, time="t")
STILL = hs.PhaseSpace.standard(2, parameters={"k": "positive"})
TOP = hs.LiePoissonSpace("L1 L2 L3", "so3", parameters={"A": "positive"})
AFFINE = hs.LiePoissonSpace("x y", [[[0, 0], [0, "1/2"]], [[0, "-1/2"], [0, 0]]])
H = hs.Hamiltonian("(p1**2 + p2**2)/2 + V(q1**2 + q2**2)", PLANE)
KEPLER = hs.Hamiltonian("(p1**2 + p2**2)/2 - 1/sqrt(q1**2 + q2**2)", STILL)
SPIN = "q1*p2 - q2*p1"


def kepler_algebra():
    return hs.LieAlgebra([*hs.runge_lenz(KEPLER), SPIN], STILL, hamiltonian=KEPLER)


THINGS = {
    "space": lambda: PLANE,
    "dual of an algebra": lambda: TOP,
    "dual of given constants": lambda: AFFINE,
    "Hamiltonian": lambda: H,
    "Hamiltonian on a dual": lambda: hs.Hamiltonian("L1**2/A + L2*L3", TOP),
    "generator": lambda: hs.Generator(SPIN, PLANE),
    "Lagrangian": lambda: H.lagrangian(),
    "proof": lambda: hs.verify(H, SPIN),
    "refutation": lambda: hs.verify(H, "p1*V(q1)"),
    "no answer": lambda: hs.is_zero("sqrt(q1) + sqrt(-1 - q1)", PLANE),
    "canonical": lambda: hs.is_canonical({"q1": "2*q1", "q2": "q2", "p1": "p1", "p2": "p2"}, STILL),
    "linear flow": lambda: hs.Generator(SPIN, STILL).flow("a"),
    "kick": lambda: hs.Generator("V(q1)*q2", PLANE).flow("a"),
    "composed": lambda: hs.Generator(SPIN, STILL).flow("a") @ hs.Generator("p1", STILL).flow("b"),
    "integrals": lambda: hs.find_integrals(KEPLER, 2),
    "integrals with parameters": lambda: hs.find_integrals(
        hs.Hamiltonian("p1**2 + p2**2 + k*q1**2 + q2**2", STILL), 2
    ),
    "rotations": lambda: hs.LieAlgebra(["L1", "L2", "L3"], TOP),
    "with dependent ones": lambda: hs.LieAlgebra(["q1", "p1", "q1 - k*p1", "exp(log(q1))"], STILL),
    "over functions of h": kepler_algebra,
    "a level set": lambda: kepler_algebra().at(0.25),
}


@pytest.fixture(scope="module", params=list(THINGS))
def thing(request):
    return THINGS[request.param]()


def looks(thing):
    """Everything that is shown of a thing, but the time it took."""
    told = {k: v for k, v in thing.to_dict().items() if k != "seconds"}
    if isinstance(thing, hs.MapVerdict):
        told["brackets"] = [{k: v for k, v in b.items() if k != "seconds"} for b in told["brackets"]]
    return told, str(thing), thing._repr_latex_()


@pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
def test_a_copy_says_the_same(thing, how):
    made = {
        "pickle": lambda: pickle.loads(pickle.dumps(thing)),  # noqa: S301
        "copy": lambda: copy.copy(thing),
        "deepcopy": lambda: copy.deepcopy(thing),
    }[how]()
    assert type(made) is type(thing) and looks(made) == looks(thing)
    if isinstance(thing, (hs.PhaseSpace, hs.LiePoissonSpace, hs.Hamiltonian, hs.Generator, hs.Lagrangian)):
        assert made == thing and hash(made) == hash(thing)
    if isinstance(thing, hs.Verdict):
        assert made.check()


def test_to_dict_is_json_and_the_formulas_in_it_are_text(thing):
    told = thing.to_dict()
    again = json.loads(json.dumps(told))
    assert set(again) == set(told) and "Subs(" not in json.dumps(told)


@pytest.mark.parametrize("space", [PLANE, STILL, TOP, AFFINE], ids=str)
def test_a_dictionary_makes_the_space_again(space):
    assert type(space)(**json.loads(json.dumps(space.to_dict()))) == space


def test_functions_of_different_kinds_differ_though_the_formula_is_the_same():
    assert hs.Hamiltonian("p1", STILL) != hs.Generator("p1", STILL)
    assert hs.Hamiltonian("p1", STILL) == hs.Hamiltonian("p1", STILL) != hs.Hamiltonian("p1", PLANE)


def test_a_copied_algebra_knows_its_level_sets_and_where_its_generators_live():
    algebra = pickle.loads(pickle.dumps(kepler_algebra()))  # noqa: S301
    assert [c.name for c in algebra.cases] == [c.name for c in kepler_algebra().cases]
    assert copy.copy(algebra.at(0.25)).name == algebra.at(0.25).name == "sl(2,R)"
    # exp(log(q1)) is q1 only where q1 > 0: a copy must not forget that
    pair = hs.LieAlgebra(["exp(log(q1))", "sqrt(q1**2)"], STILL)
    assert pair.dimension == copy.deepcopy(pair).dimension == 1
    assert hs.LieAlgebra(["q1", "sqrt(q1**2)"], STILL).dimension == 2


@pytest.mark.slow
def test_results_come_back_from_another_process():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        basis = pool.submit(hs.find_integrals, KEPLER, 2).result()
        proof = pool.submit(hs.verify, H, SPIN).result()
        algebra = pool.submit(hs.LieAlgebra, ["q1", "p1"], STILL).result()
    assert basis.contains(SPIN) and proof.check() and algebra.name == "h_3"
