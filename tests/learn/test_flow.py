"""The flow: its map, densities that are densities, what it is told and says; the battery has what every mode promises."""

from __future__ import annotations

import html
import itertools
import math

import numpy as np
import pytest
import torch
from flows import CASES, EXACT, ROTATION, make, states
from hypothesis import given, settings
from hypothesis import strategies as st

from hamsym.errors import NonFiniteError, ParameterError, ShapeError, SymmetryError
from learn.flow.density import HamiltonianFlow
from learn.flow.description import PROMISES
from learn.flow.leapfrog import leapfrog
from learn.flow.quadrature import quadrature_log_prob


@settings(max_examples=20, deadline=None)
@given(case=st.sampled_from(list(CASES)), seed=st.integers(0, 10**6), scale=st.floats(0.1, 3.0))
def test_inverse_holds_for_any_weights_and_states(case, seed, scale):
    flow = make(case, seed=seed)
    q, p = states(flow, 8, seed)
    q1, p1 = flow.push_forward(scale * q, scale * p)
    q2, p2 = flow.pull_back(q1, p1)
    assert max((q2 - scale * q).abs().max(), (p2 - scale * p).abs().max()) < 1e-11


def test_functional_transforms_see_the_same_jacobian():
    flow = make("free")
    (q, p) = states(flow, 1)
    by_loop = torch.autograd.functional.jacobian(lambda x: flow.pull_back(x, p)[0], q)[0, :, 0]
    by_func = torch.func.jacrev(lambda x: flow.pull_back(x, p)[0])(q)[0, :, 0]
    torch.testing.assert_close(by_func, by_loop, rtol=1e-12, atol=1e-12)


def test_leapfrog_is_of_second_order():
    flow = make("free")
    h = flow.chain[0]
    q, p = states(flow)

    def run(steps):
        with torch.no_grad():
            h.log_dt.fill_(math.log(0.4 / steps))
            return torch.cat(leapfrog(h, q, p, steps=steps))

    exact = run(512)
    errors = [float((run(n) - exact).norm()) for n in (8, 16, 32)]
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert all(1.9 < order < 2.1 for order in orders), orders


