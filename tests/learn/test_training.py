"""Training: it learns, it repeats, it resumes to the bit, and it says what is wrong with its input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from flows import ROTATION

from hamsym.errors import CheckpointError, HamsymError, NonFiniteError, ParameterError, ShapeError
from learn.checkpoint import load
from learn.constraint import BracketConstraint
from learn.flow import HamiltonianFlow
from learn.training import fit


def small(**settings):
    return HamiltonianFlow(2, hamiltonians=2, width=8, seed=0, **settings)


def points(n=300, seed=0):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([1.0, 3.0])


def quiet(flow, q=None, **settings):
    return fit(flow, points() if q is None else q, progress=False, batch=32, **settings)


def test_gaussian_of_known_likelihood_is_learned_and_bounded():
    # correlated Gaussian: the truth is known, the bounds must stay below it and come close
    factor = torch.tensor([[1.5, 0.0], [1.0, 0.6]], dtype=torch.float64)
    truth = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=torch.float64), scale_tril=factor)
    torch.manual_seed(1)
    train, test = truth.sample((20_000,)), truth.sample((1000,))
    flow = HamiltonianFlow(2, hamiltonians=2, width=24, seed=0).double()
    fit(flow, train, steps=400, batch=128, progress=False)
    likelihood = truth.log_prob(test)
    elbo = torch.stack([flow.elbo(test).detach() for _ in range(20)]).mean(0)
    gaps = [
        (likelihood - bound).mean() for bound in (elbo, *(flow.log_prob(test, k, seed=0) for k in (10, 1000)))
    ]
    noise = 0.01
    assert gaps[0] > gaps[1] - noise and gaps[1] > gaps[2] - noise
    assert -noise < gaps[2] < 0.05  # a bound on the density: below the truth, and near it


def test_history_has_one_entry_per_step():
    result = quiet(small(), steps=7)
    assert set(result.history) >= {"step", "loss", "elbo", "lambda", "seconds"}
    assert {len(column) for column in result.history.values()} == {7}
    assert result.history["step"] == list(range(1, 8)) and result.best_step == 7
    assert result.history["loss"] == [-e for e in result.history["elbo"]]
    assert all(a <= b for a, b in zip(result.history["seconds"], result.history["seconds"][1:], strict=False))
    assert "elbo" in repr(result)


@pytest.mark.parametrize("symmetry", [None, "exact"])
def test_same_seed_same_weights(symmetry):
    runs = []
    for seed in (3, 3, 4):
        flow = small(symmetry=symmetry, generators=ROTATION if symmetry else ())
        torch.randn(5)  # the global state must not matter
        runs.append((quiet(flow, steps=12, seed=seed).history["loss"], flow.state_dict()))
    assert runs[0][0] == runs[1][0] != runs[2][0]
    assert all(torch.equal(runs[0][1][k], runs[1][1][k]) for k in runs[0][1])


class Stop(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("kind", ["interrupted", "killed"])
def test_resumed_run_ends_like_an_uninterrupted_one(tmp_path, constrained, kind, dtype):
    def run(out, **more):
        flow = small(symmetry="penalty").to(dtype)
        constraint = BracketConstraint(ROTATION, tolerance=0.05, batch=32) if constrained else None
        settings = {"steps": 40, "constraint": constraint, "out": out, "save_every": 10, "validate_every": 5}
        return flow, quiet(flow, q_valid=points(50, 1), **settings, **more)

    def stop(step, result):
        if step == 23:
            raise Stop if kind == "interrupted" else RuntimeError("killed")

    whole_flow, whole = run(tmp_path / "whole")
    with pytest.raises((Stop, RuntimeError)):
        run(tmp_path / "parts", callback=stop)
    flow, result = run(tmp_path / "parts", resume=True)
    for column in ("step", "loss", "elbo", "lambda", "residual"):
        assert result.history[column] == whole.history[column]
    assert (result.best_step, result.validation) == (whole.best_step, whole.validation)
    for name, weight in whole_flow.state_dict().items():
        assert torch.equal(weight, flow.state_dict()[name]), name
    # a finished run resumes to the same end, and what lies in `out` is the flow
    again, last = run(tmp_path / "parts", resume=True)
    assert last.history["loss"] == whole.history["loss"]
    assert all(
        torch.equal(w, load(tmp_path / "parts").state_dict()[k]) for k, w in again.state_dict().items()
    )


def test_resume_without_a_run_starts_one_and_other_settings_are_refused(tmp_path):
    quiet(small(), steps=5, out=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="settings"):
        quiet(small(), steps=5, out=tmp_path, resume=True, lr=1e-3)
    with pytest.raises(CheckpointError, match="settings"):
        quiet(small(), steps=4, out=tmp_path, resume=True)
    other = HamiltonianFlow(2, hamiltonians=1, width=8)
    with pytest.raises(CheckpointError, match="does not fit"):
        quiet(other, steps=5, out=tmp_path, resume=True)
    assert (
        len(quiet(small(), steps=9, out=tmp_path, resume=True).history["step"]) == 9
    )  # a longer run goes on
    with pytest.raises(ParameterError, match="out"):
        quiet(small(), steps=5, resume=True)


def test_best_step_is_the_one_that_validation_likes():
    flow = small()
    train, valid = points(12), points(500, 1)  # few points: the flow overfits
    result = quiet(flow, train, q_valid=valid, steps=150, validate_every=10, lr=0.05)
    assert [s for s, _ in result.validation] == list(range(10, 151, 10))
    best = max(result.validation, key=lambda pair: pair[1])
    assert result.best_step == best[0] < 150
    noise = torch.Generator().manual_seed(0)
    assert float(flow.elbo(valid, generator=noise).mean().detach()) == pytest.approx(best[1], rel=1e-5)


def test_unit_comes_from_the_data_once():
    flow = small()
    quiet(flow, 10 * points(), steps=1)
    unit = float(flow.unit)
    assert unit == pytest.approx(float((10 * points()).square().mean().sqrt()), rel=1e-5)
    quiet(flow, points(), steps=1)
    assert float(flow.unit) == unit


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, "list"])
def test_points_of_any_dtype_are_cast(kind):
    data = (10 * points(40)).round().numpy()
    data = data.tolist() if kind == "list" else data.astype(kind)
    for dtype in (torch.float32, torch.float64):
        assert math.isfinite(quiet(small().to(dtype), data, steps=2).history["loss"][-1])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.zeros((5, 3)), ShapeError, "batch, 2"),
        (np.zeros(5), ShapeError, "batch, 2"),
        (np.zeros((0, 2)), ShapeError, "0 point"),
        (np.zeros((1, 2)), ShapeError, "1 point"),
        ("points", ShapeError, "numeric"),
        (np.array([[0, 0], [1, 1], [np.nan, 1]]), NonFiniteError, "row 2"),
        (np.array([[np.inf, 0], [1, 1]]), NonFiniteError, "row 0"),
    ],
)
def test_bad_points_are_refused_by_name(data, error, message):
    with pytest.raises(error, match=message) as caught:
        quiet(small(), data, steps=1)
    assert "q_train" in str(caught.value) or error is ShapeError
    with pytest.raises(error, match=message):
        quiet(small(), q_valid=data, steps=1)
    assert isinstance(caught.value, HamsymError)


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"steps": 2.0}, {"lr": -1}, {"lr": math.nan}, {"save_every": 0}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ParameterError, match=next(iter(settings))):
        quiet(small(), **{"steps": 1, **settings})
    with pytest.raises(ParameterError, match="batch"):
        fit(small(), points(), steps=1, batch=0, progress=False)


def test_a_loss_that_leaves_the_numbers_stops_and_keeps_the_batch(tmp_path):
    flow = small()

    def poison(step, result):
        if step == 3:
            with torch.no_grad():
                flow.log_scale.fill_(math.nan)

    with pytest.raises(NonFiniteError, match="step 4"):
        quiet(flow, steps=10, out=tmp_path, callback=poison)
    from learn.storage import read

    tensors, values = read(tmp_path, "failure")
    assert tensors["q"].shape == (32, 2) and values["step"] == 4


def test_constant_data_do_not_break_the_unit():
    result = quiet(small(), torch.zeros(10, 2), steps=3)
    assert all(map(math.isfinite, result.history["loss"]))
