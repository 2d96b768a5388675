"""The experiment with bodies in miniature; coordinates without mean; random motions; log Z where it is known."""

import dataclasses
import json
import math
import warnings

import numpy as np
import pytest
import torch

from hamsym.errors import CheckpointError, ParameterError
from learn.evaluation.partition import LogZ, estimate_log_z, pooled
from learn.experiments import particles as experiment
from learn.flow.density import HamiltonianFlow
from learn.particles import Particles
from learn.particles.data import free_coordinates, moved
from learn.training.fit import fit

TINY = experiment.Setting(
    (experiment.System("dw4", experiment.DW4, 0.5, (40, 80), 12, 16, 8, 0.02, 500),), 2, 60, 2, 8, 400
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "QUICK", TINY)
        return folder, experiment.run(folder, quick=True, quiet=True)


def test_every_method_is_trained_at_every_number_of_points(finished):
    folder, metrics = finished
    cells = {(r["points"], r["method"], r["seed"]) for r in metrics["runs"]}
    assert cells == {(n, m, k) for n in (40, 80) for m in ("none", "augment", "exact") for k in (0, 1)}
    for r in metrics["runs"]:
        assert r["best_step"] <= r["steps"] == 12
    assert metrics["proofs"]["dw4"]["statuses"] == ["proved"] and metrics["proofs"]["dw4"]["checked"]
    assert (folder / "particles.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "metrics.json").read_text())["summary"] == metrics["summary"]


def test_gains_are_differences_of_bounds(finished):
    _, metrics = finished
    for cell in metrics["summary"]:
        excess = {
            m: [r["excess"] for r in metrics["runs"] if (r["points"], r["method"]) == (cell["points"], m)]
            for m in ("none", cell["method"])
        }
        assert cell["gain"] == pytest.approx(np.mean(excess["none"]) - np.mean(excess[cell["method"]]))


def test_an_interrupted_run_goes_on_without_measuring_again(finished, monkeypatch):
    folder, metrics = finished
    monkeypatch.setattr(experiment, "QUICK", TINY)
    monkeypatch.setattr(experiment, "measure", lambda *_, **__: pytest.fail("measured again"))
    again = experiment.run(folder, quick=True, quiet=True, resume=True)
    assert again["summary"] == metrics["summary"]
    monkeypatch.setattr(experiment, "QUICK", dataclasses.replace(TINY, held_out=70))
    with pytest.raises(CheckpointError, match="other settings"):
        experiment.run(folder, quick=True, quiet=True, resume=True)


def test_without_a_yardstick_no_gap_is_claimed(finished):
    _, metrics = finished
    assert metrics["yardsticks"]["dw4"]["usable"] is False  # 500 samples of flows that hardly trained
    assert all(c["kl_gap"] is None for c in metrics["summary"])
    assert any("no KL gap given" in line for line in experiment.reading(metrics))


def test_coordinates_without_mean_keep_volume_and_turn_with_space():
    bodies = Particles(4, 2)
    basis = free_coordinates(bodies)
    assert np.allclose(basis @ basis.T, np.eye(6)) and np.allclose(basis @ bodies.translations.T, 0)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert np.allclose(basis @ np.kron(np.eye(4), turn), np.kron(np.eye(3), turn) @ basis)


def test_moved_points_keep_their_distances_and_forget_their_labels():
    bodies = Particles(4, 2, "AABB")
    q = np.tile([[0.0, 0, 1, 0, 0, 2, 5, 5]], (4_000, 1))
    found = moved(bodies, q, np.random.default_rng(0)).reshape(-1, 4, 2)
    assert np.abs(found.mean(1)).max() < 1e-12

    def lengths(x):
        return np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)

    assert np.allclose(
        np.sort(lengths(found).reshape(4_000, -1)), np.sort(lengths(q.reshape(-1, 4, 2)).reshape(4_000, -1))
    )
    assert np.allclose(lengths(found)[:, 0, 1], 1) and np.allclose(
        lengths(found)[:, 2, 3], math.sqrt(34)
    )  # species
    first = np.isclose(lengths(found)[:, 0, 2], 2) | np.isclose(lengths(found)[:, 0, 3], 2)
    assert abs(first.mean() - 0.5) < 0.05
    angle = np.arctan2(*(found[:, 0] - found[:, 1]).T)
    assert np.abs(np.exp(1j * np.outer([1, 2, 3], angle)).mean(1)).max() < 0.06  # uniform


def test_log_z_of_bodies_on_springs_is_the_known_one():
    bodies = Particles(3, 2)
    flow = HamiltonianFlow(6, hamiltonians=2, width=4, symmetry="exact", particles=bodies, seed=0).double()

    def springs(q):
        x = q.reshape(-1, 3, 2)
        return -0.5 * np.square(x[:, [0, 0, 1]] - x[:, [1, 2, 2]]).sum((1, 2))  # −3/2 |x − x̄|²

    with torch.no_grad():
        flow.log_scale.copy_(torch.tensor([-0.5, 0.0]))
    found = estimate_log_z(flow, springs, 20_000, seed=0)
    exact = 2 * math.log(2 * math.pi / 3)  # four dimensions without the mean
    assert abs(found.value - exact) < 4 * found.error + 1e-3 and found.error < 0.05
    down = free_coordinates(bodies)
    free = HamiltonianFlow(4, hamiltonians=2, width=4, seed=0).double()
    with torch.no_grad():
        free.log_scale.copy_(torch.tensor([-0.5, 0.0]))
    other = estimate_log_z(free, lambda q: springs(q @ down), 20_000, seed=0)
    assert abs(other.value - exact) < 4 * other.error + 1e-3


def test_log_z_without_a_finite_weight_is_refused():
    flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
    with pytest.raises(ParameterError, match="finite weight"):
        estimate_log_z(flow, lambda q: np.full(len(q), -np.inf), 10)
    with pytest.raises(ParameterError, match="samples"):
        estimate_log_z(flow, lambda q: q[:, 0], 1)


def test_a_poor_estimate_does_not_enter_the_pool():
    assert pooled([LogZ(2.0, 0.01, 500.0), LogZ(9.0, 1.0, 3.0)]) == LogZ(2.0, 0.01, 500.0)


def test_points_without_mean_are_no_reason_to_warn():
    bodies = Particles(4, 2)
    q = moved(bodies, np.random.default_rng(0).standard_normal((50, 8)), np.random.default_rng(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(
            HamiltonianFlow(8, hamiltonians=1, width=4, symmetry="exact", particles=bodies, seed=0),
            q, steps=2, batch=8, progress=False,
        )  # fmt: skip
