"""The comparison with flows of other libraries, with stand-ins for them: its clock, its measures, what it says.

Where the libraries are installed their models are tried too.
"""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import hamsym as hs
from hamsym.errors import MissingExtraError, NonFiniteError
from learn.experiments import contenders, peers, peers_report
from learn.experiments.contenders import Contender, Exact, Hamiltonian

TINY = peers.Setting(
    budgets=(peers.Budget(0.5, 2, ("two_rings", "pinwheel")),), points=500, held_out=200, batch=32, samples=16, few=4,
    turned=2, rates=(1e-2, 1e-3), trial=0.1, paced=4, rounds=1, drawn=50,
)  # fmt: skip
PACE = {"hamiltonian": 0.05, "exact": 0.1, "nsf": 0.02, "maf": 0.01, "realnvp": 0.005}


class Normal(nn.Module):
    """A Gaussian with learned mean and spread; its loss is not finite where the rate is too large."""

    def __init__(self):
        super().__init__()
        self.mean, self.log_sd = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))

    def forward(self, z):
        noise = (z - self.mean) / self.log_sd.exp()
        return (-0.5 * noise.square() - self.log_sd - 0.5 * math.log(2 * math.pi)).sum(-1)

    def draw(self, n):
        return self.mean + self.log_sd.exp() * torch.randn(n, 2)


def normal(seed, lr):
    module = Normal()
    return Exact(module, module, module.draw, lr)


def diverging(seed, lr):
    module = Normal()
    return Exact(module, lambda z: module(z) * (1.0 if lr < 5e-3 else math.nan), module.draw, lr)


STAND_INS = (
    Contender("hamiltonian", "ours", lambda seed, lr: Hamiltonian(seed), ours=True),
    Contender("exact", "ours", lambda seed, lr: Hamiltonian(seed, "exact"), ours=True, symmetric=True),
    Contender("nsf", "a Gaussian", normal),
    Contender("maf", "a Gaussian", normal),
    Contender("realnvp", "a Gaussian that diverges", diverging),
)


def stand_in(patch):
    for room in (peers, peers_report):
        patch.setattr(room, "CONTENDERS", STAND_INS)
    patch.setattr(peers, "package", lambda name: SimpleNamespace(__version__="0"))
    patch.setattr(peers, "paces", lambda setting, seed: {"seconds": PACE})
    patch.setattr(peers, "QUICK", TINY)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        return folder, peers.run(folder, quick=True, quiet=True)


