"""The experiment on films: its data against the formulas, its measures against the truth, and a run to the report."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import hamsym as hs
from hamsym.data.rendering import Renderer
from hamsym.errors import CheckpointError
from learn.experiments import hgn
from learn.experiments.hgn_data import DT, SCENES, films
from learn.experiments.hgn_measures import FreeMotion, measured, trivial
from learn.experiments.hgn_report import goals, report
from learn.experiments.tables import plain
from learn.hgn import HGN

TINY = dataclasses.replace(
    hgn.QUICK, scenes=("spring", "pendulum"), films=12, frames=12, learned=dict.fromkeys(SCENES, 8), tests=12, horizon=12, steps=dict.fromkeys(SCENES, 8), batch=4, width=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def spring(tmp_path_factory):
    return films("spring", tmp_path_factory.mktemp("films") / "data", count=40, frames=50, seed=3, finer=2)


def test_films_of_a_spring_are_those_of_the_formula(spring):
    """q is a cosine of frequency 2, on circles of the published radii."""
    t = np.arange(50) * DT / 2
    assert (
        np.abs(
            spring.q[..., 0] - spring.q[:, :1, 0] * np.cos(2 * t) - spring.p[:, :1, 0] * np.sin(2 * t)
        ).max()
        < 1e-3
    )
    radius = np.sqrt(spring.energy)
    assert radius.min() >= 0.1 - 1e-9 and radius.max() <= 1 + 1e-9 and np.ptp(radius) > 0.5


@pytest.mark.parametrize("name", SCENES)
def test_bodies_stay_in_the_picture_and_can_be_told_apart(name, tmp_path):
    found = films(name, tmp_path / "data", count=13, frames=65, seed=0)
    assert found.q.shape == (13, 65, SCENES[name].dim)
    brightest = found.images.reshape(13 * 65, -1).max(1)
    assert brightest.min() > 100  # never dark
    spec = hs.DatasetSpec(**SCENES[name].spec, initial=SCENES[name].starts[0], trajectories=1, steps=1, dt=DT)
    centres = spec.renderer.centres(found.q, {})
    assert (np.abs(centres) < spec.render["extent"]).mean() > 0.99
    if name.endswith("body"):  # exchanged bodies look different
        swapped = -found.q[:, 0] if name == "two-body" else found.q[:, 0] * [-1, -1, 1, 1]
        drawn = Renderer.of(spec.render, spec.source.hamiltonian.space).draw(
            swapped, {}, extent=spec.render["extent"]
        )
        assert (np.abs(drawn.astype(float) - found.images[:, 0]).max((1, 2)) > 60).all()


@pytest.mark.parametrize(("name", "radius"), [("two-body", 0.75), ("three-body", 1.05)])
def test_bodies_begin_about_circular_orbits_in_every_direction(name, radius):
    """In the middle of every box the acceleration is −ω² times the place, and the velocity ω times it, turned."""
    scene = SCENES[name]
    H = hs.DatasetSpec(
        **scene.spec, initial=scene.starts[0], trajectories=1, steps=1, dt=DT
    ).source.hamiltonian
    names = [s.name for s in H.space.variables]
    omega = 0.5 * radius**-1.5 if name == "two-body" else (np.sqrt(3) * radius**3) ** -0.5
    mass = np.repeat([0.5] if name == "two-body" else [1 / 2, 2 / 3], 2)
    angles = []
    for start in scene.starts:
        middle = {n: float(np.mean(start[n]["uniform"])) for n in names}
        rates = np.array(
            [
                float(H.equations()[s].subs({v: middle[v.name] for v in H.space.variables}))
                for s in H.space.variables
            ]
        )
        velocity, force = np.split(rates, 2)
        q = np.array([middle[n] for n in names[: len(mass)]])
        assert np.allclose(force / mass, -(omega**2) * q) and np.allclose(velocity @ q, 0)
        assert np.allclose(velocity[:2], omega * np.array([-q[1], q[0]]))
        angles.append(np.arctan2(q[1], q[0]))
    assert np.allclose(np.diff(np.unwrap(angles)), np.pi / 6)


class Oracle(HGN):
    """The truth in the place of a network: states from fitted pictures, and the pictures of the renderer."""

    def __init__(self, factor=1.0):
        super().__init__(dim=1, width=4, seed=0)
        self.factor = factor
        spec = hs.DatasetSpec(
            **SCENES["spring"].spec, initial=SCENES["spring"].starts[0], trajectories=1, steps=1, dt=DT
        )
        self.renderer, self.extent = (
            Renderer.of(spec.render, spec.source.hamiltonian.space),
            spec.render["extent"],
        )

    def states(self, images):
        light = np.asarray(images, float)
        x = -1.8 + 3.6 / 32 * (np.arange(32) + 0.5)
        place = (light.sum(-2) * x).sum(-1) / light.sum((-1, -2))  # of the first five frames
        t = DT * np.arange(place.shape[1])
        fit, *_ = np.linalg.lstsq(np.stack([np.cos(2 * t), np.sin(2 * t)], 1), place.T, rcond=None)
        return tuple(torch.from_numpy(x)[:, None] for x in fit)

    def rollout(self, q0, p0, steps, *, dt=None, **options):
        t = 2 * self.factor * dt * torch.arange(steps + 1, dtype=q0.dtype)
        q, p = q0 * t.cos() + p0 * t.sin(), p0 * t.cos() - q0 * t.sin()
        return q[..., None], p[..., None]

    def energy(self, q, p):
        return -3 * (q.square() + p.square()).sum(-1)

    def decode(self, q):
        return torch.from_numpy(self.renderer.draw(q.numpy(), {}, extent=self.extent) / 255)


def test_the_truth_itself_passes_every_measure(spring):
    found, pictures = measured(Oracle(), spring, learned=10, horizon=18)
    for name in ("reconstruction", "extrapolation", "forward", "backward", "half", "double"):
        assert found[name] < 1e-5, name
    assert {k: len(v) for k, v in pictures.items()} == {
        "forward": 19,
        "backward": 19,
        "half": 19,
        "double": 10,
    }
    assert found["form_whole"]["is_hamiltonian"] and found["form_whole"]["deviation"] < 0.02
    assert found["form_whole"]["scale"] == pytest.approx(1, abs=0.02)
    assert found["drift"] < 1e-6 and found["correlation"] == pytest.approx(-1, abs=1e-3)
    late, _ = measured(Oracle(1.1), spring, learned=10, horizon=18)
    assert (
        late["extrapolation"] > 10 * found["extrapolation"]
        and late["extrapolation"] > late["reconstruction"] > 1e-4
    )
    assert late["backward"] > 1e-3 and late["half"] < late["forward"]


def test_what_stands_still_is_worse_than_the_truth(spring):
    still = trivial(spring, spring, frames=5, learned=10, horizon=18)
    variance = (spring.images[:, :37:2] / 255).var((0, 1)).mean()
    assert np.mean(still["mean"]["at"]) == pytest.approx(variance, rel=0.2)
    assert still["frozen"]["at"][4] == 0 < still["frozen"]["at"][10]


def test_a_free_field_is_stepped_along_itself():
    model = FreeMotion(size=8, dim=2, width=8, seed=1).double()
    q, p = torch.randn(2, 3, 2, dtype=torch.float64)
    minus, plus = (model.rollout(q, p, 1, dt=h) for h in (-1e-5, 1e-5))
    slope = (plus[0][:, 1] - minus[0][:, 1]) / 2e-5, (plus[1][:, 1] - minus[1][:, 1]) / 2e-5
    of_q, of_p = model.hamiltonian.slopes(q, p)
    assert torch.allclose(slope[0], of_p, atol=1e-8) and torch.allclose(slope[1], -of_q, atol=1e-8)
    assert not torch.allclose(
        FreeMotion(size=8, dim=2, width=8, seed=2).double().hamiltonian.slopes(q, p)[0], of_q
    )


def test_a_run_writes_its_report_and_is_taken_up_again(tmp_path, monkeypatch):
    monkeypatch.setattr(hgn, "QUICK", TINY)
    metrics = hgn.run(tmp_path, quick=True, quiet=True, seed=5)
    assert [(r["scene"], r["model"]) for r in metrics["rows"]] == [
        (s, m) for s in TINY.scenes for m in ("hgn", "free")
    ]
    for name in ("hgn.png", "hgn-spring.gif", "hgn-pendulum.gif"):
        assert 10_000 < (tmp_path / name).stat().st_size < 1_500_000
    assert json.loads((tmp_path / "metrics.json").read_text())["setting"]["steps"]["spring"] == 8
    text = (tmp_path / "report.md").read_text()
    assert text == plain(report(metrics)) and text.count("| spring | free field |") == 5
    assert len(goals(metrics["rows"], metrics["controls"])) == 12

    lost = json.loads((tmp_path / "metrics.json").read_text())
    for name in ("forward", "reconstruction", "extrapolation", "form_whole", "form_learned"):
        lost["rows"][1][name] = None
    assert "| astray |" in report(lost)

    (tmp_path / "rows" / "pendulum-free-5.json").unlink()
    (tmp_path / "pendulum-free-5" / "training.json").unlink()
    again = hgn.run(tmp_path, quick=True, quiet=True, resume=True, seed=5)

    def without_times(rows):
        return [{k: v for k, v in r.items() if k != "cpu_seconds"} for r in rows]

    assert without_times(again["rows"]) == without_times(metrics["rows"])
    with pytest.raises(CheckpointError, match="other settings"):
        hgn.run(tmp_path, quick=True, quiet=True, resume=True, seed=1)
