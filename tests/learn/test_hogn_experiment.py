"""The experiment on graph networks: its measures against the truth itself, and a run from data to report."""

import dataclasses
import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from hamsym.errors import CheckpointError
from learn.experiments import hogn
from learn.experiments.hogn_measures import (
    Truth,
    follow,
    leapfrog_correction,
    learned_energy,
    one_step,
    turning_error,
)
from learn.experiments.hogn_report import by_model, goals, report
from learn.fields import Separated
from learn.hogn import HOGN, OGN, DeltaGN, spring_energy, springs
from learn.hogn.model import GraphModel
from learn.integrators import integrate

TINY = dataclasses.replace(
    hogn.QUICK, graphs=6, trajectory=5, tests=2, horizon=8, steps=20, with_messages=10, width=8, other_sizes=(2,),
    models=("hogn-rk1", "hogn-rk4", "hogn-messages", "ogn-rk1", "ogn-rk4", "ogn-turning", "delta"), seeds=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    return Truth.of(springs(graphs=6, sizes=(3, 4, 5), trajectories=2, steps=16, seed=5), torch.float64)


class Springs(GraphModel):
    """The true energy in the place of a learned one; ``factor`` times the constants, if it is to be wrong."""

    name = "springs"

    def __init__(self, factor=1.0, method="kahan_li8"):
        super().__init__(2, method=method)
        self.factor = factor

    def on(self, graphs):
        def grad_potential(q):
            k, rest = graphs.edges.unbind(1)
            d = q[graphs.ends[0]] - q[graphs.ends[1]]
            return graphs.at_ends((self.factor * k * (1 - rest / d.norm(dim=1)))[:, None] * d, sign=-1.0)

        return Separated(grad_potential, lambda p: p / graphs.nodes)

    def energy(self, graphs, q, p):
        rest = spring_energy(graphs, q, 0 * p)
        return spring_energy(graphs, q, p) + (self.factor - 1) * rest + graphs.present.sum(1)


def test_the_truth_has_no_error_but_that_of_the_integrator(truth):
    exact = Springs()
    found = follow(exact, truth, dt=0.1)
    assert found["position"] < 1e-8 and found["energy"] < 1e-8 and found["astray"] == 0
    assert one_step(exact, truth) < 1e-9
    assert turning_error(exact, truth) < 1e-13
    steps = [follow(exact, truth, dt=dt, method="leapfrog") for dt in (0.05, 0.1, 0.2)]
    for error in ("position", "energy", "soon"):
        orders = [math.log2(b[error] / a[error]) for a, b in pairwise(steps)]
        assert all(abs(order - 2) < 0.3 for order in orders), orders
    wrong = follow(Springs(1.05), truth, dt=0.1)
    assert wrong["position"] > 1e-3 and wrong["energy"] > 1e-3
    euler = follow(exact, truth, dt=0.4, method="rk1")
    assert euler["energy"] > 0.5 and euler["worst"]["energy"] >= euler["energy"]


def test_what_is_known_of_the_energy(truth):
    """A constant for each system does not count; a factor does."""
    found = learned_energy(Springs(), truth, 0.1)
    assert found["r2"] > 1 - 1e-14 and 1e-4 < found["leapfrog_unexplained"] < 0.1
    assert learned_energy(Springs(2.0), truth, 0.1)["r2"] < 0.95
    pairs = np.array(found["pairs"])
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() < 1e-12 < np.ptp(pairs[:, 0])


def test_the_energy_that_leapfrog_calls_for(truth):
    """Leapfrog steps of H + correction follow the motion of H to two more orders of dt, by any field of order four."""
    graphs, q, p = truth.graphs, truth.q[0], truth.p[0]

    def corrected(dt):
        def field(q, p):
            with torch.enable_grad():
                x, y = (z.detach().requires_grad_() for z in (q, p))
                total = (spring_energy(graphs, x, y) - _correction(graphs, x, y, dt)).sum()
                of_q, of_p = torch.autograd.grad(total, (x, y))
            return of_p, -of_q

        return field

    # the step of H itself follows H - correction: backward error analysis, forwards
    errors = []
    for dt in (0.1, 0.05):
        moved = Springs(method="leapfrog").move(graphs, q, p, dt)
        exact = integrate(corrected(dt), q, p, dt / 8, 8, method="rk4")
        errors.append(float((moved[0] - exact[0]).norm() + (moved[1] - exact[1]).norm()))
    assert math.log2(errors[0] / errors[1]) > 4.5  # dt⁵ in a step; without the correction dt³


def _correction(graphs, q, p, dt):
    """The same as leapfrog_correction, differentiable in q and p."""
    velocity = p / graphs.nodes
    x = q if q.requires_grad else q.detach().requires_grad_()
    total = spring_energy(graphs, x, 0 * p).sum()
    (slope,) = torch.autograd.grad(total, x, create_graph=True)
    (bent,) = torch.autograd.grad((slope * velocity).sum(), x, create_graph=True)
    kinetic = (velocity * bent).sum(-1) / 12
    found = -(dt**2) * graphs.total(kinetic - slope.square().sum(-1) / (24 * graphs.nodes[:, 0]))
    assert (found - leapfrog_correction(graphs, q.detach(), p.detach(), dt)).abs().max() < 1e-12
    return found


def test_models_that_do_not_turn_along_are_found_out(truth):
    assert turning_error(HOGN(2, width=8).double(), truth) < 1e-12
    assert turning_error(OGN(2, width=8, equivariant=True).double(), truth) < 1e-12
    assert turning_error(OGN(2, width=8).double(), truth) > 1e-2


def test_a_trajectory_that_leaves_the_numbers_is_counted(truth):
    model = DeltaGN(2, width=8).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1e3)
    found = follow(model, truth, dt=0.1)
    assert found["astray"] == 1 and found["energy"] > 10


