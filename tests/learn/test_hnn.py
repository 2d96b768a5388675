"""Hamiltonian neural networks: slopes, losses, symmetry, rollouts, checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
import learn
from hamsym.errors import CheckpointError, HamsymError, NotSeparableError
from learn.experiments.hnn_tasks import derivatives
from learn.hnn import HNN, FieldNetwork
from learn.hnn.functions import TanhNetwork
from learn.hnn.objectives import DerivativeLoss
from learn.symmetry.constraint import BracketConstraint
from learn.training.objective import Batch, Progress

TWO_BODIES = ("p1 + p3", "p2 + p4", "q1*p2 - q2*p1 + q3*p4 - q4*p3")


def states(n: int, dim: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.randn(2, n, dim, dtype=dtype))  # type: ignore[return-value]


def slopes_by_autograd(model: HNN, q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, ...]:
    q, p = q.clone().requires_grad_(), p.clone().requires_grad_()
    return torch.autograd.grad(model.energy(q, p).sum(), (q, p), create_graph=True)


@settings(max_examples=20, deadline=None)
@given(
    dim=st.integers(1, 4), width=st.integers(1, 12), depth=st.integers(1, 4),
    energy=st.sampled_from(["network", "separable", "quadratic"]), seed=st.integers(0, 99),
)  # fmt: skip
def test_closed_slopes_are_those_of_autograd(dim, width, depth, energy, seed):
    model = HNN(dim, width, depth, energy=energy, seed=seed).double()
    torch.manual_seed(seed)
    q, p = states(5, dim)
    dq, dp = model.field(q, p)
    h_q, h_p = slopes_by_autograd(model, q, p)
    assert torch.allclose(dq, h_p, atol=1e-12) and torch.allclose(dp, -h_q, atol=1e-12)


@pytest.mark.parametrize("energy", ["network", "separable"])
def test_slopes_of_invariant_energies_are_those_of_autograd(energy, dtype):
    model = HNN(4, 16, energy=energy, symmetry="exact", generators=TWO_BODIES, seed=1).to(dtype)
    q, p = states(20, 4, dtype)
    for _ in range(2):  # before and after units are set
        h_q, h_p = slopes_by_autograd(model, q, p)
        for found, wanted in zip(model.field(q, p), (h_p, -h_q), strict=True):
            assert torch.allclose(found, wanted, atol=1e-5 if dtype == torch.float32 else 1e-12)
        model.set_unit(q + 3, p)


def test_derivative_loss_and_its_gradient_are_those_of_autograd():
    """Equation 3 of the paper by a double backward pass, against the closed form."""
    model = HNN(2, 20, seed=0).double()
    q, p = states(30, 2)
    dq, dp = states(30, 2)
    loss, _ = model.derivative_loss().loss(Batch((q, p, dq, dp)), torch.Generator(), Progress(0, 1))
    h_q, h_p = slopes_by_autograd(model, q, p)
    residual = torch.cat([dq - h_p, dp + h_q], -1)
    wanted = residual.square().mean()
    assert torch.isclose(loss, wanted, rtol=1e-13)
    parameters = list(model.parameters())
    by_hand = torch.autograd.grad(loss, parameters, allow_unused=True)
    by_autograd = torch.autograd.grad(wanted, parameters, allow_unused=True)
    for a, b in zip(by_hand, by_autograd, strict=True):
        assert (a is None and b is None) or torch.allclose(a, b, atol=1e-12)


def test_a_quadratic_network_finds_the_spring_to_rounding():
    """H = q² + p² of the catalogue, from states and the derivatives that its formula gives."""
    spring, parameters = hs.systems["harmonic_oscillator"].hamiltonian, {"m": 0.5, "k": 2.0}
    q, p = np.random.default_rng(0).standard_normal((2, 100, 1))
    rows = (q, p, *derivatives(spring, parameters, q, p))
    model = HNN(1, energy="quadratic", seed=0).double()
    for lr in (0.1, 1e-3, 1e-5, 1e-7, 1e-9):
        learn.fit(model.derivative_loss(), rows, steps=120, lr=lr, batch=50, progress=False)
    found = model.energy(q, p) - model.energy([[0.0]], [[0.0]])
    assert np.abs(found.detach().numpy() - (q**2 + p**2)[:, 0]).max() < 1e-12


def test_a_symmetric_network_conserves_momenta_along_rollouts():
    """Whatever its weights: the momenta to rounding by a symplectic method, which keeps linear and quadratic invariants."""
    model = HNN(4, 32, energy="separable", symmetry="exact", generators=TWO_BODIES, seed=3).double()
    q, p = states(6, 4)
    q, p = model.rollout(q, p, 0.1, 150, save_every=10)
    space = hs.PhaseSpace.standard(4)
    moved = (q[:, -1] - q[:, 0]).abs().max()
    assert moved > 0.5
    for text in TWO_BODIES:
        g = learn.symmetry.generators.TensorGenerator(hs.Generator(text, space))
        value = g(q, p)
        assert (value - value[:, :1]).abs().max() < 1e-10
    free = HNN(4, 32, energy="separable", seed=3).double()
    q, p = free.rollout(q[:, 0], p[:, 0], 0.1, 150, save_every=10)
    assert (g(q, p) - g(q, p)[:, :1]).abs().max() > 1e-3


@pytest.mark.parametrize("energy", ["network", "separable"])
def test_symmetry_is_proved_for_every_weight_and_measured(energy):
    model = HNN(4, 8, energy=energy, symmetry="exact", generators=TWO_BODIES, seed=0).double()
    verdicts = model.prove_symmetry()
    assert [v.status for v in verdicts] == ["proved"] * 3 and all(v.check() for v in verdicts)
    q, p = states(100, 4)
    assert all(r.relative < 1e-14 for r in model.bracket_residual(q, p))
    # what it was not given it does not have
    assert model.bracket_residual(q, p, "q1*p2 - q2*p1")[0].relative > 1e-3
    assert HNN(4, 8).prove_symmetry() == []


def test_every_distance_is_among_the_lengths():
    """x₁₂·x₁₃ is an invariant, |x₂ − x₃| is none of those found; the network sees it all the same."""
    space = hs.PhaseSpace.standard(6)
    turns = (*hs.total_momentum(space, 2), *hs.total_angular_momentum(space, 2))
    potential = HNN(
        6, 8, energy="separable", symmetry="exact", generators=turns, seed=0
    ).hamiltonian.potential
    q = torch.randn(50, 6)
    lengths = potential._found(q)[1].square() - potential.smoothing
    x = q.unflatten(-1, (3, 2))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        ratios = lengths / (x[:, i] - x[:, j]).square().sum(-1, keepdim=True)
        assert (ratios.std(0) < 1e-3 * ratios.mean(0)).any(), (i, j)


def test_lengths_are_as_invariant_as_what_they_are_made_of():
    """Of q1 p1, which scaling leaves, (q1 ± p1)² are the parts, which it does not leave: they are no sums of it."""
    model = HNN(2, 8, symmetry="exact", generators="q1*p1", seed=0).double()
    function = model.hamiltonian.function
    assert sorted(function.texts) == ["p1*q1", "p2", "q2"] and function.lengths == 0
    q, p = states(50, 2)
    assert model.bracket_residual(q, p)[0].relative < 1e-14
    was = model.energy(q, p)
    q[:, 0], p[:, 0] = 1.7 * q[:, 0], p[:, 0] / 1.7
    assert torch.allclose(model.energy(q, p), was, rtol=0, atol=1e-12)


def test_momenta_that_cancel_have_no_unit(dtype):
    """Rounding of p1 + p2 = 0 in all data is not blown up to the size of a feature."""
    space = hs.PhaseSpace.standard(4)
    model = HNN(
        4, 8, energy="separable", symmetry="exact", generators=hs.total_angular_momentum(space, 2), seed=0
    )
    model.to(dtype)
    q, p = states(200, 4, dtype)
    p[:, 2:] = -p[:, :2] * (1 + torch.finfo(dtype).eps)
    model.set_unit(q, p)
    a = model.hamiltonian.kinetic.gradient(p)
    p[:, 2:] = -p[:, :2]
    assert (
        torch.isfinite(a).all()
        and (a - model.hamiltonian.kinetic.gradient(p)).abs().max() < 1e-4 * a.abs().max()
    )


def test_generators_in_other_names_are_the_same():
    task = hs.systems["nbody"](n=2, d=2)
    space = task.hamiltonian.space
    listed = (*hs.total_momentum(space, 2), *hs.total_angular_momentum(space, 2))
    model = HNN(4, 8, symmetry="exact", generators=listed, seed=0)
    assert (
        model.config()["invariants"]
        == HNN(4, 8, symmetry="exact", generators=TWO_BODIES).config()["invariants"]
    )


def test_a_step_of_the_simulator_is_a_step_of_the_loss():
    """With the true energy the leapfrog loss of the simulator's own leapfrog data vanishes; another method's does not."""
    pendulum = hs.systems["pendulum"].hamiltonian
    values = {"m": 0.5, "l": 1.0, "g": 6.0}
    met = hs.simulate(pendulum, [[1.0], [2.0]], [[0.5], [0.0]], 0.1, 50, parameters=values)
    rows = tuple(
        torch.tensor(x).reshape(-1, 1) for x in (met.q[:, :-1], met.p[:, :-1], met.q[:, 1:], met.p[:, 1:])
    )

    class Pendulum(torch.nn.Module):
        is_separable = True

        def value(self, q, p):
            return (p.square() + 3 * (1 - q.cos())).sum(-1)

        def slopes(self, q, p):
            return self.grad_potential(q), self.grad_kinetic(p)

        def grad_potential(self, q):
            return 3 * q.sin()

        def grad_kinetic(self, p):
            return 2 * p

    model = HNN(1, energy=Pendulum())
    assert model.step_loss(0.1, method="leapfrog").motion(rows) < 1e-26
    assert model.step_loss(0.1, method="leapfrog", substeps=2).motion(rows) > 1e-8
    midpoint = model.step_loss(0.1).motion(rows)
    assert 1e-8 < midpoint < 1e-2


@pytest.mark.parametrize("method", ["midpoint", "leapfrog", "rk4"])
def test_step_losses_learn_a_spring_from_states_alone(method):
    t = torch.linspace(0, 6, 200, dtype=torch.float64)[:, None]
    rows = (t.sin(), t.cos(), (t + 0.1).sin(), (t + 0.1).cos())
    energy = "separable" if method == "leapfrog" else "network"
    model = HNN(1, 16, energy=energy, seed=0).double()
    result = learn.fit(
        model.step_loss(0.1, method=method), rows, steps=250, lr=1e-2, batch=64, progress=False
    )
    assert result.history["loss"][-1] < 1e-3 < 0.1 < result.history["loss"][0]


def test_an_hnn_keeps_its_own_energy_and_the_baseline_has_none():
    model = HNN(2, 16, seed=2).double()
    q, p = states(5, 2)
    q, p = model.rollout(q, p, 0.02, 200)
    energy = model.energy(q.flatten(0, 1), p.flatten(0, 1)).detach().reshape(5, -1)
    assert (energy - energy[:, :1]).abs().max() < 1e-7
    assert not hasattr(FieldNetwork(2), "energy")
    with pytest.raises(NotSeparableError, match="rk4"):
        model.rollout(q[:, 0], p[:, 0], 0.1, 2, method="leapfrog")


def test_any_energy_is_differentiated():
    """A module of the user's own, with a mass that is not one: dq/dt is ∂H/∂p, not p."""
    mass = torch.nn.Parameter(torch.tensor(3.0, dtype=torch.float64))

    class Heavy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mass = mass

        def forward(self, q, p):
            return (p.square() / (2 * self.mass) + q.square() / 2).sum(-1)

    model = HNN(1, energy=Heavy())
    dq, dp = model.field([[2.0]], [[6.0]])
    assert (dq.item(), dp.item()) == (2.0, -2.0)
    q, p = states(100, 1)
    learn.fit(model.derivative_loss(), (q, p, p / 2, -q), steps=300, lr=0.1, batch=32, progress=False)
    assert abs(mass.item() - 2) < 1e-3
    with pytest.raises(CheckpointError, match="of your own"):
        model.config()


