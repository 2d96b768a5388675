"""The tasks of the experiment on Hamiltonian neural networks are what they say, and the experiment runs and resumes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import hamsym as hs
import learn
from hamsym.errors import CheckpointError, MissingExtraError, ParameterError, ShapeError
from learn.experiments import hnn, hnn_pixels, hnn_planets, hnn_report, hnn_tasks
from learn.hnn.pixels import PixelHNN
from learn.training.objective import Batch, Progress

TINY = hnn.Setting(
    1, {name: hnn.Training(3, 16, 1e-3) for name in hnn.FULL.trainings}, {"two-body": 5, "three-body": 5}, 4
)


@pytest.mark.parametrize(
    ("make", "size", "radii"), [(hnn_tasks.spring, 750, (0.1, 1.0)), (hnn_tasks.pendulum, 1125, (1.3, 2.3))]
)
def test_noisy_tasks_are_as_published(make, size, radii):
    task = make()
    train, test, rollouts = task.draw(3)
    assert train.q.shape == test.q.shape == (size, 1)
    clean = np.concatenate(
        [
            np.concatenate(hnn_tasks.derivatives(task.hamiltonian, task.parameters, s.q, s.p), -1)
            for s in (train, test)
        ]
    )
    given = np.concatenate([np.concatenate([s.dq, s.dp], -1) for s in (train, test)])
    # dq = 2p, so what the derivative at the noisy state is off by is twice the noise of p
    assert abs((clean - given)[:, 0].std() / 0.2 - 1) < 0.1
    start = np.hypot(given[:: size * 2 // 50, 0] / 2, 0)
    assert start.max() <= radii[1]
    q, p = np.array([[0.5]]), np.array([[2.0]])
    wanted = 0.25 + 4 if task.name == "spring" else 3 * (1 - np.cos(0.5)) + 4
    assert np.isclose(task.energy(q, p)[0], wanted)
    assert rollouts.q.shape == (15, 1) and 0.2 <= abs(rollouts.q).min() and abs(rollouts.p).max() <= 1
    assert not np.array_equal(task.draw(4)[0].q, train.q) and np.array_equal(task.draw(3)[0].q, train.q)


@pytest.mark.parametrize("n", [2, 3])
def test_circles_are_orbits(n):
    """Equal bodies on a circle stay on it, by the catalogue's own law of gravity."""
    x, v = hnn_tasks.circle(n, np.array([0.8]), np.array([0.3]))
    H = hs.systems["nbody"](n=n, d=2).hamiltonian
    parameters = {"G": 1.0} | {f"m{i}": 1.0 for i in range(1, n + 1)}
    q, p = x.reshape(1, -1), v.reshape(1, -1)
    dq, dp = hnn_tasks.derivatives(H, parameters, q, p)
    speed = np.linalg.norm(v[0], axis=-1)
    assert np.allclose(dq, p) and np.allclose(dp.reshape(n, 2), -x[0] / 0.8**2 * speed[:, None] ** 2)


def test_bodies_are_as_published():
    task = hnn_tasks.two_body(20)
    train, test, rollouts = task.draw(0)
    assert len(train.q) == 16 * 50 and len(test.q) == 4 * 50 and rollouts.points == 500
    energy = task.energy(test.q, test.p).reshape(4, 50)
    assert np.abs(energy - energy[:, :1]).max() < 1e-7  # no noise, whole orbits apart
    assert np.abs(train.p.reshape(-1, 2, 2).sum(1)).max() < 1e-12
    distance = np.linalg.norm(train.q[::50].reshape(-1, 2, 2)[:, 0], axis=-1)
    assert distance.min() >= 0.5 * 2**0.5 and distance.max() <= 1.5 * 2**0.5
    assert set(hnn.prove(task).values()) == {"proved, verified again"}


def test_planets_obey_newton_but_for_each_other():
    task = hnn_planets.planets()
    train, test, rollouts = task.draw(0)
    radius = np.linalg.norm(train.q, axis=-1, keepdims=True)
    newton = -train.q / radius**3
    error = np.linalg.norm(train.dp - newton, axis=-1) / np.linalg.norm(newton, axis=-1)
    assert 1e-3 < error.max() < 5e-2  # Jupiter pulls the Sun too, which tells most where the Sun is far
    assert len(test.q) > 1.9 * len(train.q) and rollouts.truth[0].shape == (4, rollouts.points, 3)
    assert np.allclose(rollouts.truth[0][:, 0], rollouts.q)
    years = rollouts.span / (2 * np.pi) * hnn_planets.AU**1.5
    assert abs(years - 200) < 0.2


def test_pictures_of_mirrored_angles_are_mirrored():
    rng = np.random.default_rng(0)
    pictures, angle, speed = hnn_pixels.trials(3, rng)
    frames = pictures.reshape(3, hnn_pixels.FRAMES, 28, 28)
    columns = np.arange(28) - 13.5
    centre = (frames * columns).sum((-1, -2)) / frames.sum((-1, -2))
    # the centre of light is as far to the side as the middle of the rod
    assert np.corrcoef(centre.ravel(), np.sin(angle).ravel())[0, 1] > 0.9999
    energy = hnn_pixels.energy(angle, speed)
    assert np.abs(energy / energy[:, :1] - 1).max() < 1e-5
    # q'' = -15 sin q
    second = (speed[:, 2:] - speed[:, :-2]) / (2 * hnn_pixels.DT)
    assert np.abs(second + 15 * np.sin(angle[:, 1:-1])).max() < 0.05 * 15 * np.abs(np.sin(angle)).max()


