"""Every claim of the catalogue is proved again: conservation, involution, independence, Casimirs."""

from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from flint import arb_mat, ctx

import hamsym as hs
from hamsym.data.systems import systems
from hamsym.symbolic.zero_test.operations import OutsideDomain
from hamsym.symbolic.zero_test.tape import Tape
from hamsym.symbolic.zero_test.witness import points

#: Further sizes of the systems that have one; the large ones take seconds.
SIZES = [
    ("isotropic_oscillator", {"n": 4}),
    ("anisotropic_oscillator", {"n": 5}),
    ("commensurate_oscillator", {"m": 1, "n": 1}),
    ("commensurate_oscillator", {"m": 2, "n": 3}),
    ("commensurate_oscillator", {"m": 5, "n": 4}),
    ("smorodinsky_winternitz", {"n": 4}),
    ("garnier", {"n": 5}),
    ("uniform_magnetic_field", {"d": 2}),
    ("toda", {"n": 2}),
    ("toda", {"n": 6}),
    ("toda", {"n": 30}),
    ("toda_periodic", {"n": 4}),
    ("toda_periodic", {"n": 5}),
    ("calogero_moser", {"n": 2}),
    ("calogero_moser", {"n": 4}),
    ("calogero", {"n": 2}),
    ("calogero", {"n": 7}),
    ("sutherland", {"n": 2}),
    ("sutherland", {"n": 4}),
    ("hyperbolic_sutherland", {"n": 4}),
    ("fpu", {"n": 1}),
    ("fpu", {"n": 32}),
    ("fpu_periodic", {"n": 16}),
    ("rotor_ring", {"n": 7}),
    ("nbody", {"n": 2, "d": 2}),
    ("nbody", {"n": 5}),
    ("lennard_jones", {"n": 4, "d": 2}),
    ("lattice_phi4", {"n": 2, "d": 2}),
    ("lattice_phi4", {"n": 6, "d": 1}),
    ("neumann", {"n": 2}),
    ("neumann", {"n": 5}),
    ("rosochatius", {"n": 4}),
]
LARGE = [
    ("isotropic_oscillator", {"n": 8}),
    ("garnier", {"n": 8}),
    ("toda", {"n": 8}),
    ("toda_periodic", {"n": 8}),
    ("calogero_moser", {"n": 5}),
    ("calogero_moser", {"n": 6}),
    ("sutherland", {"n": 5}),
    ("hyperbolic_sutherland", {"n": 10}),
    ("nbody", {"n": 10}),
    ("neumann", {"n": 8}),
]
BY_DEFAULT_LARGE = {"lj13"}


def _cases(slow):
    for name, size in [*((name, {}) for name in systems), *SIZES, *LARGE]:
        large = (name, size) in LARGE or name in BY_DEFAULT_LARGE
        title = name + "".join(f"-{k}{v}" for k, v in size.items())
        yield pytest.param(name, size, id=title, marks=pytest.mark.slow if large and slow else ())


every_size = pytest.mark.parametrize(("name", "size"), list(_cases(slow=True)))


@every_size
def test_every_listed_integral_is_proved(name, size):
    system = systems[name](**size)
    assert system.labels[0] == "energy"
    assert system.integrals[0].expr == system.hamiltonian.expr
    for label, g in zip(system.labels, system.integrals, strict=True):
        assert hs.verify(system.hamiltonian, g).status == "proved", label


@every_size
def test_what_is_claimed_to_commute_does(name, size):
    system = systems[name](**size)
    assert len(system.involution) <= system.dof + len(system.casimirs)
    assert set(system.casimirs) <= set(system.involution)
    for first, second in combinations(system.involution, 2):
        if "energy" not in (first, second):  # those are the integrals themselves
            assert hs.verify(system.integral(first), system.integral(second)).status == "proved"


@every_size
def test_a_casimir_commutes_with_every_coordinate(name, size):
    system = systems[name](**size)
    for label in system.casimirs:
        for x in system.space.coordinates:
            bracket = hs.poisson_bracket(system.integral(label), x, system.space)
            assert sp.expand(bracket) == 0


@every_size
def test_as_many_integrals_are_independent_as_is_claimed(name, size):
    system = systems[name](**size)
    assert certified_rank(system, system.labels) >= system.rank
    if system.is_integrable:
        assert certified_rank(system, system.involution) == len(system.involution)


@pytest.mark.parametrize(("name", "size"), list(_cases(slow=False)))
def test_no_more_are_independent_than_is_claimed(name, size):
    """By their number, by the greatest number there can be, or by relations that are proved."""
    system = systems[name](**size)
    bound = 2 * system.dof - 1 + len(system.casimirs)
    relations = RELATIONS.get(system.title, [])
    for relation in relations:
        names = {f"I{i}": g.expr for i, g in enumerate(system.integrals)}
        expression = sp.Integer(0)
        for factor, powers in relation:
            factor = sp.Mul(*(system.space.parameters[s] for s in factor[1:])) * factor[0]
            expression += factor * sp.Mul(*(names[s] for s in powers))
        assert hs.is_zero(expression, system.space).status == "proved"
    time_dependent = system.space.time is not None
    assert system.rank == min(len(system.labels) - len(relations), bound if not time_dependent else 10**9)


#: Sums of coefficient × product of integrals that vanish: (number, parameters…), integrals in the order listed.
RELATIONS = {
    # 2mH = P1² + P2² + p3² - 2bL, with the guiding centre P
    "uniform_magnetic_field(d=3)": [
        [((2, "m"), ["I0"]), ((-1,), ["I1", "I1"]), ((-1,), ["I2", "I2"]), ((-1,), ["I4", "I4"]), ((2, "b"), ["I3"])]
    ],
    # J² is the sum of the squares of the components
    "magnetic_monopole": [
        [((1,), ["I4"]), ((-1,), ["I1", "I1"]), ((-1,), ["I2", "I2"]), ((-1,), ["I3", "I3"])]
    ],
}  # fmt: skip


