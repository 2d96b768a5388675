"""The experiment with few points, in miniature: what it trains, what it says, and that no row is measured twice."""

import dataclasses
import json

import numpy as np
import pytest

import hamsym as hs
from hamsym.errors import CheckpointError
from learn.experiments import data_efficiency as experiment
from learn.experiments.runs import difference, mean_and_error
from learn.flow.architecture import MODES

TINY = experiment.Setting((20, 40), 2, 60, 24, 16, 2, 8, 16, 2, 4)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(experiment, "QUICK", TINY)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "QUICK", TINY)
        return folder, experiment.run(folder, quick=True, quiet=True)


def stripped(rows):
    return [{k: v for k, v in r.items() if k != "cpu_seconds"} for r in rows]


def test_every_mode_is_trained_both_ways_at_every_number_of_points(finished):
    folder, metrics = finished
    cells = {(r["points"], r["method"], r["stopped"], r["seed"]) for r in metrics["runs"]}
    modes = {"none", "penalty", "penalty-orbit", "features", "exact", "average", "augment"}
    assert cells == {(n, m, s, k) for n in (20, 40) for m in modes for s in (True, False) for k in (0, 1)}
    assert {m.symmetry for m in experiment.METHODS} == set(MODES)
    for r in metrics["runs"]:
        assert r["kl_gap"] > -4 * r["kl_gap_se"]  # it bounds a divergence from above
        assert r["best_step"] % 4 == 0 if r["stopped"] else r["best_step"] == r["steps"] == 24
        assert (r["constraint_satisfied"] is None) == (
            r["method"] not in ("penalty", "penalty-orbit", "features")
        )
    assert (folder / "data-efficiency.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "metrics.json").read_text())["runs"] == metrics["runs"]


def test_the_tables_are_those_of_the_rows(finished):
    """Means and errors over seeds, computed here without the code of the experiment."""
    folder, metrics = finished
    report = (folder / "report.md").read_text()
    for cell in metrics["summary"]:
        gaps = {
            m: np.array([r["kl_gap"] for r in metrics["runs"]
                         if (r["points"], r["stopped"], r["method"]) == (cell["points"], cell["stopped"], m)])
            for m in (cell["method"], "none")
        }  # fmt: skip
        gap, gain = gaps[cell["method"]], gaps["none"] - gaps[cell["method"]]
        assert cell["kl_gap"] == pytest.approx(gap.mean())
        assert cell["kl_gap_se"] == pytest.approx(abs(gap[0] - gap[1]) / 2)  # two seeds
        assert cell["gain"] == pytest.approx(gain.mean())
        assert cell["gain_se"] == pytest.approx(abs(gain[0] - gain[1]) / 2)
        assert f"{gap.mean():.3f} ± {cell['kl_gap_se']:.3f}" in report


def test_taken_up_after_an_interruption_it_ends_as_if_there_had_been_none(finished, tmp_path, monkeypatch):
    _, metrics = finished
    monkeypatch.setattr(experiment, "QUICK", dataclasses.replace(TINY, points=(20,)))
    measure, done = experiment.measure, []

    def interrupted(*args, **options):
        if len(done) == 15:
            raise KeyboardInterrupt
        done.append(args)
        return measure(*args, **options)

    monkeypatch.setattr(experiment, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        experiment.run(tmp_path, quick=True, quiet=True)
    again = []
    monkeypatch.setattr(experiment, "measure", lambda *a, **o: again.append(a) or measure(*a, **o))
    resumed = experiment.run(tmp_path, quick=True, quiet=True, resume=True)
    assert len(again) == len(resumed["runs"]) - 15
    assert stripped(resumed["runs"]) == stripped(r for r in metrics["runs"] if r["points"] == 20)


def test_without_resume_rows_of_an_older_run_are_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "QUICK", dataclasses.replace(TINY, points=(20,), seeds=1))
    fake = {"stopped": True, "best_step": 4, "steps": 4, "constraint_satisfied": None, "kl_gap_se": 0.1}

    def measured(gap):
        return lambda target, method, n, setting, *, stop, seed: (
            fake | {"method": method.key, "points": n, "stopped": stop, "seed": seed, "kl_gap": gap}
        )

    for gap, resume, found in ((1.0, False, 1.0), (2.0, True, 1.0), (2.0, False, 2.0)):
        monkeypatch.setattr(experiment, "measure", measured(gap))
        metrics = experiment.run(tmp_path, quick=True, quiet=True, resume=resume)
        assert {r["kl_gap"] for r in metrics["runs"]} == {found}
    row = tmp_path / "rows" / "20-none-all-0.json"
    for broken in ("{", "[]", '{"key": "another"}'):
        row.write_text(broken)
        with pytest.raises(CheckpointError, match="remove it to measure again"):
            experiment.run(tmp_path, quick=True, quiet=True, resume=True)
    with pytest.raises(CheckpointError, match="other settings"):
        experiment.run(tmp_path, quick=True, quiet=True, resume=True, seed=5)


def test_the_words_follow_the_numbers():
    def rows(penalty):
        return [
            {"method": m.key, "points": 50, "stopped": stop, "seed": seed, "kl_gap": gap, "kl_gap_se": 0.01}
            for m in experiment.METHODS
            for gap in [{"none": 0.5, "penalty": penalty}.get(m.key, 0.4)]
            for stop in (True, False)
            for seed in (0, 1, 2)
        ]

    assert "constraint gains 0.300" in experiment.reading(rows(0.2))[0]
    assert "constraint costs 0.200" in experiment.reading(rows(0.7))[0]


def test_errors_over_seeds_hold_for_independent_draws():
    """The standard error covers the truth as often as Student's t says."""
    random = np.random.default_rng(0)
    outside = 0
    for _ in range(2000):
        draws = random.normal(3.0, 0.5, size=3)
        mean, error = mean_and_error(list(draws), [9.0] * 3)
        outside += abs(mean - 3.0) > 4.303 * error  # 97.5 % of t with two degrees of freedom
    assert 0.03 < outside / 2000 < 0.07
    a, b = (
        [{"seed": s, "kl_gap": g + s, "kl_gap_se": 0.1} for s in order]
        for g, order in ((2.0, (0, 1)), (1.5, (1, 0)))
    )
    assert difference(a, b) == (0.5, 0.0)  # paired by seed, in whatever order


def test_the_target_has_the_symmetry(finished):
    _, metrics = finished
    assert (
        metrics["proofs"][experiment.TARGET]["status"]
        == "proved"
        == hs.verify(hs.targets[experiment.TARGET].hamiltonian, "q1*p2 - q2*p1").status
    )
