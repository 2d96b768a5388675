"""A model that is no flow is trained by the same loop: stopped, resumed, saved and read back to the bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import learn
from hamsym.errors import CheckpointError, NonFiniteError, ParameterError, ShapeError
from learn.checkpoint import KINDS, load, register
from learn.storage import read, write


class Line(torch.nn.Module):
    """y = x·w + b with noise of a learned size."""

    def __init__(self, inputs):
        super().__init__()
        self.inputs = inputs
        self.linear = torch.nn.Linear(inputs, 1)
        self.unused = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        return self.linear(x)

    def config(self):
        return {"inputs": self.inputs, "double": self.unused.dtype == torch.float64}


class Regression(learn.Objective):
    """Squares under the constraint |w|² <= 1, whose multiplier ascends; noise on x, and a buffer that counts."""

    kind = "line"
    names = ("x", "y")

    def __init__(self, model):
        super().__init__(model)
        self.columns = {"square": None, "lambda": 1}
        self.multiplier, self.poisoned = 0.0, False

    def transform(self, batch, random):
        x, y = batch
        return x + 0.1 * torch.randn(x.shape, generator=random, dtype=x.dtype), y.to(x)

    def loss(self, batch, random, progress):
        assert 0 <= progress.share <= 1
        x, y = batch.rows
        self.model.seen += 1
        excess = self.model.linear.weight.square().sum() - 1
        square = (self.model(x)[:, 0] - y).square().mean()
        if self.poisoned:
            square = square * math.nan
        return square + self.multiplier * excess, {"square": square, "lambda": [self.multiplier]}

    def after_step(self, numbers, progress):
        weight = float(self.model.linear.weight.detach().square().sum())
        self.multiplier = max(0.0, self.multiplier + 0.1 * (weight - 1))

    def state(self):
        return {"lambda": self.multiplier}

    def restore(self, state):
        self.multiplier = float(state["lambda"])

    def settings(self):
        return {"pace": 0.1}


def line_from(config, tensors):
    if not isinstance(config["inputs"], int) or not 0 < config["inputs"] < 1000:
        raise ValueError(f"it claims inputs={config['inputs']!r}")
    line = Line(config["inputs"])
    return line.double() if config["double"] else line


@pytest.fixture(autouse=True)
def _known():
    register("line", line_from)
    yield
    del KINDS["line"]


def made(dtype=torch.float32):
    torch.manual_seed(3)
    return Regression(Line(2).to(dtype))


def data(n=100, dtype=torch.float32):
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return x, (x @ torch.tensor([3.0, 4.0], dtype=dtype) + 1).double()


def trained(objective, rows=None, **settings):
    settings = {"steps": 60, "batch": 16, "lr": 0.1, "progress": False} | settings
    return learn.fit(objective, data() if rows is None else rows, **settings)


def test_a_regression_is_learned_under_its_constraint():
    objective = made()
    result = trained(objective, steps=600)
    weight = objective.model.linear.weight.detach()[0]
    assert float(weight.norm()) == pytest.approx(1, abs=0.1)  # not 5, which is what the data say
    assert torch.allclose(weight / weight.norm(), torch.tensor([0.6, 0.8]), atol=0.1)
    assert set(result.history) == {"step", "loss", "square", "lambda", "seconds"}
    assert result.history["lambda"][0] == [0.0] and result.history["lambda"][-1][0] > 1
    assert torch.equal(objective.model.unused, torch.ones(2))  # no loss moves it
    assert result.best_step == 600 and "loss=" in repr(result)


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize("kind", ["interrupted", "killed"])
def test_stopped_and_resumed_it_ends_as_if_it_had_not_been(tmp_path, kind, patience, dtype):
    def run(out, **more):
        objective = made(dtype)
        settings = {"save_every": 10, "validate_every": 5, "patience": patience, "out": out}
        return objective, trained(objective, data(dtype=dtype), **settings, **more)

    def stop(step, result):
        if step == 23:
            raise KeyboardInterrupt if kind == "interrupted" else RuntimeError("killed")

    whole, expected = run(tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        run(tmp_path / "parts", callback=stop)
    objective, result = run(tmp_path / "parts", resume=True)
    for column in ("step", "loss", "square", "lambda"):
        assert result.history[column] == expected.history[column]
    assert (result.best_step, result.validation) == (expected.best_step, expected.validation)
    assert (len(expected.validation) > 0) == (patience is not None)
    assert objective.multiplier == whole.multiplier != 0
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, objective.model.state_dict()[name]), name
    again = load(tmp_path / "parts")
    assert isinstance(again, Line)
    assert all(torch.equal(v, whole.model.state_dict()[k]) for k, v in again.state_dict().items())


def test_what_is_saved_is_read_by_kind_and_refused_when_it_does_not_fit(tmp_path):
    made().save(tmp_path)
    tensors, head = read(tmp_path, "model")
    assert head["line"] == {"inputs": 2, "double": False} and load(tmp_path).inputs == 2
    write(tmp_path, "model", tensors, {"line": {"inputs": 3, "double": False}})
    with pytest.raises(CheckpointError, match="do not fit the line"):
        load(tmp_path)
    write(tmp_path, "model", tensors, {"line": {"inputs": 10**9}})
    with pytest.raises(CheckpointError, match="claims inputs=1000000000"):
        load(tmp_path)
    write(tmp_path, "model", tensors, {"line": {}})
    with pytest.raises(CheckpointError, match="cannot be used"):
        load(tmp_path)
    for described in ({"curve": {"inputs": 2}}, {"line": {"inputs": 2}, "flow": {}}, {"line": [2]}):
        write(tmp_path, "model", tensors, described)
        with pytest.raises(CheckpointError, match="no model of a known kind"):
            load(tmp_path)


@pytest.mark.parametrize("kind", ["flow", "sha256", "two words", ""])
def test_a_kind_is_a_name_that_is_not_taken(kind):
    with pytest.raises(ParameterError, match="not taken"):
        register(kind, line_from)


def test_a_run_of_another_kind_or_with_other_data_is_not_taken_up(tmp_path):
    trained(made(), out=tmp_path)
    with pytest.raises(CheckpointError, match="q_train"):
        trained(made(), data(99), out=tmp_path, resume=True)
    other = made()
    other.settings = lambda: {"pace": 0.2}
    with pytest.raises(CheckpointError, match="pace"):
        trained(other, out=tmp_path, resume=True)
    other = made()
    other.kind = "curve"
    with pytest.raises(CheckpointError, match="kind"):
        trained(other, out=tmp_path, resume=True)


def test_a_loss_that_is_no_number_keeps_the_batch_under_its_names(tmp_path):
    objective = made()

    def poison(step, result):
        objective.poisoned = step == 4

    with pytest.raises(NonFiniteError, match="step 5"):
        trained(objective, out=tmp_path, callback=poison)
    tensors, values = read(tmp_path, "failure")
    assert {k: tuple(t.shape) for k, t in tensors.items()} == {"x": (16, 2), "y": (16,)}
    assert values["step"] == 5
    objective.poisoned = True
    with pytest.raises(NonFiniteError, match="step 1"):
        trained(objective, q_valid=data(10))


def test_a_score_that_is_no_number_stops():
    objective = made()
    objective.score = lambda held_out, random: math.nan
    with pytest.raises(NonFiniteError, match="score nan after step 5"):
        trained(objective, q_valid=data(10), validate_every=5)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ((torch.zeros(5, 2), torch.zeros(4)), ShapeError),
        ((torch.zeros(1, 2), torch.zeros(1)), ShapeError),
        ((), ShapeError),
        (("x", "y"), ShapeError),
        ((torch.zeros(5, 2), None), ShapeError),
        ((torch.tensor(1.0),), ShapeError),
        ((torch.full((5, 2), math.nan), torch.zeros(5)), NonFiniteError),
    ],
)
def test_data_that_are_no_rows_are_refused(rows, error):
    with pytest.raises(error, match="q_train"):
        trained(made(), rows)
    with pytest.raises(error, match="q_valid"):
        trained(made(), q_valid=rows)


@pytest.mark.parametrize(
    "settings", [{"draws": 2}, {"draws_after": 0.1}, {"context": [1.0]}, {"constraint": learn.BracketConstraint("p1")}]
)  # fmt: skip
def test_settings_of_flows_are_refused(settings):
    with pytest.raises(ParameterError, match=next(iter(settings))):
        trained(made(), **settings)


def test_an_objective_without_a_loss_says_so():
    with pytest.raises(TypeError, match="defines loss"):
        trained(learn.Objective(Line(2)))


class Said(learn.Objective):
    """Says whatever it is told to say of the loss."""

    kind = "said"

    def __init__(self, say=lambda loss: (loss, {}), **own):
        super().__init__(torch.nn.Linear(1, 1))
        self.say = say
        for name, value in own.items():
            setattr(self, name, value)

    def loss(self, batch, random, progress):
        return self.say(self.model(batch.rows[0]).square().mean())


def few(objective, **options):
    return learn.fit(objective, torch.ones(5, 1), steps=2, batch=2, progress=False, **options)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (Said(lambda loss: loss), "returns the loss and the numbers"),
        (Said(lambda loss: (loss.expand(3), {})), "scalar tensor"),
        (Said(lambda loss: (1.0, {})), "scalar tensor"),
        (Said(lambda loss: (loss.detach(), {})), "depends on the weights"),
        (Said(columns={"x": None}), "one number for its column 'x'"),
        (Said(lambda loss: (loss, {"x": [1.0]}), columns={"x": 2}), "2 numbers for its column 'x'"),
        (Said(columns={"step": None}), "column of every history"),
        (Said(kind="best"), "not taken on disk"),
        (Said(kind="format"), "not taken on disk"),
        (Said(kind="a/../b"), "not taken on disk"),
        (Said(settings=lambda: {"x": torch.ones(1)}), "json"),
    ],
)
def test_an_objective_that_says_something_else_is_refused_before_weights_move(said, why):
    before = said.model.weight.detach().clone()
    with pytest.raises(ParameterError, match=why):
        few(said)
    assert torch.equal(said.model.weight, before)


def test_a_description_that_cannot_be_written_is_refused_before_the_training(tmp_path):
    said = Said(config=lambda: {"x": torch.ones(1)})
    with pytest.raises(ParameterError, match="config"):
        few(said, out=tmp_path)
    few(said)


def test_without_weights_that_want_a_gradient_there_is_nothing_to_train():
    said = Said()
    said.model.requires_grad_(False)
    with pytest.raises(ParameterError, match="nothing to train"):
        few(said)


def test_a_score_is_one_number(tmp_path):
    with pytest.raises(ParameterError, match="score"):
        learn.fit(
            Said(score=lambda rows, random: None), torch.ones(5, 1), torch.ones(2, 1), steps=1, progress=False
        )
    tensor = Said(score=lambda rows, random: torch.tensor(1.0))
    found = learn.fit(tensor, torch.ones(5, 1), torch.ones(2, 1), steps=1, progress=False, out=tmp_path)
    assert found.validation == [(1, 1.0)]


def test_a_run_with_undefined_numbers_and_settings_of_tuples_goes_on(tmp_path):
    def said():
        torch.manual_seed(0)
        return Said(
            lambda loss: (loss, {"x": math.nan}), columns={"x": None}, settings=lambda: {"sizes": (1, 2)}
        )

    few(said(), out=tmp_path)
    again = few(said(), out=tmp_path, resume=True)
    assert again.history["step"] == [1, 2]


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_who_has_switched_gradients_off_still_trains_the_same(off):
    trained, other = Said(), Said()
    other.model.load_state_dict(trained.model.state_dict())
    few(trained)
    with off():
        few(other)
        assert not torch.is_grad_enabled()
    assert torch.equal(trained.model.weight, other.model.weight)


def test_rows_without_values_are_refused_and_long_doubles_are_read():
    from learn.training.rows import as_rows

    with pytest.raises(ShapeError, match="tensor or an array"):
        as_rows(torch.zeros(3, 2, device="meta"), "data", torch.device("cpu"))
    (read,) = as_rows(np.ones((3, 2), np.longdouble), "data", torch.device("cpu"))
    assert read.dtype == torch.float64
