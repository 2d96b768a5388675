"""The flow whose kinetic energy is fixed: what it promises beyond the battery, which has it in every mode."""

import json

import pytest
import torch
from flows import MORE, ROTATION, make, states

import hamsym as hs
import learn
from hamsym.errors import CheckpointError, ParameterError
from learn.flow.kinetic import QuadraticEnergy
from learn.flow.leapfrog import leapfrog, leapfrog_chain, slopes
from learn.kernels import cpu

MODES = [None, "penalty", "features", "exact", "average", "augment"]


def flow_of(mode, dtype=torch.float64, **options):
    generators = () if mode is None else ROTATION
    flow = learn.HamiltonianFlow(
        2, hamiltonians=3, width=8, symmetry=mode, generators=generators, kinetic="fixed", seed=0, **options
    )
    return flow.to(dtype)


@pytest.mark.parametrize("mode", MODES)
def test_the_velocity_is_the_momentum_over_the_mass(mode, dtype):
    flow = flow_of(mode, dtype)
    flow.set_unit(4.0)  # a power of two: products with it are exact
    p = states(flow, 50)[1]
    for h in flow.chain:
        mass = 1 / 16
        assert torch.equal(h.grad_kinetic(p), p / mass)
        torch.testing.assert_close(h.kinetic(p), p.square().sum(-1) / (2 * mass))


def test_a_step_is_that_of_a_free_particle_where_no_force_acts():
    flow = flow_of(None)
    flow.set_unit(0.5)
    with torch.no_grad():
        for h in flow.chain:
            h.potential_energy.out.zero_()
    q, p = states(flow, 9)
    moved, same = flow.push_forward(q, p)
    time = sum(float(h.dt.detach()) for h in flow.chain)
    torch.testing.assert_close(moved, q + time * p / 4)
    assert torch.equal(same, p)


def test_harmonic_oscillators_turn_with_the_frequency_of_leapfrog():
    """U = k q²/2, K = p²/2: leapfrog is a rotation by the angle with cos θ = 1 − k dt²/2 (Hairer et al., I.1)."""
    flow = flow_of(None, steps=50)
    with torch.no_grad():
        for h in flow.chain:
            h.potential_energy.out.zero_(), h.potential_energy.curvature.fill_(2.0), h.log_dt.fill_(-2.0)
    dt = float(flow.chain[0].dt.detach())
    angle = torch.arccos(torch.tensor(1 - dt**2, dtype=torch.float64)) * 150
    q, p = states(flow, 9)
    found = flow.push_forward(q, p)[0]
    width = (2 * (1 - dt**2 / 2)) ** 0.5  # of the ellipse on which the states lie
    torch.testing.assert_close(found, q * angle.cos() + p * angle.sin() / width)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [0, 2], ids=["alone", "conditional"])
def test_kernels_and_torch_agree(mode, size, dtype):
    """Values and gradients of one call of the kernels, and of the path made of torch operations."""
    flow = flow_of(mode, dtype, context=size)
    q, p = states(flow, 600)  # more than a block of points
    context = torch.randn(600, 2, dtype=dtype, generator=torch.Generator().manual_seed(0)) if size else None
    weights, found = list(flow.chain.parameters()), []
    for block in (None, cpu.left_to_torch()):
        with block or torch.enable_grad():
            value = flow.log_joint(q, p, **({"context": context} if size else {}))
            found.append((value.detach(), *torch.autograd.grad(value.sum(), weights)))
    tight = 1e-11 if dtype == torch.float64 else 2e-4
    for a, b in zip(*found, strict=True):
        assert (a - b).abs().max() < tight * (1 + b.abs().max())


def test_the_kernels_take_it_and_skip_the_units_that_are_not_there(monkeypatch):
    called = []
    leap = cpu.leapfrog
    monkeypatch.setattr(cpu, "leapfrog", lambda *a, **o: called.append(a[3]) or leap(*a, **o))
    flow = flow_of("exact", torch.float32)
    flow.push_forward(*states(flow))
    assert [shape.counts for shape in called] == [(8, 0)]


def test_slopes_of_a_chain_are_those_of_its_members(dtype):
    flow = flow_of("penalty", dtype)
    q, p = (x.view(3, 5, 2) for x in states(flow, 15))
    of_u, of_k = slopes(flow.chain, q, p)
    for k, h in enumerate(flow.chain):
        torch.testing.assert_close(of_u[k], h.grad_potential(q[k]))
        torch.testing.assert_close(of_k[k], h.grad_kinetic(p[k]))


def test_chains_of_both_kinds_are_moved_member_by_member():
    fixed, free = flow_of(None).chain, make("free").chain
    mixed = [fixed[0], free[0], fixed[1]]
    q, p = states(flow_of(None), 7)
    one_by_one = (q, p)
    for h in mixed:
        one_by_one = leapfrog(h, *one_by_one)
    for a, b in zip(leapfrog_chain(mixed, q, p), one_by_one, strict=True):
        torch.testing.assert_close(a, b)
    back = leapfrog_chain(mixed, *one_by_one, inverse=True)
    torch.testing.assert_close(back[0], q)


