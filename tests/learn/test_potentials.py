"""Closed-form gradients against autograd, in values and in the derivatives that training uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learn import kernels
from learn.features import Features
from learn.leapfrog import FusedLeapfrog, SeparableHamiltonian, _plain, leapfrog
from learn.potentials import FusedGradient, RidgePotential, closed_gradient

SHAPES = {
    "coordinates": lambda: None,
    "one length": lambda: Features.of(4, [], [[0, 1, 2, 3]]),
    "lengths and rest": lambda: Features.of(4, [2], [[0, 3], [1]]),
    "coordinates and lengths": lambda: Features.of(4, range(4), [[0, 1], [2, 3]]),
    "any functions and forms": lambda: Features(
        np.array([[0.5, 0.0, -0.5, 0.2]]), [np.random.default_rng(k).normal(size=(k, 4)) for k in (1, 2)]
    ),
    "centred forms": lambda: Features(
        np.zeros((0, 4)),
        [np.array([[1.0, -1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])],
        removed=np.full((1, 4), 0.5),
    ),
}


@pytest.mark.parametrize("features", SHAPES)
def test_gradient_is_the_derivative_of_value(features, dtype, device):
    energy = RidgePotential(4, 16, features=SHAPES[features](), curvature=0.7).to(device, dtype)
    energy.unit.fill_(2.5)
    x = torch.randn(30, 4, dtype=dtype, device=device, requires_grad=True)
    (expected,) = torch.autograd.grad(energy.value(x).sum(), x)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(energy.gradient(x), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("features", SHAPES)
def test_training_through_the_gradient_is_double_differentiation(features):
    energy = RidgePotential(4, 9, features=SHAPES[features](), curvature=0.7).double()
    x = torch.randn(11, 4, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(11, 4, dtype=torch.float64)
    inputs = [x, *energy.parameters()]
    fast = torch.autograd.grad((energy.gradient(x) * direction).sum(), inputs)
    (slow,) = torch.autograd.grad(energy.value(x).sum(), x, create_graph=True)
    for a, b in zip(fast, torch.autograd.grad((slow * direction).sum(), inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("features", SHAPES)
def test_reverse_pass_is_right_to_second_order(features):
    energy = RidgePotential(4, 3, features=SHAPES[features](), curvature=0.7).double()
    energy.unit.fill_(1.3)
    given = (energy.weight, energy.bias, energy.out, energy.curvature)

    def gradient(x, *weights):
        return FusedGradient.apply(x, *weights, energy.unit, energy.features)

    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gradient, (x, *given))
    assert torch.autograd.gradgradcheck(gradient, (x, *given))
    plain = closed_gradient(x, *given, energy.unit, energy.features)
    torch.testing.assert_close(gradient(x, *given), plain, rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_kicks_of_the_network_part_are_bounded(x, y):
    energy = RidgePotential(2, 32).double()
    bound = float((energy.out.abs() * energy.weight.norm(dim=0)).sum().detach())
    assert float(energy.gradient(torch.tensor([[x, y]], dtype=torch.float64)).detach().norm()) <= bound


def test_lengths_do_not_notice_rotations_and_are_smooth_at_the_origin():
    energy = RidgePotential(2, 16, features=Features.of(2, [], [[0, 1]])).double()
    x = torch.randn(20, 2, dtype=torch.float64)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    torch.testing.assert_close(energy.value(x @ turn.T), energy.value(x), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(
        energy.gradient(x @ turn.T), energy.gradient(x) @ turn.T, rtol=1e-12, atol=1e-12
    )
    assert bool((energy.gradient(torch.zeros(1, 2, dtype=torch.float64)) == 0).all())


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4, 1e7])
@pytest.mark.parametrize("inputs", [1, 2, 5])
@pytest.mark.parametrize("points", [1, 511, 1025])
def test_kernels_are_the_formulas(scale, inputs, points, dtype):
    # against plain torch in float64; 1025 points leave an unfinished block, 1e7 leaves the range of the series
    shapes = [(points, inputs), (inputs, 13), (13,), (13,), (points, inputs)]
    exact = [torch.randn(*s, dtype=torch.float64) for s in shapes]
    exact[0] *= scale
    z, weight, bias, out, _ = given = [x.to(dtype) for x in exact]
    z64, weight64, bias64, out64, cotangent64 = [x.double() for x in given]
    angle = (z @ weight + bias).double() if scale > 100 else z64 @ weight64 + bias64
    sine, bent = angle.sin(), angle.cos() * (cotangent64 @ weight64)
    eps = torch.finfo(dtype).eps * max(1.0, float(angle.abs().max()))
    tolerance = {"rtol": 0, "atol": 40 * eps * inputs * (1 + points**0.5)}
    if tolerance["atol"] < 0.1:  # beyond that the angle itself has lost its digits
        torch.testing.assert_close(
            kernels.ridge_gradient(*given[:4]).double(), sine @ (out64 * weight64).T, **tolerance
        )
        expected = (
            bent @ (out64 * weight64).T,
            out64 * (cotangent64.T @ sine + z64.T @ bent),
            out64 * bent.sum(0),
            (sine * (cotangent64 @ weight64)).sum(0),
        )
        for got, wanted in zip(kernels.ridge_gradient_backward(*given), expected, strict=True):
            size = max(1.0, scale)
            torch.testing.assert_close(got.double() / size, wanted / size, **tolerance)
    bound = float((out.abs() * weight.abs().sum(0)).sum())
    assert kernels.ridge_gradient(*given[:4]).abs().max() <= bound * 1.01


def test_kernels_pass_on_what_is_not_a_number():
    z = torch.zeros(3, 2)
    z[1, 0] = torch.nan
    result = kernels.ridge_gradient(z, torch.ones(2, 4), torch.zeros(4), torch.ones(4))
    assert result[1].isnan().all()


def test_kernels_leave_other_tensors_to_torch():
    assert kernels.applies(torch.zeros(1), torch.nn.Parameter(torch.zeros(1)))
    assert not kernels.applies(torch.zeros(1), torch.zeros(1, dtype=torch.float64))
    assert not kernels.applies(torch.zeros(1, dtype=torch.float16))
    assert not kernels.applies(torch.zeros(1, device="meta"))


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("inverse", [False, True])
def test_fused_steps_are_the_steps(steps, inverse, dtype):
    def energies():
        torch.manual_seed(3)
        made = [RidgePotential(3, 7, curvature=k).to(dtype) for k in (0.3, 1.0)]
        with torch.no_grad():
            made[0].unit.fill_(2.5), made[1].unit.fill_(0.5)
            for energy in made:
                energy.out.mul_(5)
        return made

    q, p = torch.randn(2, 600, 3, dtype=dtype, requires_grad=True).unbind()
    q, p = (x.detach().requires_grad_() for x in (q, p))
    weights = torch.randn(2, 600, 3, dtype=dtype)
    results = []
    for fused in (True, False):
        h = SeparableHamiltonian(*energies(), dt=0.3).to(dtype)
        sign = -1 if inverse else 1
        if fused:
            moved = leapfrog(h, q, p, steps=steps, inverse=inverse)
            assert type(moved[0].grad_fn).__name__ == "FusedLeapfrogBackward"
        else:
            inputs = [
                t for e in (h.potential_energy, h.kinetic_energy) for t in (*e.ridges(), e.curvature, e.unit)
            ]
            moved = _plain([q, p, sign * h.dt, *inputs], steps)
        loss = (moved[0] * weights[0]).sum() + (moved[1] * weights[1]).sum()
        results.append([*moved, *torch.autograd.grad(loss, [q, p, *h.parameters()])])
    for fast, slow in zip(*results, strict=True):
        tolerance = 1e-11 if dtype == torch.float64 else 2e-4
        size = max(1.0, float(slow.detach().abs().max()))
        torch.testing.assert_close(fast / size, slow / size, rtol=0, atol=tolerance)


def test_fused_steps_differentiate_twice():
    energies = [RidgePotential(2, 3, curvature=k).double() for k in (0.3, 1.0)]
    tensors = [t for e in energies for t in (*e.ridges(), e.curvature, e.unit)]
    state = [torch.randn(2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    dt = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *t: FusedLeapfrog.apply(*t, 2), (*state, dt, *tensors))
    assert torch.autograd.gradgradcheck(lambda *t: FusedLeapfrog.apply(*t, 2), (*state, dt, *tensors))
