"""A task of measured data for Hamiltonian neural networks: the outer planets by the ephemeris DE421.

Its tables come with the package ``de421`` of the extra ``ephemeris``: nothing is downloaded at run time.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import cast

import numpy as np

import hamsym as hs
from hamsym.errors import MissingExtraError
from learn.experiments.hnn_tasks import Rollouts, States, Task

#: Length of the unit of the planets' task in au; that of time makes the Sun's G M equal to 1.
AU = 10.0
PLANETS = ("jupiter", "saturn", "uranus", "neptune")


def planets() -> Task:
    """The four outer planets about the Sun as they were and will be, by the ephemeris DE421: measured, not simulated.

    One energy of one body: q is a planet's place relative to the Sun (which stands for the inner planets too) in
    10 au, p its velocity, time in units that make G M = 1.  Velocities are the ephemeris's, their derivatives central
    differences of fourth order.  States of 1900 to 2000 are for training, of 2000 to 2200 for testing: Neptune goes where
    it was not seen.  Planets pull each other, and the Sun, by up to a thousandth of what the Sun pulls: no H(q, p) of one
    body fits better than that.
    """
    system = hs.systems["kepler_3d"]
    space = cast(hs.PhaseSpace, system.hamiltonian.space)

    def draw(seed: int) -> tuple[States, States, Rollouts]:
        every, day = 10.0, np.sqrt(_gravity() / AU**3)  # of a day in our unit of time
        train, test = (
            _seen(start, years, every, day) for start, years in (("1900-01-01", 100), ("2000-01-01", 200))
        )
        flat = [States(*(x.reshape(-1, 3) for x in (s.q, s.p, s.dq, s.dp))) for s in (train, test)]
        truth = test.q[:, ::4], test.p[:, ::4]  # Jupiter's year has a hundred of these steps
        points = truth[0].shape[1]
        span = 4 * every * day * (points - 1)
        rollouts = Rollouts(test.q[:, 0], test.p[:, 0], span, points, fine=1, truth=truth)
        return flat[0], flat[1], rollouts

    generators = hs.total_angular_momentum(space, 3)
    return Task("outer planets", system.hamiltonian, {"m": 1.0, "k": 1.0}, generators, draw)


def at_hand() -> bool:
    """Whether the tables of the ephemeris are installed.

    Example:
        >>> at_hand() in (True, False)
        True
    """
    try:
        _gravity()
    except MissingExtraError:
        return False
    return True


def _gravity() -> float:
    """G times the mass of the Sun and the inner planets in au³/day²."""
    values = hs.solar_system("2000-01-01").parameters
    return values["G"] * values["m1"]


def _seen(start: str, years: int, every: float, day: float) -> States:
    """The planets' states relative to the Sun, arrays of shape (planet, time, 3)."""
    # two states more on both sides, for the differences
    first = date.fromisoformat(start) - timedelta(days=2 * every)
    seen = hs.solar_system(first, days=365.25 * years + 4 * every, every=every, bodies=("sun", *PLANETS))
    masses = np.array([seen.parameters[f"m{i}"] for i in range(1, 6)])
    q = seen.q[0].reshape(-1, 5, 3)
    v = seen.p[0].reshape(-1, 5, 3) / masses[:, None]
    q, v = ((x[:, 1:] - x[:, :1]).swapaxes(0, 1) / AU for x in (q, v))
    v, step = v / day, every * day
    a = (8 * (v[:, 3:-1] - v[:, 1:-3]) - (v[:, 4:] - v[:, :-4])) / (12 * step)
    return States(q[:, 2:-2], v[:, 2:-2], v[:, 2:-2], a)
