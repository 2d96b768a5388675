"""The standard generators: translations, rotations, boosts, dilations, conformal maps.

Coordinates of several particles stand particle by particle: x1 y1 z1 x2 y2 z2 ….
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import sympy as sp

from hamsym.arguments import plural
from hamsym.errors import SpaceError
from hamsym.symbolic.bracket import Formula
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator


def translation(space: PhaseSpace, i: int) -> Generator:
    """Return p_i, the generator of translations of coordinate i.

    Arguments:
        space: the phase space.
        i: the coordinate, counted from 0.

    Returns:
        The generator; its flow adds the group parameter to q_i.

    Raises:
        SpaceError: if the coordinate does not exist.

    Source: Goldstein, Classical Mechanics, section 9.7.

    Example:
        >>> translation(PhaseSpace.standard(2), 1).flow("a").images
        {q1: q1, q2: a + q2, p1: p1, p2: p2}
    """
    return Generator(_canonical(space).momenta[_index(space, i)], space)


def angular_momentum(space: PhaseSpace, i: int, j: int) -> Generator:
    """Return q_i p_j − q_j p_i, the generator of rotations in the plane of coordinates i and j.

    Arguments:
        space: the phase space.
        i, j: two different coordinates, counted from 0.

    Returns:
        The generator; its flow by an angle turns (q_i, q_j) and (p_i, p_j) alike.

    Raises:
        SpaceError: if a coordinate does not exist, or both are the same.

    Source: Goldstein, Classical Mechanics, section 9.7.

    Example:
        >>> angular_momentum(PhaseSpace.standard(2), 0, 1).text
        '-p1*q2 + p2*q1'
    """
    i, j = _index(space, i), _index(space, j)
    if i == j:
        raise SpaceError(f"a rotation needs two different coordinates, not {i} twice")
    return Generator(_plane(space, i, j), space)


def total_momentum(space: PhaseSpace, d: int) -> tuple[Generator, ...]:
    """Return the d components of the total momentum of particles in d dimensions.

    Arguments:
        space: a phase space whose coordinates stand particle by particle.
        d: dimension of the particles' space; it divides the number of coordinates.

    Returns:
        Σ p over the particles, one generator for each direction; their flows move all particles alike.

    Raises:
        SpaceError: if the coordinates do not make whole particles.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 10.

    Example:
        >>> [g.text for g in total_momentum(PhaseSpace.standard(4), 2)]
        ['p1 + p3', 'p2 + p4']
    """
    particles = _particles(space, d)
    return tuple(Generator(sp.Add(*(space.momenta[k[i]] for k in particles)), space) for i in range(d))


def total_angular_momentum(space: PhaseSpace, d: int) -> tuple[Generator, ...]:
    """Return the components of the total angular momentum of particles in d dimensions.

    Arguments:
        space: a phase space whose coordinates stand particle by particle.
        d: dimension of the particles' space, at least 2; it divides the number of coordinates.

    Returns:
        One generator for each plane: (L_z,) for d = 2, (L_x, L_y, L_z) for d = 3, otherwise the planes (i, j) with
        i < j in order; their flows turn all particles alike.

    Raises:
        SpaceError: if the coordinates do not make whole particles, or d is 1.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 10.

    Example:
        >>> [g.text for g in total_angular_momentum(PhaseSpace.standard(4), 2)]
        ['-p1*q2 + p2*q1 - p3*q4 + p4*q3']
    """
    particles = _particles(space, d)
    if d == 1:
        raise SpaceError("particles on a line do not rotate; give the dimension d = 2 or more")
    planes = [(1, 2), (2, 0), (0, 1)] if d == 3 else itertools.combinations(range(d), 2)
    return tuple(Generator(sp.Add(*(_plane(space, k[i], k[j]) for k in particles)), space) for i, j in planes)


def boost(space: PhaseSpace, i: int | Iterable[int], *, mass: Formula | Sequence[Formula]) -> Generator:
    """Return t Σ p_i − Σ m_i q_i, the generator of Galilei boosts.

    Arguments:
        space: a phase space with time.
        i: the coordinate of one particle, counted from 0, or the same Cartesian coordinate of each particle, as
            ``range(0, 3*n, 3)`` for the x of n particles.
        mass: one mass for all, or one for each particle: text in the parameters of the space, numbers or expressions.

    Returns:
        The generator; its flow by v moves q_i to q_i + v t and p_i to p_i + m_i v.

    Raises:
        SpaceError: if the space has no time, coordinates do not exist or occur twice, or masses do not pair up.
        FormulaError: for masses that contain variables or are refused.

    Source: Arnold, Mathematical Methods of Classical Mechanics, section 10 (the centre of mass moves uniformly).

    Example:
        >>> from hamsym import Hamiltonian, verify
        >>> space = PhaseSpace.standard(1, parameters={"m": "positive"}, time="t")
        >>> g = boost(space, 0, mass="m")
        >>> g.flow("v").images
        {q1: q1 + t*v, p1: m*v + p1}
        >>> verify(Hamiltonian("p1**2/(2*m)", space), g).status
        'proved'
    """
    if _canonical(space).time is None:
        raise SpaceError("a boost depends on time; declare it: PhaseSpace(…, time='t')")
    several = isinstance(i, Iterable) and not isinstance(i, str)
    indices = [_index(space, k) for k in i] if several else [_index(space, i)]  # type: ignore[union-attr, arg-type]
    if not indices or len(set(indices)) < len(indices):
        raise SpaceError(f"a boost moves one or more different coordinates, not {indices}")
    masses = list(mass) if isinstance(mass, (list, tuple)) else [mass] * len(indices)
    if len(masses) != len(indices):
        raise SpaceError(
            f"{plural(len(indices), 'coordinate')} but {plural(len(masses), 'mass')}; give one for each, or one for all"
        )
    m = [space.express(value) for value in masses]
    for value in m:
        moving = value.free_symbols & {*space.variables, space.time}
        if moving or value == 0:
            raise SpaceError(f"a mass is a constant that is not zero, not {value}")
    terms = [
        space.time * space.momenta[k] - m_k * space.coordinates[k] for k, m_k in zip(indices, m, strict=True)
    ]
    return Generator(sp.Add(*terms), space)


def dilation(space: PhaseSpace, *, weights: Sequence[Formula] | None = None) -> Generator:
    """Return Σ w_i q_i p_i, the generator of dilations.

    Arguments:
        space: the phase space.
        weights: one constant for each coordinate; None takes 1 for all.

    Returns:
        The generator; its flow by a multiplies q_i by exp(w_i a) and p_i by exp(-w_i a).

    Raises:
        SpaceError: if weights do not pair up with coordinates, or are not constant.

    Source: Di Francesco, Mathieu, Sénéchal, Conformal Field Theory, section 4.1.

    Example:
        >>> dilation(PhaseSpace.standard(1)).flow("a").images
        {q1: q1*exp(a), p1: p1*exp(-a)}
    """
    size = _canonical(space).dof
    if weights is not None and (isinstance(weights, str) or not isinstance(weights, Sequence)):
        raise SpaceError(f"weights are a sequence, one for each coordinate, not {weights!r}")
    given = [1] * size if weights is None else list(weights)
    if len(given) != size:
        raise SpaceError(f"{plural(size, 'coordinate')} but {plural(len(given), 'weight')}")
    w = [space.express(value) for value in given]
    if any(value.free_symbols & set(space.variables) for value in w):
        raise SpaceError("weights of a dilation are constants")
    pairs = zip(w, space.coordinates, space.momenta, strict=True)
    return Generator(sp.Add(*(w_i * q * p for w_i, q, p in pairs)), space)


def special_conformal(space: PhaseSpace, i: int) -> Generator:
    """Return 2 q_i (q·p) − q² p_i, the generator of special conformal maps of Euclidean space.

    Arguments:
        space: the phase space; its coordinates are Cartesian.
        i: the coordinate, counted from 0.

    Returns:
        The generator.  Its flow translates q/|q|², so points reach infinity in finite time.

    Raises:
        SpaceError: if the coordinate does not exist.

    Source: Di Francesco, Mathieu, Sénéchal, Conformal Field Theory, section 4.1.

    Example:
        >>> special_conformal(PhaseSpace.standard(1), 0).text
        'p1*q1**2'
    """
    q, p = _canonical(space).coordinates, space.momenta
    i = _index(space, i)
    radial = sp.Add(*(a * b for a, b in zip(q, p, strict=True)))
    return Generator(sp.expand(2 * q[i] * radial - sp.Add(*(a**2 for a in q)) * p[i]), space)


def _plane(space: PhaseSpace, i: int, j: int) -> sp.Expr:
    q, p = _canonical(space).coordinates, space.momenta
    return q[i] * p[j] - q[j] * p[i]


def _canonical(space: PhaseSpace) -> PhaseSpace:
    if not isinstance(space, PhaseSpace):
        raise SpaceError(
            f"this generator needs coordinates and momenta: a PhaseSpace, not {type(space).__name__}"
        )
    return space


def _particles(space: PhaseSpace, d: int) -> list[range]:
    size = _canonical(space).dof
    if not isinstance(d, int) or isinstance(d, bool) or d < 1 or size % d:
        raise SpaceError(f"{plural(size, 'coordinate')} do not make whole particles in {d!r} dimensions")
    return [range(first, first + d) for first in range(0, size, d)]


def _index(space: PhaseSpace, i: int) -> int:
    size = _canonical(space).dof
    if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < size:
        raise SpaceError(f"coordinate {i!r} does not exist; this space has 0 to {size - 1}")
    return i
