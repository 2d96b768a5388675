"""The reproduced experiment, in miniature: every stage, its files, and what it claims."""

import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.stats
import torch

import hamsym as hs
import learn
from hamsym.errors import CheckpointError, ShapeError
from learn.evaluation.measures import evaluate
from learn.evaluation.report import markdown_table, write_json
from learn.experiments import ehf
from learn.symmetry.angles import angle_uniformity

#: Sixty steps are too few for a constraint; that ``fit`` says so is tested where it belongs.
pytestmark = pytest.mark.filterwarnings("ignore:the constraint")

TINY = dataclasses.replace(
    ehf.QUICK, points=2000, held_out=200, steps=60, batch=128, hamiltonians=3, width=16, samples=20, turned=4
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ehf")
    patch = pytest.MonkeyPatch()
    patch.setattr(ehf, "QUICK", TINY)
    metrics = ehf.run(folder, quick=True, quiet=True)
    yield folder, metrics
    patch.undo()


def test_the_symmetry_of_the_rings_is_proved_and_that_of_the_blobs_refuted(finished):
    _, metrics = finished
    assert (metrics["proofs"]["A"]["status"], metrics["proofs"]["B"]["status"]) == ("proved", "refuted")
    assert metrics["proofs"]["A"]["checked"] and metrics["proofs"]["B"]["checked"]


def test_data_have_the_exact_shares(finished):
    """Pearson's statistic on effective draws; the bound is exceeded once in 10 000 seeds."""
    _, metrics = finished
    for sampling in metrics["sampling"].values():
        shares, masses = np.array(sampling["shares"]), np.array(sampling["masses"])
        draws = min(sampling["ess"].values())
        statistic = draws * ((shares - masses) ** 2 / masses).sum()
        assert scipy.stats.chi2.sf(statistic, len(masses) - 1) > 1e-4


def test_every_run_is_measured_and_bounds_are_ordered(finished):
    _, metrics = finished
    assert [r["run"] for r in metrics["runs"]] == ["A-none", "A-penalty", "A-exact", "A-features", "B-none"]
    for r in metrics["runs"]:
        noise = 4 * math.hypot(r["elbo_se"], r["log_likelihood_bound_se"])
        assert r["elbo"] <= r["log_likelihood_bound"] + noise
        assert r["log_likelihood_bound"] <= -r["entropy"] + 4 * r["log_likelihood_bound_se"]
        assert r["kl_gap"] > -4 * r["kl_gap_se"]
    exact = metrics["runs"][2]
    assert [(r["status"], r["checked"]) for r in exact["proofs"]] == [("proved", True)] * 3
    assert [r["run"] for r in metrics["runs"] if "proofs" in r] == ["A-exact"]
    assert exact["angles"]["p_value"] > 1e-4
    symmetry = exact["symmetry_of_density"]
    assert max(symmetry["bracket_relative"].values()) < 1e-5
    assert symmetry["density_invariance"]["value"] < 3 * symmetry["density_invariance"]["noise_floor"]


def test_files_say_what_was_returned(finished):
    folder, metrics = finished
    assert (
        json.loads((folder / "metrics.json").read_text())["runs"][0]["kl_gap"] == metrics["runs"][0]["kl_gap"]
    )
    assert (folder / "ehf.png").read_bytes().startswith(b"\x89PNG")
    report = (folder / "report.md").read_text().replace("\\*", "*")  # as Markdown shows it
    assert all(f" {r['title']} |" in report for r in metrics["runs"])
    assert report.count("E{g,H}² ≤ κ on base") == 2
    exact = json.loads((folder / "metrics.json").read_text())["runs"][2]
    for record in exact["proofs"]:  # in both files, each with the relations that the proof reduces by
        assert f"{record['question']}: proved, checked again by independent code" in report
        assert all(f"{r['name']} = {r['meaning']}" in report for r in record["certificate"])
    assert sum(len(record["certificate"]) for record in exact["proofs"]) > 0
    assert np.load(folder / "data-A.npy").shape == (TINY.points, 2)
    flow = learn.load(folder / "A-exact")
    assert flow.symmetry == "exact"


def test_resumed_is_the_same_as_uninterrupted(finished, tmp_path):
    """The same seed gives the same numbers; a second run over finished trainings only measures again."""
    folder, metrics = finished
    again = ehf.run(folder, quick=True, quiet=True, resume=True)
    for before, after in zip(metrics["runs"], again["runs"], strict=True):
        for key in ("elbo", "log_likelihood_bound", "kl_gap"):
            assert before[key] == after[key]


def test_resuming_with_other_settings_touches_nothing(finished):
    folder, _ = finished
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError, match="other settings"):
        ehf.run(folder, quick=True, seed=1, quiet=True, resume=True)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_angle_test_is_pearsons():
    points = np.random.default_rng(0).normal(size=(5000, 2)) + np.array([0.05, 0])
    counts, _ = np.histogram(np.arctan2(points[:, 1], points[:, 0]), bins=36, range=(-np.pi, np.pi))
    expected = scipy.stats.chisquare(counts)
    found = angle_uniformity(points)
    assert found["chi_square"] == pytest.approx(expected.statistic)
    assert found["p_value"] == pytest.approx(expected.pvalue, rel=1e-6)  # torch's gammaincc is good to that
    assert angle_uniformity(points + np.array([1.0, 0]))["p_value"] < 1e-12


def test_kl_gap_of_the_truth_itself_is_zero():
    """A flow that is exactly the target (no motion, matching base) has gap 0 up to the encoder's slack."""
    flow = learn.HamiltonianFlow(2, hamiltonians=1, width=4, seed=0).double()

    class Normal:
        entropy = 1 + math.log(2 * math.pi)

        @staticmethod
        def log_prob(q):
            return -0.5 * (q**2).sum(-1) - math.log(2 * math.pi)

    with torch.no_grad():
        for h in flow.chain:
            h.log_dt.fill_(-30.0)  # dt = 1e-13: the flow stands still
    q = np.random.default_rng(0).normal(size=(500, 2))
    metrics = evaluate(flow, q, truth=Normal(), samples=2000)
    assert metrics["kl_gap"] == pytest.approx(0, abs=0.02)
    assert metrics["kl_gap_se"] < 0.02


def test_evaluation_wants_points_of_the_flows_dimension():
    flow = learn.HamiltonianFlow(2, hamiltonians=1, width=4, seed=0)
    for q in (np.zeros(2), np.zeros((1, 2)), np.zeros((5, 3))):
        with pytest.raises(ShapeError):
            evaluate(flow, q)


def test_tables_and_json_say_what_is_not_finite(tmp_path):
    assert markdown_table(["a"], [[math.nan]]).endswith("| – |")
    path = write_json(tmp_path / "deep" / "m.json", {"x": math.inf, "y": np.float32(1.5), "z": [np.int64(3)]})
    assert json.loads(path.read_text()) == {"x": None, "y": 1.5, "z": [3]}


def test_generator_is_that_of_the_targets():
    """The experiment's g is the angular momentum of the space on which the targets are written."""
    space = hs.targets["paper_rings"].hamiltonian.space
    assert hs.angular_momentum(hs.PhaseSpace.standard(2), 0, 1) == hs.angular_momentum(space, 0, 1)