@pytest.mark.parametrize("symmetry", [None, "penalty", "exact"])
def test_resumed_is_uninterrupted(symmetry, tmp_path):
    q, p = states(64, 2, torch.float32)
    rows = (q, p, p, -q)
    generators = () if symmetry is None else "q1*p2 - q2*p1"

    def fresh():
        return HNN(2, 8, symmetry=symmetry, generators=generators, seed=0).derivative_loss()

    def stop(step, result):
        if step == 7:
            raise KeyboardInterrupt

    whole, halved = fresh(), fresh()
    settings = {"steps": 20, "batch": 16, "lr": 1e-2, "seed": 5, "progress": False}
    once = learn.fit(whole, rows, **settings)
    with pytest.raises(KeyboardInterrupt):
        learn.fit(halved, rows, out=tmp_path, callback=stop, **settings)
    again = fresh()
    twice = learn.fit(again, rows, out=tmp_path, resume=True, **settings)
    assert once.history["loss"] == twice.history["loss"] and once.history["lambda"] == twice.history["lambda"]
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(learn.load(tmp_path).energy(q, p), whole.model.energy(q, p))


@pytest.mark.parametrize("sampling", ["data", "orbit"])
def test_brackets_fall_under_the_constraint(sampling):
    q, p = states(400, 2, torch.float32)
    rows = (q, p, p, -q * torch.tensor([1.0, 1.3]))  # not quite symmetric data
    found = {}
    for symmetry in (None, "penalty"):
        model = HNN(2, 32, symmetry=symmetry, generators="q1*p2 - q2*p1", seed=0)
        constraint = None
        if symmetry:
            constraint = BracketConstraint(model.generators, sampling=sampling, tolerance=1e-3, batch=64)
        loss = model.derivative_loss(constraint=constraint)
        learn.fit(loss, rows, steps=200, batch=64, lr=1e-2, progress=False)
        found[symmetry] = model.bracket_residual(q, p)[0].mean_square
    assert found["penalty"] < 0.1 * found[None]


