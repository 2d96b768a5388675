"""The real solar system: positions of the planets from the ephemeris DE421 of the Jet Propulsion Laboratory.

Its tables come with the package ``de421`` and are read with ``jplephem``, both in the extra ``ephemeris``.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from hamsym.arguments import real, shown
from hamsym.data.systems import systems
from hamsym.errors import MissingExtraError, ParameterError, UnknownNameError, did_you_mean
from hamsym.numeric.trajectories import Trajectories

#: Each body and the name of its mass, times G, among the constants of the ephemeris.
_MASSES = {
    "sun": "GMS",
    "mercury": "GM1",
    "venus": "GM2",
    "earthmoon": "GMB",
    "mars": "GM4",
    "jupiter": "GM5",
    "saturn": "GM6",
    "uranus": "GM7",
    "neptune": "GM8",
    "pluto": "GM9",
}
#: Bodies that count with the Sun where they are not asked for.
_INNER = ("mercury", "venus", "earthmoon", "mars")
_OUTER = ("sun", "jupiter", "saturn", "uranus", "neptune")
_MOST_STATES = 10_000_000
_JULIAN_1970 = 2440587.5


def solar_system(
    date: str | datetime.date | float,
    *,
    days: float = 0.0,
    every: float = 10.0,
    bodies: Sequence[str] = _OUTER,
) -> Trajectories:
    """Return where Sun and planets really were, or will be, as a trajectory of ``hamsym.systems["nbody"]``.

    Positions, relative to the barycentre of the solar system, and momenta are those of DE421, a fit of the full
    equations of motion (relativity, asteroids, the Moon) to observations: they do not solve the equations of their
    ``hamiltonian``, Newton's, exactly.  The difference is that of the bodies left out, and of relativity.

    Arguments:
        date: of the first state, in barycentric dynamical time (within 70 s of civil time): ``"2000-01-01"`` or
            ``"2000-01-01T12:00"``, a :class:`datetime.date`, or a Julian date as a number.  From 1899-12-04 to 2200-02-01.
        days: length of the trajectory; negative runs backward.  0 gives one state.
        every: days between the states.
        bodies: two or more of ``"sun"``, ``"mercury"``, ``"venus"``, ``"earthmoon"`` (the barycentre of Earth and Moon),
            ``"mars"``, ``"jupiter"``, ``"saturn"``, ``"uranus"``, ``"neptune"``, ``"pluto"``.  Mercury to Mars, where they
            are not asked for, are counted with the Sun: it gets their masses, and stands for their common barycentre.

    Returns:
        :class:`hamsym.Trajectories` with one trajectory.  Units are astronomical units, days and solar masses; ``t``
        counts the days from ``date``; ``parameters`` holds G and the masses ``m1``, ``m2``, …, from the constants in the
        ephemeris; in ``q`` and ``p``, ``(1, time, 3 * len(bodies))``, body i has the columns ``3*i`` to ``3*i + 2``, along
        the axes of the International Celestial Reference Frame (x to the equinox, z to the celestial pole).

    Raises:
        MissingExtraError: if the packages of the extra ``ephemeris`` are not installed.
        ParameterError: for a date that cannot be read or is outside of the ephemeris, or bodies that do not fit.
        UnknownNameError: for a body that the ephemeris does not have.

    Source:
        Folkner, Williams, Boggs, The Planetary and Lunar Ephemeris DE 421, IPN Progress Report 42-178 (2009).

    Example:
        >>> from hamsym import simulate, solar_system
        >>> truth = solar_system("2000-01-01", days=1000, every=100)
        >>> truth.q.shape, round(1 / truth.parameters["m2"])  # Jupiter's mass is 1/1047 of the Sun's
        ((1, 11, 15), 1047)
        >>> ours = simulate(truth.hamiltonian, truth.q[:, 0], truth.p[:, 0], dt=20.0, steps=50, save_every=5,
        ...                 method="kahan_li6", parameters=truth.parameters)
        >>> bool(abs(ours.q - truth.q).max() < 1e-5)  # within 1500 km after three years
        True
    """
    ephemeris, chosen = _load(), _known(bodies)
    start = _julian(date)
    days, every = real("days", days), real("every", every, above=0)
    for moment in (start, start + days):
        if not ephemeris.jalpha <= moment <= ephemeris.jomega:
            first, last = (_civil(end) for end in (ephemeris.jalpha, ephemeris.jomega))
            raise ParameterError(
                f"DE421 covers {first} to {last} (Julian dates {ephemeris.jalpha} to {ephemeris.jomega}), not "
                f"{moment}; take another date or fewer days"
            )
    if abs(days) / every > _MOST_STATES:
        raise ParameterError(
            f"every = {every:g} days makes more than {_MOST_STATES} states; take longer ones"
        )
    t = math.copysign(every, days) * np.arange(int(abs(days) / every + 1e-9) + 1)
    with_the_sun = ["sun", *(name for name in _INNER if name not in chosen)]
    tracks = [_track(ephemeris, with_the_sun if name == "sun" else [name], start, t) for name in chosen]
    return Trajectories(
        systems["nbody"](n=len(chosen), d=3).hamiltonian,
        "DE421",
        float(math.copysign(every, days)),
        {"G": float(ephemeris.GMS), **{f"m{i}": mass for i, (mass, _, _) in enumerate(tracks, 1)}},
        t,
        np.concatenate([q for _, q, _ in tracks], axis=-1)[None],
        np.concatenate([p for _, _, p in tracks], axis=-1)[None],
    )


def _track(
    ephemeris: Any, members: Sequence[str], start: float, t: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass of a few bodies in solar masses, place of their barycentre and momentum, ``(time, 3)``, in AU and days."""
    masses = [float(getattr(ephemeris, _MASSES[name]) / ephemeris.GMS) for name in members]
    total, states = sum(masses), [ephemeris.position_and_velocity(name, start, t) for name in members]
    q, p = (
        sum(m * state[i] for m, state in zip(masses, states, strict=True)).T / ephemeris.AU for i in (0, 1)
    )
    return total, q / total, p


@cache
def _load() -> Any:
    try:
        import de421
        from jplephem import Ephemeris
    except ImportError as error:
        raise MissingExtraError(
            f"the positions of the planets need the package {error.name!r}; pip install 'hamsym[ephemeris]'"
        ) from None
    return Ephemeris(de421)


def _known(bodies: Sequence[str]) -> list[str]:
    if isinstance(bodies, str) or not isinstance(bodies, Sequence):
        raise ParameterError(f"bodies is a list of names such as {list(_OUTER)}, not {shown(bodies)}")
    for name in bodies:
        if not isinstance(name, str) or name not in _MASSES:
            raise UnknownNameError(f"DE421 has no body {name!r}{did_you_mean(str(name), _MASSES)}")
    if len(bodies) < 2 or len(set(bodies)) < len(bodies):
        raise ParameterError(f"bodies names two or more different ones, not {shown(list(bodies))}")
    return list(bodies)


def _julian(date: str | datetime.date | float) -> float:
    """Days since noon of the first of January 4713 BC."""
    if isinstance(date, str | datetime.date):
        try:
            moment = datetime.datetime.fromisoformat(str(date))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is not None:
            raise ParameterError(
                f"date is written like '2000-01-01' or '2000-01-01T12:00', without time zone, not {shown(str(date))}"
            )
        return _JULIAN_1970 + (moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)
    return real("date, if not a calendar date but a Julian one,", date)


def _civil(julian: float) -> str:
    return str(datetime.date(1970, 1, 1) + datetime.timedelta(math.floor(julian - _JULIAN_1970)))
