"""Training: it learns, it repeats, it resumes to the bit, and it says what is wrong with its input."""

from __future__ import annotations

import math
import signal
import threading
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from flows import ROTATION

import learn.training.run
from hamsym.errors import CheckpointError, HamsymError, NonFiniteError, ParameterError, ShapeError
from learn.checkpoint import load
from learn.flow.density import HamiltonianFlow
from learn.points import as_points
from learn.symmetry.constraint import BracketConstraint
from learn.training.evidence import BRACKETS, SLOPES, Evidence
from learn.training.fit import fit
from learn.training.validation import Validation, split


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
    assert result.history["loss"][:4] == [-e for e in result.history["elbo"][:4]]
    # the second half maximises a bound that is nowhere below the ELBO of the same draws
    gained = [
        -loss - elbo for loss, elbo in zip(*(result.history[k][4:] for k in ("loss", "elbo")), strict=True)
    ]
    assert min(gained) > 1e-4
    alone = quiet(small(), steps=7, draws=1).history
    assert alone["loss"] == [-e for e in alone["elbo"]] and alone["loss"][:4] == result.history["loss"][:4]
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


@pytest.mark.filterwarnings("ignore:the constraint is missed")  # 40 steps are not meant to meet it
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("kind", ["interrupted", "killed"])
def test_resumed_run_ends_like_an_uninterrupted_one(tmp_path, constrained, kind, dtype):
    def run(out, **more):
        flow = small(symmetry="penalty" if constrained else None, generators=ROTATION).to(dtype)
        constraint = BracketConstraint(ROTATION, tolerance=0.05, batch=32) if constrained else None
        settings = {"steps": 40, "constraint": constraint, "out": out, "save_every": 10, "validate_every": 5}
        return flow, quiet(flow, q_valid=points(50, 1), **settings, **more)

    def stop(step, result):
        if step == 23:
            raise KeyboardInterrupt if kind == "interrupted" else RuntimeError("killed")

    whole_flow, whole = run(tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
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


def _raise_in(monkeypatch, place, at=23):
    """Make Ctrl-C arrive inside step ``at``: after the noise was drawn, amid the update, or in the look that follows."""
    calls = 0

    def interrupted(function, applies):
        def called(*args, **kwargs):
            nonlocal calls
            value = function(*args, **kwargs)
            calls += applies()
            if calls == at and applies():
                calls += 1  # once
                if place == "signal":
                    signal.raise_signal(signal.SIGINT)
                else:
                    raise KeyboardInterrupt
            return value

        return called

    owner, name, applies = {
        "signal": (HamiltonianFlow, "training_bound", torch.is_grad_enabled),
        "noise": (HamiltonianFlow, "training_bound", torch.is_grad_enabled),
        "backward": (torch.Tensor, "backward", torch.is_grad_enabled),
        "optimiser": (learn.training.run, "clipped_step", lambda: True),
        "multipliers": (BracketConstraint, "update", lambda: True),
        "validation": (Validation, "score", lambda: True),
    }[place]
    monkeypatch.setattr(owner, name, interrupted(getattr(owner, name), applies))


@pytest.mark.parametrize(
    ("place", "at"),
    [
        ("signal", 23),
        ("signal", 40),
        ("noise", 1),
        ("noise", 23),
        ("backward", 23),
        ("optimiser", 3),
        ("optimiser", 23),
        ("multipliers", 23),
        ("validation", 5),
    ],
)
def test_a_run_stopped_inside_a_step_resumes_to_the_bit(tmp_path, monkeypatch, place, at):
    def run(out, **more):
        flow = small(symmetry="penalty", generators=ROTATION)
        constraint = BracketConstraint(ROTATION, tolerance=50.0, batch=32)
        settings = {"steps": 40, "constraint": constraint, "save_every": 10, "validate_every": 5}
        return flow, quiet(flow, q_valid=points(50, 1), out=out, **settings, **more)

    whole_flow, whole = run(tmp_path / "whole")
    assert whole.best_step > 0 and len(whole.validation) == 8
    with monkeypatch.context() as patch:
        _raise_in(patch, place, at)
        with pytest.raises(KeyboardInterrupt, match=r"after step \d+ of 40.*parts.*resume=True"):
            run(tmp_path / "parts")
    flow, result = run(tmp_path / "parts", resume=True)
    for column in ("step", "loss", "elbo", "lambda", "residual"):
        assert result.history[column] == whole.history[column]
    assert (result.best_step, result.validation) == (whole.best_step, whole.validation)
    assert all(torch.equal(w, flow.state_dict()[k]) for k, w in whole_flow.state_dict().items())


def test_ctrl_c_waits_for_the_end_of_the_step_and_gives_the_handler_back(tmp_path):
    seen = []

    def press(step, result):
        seen.append(step)
        if step == 3:
            signal.raise_signal(signal.SIGINT)
            seen.append("the step went on")

    with pytest.raises(KeyboardInterrupt, match="after step 3 of 9 and nothing was saved; give out="):
        quiet(small(), steps=9, callback=press)
    assert seen == [1, 2, 3, "the step went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_somebody_else_stays(tmp_path):
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        quiet(small(), steps=2, callback=lambda step, result: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT] * 2


def test_training_runs_in_a_thread():
    lengths = []
    worker = threading.Thread(target=lambda: lengths.append(len(quiet(small(), steps=2).history["step"])))
    worker.start()
    worker.join()
    assert lengths == [2]


def test_bar_is_not_drawn_into_a_pipe(capfd):
    fit(small(), points(), steps=2, batch=8, progress=True)
    assert capfd.readouterr().err == ""


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
    assert Validation((valid,)).score(Evidence(flow)) == best[1]  # the flow has these weights
    draws = [
        float(flow.log_prob(valid, 8).mean()) for _ in range(20)
    ]  # eight momenta for each of so few points
    assert np.mean(draws) == pytest.approx(best[1], abs=5 * np.std(draws))


def overfitting(out=None, data=None, **more):
    """Few points and a high rate: the held-out points see the best step early."""
    data = points(40) if data is None else data
    settings = {"steps": 400, "validate_every": 5, "patience": 6, "lr": 0.05, "out": out, "save_every": 10}
    flow = small()
    return flow, quiet(flow, data, **(settings | more))


def test_patience_stops_before_few_points_are_learned_by_heart():
    flow, result = overfitting()
    last = result.history["step"][-1]
    assert result.stopped_early and last < 400 and last == result.best_step + 6 * 5
    _, held_out = split(40, 0.2, 0)
    best = Validation((points(40)[held_out],)).score(Evidence(flow))
    assert best == max(bound for _, bound in result.validation)
    # without patience a dozen points are learned by heart, and fresh ones are worse off
    found = []
    for patience in (5, None):
        flow = HamiltonianFlow(2, hamiltonians=4, width=32, seed=0)
        quiet(flow, points(12), steps=300, validate_every=10, patience=patience, lr=0.03)
        found.append(float(flow.log_prob(points(2000, 9), 50, seed=0).mean()))
    assert found[0] > found[1] + 0.05


def test_held_out_points_are_not_trained_on():
    _, held_out = split(40, 0.2, 0)
    changed = points(40)
    changed[held_out] += 0.5
    first, second = overfitting()[1], overfitting(data=changed)[1]
    n = min(len(first.history["loss"]), len(second.history["loss"]))
    assert n > 20 and first.history["loss"][:n] == second.history["loss"][:n]
    assert first.validation[0] != second.validation[0]
    # those that are given are watched instead, and then every point is trained on
    watched = overfitting(q_valid=points(50, 1))[1]
    assert watched.history["loss"][0] != first.history["loss"][0]


@pytest.mark.parametrize("after", [7, 20])
def test_an_early_stop_is_the_same_after_an_interruption(tmp_path, after):
    def stop(step, result):
        if step == after:
            raise KeyboardInterrupt

    whole_flow, whole = overfitting(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        overfitting(tmp_path / "parts", callback=stop)
    for _ in range(2):  # taken up, and once more when it is over
        flow, result = overfitting(tmp_path / "parts", resume=True)
        assert result.history["loss"] == whole.history["loss"]
        assert (result.best_step, result.stopped_early) == (whole.best_step, True)
        assert all(torch.equal(w, flow.state_dict()[k]) for k, w in whole_flow.state_dict().items())
    with pytest.raises(CheckpointError, match="patience"):
        overfitting(tmp_path / "parts", resume=True, patience=7)


def test_patience_waits_for_a_step_that_satisfies_the_constraint():
    flow = small(symmetry="penalty", generators=ROTATION)
    impossible = BracketConstraint(ROTATION, tolerance=1e-12, batch=32)
    with pytest.warns(UserWarning, match="the constraint is missed after 60 steps"):
        result = quiet(flow, steps=60, validate_every=5, patience=1, constraint=impossible)
    assert not result.stopped_early and result.best_step == 60


@pytest.mark.parametrize("n", [3, 4, 10, 101])
@pytest.mark.parametrize("share", [0.001, 0.2, 0.999])
def test_a_split_has_points_on_both_sides(n, share):
    train, held_out = split(n, share, seed=1)
    assert len(train) and len(held_out) and sorted([*train.tolist(), *held_out.tolist()]) == list(range(n))


@pytest.mark.parametrize(
    "settings", [{"patience": 0}, {"patience": 1.5}, {"held_out": 0.0}, {"held_out": 1.0}]
)
def test_patience_that_makes_no_sense_is_refused(settings):
    with pytest.raises(ParameterError, match=next(iter(settings))):
        overfitting(**settings)
    with pytest.raises(ShapeError, match="hold some out"):
        overfitting(data=points(2))


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


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9])
def test_constant_data_are_refused(value):
    with pytest.raises(ParameterError, match=r"q_train: all 10 points are the same.*differ"):
        quiet(small(), torch.full((10, 2), value), steps=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q: q + 100, r"away from the origin.*q - q.mean"),
        (lambda q: q * torch.tensor([1e-3, 1.0]), "one unit of length.*divide each coordinate"),
        (lambda q: q * torch.tensor([0.0, 1.0]), "in no way"),
        (lambda q: q @ torch.tensor([[1.0, 0.999], [0.0, 0.001]]), "one unit of length"),
    ],
)
def test_data_that_one_unit_cannot_serve_are_warned_of(change, message):
    with pytest.warns(UserWarning, match=message) as caught:
        quiet(small(), change(points()), steps=1)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("change", [lambda q: q, lambda q: q + 3, lambda q: 1e-6 * q, lambda q: 1e6 * q])
