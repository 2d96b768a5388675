"""Two processes that train together do what one does: the same weights up to round-off, stopped and resumed together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from parallel_worker import CASES, main, trained
from torch.distributed.run import __file__ as torchrun

from learn.storage import exists, read

WORKER = Path(__file__).with_name("parallel_worker.py")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few steps meet no constraint
        main(one)

    def die(step, result):
        if step == 11:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        trained(two / "handed on", "free", callback=die)
    assert read(two / "handed on" / "free", "training")[1]["step"] == 10
    command = [sys.executable, torchrun, "--standalone", "--nproc-per-node", "2", str(WORKER), str(two)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return one, two


def saved(folder, case, rank=0):
    return torch.load(folder / f"{case}.{rank}.pt", weights_only=True)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_like_one_up_to_round_off(folders, case):
    one, two = (saved(folder, case) for folder in folders)
    for name, weight in one[0].items():
        assert torch.allclose(weight, two[0][name], rtol=1e-9, atol=1e-11), name
    for column in ("loss", "elbo", "lambda", "residual"):
        alone, together = (torch.tensor(run[1][column], dtype=torch.float64) for run in (one, two))
        assert torch.allclose(alone, together, rtol=1e-9, atol=1e-11), column
    assert one[3] == two[3] and [s for s, _ in one[2]] == [s for s, _ in two[2]]
    assert [b for _, b in two[2]] == pytest.approx([b for _, b in one[2]], rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_both_processes_hold_the_same_bits(folders, case):
    first, second = (saved(folders[1], case, rank) for rank in (0, 1))
    assert all(torch.equal(w, second[0][k]) for k, w in first[0].items())
    assert first[1]["loss"] == second[1]["loss"] and first[2:] == second[2:]


def test_interrupted_together_and_resumed_they_end_as_if_they_had_not_been(folders):
    whole, parts = (
        read(folder, "training") for folder in (folders[1] / "free", folders[1] / "parts" / "free")
    )
    for name in whole[0]:
        if name != "history.seconds":
            assert torch.equal(whole[0][name], parts[0][name]), name
    assert whole[1]["best_step"] == parts[1]["best_step"]


def test_two_processes_go_on_with_what_one_began(folders):
    one, two = folders
    whole, parts = (read(folder / "free", "model")[0] for folder in (one, two / "handed on"))
    assert all(torch.allclose(w, parts[k], rtol=1e-9, atol=1e-11) for k, w in whole.items())


def test_what_stops_one_stops_both_and_each_says_why(folders):
    first, second = (
        dict(line.split(" = ", 1) for line in (folders[1] / f"said.{rank}.txt").read_text().splitlines())
        for rank in (0, 1)
    )
    for said in (first, second):
        assert said["interrupted"].startswith(
            "KeyboardInterrupt: training stopped after step 13 of 24; the same call"
        )
        assert said["not finite"].startswith("NonFiniteError: the loss became nan at step 2")
        assert (
            "ParameterError: the processes of this training were called with different"
            in said["other settings"]
        )
        assert "batch=1 is less than a row for each of 2 processes" in said["small batch"]
    assert first["failed"] == "RuntimeError: the callback failed"
    assert first["unwritable"].startswith("CheckpointError: cannot write")
    for what in ("failed", "unwritable"):
        assert second[what].startswith("ProcessError: another process of this training failed")
    tensors, values = read(folders[1] / "nan", "failure")
    assert tensors["q"].shape == (33, 2) and values["step"] == 2  # the whole batch, not one share of it
    assert not exists(folders[1] / "nan", "training")


KILLED = """
import os, signal, torch, learn
from hamsym.errors import ProcessError

class Line(learn.Objective):
    def loss(self, batch, random, progress):
        if progress.step == 3 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return self.model(batch.rows[0]).square().mean(), {}

try:
    learn.fit(Line(torch.nn.Linear(1, 1)), torch.ones(8, 1), steps=10, batch=4, progress=False)
except ProcessError as error:
    print(error)
"""


def test_who_is_left_when_another_is_killed_says_so_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    left, killed = (
        subprocess.Popen(
            [sys.executable, "-c", KILLED], env=os.environ | shared | {"RANK": rank}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for rank in "01"
    )  # fmt: skip
    out, err = left.communicate(timeout=120)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert out.startswith("another process of this training cannot be reached"), err[-2000:]
