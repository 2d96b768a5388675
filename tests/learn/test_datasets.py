"""The torch view of data sets: the numbers of xarray, every item once, the same order for the same seed, no damaged byte."""

import json
import pickle

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import hamsym as hs
import learn
from hamsym.cli import app
from hamsym.data import dataset
from hamsym.errors import DatasetError, HamsymError, ParameterError

SPEC = hs.DatasetSpec(
    system="kepler", trajectories=23, steps=60, dt=0.01, save_every=10, shard=5, seed=3, noise=0.1,
    parameters={"k": {"uniform": [0.8, 1.2]}}, splits={"train": 0.6, "valid": 0.2, "test": 0.2},
    render={"extent": 2.0, "size": 8},
)  # fmt: skip
DOUBLE = {"dtype": torch.float64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hs.generate_dataset(SPEC, tmp_path_factory.mktemp("data") / "kepler", progress=False)


@pytest.fixture(scope="module")
def arrays(folder):
    return hs.open_dataset(folder).load()


@pytest.fixture(params=["folder", "xarray"])
def data(request, folder):
    return folder if request.param == "folder" else hs.open_dataset(folder)


def test_states_are_those_of_xarray(data, arrays):
    states = learn.TrajectoryDataset(
        data, fields=("q", "p", "energy", "time", "parameter_k", "image"), **DOUBLE
    )
    assert len(states) == 23 * 7
    for i in (0, 6, 7, 100, -1):
        trajectory, time = divmod(i % len(states), 7)
        item, there = states[i], arrays.isel(trajectory=trajectory, time=time)
        for name in ("q", "p", "energy", "time", "parameter_k"):
            assert np.array_equal(item[name].numpy(), there[name].values), (i, name)
        assert torch.equal(
            (item["image"] * 255).round().to(torch.uint8)[0], torch.tensor(there["image"].values)
        )
        assert item["image"].shape == (1, 8, 8) and 0 < item["image"].max() <= 1


def test_windows_are_slices_of_trajectories(data, arrays):
    windows = learn.TrajectoryDataset(data, item="window", length=3, stride=2, split="train", **DOUBLE)
    members = np.flatnonzero(arrays["split"].values == "train")
    assert windows.trajectories.tolist() == members.tolist() and len(windows) == 3 * len(members)
    everything = windows[:]["q"].numpy()
    expected = [arrays["q"].values[i, a : a + 3] for i in members for a in (0, 2, 4)]
    assert np.array_equal(everything, np.stack(expected))
    scattered = np.random.default_rng(0).permutation(len(windows))
    assert np.array_equal(windows[scattered]["q"].numpy(), np.stack(expected)[scattered])


def test_trajectories_and_single_precision(data, arrays):
    whole = learn.TrajectoryDataset(data, item="trajectory", fields=["p", "image"])
    batch = whole[[22, 0]]
    assert batch["p"].dtype == torch.float32 and batch["image"].shape == (2, 7, 1, 8, 8)
    assert np.array_equal(batch["p"].numpy(), arrays["p"].values[[22, 0]].astype(np.float32))


def test_observed_states_have_noise_and_clean_derivatives(data, arrays):
    clean = learn.TrajectoryDataset(data, fields=("q", "dp"), **DOUBLE)[:]
    noisy = learn.TrajectoryDataset(data, fields=("q", "dp"), observed=True, **DOUBLE)[:]
    assert np.array_equal(noisy["q"].numpy(), arrays["q_observed"].values.reshape(-1, 2))
    assert torch.equal(clean["dp"], noisy["dp"]) and not torch.equal(clean["q"], noisy["q"])


def test_derivatives_are_the_kepler_problem(data, arrays):
    pairs = learn.TrajectoryDataset(data, fields=("q", "p", "dq", "dp", "parameter_k"), **DOUBLE)[:]
    force = -pairs["parameter_k"][:, None] * pairs["q"] / pairs["q"].norm(dim=1, keepdim=True) ** 3
    assert torch.equal(pairs["dq"], pairs["p"])
    assert torch.allclose(pairs["dp"], force, rtol=1e-13, atol=1e-14)


def test_derivatives_of_a_driven_system(tmp_path):
    space = hs.PhaseSpace("x", "y", parameters={"a": "real"}, time="t")
    H = hs.Hamiltonian("y**2/2 - a*x*t**2", space)
    run = hs.simulate(H, [[0.0], [1.0]], [[0.0], [0.0]], 0.1, 5, parameters={"a": 2})
    spec = hs.DatasetSpec(
        system=H,
        trajectories=2,
        steps=5,
        dt=0.1,
        initial={"x": {"choice": [0, 1]}, "y": 0},
        parameters={"a": 2},
    )
    for data in (run, hs.generate_dataset(spec, tmp_path / "driven", progress=False)):
        pairs = learn.TrajectoryDataset(data, fields=["dp", "time"], **DOUBLE)[:]
        assert torch.allclose(pairs["dp"][:, 0], 2 * pairs["time"] ** 2) and pairs["time"].max() == 0.5


def test_splits_are_disjoint_and_complete(folder):
    parts = [learn.TrajectoryDataset(folder, split=name).trajectories for name in SPEC.splits]
    assert sorted(np.concatenate(parts).tolist()) == list(range(23))
    assert [len(p) for p in parts] == [14, 5, 4]


@pytest.mark.parametrize("memory", [None, 1e-4])
def test_a_shuffled_pass_has_every_item_once(folder, memory):
    states = learn.TrajectoryDataset(folder, split="train", fields=["q"], memory=memory, **DOUBLE)
    loader = states.loader(16, seed=5)
    first, second = ([b["q"] for b in loader] for _ in range(2))
    assert len(first) == len(loader) == 7 and first[-1].shape == (2, 2)
    by_value = [torch.cat(x)[torch.cat(x)[:, 0].argsort()] for x in (first, second, [states.tensor("q")])]
    assert torch.equal(by_value[0], by_value[2]) and torch.equal(by_value[1], by_value[2])
    assert not torch.equal(torch.cat(first), torch.cat(second))
    again = states.loader(16, seed=5)
    assert torch.equal(torch.cat([b["q"] for b in again]), torch.cat(first))
    again.sampler.epoch = 1
    assert torch.equal(torch.cat([b["q"] for b in again]), torch.cat(second))
    assert not torch.equal(torch.cat([b["q"] for b in states.loader(16, seed=6)]), torch.cat(first))
    assert len(list(states.loader(16, drop_last=True))) == 6


def test_shards_are_mixed_if_they_fit(folder):
    states = learn.TrajectoryDataset(folder, item="trajectory", fields=["parameter_k"])
    batch = next(iter(states.loader(8, seed=1)))["parameter_k"]
    place = [states.tensor("parameter_k").tolist().index(k) // 5 for k in batch.tolist()]
    assert len(set(place)) > 2


def test_no_more_shards_than_asked_for_are_held(folder):
    states = learn.TrajectoryDataset(folder, fields=["q"], memory=1e-4)
    for _ in states.loader(4):
        assert len(states._shards._kept) == 1


def test_a_loader_leaves_the_global_generator_alone(folder):
    states, before = learn.TrajectoryDataset(folder), torch.get_rng_state()
    list(states.loader(16))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_give_the_same_batches(data, context):
    states = learn.TrajectoryDataset(data, fields=("q", "dp"), split="train", memory=1e-3)
    states[0]  # a parent that has read already
    here = list(states.loader(16, seed=2))
    there = list(states.loader(16, seed=2, workers=1, multiprocessing_context=context))
    assert len(here) == len(there)
    for a, b in zip(here, there, strict=True):
        assert torch.equal(a["q"], b["q"]) and torch.equal(a["dp"], b["dp"])


def test_an_ordinary_loader_works_too(folder):
    states = learn.TrajectoryDataset(folder, fields=("q", "image"))
    batch = next(iter(torch.utils.data.DataLoader(states, batch_size=9)))
    assert torch.equal(batch["q"], states[:9]["q"]) and batch["image"].shape == (9, 1, 8, 8)


def test_a_pickled_copy_reads_for_itself(folder):
    states = learn.TrajectoryDataset(folder, fields=("q", "dq"), memory=None)
    states[:]
    packed = pickle.dumps(states)
    assert len(packed) < 20_000
    assert torch.equal(pickle.loads(packed)[5]["dq"], states[5]["dq"])  # noqa: S301


@pytest.fixture
def damaged(folder, tmp_path):
    import shutil

    def change(file):
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        content = bytearray((copy / file).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / file).write_bytes(content)
        return copy

    return change


def test_a_damaged_shard_is_refused_when_it_is_read(damaged):
    states = learn.TrajectoryDataset(damaged("q/2.0.0"))
    states[0]
    with pytest.raises(DatasetError, match=r"shard 2: q/2\.0\.0 is damaged"):
        states[10 * 7]
    with pytest.raises(DatasetError, match="is damaged"):
        list(states.loader(16))


@pytest.mark.parametrize(
    "file", ["hamsym.json", ".zattrs", "q/.zarray", "time/0", "split/0", "shards/00000.json"]
)
def test_damaged_descriptions_are_refused(damaged, file):
    with pytest.raises(DatasetError, match="damaged"):
        learn.TrajectoryDataset(damaged(file))[0]


def test_an_unfinished_data_set_is_refused(tmp_path, monkeypatch):
    made = dataset.encode_shard

    def stopped(spec, index):
        if index == 1:
            raise KeyboardInterrupt
        return made(spec, index)

    monkeypatch.setattr(dataset, "encode_shard", stopped)
    with pytest.raises(KeyboardInterrupt):
        hs.generate_dataset(SPEC, tmp_path / "half", progress=False)
    with pytest.raises(DatasetError, match="not complete"):
        learn.TrajectoryDataset(tmp_path / "half")


def test_saved_trajectories_are_a_data_set(tmp_path):
    H = hs.systems["henon_heiles"].hamiltonian
    run = hs.simulate(H, [[0.1, 0.2], [0.3, 0.0]], [[0.0, 0.1], [0.1, 0.1]], dt=0.1, steps=8)
    for data in (run, run.save(tmp_path / "run.zarr"), run.to_xarray()):
        pairs = learn.TrajectoryDataset(data, fields=("q", "dp"), **DOUBLE)[:]
        x, y = pairs["q"].T
        assert np.array_equal(pairs["q"].numpy(), run.q.reshape(-1, 2))
        assert torch.allclose(pairs["dp"], -torch.stack([x + 2 * x * y, y + x**2 - y**2], dim=1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"item": "windw"}, "did you mean 'window'"),
        ({"item": "window"}, "length is given for windows"),
        ({"length": 3}, "length is given for windows"),
        ({"item": "window", "length": 8}, "length is at most 7|length"),
        ({"item": "window", "length": 0}, "length"),
        ({"stride": 2}, "stride"),
        ({"item": "window", "length": 2, "stride": 0}, "stride"),
        ({"fields": "q"}, "fields is a list"),
        ({"fields": []}, "fields is a list"),
        ({"fields": ["q", "enrgy"]}, "did you mean 'energy'"),
        ({"fields": ["seed"]}, "no field 'seed'"),
        ({"split": "trian"}, "did you mean 'train'"),
        ({"split": 3}, "no split"),
        ({"dtype": torch.int64}, "floating-point"),
        ({"dtype": "float32"}, "floating-point"),
        ({"memory": -1}, "memory"),
        ({"observed": 1}, "observed"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder, options, words):
    with pytest.raises(ParameterError, match=words):
        learn.TrajectoryDataset(folder, **options)


def test_indices_that_do_not_fit_are_refused(folder):
    states = learn.TrajectoryDataset(folder)
    for index in (161, -162, [0, 161], np.array([-162])):
        with pytest.raises(IndexError):
            states[index]
    for index in ("q", 1.5, None, [[1]], [0.5]):
        with pytest.raises(ParameterError):
            states[index]
    assert states[[]]["q"].shape == (0, 2)


def test_what_is_no_data_set_is_refused(tmp_path):
    import xarray

    for wrong in (tmp_path / "nowhere", tmp_path, 3, None, xarray.Dataset({"q": ("x", [1.0])})):
        with pytest.raises(DatasetError):
            learn.TrajectoryDataset(wrong)
    for missing in ({"observed": True}, {"fields": ["image"]}, {"split": "train"}):
        spec = hs.DatasetSpec(system="pendulum", trajectories=2, steps=2, dt=0.1)
        plain = hs.generate_dataset(spec, tmp_path / "plain", progress=False)
        with pytest.raises(ParameterError, match="its spec needs"):
            learn.TrajectoryDataset(plain, **missing)


def test_fit_takes_the_points_of_a_data_set(folder):
    q = learn.TrajectoryDataset(folder, split="train").tensor("q")
    flow = learn.HamiltonianFlow(dim=2, hamiltonians=1, width=4)
    assert len(learn.fit(flow, q, steps=2, batch=8, progress=False).history["step"]) == 2


def test_train_and_evaluate_take_a_data_set(folder, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments)])

    options = [
        "--out",
        tmp_path / "flow",
        "--steps",
        2,
        "--batch",
        8,
        "--hamiltonians",
        1,
        "--width",
        4,
        "--json",
    ]
    done = run("train", folder, "--split", "train", *options)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["steps"] == 2
    done = run(
        "evaluate", tmp_path / "flow", folder, "--split", "test", "--points", 20, "--samples", 2, "--json"
    )
    assert done.exit_code == 0, done.output
    for wrong in (
        ("train", folder, "--split", "tset"),
        ("train", "ring", "--split", "train"),
        ("train", tmp_path),
    ):
        assert isinstance(run(*wrong, *options).exception, HamsymError)


