"""Fields on a periodic lattice."""

from __future__ import annotations

import numpy as np

from hamsym.data.systems.drawing import box
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import Facts
from hamsym.data.systems.writing import LONGEST, over
from hamsym.errors import ParameterError
from hamsym.symbolic.phase_space import PhaseSpace


def bonds(n: int, d: int, half: str = "") -> str:
    """Return the sum of (q_i - q_j)² over neighbours on a periodic lattice of side n in d dimensions, each pair once.

    Sites are counted from 1, along the last axis first.

    Arguments:
        n, d: sides and dimensions.
        half: what follows each square, as ``"/2"``.

    Example:
        >>> bonds(4, 1)
        'Sum((q[i] - q[i + 1])**2, (i, 1, 3)) + Sum((q[i] - q[i + 3])**2, (i, 1, 1))'
        >>> bonds(2, 1, "/2")
        'Sum((q[i] - q[i + 1])**2/2, (i, 1, 1))'
    """
    found = []
    for axis in range(d):
        step = n ** (d - 1 - axis)
        place, blocks = "i", ""
        if axis:
            place, blocks = f"{n * step}*b + i", f", (b, 0, {n**axis - 1})"
        around = [(step, (n - 1) * step)] + [((n - 1) * step, step)] * (n > 2)
        found += [
            f"Sum((q[{place}] - q[{place} + {far}])**2{half}, (i, 1, {last}){blocks})" for far, last in around
        ]
    return " + ".join(found)


@entry(
    "a scalar field with a quartic self-interaction on a periodic lattice",
    n=Size("side of the lattice", 4, 2, LONGEST),
    d=Size("number of dimensions", 2, 1, 3),
)
def lattice_phi4(n: int, d: int) -> Facts:
    if n**d > LONGEST:
        raise ParameterError(
            f"lattice_phi4 has at most {LONGEST} sites, not n**d = {n**d}; take a smaller n or d"
        )
    space = PhaseSpace.standard(n**d, parameters={"m2": "real", "g": "positive"})
    return Facts(
        space,
        f"{over('p[i]**2/2 + m2*q[i]**2/2 + g*q[i]**4/4', 1, n**d)} + {bonds(n, d, '/2')}",
        {"m2": -1.0, "g": 1.0},
        "Montvay and Münster, Quantum Fields on a Lattice, chapter 2; m2 is the squared mass",
        box(n**d, 1.2, 0.5),
    )


@entry(
    "a chain of pendula coupled by springs, the lattice of sine and Gordon",
    n=Size("number of sites", 6, 3, LONGEST),
)
def sine_gordon(n: int) -> Facts:
    return Facts(
        PhaseSpace.standard(n, parameters={"k": "positive", "w": "positive"}),
        f"{over('p[i]**2', 1, n)}/2 + k*({bonds(n, 1)})/2 + w**2*{over('1 - cos(q[i])', 1, n)}",
        {"k": 1.0, "w": 1.0},
        "Braun and Kivshar, The Frenkel–Kontorova Model",
        box(n, np.pi, 0.5),
    )
