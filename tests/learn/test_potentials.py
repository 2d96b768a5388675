"""Closed-form gradients against autograd, in values and in the derivatives that training uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.flow.features import Features
from learn.flow.leapfrog import SeparableHamiltonian, leapfrog_chain
from learn.flow.potentials import FusedGradients, RidgePotential, closed_gradient
from learn.flow.reversible import FusedLeapfrog, Plan
from learn.kernels import cpu

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
        return FusedGradients.apply(energy.features, x[None], *weights, energy.unit)[0]

    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gradient, (x, *given))
    assert torch.autograd.gradgradcheck(gradient, (x, *given))
    plain = closed_gradient(x, *given, energy.unit, features=energy.features)
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
        one, zero = torch.ones((), dtype=dtype), torch.zeros((), dtype=dtype)
        records = cpu.flattened([weight, bias, out, zero, one])
        shape = cpu.Shape(Features.of(inputs, range(inputs)), 13)
        torch.testing.assert_close(
            cpu.gradients(z[None], records, shape)[0].double(), sine @ (out64 * weight64).T, **tolerance
        )
        expected = (
            bent @ (out64 * weight64).T,
            out64 * (cotangent64.T @ sine + z64.T @ bent),
            out64 * bent.sum(0),
            (sine * (cotangent64 @ weight64)).sum(0),
        )
        to_z, to_records = cpu.gradients_pulled(z[None], given[4][None], records, shape)
        found = to_z[0], *cpu.unflattened(to_records, [weight, bias, out, zero, one])[:3]
        for got, wanted in zip(found, expected, strict=True):
            size = max(1.0, scale)
            torch.testing.assert_close(got.double() / size, wanted / size, **tolerance)


def test_kernels_pass_on_what_is_not_a_number_and_bound_what_is_huge(dtype):
    energy = RidgePotential(2, 4).to(dtype)
    bound = float((energy.out.abs() * energy.weight.norm(dim=0)).sum().detach())
    z = torch.zeros(300, 2, dtype=dtype)
    z[1, 0], z[2, 1], z[3] = torch.nan, torch.inf, 1e30
    result = energy.gradient(z).detach()
    assert result[1:3].isnan().any(-1).all()
    assert float(result[3].norm()) <= bound * 1.01
    torch.testing.assert_close(result[4:], energy.gradient(z[4:]).detach(), rtol=0, atol=0)
    assert result[4:].isfinite().all()


def test_kernels_leave_other_tensors_to_torch():
    assert cpu.applies(torch.zeros(1), torch.nn.Parameter(torch.zeros(1)))
    assert not cpu.applies(torch.zeros(1), torch.zeros(1, dtype=torch.float64))
    assert not cpu.applies(torch.zeros(1, dtype=torch.float16))
    assert not cpu.applies(torch.zeros(1, device="meta"))
    with cpu.left_to_torch():
        assert not cpu.applies(torch.zeros(1))
    assert cpu.applies(torch.zeros(1))


def trained(features, dtype, members=2, dim=4):
    """Hamiltonians with weights far from their first values, in different units."""
    torch.manual_seed(3)
    chain = []
    for _ in range(members):
        made = [RidgePotential(dim, 7, features=SHAPES[features](), curvature=k) for k in (0.3, 1.0)]
        with torch.no_grad():
            for energy, unit in zip(made, (2.5, 0.5), strict=True):
                energy.unit.fill_(unit)
                energy.out.mul_(2), energy.weight.mul_(0.4)
        chain.append(SeparableHamiltonian(*made, dt=0.2).to(dtype))
    return chain


def moved(chain, q, p, pulled, **how):
    """States after the steps, and the gradients of a function of them with respect to everything."""
    inputs = [x.clone().requires_grad_() for x in (q, p)]
    ends = leapfrog_chain(chain, *inputs, **how)
    loss = ((ends[0] * pulled[0]).sum() + (ends[1] * pulled[1]).sum()) / len(q) ** 0.5
    weights = [w for h in chain for w in h.parameters()]
    return ends[0].grad_fn, [*(x.detach() for x in ends), *torch.autograd.grad(loss, [*inputs, *weights])]


@pytest.mark.parametrize("features", SHAPES)
@pytest.mark.parametrize("steps, inverse", [(1, False), (3, True)])
def test_fused_chain_is_the_chain(features, steps, inverse, dtype):
    chain = trained(features, dtype)
    q, p, *pulled = torch.randn(4, 600, 4, dtype=dtype)
    node, fast = moved(chain, q, p, pulled, steps=steps, inverse=inverse)
    assert type(node).__name__ == "FusedLeapfrogBackward"
    with cpu.left_to_torch():
        node, slow = moved(chain, q, p, pulled, steps=steps, inverse=inverse)
        assert type(node).__name__ != "FusedLeapfrogBackward"
        truth = moved(
            [h.double() for h in chain], q.double(), p.double(), pulled, steps=steps, inverse=inverse
        )[1]
    for a, b, exact in zip(fast, slow, truth, strict=True):
        size = max(1.0, float(exact.abs().max()))
        errors = [float((x - exact).abs().max()) / size for x in (a, b)]
        # where single precision itself is lost on the way, nobody can do better than torch
        assert errors[0] < (1e-12 if dtype == torch.float64 else max(1e-5, 2 * errors[1]))


def test_fused_chain_is_as_exact_as_torch_where_rounding_grows():
    # many steps with large kicks: both float32 results are compared with float64
    chain = trained("coordinates", torch.float32, members=4)
    q, p, *pulled = torch.randn(4, 500, 4)
    fast = moved(chain, q, p, pulled, steps=4)[1]
    with cpu.left_to_torch():
        slow = moved(chain, q, p, pulled, steps=4)[1]
        exact = moved([h.double() for h in chain], *(x.double() for x in (q, p)), pulled, steps=4)[1]
    for a, b, e in zip(fast, slow, exact, strict=True):
        errors = [float((x.double() - e).square().mean().sqrt()) for x in (a, b)]
        assert errors[0] < 2.5 * errors[1] + 1e-7 * float(e.abs().max()) * len(q) ** 0.5


def test_a_chain_of_unlike_members_takes_each_alone():
    unlike = trained("coordinates", torch.float64) + trained("lengths and rest", torch.float64)
    q, p, *pulled = torch.randn(4, 70, 4, dtype=torch.float64)
    fast = moved(unlike, q, p, pulled)[1]
    with cpu.left_to_torch():
        slow = moved(unlike, q, p, pulled)[1]
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_a_point_has_the_same_bits_alone_and_in_any_batch(dtype):
    chain = trained("lengths and rest", dtype)
    q, p = torch.randn(2, 1100, 4, dtype=dtype)
    with torch.no_grad():
        together = leapfrog_chain(chain, q, p, steps=2)
        for rows in (slice(0, 1), slice(513, 514), slice(300, 900)):
            alone = leapfrog_chain(chain, q[rows], p[rows], steps=2)
            assert all(torch.equal(a, b[rows]) for a, b in zip(alone, together, strict=True))


def test_fused_steps_differentiate_twice():
    chain = trained("coordinates", torch.float64, members=2, dim=4)
    tensors = [
        t for h in chain for t in (h.log_dt, *h.potential_energy.tensors(), *h.kinetic_energy.tensors())
    ]
    tensors = [t.detach()[..., :2].clone().requires_grad_() if t.ndim else t for t in tensors]
    state = [torch.randn(2, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    plan = Plan(cpu.Shape(chain[0].potential_energy.features, 2), 2, 1)
    assert torch.autograd.gradcheck(lambda *t: FusedLeapfrog.apply(plan, *t), (*state, *tensors))
    assert torch.autograd.gradgradcheck(lambda *t: FusedLeapfrog.apply(plan, *t), (*state, *tensors))


@pytest.mark.parametrize("features", ["coordinates", "coordinates and lengths"])
def test_memory_does_not_grow_with_the_number_of_steps(features):
    # what the graph keeps between the passes, counted by the hook through which every saved tensor goes
    chain = trained(features, torch.float32)
    q, p = torch.randn(2, 600, 4)
    kept = {}
    for steps in (4, 64):
        sizes = {}

        def pack(t, sizes=sizes):
            sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            leapfrog_chain(chain, q, p, steps=steps)
        kept[steps] = sum(sizes.values())
    assert kept[4] == kept[64] < 10 * (q.nbytes + p.nbytes)