def test_a_run_writes_its_report_and_is_taken_up_again(tmp_path, monkeypatch):
    monkeypatch.setattr(hogn, "QUICK", TINY)
    metrics = hogn.run(tmp_path, quick=True, quiet=True)
    assert [r["key"] for r in metrics["rows"]] == [f"{key}-{seed}" for seed in (0, 1) for key in TINY.models]
    assert (tmp_path / "hogn.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "metrics.json").read_text())["rows"][0]["steps"] == 20
    text = (tmp_path / "report.md").read_text()
    assert all(f"| {hogn.MODELS[key].title} |" in text for key in TINY.models)
    assert "proved, verified again" in text and "NOT confirmed" not in text
    assert len(goals(metrics["rows"])) == 5
    with_gaps = json.loads((tmp_path / "metrics.json").read_text())
    for row in with_gaps["rows"]:
        row["by_step"]["4"]["position"] = None  # as a trajectory that went astray is written
    assert "| astray |" in report(with_gaps)

    (tmp_path / "rows" / "delta-1.json").unlink()
    again = hogn.run(tmp_path, quick=True, quiet=True, resume=True)

    def without_times(rows):
        return [{k: v for k, v in r.items() if k != "cpu_seconds"} for r in rows]

    assert without_times(again["rows"]) == without_times(metrics["rows"])
    with pytest.raises(CheckpointError, match="other settings"):
        hogn.run(tmp_path, quick=True, quiet=True, resume=True, seed=1)


def test_what_is_met_is_met_for_every_seed(tmp_path, monkeypatch):
    """Medians are told, but one seed that fails is enough."""
    monkeypatch.setattr(hogn, "QUICK", dataclasses.replace(TINY, models=("hogn-rk4",), seeds=3))
    rows = json.loads(json.dumps(hogn.run(tmp_path, quick=True, quiet=True)["rows"]))
    for row, r2 in zip(rows, (0.9999, 0.9995, 0.5), strict=True):
        row["r2"] = r2
    ((yes, text),) = goals(rows)
    assert not yes and "0.999500" in text and "2 of 3 seeds" in text
    energies = [row["by_step"]["1"]["energy"] for row in rows]
    (merged,) = by_model(rows)
    assert merged["by_step"]["1"]["energy"] == sorted(energies)[1] and merged["energies"] == (
        min(energies),
        max(energies),
    )