def test_every_model_gets_the_same_seconds(finished):
    folder, metrics = finished
    rows = metrics["runs"]
    cells = {(r["target"], r["model"], r["seed"]) for r in rows}
    both = {(t, m, s) for t in ("two_rings", "pinwheel") for m in PACE for s in (0, 1)}
    assert cells == both - {
        ("pinwheel", "exact", s) for s in (0, 1)
    }  # the pinwheel does not have the rotation
    for r in rows:
        assert r["steps"] * PACE[r["model"]] == pytest.approx(r["budget"], rel=1e-9)
        assert r["cpu_seconds"] > 0
        assert r["kl_gap"] > -4 * r["kl_gap_se"]
        assert ("variation" in r) == (r["target"] == "two_rings")
    assert (folder / "peers.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "metrics.json").read_text())["runs"] == rows


def test_gaussians_are_as_far_from_the_target_as_theory_says(finished):
    """The best Gaussian is that of the moments; its KL divergence is H(Gaussian) − H(target)."""
    _, metrics = finished
    target = hs.targets["two_rings"]
    covariance = np.cov(target.sample(100_000, seed=5).T)
    least = 1 + math.log(2 * math.pi) + 0.5 * np.linalg.slogdet(covariance)[1] - target.entropy
    for r in metrics["runs"]:
        if (r["target"], r["model"]) == ("two_rings", "maf"):
            assert r["kl_gap"] == pytest.approx(least, abs=4 * r["kl_gap_se"] + 0.05)
            assert r["kl_gap"] == r["few_gap"] and r["kl_gap_floor"] == 0  # exact: no draws


def test_exact_flows_do_not_vary_and_the_floor_of_a_bound_is_not_zero(finished):
    _, metrics = finished
    for r in metrics["runs"]:
        if r["model"] == "exact":
            assert r["variation"] < r["noise_floor"]
        if r["model"] == "hamiltonian":
            assert r["few_gap_floor"] > r["kl_gap_floor"] > 0
            assert r["few_gap"] > r["kl_gap"] - 4 * r["kl_gap_se"]


def test_what_diverges_starts_anew_with_a_third_of_the_rate(finished):
    folder, metrics = finished
    rows = {
        k: json.loads((folder / "rows" / f"rate-two_rings-realnvp-{k}.json").read_text())
        for k in ("0.01", "0.001")
    }
    assert rows["0.01"]["restarts"] == 1 and rows["0.01"]["lr"] == pytest.approx(0.01 / 3)
    assert rows["0.001"]["restarts"] == 0
    assert set(metrics["rates"]) == {"nsf", "maf", "realnvp"}
    broken = Contender("nan", "", lambda seed, lr: diverging(seed, 1.0))
    with pytest.raises(NonFiniteError, match="lower lr"):
        peers.measure(broken, "ring", 0.1, 0.01, TINY, lr=1e-3, seed=0)


def test_the_rate_is_that_of_the_smallest_gap(finished):
    folder, metrics = finished
    for model, rate in metrics["rates"].items():
        gaps = {
            r: np.mean([json.loads((folder / "rows" / f"rate-{t}-{model}-{r:g}.json").read_text())["kl_gap"] for t in peers.TUNED])
            for r in TINY.rates
        }  # fmt: skip
        assert gaps[rate] == min(gaps.values())


def test_the_report_shows_every_mean(finished):
    folder, metrics = finished
    report = (folder / "report.md").read_text()
    for t in ("two_rings", "pinwheel"):
        for m in ("hamiltonian", "nsf"):
            gaps = [r["kl_gap"] for r in metrics["runs"] if (r["target"], r["model"]) == (t, m)]
            assert f"{np.mean(gaps):.3f} ± {abs(gaps[0] - gaps[1]) / 2:.3f}" in report
    assert "hamsym reproduce peers --quick --seed 0" in report


def test_resumed_it_measures_only_what_is_missing(finished, tmp_path, monkeypatch):
    _, metrics = finished
    stand_in(monkeypatch)
    small = dataclasses.replace(TINY, budgets=(peers.Budget(0.5, 1, ("pinwheel",)),), rates=(1e-3,))
    monkeypatch.setattr(peers, "QUICK", small)
    measure, done = peers.measure, []

    def counted(contender, *args, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(contender.key)
        return measure(contender, *args, **options)

    monkeypatch.setattr(peers, "measure", counted)
    with pytest.raises(KeyboardInterrupt):
        peers.run(tmp_path, quick=True, quiet=True)
    assert done == ["hamiltonian", "nsf"]
    done[:] = []
    again = peers.run(tmp_path, quick=True, quiet=True, resume=True)
    assert done == ["maf", "realnvp"]
    assert [r["model"] for r in again["runs"]] == ["hamiltonian", "nsf", "maf", "realnvp"]
    ours = [next(r for r in m["runs"] if (r["target"], r["model"], r["seed"]) == ("pinwheel", "hamiltonian", 0)) for m in (metrics, again)]  # fmt: skip
    assert ours[0]["kl_gap"] == ours[1]["kl_gap"]


def test_times_are_medians_of_turns():
    """A clock that goes faster and faster, and slow first calls: neither favours anyone by more than a turn."""
    now, order = [0.0], []

    def worker(key, cost):
        def work():
            order.append(key)
            now[0] += cost * (100 if order.count(key) == 1 else 1)

        return work

    found = peers.in_turns({"a": worker("a", 1.0), "b": worker("b", 2.0)}, 3, clock=lambda: now[0])
    assert order == ["a", "b"] * 4
    assert found == {"a": 1.0, "b": 2.0}


def test_densities_are_normalised_in_the_units_of_the_data():
    torch.manual_seed(0)
    q = torch.randn(2000, 2) * torch.tensor([3.0, 0.2]) + torch.tensor([5.0, -1.0])
    model = normal(0, 1e-2)
    model.train_on(q, steps=200, batch=200, seed=0)
    x, y = torch.linspace(-13, 23, 400), torch.linspace(-2.2, 0.2, 400)
    grid = torch.cartesian_prod(x, y)
    total = model.log_prob(grid, 1, 0)[0].double().exp().sum() * float((x[1] - x[0]) * (y[1] - y[0]))
    assert float(total) == pytest.approx(1, abs=1e-3)
    assert model.sample(4000).std(0).tolist() == pytest.approx([3.0, 0.2], rel=0.1)


def test_variation_over_rotations_is_that_of_a_direct_sum():
    """For a centred Gaussian of variances a, b: log p = −(x²/a + y²/b)/2 + constant, turned by eight angles."""
    model = normal(0, 1e-3)
    q = torch.tensor([[1.0, 0.5]])
    assert model.variation(q, 3)[0] < 1e-5  # round as it begins
    with torch.no_grad():
        model.module.log_sd[:] = torch.tensor([math.log(2.0), 0.0])
    start = float(torch.rand((), generator=torch.Generator().manual_seed(3)))
    angle = 2 * np.pi * (np.arange(8) + start) / 8 + np.arctan2(0.5, 1.0)
    log_p = -1.25 * (np.cos(angle) ** 2 / 4 + np.sin(angle) ** 2) / 2
    assert model.variation(q, 3)[0] == pytest.approx(log_p.std(ddof=1), rel=1e-4)


def test_without_the_libraries_the_extra_is_named_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zuko", None)
    with pytest.raises(MissingExtraError, match=r"'zuko'; pip install 'hamsym\[flow-peers\]'"):
        peers.run(tmp_path / "out", quick=True, quiet=True)
    assert not (tmp_path / "out").exists()


def metrics_of(ours, *, spent=15.0):
    rows = [
        {"target": "ring", "budget": 15.0, "model": c.key, "seed": seed, "kl_gap": gap + 0.001 * seed, "kl_gap_se": 0.001,
         "cpu_seconds": spent, "restarts": 0}
        for c, gap in zip(contenders.CONTENDERS, (ours, 0.5, 0.2, 0.3, 0.4), strict=True)
        for seed in (0, 1, 2)
    ]  # fmt: skip
    times = {"hamiltonian": 0.02, "exact": 0.02, "nsf": 0.004, "maf": 0.002, "realnvp": 0.005}
    return {"runs": rows, "speed": {"log_prob": times, "sample": times | {"hamiltonian": 0.001}}}


def test_the_words_follow_the_numbers():
    better, worse, alike = ("\n".join(peers_report.reading(metrics_of(g))) for g in (0.1, 0.3, 0.2))
    assert "fits better (-0.100" in better and "of the best other, nsf" in better
    assert "fits WORSE (+0.100" in worse
    assert "no clear difference" in alike
    assert "20.0 ms, 10.0 times as long as the quickest other, maf" in better
    assert "1.0 ms, 2.0 times less than the quickest other, maf" in better
    assert "took" not in better
    slow = "\n".join(peers_report.reading(metrics_of(0.1, spent=18.0)))
    assert "15 of 15 trainings took 1.20 to 1.20 of their seconds" in slow


@pytest.mark.parametrize("key", ["nsf", "maf", "realnvp"])
def test_models_of_other_libraries_learn_the_same_from_the_same_seed(key):
    pytest.importorskip("normflows" if key == "realnvp" else "zuko")
    (contender,) = (c for c in contenders.CONTENDERS if c.key == key)
    q = torch.as_tensor(hs.targets["moons"].sample(2000, seed=0)).to(torch.get_default_dtype())
    new, model, again = (contender.build(0, 1e-3) for _ in range(3))
    for m, steps in ((new, 1), (model, 20), (again, 20)):
        m.train_on(q, steps=steps, batch=128, seed=0)
    found = [m.log_prob(q, 1, 0)[0] for m in (new, model, again)]
    assert torch.equal(found[1], found[2])
    assert found[1].mean() > found[0].mean()
    assert model.sample(10).shape == (10, 2)
