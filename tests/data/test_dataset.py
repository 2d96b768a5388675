"""Data sets: what is stored is what was simulated, an interrupted run ends with the same bytes, no flipped byte is missed."""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray
from folders import contents

import hamsym as hs
from hamsym.data import dataset, manifest, store
from hamsym.data.shards import make_shard
from hamsym.data.starts import starts_of
from hamsym.errors import DatasetError, NonFiniteError, ParameterError

SPEC = hs.DatasetSpec(
    system="pendulum", trajectories=7, steps=60, dt=0.05, save_every=20, shard=3, seed=5, noise=0.1,
    parameters={"m": {"uniform": [0.5, 2]}, "g": {"choice": [1, 9.81]}, "l": 1},
    splits={"train": 0.7, "test": 0.3}, render={"extent": 1.5, "size": 8, "particles": [["sin(q1)", "-cos(q1)"]]},
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return hs.generate_dataset(SPEC, tmp_path_factory.mktemp("dataset") / "whole", progress=False)


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def changed(spec, **values):
    return hs.DatasetSpec.from_dict({**spec.to_dict(), **values})


def test_xarray_opens_the_store_as_it_is(made, recwarn):
    data = xarray.open_zarr(made)
    assert dict(data.sizes) == {"trajectory": 7, "time": 4, "dof": 1, "y": 8, "x": 8}
    assert set(data.coords) == {"trajectory", "time", "dof", "seed", "split", "parameter_m", "parameter_g"}
    assert data.seed.dtype == np.uint64
    assert data.image.dtype == np.uint8
    assert data.split.dtype.kind == "U"
    assert data.attrs["parameter_l"] == 1.0
    assert data.dof.values.tolist() == ["q1"]
    assert not [w for w in recwarn if "zarr" in str(w.message).lower()]


def test_trajectories_are_those_of_simulate_with_the_stored_parameters(made):
    data = hs.open_dataset(made)
    H = hs.systems["pendulum"].hamiltonian
    assert np.array_equal(data.time, 0.05 * 20 * np.arange(4))
    for i in range(7):
        one = data.isel(trajectory=i)
        values = {"m": float(one.parameter_m), "g": float(one.parameter_g), "l": 1.0}
        traj = hs.simulate(H, one.q[0], one.p[0], 0.05, 60, save_every=20, parameters=values)
        assert np.array_equal(one.q, traj.q[0]) and np.array_equal(one.p, traj.p[0])
        assert np.allclose(one.energy, traj.energy[0], rtol=1e-14)
        assert np.isclose(one.energy_error, np.abs(traj.energy_error).max(), rtol=1e-9)
        assert 0.5 <= values["m"] <= 2 and values["g"] in (1, 9.81)


def test_the_hamiltonian_and_its_integrals_come_back_from_the_attributes(made):
    attributes = hs.open_dataset(made).attrs
    space = hs.PhaseSpace(
        attributes["coordinate_names"],
        attributes["momentum_names"],
        parameters=dict.fromkeys("mlg", "positive"),
    )
    H = hs.Hamiltonian(attributes["hamiltonian"], space)
    assert H == hs.systems["pendulum"].hamiltonian
    assert [bool(hs.verify(H, g)) for g in attributes["integrals"]] == [True]
    assert hs.DatasetSpec.from_dict(json.loads(attributes["spec"])) == SPEC


def test_a_wrong_integral_is_not_stored_as_one(tmp_path):
    formula = {"hamiltonian": "p**2/2 + k*x", "coordinates": "x", "momenta": "p", "parameters": {"k": "real"}}
    spec = hs.DatasetSpec(
        system={**formula, "integrals": ["p", "(p**2/2 + k*x)**2"]}, trajectories=2, steps=2, dt=0.1,
        parameters={"k": 2}, initial={"q": {"normal": [0, 1]}, "p": 1},
    )  # fmt: skip
    attributes = hs.open_dataset(hs.generate_dataset(spec, tmp_path / "fall", progress=False)).attrs
    assert [g["status"] for g in json.loads(attributes["integral_verdicts"])] == [
        "proved",
        "refuted",
        "proved",
    ]
    assert len(attributes["integrals"]) == 2


def test_noise_is_normal_of_the_given_size_and_leaves_the_truth_alone(made, tmp_path):
    spec = hs.DatasetSpec(system="henon_heiles", trajectories=40, steps=200, dt=0.05, save_every=2, noise=0.3)
    data = hs.open_dataset(hs.generate_dataset(spec, tmp_path / "noisy", progress=False))
    clean = hs.open_dataset(hs.generate_dataset(changed(spec, noise=0), tmp_path / "clean", progress=False))
    assert np.array_equal(data.q, clean.q) and np.array_equal(data.p, clean.p)
    assert "q_observed" not in clean
    residual = np.stack([data.q_observed - data.q, data.p_observed - data.p]).reshape(-1) / 0.3
    n = residual.size  # 16160
    assert abs(residual.mean()) < 5 / np.sqrt(n)
    assert abs(residual.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs(np.mean(np.abs(residual) < 1) - 0.6827) < 5 * np.sqrt(0.22 / n)
    by_trajectory = (data.q_observed - data.q).values.reshape(40, -1)
    assert np.abs(np.corrcoef(by_trajectory) - np.eye(40)).max() < 0.4


@pytest.mark.parametrize("shard", [1, 2, 7, 100])
def test_numbers_do_not_depend_on_the_shard_size(made, tmp_path, shard):
    data = hs.open_dataset(made).load()
    other = hs.open_dataset(
        hs.generate_dataset(changed(SPEC, shard=shard), tmp_path / "other", progress=False)
    ).load()
    assert set(data.variables) == set(other.variables)
    for name in data.variables:
        assert data[name].values.tobytes() == other[name].values.tobytes(), name


@pytest.mark.parametrize(
    ("system", "method"),
    [("kepler", "auto"), ("pendulum", "leapfrog"), ({"name": "toda", "n": 2}, "leapfrog")],
)
def test_numbers_of_whole_batches_do_not_depend_on_the_batch(system, method):
    """Alone, in part of a SIMD block, in many blocks: energies and noise too."""
    spec = hs.DatasetSpec(
        system=system, trajectories=45, steps=50, dt=0.02, save_every=7, method=method, noise=0.1, shard=45
    )
    together = make_shard(spec, 0)
    for shard in (1, 17):
        parts = [make_shard(changed(spec, shard=shard), i) for i in range(-(-45 // shard))]
        for name, values in together.items():
            assert np.concatenate([part[name] for part in parts]).tobytes() == values.tobytes(), name


def test_fewer_trajectories_are_the_first_of_more(made, tmp_path):
    few = hs.open_dataset(
        hs.generate_dataset(changed(SPEC, trajectories=4), tmp_path / "few", progress=False)
    )
    assert np.array_equal(few.q, hs.open_dataset(made).q[:4])


def test_bytes_do_not_depend_on_threads_or_on_where_they_are_made(made, tmp_path, monkeypatch):
    assert hs.generate_dataset(SPEC, tmp_path / "again", progress=False).is_dir()
    assert contents(tmp_path / "again") == contents(made)
    monkeypatch.setattr(dataset, "encode_shard", lambda spec, i: store_from_elsewhere(spec, i))
    hs.generate_dataset(SPEC, tmp_path / "elsewhere", progress=False)
    assert contents(tmp_path / "elsewhere") == contents(made)


def store_from_elsewhere(spec, index):
    from hamsym.data.shards import encode_elsewhere

    return encode_elsewhere(json.loads(json.dumps(spec.to_dict())), index)[0]


def test_another_seed_gives_other_numbers(made, tmp_path):
    other = hs.open_dataset(hs.generate_dataset(changed(SPEC, seed=6), tmp_path / "other", progress=False))
    assert not np.intersect1d(other.q[:, 0], hs.open_dataset(made).q[:, 0]).size


def test_splits_have_their_fractions_and_images_show_the_bob(made):
    data = hs.open_dataset(made).load()
    assert sorted(data.split.values.tolist()) == ["test"] * 2 + ["train"] * 5
    step = 3.0 / 8
    centre = -1.5 + step * (np.arange(8) + 0.5)
    light = data.image.values / data.image.values.sum(axis=(2, 3), keepdims=True)
    x = (light.sum(axis=2) * centre).sum(axis=-1)
    y = (light.sum(axis=3) * centre[::-1]).sum(axis=-1)  # row 0 is the top
    assert np.abs(x - np.sin(data.q.values[..., 0])).max() < step / 2
    assert np.abs(y + np.cos(data.q.values[..., 0])).max() < step / 2


def test_images_without_an_extent_hold_the_motion(tmp_path):
    spec = hs.DatasetSpec(
        system="kepler", trajectories=10, steps=700, dt=0.01, save_every=70, render=True, shard=4
    )
    data = hs.open_dataset(hs.generate_dataset(spec, tmp_path / "orbits", progress=False)).load()
    extent = data.attrs["image_extent"]
    assert data.image.shape == (10, 11, 32, 32)
    assert np.isclose(extent, 1.1 * np.abs(data.q).max())
    brightest = data.image.values.reshape(110, 32, 32)
    rows, columns = np.divmod(brightest.reshape(110, -1).argmax(axis=1), 32)
    step = extent / 16
    q = data.q.values.reshape(110, 2)
    assert np.abs(-extent + step * (columns + 0.5) - q[:, 0]).max() < step
    assert np.abs(extent - step * (rows + 0.5) - q[:, 1]).max() < step


KILLED = """
import json, os, signal, sys
from pathlib import Path
import hamsym as hs
from hamsym.data import shards
spec, out, moments = hs.DatasetSpec.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2]), json.loads(sys.argv[3])
shards.make_shard(spec, 0)  # compiled before the forks
calls = {"replace": Path.replace, "write_bytes": Path.write_bytes}
def counting(name, when):
    def call(*arguments, **options):
        global left
        left -= 1
        if left == 0 and when == "before": os.kill(os.getpid(), signal.SIGKILL)
        if left == 0 and name == "write_bytes":
            calls[name](arguments[0], arguments[1][: len(arguments[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        result = calls[name](*arguments, **options)
        if left == 0: os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call
for number, (name, when, left) in enumerate(moments):
    child = os.fork()
    if not child:
        setattr(Path, name, counting(name, when))
        hs.generate_dataset(spec, out / str(number), progress=False)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_killed_at_any_moment_it_ends_with_the_same_bytes(made, tmp_path):
    """kill -9 in the middle of writes, before and after renames: of the manifest, metadata, chunks, records, the end."""
    total = len(contents(made))
    moments = [("write_bytes", "half", n) for n in (1, 2, 20, total // 2, total - 1, total + 2)]
    moments += [("replace", when, n) for when in ("before", "after") for n in (1, total // 2, total)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, json.dumps(SPEC.to_dict()), tmp_path, json.dumps(moments)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["-9"] * len(moments)
    reference = contents(made)
    states = set()
    for number in range(len(moments)):
        folder = tmp_path / str(number)
        before = contents(folder)
        states.add(len(before))
        assert before != reference
        if manifest.MANIFEST in before:
            assert hs.check_dataset(folder).is_sound
            with pytest.raises(DatasetError, match="not complete: "):
                hs.open_dataset(folder)
        hs.generate_dataset(SPEC, folder, progress=False)
        assert contents(folder) == reference
    assert len(states) > 6  # the moments were different ones


def test_killed_from_outside(made, tmp_path):
    """The same without a hand inside: kill -9 from outside as soon as a few shards are there."""
    code = (
        "import json, sys, hamsym as hs; hs.generate_dataset("
        "hs.DatasetSpec.from_dict(json.loads(sys.argv[1])), sys.argv[2], progress=False)"
    )
    spec = changed(SPEC, trajectories=120, shard=2, render=None)
    child = subprocess.Popen([sys.executable, "-c", code, json.dumps(spec.to_dict()), tmp_path / "killed"])
    while child.poll() is None and not (tmp_path / "killed" / manifest.record_name(8)).exists():
        time.sleep(0.005)
    child.kill()
    child.wait()
    assert 8 < len(list((tmp_path / "killed" / "shards").iterdir())) < 60
    hs.generate_dataset(spec, tmp_path / "killed", progress=False)
    hs.generate_dataset(spec, tmp_path / "whole", progress=False)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_every_flipped_byte_is_found_and_its_shard_named(made, copy):
    rng = random.Random(0)
    files = {name: content for name, content in contents(made).items() if content}
    positions = [(name, i) for name, content in files.items() for i in range(len(content))]
    # every file at least once, and many more of all bytes
    chosen = [(name, rng.randrange(len(content))) for name, content in files.items()] + rng.sample(
        positions, 300
    )
    for name, i in chosen:
        damaged = bytearray(files[name])
        damaged[i] ^= rng.randrange(1, 256)
        (copy / name).write_bytes(damaged)
        report = hs.check_dataset(copy)
        (copy / name).write_bytes(files[name])
        assert not report.is_sound, (name, i)
        assert name in {d.file for d in report.damages}, (name, i)
        shards = {d.shard for d in report.damages} - {None}
        stem = Path(name).name.split(".")[0]
        of_shard = name.startswith("shards/") or name.split("/")[0] in {
            "q", "p", "energy", "energy_error", "seed", "image", "q_observed", "p_observed", "parameter_m", "parameter_g"
        }  # fmt: skip
        if of_shard and stem.isdecimal():
            assert shards == {int(stem)}, (name, i)
        else:
            assert not shards, (name, i)
    assert hs.check_dataset(copy).is_sound


def test_lost_cut_and_strange_files_are_found(made, copy):
    whole = contents(made)
    for name in whole:
        (copy / name).unlink()
        assert name in {d.file for d in hs.check_dataset(copy).damages}, name
        (copy / name).write_bytes(whole[name] + b"\0")
        assert name in {d.file for d in hs.check_dataset(copy).damages}, name
        (copy / name).write_bytes(whole[name])
    (copy / "q" / "9.0.0").write_bytes(b"")
    (copy / "note.txt").write_bytes(b"mine")
    found = hs.check_dataset(copy)
    assert [(d.file, d.problem) for d in found.damages] == [
        ("note.txt", "does not belong here"), ("q/9.0.0", "does not belong here"),
    ]  # fmt: skip


def test_a_damaged_data_set_is_mended_by_making_it_again(made, copy):
    (copy / "q" / "1.0.0").write_bytes(b"rubbish")
    (copy / "shards" / "00002.json").unlink()
    (copy / ".zmetadata").write_bytes(b"{}")
    with pytest.raises(DatasetError, match=r"not complete: 2 of 3 shards are missing, the first is 1"):
        hs.open_dataset(copy)
    hs.generate_dataset(SPEC, copy, progress=False)
    assert contents(copy) == contents(made)


def test_a_complete_data_set_is_left_untouched(made, copy, monkeypatch):
    monkeypatch.setattr(dataset, "encode_shard", None)
    times = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    hs.generate_dataset(SPEC, copy, progress=False)
    assert times == {p: p.stat().st_mtime_ns for p in copy.rglob("*")}


def test_another_spec_in_the_folder_is_named_and_nothing_touched(made, copy):
    with pytest.raises(
        DatasetError, match=r"another spec: dt = 0.05 there, 0.01 here, seed = 5 there, 6 here"
    ):
        hs.generate_dataset(changed(SPEC, dt=0.01, seed=6), copy, progress=False)
    assert contents(copy) == contents(made)


def test_other_versions_are_named(copy, monkeypatch):
    monkeypatch.setattr(manifest, "versions", lambda: {"numpy": "0.1"})
    with pytest.raises(DatasetError, match=r"another version: .*numpy = .* there, '0.1' here"):
        hs.generate_dataset(SPEC, copy, progress=False)


def test_a_full_disk_is_a_clear_error_and_finished_shards_stay(made, tmp_path, monkeypatch):
    real = Path.write_bytes
    free = 50  # files: a manifest, 35 of metadata, a shard and a bit

    def write(path, content):
        nonlocal free
        free -= 1
        if free < 0:
            real(path, content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write)
        with pytest.raises(
            DatasetError, match=r"No space left on device; \d of 3 shards are finished and stay"
        ):
            hs.generate_dataset(SPEC, tmp_path / "full", progress=False)
    kept = [i for i in range(3) if (tmp_path / "full" / manifest.record_name(i)).exists()]
    assert kept in ([0], [0, 1])
    assert not (tmp_path / "full" / store.SCRATCH).exists()
    hs.generate_dataset(SPEC, tmp_path / "full", progress=False)
    assert contents(tmp_path / "full") == contents(made)


def test_places_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_text("")
    for out, message in [
        (tmp_path / "file", "is no folder"),
        (tmp_path / "file" / "below", "is not a folder that you may write to"),
        (tmp_path / "mine", "has files but no hamsym.json"),
        ("/proc/data", "cannot write"),
        ("a\0b", "NUL"),
    ]:
        with pytest.raises(DatasetError, match=message):
            hs.generate_dataset(SPEC, out, progress=False)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "mine", "photo.jpg"]


def test_two_writers_do_not_meet(copy, monkeypatch):
    (copy / "q" / "1.0.0").unlink()
    real = dataset.encode_shard

    def meanwhile(spec, index):
        with (
            store.Store(spec, copy).writing(),
            pytest.raises(DatasetError, match="another process is making"),
            store.Store(spec, copy).writing(),
        ):
            pass
        return real(spec, index)

    monkeypatch.setattr(dataset, "encode_shard", meanwhile)
    hs.generate_dataset(SPEC, copy, progress=False)


def test_a_trajectory_that_leaves_the_numbers_stops_with_its_name(tmp_path):
    """x'' = 4x³ reaches infinity from x = 3 in finite time; trajectories that start at 0 stay there."""
    spec = hs.DatasetSpec(
        system={"hamiltonian": "p**2/2 - x**4", "coordinates": "x", "momenta": "p"},
        trajectories=12, steps=100, dt=0.1, save_every=10, shard=2, seed=10,
        initial={"x": {"choice": [0, 0, 0, 0, 3]}, "p": 0},
    )  # fmt: skip
    with pytest.raises(
        NonFiniteError, match=r"left the finite numbers by t = .*; \d of 6 shards are finished"
    ) as caught:
        hs.generate_dataset(spec, tmp_path / "wild", progress=False)
    index = caught.value.index
    assert starts_of(spec, range(12)).q[:, 0].tolist().index(3.0) == index > 1
    assert f"trajectory {index} " in str(caught.value) and "q = [3.0]" in str(caught.value)
    report = hs.check_dataset(tmp_path / "wild")
    assert report.is_sound
    assert report.missing == tuple(range(index // 2, 6))
    at_once = changed(spec, initial={"x": 3, "p": 0})
    with pytest.raises(NonFiniteError, match="trajectory 0"):
        hs.generate_dataset(at_once, tmp_path / "nothing", progress=False)
    assert not (tmp_path / "nothing").exists()


def test_a_state_without_energy_stops_it(tmp_path):
    """A free particle so fast that p² is more than the largest number, although q and p are not."""
    spec = hs.DatasetSpec(
        system={"hamiltonian": "p**2/2", "coordinates": "x", "momenta": "p"},
        trajectories=2, steps=1, dt=1e-9, initial={"x": 0, "p": {"choice": [1, 1e200]}}, seed=4,
    )  # fmt: skip
    with pytest.raises(NonFiniteError, match=r"energy of trajectory \d is not finite at t = 0 "):
        hs.generate_dataset(spec, tmp_path / "x", progress=False)


def test_interrupted_it_says_how_to_go_on(made, tmp_path, monkeypatch):
    real = dataset.encode_shard

    def interrupt(spec, index):
        if index == 2:
            raise KeyboardInterrupt
        return real(spec, index)

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "encode_shard", interrupt)
        with pytest.raises(
            KeyboardInterrupt, match=r"stopped with 2 of 3 shards finished in .*; the same call goes on"
        ):
            hs.generate_dataset(SPEC, tmp_path / "stopped", progress=False)
    hs.generate_dataset(SPEC, tmp_path / "stopped", progress=False)
    assert contents(tmp_path / "stopped") == contents(made)


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="DatasetSpec, not dict"):
        hs.generate_dataset(SPEC.to_dict(), tmp_path / "x")
    with pytest.raises(ParameterError, match=r"dask.distributed.Client, not int"):
        hs.generate_dataset(SPEC, tmp_path / "x", client=3)
    with pytest.raises(DatasetError, match="there is no data set"):
        hs.check_dataset(tmp_path)
    with pytest.raises(DatasetError, match="there is no data set"):
        hs.open_dataset(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_cluster_makes_the_same_bytes(made, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        hs.generate_dataset(SPEC, tmp_path / "cluster", client=client, progress=False)
        assert contents(tmp_path / "cluster") == contents(made)
        (tmp_path / "spec.json").write_text(json.dumps(SPEC.to_dict()))
        command = [
            "dataset",
            "generate",
            tmp_path / "spec.json",
            tmp_path / "cli",
            "--scheduler",
            cluster.scheduler_address,
        ]
        subprocess.run([sys.executable, "-c", "from hamsym.cli import main; main()", *command], check=True)
        assert contents(tmp_path / "cli") == contents(made)
        wild = changed(SPEC, trajectories=40, initial={"q": 1e308, "p": 1e308})
        with pytest.raises(NonFiniteError, match="trajectory"):
            hs.generate_dataset(wild, tmp_path / "wild", client=client, progress=False)
        assert not (tmp_path / "wild").exists()
