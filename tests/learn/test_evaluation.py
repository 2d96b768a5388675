"""What ``evaluate`` says of a bound and of samples: numbers that must move when the flow is changed for the worse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from flows import ROTATION, make

from hamsym.errors import ParameterError
from learn.evaluation.measures import evaluate


@pytest.fixture(scope="module")
def measured():
    flow = make("free")
    q = flow.sample(400, seed=5).numpy()  # data from the flow itself
    good = evaluate(flow, q, samples=50, quadrature=16, seed=1)
    with torch.no_grad():
        flow.encoder.network[-1].bias[2:4] -= 1.5  # the density is the same, the encoder is not
    narrow = evaluate(flow, q, samples=50, quadrature=16, seed=1)
    mended = evaluate(flow, q, samples=50, quadrature=16, seed=1, defensive=0.3)
    return good, narrow, mended


def test_a_bad_encoder_shows_in_the_reliability_of_the_bound(measured):
    good, narrow, mended = measured
    assert narrow["effective_samples"] < good["effective_samples"]
    assert narrow["bound_error"] > 2 * abs(good["bound_error"])
    assert mended["bound_error"] < narrow["bound_error"]
    # quadrature does not depend on the encoder: bound and error add up to the same
    levels = [m["log_likelihood_bound"] for m in (good, narrow)]
    assert levels[1] < levels[0]
    assert 0 <= good["unreliable"] <= narrow["unreliable"] <= 1


def test_samples_of_the_flow_are_its_data(measured):
    distance = measured[0]["energy_distance"]
    assert abs(distance["value"]) < 4 * distance["noise_floor"]
    flow = make("free")
    moved = flow.sample(400, seed=5).numpy() + 2.0
    assert evaluate(flow, moved, samples=5)["energy_distance"]["p_value"] < 0.01


def test_many_bodies_are_measured_without_their_mean_motion():
    flow = make("exact, two bodies in space")
    q = flow.sample(100, seed=5) + torch.tensor([4.0, 0.0, 0.0] * 2)
    found = evaluate(flow, q.numpy(), samples=8, generators=["p1 + p4"], turned=3)
    assert found["energy_distance"]["p_value"] > 1e-3
    assert found["symmetry"]["p1 + p4"]["density_invariance"]["value"] < 1e-9
    assert ROTATION not in found["symmetry"]


def test_a_name_is_no_truth():
    flow = make("free")
    q = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ParameterError, match=r"hamsym\.targets"):
        evaluate(flow, q, truth="ring")
    with pytest.raises(ParameterError, match="samples"):
        evaluate(flow, q, samples=0)
    text = "q1*p2 - q2*p1"  # one generator need not stand in a tuple
    assert set(evaluate(flow, q, generators=text, samples=5, turned=2)["symmetry"]) == {"-p1*q2 + p2*q1"}
