"""The four tests of the definition tell disentangled, mixed and warped representations apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group, special_ortho_group

import hamsym as hs
import learn
from hamsym.errors import CheckpointError, NonFiniteError, ParameterError, ShapeError, SymmetryError
from learn.disentanglement import (
    VAE,
    BaseStates,
    Element,
    EvidenceBound,
    Factor,
    ProductGroup,
    adapted_frame,
    measure,
)

SPACE = hs.PhaseSpace.standard(4)
TURNS = (hs.angular_momentum(SPACE, 0, 1), hs.angular_momentum(SPACE, 2, 3))
GROUP = ProductGroup.of(*TURNS)
X = np.random.default_rng(0).normal(size=(200, 4))
BLOCKS = ((0, 1), (2, 3))
#: The same on states (q, p).
STATES = np.random.default_rng(1).normal(size=(200, 8))
OF_STATES = ((0, 1, 4, 5), (2, 3, 6, 7))


def scaled(x):
    return np.concatenate([2 * x[:, :2], x[:, 2:] @ np.array([[0.0, 1.0], [-3.0, 0.5]])], -1)


def squashed(x):
    """Each block by itself, invertible and far from linear."""
    return np.arcsinh(5 * x)


def unsquashed(z):
    return np.sinh(z) / 5


def test_a_linear_representation_that_keeps_the_blocks_passes():
    report = measure(scaled, GROUP, X, blocks=BLOCKS)
    assert report.passes(1e-12) and report.failing(1e-12) == ()
    assert max(report.off_block_energy.values()) < 1e-24 and min(report.r_squared.values()) > 1 - 1e-15
    assert min(report.moved.values()) > 0.1
    for score in (report.equivariance, report.product, report.law, report.linear):
        assert score.noise_floor < 1e-12 and score.value == max(score.parts.values())


@pytest.mark.parametrize("action", ["fitted", "induced"])
def test_a_mixture_is_equivariant_but_no_product(action):
    mixture = ortho_group.rvs(4, random_state=3)
    given = {"inverse": lambda z: z @ mixture.T} if action == "induced" else {}
    report = measure(lambda x: x @ mixture, GROUP, X, blocks=BLOCKS, **given)
    assert report.action == action and report.failing(1e-10) == ("product", "linear")
    assert report.product.value > 0.1 and max(report.off_block_energy.values()) > 0.05
    # the maps are linear all the same: only the blocks are the wrong ones
    assert all(part < 1e-12 for name, part in report.linear.parts.items() if name.startswith("residual"))
    frame, blocks = adapted_frame(lambda x: x @ mixture, GROUP, X)
    assert measure(lambda x: x @ mixture, GROUP, X, blocks=blocks, frame=frame, **given).passes(1e-10)


def test_a_warp_is_an_equivariant_product_but_not_linear():
    report = measure(squashed, GROUP, X, blocks=BLOCKS, inverse=unsquashed)
    assert report.failing(1e-9) == ("linear",)
    assert report.linear.parts["residual of " + GROUP.factors[0].name] > 0.1
    # without knowledge of the action the best linear one is all there is, and it is none
    assert {"equivariance", "law", "linear"} <= set(measure(squashed, GROUP, X, blocks=BLOCKS).failing(1e-2))


def test_an_action_that_looks_at_the_other_block_is_no_product():
    """Z₂ stands still when G₁ acts, but how Z₁ moves depends on it."""

    def f(x):
        return np.concatenate([x[:, :2] * np.exp(x[:, 2:3]), x[:, 2:]], -1)

    def inverse(z):
        return np.concatenate([z[:, :2] * np.exp(-z[:, 2:3]), z[:, 2:]], -1)

    first, second = (factor.name for factor in GROUP.factors)
    report = measure(f, GROUP, X, blocks=BLOCKS, inverse=inverse)
    assert report.equivariance.value < 1e-12 < 0.1 < report.product.value
    assert report.product.parts[f"others moved by {first}"] < 1e-12
    assert report.product.parts[f"others moved by {second}"] > 0.1

    # a spiral by a field of z₂ commutes with G₁, yet its speed is that of another point
    def twist(element, z):
        angle = sum(e for k, _, e in element.letters if k == 0) * (1 + z[:, 2] ** 2 + z[:, 3] ** 2)
        c, s = np.cos(angle), np.sin(angle)
        turned = np.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], -1)
        return np.concatenate(
            [turned, GROUP.act(Element(tuple(e for e in element.letters if e[0])), z)[:, 2:]], -1
        )

    twisted = measure(lambda x: x, GROUP, X, blocks=BLOCKS, action=twist)
    assert twisted.product.parts[f"{first} depends on others"] > 0.1
    assert twisted.product.parts[f"others moved by {first}"] < 1e-12 and twisted.law.value < 1e-12
    assert twisted.equivariance.value > 0.1


def test_a_wrong_law_is_found():
    """Angles doubled on one side only: g·(h·z) = (gh)·z holds, squares of angles break it."""

    def act(element, z):
        return GROUP.act(Element(tuple((k, m, e * abs(e)) for k, m, e in element.letters)), z)

    report = measure(lambda x: x, GROUP, X, blocks=BLOCKS, action=act)
    assert report.law.value > 0.1 and report.equivariance.value > 0.1 and report.product.value < 1e-12


def test_a_forgotten_factor_is_not_represented():
    report = measure(lambda x: np.concatenate([x[:, :2], x[:, 2:] ** 0], -1), GROUP, X, blocks=BLOCKS)
    assert "moved" in report.failing(1e-6) and report.moved[GROUP.factors[1].name] == 0
    with pytest.raises(SymmetryError, match="changes nothing"):
        adapted_frame(lambda x: np.concatenate([x[:, :2], x[:, 2:] ** 0], -1), GROUP, X)


def test_noise_is_seen_in_the_floor():
    random = np.random.default_rng(5)
    report = measure(lambda x: x + 1e-3 * random.normal(size=x.shape), GROUP, X, blocks=BLOCKS)
    for score in (report.equivariance, report.law, report.linear):
        assert 1e-4 < score.noise_floor < 1e-2 and score.value < 10 * score.noise_floor
    assert report.product.noise_floor > 1e-4 and not report.passes(1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 10), left=st.integers(2, 3), right=st.integers(2, 3))
def test_block_rotations_pass_and_mixtures_do_not(seed, scale, left, right):
    """SO(left) × SO(right) on left + right coordinates: any rotation of blocks is disentangled, none of the whole."""
    random = np.random.default_rng(seed)
    n = left + right

    def plane(i, j):
        def move(angle, x):
            moved = x.copy()
            moved[:, i] = np.cos(angle) * x[:, i] - np.sin(angle) * x[:, j]
            moved[:, j] = np.sin(angle) * x[:, i] + np.cos(angle) * x[:, j]
            return moved

        return move

    def planes(start, size):
        return tuple(plane(start + a, start + a + 1) for a in range(size - 1))

    factors = [
        Factor(name, moves, (np.pi,) * len(moves))
        for name, moves in (("a", planes(0, left)), ("b", planes(left, right)))
    ]
    group, x = ProductGroup(factors), random.normal(size=(80, n))
    blocks = (tuple(range(left)), tuple(range(left, n)))
    turn = np.zeros((n, n))
    turn[:left, :left] = special_ortho_group.rvs(left, random_state=random)
    turn[left:, left:] = scale * special_ortho_group.rvs(right, random_state=random)
    assert measure(lambda x: x @ turn, group, x, blocks=blocks, elements=3).passes(1e-10)
    angle = random.uniform(0.2, 1.3)
    mixed = turn @ plane(left - 1, left)(angle, np.eye(n))
    report = measure(lambda x: x @ mixed, group, x, blocks=blocks, elements=3)
    assert report.failing(1e-6) == ("product", "linear") and report.equivariance.value < 1e-10


@settings(max_examples=50, deadline=None)
@given(angles=st.lists(st.tuples(st.integers(0, 1), st.floats(-3, 3)), min_size=1, max_size=6))
def test_words_are_group_elements(angles):
    word = Element()
    one_by_one = X
    for k, angle in angles:
        letter = Element(((k, 0, angle),))
        word = letter @ word
        one_by_one = GROUP.act(letter, one_by_one)
    assert np.allclose(GROUP.act(word, X), one_by_one, atol=1e-12)
    assert np.allclose(GROUP.act(word.inverse, one_by_one), X, atol=1e-12)


def test_brackets_make_the_factors():
    space = hs.PhaseSpace.standard(6)
    first = [hs.angular_momentum(space, i, j) for i, j in ((0, 1), (1, 2), (2, 0))]
    second = [hs.angular_momentum(space, i, j) for i, j in ((3, 4), (4, 5), (5, 3))]
    group = ProductGroup.of(*[g for pair in zip(first, second, strict=True) for g in pair])
    assert [set(f.generators) for f in group.factors] == [set(first), set(second)]
    assert len(group.proofs) == 9 and all(v.status == "proved" and v.check() for v in group.proofs)
    x = np.random.default_rng(0).normal(size=(100, 6))
    report = measure(lambda x: x, group, x, blocks=[(0, 1, 2), (3, 4, 5)], elements=3)
    assert report.passes(1e-10) and report.proofs == ("proved",) * 9


# -- flows ---------------------------------------------------------------------------------------------------


def flow(symmetry, seed=0):
    generators = TURNS if symmetry else ()
    return learn.HamiltonianFlow(
        4, hamiltonians=3, width=16, symmetry=symmetry, generators=generators, dt=0.5, seed=seed
    ).double()


def test_base_states_of_an_exact_flow_are_disentangled_and_of_a_free_one_not():
    exact, free = BaseStates(flow("exact")), BaseStates(flow(None))
    assert abs(exact(STATES) - STATES).max() > 0.1  # no identity
    report = measure(exact, GROUP, STATES, blocks=OF_STATES, action="same")
    assert report.passes(1e-10) and report.proofs == ("proved",)
    assert measure(exact, GROUP, STATES, blocks=OF_STATES).passes(1e-10)
    other = measure(free, GROUP, STATES, blocks=OF_STATES, action="same")
    assert set(other.failing(1e-2)) == {"equivariance", "product", "linear"}
    # f is invertible: some action is there, and it obeys the law, but it is neither linear nor a product
    induced = measure(free, GROUP, STATES, blocks=OF_STATES, inverse=free.inverse)
    assert set(induced.failing(1e-6)) == {"product", "linear"}


def test_equivariance_does_not_choose_coordinates():
    """Centre of mass × relative rotation: exact by construction, entangled body by body, disentangled in Jacobi's coordinates."""
    turn = hs.Generator("((q1 - q3)*(p2 - p4) - (q2 - q4)*(p1 - p3))/2", SPACE)
    moves = hs.total_momentum(SPACE, 2)
    group = ProductGroup.of(moves, turn, extent=2.0)
    assert [len(f.generators) for f in group.factors] == [2, 1] and {v.status for v in group.proofs} == {
        "proved"
    }
    exact = learn.HamiltonianFlow(
        4, hamiltonians=3, width=16, symmetry="exact", generators=(*moves, turn), dt=0.5, seed=0
    ).double()
    assert {v.status for v in exact.prove_symmetry()} == {"proved"}
    f = BaseStates(exact)
    bodies = measure(f, group, STATES, blocks=OF_STATES, action="same", affine=True)
    assert bodies.equivariance.value < 1e-10 and bodies.law.value < 1e-10
    assert "product" in bodies.failing(1e-2) and bodies.product.value > 0.5
    pair = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, -1, 0], [0, 1, 0, -1]]) / 2**0.5
    jacobi = np.kron(np.eye(2), pair)
    report = measure(f, group, STATES, blocks=OF_STATES, action="same", affine=True, frame=jacobi)
    assert report.passes(1e-10)
    frame, blocks = adapted_frame(f, group, STATES, affine=True)
    assert [len(block) for block in blocks] == [2, 4]
    assert measure(f, group, STATES, blocks=blocks, action="same", affine=True, frame=frame).passes(1e-9)
    # total angular momentum does not commute with translations: no product, one factor
    assert len(ProductGroup.of(moves, *hs.total_angular_momentum(SPACE, 2)).factors) == 1