def test_it_has_fewer_weights_by_those_of_the_kinetic_energies():
    def count(flow):
        return sum(w.numel() for w in flow.parameters())

    for mode in MODES:
        fixed = flow_of(mode)
        free = learn.HamiltonianFlow(2, 3, 1, 8, mode, fixed.generators, seed=0)
        saved = count(free) - count(fixed)
        assert saved == sum(w.numel() for h in free.chain for w in h.kinetic_energy.parameters()) > 0
        assert not any(list(h.kinetic_energy.parameters()) for h in fixed.chain)


def test_the_same_seed_draws_other_potentials_but_learned_ones_are_as_they_were():
    a, b = (learn.HamiltonianFlow(2, 2, 1, 4, seed=3) for _ in range(2))
    assert torch.equal(a.chain[1].kinetic_energy.weight, b.chain[1].kinetic_energy.weight)


def test_a_fixed_kinetic_energy_is_proved_with_its_formula():
    verdicts = flow_of("exact").prove_symmetry()
    assert [v.status for v in verdicts] == ["proved"] * 3 and all(v.check() for v in verdicts)
    assert verdicts[1].question == (
        "{g, K} = 0 for g = -p1*q2 + p2*q1, K = a*(p1**2 + p2**2) for every a > 0"
    )


def test_particles_have_it_without_their_mean_momentum(dtype):
    flow = learn.HamiltonianFlow(
        6, hamiltonians=2, width=6, symmetry="exact", particles=(3, 2), kinetic="fixed", seed=0
    ).to(dtype)
    assert {v.status for v in flow.prove_symmetry()} == {"proved"}
    assert flow.prove_symmetry()[1].question.endswith("for every a > 0")
    q, p = states(flow, 20)
    relative = (p.view(-1, 3, 2) - p.view(-1, 3, 2).mean(1, keepdim=True)).flatten(1)
    torch.testing.assert_close(flow.chain[0].grad_kinetic(p), relative)
    with cpu.left_to_torch():
        plain = flow.log_joint(q, p)
    torch.testing.assert_close(flow.log_joint(q, p), plain)
    exchanged = [x.view(-1, 3, 2)[:, [1, 0, 2]].flatten(1) for x in (q, p)]
    torch.testing.assert_close(flow.log_joint(*exchanged), plain)


def test_it_learns_a_density_and_is_saved_and_read(tmp_path):
    target = hs.targets["gaussians4"]
    q = torch.as_tensor(target.sample(4000, seed=0), dtype=torch.float32)
    flow = learn.HamiltonianFlow(2, 4, 1, 16, kinetic="fixed", seed=0)
    result = learn.fit(flow, q, steps=250, batch=256, seed=0, progress=False, out=tmp_path)
    fresh = torch.as_tensor(target.sample(500, seed=1), dtype=torch.float32)
    entropy_of_the_best_gaussian = (
        torch.distributions.MultivariateNormal(q.mean(0), q.T.cov()).log_prob(fresh).mean()
    )
    assert flow.log_prob(fresh, samples=64, seed=0).mean() > entropy_of_the_best_gaussian + 0.2
    assert len(result.history["loss"]) == 250
    same = learn.load(tmp_path)
    assert same.kinetic == "fixed" and isinstance(same.chain[0].kinetic_energy, QuadraticEnergy)
    assert torch.equal(same.log_prob(fresh, 8, seed=2), flow.log_prob(fresh, 8, seed=2))
    assert float(same.chain[0].kinetic_energy.unit) == pytest.approx(1 / float(flow.unit))


def test_files_that_say_nothing_of_it_hold_learned_ones_and_false_ones_are_refused(tmp_path):
    flow = learn.HamiltonianFlow(2, 1, 1, 4, seed=0)
    flow.save(tmp_path)
    path = tmp_path / "model.json"
    head = json.loads(path.read_text())
    assert head["flow"].pop("kinetic") == "learned"
    path.write_text(json.dumps(head))
    assert learn.load(tmp_path).kinetic == "learned"
    for wrong in ("fixed", "warm", 3, None, ["fixed"]):
        path.write_text(json.dumps(head | {"flow": head["flow"] | {"kinetic": wrong}}))
        with pytest.raises(CheckpointError):
            learn.load(tmp_path)


@pytest.mark.parametrize("wrong", ["quadratic", "", None, True, 1.0, ["fixed"]])
def test_other_kinetic_energies_are_refused(wrong):
    with pytest.raises(ParameterError, match="kinetic is 'learned' or 'fixed', not"):
        learn.HamiltonianFlow(kinetic=wrong)


def test_it_says_what_it_is():
    flow = flow_of(None)
    assert "kinetic='fixed'" in repr(flow) and "fixed, |p|²/2" in flow._repr_html_()
    assert "kinetic" not in repr(make("free"))


def test_it_conditions_through_the_potentials_alone():
    flow = flow_of(None, context=2)
    assert not torch.equal(
        flow.sample(3, seed=0, context=[0.0, 1.0]), flow.sample(3, seed=0, context=[1.0, 0.0])
    )
    one = flow.given([0.3, -0.7])
    assert one.kinetic == "fixed"
    torch.testing.assert_close(one.sample(3, seed=0), flow.sample(3, seed=0, context=[0.3, -0.7]))


def test_nothing_is_left_out_of_the_battery():
    there = {case.get("symmetry") for case in MORE.values() if case.get("kinetic") == "fixed"}
    assert there == set(MODES)
