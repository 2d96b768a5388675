"""Particles on a line or a ring that push and pull each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import sympy as sp

from hamsym.data.systems.drawing import box, line
from hamsym.data.systems.family import Size, entry
from hamsym.data.systems.system import ENERGY, Draw, Facts, States
from hamsym.data.systems.writing import pairs, squares, total
from hamsym.symbolic.space import PhaseSpace

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
    force: Mapping[tuple[int, int], sp.Expr],
    source: str,
    draw: Draw,
) -> Facts:
    """Facts of H = |p|²/2 + Σ V with the integrals of :func:`paired`."""
    orders = range(3, space.dof + 1) if space.dof <= ALL_UP_TO[name] else ()
    known = {"total momentum": sp.Add(*space.momenta)}
    known |= {f"integral of order {k}": paired(k, space.momenta, force) for k in orders}
    energy = sp.Add(*(p**2 / 2 for p in space.momenta), *force.values())
    values = dict.fromkeys(space.parameters, 1.0)
    return Facts(space, energy, values, source, draw, known, rank=1 + len(known), involution=(ENERGY, *known))


@entry("Toda's lattice with free ends: solitons that scatter", n=Size("number of particles", 3, 2, 100))
def toda(n: int) -> Facts:
    space = PhaseSpace.standard(n)
    q = space.coordinates
    bonds = {(i, i + 1): sp.exp(q[i] - q[i + 1]) for i in range(n - 1)}
    source = "Toda, Theory of Nonlinear Lattices; Flaschka, Physical Review B 9 (1974) 1924"
    return lattice("toda", space, bonds, source, box(n, 0.5, 0.5))


@entry("Toda's lattice on a ring", n=Size("number of particles", 3, 3, 100))
def toda_periodic(n: int) -> Facts:
    space = PhaseSpace.standard(n)
    q = space.coordinates
    bonds = {(i, (i + 1) % n): sp.exp(q[i] - q[(i + 1) % n]) for i in range(n)}
    source = "Hénon, Physical Review B 9 (1974) 1921"
    return lattice("toda_periodic", space, bonds, source, box(n, 0.5, 0.5))


def each_pair(space: PhaseSpace, chord: Callable[[sp.Expr], sp.Expr]) -> dict[tuple[int, int], sp.Expr]:
    """Return the potential g²/chord(q_i - q_j)² of each pair of particles, counted from 0.

    Example:
        >>> each_pair(PhaseSpace.standard(2, parameters={"g": "positive"}), sp.sin)
        {(0, 1): g**2/sin(q1 - q2)**2}
    """
    q, g = space.coordinates, space.parameters["g"]
    return {(i - 1, j - 1): g**2 / chord(q[i - 1] - q[j - 1]) ** 2 for i, j in pairs(space.dof)}


@entry("particles on a line that repel with the inverse square", n=Size("number of particles", 3, 2, 40))
def calogero_moser(n: int) -> Facts:
    space = PhaseSpace.standard(n, parameters={"g": "positive"})
    force = each_pair(space, sp.Add)
    source = "Moser, Advances in Mathematics 16 (1975) 197; Wojciechowski, Physics Letters A 95 (1983) 279"
    facts = lattice("calogero_moser", space, force, source, line(n, 1.5, 0.5))
    if n > ALL_UP_TO["calogero_moser"]:
        return facts
    # J_k = Σ q_i ∂I_k/∂p_i grows at the constant rate k I_k, so two of them give a constant.
    momentum, centre = facts.known["total momentum"], sp.Add(*space.coordinates)
    second = paired(2, space.momenta, force)
    more = {}
    for k, integral in [(2, second), *((k, facts.known[f"integral of order {k}"]) for k in range(3, n + 1))]:
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
    n=Size("number of particles", 3, 2, 40),
)
def sutherland(n: int) -> Facts:
    space = PhaseSpace.standard(n, parameters={"g": "positive"})
    source = "Sutherland, Physical Review A 5 (1972) 1372; Moser, Advances in Mathematics 16 (1975) 197"
    return lattice("sutherland", space, each_pair(space, sp.sin), source, line(n, np.pi / n, 0.5))


@entry(
    "particles on a line that repel with the inverse square of the hyperbolic sine",
    n=Size("number of particles", 3, 2, 40),
)
def hyperbolic_sutherland(n: int) -> Facts:
    space = PhaseSpace.standard(n, parameters={"g": "positive"})
    source = "Calogero, Marchioro and Ragnisco, Lettere al Nuovo Cimento 13 (1975) 383"
    return lattice("hyperbolic_sutherland", space, each_pair(space, sp.sinh), source, line(n, 1.0, 0.5))


_FPU = "Fermi, Pasta, Ulam and Tsingou, Los Alamos report LA-1940 (1955)"


@entry("masses on anharmonic springs between two walls", n=Size("number of masses", 8, 1, 1024))
def fpu(n: int) -> Facts:
    def draw(count: int, rng: np.random.Generator, k: dict[str, float]) -> States:
        # The lowest mode of the harmonic chain, at rest, as in the report.
        mode = np.sin(np.pi * np.arange(1, n + 1) / (n + 1))
        return rng.uniform(0.3, 1.0, (count, 1)) * mode, np.zeros((count, n))

    space = _springs(n)
    places = [sp.Integer(0), *space.coordinates, sp.Integer(0)]
    return Facts(space, _spring_energy(space, places), _ALPHA_BETA, _FPU, draw)


@entry("masses on anharmonic springs in a ring", n=Size("number of masses", 8, 3, 1024))
def fpu_periodic(n: int) -> Facts:
    space = _springs(n)
    places = [*space.coordinates, space.coordinates[0]]
    return Facts(
        space,
        _spring_energy(space, places),
        _ALPHA_BETA,
        _FPU,
        box(n, 0.3, 0.3),
        {"total momentum": sp.Add(*space.momenta)},
        rank=2,
        involution=(ENERGY, "total momentum"),
    )


_ALPHA_BETA = {"alpha": 0.25, "beta": 0.1}


def _springs(n: int) -> PhaseSpace:
    return PhaseSpace.standard(n, parameters=dict.fromkeys(_ALPHA_BETA, "real"))


def _spring_energy(space: PhaseSpace, places: Sequence[sp.Expr]) -> sp.Expr:
    alpha, beta = space.parameters.values()
    longer = [b - a for a, b in itertools.pairwise(places)]
    springs = [x**2 / 2 + alpha * x**3 / 3 + beta * x**4 / 4 for x in longer]
    return sp.Add(*(p**2 / 2 for p in space.momenta), *springs)


@entry("rotors on a ring, each pulled by its neighbours", n=Size("number of rotors", 4, 3, 300))
def rotor_ring(n: int) -> Facts:
    bonds = [f"k*(1 - cos(q{i} - q{i % n + 1}))" for i in range(1, n + 1)]
    return Facts(
        PhaseSpace.standard(n, parameters={"k": "positive"}),
        f"{squares('p', n)}/2 + {total(bonds)}",
        {"k": 1.0},
        "Livi, Pettini, Ruffo and Vulpiani, Journal of Statistical Physics 48 (1987) 539",
        box(n, np.pi, 0.5),
        {"total momentum": total(f"p{i}" for i in range(1, n + 1))},
        rank=2,
        involution=(ENERGY, "total momentum"),
    )
