"""Poincaré sections: crossings where the exact motion has them, on the surface and on the energy shell."""

import math

import matplotlib
import numpy as np
import pytest

import hamsym as hs
from hamsym.errors import FormulaError, NonFiniteError, ParameterError

matplotlib.use("Agg")
OSCILLATORS = hs.Hamiltonian("(p1**2 + p2**2)/2 + (q1**2 + 2*q2**2)/2", hs.PhaseSpace.standard(2))


@pytest.mark.parametrize(("direction", "first", "period"), [(1, 1.5, 2), (-1, 0.5, 2), (0, 0.5, 1)])
@pytest.mark.parametrize("dt", [0.05, -0.05])
def test_crossings_of_two_oscillators_are_at_their_exact_times_and_states(direction, first, period, dt):
    q, p = np.array([[1.0, 0.2], [0.5, -0.3]]), np.array([[0.0, 0.4], [0.0, 0.0]])
    section = hs.poincare_section(OSCILLATORS, q, p, dt, 500, surface="q1", direction=direction)
    assert section.trajectory.tolist() == sorted(section.trajectory)
    for i in range(2):
        mine = section.trajectory == i
        exact = np.pi * np.arange(first, 25 / np.pi, period)
        assert np.abs(section.t[mine]) == pytest.approx(exact, abs=1e-8)
        w, t = math.sqrt(2), section.t[mine]
        assert section.q[mine, 1] == pytest.approx(
            q[i, 1] * np.cos(w * t) + p[i, 1] / w * np.sin(w * t), abs=1e-8
        )
        assert np.abs(section.q[mine, 0]).max() < 1e-15
        assert np.array_equal(t, t[np.argsort(np.abs(t))])


def test_crossings_keep_the_energy_and_do_not_depend_on_chunks(monkeypatch):
    from hamsym.numeric import section as module

    system = hs.systems["henon_heiles"]
    q, p = system.initial_states(30, seed=2)
    options = {"dt": 0.05, "steps": 3000, "surface": "q1", "method": "blanes_moan6"}
    whole = hs.poincare_section(system.hamiltonian, q, p, **options)
    energy = (
        (whole.p**2).sum(-1) / 2
        + (whole.q**2).sum(-1) / 2
        + whole.q[:, 0] ** 2 * whole.q[:, 1]
        - whole.q[:, 1] ** 3 / 3
    )
    start = (p**2).sum(-1) / 2 + (q**2).sum(-1) / 2 + q[:, 0] ** 2 * q[:, 1] - q[:, 1] ** 3 / 3
    assert np.abs(energy - start[whole.trajectory]).max() < 1e-10
    assert np.abs(whole.q[:, 0]).max() < 1e-14
    assert (whole.p[:, 0] > 0).all() and len(whole) > 500
    monkeypatch.setattr(module, "_HELD", 60 * 700)
    parts = hs.poincare_section(system.hamiltonian, q, p, **options)
    assert np.array_equal(parts.trajectory, whole.trajectory)
    assert np.abs(parts.t - whole.t).max() < 1e-6  # chaos makes more of rounding at the seams
    assert np.median(np.abs(parts.q - whole.q)) < 1e-13


def test_a_clock_makes_a_stroboscope():
    H = hs.Hamiltonian("p1**2/2 - cos(q1)*(1 + cos(t)/5)", hs.PhaseSpace.standard(1, time="t"))
    section = hs.poincare_section(
        H, [[0.3], [1.0]], [[0.0], [0.0]], 0.1, 1000, surface="sin(t/2)", direction=0
    )
    assert section.t[section.trajectory == 1] == pytest.approx(2 * np.pi * np.arange(1, 16), abs=1e-12)


def test_tables_pictures_and_text(tmp_path):
    section = hs.poincare_section(OSCILLATORS, [1.0, 0.2], [0.0, 0.4], 0.1, 300, surface="q1 - 1/4")
    assert repr(section) == f"PoincareSection: {len(section)} crossings of q1 - 1/4 = 0 by 1 trajectories"
    frame = section.to_pandas()
    assert frame.columns.tolist() == ["trajectory", "time", "q1", "q2", "p1", "p2"]
    assert np.array_equal(frame["p2"], section.p[:, 1])
    axes = section.plot(path=tmp_path / "section.svg")
    assert "<svg" in (tmp_path / "section.svg").read_text()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("q2", "p2")
    assert len(axes.collections[0].get_offsets()) == len(section)
    with pytest.raises(ParameterError, match="no variable 'p3'"):
        section.plot("q1", "p3")
    empty = hs.poincare_section(OSCILLATORS, [1.0, 0.2], [0.0, 0.4], 0.1, 30, surface="q1 - 9")
    assert len(empty) == 0 and empty.q.shape == (0, 2) and len(empty.to_pandas()) == 0


def test_a_lost_trajectory_is_named_and_the_crossings_are_kept():
    q, p = np.array([[0.1, 0.0], [0.0, 8.0], [0.2, 0.0]]), np.zeros((3, 2))
    with pytest.raises(NonFiniteError, match="trajectory 1 left") as caught:
        hs.poincare_section(
            hs.systems["henon_heiles"].hamiltonian, q, p, 0.1, 400, surface="q1", method="leapfrog"
        )
    assert caught.value.index == 1
    assert {0, 2} <= set(caught.value.partial.trajectory)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"surface": "3"}, ParameterError, "has no variable in it"),
        ({"surface": "q9"}, FormulaError, "q9"),
        ({"direction": 2}, ParameterError, "direction is -1, 0 or 1, not 2"),
        ({"direction": True}, ParameterError, "direction"),
        ({"steps": 0}, ParameterError, "steps is at least 1"),
        ({"dt": 0}, ParameterError, "dt is not zero"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    arguments = {"q0": [1.0, 0.2], "p0": [0.0, 0.4], "dt": 0.1, "steps": 30, "surface": "q1"} | change
    with pytest.raises(error, match=message):
        hs.poincare_section(OSCILLATORS, **arguments)
