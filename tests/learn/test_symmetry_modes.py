"""The experiment of fit against symmetry, in miniature, and what no invariant density can do."""

import json

import numpy as np
import pytest

import hamsym as hs
import learn
from learn.evaluation.measures import WIDER, symmetry_measures
from learn.experiments import runs
from learn.experiments import symmetry_modes as experiment
from learn.experiments import symmetry_modes_report as modes_report
from learn.experiments.runs import ROTATION

TINY = experiment.Setting(400, 200, 1, 20, 32, 2, 8, 16, 2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "QUICK", TINY)
        metrics = experiment.run(folder, quick=True, quiet=True)
        yield folder, metrics


def test_every_mode_and_variant_is_measured_on_every_target(finished):
    folder, metrics = finished
    rows = metrics["runs"]
    assert {(r["target"], r["method"]) for r in rows} == {
        (t, m.key) for t in experiment.TARGETS for m in experiment.METHODS
    }
    assert {m.symmetry for m in experiment.METHODS} == set(learn.flow.architecture.MODES)
    assert all(m.words for m in experiment.METHODS)
    for r in rows:
        assert set(r["bracket_relative"]) == {"base", "data", "trajectory", "off_data"}
        assert r["kl_gap"] > -4 * r["kl_gap_se"]
    report = (folder / "report.md").read_text().replace("\\*", "*")  # as Markdown shows it
    assert all(report.count(f"| {m.key} |") == len(experiment.TARGETS) for m in experiment.METHODS)
    (exact,) = modes_report.select(rows, "two_rings", "exact")
    for record in exact["proofs"]:  # once for all targets and seeds, with what the proof reduces by
        assert report.count(f"- {record['question']}: proved, checked again") == 1
        assert all(f"{r['name']} = {r['meaning']}" in report for r in record["certificate"])
    assert (folder / "symmetry-modes.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "metrics.json").read_text())["runs"] == rows


def test_exact_flows_are_symmetric_everywhere_and_free_ones_are_not(finished):
    _, metrics = finished
    for r in metrics["runs"]:
        if r["method"] == "exact":
            assert max(r["bracket_relative"].values()) < 1e-5
            assert r["density_invariance"]["value"] < 1e-9  # in float64
            assert [(v["status"], v["checked"]) for v in r["proofs"]] == [("proved", True)] * 3
        else:
            assert "proofs" not in r
        if r["method"] == "none":
            assert min(r["bracket_relative"].values()) > 1e-3


def test_the_unsymmetric_target_is_refuted_and_no_invariant_flow_beats_the_floor(finished):
    """KL(p‖f) ≥ KL(p‖p averaged over rotations) for every invariant f, whatever its weights."""
    folder, metrics = finished
    status = {name: proof["status"] for name, proof in metrics["proofs"].items()}
    assert status == {"two_rings": "proved", "gaussians4": "refuted"}
    floor, error = metrics["least_gap"]["gaussians4"]
    assert floor > 0.5
    (exact,) = modes_report.select(metrics["runs"], "gaussians4", "exact")
    assert exact["kl_gap"] > floor - 4 * (error + exact["kl_gap_se"])
    report = (folder / "report.md").read_text()
    point = metrics["proofs"]["gaussians4"]["point"]
    assert f"q1 = {point['q1']}" in report  # where the bracket is certainly not zero
    assert "gaussians4, NOT symmetric" in report and "No invariant density has a smaller gap" in report


def test_the_floor_is_that_of_an_independent_quadrature():
    """The same divergence as an integral over polar coordinates, without samples."""
    target = hs.targets["gaussians4"]
    r, t = np.linspace(1e-6, 6, 600), np.linspace(0, 2 * np.pi, 400, endpoint=False)
    q = r[:, None, None] * np.stack([np.cos(t), np.sin(t)], -1)
    p = np.exp(target.log_prob(q))
    averaged = p.mean(1, keepdims=True)
    cell = (r[1] - r[0]) * (2 * np.pi / 400) * r[:, None]
    assert (p * cell).sum() == pytest.approx(1, abs=1e-4)
    found, error = experiment.least_gap(target, 4000, seed=3)
    assert found == pytest.approx(float((p * np.log(p / averaged) * cell).sum()), abs=4 * error)
    assert 0 < error < 0.02


def test_the_words_follow_the_numbers():
    """What costs or gains on which target is said from the rows, in whatever direction they point."""

    def metrics(penalty):
        rows = [
            {
                "target": name, "method": m.key, "seed": 0, "kl_gap": {"penalty": penalty}.get(m.key, 0.3), "kl_gap_se": 0.01,
                "density_invariance": {"value": 0.01 if m.key == "exact" else 0.2, "noise_floor": 0.02},
                "bracket_mean_square": dict.fromkeys(modes_report.PLACES, 0.1),
                "bracket_relative": dict.fromkeys(modes_report.PLACES, 0.1),
                "constraint_satisfied": None, "training_seconds": 1.0,
            }
            for name in experiment.TARGETS for m in experiment.METHODS
        ]  # fmt: skip
        proofs = {n: {"status": "refuted" if n == "gaussians4" else "proved"} for n in experiment.TARGETS}
        return {"runs": rows, "proofs": proofs, "least_gap": dict.fromkeys(experiment.TARGETS, (0.0, 0.0))}

    worse, better = (" ".join(experiment.reading(metrics(gap))) for gap in (0.5, 0.1))
    assert "imposing it hurts penalty +0.200 ± 0.014" in worse and "larger for penalty +0.200" in worse
    assert "imposing it hurts none" in better and "smaller for penalty -0.200" in better
    assert "for exact, by less than is measurable (0.02 nats), against 0.2 nats" in worse


def test_finished_trainings_are_not_done_again(finished, monkeypatch):
    folder, metrics = finished
    monkeypatch.setattr(experiment, "QUICK", TINY)
    monkeypatch.setattr(experiment, "fit", None)
    again = experiment.run(folder, quick=True, quiet=True, resume=True)
    assert again["runs"] == metrics["runs"]
    flow = learn.load(folder / "flows" / "two_rings-exact-0")
    assert flow.symmetry == "exact"


def test_an_interrupted_training_goes_on_where_it_stopped(finished, tmp_path, monkeypatch):
    _, metrics = finished
    fit, method = experiment.fit, next(m for m in experiment.METHODS if m.key == "features")

    def stopped(*args, **options):
        def stop(step, result):
            if step == 11:
                raise KeyboardInterrupt

        return fit(*args, **options, callback=stop)

    def measured(resume):
        folder = runs.Folder("symmetry-modes", tmp_path, TINY, quick=True, seed=0, resume=resume, quiet=True)
        return experiment.measure("two_rings", method, TINY, folder, seed=0)

    monkeypatch.setattr(experiment, "fit", stopped)
    with pytest.raises(KeyboardInterrupt, match="step 11"):
        measured(False)
    taken = []
    monkeypatch.setattr(
        experiment, "fit", lambda *a, **o: fit(*a, **o, callback=lambda step, result: taken.append(step))
    )
    resumed = measured(True)
    assert taken == list(range(12, TINY.steps + 1))
    (whole,) = modes_report.select(metrics["runs"], "two_rings", "features")
    assert resumed["kl_gap"] == whole["kl_gap"]
    assert resumed["bracket_mean_square"] == pytest.approx(whole["bracket_mean_square"])


def test_off_the_data_brackets_of_potential_and_kinetic_energy_cannot_cancel():
    """U = (q₁² − q₂²)/2 and K = −(p₁² − p₂²)/2 at p = q have {g, H} = 0 there, but not off the data."""
    import torch

    class Saddle:
        @staticmethod
        def grad_potential(q):
            return q * torch.tensor([1.0, -1.0])

        @staticmethod
        def grad_kinetic(p):
            return -p * torch.tensor([1.0, -1.0])

    class Diagonal:
        """As much of a flow as the measures look at: momenta equal to the coordinates."""

        dim, chain = 2, (Saddle(),)
        unit = torch.tensor(1.0)

        @staticmethod
        def encoder(q):
            return torch.distributions.Independent(torch.distributions.Normal(q, 1e-6), 1)

        @staticmethod
        def sample_base(n):
            return torch.zeros(n, 2), torch.zeros(n, 2)

        @staticmethod
        def sample(n, seed):
            return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))

        @staticmethod
        def trajectory(q, p):
            return [(Saddle(), q, p)]

    import learn.evaluation.measures as evaluation

    class Nothing:
        @staticmethod
        def to_dict():
            return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "density_invariance", lambda *a, **o: Nothing)
        torch.manual_seed(0)
        found = symmetry_measures(Diagonal, ROTATION, torch.randn(4000, 2))
    assert found["bracket_rms"]["data"] < 1e-4
    # {g, H} = 2 (q₁ q₂ − p₁ p₂) up to sign: mean square 8 σ⁴ with σ = WIDER
    assert found["bracket_mean_square"]["off_data"] == pytest.approx(8 * WIDER**4, rel=0.15)
