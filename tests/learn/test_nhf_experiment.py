"""The experiment on Neural Hamiltonian Flows: all of it in a tiny setting, with a stand-in for RealNVP."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import hamsym as hs
from hamsym.errors import NonFiniteError
from learn.experiments import contenders, nhf, nhf_report
from learn.experiments.contenders import Contender, Exact
from learn.flow.density import HamiltonianFlow

TINY = dataclasses.replace(
    nhf.FULL, seconds=0.3, seeds=2, targets=("gaussians8", "moons"), points=400, held_out=150, batch=32, samples=16, few=4,
    paced=2, rounds=1, rates=(1e-2, 1e-3), trial=0.05, drawn=500, bins=12, training=4, steps=(2, 8), times=(1.0,), widths=(8,),
    robust=(1e-2,), repeats=2,
)  # fmt: skip
PACE = {"single": 0.03, "single fixed": 0.03, "chain": 0.03, "chain fixed": 0.03, "realnvp": 0.01}


class Normal(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_sd = nn.Parameter(torch.zeros(2))

    def forward(self, z):
        return (-0.5 * (z / self.log_sd.exp()).square() - self.log_sd - 0.5 * math.log(2 * math.pi)).sum(-1)


def normal(seed, lr):
    module = Normal()
    return Exact(module, module, lambda n: module.log_sd.exp() * torch.randn(n, 2), lr)


def stand_in(patch, extra=True):
    patch.setattr(nhf, "FULL", TINY)
    patch.setattr(nhf, "REALNVP", Contender("realnvp", "a Gaussian", normal))
    patch.setattr(nhf, "pace_of", lambda found, setting, seed: {c.key: PACE[c.key] for c in found})
    patch.setattr(contenders, "import_module", lambda name: _module(name, extra))


def _module(name, there):
    if not there:
        raise ImportError(name=name)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nhf")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        return folder, nhf.run(folder, seed=100, quiet=True)


def test_every_model_learns_every_density_in_the_same_seconds(finished):
    folder, metrics = finished
    rows = metrics["runs"]
    cells = {(r["target"], r["model"], r["seed"]) for r in rows}
    assert cells == {(t, m, s) for t in TINY.targets for m in PACE for s in (100, 101)}
    for r in rows:
        assert r["steps"] * PACE[r["model"]] == pytest.approx(TINY.seconds, rel=1e-9)
        assert r["lr"] == metrics["rates"][r["model"]] in TINY.rates and r["kl_gap"] > -4 * r["kl_gap_se"]
        assert ("histogram" in r) == (r["seed"] == 100)
        assert ("likeness" in r) == r["model"].startswith("single")
    assert (folder / "nhf.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "metrics.json").read_text())["runs"] == rows


def test_the_sizes_are_those_of_the_models(finished):
    sizes = {r["model"]: r["parameters"] for r in finished[1]["runs"]}
    encoder = sizes["single"] - 2 * (4 * 64 + 1) - 3  # U and K; dt and two scales of the base
    assert sizes["single fixed"] == sizes["single"] - (4 * 64 + 1)
    assert sizes["chain"] == encoder + 2 + 8 * (2 * (4 * 64 + 1) + 1)
    assert sizes["chain fixed"] == sizes["chain"] - 8 * (4 * 64 + 1)


def test_robustness_varies_one_thing_at_a_time_and_dt_stays(finished, monkeypatch):
    rows = finished[1]["probes"]
    places = {(r["steps"], r["time"], r["width"], r["lr"]) for r in rows}
    usual = (8, 2.0, 64, 3e-3)
    assert places == {usual, (2, *usual[1:]), (8, 1.0, 64, 3e-3), (8, 2.0, 8, 3e-3), (8, 2.0, 64, 1e-2)}
    assert {(r["kinetic"], r["seed"]) for r in rows} == {
        (k, s) for k in ("learned", "fixed") for s in (100, 101)
    }
    assert len(rows) == len(places) * 4
    made = []
    kind = nhf.Hamiltonian
    monkeypatch.setattr(nhf, "Hamiltonian", lambda *a, **o: made.append(kind(*a, **o)) or made[-1])
    nhf.probe("fixed", {"steps": 4, "time": 1.0, "width": 8, "lr": 1e-2}, TINY, 0)
    (model,) = made
    assert model.flow.kinetic == "fixed" and (model.flow.steps, model.flow.width) == (4, 8)
    assert float(model.flow.chain[0].dt.detach()) == pytest.approx(0.25)
    assert not torch.equal(model.flow.log_scale, torch.zeros(2))  # while the rest was trained


def test_what_diverges_is_a_row_and_counts(monkeypatch):
    def diverge(self, *_, **__):
        raise NonFiniteError("the loss became nan")

    monkeypatch.setattr(nhf.Hamiltonian, "train_on", diverge)
    place = {"steps": 2, "time": 1.0, "width": 8, "lr": 1e-2}
    row = nhf.probe("learned", place, TINY, 0)
    assert row["kl_gap"] is None and "nan" in row["said"]
    well = {**row, "kl_gap": 0.5, "kl_gap_se": 0.1}
    rows = [
        row,
        {**well, "steps": 4},
        {**well, "kinetic": "fixed"},
        {**well, "kinetic": "fixed", "steps": 4, "kl_gap": 0.7},
    ]
    assert nhf_report.spread(rows, "steps", "learned") == math.inf
    assert nhf_report.spread(rows, "steps", "fixed") == pytest.approx(0.2)


def test_the_report_says_what_the_rows_say(finished):
    folder, metrics = finished
    report = (folder / "report.md").read_text()
    assert "hamsym reproduce nhf --seed 100" in report and "seeds 100 to 101" in report
    for t in TINY.targets:
        for m in PACE:
            gaps = [r["kl_gap"] for r in metrics["runs"] if (r["target"], r["model"]) == (t, m)]
            assert f"{np.mean(gaps):.3f} ± {abs(gaps[0] - gaps[1]) / 2:.3f}" in report
    for met, line in nhf_report.goals(metrics):
        assert f"- {'met' if met else '**not met**'}: {line}." in report
    assert len(nhf_report.goals(metrics)) == 2 + 4 + 4 + 1


def test_learning_rates_are_those_of_the_smallest_gaps_in_trials(finished):
    folder, metrics = finished
    for model, gaps in metrics["trials"].items():
        assert metrics["rates"][model] == float(min(gaps, key=gaps.get))
        for rate, gap in gaps.items():
            rows = [
                json.loads((folder / "rows" / f"rate-{t}-{model}-{rate}.json").read_text()) for t in nhf.TUNED
            ]
            assert gap == pytest.approx(np.mean([r["kl_gap"] for r in rows])) and {
                r["seed"] for r in rows
            } == {2100}
            assert f"{gap:.3f}" in (folder / "report.md").read_text()


def rows_with(gaps):
    return [
        {"target": "moons", "model": m, "seed": s, "kl_gap": g + 0.01 * s, "kl_gap_se": 0.01, "parameters": 10 + (m in ("single", "chain"))}
        for m, g in gaps.items() for s in (0, 1, 2)
    ]  # fmt: skip


def test_goals_follow_the_numbers():
    gaps = {"single": 0.3, "single fixed": 0.3, "chain": 0.1, "chain fixed": 0.2, "realnvp": 0.2}
    probes = [
        {"kinetic": k, "steps": n, "time": 2.0, "width": 64, "lr": 1e-3, "kl_gap": 0.1 + n * w, "kl_gap_se": 0.0}
        for k, w in (("learned", 0.1), ("fixed", 0.2)) for n in (2, 8)
    ]  # fmt: skip
    found = [
        met
        for met, _ in nhf_report.goals(
            {"runs": rows_with(gaps), "probes": probes, "setting": {"probed": "moons"}}
        )
    ]
    # sizes; single and chain beside RealNVP, K fixed beside learned; steps, and three that do not vary; one astray
    assert found == [True, True, False, True, True, False, False, False, False, False, False]


def test_the_useless_gaussian_is_that_of_the_moments():
    """KL(p, N) = −h + E[−log N] = −h + (log det 2πΣ + 2)/2, by an average over other points."""
    target = hs.targets["moons"]
    q = torch.as_tensor(target.sample(50_000, seed=7))
    best = torch.distributions.MultivariateNormal(q.mean(0), q.T.cov())
    assert nhf_report.gaussian_gap("moons") == pytest.approx(
        float(-best.log_prob(q).mean()) - target.entropy, abs=0.02
    )


def test_without_the_extra_realnvp_is_left_out_and_the_extra_named(tmp_path, monkeypatch, capsys):
    stand_in(monkeypatch, extra=False)
    small = dataclasses.replace(
        TINY, seeds=1, targets=("moons",), rates=(1e-2,), times=(), widths=(), robust=(), repeats=1
    )
    monkeypatch.setattr(nhf, "FULL", small)
    metrics = nhf.run(tmp_path, seed=0)
    assert {r["model"] for r in metrics["runs"]} == set(PACE) - {"realnvp"}
    for said in (metrics["missing"], capsys.readouterr().out, (tmp_path / "report.md").read_text()):
        assert "hamsym[flow-peers]" in said.replace("\n", "")
    stand_in(monkeypatch)
    monkeypatch.setattr(nhf, "FULL", small)
    again = nhf.run(tmp_path, seed=0, resume=True, quiet=True)
    assert {r["model"] for r in again["runs"]} == set(PACE) and again["missing"] is None
    kept = [[r["kl_gap"] for r in m["runs"] if r["model"] != "realnvp"] for m in (metrics, again)]
    assert kept[0] == kept[1]


def test_likeness_is_the_rank_correlation_of_the_potential_with_the_target():
    flow = HamiltonianFlow(2, 1, 1, 8, kinetic="fixed", seed=0)
    energy = flow.chain[0].potential_energy
    with torch.no_grad():
        energy.out.zero_(), energy.curvature.fill_(1.0)  # U = |q|²/2
    q = hs.targets["gaussians8"].sample(300, seed=1001)
    u, v = np.square(q).sum(1), -hs.targets["gaussians8"].log_prob(q)
    pairs = np.sign(u[:, None] - u) * np.sign(v[:, None] - v)
    kendall = pairs.sum() / (300 * 299)
    found = nhf.likeness(flow, "gaussians8", 300, 0)
    assert np.sign(found) == np.sign(kendall) and abs(found) > abs(kendall) - 0.05
    flow.chain[0].potential = lambda q: -torch.as_tensor(hs.targets["gaussians8"].log_prob(q.numpy()))
    assert nhf.likeness(flow, "gaussians8", 300, 0) == pytest.approx(1.0, abs=1e-3)
