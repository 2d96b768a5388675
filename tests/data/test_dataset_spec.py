"""The spec: strict about names, types and files, and the same after every round trip."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamsym as hs
from hamsym.data.distributions import Distribution
from hamsym.errors import (
    FormulaError,
    HamsymError,
    NotSeparableError,
    ParameterError,
    SpaceError,
    UnknownNameError,
)

PLAIN = {"system": "pendulum", "trajectories": 10, "steps": 20, "dt": 0.1}
FREE = {"hamiltonian": "p**2/2", "coordinates": "x", "momenta": "p"}
FULL = {
    "system": "henon_heiles", "trajectories": 2000, "steps": 4000, "dt": 0.02, "save_every": 40, "method": "yoshida4",
    "seed": 3, "shard": 100, "parameters": None, "initial": {"energy": {"uniform": [0.05, 0.15]}, "box": [-0.5, 1.0]},
    "noise": 0.01, "splits": {"train": 0.8, "valid": 0.1, "test": 0.1}, "render": {"extent": 1.2},
}  # fmt: skip
YAML = """\
# a comment
system: henon_heiles
trajectories: 2000
steps: 4_000
dt: 2e-2
save_every: 40
method: yoshida4
seed: 3
initial:
  energy: {uniform: [5e-2, 0.15]}
  box: [-0.5, 1]
noise: 0.01
splits: {train: 0.8, valid: 0.1, test: 0.1}
render:
  extent: 1.2