def test_the_constraint_measures_what_bracket_residual_does():
    model = HNN(2, 16, generators="q1*p2 - q2*p1", seed=0).double()
    q, p = states(64, 2)
    constraint = BracketConstraint(model.generators, sampling="data", batch=64)
    loss = DerivativeLoss(model, constraint=constraint)
    _, numbers = loss.loss(Batch((q, p, q, p)), torch.Generator(), Progress(0, 1))
    assert np.isclose(numbers["residual"][0], model.bracket_residual(q, p)[0].mean_square, rtol=1e-12)


def test_weight_decay_is_that_of_adam():
    model = TanhNetwork(2, 4)
    hnn = HNN(1, 4, seed=0)
    rows = tuple(torch.randn(4, 8, 1))
    bare, decayed = (hnn.derivative_loss(weight_decay=w) for w in (0.0, 0.1))
    a, b = (loss.loss(Batch(rows), torch.Generator(), Progress(0, 1))[0] for loss in (bare, decayed))
    squares = sum(float(w.detach().square().sum()) for w in hnn.parameters())
    assert np.isclose(float((b - a).detach()), 0.05 * squares, rtol=1e-4)
    assert len(list(model.parameters())) == 5


@pytest.mark.parametrize(
    "made",
    [
        lambda: HNN(2, 6, 3, seed=0),
        lambda: HNN(2, 6, energy="separable", symmetry="exact", generators="q1*p2 - q2*p1", seed=0),
        lambda: HNN(2, energy="quadratic", symmetry="penalty", generators=["p1", "p2"], seed=0),
        lambda: FieldNetwork(2, 6, seed=0),
    ],
)
def test_saved_and_loaded(made, dtype, tmp_path):
    model = made().to(dtype)
    model.save(tmp_path)
    same = learn.load(tmp_path)
    q, p = states(4, 2, dtype)
    assert type(same) is type(model) and all(map(torch.equal, same.field(q, p), model.field(q, p)))
    assert same.config() == model.config()