def test_ordinary_data_are_not(change):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet(small(), change(points()), steps=1)


EXACT_POINTS = np.array([[1.0, 2.0], [3.0, 4.0], [-5.0, 0.0]])


@pytest.mark.parametrize(
    "kind",
    [
        lambda q: q[::-1][::-1],
        lambda q: np.flip(np.flip(q, 1).copy(), 1),
        lambda q: q.astype(">f8"),
        lambda q: q.astype(">i2"),
        lambda q: q.astype(np.float16),
        lambda q: q.astype(np.longdouble),
        lambda q: np.asfortranarray(q),
        lambda q: np.repeat(q, 2, axis=0)[::2],
        lambda q: q.astype(object),
        lambda q: [[Fraction(int(x)) for x in row] for row in q],
        lambda q: [tuple(int(x) for x in row) for row in q],
        lambda q: list(torch.tensor(q)),
        lambda q: np.frombuffer(q.tobytes()).reshape(3, 2),
        lambda q: torch.tensor(q, dtype=torch.float16),
        lambda q: torch.tensor(q).int(),
    ],
)
def test_points_are_read_from_whatever_holds_real_numbers(kind, dtype):
    like = torch.zeros(1, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = as_points(kind(EXACT_POINTS), 2, like)
    assert read.dtype == dtype and read.tolist() == EXACT_POINTS.tolist()
    read += 1  # memory of its own, or at least memory that may be written to


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (EXACT_POINTS * 1j, "complex numbers"),
        (torch.tensor(EXACT_POINTS).to(torch.complex64), "real numbers"),
        ([["1.5", "2.5"]], "text"),
        (np.array([["1.5", 2.5]], dtype=object), "'1.5'"),
        (np.array([[None, 2.5]], dtype=object), "None"),
        ([[1.0, None]], "None"),
        (None, "None"),
        ([[1j, 2]], "complex"),
        (np.array([[1j, 2]], dtype=object), "1j"),
        ([[1.0, 2.0], [3.0]], "do not fit together"),
        (np.zeros((2, 2), dtype="datetime64[s]"), "dates"),
        ({"q": 1}, "'q'"),
    ],
)
def test_what_holds_no_real_numbers_is_refused_in_our_words(bad, message):
    with pytest.raises(ShapeError, match=message):
        as_points(bad, 2, torch.zeros(1))