@pytest.mark.parametrize("drawn", [False, True])
def test_derivatives_of_a_long_chain(tmp_path, drawn):
    """A chain whose sums stay loops, with one parameter for all trajectories or one for each."""
    springs = "Sum(p[i]**2/2 + q[i]**2/2, (i, 1, 80)) + k*Sum((q[i+1]-q[i])**4/4, (i, 1, 79))"
    names = [" ".join(f"{x}{i}" for i in range(1, 81)) for x in "qp"]
    system = {
        "hamiltonian": springs,
        "coordinates": names[0],
        "momenta": names[1],
        "parameters": {"k": "positive"},
    }
    k = {"choice": [1.0, 2.0, 3.0]} if drawn else 2.0
    spec = hs.DatasetSpec(
        system=system, trajectories=5, steps=4, dt=0.01, parameters={"k": k}, shard=3,
        initial={"q": {"normal": [0, 1]}, "p": {"normal": [0, 1]}},
    )  # fmt: skip
    path = hs.generate_dataset(spec, tmp_path / "chain", progress=False)
    fields = ("q", "p", "dq", "dp", *(["parameter_k"] if drawn else []))
    pairs = learn.TrajectoryDataset(path, fields=fields, **DOUBLE)[:]
    q, strength = pairs["q"], pairs["parameter_k"][:, None] if drawn else 2.0
    pull = strength * (q[:, 1:] - q[:, :-1]) ** 3
    force = -q
    force[:, :-1] += pull
    force[:, 1:] -= pull
    assert torch.equal(pairs["dq"], pairs["p"])
    assert torch.allclose(pairs["dp"], force, rtol=1e-12, atol=1e-12)