@pytest.mark.parametrize(
    "change",
    [
        {"width": 10**9}, {"dim": 0}, {"depth": "2"}, {"energy": "mine"}, {"energy": None}, {"generators": "p1"},
        {"symmetry": "exact"}, {"dtype": "float16"}, {"invariants": {"H": ["p1"]}},
    ],
)  # fmt: skip
def test_descriptions_that_lie_are_refused(change, tmp_path):
    model = HNN(2, 6, seed=0)
    learn.storage.write(tmp_path, "model", model.state_dict(), {"hnn": model.config() | change})
    with pytest.raises(CheckpointError):
        learn.load(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: HNN(0),
        lambda: HNN(2, width=0),
        lambda: HNN(2, depth=2.5),
        lambda: HNN(2, width=10**6),
        lambda: HNN(2, energy="cubic"),
        lambda: HNN(2, energy=3),
        lambda: HNN(2, symmetry="average", generators="p1"),
        lambda: HNN(2, symmetry="exact"),
        lambda: HNN(2, symmetry="exact", generators="p3"),
        lambda: HNN(2, symmetry="exact", generators="p1", energy="quadratic"),
        lambda: HNN(2, symmetry="exact", generators="p1", energy=lambda q, p: q.sum(-1)),
        lambda: HNN(2, seed=-1),
        lambda: HNN(2).field([[1.0]], [[1.0]]),
        lambda: HNN(2).field([[1.0, float("nan")]], [[1.0, 0.0]]),
        lambda: HNN(1).field([[1.0]], [[1.0], [2.0]]),
        lambda: HNN(1).rollout([[1.0]], [[1.0]], 0.1, 0),
        lambda: HNN(1).rollout([[1.0]], [[1.0]], 0.1, 5, method="magic"),
        lambda: HNN(1).step_loss(0.0),
        lambda: HNN(1).step_loss(0.1, method="magic"),
        lambda: HNN(1).step_loss(0.1, substeps=2),
        lambda: HNN(1).derivative_loss(weight_decay=-1.0),
        lambda: HNN(1).derivative_loss(constraint="p1"),
        lambda: HNN(1).derivative_loss(constraint=BracketConstraint("p1")),
        lambda: HNN(2).derivative_loss(
            constraint=BracketConstraint("q1*p2 - q2*p1", sampling="data", measured="field")
        ),
        lambda: learn.fit(HNN(2).derivative_loss(), (torch.ones(4, 2),) * 3, progress=False),
        lambda: learn.fit(HNN(2).derivative_loss(), (torch.ones(4, 1),) * 4, progress=False),
        lambda: learn.fit(HNN(2).derivative_loss(), (np.full((4, 2), np.nan),) * 4, progress=False),
        lambda: learn.fit(HNN(1).derivative_loss(), [], progress=False),
    ],
)  # fmt: skip
def test_wrong_input_is_refused(wrong):
    with pytest.raises(HamsymError):
        wrong()


