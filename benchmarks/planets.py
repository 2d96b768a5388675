"""The giant planets after ten years against the ephemeris DE421: how far Newton's equations are off, and why.

    python benchmarks/planets.py [--start 1990-01-01] [--days 3650]

Started from the ephemeris, integrated with Kahan and Li's method of order eight, compared with the ephemeris.  ``alone`` has
the masses of Mercury to Mars in the Sun; ``explained`` is the first-order displacement by the rings that they are
(Hill's equations, as in the tests); ``with inner`` has them as bodies, and what remains is relativity, the asteroids and, for
Neptune, Pluto; ``energy`` is the relative error of the energy at the end.  Kilometres.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

import hamsym as hs

KILOMETRES = 149_597_870.7
INNER = ("mercury", "venus", "earthmoon", "mars")
GIANTS = ("jupiter", "saturn", "uranus", "neptune")


def differences(bodies: tuple[str, ...], start: str, days: float, step: float) -> tuple[np.ndarray, float]:
    """Distance of every body from where it was, in km, and the relative error of the energy."""
    truth = hs.solar_system(start, days=days, every=days, bodies=bodies)
    steps = round(days / step)
    ours = hs.simulate(
        truth.hamiltonian, truth.q[:, 0], truth.p[:, 0], days / steps, steps, save_every=steps, method="kahan_li8",
        parameters=truth.parameters,
    )  # fmt: skip
    apart = (ours.q - truth.q)[0, -1].reshape(-1, 3)
    return np.linalg.norm(apart, axis=-1) * KILOMETRES, float(abs(ours.energy[0, -1] / ours.energy[0, 0] - 1))


def explained(start: str, days: float) -> np.ndarray:
    """Displacement of circular orbits by rings of the inner planets' masses, in km."""
    truth = hs.solar_system(start, days=days, every=5.0, bodies=("sun", *INNER, *GIANTS))
    places = truth.q[0].reshape(len(truth.t), -1, 3)
    squares = (np.linalg.norm(places[:, 1:] - places[:, :1], axis=-1) ** 2).mean(0)
    masses = np.array([truth.parameters[f"m{i}"] for i in range(2, 6)])
    r = np.sqrt(squares[4:])
    angle = days * np.sqrt(truth.parameters["G"] / r**3)
    surplus = 0.75 * (masses * squares[:4]).sum() / r**2
    return surplus * r * np.hypot(1 - np.cos(angle), 2 * (angle - np.sin(angle))) * KILOMETRES


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--start", default="1990-01-01")
    parser.add_argument("--days", type=float, default=3650.0)
    options = parser.parse_args()
    alone, energy = differences(("sun", *GIANTS), options.start, options.days, 25.0)
    fuller, fuller_energy = differences(("sun", *INNER, *GIANTS), options.start, options.days, 2.5)
    table = Table(title=f"km after {options.days:g} days from {options.start}")
    for column in ("planet", "alone", "explained", "with inner"):
        table.add_column(column, justify="left" if column == "planet" else "right")
    for name, *values in zip(
        GIANTS, alone[1:], explained(options.start, options.days), fuller[5:], strict=True
    ):
        table.add_row(name, *(f"{value:.1f}" for value in values))
    table.add_section()
    table.add_row("energy", f"{energy:.1e}", "", f"{fuller_energy:.1e}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
