"""The command line: exit codes, one JSON object, and errors of one line without a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hamsym as hs

HAMSYM = Path(sys.executable).with_name("hamsym")


def run(*arguments, cwd=None):
    return subprocess.run(
        [HAMSYM, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300
    )


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["(p1**2+p2**2)/2 - 1/sqrt(q1**2+q2**2)", "q1*p2-q2*p1"], 0, "proved"),
        (["(p1**2+p2**2)/2 + q1", "q1*p2-q2*p1"], 1, "refuted"),
        (["px**2/(2*m)", "px", "-q", "x", "-p", "px", "--parameter", "m=positive"], 0, "proved"),
        (["p1**2/2 + V(q1)", "p1**2/2 + V(q1)", "--function", "V=1"], 0, "proved"),
        (["p1**2/2", "q1 - t*p1", "--time", "t"], 0, "proved"),
        (["p**2/2 + q**2", "p"], 1, "refuted"),
        (["--system", "kepler", "q1*p2 - q2*p1"], 0, "proved"),
        (["--system", "toda", "--size", "4", "p1 + p2 + p3 + p4"], 0, "proved"),
        (["L1**2 + L2**2 + 2*L3**2", "L3", "--bracket", "so3"], 0, "proved"),
        (
            ["Sum(p[i]**2/2, (i, 1, 20)) + Sum((q[i + 1] - q[i])**4, (i, 1, 19))", "Sum(p[i], (i, 1, 20))"],
            0,
            "proved",
        ),
        (["Sum(p[i]**2/2, (i, 1, 4)) + Sum(q[2*i], (i, 1, 4))", "p8"], 1, "refuted"),
    ],
)
def test_verify_exit_codes(arguments, code, word):
    done = run("verify", *arguments)
    assert (done.returncode, done.stderr) == (code, "")
    assert word in done.stdout
    as_json = run("verify", *arguments, "--json")
    assert as_json.returncode == code
    assert json.loads(as_json.stdout)["status"] == word


def test_integrals_are_found_and_told_in_both_forms():
    """u(2) of the isotropic oscillator: four quadratic integrals; a budget that is too short is no completeness."""
    command = ["integrals", "(p1**2 + p2**2 + q1**2 + q2**2)/2", "--degree", 2]
    plain, found = run(*command), run(*command, "--json")
    assert (plain.returncode, found.returncode) == (0, 0)
    answer = json.loads(found.stdout)
    assert (answer["dimension"], answer["rank"], answer["complete"]) == (4, 3, True)
    space = hs.PhaseSpace.standard(2)
    printed = {space.parse(line) for line in plain.stdout.splitlines() if line.startswith("  ")}
    assert printed == {space.parse(text) for text in answer["integrals"]}
    short = run("integrals", "(p1**2+p2**2+p3**2)/2 + q1*q2*q3", "--degree", 9, "--budget", 0.01, "--json")
    assert short.returncode == 3 and json.loads(short.stdout)["complete"] is False


def test_algebra_says_what_closes():
    so3 = run("algebra", "q2*p3-q3*p2", "q3*p1-q1*p3", "q1*p2-q2*p1", "--json")
    assert so3.returncode == 0
    assert json.loads(so3.stdout)["killing_signature"] == [0, 3, 0]
    heisenberg = run("algebra", "q1", "p1")
    assert heisenberg.returncode == 0 and "h_3" in heisenberg.stdout and "{X1, X2} = X3" in heisenberg.stdout
    kepler = run("algebra", "--system", "kepler")
    assert kepler.returncode == 0 and "h < 0: so(3)" in kepler.stdout and "= -2*X1*h" in kepler.stdout
    in_space = run("algebra", "--system", "kepler_3d")  # its square of L is left out
    assert in_space.returncode == 0 and "h < 0: so(4)" in in_space.stdout
    projective = run("algebra", "p1", "q1**3*p1")
    assert projective.returncode == 1


def test_a_formula_may_begin_with_a_minus_sign():
    """What the library prints can be pasted back: -p1*q2 + p2*q1 is no option -p."""
    assert run("verify", "(p1**2+p2**2)/2", "-p1*q2 + p2*q1").returncode == 0
    assert run("algebra", "-p1*q2 + p2*q1", "p1", "p2").returncode == 0
    assert run("verify", "-(p**2)/2", "-x", "-q", "x", "-p", "p").returncode == 2  # -x alone is an option


def test_systems_are_listed_and_described():
    names = json.loads(run("systems", "--json").stdout)
    assert names == list(hs.systems) and all(name in run("systems").stdout for name in names)
    toda = json.loads(run("systems", "toda", "--size", 4, "--json").stdout)
    assert len(toda["integrals"]) == 4 and toda["dof"] == 4
    assert "Sum(p[i], (i, 1, 3))" in run("systems", "toda").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "p1**2 + qq1", "p1"], "'qq1' is not declared; did you mean 'q1'?"),
        (["verify", "p1**2"], "expected"),
        (["verify", "x", "y"], "name the variables with -q"),
        (["verify", "p1^2", "p1"], "powers are written **"),
        (["verify", "p1", "p1", "--parameter", "m"], "m=positive"),
        (["verify", "p1", "p1", "--budget", "soon"], "budget"),
        (["verify", "--system", "keppler", "p1"], "did you mean 'kepler'"),
        (["simulate", "p1*q1", "--q0", "1", "--p0", "1"], "use method="),
        (["simulate", "p1**2/2+q1**2/2", "--q0", "1 2", "--p0", "1"], "shape"),
        (["simulate", "p1**2/2+q1**2/2", "--q0", "nan", "--p0", "1"], "finite"),
        (["simulate", "p1**2/2+q1**2/2"], "initial states are missing"),
        (["simulate", "p1**2/2+k*q1**2/2", "--q0", "1", "--p0", "1", "--parameter", "k=real"], "k"),
        (
            ["simulate", "p1**2/2", "--q0", "1", "--p0", "1", "--method", "leapfrogg"],
            "did you mean 'leapfrog'",
        ),
        (["simulate", "p1**2/2", "--q0", "1", "--p0", "1", "--out", "x.txt"], "ending"),
        (["simulate", "p1**2/2", "--q0", "1", "--p0", "1", "--dt", "0"], "dt"),
        (["simulate", "p1**2/2", "--q0", "1", "--p0", "1", "--plot", "x.png", "--kind", "sctn"], "--kind is"),
        (["reproduce", "efh"], "did you mean 'ehf'"),
        (["simulate", "p1**2/2", "--q0", "1", "--p0", "1", "--plot", "x.xyz"], "ending"),
        (["simulate", "--system", "pendulum", "--trajectories", "1000000000000"], ""),
        (["nonsense"], "nonsense"),
        (["integrals", "p1**2/2", "--degree", "-1"], "degree"),
        (["integrals", "p1**2/2", "--max-exponents", "1 x"], "--max-exponents"),
        (["integrals", "p1**2/2", "--ansatz", "qq1"], "did you mean 'q1'?"),
        (["integrals", "--system", "kepler", "--size", "3"], "size"),
        (["integrals", "p1**2/2", "--size", "3"], "--system"),
        (["algebra"], "no functions given"),
        (["algebra", "L1", "L2", "--bracket", "so33"], "did you mean 'so3'?"),
        (["verify", "L1", "L2", "--bracket", "so3", "-p", "p1"], "--bracket"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_simulate_writes_what_it_says(tmp_path):
    done = run(
        "simulate", "--system", "pendulum", "--trajectories", 3, "--dt", 0.01, "--steps", 200, "--save-every", 50,
        "--out", "run.npz", "--plot", "run.png", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    with np.load(tmp_path / "run.npz") as saved:
        assert saved["q"].shape == saved["p"].shape == (3, 5, 1)
        assert saved["t"] == pytest.approx([0, 0.5, 1, 1.5, 2])
        energy = saved["energy"]
    drift = np.abs(energy / energy[:, :1] - 1)
    assert summary["largest_relative_energy_error"] == pytest.approx(drift.max())
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_simulate_names_the_method_that_auto_chose_and_draws_states_for_the_parameters(tmp_path):
    done = run("simulate", "--system", "double_pendulum", "--method", "auto", "--steps", 10, "--json")
    assert json.loads(done.stdout)["method"] in {m.name for m in hs.methods()}
    run("simulate", "--system", "kepler", "--set", "k=4", "--steps", 10, "--out", "run.npz", cwd=tmp_path)
    q, _ = hs.systems["kepler"].initial_states(1, parameters={"k": 4.0})
    with np.load(tmp_path / "run.npz") as saved:
        assert np.array_equal(saved["q"][:, 0], q)
        assert not np.array_equal(saved["p"][:, 0], hs.systems["kepler"].initial_states(1)[1])


def test_simulate_follows_a_driven_oscillator(tmp_path):
    """q'' = -q + cos 2t from rest at q = -1/3 is q = -cos(2t)/3."""
    done = run("simulate", "p1**2/2 + q1**2/2 - q1*cos(2*t)", "--time", "t", "--q0", "-0.3333333333333333", "--p0", "0",
               "--steps", 1000, "--out", tmp_path / "driven.npz")  # fmt: skip
    assert done.returncode == 0, done.stderr
    stored = np.load(tmp_path / "driven.npz")
    assert stored["q"][0, :, 0] == pytest.approx(-np.cos(2 * stored["t"]) / 3, abs=1e-4)


def test_simulate_keeps_the_trajectories_beside_a_lost_one(tmp_path):
    starts = ["--q0", 5, "--p0", 5, "--q0", 0, "--p0", 0.001]
    done = run(
        "simulate", "p1**2/2 - q1**4/4", *starts, "--out", "run.npz", "--plot", "run.png", cwd=tmp_path
    )
    assert done.returncode == 2 and "trajectory 0 left the finite numbers by t = " in done.stderr
    assert "all trajectories are in run.npz and run.png" in done.stderr
    with np.load(tmp_path / "run.npz") as saved:
        assert np.isfinite(saved["q"]).all(axis=(1, 2)).tolist() == [False, True]


def test_version_and_help():
    assert run("--version").stdout.startswith("hamsym ")
    done = run("--help")
    assert done.returncode == 0
    assert all(
        name in done.stdout for name in ("verify", "simulate", "reproduce", "train", "evaluate", "sample")
    )


def test_reproduce_without_a_name_lists_the_experiments(tmp_path):
    """Every name in the list is one that can be run: its module has a ``run`` with the options of the command."""
    import importlib
    import inspect

    from learn.cli import EXPERIMENTS

    listed = run("reproduce", cwd=tmp_path)
    assert listed.returncode == 0 and [line.split()[0] for line in listed.stdout.splitlines()] == list(
        EXPERIMENTS
    )
    assert json.loads(run("reproduce", "--json", cwd=tmp_path).stdout).keys() == EXPERIMENTS.keys()
    for module, _ in EXPERIMENTS.values():
        options = inspect.signature(importlib.import_module(module).run).parameters
        assert list(options) == ["out", "quick", "seed", "resume", "quiet"]
    assert not list(tmp_path.iterdir())


def test_train_evaluate_sample(tmp_path):
    """The commands hand a flow to one another; what evaluate prints is finite and ordered."""
    trained = run(
        "train", "ring", "--symmetry", "exact", "--out", "flow", "--steps", 40, "--batch", 64, "--points", 500,
        "--hamiltonians", 2, "--width", 8, "--json", cwd=tmp_path,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["best_step"] == 40
    measured = run(
        "evaluate", "flow", "ring", "--generator", "q1*p2-q2*p1", "--points", 50, "--samples", 20, "--json", cwd=tmp_path
    )  # fmt: skip
    metrics = json.loads(measured.stdout)
    assert metrics["elbo"] < metrics["log_likelihood_bound"] + 0.5
    assert metrics["symmetry"]["-p1*q2 + p2*q1"]["bracket_relative"]["base"] < 1e-5
    done = run("sample", "flow", "-n", 7, "--out", "points.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "points.npy").shape == (7, 2)
    taken = run("train", "ring", "--out", "flow", cwd=tmp_path)
    assert taken.returncode == 2 and "--resume" in taken.stderr
    again = run("train", "points.npy", "--out", "second", "--steps", 2, "--batch", 4, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "rnig", "--out", "x"], "did you mean 'ring'"),
        (["train", "ring", "--symmetry", "exactly", "--out", "x"], "'exact'"),
        (["train", "missing.npy", "--out", "x"], "missing.npy"),
        (["evaluate", "nowhere", "ring"], "does not exist"),
        (["sample", "nowhere", "--out", "x.npy"], "nowhere"),
        (["sample", "nowhere", "--out", "x.txt"], "ending"),
        (["sample", "nowhere", "--out", "x.npy", "-n", str(10**12)], "less than or equal"),
        (["train", "ring", "--out", "x", "--points", "0"], "greater than or equal"),
    ],
)
def test_wrong_learning_commands_are_one_line(arguments, message, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_file_without_content_is_refused(tmp_path):
    (tmp_path / "empty.npy").touch()
    done = run("train", "empty.npy", "--out", "x", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds no plain array" in done.stderr


def test_a_failure_of_ours_is_no_verdict(monkeypatch, capsys):
    """An unexpected exception must not exit with 1, which means refuted."""
    from hamsym.cli import program

    def fail(*_, **__):
        raise ZeroDivisionError("x")

    monkeypatch.setattr(program, "app", fail)
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == program.INTERNAL
    assert capsys.readouterr().err.count("\n") == 1