def test_penalty_without_a_constraint_gets_that_of_its_generators():
    def losses(symmetry, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flow = small(symmetry=symmetry, generators=[ROTATION])
            return quiet(flow, steps=5, **settings)

    default = losses("penalty")
    assert (
        default.history["loss"] == losses("penalty", constraint=BracketConstraint(ROTATION)).history["loss"]
    )
    assert [len(v) for v in default.history["lambda"]] == [1] * 5 and default.constraint_satisfied is False
    for symmetry, settings in (
        (None, {}),
        ("penalty", {"constraint": False}),
        ("features", {"constraint": False}),
    ):
        free = losses(symmetry, **settings)
        assert free.history["lambda"] == [[]] * 5 and free.constraint_satisfied is None


def test_features_without_a_constraint_get_that_of_slopes_or_under_translations_of_brackets():
    def trained(generators, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return quiet(small(symmetry="features", generators=generators), steps=5, **settings)

    for generators, options in ((ROTATION, SLOPES), ("p1", BRACKETS)):
        default = trained(generators)
        named = trained(generators, constraint=BracketConstraint(generators, **options))
        assert (
            default.history["residual"] == named.history["residual"] and default.constraint_satisfied is False
        )
    assert trained(ROTATION, constraint=False).constraint_satisfied is None


def test_a_missed_constraint_is_said_with_its_size_and_the_remedy():
    flow = small(symmetry="penalty", generators=ROTATION)
    with pytest.warns(
        UserWarning, match=r"missed after 3 steps.*times the tolerance κ = 1e-06.*'exact'"
    ) as caught:
        result = quiet(flow, steps=3, constraint=BracketConstraint(ROTATION, tolerance=1e-6))
    assert result.constraint_satisfied is False and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        easy = BracketConstraint(ROTATION, tolerance=1e6)
        assert quiet(flow, steps=3, constraint=easy).constraint_satisfied is True
