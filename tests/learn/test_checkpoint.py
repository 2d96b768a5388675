"""Saved flows: identical when read back, refused when they are not what they say."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
import torch
from flows import CASES, make, states
from safetensors.torch import load_file, save_file

import hamsym as hs
from hamsym.errors import CheckpointError, ParameterError
from learn.checkpoint import load
from learn.flow.density import HamiltonianFlow
from learn.storage import read, write


@pytest.mark.parametrize("case", CASES)
def test_read_back_identical(case, tmp_path, dtype):
    flow = make(case, dtype)
    flow.save(tmp_path / "flow")
    same = load(tmp_path / "flow")
    assert same.config() == flow.config() and same.generators == flow.generators
    assert all(torch.equal(a, same.state_dict()[k]) for k, a in flow.state_dict().items())
    q, p = states(flow)
    assert torch.equal(same.log_joint(q, p), flow.log_joint(q, p))
    assert torch.equal(same.sample(5, seed=1), flow.sample(5, seed=1))
    assert torch.equal(same.log_prob(q, 7, seed=2), flow.log_prob(q, 7, seed=2))


def test_read_back_in_another_process(tmp_path):
    flow = make("exact")
    flow.save(tmp_path)
    code = (
        f"import learn; print(learn.load({str(tmp_path)!r}).log_prob([[1.0, 2.0]], 9, seed=0).item().hex())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert there == flow.log_prob([[1.0, 2.0]], 9, seed=0).item().hex()


def test_names_of_other_coordinates_survive(tmp_path):
    space = hs.PhaseSpace("x y", "px py")
    flow = HamiltonianFlow(
        2, hamiltonians=1, width=4, symmetry="exact", generators=hs.angular_momentum(space, 0, 1)
    )
    flow.save(tmp_path)
    assert load(tmp_path).generators == flow.generators
    assert [v.status for v in load(tmp_path).prove_symmetry()] == ["proved"] * 3


def test_saving_again_replaces_and_leaves_no_rubbish(tmp_path):
    for seed in (0, 1):
        make("free", seed=seed).save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert torch.equal(
        load(tmp_path).chain[0].potential_energy.weight, make("free", seed=1).chain[0].potential_energy.weight
    )


def test_a_crash_between_the_files_leaves_the_old_flow(tmp_path, monkeypatch):
    old, new = make("free", seed=0), make("free", seed=1)
    old.save(tmp_path)
    import learn.storage as storage

    real = storage._write

    def crash_at_json(target, payload):
        if target.suffix == ".json":
            raise OSError("no space left")
        real(target, payload)

    monkeypatch.setattr(storage, "_write", crash_at_json)
    with pytest.raises(CheckpointError, match="no space left"):
        new.save(tmp_path)
    assert torch.equal(load(tmp_path).log_scale, old.log_scale)
    assert torch.equal(load(tmp_path).chain[0].potential_energy.weight, old.chain[0].potential_energy.weight)


def _weights(folder):
    return next(folder.glob("*.safetensors"))


def _edit(folder, **changes):
    head = json.loads((folder / "model.json").read_text())
    for key, value in changes.items():
        target = head["flow"] if key in head["flow"] else head
        target[key] = value
    (folder / "model.json").write_text(json.dumps(head))


def _reseal(folder, tensors):
    """Write other tensors with a matching checksum: what an attacker would do."""
    head = json.loads((folder / "model.json").read_text())
    write(folder, "model", tensors, {"flow": head["flow"]})


class Bomb:
    def __reduce__(self):
        return (__import__("os").system, ("touch /tmp/hamsym_test_bomb",))


DAMAGE = {
    "json missing": lambda f: (f / "model.json").unlink(),
    "weights missing": lambda f: _weights(f).unlink(),
    "json truncated": lambda f: (f / "model.json").write_text((f / "model.json").read_text()[:40]),
    "json empty": lambda f: (f / "model.json").write_text(""),
    "json not an object": lambda f: (f / "model.json").write_text("[1, 2]"),
    "json binary": lambda f: (f / "model.json").write_bytes(b"\xff\xfe\x00" * 50),
    "json deep": lambda f: (f / "model.json").write_text("[" * 100_000),
    "json huge": lambda f: (f / "model.json").write_text('{"a": "' + "x" * (1 << 21) + '"}'),
    "weights truncated": lambda f: _weights(f).write_bytes(_weights(f).read_bytes()[:-7]),
    "weights changed": lambda f: _weights(f).write_bytes(_weights(f).read_bytes()[:-1] + b"\x7f"),
    "weights are a pickle": lambda f: _weights(f).write_bytes(pickle.dumps(Bomb())),
    "version": lambda f: _edit(f, version=99),
    "format": lambda f: _edit(f, format="other"),
    "path out of the folder": lambda f: _edit(f, weights="../../etc/passwd"),
    "absolute path": lambda f: _edit(f, weights="/etc/passwd"),
    "no description": lambda f: _edit(f, flow=None),
    "width negative": lambda f: _edit(f, width=-1),
    "width huge": lambda f: _edit(f, width=10**9),
    "chain huge": lambda f: _edit(f, hamiltonians=10**9),
    "chain other": lambda f: _edit(f, hamiltonians=2),
    "dim text": lambda f: _edit(f, dim="2"),
    "mode unknown": lambda f: _edit(f, symmetry="magic"),
    "mode other": lambda f: _edit(f, symmetry="penalty"),
    "mode a list": lambda f: _edit(f, symmetry=["exact"]),
    "formula with code": lambda f: _edit(
        f, generators=[{"formula": "__import__('os').system('id')", "q": ["q1", "q2"], "p": ["p1", "p2"]}]
    ),
    "generators not a list": lambda f: _edit(f, generators={"a": 1}),
    "dtype": lambda f: _edit(f, dtype="object"),
    "dt": lambda f: _edit(f, dt=-1),
    "not finite": lambda f: _reseal(
        f, {k: v * float("nan") if v.is_floating_point() else v for k, v in load_file(_weights(f)).items()}
    ),
    "tensor missing": lambda f: _reseal(f, dict(list(load_file(_weights(f)).items())[1:])),
    "tensor added": lambda f: _reseal(f, {**load_file(_weights(f)), "more": torch.zeros(1)}),
    "tensor reshaped": lambda f: _reseal(
        f, {k: v.reshape(1, *v.shape) for k, v in load_file(_weights(f)).items()}
    ),
    "no tensors": lambda f: _reseal(f, {}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_malicious_checkpoints_are_refused(damage, tmp_path):
    import pathlib

    make("exact", torch.float32).save(tmp_path)
    DAMAGE[damage](tmp_path)
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert not pathlib.Path("/tmp/hamsym_test_bomb").exists()


def test_nothing_there_is_said_so(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="cannot write"):
        make("free").save(tmp_path / "file")


def test_foreign_safetensors_are_not_a_flow(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError):
        load(tmp_path)
    write(tmp_path, "model", {"a": torch.zeros(2)}, {})
    assert read(tmp_path, "model")[0]["a"].shape == (2,)
    with pytest.raises(CheckpointError, match="no model of a known kind"):
        load(tmp_path)


def test_weights_of_other_invariants_are_not_read(tmp_path):
    make("exact, three bodies in the plane").save(tmp_path)
    head = json.loads((tmp_path / "model.json").read_text())
    assert len(head["flow"]["invariants"]["q"]) == 4
    head["flow"]["invariants"]["q"].reverse()
    (tmp_path / "model.json").write_text(json.dumps(head))
    with pytest.raises(CheckpointError, match="other invariants"):
        load(tmp_path)


@pytest.mark.parametrize(
    "name", ["unit", "chain.0.potential_energy.unit", "chain.1.kinetic_energy.unit", "encoder.unit"]
)
@pytest.mark.parametrize("value", [-1.0, 0.0, 7.0])
def test_units_that_contradict_one_another_are_refused(name, value, tmp_path):
    flow = make("free")
    flow.set_unit(2.0)
    flow.save(tmp_path)
    tensors = load_file(_weights(tmp_path))
    assert name in tensors
    tensors[name].fill_(value)
    _reseal(tmp_path, tensors)
    with pytest.raises(CheckpointError, match="units"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("path", "options"), [(None, {}), (5, {}), ("here", {"device": "nowhere"}), ("here", {"device": 1.5})]
)
def test_paths_and_devices_that_are_none_are_refused(path, options, tmp_path):
    make("free").save(tmp_path / "here")
    with pytest.raises(ParameterError):
        load(tmp_path / path if path == "here" else path, **options)