@pytest.mark.parametrize("case", CASES)
def test_encoder_law_is_what_it_samples(case, device):
    flow = make(case, torch.float64, device)
    q, _ = states(flow, 7)
    moments, law = flow.encoder.moments(q), flow.encoder(q)
    noise = torch.randn(7, 5, flow.dim, dtype=torch.float64, device=device)
    p, log_f = moments.draw(noise)
    assert isinstance(law, torch.distributions.MultivariateNormal)
    if flow.freedom < flow.dim:  # on what translations leave
        assert flow.centre(p).allclose(p, rtol=0, atol=1e-12)
        left = torch.linalg.svd(flow.removed.value)[2][flow.dim - flow.freedom :]
        covariance = left @ law.covariance_matrix @ left.T
        law, p = torch.distributions.MultivariateNormal(law.mean @ left.T, covariance), p @ left.T
    torch.testing.assert_close(law.log_prob(p.transpose(0, 1)).T, log_f, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", ["free 1d", "free 3d, two steps", "exact", "exact, one plane of 3"])
def test_joint_density_is_a_density_of_the_samples(case):
    # E_p[f(q,p)/p(q,p)] = 1 for any density f, here a Gaussian: the samples and the log density belong together
    flow = make(case)
    q, p = flow.push_forward(*flow.sample_base(20_000, generator=torch.Generator().manual_seed(0)))
    state = torch.cat([q, p], 1).detach()
    centre, covariance = state.mean(0), 0.3 * torch.cov(state.T)
    log_f = torch.distributions.MultivariateNormal(centre, covariance).log_prob(state)
    weights = (log_f - flow.log_joint(q, p).detach()).exp()
    assert abs(float(weights.mean()) - 1) < 5 * float(weights.std()) / len(weights) ** 0.5
    assert float(weights.std()) < 20


def test_a_defensive_share_mends_an_encoder_that_is_too_narrow():
    flow = make("free")
    q = flow.sample(24, seed=3)
    truth = quadrature_log_prob(flow, q)
    with torch.no_grad():
        flow.encoder.network[-1].bias[2:4] -= 1.5  # log standard deviations
    plain = flow.estimate_log_prob(q, 400, seed=0, even=False)
    mixed = flow.estimate_log_prob(q, 400, seed=0, defensive=0.3, widening=6.0)
    assert (truth - plain.value).abs().mean() > 0.5
    assert (truth - mixed.value).abs().mean() < 0.2
    assert mixed.effective_samples.median() > plain.effective_samples.median()
    assert ((truth - mixed.value).abs() < 6 * mixed.standard_error).all()
    assert not ((truth - plain.value).abs() < 6 * plain.standard_error).all(), "weights without a bound"


@pytest.mark.parametrize("case", ["free", "exact, two bodies in space"])
def test_every_proposal_estimates_the_same_integral(case):
    # E[w] = p(q) for each law of the draws: the log densities belong to the draws
    flow = make(case)
    q = flow.sample(4, seed=3)
    encoder, mixed = (flow.estimate_log_prob(q, 40_000, seed=1, defensive=share) for share in (0.0, 0.4))
    error = 5 * (encoder.standard_error + mixed.standard_error)
    assert ((encoder.value - mixed.value).abs() < error).all() and error.max() < 0.5
    for wrong in ({"defensive": 1.0}, {"defensive": -0.1}, {"widening": 0.5}, {"defensive": None}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            flow.estimate_log_prob(q, 5, **wrong)


def test_marginal_integrates_to_one():
    flow = make("free")
    side = torch.linspace(-14, 14, 71, dtype=torch.float64)
    q = torch.cartesian_prod(side, side)
    density = flow.log_prob(q, 200, seed=0).exp()
    assert abs(float(density.sum()) * float(side[1] - side[0]) ** 2 - 1) < 0.03


def test_unit_of_length_only_rescales():
    # an untrained flow in another unit of length is the same density of rescaled points
    small, large = (HamiltonianFlow(2, hamiltonians=2, width=8, seed=0).double() for _ in range(2))
    large.set_unit(3.0)
    q, p = states(small)
    torch.testing.assert_close(large.log_joint(3 * q, p / 3), small.log_joint(q, p), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        large.log_prob(3 * q, 50, seed=1),
        small.log_prob(q, 50, seed=1) - 2 * math.log(3),
        rtol=1e-10,
        atol=1e-10,
    )


def test_memory_chunks_do_not_change_the_estimate(monkeypatch):
    flow = make("free")
    q, _ = states(flow, 30)
    whole = flow.estimate_log_prob(q, 3000, seed=0)
    monkeypatch.setattr("learn.flow.likelihood.CHUNK", 1000)
    parts = flow.estimate_log_prob(q, 3000, seed=0)
    assert not torch.equal(whole.value, parts.value)  # other noise
    error = whole.standard_error + parts.standard_error
    assert ((whole.value - parts.value).abs() < 6 * error + 1e-6).all()


def test_samples_repeat_with_the_seed_and_leave_the_global_state_alone():
    flow = make("free")
    before = torch.random.get_rng_state()
    a, b, c = flow.sample(50, seed=1), flow.sample(50, seed=1), flow.sample(50, seed=2)
    HamiltonianFlow(2, hamiltonians=1, width=4, seed=5)
    flow.log_prob(a, 5, seed=0)
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(before, torch.random.get_rng_state())
    assert flow.sample(0).shape == (0, 2)


def test_arrays_are_accepted_in_any_precision():
    flow = make("free", torch.float32)
    q = np.random.default_rng(0).normal(size=(5, 2))
    assert flow.log_prob(q, 3).dtype == torch.float32
    assert flow.log_prob(q.astype(np.float16), 3).shape == (5,)
    assert flow.log_prob(np.zeros((0, 2)), 3).shape == (0,)


@pytest.mark.parametrize(
    "bad", [np.zeros(2), np.zeros((3, 3)), np.zeros((2, 2, 2)), [["a", "b"]], None, 1j * np.ones((1, 2))]
)
def test_points_of_a_wrong_shape_are_refused(bad):
    flow = make("free")
    for ask in (flow.log_prob, flow.elbo, lambda q: flow.pull_back(q, q)):
        with pytest.raises(ShapeError, match="points"):
            ask(bad)
    with pytest.raises(ShapeError, match="same shape"):
        flow.pull_back(np.zeros((2, 2)), np.zeros((3, 2)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_points_that_are_not_finite_are_refused(value):
    flow = make("free")
    q = torch.zeros(4, 2)
    q[2, 1] = value
    for ask in (flow.log_prob, flow.elbo):
        with pytest.raises(NonFiniteError, match="row 2"):
            ask(q)


@pytest.mark.parametrize("name", ["dim", "hamiltonians", "steps", "width"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True])
def test_sizes_are_positive_integers(name, value):
    with pytest.raises(ParameterError, match=name):
        HamiltonianFlow(**{name: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"symmetry": "mean"}, "'exact'"),
        ({"symmetry": "average"}, "needs generators"),
        ({"symmetry": "average", "generators": "p1"}, "no rotation"),
        ({"symmetry": "augment", "generators": "q1*p1"}, "no rotation"),
        ({"symmetry": "exact"}, "needs generators"),
        ({"symmetry": "features"}, "needs generators"),
        ({"symmetry": "penalty"}, "needs generators"),
        ({"symmetry": "penalty", "generators": None}, "needs generators"),
        ({"symmetry": "exact", "dim": 1, "generators": "p1"}, "every coordinate"),
        ({"symmetry": "exact", "generators": "q1*p2"}, "neither"),
        ({"symmetry": "exact", "generators": "q1*p2 - q2*p1 + p1"}, "neither"),
        ({"symmetry": "exact", "generators": "(q1**2+q2**2)*(q1*p2 - q2*p1)"}, "linearly"),
        (
            {
                "dim": 3,
                "generators": __import__("hamsym").angular_momentum(
                    __import__("hamsym").PhaseSpace.standard(2), 0, 1
                ),
            },
            "2 coordinates",
        ),
        ({"generators": 3}, "formulas"),
    ],
)
def test_symmetries_that_cannot_be_built_are_refused(settings, message):
    with pytest.raises(SymmetryError, match=message):
        HamiltonianFlow(**settings)


def test_repr_says_what_the_flow_is():
    text = repr(make("exact", context=2))
    for part in ("context=2", "dim=2", "hamiltonians=3", "'exact'", "p2*q1", "float64", "unit=1.7"):
        assert part in text
    assert "untrained" in repr(HamiltonianFlow(1, width=4)) and "untrained" not in text


@pytest.mark.parametrize("case", CASES)
def test_a_notebook_shows_what_the_mode_promises(case):
    flow = make(case, torch.float32)
    shown = flow._repr_html_()
    for part in (PROMISES[flow.symmetry], "3 Hamiltonians", "float32 on cpu", "length is 1.7"):
        assert html.escape(part) in shown
    assert ("proves" in shown) == (flow.symmetry == "exact")
    assert all(html.escape(g.text) in shown for g in flow.generators)
    assert str(sum(w.numel() for w in flow.parameters())) in shown
    assert shown.count("<tr>") == shown.count("</tr>") and "<script" not in shown
    with torch.no_grad():
        flow.log_scale[0] = math.nan
    assert "broken: the weights log_scale" in flow._repr_html_()


WITHOUT_NUMBERS = {
    "elbo": lambda f, q: f.elbo(q),
    "log_prob": lambda f, q: f.log_prob(q, 3),
    "log_joint": lambda f, q: f.log_joint(q, q),
    "push_forward": lambda f, q: f.push_forward(q, q),
    "pull_back": lambda f, q: f.pull_back(q, q),
    "sample": lambda f, q: f.sample(3),
    "prove_symmetry": lambda f, q: f.prove_symmetry(),
}


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_a_weight_that_is_no_number_is_named(name):
    flow = make("penalty")
    with torch.no_grad():
        flow.chain[1].kinetic_energy.out[0] = math.inf
    with pytest.raises(NonFiniteError, match=r"weights chain.1.kinetic_energy.out are not finite"):
        WITHOUT_NUMBERS[name](flow, torch.zeros(3, 2))
    flow = make("penalty")
    with torch.no_grad():
        flow.encoder.network[0].bias[0] = math.nan
    with pytest.raises(NonFiniteError, match=r"weights network.0.bias"):
        flow.encoder(torch.zeros(3, 2))
    with pytest.raises(NonFiniteError, match=r"weights encoder.network.0.bias"):
        flow.elbo(torch.zeros(3, 2))


def test_what_cannot_be_meant_is_refused():
    flow, exact = make("penalty"), make("exact")
    q = torch.zeros(3, 2)
    for call in (
        lambda: flow.elbo(q, generator=3), lambda: flow.sample(3, generator="x"), lambda: flow.save(3),
        lambda: flow.sample(3, seed=1, generator=torch.Generator()), lambda: flow.sample_base(3, generator=1.5),
        lambda: flow.prove_symmetry(states=0), lambda: flow.prove_symmetry(states="a"),
        lambda: flow.prove_symmetry(budget="a"), lambda: exact.prove_symmetry(budget=-1), lambda: flow.save(None),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=r"generator|states|budget|path"):
            call()
    for wrong in (torch.zeros(3, 3), "a", torch.zeros(2)):
        with pytest.raises(ShapeError):
            flow.log_base(wrong, wrong)


@pytest.mark.parametrize("case", EXACT)
def test_exact_mode_is_proved_for_every_weight(case):
    verdicts = make(case).prove_symmetry()
    assert len(verdicts) == 3 * len(make(case).generators)
    assert all(v.status == "proved" and v.check() for v in verdicts)


def test_each_verdict_says_which_part_of_which_generator_it_is_about():
    flow = make("exact, so(3)")
    questions = [v.question for v in flow.prove_symmetry()]
    assert len(set(questions)) == 6
    for g, part in zip(flow.generators, (questions[:3], questions[3:]), strict=True):
        assert all(f"for g = {g.text}, " in q for q in part)
        assert part[0].startswith("{g, U} = 0") and part[0].endswith(
            "U = V(q1**2 + q2**2 + q3**2) for every V"
        )
        assert part[1].startswith("{g, K} = 0") and part[1].endswith(
            "K = V(p1**2 + p2**2 + p3**2) for every V"
        )
        assert part[2].startswith("{g, -log π} = 0") and part[2].endswith("for every a, b > 0")
    verdict = flow.prove_symmetry()[0]
    assert verdict.question in str(verdict) and verdict.to_dict()["question"] == verdict.question


def test_no_generators_may_be_none():
    assert HamiltonianFlow(2, hamiltonians=1, width=4, generators=None).generators == ()


def test_other_modes_never_say_proved():
    for case in ("penalty", "features"):
        measured = make(case).prove_symmetry()
        assert all(not hasattr(m, "status") for m in measured) and "proved" not in repr(measured).lower()
        assert measured[0].mean_square > 1e-3
    assert HamiltonianFlow(2, hamiltonians=1, width=4, generators=ROTATION).prove_symmetry()[0].rms > 0


@pytest.mark.parametrize("case", ["free", "exact"])
def test_bound_of_training_is_that_of_the_density(case):
    """One draw gives the ELBO; many give log p; in between the bound rises, as the theorem says."""
    flow = make(case)
    q, _ = states(flow, 30)
    noise = torch.Generator().manual_seed(0)
    means = []
    for k in (1, 4, 64, 4000):
        found = [flow.training_bound(q, k, noise)[0].detach() for _ in range(max(1, 400 // k))]
        means.append(float(torch.stack(found).mean()))
    assert means == sorted(means)
    assert means[-1] == pytest.approx(float(flow.log_prob(q, 4000, seed=1).mean()), abs=0.05)
