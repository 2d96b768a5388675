"""Conditional flows: another density at each context, each a density, each with the symmetry that was asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from flows import CASES, EXACT, make, states

from hamsym.errors import CheckpointError, NonFiniteError, ParameterError, ShapeError
from learn.checkpoint import load
from learn.flow.density import HamiltonianFlow
from learn.flow.quadrature import quadrature_log_prob
from learn.storage import read, write
from learn.symmetry.constraint import BracketConstraint
from learn.symmetry.equivariance import density_invariance
from learn.training.fit import fit

CONTEXTS = [[-1.0, 0.5], [0.0, 0.0], [2.0, -1.0]]


def conditional(case="free", dtype=torch.float64, size=2):
    """A flow whose weights look trained, with contexts that matter."""
    flow = make(case, dtype, context=size)
    flow.context.set_unit(torch.tensor([[1.0] * size, [4.0] * size], dtype=dtype))
    return flow


def rows(n, size=2, seed=5):
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("case", CASES)
def test_a_conditional_flow_at_one_context_is_an_ordinary_flow(case, dtype):
    flow = conditional(case, dtype)
    q, p = states(flow)
    c = torch.tensor(CONTEXTS[2], dtype=dtype)
    there, close = flow.given(c), {"rtol": 0, "atol": 1e-3 if dtype == torch.float32 else 1e-9}
    assert there.context is None and there.symmetry == flow.symmetry
    for context in (c, c.expand(len(q), -1), CONTEXTS[2]):  # one for all, one for each, a list
        torch.testing.assert_close(flow.log_joint(q, p, context=context), there.log_joint(q, p), **close)
        torch.testing.assert_close(
            flow.log_prob(q, 5, seed=1, context=context), there.log_prob(q, 5, seed=1), **close
        )
        torch.testing.assert_close(
            flow.sample(40, seed=2, context=context), there.sample(40, seed=2), **close
        )


@pytest.mark.parametrize("case", CASES)
def test_each_point_sees_its_own_context(case):
    flow = conditional(case)
    q, p = states(flow)
    c = rows(len(q))
    together = flow.log_joint(q, p, context=c)
    apart = [flow.given(c[k]).log_joint(q[k : k + 1], p[k : k + 1]) for k in (0, 7, 39)]
    torch.testing.assert_close(together[[0, 7, 39]], torch.cat(apart), rtol=0, atol=1e-9)
    # and the context matters: another one, another density
    assert float((flow.log_joint(q, p, context=c.flip(0)) - together).detach().abs().median()) > 1e-2
    back = flow.push_forward(*flow.pull_back(q, p, context=c), context=c)
    torch.testing.assert_close(back[0], flow.centre(q) + (q - flow.centre(q)), rtol=0, atol=1e-9)
    assert [h.dt.item() for h, *_ in flow.trajectory(q, p, context=c)] == [
        h.dt.item() for h in reversed(flow.chain)
    ]


@pytest.mark.parametrize("samples", [3, 20_000])
def test_contexts_stay_with_their_points_through_chunks(samples):
    # so many draws that points are taken in several chunks, and then one point in several
    flow, n = conditional(), 3 if samples > 100 else 12_000
    q, c = rows(n, seed=1), rows(n, seed=2)
    found = flow.log_prob(q, samples, seed=0, context=c)
    for k in (0, n - 1):
        many = flow.given(c[k]).estimate_log_prob(q[k : k + 1], 20_000, seed=1)
        noise = 0.1 if samples > 100 else 3.0
        assert abs(float(found[k] - many.value)) < noise
    drawn = flow.sample(n, seed=3, context=c)
    assert torch.equal(flow.sample(n, seed=3, context=c), drawn)


@pytest.mark.parametrize("context", CONTEXTS)
def test_density_is_normalised_at_every_context(context):
    # importance weights are unbiased, so their sum over a grid is the mass up to noise, whatever the encoder
    flow = conditional()
    axis = torch.linspace(-14, 14, 57, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density = flow.log_prob(grid, 60, seed=0, context=context).exp()
    assert float(density.sum() * (axis[1] - axis[0]) ** 2) == pytest.approx(1, abs=0.03)
    few = grid[density.argsort(descending=True)[:3]]
    exact = quadrature_log_prob(flow.given(context), few)
    torch.testing.assert_close(flow.log_prob(few, 20_000, seed=1, context=context), exact, rtol=0, atol=0.05)


@pytest.mark.parametrize("case", EXACT[:2])
def test_exact_symmetry_is_proved_and_measured_at_every_context(case):
    flow = conditional(case)
    verdicts = flow.prove_symmetry()
    assert verdicts and all(v.status == "proved" and v.check() for v in verdicts)
    q, p = states(flow)
    turned = torch.linalg.matrix_exp(torch.tensor([[0.0, -0.7], [0.7, 0.0]], dtype=torch.float64))
    rotation = torch.eye(flow.dim, dtype=torch.float64)
    rotation[:2, :2] = turned
    c = rows(len(q))
    moved = flow.log_joint(q @ rotation.T, p @ rotation.T, context=c)
    torch.testing.assert_close(moved, flow.log_joint(q, p, context=c), rtol=0, atol=1e-9)


def test_invariance_is_measured_at_a_context():
    flow = conditional("exact").given(CONTEXTS[0])
    assert density_invariance(flow, flow.generators, states(flow)[0][:6]).value < 1e-9


@pytest.mark.parametrize("case", ["free", "exact", "average"])
def test_read_back_identical(case, tmp_path):
    flow = conditional(case)
    flow.save(tmp_path)
    same = load(tmp_path)
    assert same.config() == flow.config() and "context=2" in repr(same)
    q, p = states(flow)
    c = rows(len(q))
    assert torch.equal(same.log_joint(q, p, context=c), flow.log_joint(q, p, context=c))


@pytest.mark.parametrize("claim", [-1, 2.5, True, "2", 10**9, 1])
def test_a_checkpoint_that_lies_about_its_context_is_refused(claim, tmp_path):
    conditional().save(tmp_path)
    tensors, head = read(tmp_path, "model")
    write(tmp_path, "model", tensors, {"flow": head["flow"] | {"context": claim}})
    with pytest.raises(CheckpointError):
        load(tmp_path)


def shifted(n, seed):
    """q ~ N((2c, −c), 0.3²) for c ~ U(−1, 1): entropy 2 log(0.3 √(2πe)) at every context."""
    random = np.random.default_rng(seed)
    c = random.uniform(-1, 1, (n, 1))
    return c * [2.0, -1.0] + 0.3 * random.standard_normal((n, 2)), c


def test_a_conditional_density_is_learned():
    (q, c), (q_test, c_test) = shifted(20_000, 0), shifted(1000, 1)
    flow = HamiltonianFlow(2, hamiltonians=4, width=24, context=1, seed=0)
    fit(flow, q, context=10 + 5 * c, steps=700, batch=256, progress=False)
    square = ((q_test - c_test * [2.0, -1.0]) / 0.3) ** 2
    truth = -0.5 * square.sum(-1) - 2 * math.log(0.3 * math.sqrt(2 * math.pi))
    gap = truth - flow.log_prob(q_test, 100, seed=0, context=10 + 5 * c_test).numpy()
    assert -0.02 < gap.mean() < 0.08
    drawn = flow.sample(4000, seed=0, context=[15.0]).mean(0)  # c = 1
    assert torch.allclose(drawn, torch.tensor([2.0, -1.0]), atol=0.1)


def test_training_resumes_to_the_bit_and_knows_its_contexts(tmp_path):
    q, c = shifted(200, 0)

    def run(out, contexts=c, **more):
        flow = HamiltonianFlow(
            2, hamiltonians=2, width=8, context=1, symmetry="penalty", generators="p1", seed=0
        )
        constraint = BracketConstraint("p1", tolerance=50.0, batch=32)
        settings = {"steps": 30, "batch": 32, "save_every": 10, "validate_every": 5, "constraint": constraint}
        return flow, fit(flow, q, context=contexts, patience=50, out=out, progress=False, **settings, **more)

    def stop(step, result):
        if step == 17:
            raise KeyboardInterrupt

    whole_flow, whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", callback=stop)
    flow, result = run(tmp_path / "parts", resume=True)
    assert result.history["loss"] == whole.history["loss"] and result.validation == whole.validation
    assert all(torch.equal(w, flow.state_dict()[k]) for k, w in whole_flow.state_dict().items())
    with pytest.raises(CheckpointError, match="context"):
        run(tmp_path / "parts", contexts=c + 1, resume=True)


def test_wrong_contexts_are_refused():
    flow, plain = conditional("free", torch.float32), make("free", torch.float32)
    q = torch.zeros(3, 2)
    for call in (flow.log_prob, flow.elbo, lambda q, **c: flow.log_joint(q, q, **c)):
        with pytest.raises(ParameterError, match="conditional; give context"):
            call(q)
        with pytest.raises(ShapeError, match="2 contexts for 3 points"):
            call(q, context=torch.zeros(2, 2))
        with pytest.raises(ShapeError, match="context has shape"):
            call(q, context=[1.0, 2.0, 3.0])
        with pytest.raises(ShapeError, match="context has shape"):
            call(q, context=[[1.0], [2.0, 3.0], [4.0]])
        with pytest.raises(ShapeError, match="context has shape"):
            call(q, context="warm")
        with pytest.raises(NonFiniteError, match="context"):
            call(q, context=[math.nan, 0.0])
    for made in (
        lambda: flow.encoder(q), lambda: flow.chain[0].grad_potential(q), lambda: flow.chain[0].potential(q),
        lambda: flow.sample(3), lambda: flow.given(None), lambda: plain.given([1.0]),
        lambda: plain.log_prob(q, context=[1.0]), lambda: plain.sample(3, context=[1.0]),
        lambda: fit(plain, torch.randn(9, 2), context=torch.zeros(9, 1), progress=False),
        lambda: fit(flow, torch.randn(9, 2), progress=False),
        lambda: HamiltonianFlow(2, context=-1), lambda: HamiltonianFlow(2, context=1.5),
        lambda: fit(plain, torch.randn(9, 2), context_valid=torch.zeros(9, 1), progress=False),
    ):  # fmt: skip
        with pytest.raises(ParameterError):
            made()
    with pytest.raises(ShapeError, match="one for each"):
        fit(flow, torch.randn(9, 2), context=torch.zeros(8, 2), progress=False)
    with pytest.raises(ShapeError):
        fit(flow, torch.randn(9, 2), context=torch.zeros(2), progress=False)
