"""The learning commands: options reach the training, contexts reach the flow, and what goes wrong is said in one line."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import torch

import learn
from hamsym.cli import main
from hamsym.errors import CheckpointError, MissingExtraError, ParameterError
from learn.storage import read

SMALL = ["--steps", "12", "--batch", "16", "--hamiltonians", "2", "--width", "8", "--points", "100"]


@pytest.fixture
def hamsym(monkeypatch, capsys, tmp_path):
    """Run a command in this process; returns (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["hamsym", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def refused(answer, *words):
    code, out, err = answer
    assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1, answer
    assert all(word in err for word in words), err


def test_the_kinetic_energy_can_be_fixed(hamsym):
    code, _, _ = hamsym("train", "ring", "--out", "flow", "--kinetic", "fixed", *SMALL, "--json")
    assert code == 0 and learn.load("flow").kinetic == "fixed"
    refused(
        hamsym("train", "ring", "--out", "other", "--kinetic", "cold", *SMALL), "'learned' or 'fixed'", "cold"
    )


@pytest.fixture
def conditional(tmp_path):
    """A file of points in the plane whose third column, the context, is where they lie along the first."""
    rng = np.random.default_rng(0)
    c = rng.uniform(-1, 1, (200, 1))
    np.save(
        tmp_path / "rows.npy", np.hstack([c + 0.2 * rng.normal(size=(200, 1)), rng.normal(size=(200, 1)), c])
    )
    return tmp_path / "rows.npy"


def test_the_symmetry_that_was_taken_is_said(hamsym, tmp_path):
    code, out, _ = hamsym("train", "ring", "--symmetry", "exact", "--out", "a", *SMALL)
    assert code == 0 and out.startswith("symmetry: exact, under q1*p2 - q2*p1")
    assert learn.load("a").generators[0].text == "-p1*q2 + p2*q1"
    code, out, _ = hamsym("train", "ring", "--symmetry", "penalty", "--out", "b", "--json", *SMALL)
    told = json.loads(out)
    assert told["generators"] == ["q1*p2 - q2*p1"] and told["constraint_satisfied"] is False
    assert len(told["warnings"]) == 1 and "constraint is missed" in told["warnings"][0]
    _, out, _ = hamsym(
        "train", "ring", "--symmetry", "exact", "--generator", "q1*p2-q2*p1", "--out", "c", *SMALL
    )
    assert "symmetry:" not in out
    np.save(tmp_path / "three.npy", np.random.default_rng(0).normal(size=(50, 3)))
    refused(hamsym("train", "three.npy", "--symmetry", "exact", "--out", "d", *SMALL), "--generator")
    # without a mode a generator would be named in vain
    refused(hamsym("train", "ring", "--generator", "q1*p2-q2*p1", "--out", "d", *SMALL), "--symmetry")
    code, out, _ = hamsym("train", "ring", "--out", "e", "--json", *SMALL)
    assert json.loads(out)["generators"] == []


def test_of_a_data_set_the_symmetry_is_asked_for(hamsym, tmp_path):
    import hamsym as hs

    spec = hs.DatasetSpec(system="henon_heiles", trajectories=4, steps=10, dt=0.02, save_every=5, shard=2)
    hs.generate_dataset(spec, tmp_path / "data", progress=False)
    refused(hamsym("train", "data", "--symmetry", "exact", "--out", "x"), "--generator", "data")
    assert hamsym("train", "data", "--out", "x", "--steps", 2, "--batch", 4)[0] == 0


def test_a_conditional_flow_is_trained_measured_and_sampled(hamsym, conditional):
    few = ["--steps", 200, "--batch", 32, "--hamiltonians", 2, "--width", 16]
    assert hamsym("train", "rows.npy", "--context", 1, "--out", "flow", *few)[0] == 0
    assert learn.load("flow").context.size == 1
    code, out, _ = hamsym("evaluate", "flow", "rows.npy", "--json")
    metrics = json.loads(out)
    assert code == 0 and metrics["elbo"] < metrics["log_likelihood_bound"] + 0.1 and metrics["points"] == 200
    assert hamsym("evaluate", "flow", "rows.npy")[1].count("nats") >= 2
    means = []
    for c in ("-0.8", "0.8"):
        code, out, _ = hamsym("sample", "flow", "-n", 400, "--context", c, "--out", "s.npy", "--json")
        assert code == 0 and json.loads(out) == {
            "out": "s.npy",
            "shape": [400, 2],
            "seed": 0,
            "context": [float(c)],
        }
        means.append(np.load("s.npy")[:, 0].mean())
    assert means[0] < -0.4 and means[1] > 0.4  # the samples follow the context
    code, out, _ = hamsym("evaluate", "flow", "s.npy", "--context", "0.8", "--samples", 20, "--json")
    here = json.loads(out)["log_likelihood_bound"]
    elsewhere = json.loads(
        hamsym("evaluate", "flow", "s.npy", "--context", "-0.8", "--samples", 20, "--json")[1]
    )
    assert code == 0 and here > elsewhere["log_likelihood_bound"] + 1
    refused(hamsym("sample", "flow", "--out", "s.npy"), "conditional", "--context")
    refused(hamsym("sample", "flow", "--out", "s.npy", "--context", "1 2"), "takes 1 number")
    refused(hamsym("sample", "flow", "--out", "s.npy", "--context", "up"), "takes 1 number")
    refused(hamsym("sample", "flow", "--out", "s.npy", "--context", "nan"), "context")
    refused(hamsym("train", "rows.npy", "--context", 3, "--out", "x"), "3 cannot be the context")
    hamsym("train", "s.npy", "--out", "plain", *SMALL)
    refused(hamsym("sample", "plain", "--out", "s.npy", "--context", "1"), "not")


def test_patience_and_its_company_reach_the_training(hamsym):
    options = [
        "--patience",
        2,
        "--held-out",
        0.3,
        "--validate-every",
        5,
        "--draws",
        2,
        "--draws-after",
        0.1,
        "--lr",
        0.05,
    ]
    code, out, _ = hamsym(
        "train", "ring", "--out", "flow", *SMALL, "--steps", 2000, "--points", 30, *options, "--save-every", 7, "--json"
    )  # fmt: skip
    told = json.loads(out)
    assert code == 0 and told["stopped_early"] and told["steps"] == told["best_step"] + 10 < 2000
    settings = read("flow", "training")[1]["settings"]
    wanted = {"patience": 2, "held_out": 0.3, "validate_every": 5, "draws": 2, "draws_after": 0.1, "lr": 0.05}
    assert {k: settings[k] for k in wanted} == wanted
    refused(hamsym("train", "ring", "--out", "flow", "--resume", *SMALL), "other settings", "patience")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--patience", "0"], "patience"),
        (["--held-out", "1.5"], "held_out"),
        (["--lr", "-1"], "lr"),
        (["--draws", "0"], "draws"),
        (["--draws-after", "2"], "draws"),
        (["--threads", "1000"], "threads"),
        (["--validate-every", "x"], "validate"),
        (["--out", "/dev/null/flow"], "cannot write"),
        (["--batch", "many"], "batch"),
    ],
)
def test_options_that_make_no_sense_are_one_line(hamsym, options, word):
    refused(hamsym("train", "ring", *SMALL, "--out", "x", *options), word)


