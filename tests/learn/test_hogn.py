"""Graph networks with an energy and without: exact invariances, closed-form gradients, conserved numbers, resuming."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
import learn
from hamsym.errors import CheckpointError, NotSeparableError, ParameterError, ShapeError
from learn.fields import Separated
from learn.hogn import (
    HOGN,
    OGN,
    DeltaGN,
    Graphs,
    NextState,
    spring_energy,
    spring_hamiltonian,
    springs,
)
from learn.hogn.functions import FusedGradient, Perceptron, gradient_of
from learn.hogn.model import GraphModel
from learn.training.objective import Batch, Progress

ENERGIES = {
    "pairs": {},
    "messages": {"rounds": 1},
    "joint": {"separable": False},
    "joint messages": {"separable": False, "rounds": 2},
}
by_energy = pytest.mark.parametrize("options", ENERGIES.values(), ids=ENERGIES.keys())


def energy_network(dim=2, **options):
    return HOGN(dim, width=8, **options).double()


@cache
def data(**options):
    return springs(**{"graphs": 3, "sizes": (2, 3, 4), "trajectories": 2, "steps": 4, "seed": 3, **options})


def some_states(seed=0, dim=2):
    """Graphs of different sizes, and random states of theirs."""
    graphs = data(dim=dim).graphs(torch.float64)
    random = torch.Generator().manual_seed(seed)
    return graphs, *torch.randn(2, len(graphs.nodes), dim, generator=random, dtype=torch.float64)


# -- graphs and data -----------------------------------------------------------------------------------------


def test_rows_are_packed_and_unpacked():
    graphs = Graphs.of(
        [1, 3], torch.arange(6.0).reshape(2, 3, 1), [[[-1, -1]] * 2, [[0, 2], [1, 2]]], torch.ones(2, 2, 1)
    )
    assert graphs.nodes.flatten().tolist() == [0, 3, 4, 5]
    assert graphs.ends.tolist() == [[1, 2], [3, 3]]
    x = torch.randn(2, 3, 2)
    assert torch.equal(graphs.unpack(graphs.pack(x))[graphs.present], x[graphs.present])
    assert not graphs.unpack(graphs.pack(x))[0, 1:].any()


@pytest.mark.parametrize(
    ("sizes", "ends", "message"),
    [
        ([0], [[[-1, -1]]], "from 1 to 2"),
        ([3], [[[-1, -1]]], "from 1 to 2"),
        ([2], [[[0, 2]]], "not two of its 2"),
        ([1], [[[0, 1]]], "not two of its 1"),
        ([2], [[[1, 1]]], "not two of its 2"),
        ([2, 2], [[[0, 1]]], "graphs are whole numbers"),
        ([2], [[[0.0, 1.0]]], "graphs are whole numbers"),
        ([], [], "graphs are whole numbers"),
    ],
)
def test_what_is_no_graph_is_refused(sizes, ends, message):
    with pytest.raises(ShapeError, match=message):
        Graphs.of(sizes, torch.ones(1, 2, 1), ends, torch.ones(1, 1, 2))


def test_trajectories_keep_the_energy_that_the_formula_says():
    found = data()
    graphs = found.graphs(torch.float64)
    q, p = found.states(graphs, torch.float64)
    energies = torch.stack([spring_energy(graphs, *state) for state in zip(q, p, strict=True)])
    assert (energies - energies[0]).abs().max() < 1e-11
    assert energies.std(1).min() > 0.01
    # H of hamsym, with parameters by name, for the last graph
    n, place = 4, 2
    H = spring_hamiltonian(n)
    values = {f"m{i + 1}": m for i, m in enumerate(found.nodes[place, :n, 0])}
    values |= {f"{c}{i}_{j}": 0.0 for c in "kl" for i in range(1, n + 1) for j in range(1, n + 1)}
    for (i, j), (k, rest) in zip(found.ends[place], found.edges[place], strict=True):
        if i >= 0:
            values |= {f"k{i + 1}_{j + 1}": k, f"l{i + 1}_{j + 1}": rest}
    track = hs.simulate(
        H, found.q[place, :, 0].reshape(2, -1), found.p[place, :, 0].reshape(2, -1), 0.001, 400, save_every=400,
        method="rk4", parameters=values,
    )  # fmt: skip
    assert np.abs(track.q[:, -1] - found.q[place, :, 4].reshape(2, -1)).max() < 1e-9
    assert np.abs(track.energy[:, 0] - energies[0, 4:].numpy()).max() < 1e-13


def test_the_true_energy_is_invariant():
    H = spring_hamiltonian(3)
    for g in ("px1 + px2 + px3", "py1 + py2 + py3", "x1*py1 - y1*px1 + x2*py2 - y2*px2 + x3*py3 - y3*px3"):
        assert hs.verify(H, g).status == "proved"
    assert hs.verify(H, "px1").status == "refuted"


def test_the_same_seed_draws_the_same_systems():
    a, b, c = (springs(graphs=2, sizes=(3,), steps=2, seed=seed) for seed in (1, 1, 2))
    assert (
        np.array_equal(a.q, b.q) and np.array_equal(a.edges, b.edges) and not np.array_equal(a.nodes, c.nodes)
    )
    for bad in ({"graphs": 0}, {"sizes": ()}, {"dim": 4}, {"dt": 0.0}, {"steps": 2.5}):
        with pytest.raises(ParameterError):
            springs(**{"graphs": 1, **bad})


# -- functions -----------------------------------------------------------------------------------------------


def test_the_gradient_of_a_network_and_what_is_pulled_back_through_it():
    f = Perceptron(3, 1, 5, torch.Generator().manual_seed(0)).double()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    (by_autograd,) = torch.autograd.grad(f(x).sum(), x)
    assert (f.gradient(x) - by_autograd).abs().max() < 1e-14
    assert torch.equal(gradient_of(x, *f.tensors[:-1]).round(decimals=12), f.gradient(x).round(decimals=12))
    tensors = [x, *(t.detach().requires_grad_() for t in f.tensors[:-1])]
    assert torch.autograd.gradcheck(FusedGradient.apply, tensors)
    assert torch.autograd.gradgradcheck(FusedGradient.apply, tensors)


# -- invariance ----------------------------------------------------------------------------------------------


@by_energy
@pytest.mark.parametrize("dim", [1, 2, 3])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_energy_is_invariant_and_the_motion_equivariant(options, dim, seed):
    """Shift, orthogonal map, other names of particles, springs in another order and turned round."""
    model = energy_network(dim, method="rk2", **options)
    graphs, q, p = some_states(seed, dim)
    random = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=random, dtype=torch.float64))[0]
    shift = 10 * torch.randn(dim, generator=random, dtype=torch.float64)
    before, moved = model.energy(graphs, q, p), model.move(graphs, q, p, 0.1, 3)
    q1, p1 = q @ turn.T + shift, p @ turn.T
    assert (model.energy(graphs, q1, p1) - before).abs().max() < 1e-10
    after = model.move(graphs, q1, p1, 0.1, 3)
    assert (after[0] - moved[0] @ turn.T - shift).abs().max() < 1e-10
    assert (after[1] - moved[1] @ turn.T).abs().max() < 1e-10

    named = torch.randperm(len(q), generator=random)
    back = named.argsort()
    bonds = torch.randperm(graphs.ends.shape[1], generator=random)
    ends = back[graphs.ends][:, bonds]
    round_ = torch.rand(ends.shape[1], generator=random) < 0.5
    ends = torch.where(round_, ends.flip(0), ends)
    other = Graphs(
        graphs.nodes[named], ends, graphs.edges[bonds], graphs.graph_of_node[named], graphs.graph_of_edge[bonds],
        graphs.present,
    )  # fmt: skip
    assert (model.energy(other, q[named], p[named]) - before).abs().max() < 1e-10
    after = model.move(other, q[named], p[named], 0.1, 3)
    assert max((a - b[named]).abs().max() for a, b in zip(after, moved, strict=True)) < 1e-10


@by_energy
def test_graphs_do_not_know_of_each_other_nor_of_padding(options):
    model, found = energy_network(**options), data()
    rows = found.steps(torch.float64)
    together = Graphs.of(*rows[:4])
    energies = model.energy(together, together.pack(rows[4]), together.pack(rows[5]))
    for i in range(0, len(rows[0]), 5):
        n = int(rows[0][i])
        bonds = int((rows[2][i, :, 0] >= 0).sum())
        alone = Graphs.of(
            rows[0][i : i + 1], rows[1][i : i + 1, :n], rows[2][i : i + 1, :bonds], rows[3][i : i + 1, :bonds]
        )
        assert (model.energy(alone, rows[4][i, :n], rows[5][i, :n]) - energies[i]).abs().max() < 1e-13


@by_energy
def test_invariance_is_proved(options):
    verdicts = HOGN(2, width=4, **options).prove_symmetry()
    assert {v.status for v in verdicts} == {"proved"} and all(v.check() for v in verdicts)
    assert len(verdicts) == 3 * (2 if options.get("separable", True) else 1)


def test_controls_turn_along_only_where_they_are_made_to():
    graphs, q, p = some_states()
    turn = torch.linalg.qr(torch.randn(2, 2, dtype=torch.float64))[0]
    for make, exact in ((OGN, True), (DeltaGN, True), (OGN, False), (DeltaGN, False)):
        model = make(2, width=8, equivariant=exact).double()
        moved = model.move(graphs, q, p, 0.1, 2)
        shifted = model.move(graphs, q + 3.0, p, 0.1, 2)
        assert (shifted[0] - moved[0] - 3.0).abs().max() < 1e-12
        turned = model.move(graphs, q @ turn.T, p @ turn.T, 0.1, 2)
        error = (turned[0] - moved[0] @ turn.T).abs().max()
        assert error < 1e-12 if exact else error > 1e-3


# -- gradients and conserved numbers -------------------------------------------------------------------------


@by_energy
def test_slopes_are_those_of_the_energy(options):
    model = energy_network(**options)
    graphs, q, p = some_states()
    q, p = q.requires_grad_(), p.requires_grad_()
    of_q, of_p = torch.autograd.grad(model.energy(graphs, q, p).sum(), (q, p))
    system = model.on(graphs)
    if isinstance(system, Separated):
        velocity, force = system.grad_kinetic(p), -system.grad_potential(q)
    else:
        velocity, force = system(q, p)
    assert (velocity - of_p).abs().max() < 1e-13 and (force + of_q).abs().max() < 1e-13


@by_energy
def test_the_loss_has_the_gradient_that_differences_have(options):
    model = energy_network(method="rk2", **options)
    objective, batch = NextState(model, 0.1), Batch(data().steps(torch.float64))

    def loss():
        return objective.loss(batch, torch.Generator(), Progress(0, 1))[0]

    weights = list(model.parameters())
    gradients = torch.autograd.grad(loss(), weights, allow_unused=True)
    direction = [torch.randn_like(w) for w in weights]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True) if g is not None)
    ends = []
    for sign in (1, -2, 1):
        with torch.no_grad():
            for w, d in zip(weights, direction, strict=True):
                w += sign * 1e-5 * d
        ends.append(float(loss().detach()))
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


@by_energy
def test_momentum_stays_and_angular_momentum_where_the_integrator_keeps_quadratic_invariants(options):
    method = "yoshida4" if options.get("separable", True) else "rk4"
    model = energy_network(method=method, **options)
    graphs, q, p = some_states()
    q1, p1 = model.move(graphs, q, p, 0.05, 40)
    assert (q1 - q).abs().max() > 0.1

    def angular(q, p):
        return graphs.total(q[:, 0] * p[:, 1] - q[:, 1] * p[:, 0])

    for axis in range(2):
        assert (graphs.total(p1[:, axis]) - graphs.total(p[:, axis])).abs().max() < 1e-12
    error = (angular(q1, p1) - angular(q, p)).abs().max()
    assert error < 1e-12 if method == "yoshida4" else error < 1e-5


@pytest.mark.parametrize("rounds", [0, 1])
def test_leapfrog_of_a_learned_energy_is_reversible_and_keeps_it_nearby(rounds):
    model = energy_network(rounds=rounds, method="leapfrog")
    graphs, q, p = some_states()
    with torch.no_grad():
        there = model.move(graphs, q, p, 0.05, 200)
        back = model.move(graphs, *there, -0.05, 200)
        assert max((back[0] - q).abs().max(), (back[1] - p).abs().max()) < 1e-12
        change = model.energy(graphs, *there) - model.energy(graphs, q, p)
        finer = model.energy(graphs, *model.move(graphs, q, p, 0.0125, 800)) - model.energy(graphs, q, p)
    assert finer.abs().max() < change.abs().max() / 8


class TrueEnergy(GraphModel):
    """The springs themselves, in the place of a network."""

    name = "truth"

    def on(self, graphs):
        def grad_potential(q):
            k, rest = graphs.edges.unbind(1)
            d = q[graphs.ends[0]] - q[graphs.ends[1]]
            r = d.norm(dim=1)
            return graphs.at_ends((k * (1 - rest / r))[:, None] * d, sign=-1.0)

        return Separated(grad_potential, lambda p: p / graphs.nodes)


def test_the_true_energy_has_no_loss_but_that_of_the_integrator():
    batch, losses = Batch(data().steps(torch.float64)), {}
    for method in ("kahan_li8", "rk1", "rk2", "rk3", "rk4", "leapfrog"):
        objective = NextState(TrueEnergy(method=method), 0.1)
        losses[method] = float(objective.loss(batch, torch.Generator(), Progress(0, 1))[0])
    assert losses["kahan_li8"] < 1e-16
    assert losses["rk1"] > 1e2 * losses["rk2"] > 1e4 * losses["rk3"] > 1e6 * losses["rk4"] > 0
    assert losses["rk3"] < losses["leapfrog"] < losses["rk1"]


# -- the controls --------------------------------------------------------------------------------------------


def test_deltas_know_one_time_step_only():
    model = DeltaGN(2, dt=0.1, width=8).double()
    graphs, q, p = some_states()
    one, other = model.move(graphs, q, p, 0.1), model.move(graphs, q, p, 0.4)
    assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    euler = OGN(2, width=8, method="rk1").double()  # of the same seed, so of the same weights
    for mine, theirs in zip(one, euler.move(graphs, q, p, 0.1), strict=True):
        assert (mine - theirs).abs().max() < 1e-14
    twice = model.move(graphs, *one, 0.1)
    assert torch.equal(model.move(graphs, q, p, 0.1, 2)[1], twice[1])
    with pytest.raises(ParameterError, match="takes no method"):
        DeltaGN(2, method="rk4")


def test_what_does_not_fit_is_refused():
    graphs, q, p = some_states()
    with pytest.raises(ShapeError, match="states of"):
        energy_network().move(graphs, q[:-1], p[:-1], 0.1)
    with pytest.raises(ShapeError, match="knows 2 attributes of particles"):
        energy_network(node_attributes=2).energy(graphs, q, p)
    with pytest.raises(NotSeparableError, match="rk4"):
        energy_network(separable=False).move(graphs, q, p, 0.1, method="leapfrog")
    with pytest.raises(ParameterError, match="no form"):
        HOGN(method="gauss4")
    for bad in ({"dim": 0}, {"width": 2.5}, {"rounds": -1}, {"separable": "yes"}, {"seed": -1}):
        with pytest.raises(ParameterError):
            HOGN(**bad)
    with pytest.raises(ShapeError, match="axis more"):
        graphs.pack(torch.zeros(1, 1))
    with pytest.raises(ParameterError, match="positive"):
        NextState(HOGN(), dt=-0.1)
    with pytest.raises(ParameterError, match="made for steps of dt"):
        NextState(DeltaGN(dt=0.1), dt=0.2)


# -- training ------------------------------------------------------------------------------------------------


def training(model, steps, **options):
    rows = data(steps=10).steps()
    return learn.fit(NextState(model, 0.1), rows, steps=steps, batch=16, lr=1e-2, progress=False, **options)


@pytest.mark.parametrize("make", [HOGN, OGN, DeltaGN])
def test_training_lowers_the_loss(make):
    losses = training(make(2, width=16), 120).history["loss"]
    assert np.mean(losses[-10:]) < 0.2 * np.mean(losses[:3])


@pytest.mark.parametrize(
    "make", [lambda: HOGN(2, width=8, rounds=1, method="rk2"), lambda: DeltaGN(2, width=8)]
)
def test_a_resumed_run_is_the_uninterrupted_one_and_is_read_back(make, tmp_path):
    whole, part = make(), make()
    result = training(whole, 12)

    def stop(step, _):
        if step == 5:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        training(part, 12, out=tmp_path, save_every=2, callback=stop)
    again = training(part, 12, out=tmp_path, resume=True)
    assert again.history["loss"] == result.history["loss"]
    same = learn.load(tmp_path)
    assert type(same) is type(whole) and same.config() == whole.config()
    for a, b in zip(same.parameters(), whole.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "change",
    [{"model": "GPT"}, {"width": 10**9}, {"rounds": 99}, {"dtype": "float8"}, {"dim": "2"}, {"seprable": True}, {"method": "rk5"}],
    ids=str,
)  # fmt: skip
def test_a_hostile_description_is_refused(change, tmp_path):
    objective = NextState(HOGN(2, width=8), 0.1)
    config = objective.config() | change
    objective.config = lambda: config
    objective.save(tmp_path)
    with pytest.raises(CheckpointError):
        learn.load(tmp_path)


@pytest.mark.parametrize(
    "options", [{"width": 10**4, "rounds": 100}, {"dim": 10**4, "width": 10**4}, {"width": 10**4}]
)
@pytest.mark.parametrize("kind", [HOGN, OGN, DeltaGN])
def test_models_of_too_many_weights_are_refused_before_they_are_allocated(kind, options):
    with pytest.raises(ParameterError, match="weights"):
        kind(**options)


STATES = torch.ones(3, 2)


@pytest.mark.parametrize(
    "states",
    [
        ([[0.0, 0.0]] * 3, STATES), (None, None), (STATES, STATES[:2]), (STATES, STATES[:1]), (STATES.double(), STATES),
        (STATES.double(), STATES.double()), (STATES, STATES * torch.nan), (STATES.long(), STATES.long()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [HOGN, OGN, DeltaGN])
def test_states_that_are_none_are_refused(kind, states):
    graphs = Graphs.of([3], [[[1.0]] * 3], [[[0, 1], [1, 2]]], [[[1.0, 0.5]] * 2])
    model = kind(2, width=4)
    with pytest.raises(hs.errors.HamsymError):
        model.move(graphs, *states, 0.1)
    with pytest.raises(ShapeError, match=r"Graphs\.of"):
        model.move(None, STATES, STATES, 0.1)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("given", [None, "x", [["a"]], [[1], [1, 2]], [[[0, 10**30], [1, 2]]]])
def test_rows_of_graphs_that_are_no_numbers_are_refused(place, given):
    rows = [[3], [[[1.0]] * 3], [[[0, 1], [1, 2]]], [[[1.0, 0.5]] * 2]]
    rows[place] = given
    with pytest.raises(ShapeError, match="graph"):
        Graphs.of(*rows)


def test_rows_that_are_no_next_states_are_refused():
    rows = springs(graphs=2, sizes=(2, 3), steps=2).steps()

    def trained(rows):
        return learn.fit(NextState(HOGN(width=4), dt=0.1), rows, steps=1, batch=2, progress=False)

    with pytest.raises(ShapeError, match="q_next"):
        trained(rows[:7])
    for place in (6, 7):
        for wrong in (rows[place][..., 0], rows[place] > 0, torch.cat([rows[place]] * 2, -1)):
            with pytest.raises(ShapeError, match="next"):
                trained((*rows[:place], wrong, *rows[place + 1 :]))
    for model in (None, "x", learn.HNN(1, width=4)):
        with pytest.raises(ParameterError, match="HOGN"):
            NextState(model, dt=0.1)
    for sizes in (3, None, "ab"):
        with pytest.raises(ParameterError, match="sizes"):
            springs(graphs=1, sizes=sizes)


@pytest.mark.parametrize(
    "model", [HOGN(2, width=8, seed=1), OGN(2, width=8, seed=1), DeltaGN(2, dt=0.1, width=8, seed=1)]
)
def test_what_is_saved_is_loaded(model, tmp_path):
    model.save(tmp_path / "saved")
    found = learn.load(tmp_path / "saved")
    assert type(found) is type(model) and found.config() == model.config()
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), model.parameters(), strict=True))