"""


def test_yaml_json_and_python_say_the_same(tmp_path):
    spec = hs.DatasetSpec(**FULL)
    (tmp_path / "a.yaml").write_text(YAML)
    (tmp_path / "a.json").write_text(json.dumps(FULL))
    (tmp_path / "b.json").write_text(json.dumps(spec.to_dict()))
    for name in ("a.yaml", "a.json", "b.json"):
        assert hs.DatasetSpec.from_file(tmp_path / name) == spec
    assert copy.deepcopy(spec) == spec
    assert (spec.shards, spec.times) == (20, 101)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trajectories": 0}, "trajectories is at least 1"),
        ({"trajectories": "10"}, "trajectories is a whole number, not '10'"),
        ({"trajectories": True}, "trajectories is a whole number"),
        ({"steps": 2.5}, "steps is a whole number"),
        ({"steps": 5, "save_every": 6}, "steps .5. is at least save_every .6."),
        ({"dt": 0}, "dt is not zero"),
        ({"dt": float("nan")}, "dt is a finite number"),
        ({"dt": "fast"}, "dt is a finite number, not 'fast'"),
        ({"seed": -1}, "seed is at least 0"),
        (
            {"steps": 10**8},
            "a shard of 100 trajectories would have 80 GB in one array; take a smaller shard, at most 1,",
        ),
        ({"shard": 0}, "shard is at least 1"),
        ({"method": 4}, "method is a name"),
        ({"noise": -0.1}, "noise is a standard deviation"),
        ({"noise": float("inf")}, "noise is a finite number"),
        ({"parameters": [1]}, "parameters is a mapping"),
        ({"parameters": {"mass": 1}}, "no parameter 'mass'"),
        ({"parameters": {"m": {"unifrom": [0, 1]}}}, "'unifrom'; did you mean 'uniform'"),
        ({"parameters": {"m": {"uniform": [2, 1]}}}, r"uniform is given as \[low, high\]"),
        ({"parameters": {"m": {"uniform": [1]}}}, r"uniform is given as \[low, high\]"),
        ({"parameters": {"m": {"uniform": "12"}}}, r"uniform is given as \[low, high\]"),
        ({"parameters": {"m": {"uniform": [0, "1"]}}}, "finite number, not '1'"),
        ({"parameters": {"m": {"normal": [0, -1]}}}, "normal is given as"),
        ({"parameters": {"m": {"loguniform": [0, 1]}}}, "both positive"),
        ({"parameters": {"m": {"choice": []}}}, "choice is given as"),
        ({"parameters": {"m": {"uniform": [0, 1], "normal": [0, 1]}}}, "one distribution"),
        ({"parameters": {"m": {"uniform": [-1e308, 1e308]}}}, "uniform is given as"),
        ({"initial": {"q1": 0}}, "p1 has no value"),
        ({"initial": {"q1": 0, "p1": 0, "r1": 0}}, "no variable 'r1'"),
        ({"initial": {"energy": 1, "bocks": [0, 1]}}, "no key 'bocks'"),
        ({"initial": {"energy": 1, "box": [1, 0]}}, "low < high"),
        ({"initial": {"energy": 1, "box": {"q2": [0, 1]}}}, "no coordinate 'q2'"),
        ({"initial": {"energy": 1, "box": 3}}, r"\[low, high\], not 3"),
        ({"initial": "energy"}, "initial is a mapping"),
        ({"system": FREE}, "a formula brings no initial states"),
        ({"system": FREE, "initial": {"energy": 1}}, "a formula brings no initial states"),
        ({"system": {**FREE, "energy": "p"}}, "system has no key 'energy'"),
        ({"system": {**FREE, "momenta": 1}}, "momenta is text"),
        ({"system": {**FREE, "integrals": "p"}}, "integrals is a list"),
        ({"system": {}}, "'name' or 'hamiltonian'"),
        ({"system": 3}, "'name' or 'hamiltonian'"),
        ({"system": {"name": "toda", "n": 0}}, "n is at least 1"),
        ({"system": {"name": "toda", "m": 3}}, "no size 'm'"),
        ({"system": {"name": "euler_top"}}, "no pairs"),
        ({"splits": {"train": 0.5}}, "sum to 0.5"),
        ({"splits": {"train": 0.99, "test": 0.01}}, "'test' gets none of the 10"),
        ({"splits": {"train": 2, "test": -1}}, "splits: train"),
        ({"splits": {"a/b": 1}}, "is no name"),
        ({"splits": {}}, "sum to 0"),
        ({"render": "yes"}, "render is a mapping"),
        ({"render": 2}, "size is at least 4"),
        ({"splits": {"train": 8, "test": 3}}, "splits: train"),
        ({"initial": {"q": [1, 2], "p": 0}}, "a list of 1"),
        ({"render": {"extent": 0}}, "extent is a positive number"),
        ({"render": {"extent": 1, "sise": 3}}, "did you mean 'size'"),
        ({"render": {"extent": 1, "particles": ["q1"]}}, "list of pairs"),
        ({"render": {"extent": 1, "particles": [["p1", "q1"]]}}, "formulas in the coordinates"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ParameterError, match=message):
        hs.DatasetSpec.from_dict({**PLAIN, **change})


def test_short_forms_say_the_same():
    def made(**change):
        return hs.DatasetSpec(system="kepler", trajectories=10, steps=5, dt=0.1, **change)

    assert made(render=True) == made(render=32) == made(render={"size": 32}) != made(render=16)
    assert made(splits={"a": 7, "b": 3}) == made(splits={"a": 0.7, "b": 0.3})
    by_name = {"q1": 1, "q2": 0, "p1": 0, "p2": {"uniform": [0.5, 1]}}
    assert made(initial={"q": [1, 0], "p": [0, {"uniform": [0.5, 1]}]}) == made(initial=by_name)


def test_systems_and_hamiltonians_are_taken_by_what_they_say():
    assert hs.DatasetSpec(**{**PLAIN, "system": hs.systems["pendulum"]}) == hs.DatasetSpec(**PLAIN)
    chain = hs.DatasetSpec(**{**PLAIN, "system": hs.systems["toda"](n=4)})
    assert chain.system == {"name": "toda", "n": 4}
    assert len(chain.source.hamiltonian.space.coordinates) == 4
    space = hs.PhaseSpace("x y", "px py", parameters={"k": "positive", "e": "real"}, time="t")
    H = hs.Hamiltonian("(px**2 + py**2)/2 + k*(x**2 + y**2) + e*x*cos(t)", space)
    spec = hs.DatasetSpec(
        **{**PLAIN, "system": H, "parameters": {"k": 1, "e": 0.1}, "initial": {"q": 1, "p": 0}}
    )
    assert spec.source.hamiltonian == H
    assert spec.source.integrals == {}
    with pytest.raises(ParameterError, match="without undefined functions"):
        hs.DatasetSpec(
            **{
                **PLAIN,
                "system": hs.Hamiltonian("p1**2 + V(q1)", hs.PhaseSpace.standard(1, functions={"V": 1})),
            }
        )


def test_auto_is_the_method_that_it_chose():
    spec = hs.DatasetSpec(**PLAIN, method="auto")
    assert spec.method in {m.name for m in hs.methods()}
    assert spec == hs.DatasetSpec(**PLAIN, method=spec.method)
    with pytest.raises(NotSeparableError, match="use method="):
        hs.DatasetSpec(**{**PLAIN, "system": "double_pendulum"}, method="leapfrog")


def test_other_refusals_keep_their_kind():
    with pytest.raises(UnknownNameError, match="did you mean 'pendulum'"):
        hs.DatasetSpec(**{**PLAIN, "system": "pendulun"})
    with pytest.raises(UnknownNameError, match="did you mean 'leapfrog'"):
        hs.DatasetSpec(**PLAIN, method="leapfrogg")
    with pytest.raises(FormulaError):
        hs.DatasetSpec(
            **{**PLAIN, "system": {**FREE, "hamiltonian": "__import__('os')"}, "initial": {"x": 0, "p": 0}}
        )
    with pytest.raises(FormulaError):
        hs.DatasetSpec(**PLAIN, render={"extent": 1, "particles": [["open('x')", "0"]]})
    with pytest.raises(SpaceError):
        hs.DatasetSpec(**{**PLAIN, "system": {**FREE, "momenta": "p r"}, "initial": {"x": 0, "p": 0}})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "system: pendulum", "FILE.yaml or FILE.json"),
        ("a.yaml", "", "no mapping"),
        ("a.yaml", "- 1", "no mapping"),
        ("a.yaml", "system: pendulum\nsystem: kepler", "line 2: the key 'system' is there twice"),
        ("a.yaml", "initial:\n  q1: 1\n  q1: 2", "line 3: the key 'q1' is there twice"),
        ("a.yaml", "system: !!python/object/apply:os.system ['true']", "not plain YAML: line 1"),
        ("a.yaml", "a: &x [1, 2]\nb: *x", "line 2: aliases"),
        ("a.yaml", "a: [1", "not plain YAML: line 1"),
        ("a.yaml", "a: \x07", "not plain YAML"),
        ("a.yaml", "system: pendulum\n---\nsystem: kepler", "not plain YAML"),
        ("a.yaml", "? [1, 2]\n: 3", "a key is text"),
        ("a.yaml", "sistem: pendulum", "no key 'sistem'; did you mean 'system'"),
        ("a.yaml", "system: pendulum", "lacks trajectories, steps, dt"),
        ("a.yaml", "a: " + "[" * 5000, "deeply"),
        ("a.json", "[" * 100000, "deeply"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"dt": NaN}', "NaN is no number"),
        ("a.json", '{"dt": 1, "dt": 2}', "the key 'dt' is there twice"),
        ("a.json", "\xff", "not UTF-8"),
        ("a.json", " " * (1 << 20) + " ", "at most 1048576 bytes"),
    ],
)
def test_files_that_are_no_spec_are_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ParameterError, match=message) as caught:
        hs.DatasetSpec.from_file(path)
    assert name in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"none.yaml: cannot be read: No such file"):
        hs.DatasetSpec.from_file(tmp_path / "none.yaml")
    with pytest.raises(ParameterError, match=r"cannot be read: Is a directory"):
        (tmp_path / "folder.json").mkdir()
        hs.DatasetSpec.from_file(tmp_path / "folder.json")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(sorted(FULL)),
)
def test_any_value_is_taken_or_refused_in_our_words(value, key):
    try:
        spec = hs.DatasetSpec.from_dict({**PLAIN, key: value})
    except HamsymError:
        return
    assert hs.DatasetSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@given(st.integers(1, 400), st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(0, 2**40))
def test_splits_are_a_partition_with_their_fractions(n, weights, seed):
    fractions = {f"s{i}": w / sum(weights) for i, w in enumerate(weights)}
    try:
        spec = hs.DatasetSpec(**{**PLAIN, "trajectories": n, "seed": seed, "splits": fractions})
    except ParameterError as error:
        assert "gets none" in str(error)
        return
    names = spec.split_of_each()
    assert len(names) == n
    for name, fraction in fractions.items():
        assert abs(np.sum(names == name) - n * fraction) < 1


def test_which_trajectories_are_in_a_split_is_drawn_from_the_seed():
    def training(seed):
        values = {"trajectories": 1000, "seed": seed, "splits": {"train": 0.5, "test": 0.5}}
        return hs.DatasetSpec(**{**PLAIN, **values}).split_of_each() == "train"

    one, two = training(1), training(2)
    assert np.array_equal(one, training(1))
    assert abs(np.mean(one & two) - 0.25) < 0.05
    assert abs(np.mean(one[:500]) - 0.5) < 0.1


@pytest.mark.parametrize(
    ("given_as", "mean", "variance"),
    [
        ({"uniform": [-1, 3]}, 1, 16 / 12),
        ({"normal": [2, 0.5]}, 2, 0.25),
        ({"choice": [0, 0, 3]}, 1, 2),
        ({"loguniform": [1, np.e]}, np.e - 1, (np.e**2 - 1) / 2 - (np.e - 1) ** 2),
        (1.5, 1.5, 0),
    ],
)
def test_distributions_have_their_moments(given_as, mean, variance):
    rng, n = np.random.default_rng(0), 20000
    x = Distribution.of("x", given_as).draw(rng, n)
    assert abs(x.mean() - mean) <= 5 * np.sqrt(variance / n)
    assert abs(x.var() - variance) <= 0.05 * variance