@pytest.mark.parametrize("dim", [6000, 10**7])
def test_a_quadratic_energy_that_is_too_large_is_refused_before_it_is_allocated(dim):
    with pytest.raises(hs.errors.ParameterError, match="weights"):
        learn.HNN(dim, width=1, energy="quadratic")


@pytest.mark.parametrize(
    "energy",
    [
        lambda q, p: "a", lambda q, p: None, lambda q: q, lambda q, p: q.sum(), lambda q, p: torch.cat([q, p], -1),
        lambda q, p: q.detach().sum(-1), lambda q, p: torch.zeros(len(q)),
    ],
)  # fmt: skip
def test_an_energy_of_ones_own_that_is_none_is_refused(energy):
    model = HNN(1, energy=energy)
    with pytest.raises(HamsymError, match="energy"):
        model.field([[1.0], [2.0]], [[2.0], [0.0]])


@pytest.mark.parametrize(
    "frames",
    [
        None, "x", torch.zeros(2, 9), torch.zeros(2, 2, 8), np.zeros((2, 2, 9)), torch.zeros(2, 2, 9).double(),
        torch.full((2, 2, 9), torch.nan),
    ],
)  # fmt: skip
def test_frames_that_a_pixel_hnn_cannot_read_are_refused(frames):
    from learn.hnn.pixels import PixelHNN

    model = PixelHNN(9, width=4, seed=0)
    with pytest.raises(HamsymError, match="frames"):
        model.encode(frames)
    with pytest.raises(HamsymError, match="one tensor"):
        learn.fit(model.loss(), (torch.zeros(5, 3, 9),) * 2, steps=1, batch=2, progress=False)
