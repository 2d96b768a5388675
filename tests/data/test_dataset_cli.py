"""``hamsym dataset``: exit codes, one JSON object, and Ctrl-C that keeps what is finished."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import contents
from typer.testing import CliRunner

import hamsym as hs
from hamsym.cli import app
from hamsym.errors import DatasetError, HamsymError

HAMSYM = Path(sys.executable).with_name("hamsym")
SPEC = """\
system: henon_heiles
trajectories: 5
steps: 40
dt: 0.05
save_every: 10
shard: 2
splits: {train: 0.6, test: 0.4}
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def run(*arguments):
    """Run the commands in this process; what stops ``main`` comes as it is."""
    done = CliRunner().invoke(app, ["dataset", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_generate_info_check(spec, tmp_path):
    out = tmp_path / "data"
    made = run("generate", spec, out)
    assert made.exit_code == 0
    assert made.stdout.startswith(f"{out}: 3 of 3 shards, ")
    assert "proved: energy" in made.stdout and "splits: test 2, train 3" in made.stdout
    assert run("info", out).stdout == made.stdout
    info = json.loads(run("info", out, "--json").stdout)
    data = hs.open_dataset(out)
    assert info["largest_energy_error"] == float(data.energy_error.max())
    assert info["sizes"] == {"trajectory": 5, "time": 5, "dof": 2}
    assert info["bytes"] == sum(len(c) for c in contents(out).values())
    sound = run("check", out)
    assert (sound.exit_code, sound.stdout) == (0, f"{out}: 3 of 3 shards, every byte as it was written\n")
    again = run("generate", spec, out, "--json")
    assert json.loads(again.stdout) == info

    (out / "p" / "2.0.0").write_bytes(b"x")
    damaged = run("check", out)
    assert damaged.exit_code == 1
    assert "shard 2: p/2.0.0 is damaged" in damaged.stdout
    report = json.loads(run("check", out, "--json").stdout)
    assert report["damages"] == [{"file": "p/2.0.0", "problem": "is damaged", "shard": 2}]
    assert run("generate", spec, out).exit_code == 0
    assert run("check", out).exit_code == 0


def test_a_part_of_a_data_set_is_incomplete_and_described(spec, tmp_path, monkeypatch):
    from hamsym.data import dataset

    real = dataset.encode_shard

    def stop(spec, index):
        if index == 1:
            raise KeyboardInterrupt
        return real(spec, index)

    monkeypatch.setattr(dataset, "encode_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        hs.generate_dataset(hs.DatasetSpec.from_file(spec), tmp_path / "part", progress=False)
    checked = run("check", tmp_path / "part", "--json")
    assert checked.exit_code == 3
    assert json.loads(checked.stdout)["missing"] == [1, 2]
    info = json.loads(run("info", tmp_path / "part", "--json").stdout)
    assert (info["complete"], info["shards_made"]) == (False, 1)
    assert info["largest_energy_error"] > 0
    assert "1 of 3 shards" in (said := run("info", tmp_path / "part").stdout) and "2 shard(s) left" in said


def test_a_data_set_that_was_killed_at_its_beginning_is_described(spec, tmp_path, monkeypatch):
    from hamsym.data import store

    def full(self, name, content):
        if name != "hamsym.json":
            raise OSError(28, "No space left on device")
        return written(self, name, content)

    written = store.Store._write
    monkeypatch.setattr(store.Store, "_write", full)
    with pytest.raises(DatasetError, match="No space left"):
        hs.generate_dataset(hs.DatasetSpec.from_file(spec), tmp_path / "data", progress=False)
    assert "3 shard(s) left" in run("info", tmp_path / "data").stdout
    assert run("check", tmp_path / "data").exit_code == 3


def test_wrong_usage_is_refused(tmp_path, spec):
    spec.write_text("sistem: pendulum")
    for arguments, message in [
        (["generate", spec, tmp_path / "x"], "no key 'sistem'; did you mean 'system'"),
        (["generate", tmp_path / "none.yaml", tmp_path / "x"], "cannot be read"),
        (["info", tmp_path], "there is no data set"),
        (["check", tmp_path], "there is no data set"),
    ]:
        with pytest.raises(HamsymError, match=message):
            run(*arguments)
    assert run("generate", spec).exit_code == 2
    alone = run()
    assert (alone.exit_code, alone.stdout.count("  check ")) == (0, 1)
    done = subprocess.run([HAMSYM, "dataset", "check", tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no data set") and done.stderr.count("\n") == 1


def test_a_scheduler_that_is_not_there_is_named(tmp_path, spec, monkeypatch):
    from hamsym.data import cluster

    monkeypatch.setattr(cluster, "_PATIENCE", 0.2)
    with pytest.raises(
        DatasetError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'|needs the extra 'distributed'"
    ):
        run("generate", spec, tmp_path / "x", "--scheduler", "tcp://127.0.0.1:9")
    assert not (tmp_path / "x").exists()


def test_ctrl_c_keeps_finished_shards_and_says_how_to_go_on(spec, tmp_path):
    out = tmp_path / "data"
    spec.write_text(SPEC.replace("trajectories: 5", "trajectories: 4000"))
    child = subprocess.Popen([HAMSYM, "dataset", "generate", spec, out], stderr=subprocess.PIPE, text=True)
    while child.poll() is None and not (out / "shards" / "00003.json").exists():
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    _, message = child.communicate()
    assert child.returncode == 130
    assert message.startswith("error: stopped with ") and message.count("\n") == 1
    assert "the same call goes on from there" in message
    report = hs.check_dataset(out)
    assert report.is_sound and not report.is_complete
    assert f"stopped with {2000 - len(report.missing)} of 2000 shards" in message


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom hamsym.cli import app\n"
        "assert 'check' in CliRunner().invoke(app, ['dataset', '--help']).output\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numba", "xarray", "zarr", "torch", "yaml"} & set(done.stdout.split())
