"""Particles on a line or a ring that push and pull each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import sympy as sp

from hamsym.data.systems.drawing import box, line
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import ENERGY, Draw, Facts, States
from hamsym.data.systems.writing import LONGEST, MOST_PARTICLES, over, over_pairs, pairs
from hamsym.symbolic.phase_space import PhaseSpace

#: The largest size at which all n integrals were proved to be conserved and to commute; beyond it, only the energy and
#: the total momentum are listed.
ALL_UP_TO = {"toda": 8, "toda_periodic": 8, "calogero_moser": 6, "sutherland": 5, "hyperbolic_sutherland": 4}


def paired(order: int, momenta: tuple[sp.Symbol, ...], force: Mapping[tuple[int, int], sp.Expr]) -> sp.Expr:
    """Return the integral ``Σ Π p_i Π (-V_jk)`` over all products of ``order`` indices with some of them paired.

    This is exp(-Σ V_jk ∂²/∂p_j∂p_k) applied to the elementary symmetric function of the momenta, the form in which
    the lattices of Toda and Calogero have their integrals without redundant terms.

    Arguments:
        order: degree in the momenta.
        momenta: the momenta.
        force: the potential V of each pair of particles that interact, counted from 0.

    Source: Sawada and Kotera, Journal of the Physical Society of Japan 39 (1975) 1614; Hénon, Physical Review B 9
    (1974) 1921.

    Example:
        >>> p, v = sp.symbols("p1 p2"), sp.Symbol("v")
        >>> paired(2, p, {(0, 1): v})
        p1*p2 - v
    """
    terms = []
    for bonds in range(order // 2 + 1):
        for chosen in itertools.combinations(force, bonds):
            taken = set(itertools.chain(*chosen))
            if len(taken) < 2 * bonds:
                continue
            free = [p for i, p in enumerate(momenta) if i not in taken]
            sign = sp.Mul(*(-force[bond] for bond in chosen))
            terms += [sign * sp.Mul(*some) for some in itertools.combinations(free, order - 2 * bonds)]
    return sp.Add(*terms)


def lattice(
    name: str,
    space: PhaseSpace,
    potential: str,
    source: str,
    draw: Draw,
    force: Callable[[], Mapping[tuple[int, int], sp.Expr]],
) -> Facts:
    """Facts of H = |p|²/2 + Σ V with the integrals of :func:`paired`, to which ``force`` gives each V."""
    n = space.dof
    known: dict[str, str | sp.Expr] = {"total momentum": over("p[i]", 1, n)}
    if n <= ALL_UP_TO[name]:
        each = force()
        known |= {f"integral of order {k}": paired(k, space.momenta, each) for k in range(3, n + 1)}
    energy = f"{over('p[i]**2/2', 1, n)} + {potential}"
    values = dict.fromkeys(space.parameters, 1.0)
    return Facts(space, energy, values, source, draw, known, rank=1 + len(known), involution=(ENERGY, *known))


@entry("Toda's lattice with free ends: solitons that scatter", n=Size("number of particles", 3, 2, LONGEST))
def toda(n: int) -> Facts:
    space = PhaseSpace.standard(n)
    q = space.coordinates
    return lattice(
        "toda",
        space,
        over("exp(q[i] - q[i + 1])", 1, n - 1),
        "Toda, Theory of Nonlinear Lattices; Flaschka, Physical Review B 9 (1974) 1924",
        box(n, 0.5, 0.5),
        lambda: {(i, i + 1): sp.exp(q[i] - q[i + 1]) for i in range(n - 1)},
    )


@entry("Toda's lattice on a ring", n=Size("number of particles", 3, 3, LONGEST))
def toda_periodic(n: int) -> Facts:
    space = PhaseSpace.standard(n)
    q = space.coordinates
    return lattice(
        "toda_periodic",
        space,
        f"{over('exp(q[i] - q[i + 1])', 1, n - 1)} + exp(q{n} - q1)",
        "Hénon, Physical Review B 9 (1974) 1921",
        box(n, 0.5, 0.5),
        lambda: {(i, (i + 1) % n): sp.exp(q[i] - q[(i + 1) % n]) for i in range(n)},
    )


def each_pair(space: PhaseSpace, chord: Callable[[sp.Expr], sp.Expr]) -> dict[tuple[int, int], sp.Expr]:
    """Return the potential g²/chord(q_i - q_j)² of each pair of particles, counted from 0.

    Example:
        >>> each_pair(PhaseSpace.standard(2, parameters={"g": "positive"}), sp.sin)
        {(0, 1): g**2/sin(q1 - q2)**2}
    """
    q, g = space.coordinates, space.parameters["g"]
    return {(i - 1, j - 1): g**2 / chord(q[i - 1] - q[j - 1]) ** 2 for i, j in pairs(space.dof)}


@entry(
    "particles on a line that repel with the inverse square",
    n=Size("number of particles", 3, 2, MOST_PARTICLES),
)
def calogero_moser(n: int) -> Facts:
    space = PhaseSpace.standard(n, parameters={"g": "positive"})
    source = "Moser, Advances in Mathematics 16 (1975) 197; Wojciechowski, Physics Letters A 95 (1983) 279"
    potential = over_pairs("g**2/(q[i] - q[j])**2", n)
    facts = lattice(
        "calogero_moser", space, potential, source, line(n, 1.5, 0.5), lambda: each_pair(space, sp.Add)
    )
    if n > ALL_UP_TO["calogero_moser"]:
        return facts
    # J_k = Σ q_i ∂I_k/∂p_i grows at the constant rate k I_k, so two of them give a constant.
    momentum, centre = sp.Add(*space.momenta), sp.Add(*space.coordinates)
    more, force = {}, each_pair(space, sp.Add)
    for k, integral in [(k, paired(k, space.momenta, force)) for k in range(2, n + 1)]:
        growing = sp.Add(
            *(x * sp.diff(integral, p) for x, p in zip(space.coordinates, space.momenta, strict=True))
        )
        more[f"Wojciechowski's integral {k}"] = momentum * growing - k * integral * centre
    return Facts(
        space,
        facts.energy,
        facts.parameters,
        source,
        facts.draw,
        {**facts.known, **more},
        rank=2 * n - 1,
        involution=facts.involution,
    )


@entry(
    "particles on a ring that repel with the inverse square of the chord",
    n=Size("number of particles", 3, 2, MOST_PARTICLES),
)
def sutherland(n: int) -> Facts:
    space = PhaseSpace.standard(n, parameters={"g": "positive"})
    source = "Sutherland, Physical Review A 5 (1972) 1372; Moser, Advances in Mathematics 16 (1975) 197"
    potential, draw = over_pairs("g**2/sin(q[i] - q[j])**2", n), line(n, np.pi / n, 0.5)
    return lattice("sutherland", space, potential, source, draw, lambda: each_pair(space, sp.sin))


@entry(
    "particles on a line that repel with the inverse square of the hyperbolic sine",
    n=Size("number of particles", 3, 2, MOST_PARTICLES),
)
def hyperbolic_sutherland(n: int) -> Facts:
    space = PhaseSpace.standard(n, parameters={"g": "positive"})
    source = "Calogero, Marchioro and Ragnisco, Lettere al Nuovo Cimento 13 (1975) 383"
    potential, draw = over_pairs("g**2/sinh(q[i] - q[j])**2", n), line(n, 1.0, 0.5)
    return lattice("hyperbolic_sutherland", space, potential, source, draw, lambda: each_pair(space, sp.sinh))


_FPU = "Fermi, Pasta, Ulam and Tsingou, Los Alamos report LA-1940 (1955)"


@entry("masses on anharmonic springs between two walls", n=Size("number of masses", 8, 1, LONGEST))
def fpu(n: int) -> Facts:
    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # The lowest mode of the harmonic chain, at rest, as in the report.
        mode = np.sin(np.pi * np.arange(1, n + 1) / (n + 1))
        return rng.uniform(0.3, 1.0, (count, 1)) * mode, np.zeros((count, n))

    walls = f"{_spring('q1')} + {_spring(f'(-q{n})')}"
    return Facts(_springs(n), f"{_chain(n)} + {walls}", _ALPHA_BETA, _FPU, draw)


@entry("masses on anharmonic springs in a ring", n=Size("number of masses", 8, 3, LONGEST))
def fpu_periodic(n: int) -> Facts:
    return Facts(
        _springs(n),
        f"{_chain(n)} + {_spring(f'(q1 - q{n})')}",
        _ALPHA_BETA,
        _FPU,
        box(n, 0.3, 0.3),
        {"total momentum": over("p[i]", 1, n)},
        rank=2,
        involution=(ENERGY, "total momentum"),
    )


_ALPHA_BETA = {"alpha": 0.25, "beta": 0.1}


def _springs(n: int) -> PhaseSpace:
    return PhaseSpace.standard(n, parameters=dict.fromkeys(_ALPHA_BETA, "real"))


def _spring(longer: str) -> str:
    """The energy of a spring that is longer than at rest by so much."""
    return f"{longer}**2/2 + alpha*{longer}**3/3 + beta*{longer}**4/4"


def _chain(n: int) -> str:
    """Kinetic energy and springs between neighbours."""
    return f"{over('p[i]**2/2', 1, n)} + {over(_spring('(q[i + 1] - q[i])'), 1, n - 1)}"


@entry("rotors on a ring, each pulled by its neighbours", n=Size("number of rotors", 4, 3, LONGEST))
def rotor_ring(n: int) -> Facts:
    return Facts(
        PhaseSpace.standard(n, parameters={"k": "positive"}),
        f"{over('p[i]**2/2', 1, n)} + {over('k*(1 - cos(q[i] - q[i + 1]))', 1, n - 1)} + k*(1 - cos(q{n} - q1))",
        {"k": 1.0},
        "Livi, Pettini, Ruffo and Vulpiani, Journal of Statistical Physics 48 (1987) 539",
        box(n, np.pi, 0.5),
        {"total momentum": over("p[i]", 1, n)},
        rank=2,
        involution=(ENERGY, "total momentum"),
    )