def test_a_variational_auto_encoder_fails_and_is_saved(tmp_path):
    ring = 3 * X / np.hypot(X[:, [0, 0, 2, 2]], X[:, [1, 1, 3, 3]])
    model = VAE(4, 4, width=16, seed=0)
    result = learn.fit(
        EvidenceBound(model),
        torch.tensor(ring),
        steps=400,
        batch=64,
        lr=1e-2,
        seed=0,
        progress=False,
        out=tmp_path,
    )
    assert np.mean(result.history["loss"][-50:]) < result.history["loss"][0] - 2
    report = measure(model.represent, GROUP, ring, blocks=BLOCKS)
    assert set(report.failing(1e-2)) == {"equivariance", "product", "law", "linear"}
    same = learn.load(tmp_path)
    assert torch.equal(same.represent(ring), model.represent(ring))
    head = json.loads((tmp_path / "model.json").read_text())
    head["vae"]["width"] = 10**6
    (tmp_path / "model.json").write_text(json.dumps(head))
    with pytest.raises(CheckpointError):
        learn.load(tmp_path)


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"blocks": [(0, 1)]}, ParameterError),
        ({"blocks": [(0, 1), (1, 2)]}, ParameterError),
        ({"blocks": [(0, 1), (2, 4)]}, ParameterError),
        ({"blocks": [(0, 1), ()]}, ParameterError),
        ({"blocks": [0, 1]}, ParameterError),
        ({"blocks": "01"}, ParameterError),
        ({"action": "other"}, ParameterError),
        ({"action": "same", "inverse": np.sinh}, ParameterError),
        ({"inverse": 3}, ParameterError),
        ({"action": lambda g, z: z[:1]}, ShapeError),
        ({"action": lambda g, z: z + np.nan}, NonFiniteError),
        ({"action": "same", "f": lambda x: x[:, :3], "blocks": [(0, 1), (2,)]}, ShapeError),
        ({"frame": np.zeros((4, 4))}, ShapeError),
        ({"frame": np.eye(3)}, ShapeError),
        ({"elements": 0}, ParameterError),
        ({"seed": -1}, ParameterError),
        ({"x": X[:8]}, ShapeError),
        ({"x": X[:, :3], "f": lambda x: x @ np.ones((3, 4))}, ShapeError),
        ({"x": []}, ShapeError),
        ({"x": "no"}, ShapeError),
        ({"x": np.full((40, 4), np.nan)}, NonFiniteError),
        ({"group": "so2"}, ParameterError),
        ({"f": 3}, ParameterError),
        ({"f": lambda x: np.zeros((len(x), 4))}, ParameterError),
        ({"f": lambda x: np.log(-abs(x))}, NonFiniteError),
        ({"f": lambda x: x[:1]}, ShapeError),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_makes_no_sense_is_refused(change, error):
    given = {"f": scaled, "group": GROUP, "x": X, "blocks": BLOCKS} | change
    with pytest.raises(error):
        measure(given.pop("f"), given.pop("group"), given.pop("x"), **given)