def certified_rank(system, labels, bits=256):
    """A lower bound of the rank of the Jacobian of integrals, by a minor whose ball does not contain zero."""
    chosen = [system.integral(label).expr for label in labels]
    symbols = list(system.space.symbols.values())
    tape = Tape(chosen)
    tried = points(symbols, seed=5)
    for _ in range(200):
        point = next(tried)
        try:
            run = tape.run(point, {}, bits=bits)
            slopes = [run.gradient(k) for k in range(len(chosen))]
        except OutsideDomain:
            continue
        if all(ball.is_finite() for row in slopes for ball in row.values()):
            break
    else:
        raise AssertionError("no point of the domain")
    variables = system.space.variables
    rows = [[row.get(x, 0) for x in variables] for row in slopes]
    numbers = np.array([[float(ball) for ball in row] for row in rows])
    numbers /= np.abs(numbers).max(axis=1, keepdims=True)
    independent = _pivots(numbers.T)
    columns = _pivots(numbers[independent])
    with ctx.workprec(bits):
        size = min(len(independent), len(columns))
        minor = arb_mat([[rows[i][j] for j in columns[:size]] for i in independent[:size]])
        assert not minor.det().contains(0), "the rank is not certified"
    return size


def _pivots(matrix):
    """Columns that elimination with the largest remaining column finds independent in floating point."""
    rest, found = matrix.astype(float).copy(), []
    while len(found) < min(matrix.shape):
        lengths = np.linalg.norm(rest, axis=0)
        k = int(lengths.argmax())
        if lengths[k] < 1e-9:
            break
        found.append(k)
        rest -= np.outer(rest[:, k], rest[:, k] @ rest) / lengths[k] ** 2
    return found


@pytest.mark.parametrize("name", [name for name in systems if name not in BY_DEFAULT_LARGE])
def test_a_wrong_coefficient_in_an_integral_is_refuted(name):
    """One term of each integral changed by a thousandth; terms that are conserved alone are passed over."""
    system = systems[name]
    H = system.hamiltonian
    for g in system.integrals:
        for term in sp.Add.make_args(sp.expand(g.expr))[:6]:
            if hs.verify(H, term).status == "proved":
                continue
            assert hs.verify(H, g.expr + term / 1000).status == "refuted"
            break


def test_some_coefficient_is_refuted_in_every_system_but_the_trivial():
    """The test above is not empty: in each system some term is not conserved alone."""
    for name in systems:
        H = systems[name].hamiltonian
        assert any(hs.verify(H, x).status == "refuted" for x in systems[name].space.variables), name


def test_the_integrals_of_the_cousins_are_not_those_of_henon_and_heiles():
    H = systems["henon_heiles"].hamiltonian
    for name in ("henon_heiles_sawada_kotera", "henon_heiles_kdv", "henon_heiles_kaup_kupershmidt"):
        system = systems[name]
        one = dict.fromkeys(system.space.parameters.values(), sp.Integer(1))
        assert hs.verify(H, system.integrals[1].expr.subs(one)).status == "refuted"


@pytest.mark.parametrize(("name", "n"), [("toda", 4), ("calogero_moser", 3), ("sutherland", 3)])
def test_lattices_have_the_integrals_of_their_lax_matrix(name, n):
    """tr L³ of the Lax matrix L = P + A or P + iA, in terms of the listed integrals (Newton's identities)."""
    system = systems[name](n=n)
    q, p = system.space.coordinates, system.space.momenta
    diagonal, other = sp.diag(*p), sp.zeros(n, n)
    if name == "toda":
        for i in range(n - 1):
            other[i, i + 1], other[i + 1, i] = 1, sp.exp(q[i] - q[i + 1])
        square = 1
    else:  # A is antisymmetric: tr A³ and tr P²A vanish, so the trace is real
        chord = sp.sin if name == "sutherland" else sp.Add
        for i, j in combinations(range(n), 2):
            other[i, j] = system.space.parameters["g"] / chord(q[i] - q[j])
            other[j, i] = -other[i, j]
        square = -1
    cube = (diagonal**3).trace() + 3 * square * (diagonal * other * other).trace()
    energy, momentum, third = (system.integrals[k].expr for k in range(3))
    second = (momentum**2 - 2 * energy) / 2
    newton = momentum**3 - 3 * momentum * second + 3 * third
    assert hs.is_zero(cube - newton, system.space).status == "proved"


@pytest.mark.parametrize(
    ("name", "degree"),
    [
        ("commensurate_oscillator", 3), ("isotropic_oscillator", 2), ("henon_heiles", 4),
        ("henon_heiles_sawada_kotera", 3), ("henon_heiles_kdv", 4), ("henon_heiles_kaup_kupershmidt", 6),
        ("quartic_1_6_1", 4), ("quartic_1_12_16", 5), ("quartic_1_6_8", 8), ("yang_mills", 4), ("penning_trap", 2),
        ("uniform_magnetic_field", 2), ("clebsch", 2), ("kovalevskaya_top", 4), ("heavy_top", 2), ("manakov_top", 2),
    ],
)  # fmt: skip
def test_a_search_for_polynomial_integrals_finds_the_listed_ones_and_no_further(name, degree):
    system = systems[name]
    basis = hs.find_integrals(system.hamiltonian, degree=degree)
    assert basis.rank == system.rank
    for g in system.integrals:
        assert basis.contains(g.expr)