class StandIn:
    """What torch.utils.tensorboard does, as far as it is used here."""

    made: list[StandIn] = []  # noqa: RUF012

    def __init__(self, folder, **settings):
        self.folder, self.settings, self.scalars = folder, settings, {}
        StandIn.made.append(self)

    def add_scalar(self, tag, value, step):
        self.scalars.setdefault(tag, {})[step] = value

    def close(self):
        pass


def test_the_history_goes_to_tensorboard(hamsym, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=StandIn))
    options = ["--symmetry", "penalty", "--patience", 50, "--validate-every", 4, "--tensorboard", "log"]
    assert hamsym("train", "ring", "--out", "flow", *SMALL, *options)[0] == 0
    (writer,) = StandIn.made
    saved = read("flow", "training")[0]
    assert writer.folder == "log" and writer.settings["purge_step"] == 1
    assert set(writer.scalars) == {"loss", "elbo", "lambda/0", "residual/0", "seconds", "validation"}
    assert list(writer.scalars["loss"]) == list(range(1, 13))
    assert list(writer.scalars["loss"].values()) == saved["history.loss"].tolist()
    assert list(writer.scalars["lambda/0"].values()) == saved["history.lambda"][:, 0].tolist()
    assert list(map(list, writer.scalars["validation"].items())) == saved["validation"].tolist()


def test_without_tensorboard_its_extra_is_named(hamsym, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"hamsym\[tensorboard\]"):
        learn.TensorBoard("log")
    refused(hamsym("train", "ring", "--out", "x", "--tensorboard", "log", *SMALL), "hamsym[tensorboard]")
    with pytest.raises(ParameterError, match="folder"):
        learn.TensorBoard(3)