def test_groups_that_make_no_sense_are_refused():
    for parts in ((), ("q1*p2",), ((),), (TURNS[0], hs.translation(hs.PhaseSpace.standard(2), 0))):
        with pytest.raises(SymmetryError):
            ProductGroup.of(*parts)
    for moves, extents in (((), ()), ((3,), (1.0,)), ((scaled,), ()), ((scaled,), (0.0,))):
        with pytest.raises(ParameterError):
            Factor("bad", moves, extents)
    with pytest.raises(ParameterError):
        ProductGroup([])
    with pytest.raises(ShapeError):
        ProductGroup([Factor("cut", (lambda e, x: x[:, 1:],), (1.0,))]).act(Element(((0, 0, 1.0),)), X)
    with pytest.raises(NonFiniteError):
        ProductGroup([Factor("burst", (lambda e, x: x * np.inf,), (1.0,))]).act(Element(((0, 0, 1.0),)), X)
    with pytest.raises(SymmetryError, match="not independent"):
        adapted_frame(lambda x: squashed(x @ ortho_group.rvs(4, random_state=3)), GROUP, X)
    for options in ({"elements": 0}, {"seed": -1}, {"tolerance": 2.0}):
        with pytest.raises(ParameterError):
            adapted_frame(scaled, GROUP, X, **options)
    with pytest.raises(ParameterError):
        BaseStates(VAE(4, 2))
    with pytest.raises(ShapeError):
        BaseStates(flow(None))(X)
    with pytest.raises(ParameterError):
        VAE(4, 10**9)
    report = measure(scaled, GROUP, X, blocks=BLOCKS)
    for tolerance in (0, -1, float("nan"), "small"):
        with pytest.raises(ParameterError):
            report.passes(tolerance)