@pytest.mark.parametrize("step", ["euler", "midpoint"])
def test_the_loss_of_pixels_is_the_published_one_or_the_midpoint_s(step, dtype):
    model = PixelHNN(9, width=8, seed=0).to(dtype)
    rows = torch.randint(0, 255, (6, 3, 9), dtype=torch.uint8)
    objective = model.loss(step)
    (frames,) = objective.transform((rows,), torch.Generator())
    loss, parts = objective.loss(Batch((frames,)), torch.Generator(), Progress(0, 1))
    x, y = rows[:, :2].to(dtype) / 255, rows[:, 1:].to(dtype) / 255
    (q, p), (q_next, p_next) = model.encode(x), model.encode(y)
    energy = model.latent.energy
    at = (q, p) if step == "euler" else ((q + q_next) / 2, (p + p_next) / 2)
    a, b = (z.detach().requires_grad_() for z in at)
    h_q, h_p = torch.autograd.grad(energy(a, b).sum(), (a, b))
    z, z_next, rate = torch.cat([q, p], -1), torch.cat([q_next, p_next], -1), torch.cat([h_p, -h_q], -1)
    wanted = (
        (model.decode(q, p) - x).square().mean()
        + (p - (q_next - q)).square().mean()
        + 0.1 * (z_next - (z + rate)).square().mean()
    )
    assert torch.isclose(loss, wanted, rtol=1e-5) and set(parts) == {"autoencoder", "canonical", "motion"}
    with pytest.raises(ShapeError, match="three frames"):
        objective.transform((rows[:, :2],), torch.Generator())


def test_a_turn_is_a_midpoint_step_and_no_step_of_euler():
    """z' = R(ω) z is area-preserving: H = tan(ω/2) |z|² leaves nothing of the midpoint's residual, no H of Euler's."""
    model = PixelHNN(1, width=4, seed=0).double()
    z = torch.randn(200, 2, dtype=torch.float64)
    w = 0.3
    turned = z @ torch.tensor([[np.cos(w), -np.sin(w)], [np.sin(w), np.cos(w)]])
    states = torch.cat([z, turned])
    model.encode = lambda frames: states.chunk(2, -1)
    rows = Batch((torch.zeros(200, 3, 1, dtype=torch.float64),))

    def residual(step: str, k: float) -> float:
        model.latent.hamiltonian = learn.HNN(1, energy=lambda q, p: k * (q**2 + p**2).sum(-1)).hamiltonian
        return model.loss(step).loss(rows, torch.Generator(), Progress(0, 1))[1]["motion"].item()

    assert residual("midpoint", np.tan(w / 2)) < 1e-20
    assert min(residual("euler", k) for k in np.linspace(0.05, 0.3, 26)) > 1e-4


def test_unknown_steps_are_refused():
    with pytest.raises(ParameterError, match="midpoint"):
        PixelHNN(9, width=4).loss("rk4")


@pytest.mark.parametrize("energy", [True, False])
def test_models_of_pixels_are_saved_and_loaded(energy, dtype, tmp_path):
    model = PixelHNN(9, width=8, energy=energy, seed=0).to(dtype)
    learn.fit(model.loss(), torch.rand(8, 3, 9), steps=2, batch=4, out=tmp_path, progress=False)
    frames = torch.rand(3, 2, 9).to(dtype)
    same = learn.load(tmp_path)
    assert all(map(torch.equal, same.encode(frames), model.encode(frames)))
    learn.storage.write(
        tmp_path, "model", model.state_dict(), {"pixel_hnn": model.config() | {"pixels": 10**8}}
    )
    with pytest.raises(CheckpointError):
        learn.load(tmp_path)


def test_goals_are_judged_by_the_numbers():
    rows = [
        {"task": "two-body", "method": "HNN", "energy": 1e-6},
        {"task": "two-body", "method": "HNN, invariants", "energy": 2e-7},
        {"task": "spring", "method": "HNN", "energy": 1.0},
    ]
    assert [met for met, _ in hnn_report.goals(rows)] == [True, False, False]


def test_without_the_ephemeris_its_row_is_left_out_and_said_so(monkeypatch):
    def missing(*_, **__):
        raise MissingExtraError("no ephemeris")

    assert hnn_planets.at_hand()
    monkeypatch.setattr(hs, "solar_system", missing)
    assert not hnn_planets.at_hand()
    assert "ephemeris" in " ".join(hnn_report.planet_lines([{"task": "spring", "method": "HNN"}]))


@pytest.mark.slow
def test_the_experiment_runs_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(hnn, "QUICK", TINY)
    metrics = hnn.run(tmp_path, quick=True, quiet=True)
    assert {r["task"] for r in metrics["rows"]} == set(TINY.trainings)
    assert (tmp_path / "hnn.png").stat().st_size > 10_000
    text = (tmp_path / "report.md").read_text()
    assert "published" in text and "outer planets" in text and "nan" not in text
    (tmp_path / "rows" / "two-body-HNN-0.json").unlink()
    again = hnn.run(tmp_path, quick=True, quiet=True, resume=True)
    timed = ("cpu_seconds",)
    plain = [[{k: v for k, v in r.items() if k not in timed} for r in m["rows"]] for m in (metrics, again)]
    assert json.dumps(plain[0]) == json.dumps(plain[1])