def test_what_is_written_is_read_by_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    flow = learn.HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
    log = learn.TensorBoard(tmp_path / "log", flush=1)
    result = learn.fit(flow, torch.randn(50, 1), steps=5, batch=8, progress=False, callback=log)
    log._writer.close()
    events = EventAccumulator(str(tmp_path / "log")).Reload()
    read_back = [(e.step, e.value) for e in events.Scalars("loss")]
    assert read_back == [(s, pytest.approx(x)) for s, x in zip(result.history["step"], result.history["loss"], strict=True)]  # fmt: skip


# -- what survives ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_amid_a_training_the_same_command_goes_on(hamsym, tmp_path):
    options = [
        "ring",
        "--steps",
        "400",
        "--batch",
        "64",
        "--hamiltonians",
        "2",
        "--width",
        "8",
        "--save-every",
        "10",
    ]
    command = [
        sys.executable,
        "-c",
        "from hamsym.cli import main; main()",
        "train",
        *options,
        "--out",
        "killed",
    ]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=tmp_path)
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "killed" / "training.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    step = read(tmp_path / "killed", "training")[1]["step"]
    assert 10 <= step <= 400
    assert hamsym("train", *options, "--out", "killed", "--resume")[0] == 0
    assert hamsym("train", *options, "--out", "whole")[0] == 0
    whole, killed = (read(tmp_path / name, "model")[0] for name in ("whole", "killed"))
    assert all(torch.equal(t, killed[name]) for name, t in whole.items())
    assert not [p for p in (tmp_path / "killed").iterdir() if p.name == "writable"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_disk_that_is_full_is_said_and_the_last_checkpoint_stays(tmp_path):
    q = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))

    def trained(**more):
        flow = learn.HamiltonianFlow(2, hamiltonians=2, width=16, seed=0)
        settings = {"steps": 30, "batch": 16, "save_every": 10, "progress": False, "out": tmp_path, **more}
        return flow, learn.fit(flow, q, **settings)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(step, result):
        if step == 15:  # nothing longer than this can be written from now on
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))

    try:
        with pytest.raises(CheckpointError, match=r"cannot write the checkpoint.*large"):
            trained(callback=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read(tmp_path, "training")[1]["step"] == 10
    flow, result = trained(resume=True)
    again = learn.HamiltonianFlow(2, hamiltonians=2, width=16, seed=0)
    whole = learn.fit(again, q, steps=30, batch=16, progress=False)
    assert whole.history["loss"] == result.history["loss"]
    assert all(torch.equal(w, again.state_dict()[k]) for k, w in flow.state_dict().items())


def test_a_folder_that_cannot_be_written_is_said_before_the_first_step(tmp_path):
    (tmp_path / "file").touch()
    steps = []
    flow = learn.HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
    for out in (tmp_path / "file" / "run", tmp_path / "file", "a\0b"):
        with pytest.raises(CheckpointError, match="cannot"):
            learn.fit(
                flow, torch.randn(20, 1), steps=3, batch=4, progress=False, out=out,
                callback=lambda step, result: steps.append(step),
            )  # fmt: skip
    assert steps == []


def test_ctrl_c_says_after_which_step_and_how_to_go_on(hamsym, monkeypatch):
    fit = learn.fit

    def pressed(*data, **settings):
        def press(step, result):
            if step == 5:
                signal.raise_signal(signal.SIGINT)

        return fit(*data, **settings | {"callback": press})

    monkeypatch.setattr(learn, "fit", pressed)
    code, out, err = hamsym("train", "ring", "--out", "flow", *SMALL)
    assert (code, out) == (130, "")
    assert err == "error: training stopped after step 5 of 12; the same command with --resume goes on\n"
    assert read("flow", "training")[1]["step"] == 5


def test_points_of_a_file_are_counted_and_other_files_refused(hamsym, tmp_path):
    q = np.random.default_rng(0).normal(size=(60, 2))
    np.save(tmp_path / "points.npy", q)
    np.savetxt(tmp_path / "points.csv", q)
    refused(hamsym("train", "points.csv", "--out", "a", *SMALL), "points.csv", ".npy")
    code, out, _ = hamsym("train", "points.npy", "--resume", "--out", "a", *SMALL)
    assert code == 0 and "no run to go on with" in out
    assert "hamsym evaluate a HELD_OUT.npy" in out  # the points it was trained on would flatter it
    code, out, _ = hamsym("evaluate", "a", "points.npy", "--points", "30", "--samples", "5")
    assert code == 0 and "on 30 points" in out
