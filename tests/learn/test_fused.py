"""What is done in one node or one pass is what torch does step by step: encoder, draws, log density, Adam, lattices."""

from __future__ import annotations

import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from flows import CASES, make, states

from learn import HamiltonianFlow
from learn.encoder import GaussianEncoder
from learn.flow.lattice import lattice, lattice_noise
from learn.flow.leapfrog import slopes
from learn.kernels import cpu
from learn.kernels.adam import clipped_step
from learn.kernels.perceptron import FusedPerceptron, perceptron, plain_perceptron


@pytest.mark.parametrize("case", CASES)
def test_bound_and_its_gradients_are_those_of_plain_torch(case, dtype):
    found = []
    for fused in (True, False):
        flow = make(case, dtype)
        q, p = states(flow, 300)
        c = {} if flow.context is None else {"context": torch.linspace(-1, 1, flow.context.size, dtype=dtype)}
        with torch.no_grad():
            for h in flow.chain:  # fewer revolutions, so that float32 keeps its digits
                h.log_dt.sub_(1.5)
        if fused:
            bound, joint = (
                flow.elbo(q, generator=torch.Generator().manual_seed(0), **c),
                flow.log_joint(q, p, **c),
            )
        else:
            with cpu.left_to_torch():
                bound, joint = (
                    flow.elbo(q, generator=torch.Generator().manual_seed(0), **c),
                    flow.log_joint(q, p, **c),
                )
        gradients = torch.autograd.grad((bound + joint).mean(), list(flow.parameters()), allow_unused=True)
        found.append([bound.detach(), joint.detach(), *(g for g in gradients if g is not None)])
        assert (type(joint.grad_fn).__name__ == "FusedLogDensityBackward") == fused
    assert len(found[0]) == len(found[1]) > 10
    for fast, slow in zip(*found, strict=True):
        size = max(1.0, float(slow.abs().max()))
        tolerance = 1e-12 if dtype == torch.float64 else 2e-5
        torch.testing.assert_close(fast / size, slow / size, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shift", [None, (5,), (7, 5)])
def test_perceptron_differentiates_twice(shift):
    layers = [torch.randn(s, dtype=torch.float64) for s in ((5, 2), (5,), (4, 5), (4,), (3, 4), (3,))]
    given = [
        torch.randn(7, 2, dtype=torch.float64),
        None if shift is None else torch.randn(shift, dtype=torch.float64),
    ]
    given = [None if t is None else t.requires_grad_() for t in (*given, *layers)]
    torch.testing.assert_close(
        FusedPerceptron.apply(*given), plain_perceptron(*given), rtol=1e-14, atol=1e-14
    )
    assert torch.autograd.gradcheck(FusedPerceptron.apply, given)
    assert torch.autograd.gradgradcheck(FusedPerceptron.apply, given)


@pytest.mark.parametrize("shift", [None, (5,), (5000, 5)])
def test_perceptron_block_by_block_is_the_perceptron(shift):
    given = [
        torch.randn(s, dtype=torch.float64) for s in ((5000, 2), (5, 2), (5,), (4, 5), (4,), (3, 4), (3,))
    ]
    given.insert(1, None if shift is None else torch.randn(shift, dtype=torch.float64))
    given = [None if t is None else t.requires_grad_() for t in given]
    wanted = [t for t in given if t is not None]
    pull = torch.randn(5000, 3, dtype=torch.float64)
    values = [f(*given) for f in (perceptron, plain_perceptron)]
    torch.testing.assert_close(*values, rtol=1e-13, atol=1e-13)
    for a, b in zip(*(torch.autograd.grad(v, wanted, pull) for v in values), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_perceptron_leaves_shapes_that_do_not_fit_to_torch():
    layers = [torch.randn(s) for s in ((5, 2), (5,), (4, 5), (4,), (3, 4), (3,))]
    with pytest.raises(RuntimeError):
        perceptron(torch.randn(7, 3), None, *layers)
    with pytest.raises(RuntimeError):
        perceptron(torch.randn(7, 2), torch.randn(6, 5), *layers)
    assert perceptron(torch.randn(0, 2), None, *layers).shape == (0, 3)
    assert perceptron(torch.full((1, 2), torch.nan), None, *layers).isnan().all()
    large = perceptron(torch.full((1, 2), 1e30), None, *layers)  # SiLU neither overflows nor loses its sign
    torch.testing.assert_close(
        large, plain_perceptron(torch.full((1, 2), 1e30), None, *layers), rtol=1e-5, atol=0
    )


def test_draws_differentiate_twice_and_stop_at_the_limit():
    encoder = GaussianEncoder(3, width=4).double()
    encoder.unit.fill_(1.7)
    noise = torch.randn(4, 2, 3, dtype=torch.float64)
    raw = torch.randn(4, 9, dtype=torch.float64)
    raw[0, 3], raw[1, 4] = 50.0, -50.0  # a standard deviation is kept between e^±6

    def draw(raw):
        encoder.network.forward = lambda x: raw
        return encoder.moments(torch.zeros(4, 3, dtype=torch.float64)).draw(noise)

    raw.requires_grad_()
    p, log_f = draw(raw)
    moments = encoder.moments(torch.zeros(4, 3, dtype=torch.float64))
    law = torch.distributions.MultivariateNormal(moments.mean, scale_tril=moments.factor)
    torch.testing.assert_close(log_f, law.log_prob(p.transpose(0, 1)).T, rtol=1e-9, atol=1e-9)
    gradient = torch.autograd.grad((p.sum() + log_f.sum()), raw)[0]
    assert gradient[0, 3] == gradient[1, 4] == 0
    assert torch.autograd.gradcheck(draw, raw)
    assert torch.autograd.gradgradcheck(draw, raw)


def test_clipped_step_is_that_of_torch(dtype):
    torch.manual_seed(0)
    first = [torch.randn(s, dtype=dtype) for s in ((3, 5), (), (7,))]
    ours, theirs = ([torch.nn.Parameter(t.clone()) for t in first] for _ in range(2))
    unused = torch.nn.Parameter(torch.ones(2, dtype=dtype))
    adams = [torch.optim.Adam(w, lr=0.03, fused=True) for w in (ours, theirs)]
    for step in range(30):
        size = 10.0 ** (step % 3 - 2)  # clipped in some steps and not in others
        pulls = [size * torch.randn_like(t) for t in first]
        for weights in (ours, theirs):
            for w, g in zip(weights, pulls, strict=True):
                w.grad = g.clone()
        clipped_step(adams[0], ours, 1.0)
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        adams[1].step()
    assert unused.grad is None
    for a, b, t in zip(ours, theirs, first, strict=True):
        tolerance = 1e-12 if dtype == torch.float64 else 2e-6
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
        assert (a - t).abs().max() > 0.05
        for key in ("step", "exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(adams[0].state[a][key], adams[1].state[b][key], rtol=1e-5, atol=1e-9)


def test_clipped_step_does_not_hide_what_is_not_finite():
    weight = torch.nn.Parameter(torch.zeros(2))
    adam = torch.optim.Adam([weight], lr=0.1)
    for pull in (1.0, math.nan):
        weight.grad = torch.tensor([1.0, pull])
        clipped_step(adam, [weight], 1.0)
    assert weight.isnan().all()


@pytest.mark.parametrize("points, dim", [(1, 2), (2, 3), (16, 1), (16, 2), (97, 4), (8192, 6)])
def test_lattice_is_a_group_whose_every_coordinate_is_even(points, dim):
    x = lattice(points, dim)
    whole = np.rint(x * points).astype(int)
    np.testing.assert_allclose(whole / points, x, rtol=0, atol=1e-12)
    assert all(sorted(column) == list(range(points)) for column in whole.T)
    rows = {tuple(r) for r in whole}
    sums = (whole[: points // 2 + 1] + whole[-1]) % points
    assert {tuple(r) for r in sums} <= rows


@pytest.mark.parametrize("samples, dim", [(16, 2), (64, 3), (8192, 6)])
def test_even_noise_has_no_bias_and_less_scatter(samples, dim):
    # E exp(a·z) = exp(|a|²/2), for a direction across all coordinates
    batch = 4000 if samples < 100 else 60
    random = torch.Generator().manual_seed(1)
    like = torch.zeros(1, dtype=torch.float64)
    along = torch.full((dim,), 0.8 / dim**0.5, dtype=torch.float64)
    even = (lattice_noise(batch, samples, dim, like, random) @ along).exp().mean(1)
    alone = (torch.randn(batch, samples, dim, dtype=torch.float64, generator=random) @ along).exp().mean(1)
    exact = math.exp(0.32)
    assert abs(float(even.mean()) - exact) < 5 * float(even.std()) / batch**0.5
    assert float(even.std()) < 0.6 * float(alone.std())


def test_few_even_draws_do_what_many_independent_ones_do():
    flow = make("free")
    with torch.no_grad():
        flow.encoder.network[-1].weight.mul_(0.1)
        for h in flow.chain:
            h.log_dt.sub_(1.0)
    q = flow.sample(300, seed=3)
    exact = flow.estimate_log_prob(q, 100_000, seed=0).value
    errors = {}
    for name, k, even in (("few", 64, True), ("same", 64, False), ("many", 256, False)):
        found = [flow.estimate_log_prob(q, k, seed=s, even=even) for s in range(1, 6)]
        scatter = torch.stack([e.value - exact for e in found])
        errors[name] = float(scatter.square().mean().sqrt())
        stated = torch.stack([e.standard_error for e in found])
        assert errors[name] < 1.3 * float(stated.square().mean().sqrt())  # what is stated is not too small
    assert errors["few"] < 1.2 * errors["many"] < errors["same"]


@pytest.mark.parametrize("case", ["free", "features", "exact, so(2)×so(3)", "average"])
def test_slopes_of_a_chain_are_those_of_its_members(case, dtype):
    flow = make(case, dtype)
    q, p, to_q, to_p = torch.randn(4, len(flow.chain), 70, flow.dim, dtype=dtype)
    weights = list(flow.chain.parameters())
    found = slopes(flow.chain, q, p)
    assert found[0].grad_fn.next_functions[0][0].name() == "FusedGradientsBackward"
    gradients = [torch.autograd.grad((found[0] * to_q + found[1] * to_p).mean(), weights, allow_unused=True)]
    with cpu.left_to_torch():
        single = [torch.stack([h.grad_potential(x) for h, x in zip(flow.chain, q, strict=True)]),
                  torch.stack([h.grad_kinetic(x) for h, x in zip(flow.chain, p, strict=True)])]  # fmt: skip
        gradients.append(
            torch.autograd.grad((single[0] * to_q + single[1] * to_p).mean(), weights, allow_unused=True)
        )
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for a, b in [*zip(found, single, strict=True), *zip(*gradients, strict=True)]:
        assert (a is None) == (b is None)
        if a is not None:
            size = max(1.0, float(b.detach().abs().max()))
            torch.testing.assert_close(a / size, b / size, rtol=0, atol=tolerance)


def test_machine_code_is_stale_when_any_room_of_the_loops_changes(monkeypatch):
    from learn.kernels import compiled, ridges

    def stamp():
        return compiled.compiled(ridges.leapfrog.py_func)._cache._cache_file._source_stamp

    before = stamp()
    assert before == ridges.leapfrog._cache._cache_file._source_stamp
    monkeypatch.setattr(compiled, "_digest", lambda: "after a change of learn.kernels.forces, say")
    assert stamp() != before
    for room in compiled.ROOMS:  # none that holds compiled functions is forgotten
        assert importlib.util.find_spec(f"learn.kernels.{room}")
    holders = {
        p.stem
        for p in Path(compiled.__file__).parent.rglob("*.py")
        if re.search(r"^@(compiled|part|summed|intrinsic)", p.read_text(), re.M)
    }
    assert holders <= set(compiled.ROOMS)


def _doubled(x):
    return 2 * x


def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same(monkeypatch):
    from numba.core import caching

    from learn.kernels import compiled

    assert hasattr(compiled.compiled(_doubled)._cache, "_cache_file")
    monkeypatch.setattr(
        caching.CacheImpl, "_locator_classes", []
    )  # neither beside the file nor in a user's folder
    loop = compiled.compiled(_doubled)
    assert not hasattr(loop._cache, "_cache_file") and loop(21) == 42


def test_training_begins_without_the_compiler_of_torch():
    said = (
        "import sys, torch; from learn.kernels.adam import Adam; Adam([torch.nn.Parameter(torch.zeros(2))], lr=0.1);"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0


@pytest.mark.parametrize("case", ["free", "exact, so(2)×so(3)", "average"])
def test_a_context_of_each_point_is_one_call_and_what_torch_does(case, dtype):
    flow = make(case, dtype, context=2)
    with torch.no_grad():
        for h in flow.chain:  # fewer revolutions, so that float32 keeps its digits
            h.log_dt.sub_(1.5)
    q, p = torch.randn(2, 700, flow.dim, dtype=dtype)
    c = torch.randn(700, 2, dtype=dtype)
    weights = [w for name, w in flow.named_parameters() if not name.startswith("encoder")]

    def found():
        density, moved = flow.log_joint(q, p, context=c), flow.push_forward(q, p, context=c)
        value = density.mean() + (moved[0] * moved[1]).mean()
        return density, *moved, *torch.autograd.grad(value, weights)

    fast = found()
    assert type(fast[0].grad_fn).__name__ == "FusedLogDensityBackward"
    with cpu.left_to_torch():
        slow = found()
    steering = [
        k
        for k, w in enumerate(weights)
        if any(w is e.steering for h in flow.chain for e in (h.potential_energy, h.kinetic_energy))
    ]
    assert len(steering) == 2 * len(flow.chain) and all(bool(fast[3 + k].any()) for k in steering)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    for a, b in zip(fast, slow, strict=True):
        size = max(1.0, float(b.detach().abs().max()))
        torch.testing.assert_close(a / size, b / size, rtol=0, atol=tolerance)
    # one context for all is the same context for each
    once = flow.log_joint(q, p, context=c[0])
    torch.testing.assert_close(
        flow.log_joint(q, p, context=c[:1].expand(700, 2)), once, rtol=0, atol=10 * tolerance
    )


def _kept_for_backward(steps):
    flow = make("free")
    flow.steps = steps
    weights = {w.untyped_storage().data_ptr() for w in (*flow.parameters(), *flow.buffers())}
    kept = {}

    def keep(t):
        storage = t.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        flow.elbo(torch.zeros(100, 2)).sum()
    return sum(kept.values())


def test_what_is_kept_for_the_reverse_pass_does_not_grow_with_the_steps():
    few, many = _kept_for_backward(1), _kept_for_backward(50)
    assert 0 < few == many
    with cpu.left_to_torch():
        assert _kept_for_backward(50) > 20 * _kept_for_backward(1) > 20 * few


@pytest.mark.slow
def test_torch_compile_of_the_plain_path_gives_the_same_numbers(dtype):
    flow = HamiltonianFlow(2, hamiltonians=1, width=8, seed=0).to(dtype)
    q, p = torch.randn(2, 50, 2, dtype=dtype)

    def loss(q, p):
        moments = flow.encoder.moments(q)
        drawn, log_f = moments.draw(p[:, None])
        return -(flow.raw_log_joint(q, drawn[:, 0]) - log_f[:, 0]).mean()

    with cpu.left_to_torch():
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")  # one graph, without breaks
        found = []
        for run in (loss, compiled):
            value = run(q, p)
            found.append([value.detach(), *torch.autograd.grad(value, list(flow.parameters()))])
    tolerance = 1e-11 if dtype == torch.float64 else 1e-4
    for a, b in zip(*found, strict=True):
        size = max(1.0, float(a.abs().max()))
        torch.testing.assert_close(a / size, b / size, rtol=0, atol=tolerance)


@pytest.mark.parametrize("depth", [2, 12])
def test_a_network_of_its_own_output_is_differentiated_twice(depth):
    """Each argument stands for itself: no path is counted twice, and the way back does not branch with the depth."""
    torch.manual_seed(0)
    shapes = [(6, 3), (6,), (6, 6), (6,), (3, 6), (3,)]
    layers = [torch.randn(s, dtype=torch.float64).mul_(0.4).requires_grad_() for s in shapes]
    x = torch.randn(5, 3, dtype=torch.float64)

    def curvature(network):
        y = x
        for _ in range(depth):
            y = network(y, None, *layers)
        slopes = torch.autograd.grad(y.square().sum(), layers, create_graph=True)
        return [
            *slopes,
            *torch.autograd.grad(sum(s.square().sum() for s in slopes), layers, allow_unused=True),
        ]

    for fused, plain in zip(curvature(perceptron), curvature(plain_perceptron), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-11)


def test_a_chain_of_its_own_output_is_differentiated_twice():
    flow = HamiltonianFlow(2, hamiltonians=2, width=4, seed=0).double()
    q, p = torch.randn(2, 4, 2, dtype=torch.float64)
    weights = [w for h in flow.chain for w in h.parameters()]

    def curvature():
        a, b = flow.push_forward(*flow.push_forward(q, p))
        slopes = torch.autograd.grad((a * b).sum(), weights, create_graph=True, allow_unused=True)
        total = sum(s.square().sum() for s in slopes if s is not None)
        return [
            s for s in (*slopes, *torch.autograd.grad(total, weights, allow_unused=True)) if s is not None
        ]

    fused = curvature()
    with cpu.left_to_torch():
        plain = curvature()
    assert len(fused) == len(plain)
    for found, wanted in zip(fused, plain, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)