def test_reports_say_what_they_found():
    report = measure(scaled, GROUP, X, blocks=BLOCKS)
    again = json.loads(json.dumps(report.to_dict()))
    assert again["product"]["value"] == report.product.value and again["blocks"] == [[0, 1], [2, 3]]
    assert "T2 product action" in repr(report) and "noise floor" in repr(report)
    same = measure(scaled, GROUP, X, blocks=BLOCKS)
    assert same.to_dict() == report.to_dict()  # same seed, same bits


ROWS = np.random.default_rng(1).normal(size=(60, 8))


@pytest.mark.parametrize(
    "call",
    [
        lambda: BaseStates(learn.HamiltonianFlow(1, hamiltonians=1, width=4))("abc"),
        lambda: BaseStates(learn.HamiltonianFlow(1, hamiltonians=1, width=4))(None),
        lambda: adapted_frame(None, GROUP, ROWS),
        lambda: adapted_frame(lambda x: x, None, ROWS),
        lambda: adapted_frame(lambda x: x[..., None], GROUP, ROWS),
        lambda: ProductGroup(None),
        lambda: ProductGroup(3),
        lambda: Factor("a", 3, (1.0,)),
        lambda: Factor("a", (lambda e, x: x,), 1.0),
        lambda: measure(lambda x: x, GROUP, ROWS, blocks=[(0, 1, 4, 5), (2, 3, 6, 7)], action=ROWS),
        lambda: measure(
            lambda x: x, GROUP, torch.tensor(ROWS).bfloat16(), blocks=[(0, 1, 4, 5), (2, 3, 6, 7)]
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call):
    with pytest.raises(hs.errors.HamsymError):
        call()
