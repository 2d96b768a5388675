"""What is proved stands in files and tables with its certificate; what is measured is measured for any generator."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from flows import CASES, EXACT, ROTATION, make

import hamsym as hs
from hamsym.errors import ShapeError, SymmetryError
from learn.checkpoint import load
from learn.cli import evaluate as command
from learn.evaluation.measures import evaluate
from learn.flow.density import HamiltonianFlow
from learn.symmetry.angles import angle_calibration
from learn.symmetry.equivariance import density_invariance
from learn.symmetry.proof import records

SPACE = hs.PhaseSpace.standard(4)


@pytest.mark.parametrize("case", EXACT)
def test_a_saved_exact_flow_carries_its_proofs(case, tmp_path):
    flow = make(case)
    flow.save(tmp_path)
    stored = json.loads((tmp_path / "model.json").read_text())["proofs"]
    assert len(stored) == 3 * len(flow.generators)
    assert {(r["status"], r["checked"]) for r in stored} == {("proved", True)}
    # each verdict names the generator and the part, and what its proof reduces by
    for g in flow.generators:
        about = [r for r in stored if f"for g = {g.text}, " in r["question"]]
        assert [r["question"][:8] for r in about] == ["{g, U} =", "{g, K} =", "{g, -log"]
        assert all("V(" in r["certificate"][0]["meaning"] for r in about[:2])
    assert stored == records(load(tmp_path).prove_symmetry())
    flow.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.json").read_bytes() == (tmp_path / "model.json").read_bytes()


@pytest.mark.parametrize("case", [c for c in CASES if c not in EXACT])
def test_other_flows_carry_none_and_never_say_proved(case, tmp_path):
    flow = make(case)
    flow.save(tmp_path)
    assert "prove" not in (tmp_path / "model.json").read_text().lower()
    measured = flow.prove_symmetry()
    assert len(measured) == len(flow.generators) and "prove" not in repr(measured).lower()
    assert all("status" not in m.to_dict() and m.rms > 0 for m in measured)


def test_a_claim_in_a_file_is_not_believed(tmp_path):
    flow = make("features")
    flow.save(tmp_path)
    text = json.loads((tmp_path / "model.json").read_text())
    text["proofs"] = [{"question": "{g, H} = 0", "status": "proved", "checked": True}]
    (tmp_path / "model.json").write_text(json.dumps(text))
    assert all(not hasattr(m, "status") for m in load(tmp_path).prove_symmetry())


@pytest.mark.parametrize("case", [c for c in EXACT if CASES[c]["dim"] <= 2])
def test_log_p_of_an_exact_flow_is_the_same_along_orbits_to_rounding(case):
    """By quadrature over p in float64, for several weights; a flow that is not exact is far from that."""
    for seed in (0, 1):
        flow = make(case, seed=seed)
        value, floor = density_invariance(
            flow, flow.generators, flow.sample(6, seed=1), elements=5, method="quadrature"
        )
        assert value < 1e-9 and floor < 1e-3
    free = make("features")
    assert (
        density_invariance(free, ROTATION, free.sample(3, seed=1), elements=3, method="quadrature").value
        > 1e-2
    )


GROUPS = {
    "two rotations of four dimensions": [hs.angular_momentum(SPACE, 0, 1), hs.angular_momentum(SPACE, 2, 3)],
    "one that turns both planes, one faster": ["q1*p2 - q2*p1 + 2*(q3*p4 - q4*p3)"],
    "SO(4)": [hs.angular_momentum(SPACE, i, i + 1) for i in range(3)],
    "two bodies on a line": ["p1 + p3", "p2 + p4"],
}


@pytest.mark.parametrize("group", GROUPS)
def test_other_groups_are_kept_proved_and_measured(group):
    flow = HamiltonianFlow(
        4, hamiltonians=2, width=8, symmetry="exact", generators=GROUPS[group], seed=0
    ).double()
    with torch.no_grad():
        for h in flow.chain:
            h.potential_energy.out.mul_(8), h.kinetic_energy.out.mul_(8)
    assert {v.status for v in flow.prove_symmetry()} == {"proved"}
    q, p = torch.randn(2, 20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for g in flow.generators:
        matrix, offset = (torch.tensor(a) for a in g.flow("e").arrays({"e": 0.7}))
        turn, shift = matrix[:4, :4], offset[:4]
        image, moved = flow.push_forward(q, p), flow.push_forward(q @ turn.T + shift, p @ turn.T)
        torch.testing.assert_close(moved[0], image[0] @ turn.T + shift, rtol=1e-11, atol=1e-11)
    found = evaluate(flow, q.numpy(), generators=flow.generators, samples=8, turned=3)
    assert len(found["proofs"]) == 3 * len(flow.generators)
    for g in flow.generators:
        measured = found["symmetry"][g.text]
        assert max(measured["bracket_relative"].values()) < 1e-12
        assert measured["density_invariance"]["value"] < 1e-9
        planes = 0 if group == "two bodies on a line" else 2 if "both" in group else 1
        assert len(measured["angles"] or []) == planes
        assert all(test["p_value"] > 1e-5 for test in measured["angles"] or [])


@pytest.mark.parametrize(
    ("generator", "orbits", "planes"),
    [("q1*p3 - q3*p1", True, 1), ("p2", True, 0), ("q1*p1", True, 0), ("p1**2/2 + q1**2/2", False, 0), ("p1*q2**2", False, 0)],
)  # fmt: skip
def test_any_generator_is_measured_on_all_states(generator, orbits, planes):
    """What has no orbits of points has brackets all the same; in modes that prove nothing nothing is proved."""
    flow = HamiltonianFlow(3, hamiltonians=2, width=8, symmetry="penalty", generators=generator, seed=0)
    found = evaluate(flow, flow.sample(50, seed=1).numpy(), generators=flow.generators, samples=8, turned=3)
    (measured,) = found["symmetry"].values()
    assert set(measured["bracket_relative"]) == {"base", "data", "trajectory", "off_data"}
    assert all(v > 0 for v in measured["bracket_mean_square"].values())
    assert (measured["density_invariance"] is not None) == orbits
    assert len(measured["angles"] or []) == planes
    assert "proofs" not in found and found["energy_distance"]["noise_floor"] > 0


def test_angles_about_another_centre_and_of_skewed_points():
    random = np.random.default_rng(0)
    points = random.normal([3.0, -1.0], size=(20_000, 2))
    about = hs.Generator("(q1 - 3)*p2 - (q2 + 1)*p1", hs.PhaseSpace.standard(2))
    origin = hs.Generator(ROTATION, hs.PhaseSpace.standard(2))
    assert angle_calibration(about, points)[0]["p_value"] > 1e-4
    assert angle_calibration(origin, points)[0]["p_value"] < 1e-12
    assert angle_calibration(about, points * [1.0, 1.2])[0]["p_value"] < 1e-4
    with pytest.raises(ShapeError):
        angle_calibration(origin, points[:, :1])
    with pytest.raises(SymmetryError, match="antisymmetric"):
        angle_calibration(hs.Generator("q1*p1", hs.PhaseSpace.standard(2)), points)


def test_evaluate_prints_verdicts_of_exact_flows_alone(tmp_path, capsys):
    for case, proved in (("exact", 3), ("penalty", 0)):
        make(case, torch.float32).save(tmp_path / case)
        command(tmp_path / case, "ring", points=20, samples=4)
        printed = capsys.readouterr().out
        assert printed.count("proved, checked again") == printed.lower().count("prove") == proved
        assert "angles of samples uniform" in printed
