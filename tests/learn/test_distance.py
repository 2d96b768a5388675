"""The energy distance against its closed form, an independent implementation, and its own noise floor."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from hamsym.errors import NonFiniteError, ShapeError
from learn.evaluation.distance import energy_distance


def test_on_a_line_it_is_twice_cramers_distance_up_to_the_diagonal():
    random = np.random.default_rng(0)
    x, y = random.normal(size=300), 0.5 + 2 * random.normal(size=400)
    value = energy_distance(x[:, None], y[:, None]).value
    biased = stats.energy_distance(x, y) ** 2

    def within(z):
        return np.abs(z[:, None] - z[None]).sum() / len(z) ** 2

    # the diagonal counts in the biased estimate: E|X − X'| there is (n − 1)/n of the unbiased one
    assert value == pytest.approx(biased - within(x) / (len(x) - 1) - within(y) / (len(y) - 1), rel=1e-9)


def test_two_points_apart_read_the_formula():
    # laws at 0 and at distance a: 2a − 0 − 0
    zero = np.zeros((5, 3))
    found = energy_distance(zero, zero + np.array([0.0, 3.0, 4.0]))
    assert found.value == pytest.approx(10.0) and found.p_value < 0.2


def test_equal_laws_read_the_floor_and_different_ones_do_not():
    random = np.random.default_rng(1)
    equal = [energy_distance(random.normal(size=(200, 2)), random.normal(size=(150, 2))) for _ in range(60)]
    size = math.sqrt(np.mean([e.value**2 for e in equal]))
    assert 0.6 < size / np.mean([e.noise_floor for e in equal]) < 1.6
    assert stats.kstest([e.p_value for e in equal], "uniform").pvalue > 1e-3
    other = energy_distance(random.normal(size=(200, 2)), 1.6 * random.normal(size=(200, 2)))
    assert other.value > 5 * other.noise_floor and other.p_value < 0.01


def test_points_that_are_none_are_refused():
    good = torch.randn(5, 2)
    for bad in (good[0], good[:1], [["a", "b"]], None):
        with pytest.raises(ShapeError):
            energy_distance(bad, good)
    with pytest.raises(ShapeError, match="one dimension"):
        energy_distance(good, torch.randn(5, 3))
    with pytest.raises(ShapeError, match="at most"):
        energy_distance(np.zeros((15_000, 1)), np.zeros((15_000, 1)))
    with pytest.raises(NonFiniteError, match="row 2"):
        energy_distance(good, torch.where(torch.arange(5)[:, None] == 2, math.nan, good))
