"""Flows of bodies: invariant under motions of space and exchanges, to rounding, for weights that look trained."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import learn
from hamsym import PhaseSpace
from hamsym.errors import ParameterError, SymmetryError
from learn.encoder.pairwise import exponential
from learn.flow.density import HamiltonianFlow
from learn.kernels import cpu
from learn.particles import PairPotential, Particles

BODIES = {
    "four in the plane": (4, 2, None),
    "two kinds in space": (4, 3, "ABAA"),
    "seven on a line": (7, 1, None),
}
DOUBLE = torch.float64


def trained(case, dtype=DOUBLE, device="cpu"):
    n, d, species = BODIES[case]
    flow = HamiltonianFlow(
        n * d, hamiltonians=3, width=8, symmetry="exact", particles=(n, d), species=species, seed=0
    ).to(device=device, dtype=dtype)
    flow.set_unit(1.7)
    with torch.no_grad():
        for h in flow.chain:
            for energy in (h.potential_energy, h.kinetic_energy):
                energy.out.mul_(4)
        flow.encoder.network[-1].weight.mul_(10)
    return flow


def states(flow, count, seed):
    random = torch.Generator().manual_seed(seed)
    q, p = 2 * torch.randn(2, count, flow.dim, dtype=DOUBLE, generator=random)
    q, p = (x.to(flow.unit) for x in (q, p / 3))
    return flow.centre(q), flow.centre(p)


def motion(particles, seed):
    """A random permutation that keeps species, and a random rotation or reflection, as one matrix."""
    random = torch.Generator().manual_seed(seed)
    order = list(range(particles.number))
    for s in set(particles.species):
        places = [i for i in order if particles.species[i] == s]
        shuffled = [places[k] for k in torch.randperm(len(places), generator=random)]
        for i, j in zip(places, shuffled, strict=True):
            order[i] = j
    turn = torch.linalg.qr(
        torch.randn(particles.dimensions, particles.dimensions, dtype=DOUBLE, generator=random)
    )[0].contiguous()
    return torch.as_tensor(particles.permutation(order)) @ torch.kron(
        torch.eye(particles.number, dtype=DOUBLE), turn
    )


@pytest.mark.parametrize("case", BODIES)
@given(st.integers(0, 2**31))
@settings(max_examples=5, deadline=None)
def test_the_map_turns_with_states_and_the_density_does_not_notice(case, seed):
    flow = trained(case)
    move = motion(flow.particles, seed)
    q, p = states(flow, 5, seed)
    shift = torch.ones(flow.particles.number, 1, dtype=DOUBLE) * torch.randn(
        flow.particles.dimensions, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed)
    )
    moved = q @ move.T + shift.flatten(), p @ move.T
    for one, other in zip(flow.push_forward(q, p), flow.push_forward(*moved), strict=True):
        assert (flow.centre(other) - flow.centre(one) @ move.T).abs().max() < 1e-10
    assert (flow.log_joint(*moved) - flow.log_joint(q, p)).abs().max() < 1e-10


@pytest.mark.parametrize("case", BODIES)
@given(st.integers(0, 2**31))
@settings(max_examples=5, deadline=None)
def test_the_law_of_momenta_turns_with_the_point(case, seed):
    flow = trained(case)
    move = motion(flow.particles, seed)
    q, _ = states(flow, 5, seed)
    here, there = flow.encoder.moments(q), flow.encoder.moments(q @ move.T + 3)
    assert (there.mean - here.mean @ move.T).abs().max() < 1e-10
    covariance, turned = (m.factor @ m.factor.mT for m in (here, there))
    assert (turned - move @ covariance @ move.T).abs().max() < 1e-10
    assert (there.log_det - here.log_det).abs().max() < 1e-10
    assert flow.centre(here.mean).sub(here.mean).abs().max() < 1e-12


@pytest.mark.parametrize("case", BODIES)
def test_the_law_is_normalised_on_momenta_without_mean(case):
    flow = trained(case)
    q, _ = states(flow, 4, 1)
    moments = flow.encoder.moments(q)
    _, _, basis = torch.linalg.svd(flow.removed.value)
    kept = basis[len(flow.removed.value) :]  # orthonormal coordinates of what translations leave
    assert len(kept) == flow.freedom
    volume = torch.linalg.slogdet(kept @ moments.factor @ kept.T)[1]
    assert (volume - moments.log_det).abs().max() < 1e-10


def test_an_exponential_is_one():
    matrix = torch.randn(6, 5, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    matrix = matrix + matrix.mT
    matrix *= 6 / torch.linalg.matrix_norm(matrix, 2).amax()
    assert torch.allclose(exponential(matrix), torch.linalg.matrix_exp(matrix), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", BODIES)
def test_there_and_back_with_the_volume_kept(case):
    flow = trained(case)
    q, p = states(flow, 6, 2)
    back = flow.pull_back(*flow.push_forward(q, p))
    assert max((back[0] - q).abs().max(), (back[1] - p).abs().max()) < 1e-10

    def both(state):
        return torch.cat(flow.push_forward(*state[None].chunk(2, -1)), -1)[0]

    with cpu.left_to_torch():
        jacobian = torch.autograd.functional.jacobian(both, torch.cat([q[0], p[0]]))
    assert abs(torch.linalg.slogdet(jacobian)[1]) < 1e-9


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_kernels_and_torch_agree_on_values_and_gradients(case, precision, tolerance):
    flow = trained(case, precision)
    q = states(flow, 70, 3)[0].requires_grad_()

    def found():
        bound = flow.training_bound(q, 2, torch.Generator().manual_seed(0))[0].mean()
        return bound, *torch.autograd.grad(bound, [q, *flow.parameters()])

    fused = found()
    with cpu.left_to_torch():
        plain = found()
    for a, b in zip(fused, plain, strict=True):
        assert (a - b).abs().max() <= tolerance * (1e-3 + b.abs().max())
    x = q.detach()
    for energy in (flow.chain[0].potential_energy, flow.chain[1].kinetic_energy):
        with cpu.left_to_torch():
            slope = energy.gradient(x)
        assert torch.allclose(energy.gradient(x), slope, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", BODIES)
def test_a_force_is_the_slope_of_its_energy(case):
    n, d, species = BODIES[case]
    energy = PairPotential(Particles(n, d, species or ()), 8, curvature=0.5).double()
    x = torch.randn(4, n * d, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(energy.value(x).sum(), x)
    assert torch.allclose(energy.gradient(x), slope, atol=1e-12)
    with cpu.left_to_torch():
        assert torch.allclose(energy.gradient(x), slope, atol=1e-12)


def test_energies_of_two_bodies_of_other_kinds_differ():
    flow = trained("two kinds in space")
    q, p = states(flow, 5, 4)
    exchange = torch.as_tensor(flow.particles.permutation([1, 0, 2, 3]))
    assert (flow.log_joint(q @ exchange.T, p @ exchange.T) - flow.log_joint(q, p)).abs().min() > 1e-4


@pytest.mark.parametrize("case", BODIES)
def test_invariance_is_proved_for_every_function_of_distances(case):
    flow = trained(case)
    n, d, species = BODIES[case]
    verdicts = flow.prove_symmetry()
    assert all(v.status == "proved" and v.check() for v in verdicts)
    exchanges = n - len(set(species or "A"))
    assert len(verdicts) == 3 * (d + d * (d - 1) // 2 + exchanges)
    assert sum("exchanged" in v.question for v in verdicts) == 3 * exchanges


def test_an_exchange_of_different_bodies_is_not_proved(monkeypatch):
    bodies = Particles(3, 1, "ABB")
    monkeypatch.setitem(bodies.__dict__, "exchanges", ((0, 1),))
    from learn.particles.proof import prove_pair_invariance

    statuses = [v.status for v in prove_pair_invariance((), bodies)]
    assert statuses == ["refuted", "refuted", "proved"]


@pytest.mark.parametrize("case", BODIES)
def test_a_saved_flow_is_the_same_flow(case, tmp_path):
    flow = trained(case)
    flow.save(tmp_path)
    same = learn.load(tmp_path)
    assert same.particles == flow.particles and same.config() == flow.config()
    q, p = states(flow, 5, 5)
    assert torch.equal(same.log_joint(q, p), flow.log_joint(q, p))
    assert torch.equal(same.sample(4, seed=1), flow.sample(4, seed=1))


def test_bounds_are_ordered_and_samples_have_no_mean():
    flow = trained("four in the plane")
    q = flow.sample(200, seed=0)
    assert q.view(200, 4, 2).mean(1).abs().max() < 1e-12
    elbo, few, many = (flow.log_prob(q, k, seed=0).mean() for k in (1, 16, 256))
    assert elbo < few < many


def test_a_density_of_two_bodies_on_a_line_integrates_to_one():
    flow = HamiltonianFlow(2, hamiltonians=2, width=4, symmetry="exact", particles=(2, 1), seed=0).double()
    with torch.no_grad():
        for h in flow.chain:
            h.potential_energy.out.mul_(10)
    away = torch.linspace(-8, 8, 400, dtype=DOUBLE)
    q = away[:, None] * torch.tensor([1.0, -1.0], dtype=DOUBLE) / math.sqrt(2)
    total = torch.trapezoid(flow.log_prob(q, 2000, seed=0).exp(), away)
    assert abs(total - 1) < 0.01


def test_training_lifts_the_bound_and_goes_on_where_it_stopped(tmp_path):
    random = torch.Generator().manual_seed(0)
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, -1], [-1, 1]]).flatten()
    q = (2 * corners + 0.2 * torch.randn(60, 8, generator=random)).view(60, 4, 2)
    q = q[torch.arange(60)[:, None], torch.rand(60, 4, generator=random).argsort(-1)].flatten(
        1
    )  # bodies in any order

    def make():
        return HamiltonianFlow(8, hamiltonians=2, width=8, symmetry="exact", particles=(4, 2), seed=0)

    whole, options = make(), {"steps": 60, "batch": 32, "progress": False, "save_every": 30}
    result = learn.fit(whole, q, **options)
    assert result.history["elbo"][-1] > result.history["elbo"][0] + 1
    part = make()

    def stop(step, _):
        if step == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn.fit(part, q, out=tmp_path, callback=stop, **options)
    learn.fit(part, q, out=tmp_path, resume=True, **options)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, part.state_dict()[name]), name


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"particles": (3, 2)}, ParameterError, "6 coordinates"),
        ({"particles": (8, 1), "species": "AB"}, ParameterError, "one label"),
        ({"particles": 4}, ParameterError, "bodies, dimensions"),
        ({"particles": (4, 2.5)}, ParameterError, "dimensions"),
        ({"particles": (-4, -2)}, ParameterError, "particles"),
        ({"particles": (8, 1), "species": [1.5] * 8}, ParameterError, "label"),
        ({"species": "AABB"}, ParameterError, "species"),
        ({"particles": (4, 2), "context": 1}, ParameterError, "context"),
        ({"particles": (4, 2), "symmetry": "penalty"}, SymmetryError, "exact"),
        ({"particles": (4, 2), "generators": "q1*p2 - q2*p1"}, SymmetryError, "together"),
        ({"particles": (4, 2), "generators": "p1 + p3"}, SymmetryError, "together"),
        ({"particles": (4, 2), "generators": "q1*p1"}, SymmetryError, "together"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, words):
    settings = {"symmetry": "exact"} | options
    if "particles" not in options:
        settings["generators"] = "q1*p2 - q2*p1"
    with pytest.raises(error, match=words):
        HamiltonianFlow(8, hamiltonians=1, width=4, **settings)


def test_generators_that_move_all_bodies_are_kept():
    space = PhaseSpace.standard(4)
    flow = HamiltonianFlow(
        4, hamiltonians=1, width=4, symmetry="exact", particles=Particles(2, 2), generators="p1 + p3"
    )
    assert [g.text for g in flow.generators] == ["p1 + p3"] and space.dof == flow.dim
    assert {v.status for v in flow.prove_symmetry()} == {"proved"}
