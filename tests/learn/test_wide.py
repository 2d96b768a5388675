"""Many coordinates: an encoder without a full matrix for each point, and densities of known entropy."""

from __future__ import annotations

import math

import pytest
import torch

from learn.encoder import Moments, WideEncoder
from learn.flow.density import HamiltonianFlow
from learn.training.fit import fit


def correlated(dim, n, seed):
    """A Gaussian with correlations, and n points of it, in float64."""
    random = torch.Generator().manual_seed(0)
    mix = torch.randn(dim, dim, generator=random, dtype=torch.float64) / math.sqrt(dim)
    factor = torch.linalg.cholesky(mix @ mix.T + 0.3 * torch.eye(dim, dtype=torch.float64))
    law = torch.distributions.MultivariateNormal(torch.zeros(dim, dtype=torch.float64), scale_tril=factor)
    noise = torch.randn(n, dim, generator=random.manual_seed(seed), dtype=torch.float64)
    return law, noise @ factor.T


def wide(dim, dtype=torch.float64):
    encoder = WideEncoder(dim, 8).to(dtype)
    encoder.unit.fill_(1.7)
    with torch.no_grad():
        for weight in (encoder.slope, encoder.below, encoder.network[-1].weight):
            weight.normal_(0, 0.3)
    return encoder


def test_draws_have_the_density_that_is_said(dtype):
    encoder, q = wide(9, dtype), torch.randn(6, 9).to(dtype)
    moments, law = encoder.moments(q), encoder(q)
    noise = torch.randn(6, 4, 9, dtype=dtype)
    p, log_f = moments.draw(noise)
    close = {"rtol": 1e-4, "atol": 1e-3} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
    torch.testing.assert_close(log_f, law.log_prob(p.transpose(0, 1)).T, **close)
    # the same as by the matrices themselves
    plain = Moments(moments.mean, moments.factor, moments.log_det)
    torch.testing.assert_close(p, plain.draw(noise)[0], **close)
    torch.testing.assert_close(moments.log_det, torch.linalg.slogdet(moments.factor).logabsdet, **close)


def test_the_encoder_turns_full_where_it_is_wide():
    for dim in (8, 9):
        encoder = HamiltonianFlow(dim, hamiltonians=1, width=4).encoder
        assert isinstance(encoder, WideEncoder) == (dim == 9)
        assert encoder(torch.zeros(1, dim)).covariance_matrix.shape == (1, dim, dim)


@pytest.mark.parametrize("dim", [9, 100, 300])
def test_weights_grow_with_the_square_of_the_dimension_at_most(dim):
    encoder = HamiltonianFlow(dim, hamiltonians=1, width=64).encoder
    assert sum(w.numel() for w in encoder.parameters()) < 2 * dim**2 + 64 * (3 * dim + 70) + 2 * dim
    # nothing of the size batch × dim × dim is made: 4000 points of 300 coordinates would be 2.9 GB
    p, log_f = encoder.moments(torch.zeros(4000, dim)).draw(torch.randn(4000, 1, dim))
    assert p.shape == (4000, 1, dim) and log_f.shape == (4000, 1)


def test_a_round_trip_in_a_hundred_dimensions():
    flow = HamiltonianFlow(100, hamiltonians=3, width=16, seed=0).double()
    q, p = torch.randn(2, 5, 100, dtype=torch.float64)
    back = flow.push_forward(*flow.pull_back(q, p))
    torch.testing.assert_close(torch.cat(back), torch.cat([q, p]), rtol=0, atol=1e-10)


@pytest.mark.parametrize("symmetry", [None, "penalty"])
def test_many_coordinates_start_at_the_gaussian_of_the_data(symmetry, dtype):
    # without waves the flow is free flight: its encoder is then p(p|q), so that every draw gives log N(0, 1) itself
    flow = HamiltonianFlow(
        30, hamiltonians=4, steps=2, width=8, symmetry=symmetry, generators="p1", seed=0
    ).to(dtype)
    flow.set_unit(3.0)
    with torch.no_grad():
        for h in flow.chain:
            h.potential_energy.out.zero_(), h.kinetic_energy.out.zero_()
        flow.encoder.network[-1].weight.zero_()
    q = 3 * torch.randn(20, 30, dtype=dtype)
    exact = torch.distributions.Normal(0.0, 3.0).log_prob(q).sum(-1)
    close = {"rtol": 1e-4, "atol": 1e-3} if dtype == torch.float32 else {"rtol": 1e-6, "atol": 1e-5}
    torch.testing.assert_close(flow.elbo(q), exact, **close)
    for long in (
        1e3,
        1e200,
    ):  # and a flight that no Gaussian within the limits can follow is no error by itself
        assert bool(HamiltonianFlow(30, hamiltonians=1, width=4, dt=long).log_scale.isfinite().all())


def test_correlations_of_sixteen_coordinates_are_learned():
    law, q = correlated(16, 20_000, 1)
    _, fresh = correlated(16, 500, 2)
    flow = HamiltonianFlow(16, hamiltonians=4, width=32, seed=0)
    fit(flow, q, steps=250, batch=256, progress=False)
    truth = law.log_prob(fresh)
    gap = float((truth - flow.log_prob(fresh, 200, seed=0).double()).mean())
    ordinary = torch.distributions.Normal(0.0, float(q.square().mean().sqrt()))
    without = float((truth - ordinary.log_prob(fresh).sum(-1)).mean())  # what one scale for all leaves
    assert -0.05 < gap < 0.3 * without
