"""Integrators on tensors: the simulator's states, measured orders, exact way back, symplectic steps, true gradients."""

import math

import numpy as np
import pytest
import torch

import hamsym as hs
from hamsym.errors import NonFiniteError, NotSeparableError, ParameterError, ShapeError, UnknownNameError
from hamsym.numeric.methods import Splitting, method_named
from learn.fields import CanonicalField, Separated
from learn.flow.leapfrog import SeparableHamiltonian, leapfrog
from learn.flow.potentials import RidgePotential
from learn.integrators import integrate, integrators, rollout

SYMMETRIC = [name for name in integrators() if isinstance(method_named(name), Splitting)]
RUNGE_KUTTA = [name for name in integrators() if name not in SYMMETRIC]
#: Time on both sides and a velocity that is not the momentum: what leapfrog of unit mass and late clocks get wrong.
DRIVEN = "sqrt(1 + p1**2 + 2*p2**2)*(1 + sin(t)/3) + (1 + cos(2*t)/2)*(q1**4 + q1**2*q2**2 - 2*cos(q2))/4"


def driven_potential(q, t):
    x, y = q.unbind(-1)
    slopes = torch.stack([4 * x**3 + 2 * x * y**2, 2 * x**2 * y + 2 * torch.sin(y)], -1) / 4
    return (1 + math.cos(2 * t) / 2) * slopes


def driven_kinetic(p, t):
    weights = p.new_tensor([1.0, 2.0])
    return (1 + math.sin(t) / 3) * weights * p / (1 + (weights * p**2).sum(-1, keepdim=True)).sqrt()


driven = Separated(driven_potential, driven_kinetic)


def pendulum_of_mass_two(dtype=torch.float64):
    q = torch.linspace(-2, 2, 7, dtype=dtype)[:, None]
    return Separated(torch.sin, lambda p: p / 2), q, torch.cos(3 * q)


def test_all_tables_that_can_be_stepped_are():
    assert SYMMETRIC == [m.name for m in hs.methods() if isinstance(m, Splitting) and not m.quadratic_kinetic]
    assert RUNGE_KUTTA == ["rk1", "rk2", "rk3", "rk4"]


@pytest.mark.parametrize("method", integrators())
def test_states_are_those_of_the_simulator(method):
    H = hs.Hamiltonian(DRIVEN, hs.PhaseSpace.standard(2, time="t"))
    q, p = np.random.default_rng(0).uniform(-0.8, 0.8, (2, 5, 2))
    theirs = hs.simulate(H, q, p, 0.05, 40, save_every=8, t0=0.3, method=method)
    ours = rollout(driven, torch.tensor(q), torch.tensor(p), 0.05, 40, save_every=8, t0=0.3, method=method)
    assert ours[0].shape == (5, 6, 2)
    assert np.abs(ours[0].numpy() - theirs.q).max() < 1e-13
    assert np.abs(ours[1].numpy() - theirs.p).max() < 1e-13


@pytest.mark.parametrize("method", integrators())
def test_orders(method):
    """Error over a fixed time of a nonlinear driven system against a far finer run."""
    order = method_named(method).order
    q, p = torch.rand(2, 6, 2, dtype=torch.float64) - 0.5
    best = integrate(driven, q, p, 2 / 200, 200, method="kahan_li8", t0=0.3)[0]
    base = {1: 400, 2: 60, 3: 40, 4: 30, 6: 16, 8: 14}[order]
    errors = [
        (integrate(driven, q, p, 2 / n, n, method=method, t0=0.3)[0] - best).square().mean().sqrt()
        for n in (base, 2 * base)
    ]
    assert abs(math.log2(errors[0] / errors[1]) - order) < 0.15, errors


@pytest.mark.parametrize("method", integrators())
def test_the_way_back_is_exact_where_the_method_is_symmetric(method):
    H, q, p = pendulum_of_mass_two()
    there = integrate(H, q, p, 0.2, 50, method=method)
    back = integrate(H, *there, -0.2, 50, method=method)
    error = float(max((back[0] - q).abs().max(), (back[1] - p).abs().max()))
    assert error < 1e-13 if method in SYMMETRIC else error > 1e-6


@pytest.mark.parametrize("method", integrators())
def test_the_step_is_symplectic_where_it_is_said_to_be(method):
    """DᵀJD = J for the Jacobian D of ten steps."""

    def moved(state):
        return torch.cat(
            integrate(driven, state[None, :2], state[None, 2:], 0.1, 10, method=method, t0=0.0), -1
        )[0]

    D = torch.autograd.functional.jacobian(moved, torch.tensor([0.7, -0.4, 0.3, 0.6], dtype=torch.float64))
    J = torch.zeros(4, 4, dtype=torch.float64)
    J[:2, 2:], J[2:, :2] = torch.eye(2), -torch.eye(2)
    error = float((D.T @ J @ D - J).abs().max())
    assert error < 1e-13 if method in SYMMETRIC else error > 1e-8


@pytest.mark.parametrize("method", ["leapfrog", "leapfrog_drift", "yoshida4", "rk4"])
def test_gradients_reach_states_time_step_and_weights(method):
    weight = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    q, p = torch.rand(2, 3, 2, dtype=torch.float64, requires_grad=True)
    dt = torch.tensor([0.1, 0.2, -0.3], dtype=torch.float64, requires_grad=True)

    def end(q, p, dt, weight):
        H = Separated(lambda q: weight * torch.sin(q), lambda p: p / weight)
        return integrate(H, q, p, dt, 3, method=method)

    assert torch.autograd.gradcheck(
        end, (q.detach().requires_grad_(), p.detach().requires_grad_(), dt, weight)
    )


def test_each_member_of_a_batch_may_have_its_own_time_step():
    H, q, p = pendulum_of_mass_two()
    dt = torch.linspace(-0.2, 0.3, len(q), dtype=q.dtype)
    for method in ("yoshida4", "rk3"):
        together = integrate(H, q, p, dt, 4, method=method)
        for i, h in enumerate(dt.tolist()):
            alone = integrate(H, q[i : i + 1], p[i : i + 1], h, 4, method=method)
            assert (together[0][i] - alone[0][0]).abs().max() < 1e-15
    start = torch.linspace(0, 1, 5, dtype=torch.float64)
    field = lambda q, p, t: (t**2 + 0 * q, -t + 0 * p)  # noqa: E731
    q, p = integrate(
        field, torch.zeros(5, 2).double(), torch.zeros(5, 2).double(), 0.5, 2, method="rk4", t0=start
    )
    assert (q[:, 1] - ((start + 1) ** 3 - start**3) / 3).abs().max() < 1e-14
    assert (p[:, 0] + ((start + 1) ** 2 - start**2) / 2).abs().max() < 1e-14


def test_leapfrog_is_that_of_the_flow(dtype, device):
    H = SeparableHamiltonian(RidgePotential(2, 8), RidgePotential(2, 8, curvature=1.0), dt=0.2).to(
        device, dtype
    )
    q, p = torch.randn(2, 5, 2, device=device, dtype=dtype)
    close = {"atol": 1e-6 if dtype == torch.float32 else 1e-14, "rtol": 0}
    for ours, flow in zip(integrate(H, q, p, H.dt, 4), leapfrog(H, q, p, steps=4), strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, flow, **close)


def test_a_field_by_automatic_differentiation_is_that_of_the_formula_and_can_be_trained():
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    field = CanonicalField(lambda q, p: (weight * (1 + q**2) * (1 + p**2) / 2).sum(-1))
    q, p = torch.rand(2, 4, 3, dtype=torch.float64)
    velocity, force = field(q, p)
    torch.testing.assert_close(velocity, weight * (1 + q**2) * p)
    torch.testing.assert_close(force, -weight * q * (1 + p**2))

    def end(value):
        with torch.no_grad():
            weight.fill_(value)
        q1, p1 = integrate(field, q, p, 0.1, 2, method="rk4")
        return (q1**2 + p1).sum()

    (slope,) = torch.autograd.grad(end(0.7), weight)
    difference = (end(0.7 + 1e-6).item() - end(0.7 - 1e-6).item()) / 2e-6
    assert slope.item() == pytest.approx(difference, rel=1e-7)
    with torch.no_grad():
        assert not integrate(field, q, p, 0.1, method="rk2")[0].requires_grad
    of_q_alone = CanonicalField(lambda q, p: q.square().sum(-1) / 2)
    assert torch.equal(of_q_alone(q, p)[0], torch.zeros_like(q)) and torch.equal(of_q_alone(q, p)[1], -q)


def test_what_a_method_cannot_step_is_refused():
    H, q, p = pendulum_of_mass_two()
    field = CanonicalField(lambda q, p: (q * p).sum(-1))
    with pytest.raises(NotSeparableError, match=r"grad_potential.*rk4"):
        integrate(field, q, p, 0.1)
    for method in ("gauss4", "tao2", "blanes_moan4"):
        with pytest.raises(ParameterError, match="no form in torch"):
            integrate(H, q, p, 0.1, method=method)
    with pytest.raises(UnknownNameError, match="did you mean"):
        integrate(H, q, p, 0.1, method="yoshida5")
    with pytest.raises(ParameterError, match="a system has"):
        integrate("pendulum", q, p, 0.1, method="rk4")
    with pytest.raises(ShapeError, match="one shape"):
        integrate(H, q, p[:, 0], 0.1)
    with pytest.raises(ShapeError, match="dt is a number"):
        integrate(H, q, p, torch.ones(3))
    for bad in ({"steps": 0}, {"dt": math.nan}, {"dt": "0.1"}):
        with pytest.raises(ParameterError):
            integrate(H, q, p, **{"dt": 0.1, **bad})
    with pytest.raises(ParameterError, match="floating"):
        integrate(H, q.long(), p.long(), 0.1)
    with pytest.raises(ParameterError, match="nothing would be stored"):
        rollout(H, q, p, 0.1, 4, save_every=5)


def test_a_trajectory_that_leaves_the_numbers_is_named():
    H = Separated(lambda q: -(q**3), lambda p: p)
    q, p = torch.tensor([[0.0], [50.0], [0.1]]), torch.zeros(3, 1)
    with pytest.raises(NonFiniteError, match="trajectory 1") as caught:
        rollout(H, q, p, 0.5, 40)
    assert caught.value.index == 1
