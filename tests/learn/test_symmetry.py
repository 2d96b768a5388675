"""Brackets on tensors, the exact construction, and the paper's constraint."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import sympy as sp
import torch
from flows import CASES, EXACT, ROTATION, make, states
from hypothesis import given, settings
from hypothesis import strategies as st

import hamsym as hs
from hamsym.errors import NonFiniteError, ParameterError, ShapeError, SymmetryError
from learn.flow.density import HamiltonianFlow
from learn.flow.features import Features
from learn.flow.leapfrog import leapfrog
from learn.flow.quadrature import quadrature_log_prob
from learn.symmetry.action import Rotations
from learn.symmetry.constraint import BracketConstraint
from learn.symmetry.equivariance import bracket_residual, density_invariance
from learn.symmetry.generators import (
    TensorGenerator,
    as_generators,
    brackets,
    measure_brackets,
)
from learn.symmetry.invariants import invariant_potentials
from learn.training.fit import fit

SPACE = hs.PhaseSpace.standard(2)


class Known:
    """A Hamiltonian given by formulas, with gradients from hamsym: an independent check of the bracket."""

    def __init__(self, kinetic: str, potential: str) -> None:
        self.k, self.u = (TensorGenerator(hs.Generator(f, SPACE)) for f in (kinetic, potential))

    def grad_potential(self, q):
        return self.u.gradients(q, torch.zeros_like(q))[0]

    def grad_kinetic(self, p):
        return self.k.gradients(torch.zeros_like(p), p)[1]


@pytest.mark.parametrize(
    ("potential", "expected"),
    [
        ("(q1**2+q2**2)/2", lambda q: 0 * q[:, 0]),
        ("q1", lambda q: q[:, 1]),
        ("(q1**2+3*q2**2)/2", lambda q: (1 - 3) * q[:, 0] * q[:, 1]),
        ("exp(-(q1**2+q2**2))*sqrt(1+q1**2+q2**2)", lambda q: 0 * q[:, 0]),
    ],
)
def test_brackets_of_known_hamiltonians(potential, expected):
    # {g, H} = [p2 K_1 − p1 K_2] + [q2 U_1 − q1 U_2] for g = q1 p2 − q2 p1
    q, p = torch.randn(2, 50, 2, dtype=torch.float64)
    g = TensorGenerator(hs.angular_momentum(SPACE, 0, 1))
    value, scale = brackets(Known("(p1**2+p2**2)/2", potential), g, q, p)
    torch.testing.assert_close(value, expected(q), rtol=1e-12, atol=1e-12)
    assert (scale >= value.abs() - 1e-12).all()


@pytest.mark.parametrize("case", ["free", "exact"])
def test_bracket_sign_is_that_of_hamsym(case):
    # ds/dt = {s, H}: along H, g changes at the rate {g, H}
    flow = make(case)
    h, (q, p) = flow.chain[0], states(flow)
    g = TensorGenerator(hs.angular_momentum(SPACE, 0, 1))
    t = 1e-6
    later = g(q + t * h.grad_kinetic(p), p - t * h.grad_potential(q))
    torch.testing.assert_close((later - g(q, p)) / t, brackets(h, g, q, p)[0], rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    text=st.sampled_from(
        [
            ROTATION,
            "p1",
            "p1**2/2 + sin(q1)*q2",
            "sqrt(1+q1**2)*p2",
            "exp(q1*p2/5)",
            "atan2(q2, 2+q1**2)",
            "3*q1/7",
        ]
    ),
    values=st.tuples(*[st.floats(-2, 2)] * 4),
)
def test_generators_on_tensors_agree_with_sympy(text, values):
    generator = hs.Generator(text, SPACE)
    at = dict(zip(SPACE.variables, values, strict=True))
    state = torch.tensor([values], dtype=torch.float64)
    tensor = TensorGenerator(generator)
    q, p = state[:, :2], state[:, 2:]
    assert float(tensor(q, p)) == pytest.approx(float(generator.expr.subs(at)), rel=1e-12, abs=1e-12)
    expected = [float(sp.diff(generator.expr, s).subs(at)) for s in SPACE.variables]
    assert torch.cat(tensor.gradients(q, p), 1)[0].tolist() == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_connected_planes_rotate_together():
    def blocks(*texts, dim=5):
        return invariant_potentials(as_generators(texts, dim)).blocks

    assert blocks("q1*p2 - q2*p1") == ((0, 1),)
    assert blocks("q1*p2 - q2*p1", "q4*p5 - q5*p4") == ((0, 1), (3, 4))
    assert blocks("q1*p2 - q2*p1", "q2*p3 - q3*p2", "q5*p4 - q4*p5") == ((0, 1, 2), (3, 4))
    assert blocks("2*(q1*p2 - q2*p1) + q3*p4 - q4*p3") == ((0, 1), (2, 3))
    assert blocks("q1*p2 - q2*p1 + q3*p4 - q4*p3") is None, (
        "the angle between two equal turns is invariant too"
    )


@pytest.mark.parametrize("case", EXACT)
def test_exact_construction_commutes_with_the_whole_action(case):
    flow = make(case)
    q, p = states(flow)
    for g in flow.generators:
        for angle in (0.3, 2.0, 4.5):
            matrix, offset = (torch.tensor(a) for a in g.flow("e").arrays({"e": angle}))
            turn, shift = matrix[: flow.dim, : flow.dim], offset[: flow.dim]

            def move(x, turn=turn, shift=shift):
                return x @ turn.T + shift

            assert (move(q) - q).abs().max() > 0.1
            (image, momentum), moved = flow.push_forward(q, p), flow.push_forward(move(q), p @ turn.T)
            torch.testing.assert_close(moved[0], move(image), rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(moved[1], momentum @ turn.T, rtol=1e-10, atol=1e-10)
            turned, still = flow.encoder(move(q)), flow.encoder(q)
            torch.testing.assert_close(turned.mean, still.mean @ turn.T, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(
                turned.covariance_matrix, turn @ still.covariance_matrix @ turn.T, rtol=1e-10, atol=1e-10
            )
            torch.testing.assert_close(
                flow.log_joint(move(q), p @ turn.T), flow.log_joint(q, p), rtol=1e-10, atol=1e-10
            )


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.startswith("free") and "1d" not in c] + ["penalty", "features"]
)
def test_other_modes_do_not_commute(case):
    flow = make(case)
    q, p = states(flow)
    move = torch.eye(flow.dim, dtype=torch.float64)
    move[:2, :2] = torch.tensor([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]])
    image, moved = flow.push_forward(q, p)[0], flow.push_forward(q @ move.T, p @ move.T)[0]
    assert (moved - image @ move.T).abs().max() > 1e-2
    assert bracket_residual(flow, ROTATION if flow.dim == 2 else "q1*p2 - q2*p1", q, p).relative > 1e-2


@pytest.mark.parametrize("case", EXACT)
def test_frame_encoder_is_well_defined_at_and_near_the_origin(case):
    flow = make(case)
    tiny = torch.zeros(3, flow.dim, dtype=torch.float64)
    tiny[1], tiny[2] = 1e-12, -1e-12
    law = flow.encoder(tiny)
    torch.testing.assert_close(law.mean[1], law.mean[0], rtol=0, atol=1e-10)
    torch.testing.assert_close(law.covariance_matrix[1], law.covariance_matrix[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(law.covariance_matrix[2], law.covariance_matrix[0], rtol=1e-10, atol=1e-10)
    flow.elbo(tiny).sum().backward()
    assert all(torch.isfinite(w.grad).all() for w in flow.parameters())


def test_many_bodies_are_moved_apart_only():
    # translations move all points and take nothing from the density; samples have no mean motion
    flow = make("exact, two bodies in space")
    q, p = states(flow)
    far = torch.tensor([5.0, -3.0, 1.0] * 2, dtype=torch.float64)
    torch.testing.assert_close(
        flow.log_prob(q + far, 20, seed=1), flow.log_prob(q, 20, seed=1), rtol=1e-9, atol=1e-9
    )
    assert flow.sample(9, seed=0).view(9, 2, 3).mean(1).abs().max() < 1e-12
    assert flow.freedom == 3
    # E_p[f(q,p)/p(q,p)] = 1 for any density f of the relative coordinates
    q, p = flow.push_forward(*flow.sample_base(20_000, generator=torch.Generator().manual_seed(0)))
    left = torch.linalg.svd(flow.removed.value)[2][3:]
    state = torch.cat([q @ left.T, p @ left.T], 1).detach()
    law = torch.distributions.MultivariateNormal(state.mean(0), 0.3 * torch.cov(state.T))
    weights = (law.log_prob(state) - flow.log_joint(q, p).detach()).exp()
    assert abs(float(weights.mean()) - 1) < 5 * float(weights.std()) / len(weights) ** 0.5
    assert float(weights.std()) < 20


def test_invariants_say_what_orbits_say():
    # the lengths that potentials see agree on two configurations just where a motion carries one to the other
    space = hs.PhaseSpace.standard(6)
    found = invariant_potentials((*hs.total_momentum(space, 2), *hs.total_angular_momentum(space, 2)))
    see = Features(*(lambda x: (x.linear, x.frames, found.translations))(found.inputs())).double()
    q = torch.randn(1, 6, dtype=torch.float64)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    moved = (q.view(3, 2) @ turn.T + torch.tensor([3.0, -1.0])).view(1, 6)
    mirrored = (q.view(3, 2) * torch.tensor([1.0, -1.0])).view(1, 6)
    torch.testing.assert_close(see(see.centre(moved)), see(see.centre(q)), rtol=1e-12, atol=1e-12)
    assert (see(see.centre(mirrored)) - see(q)).abs().max() > 1e-2, "reflections are no motions"
    jacobian = torch.autograd.functional.jacobian(lambda x: see(see.centre(x))[0], q)[:, 0]
    assert int(torch.linalg.matrix_rank(jacobian)) == 6 - 3, "as many as the space has without orbits"


def test_an_average_is_invariant_under_the_subgroup_and_nearly_under_the_group():
    between = {}
    for elements in (4, 6, 16):
        flow = HamiltonianFlow(
            2, hamiltonians=2, width=16, symmetry="average", generators=ROTATION, elements=elements, seed=0
        ).double()
        q, p = (x / 2 for x in states(flow))

        def changed(angle, flow=flow, q=q, p=p):
            (c, s) = math.cos(angle), math.sin(angle)
            move = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
            return float(
                (flow.log_joint(q @ move.T, p @ move.T) - flow.log_joint(q, p)).detach().abs().median()
            )

        assert all(changed(2 * math.pi * k / elements) < 1e-12 for k in range(1, elements))
        between[elements] = changed(math.pi / elements)
        assert all(not hasattr(m, "status") for m in flow.prove_symmetry())
    assert between[4] > between[6] > 100 * between[16] > 0, between


def test_random_elements_have_the_law_of_the_group():
    # the second moments of a uniformly turned vector are those of the sphere, its fourth ones too
    space = hs.PhaseSpace.standard(3)
    turns = Rotations([hs.angular_momentum(space, 0, 1), hs.angular_momentum(space, 1, 2)])
    random = torch.Generator().manual_seed(0)
    q = torch.tensor([[0.0, 0.6, 0.8]], dtype=torch.float64).expand(100_000, 3)
    moved, again = turns.move(random, q, 2 * q)
    torch.testing.assert_close(again, 2 * moved, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(len(q), dtype=torch.float64), rtol=1e-12, atol=0)
    assert (moved.mean(0)).abs().max() < 0.01
    assert (moved.T @ moved / len(q) - torch.eye(3) / 3).abs().max() < 0.01
    assert (moved.pow(4).mean(0) - 1 / 5).abs().max() < 0.01
    elements = torch.tensor(turns.elements(50))
    torch.testing.assert_close(
        elements @ elements.mT, torch.eye(3).double().expand(50, 3, 3), rtol=0, atol=1e-12
    )
    both = Rotations(as_generators(["q1*p2 - q2*p1", "2*(q3*p4 - q4*p3)"], 4))
    assert both.commute and both.elements(3).shape == (9, 4, 4) and both.periods[1] == pytest.approx(math.pi)
    with pytest.raises(SymmetryError, match="incommensurable"):
        Rotations(as_generators("q1*p2 - q2*p1 + sqrt(2)*(q3*p4 - q4*p3)", 4))
    with pytest.raises(SymmetryError, match="more than"):
        Rotations(as_generators(["q1*p2 - q2*p1", "q3*p4 - q4*p3"], 4)).elements(100)


def test_augmented_training_sees_the_orbits_of_its_points():
    # all points on one ray: without turning them, no sample would lie on the other side
    q = torch.tensor([[2.0, 0.0]]) + 0.1 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    opposite = {}
    for symmetry in (None, "augment"):
        flow = HamiltonianFlow(2, hamiltonians=4, width=16, symmetry=symmetry, generators=ROTATION, seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the points lie far from the origin
            fit(flow, q, steps=150, batch=128, progress=False)
        opposite[symmetry] = float((flow.sample(4000, seed=1)[:, 0] < -1).double().mean())
    assert opposite[None] < 0.1 and 0.2 < opposite["augment"] < 0.5


def test_samples_of_the_exact_flow_have_uniform_angles():
    q = make("exact").sample(20_000, seed=0).detach()
    angles = torch.atan2(q[:, 1], q[:, 0])
    counts = torch.histc(angles, 24, -math.pi, math.pi)
    chi_square = float(((counts - 20_000 / 24).square() / (20_000 / 24)).sum())
    assert chi_square < 49.7  # 23 degrees of freedom, 0.1 %
    free = make("free").sample(20_000, seed=0).detach()
    counts = torch.histc(torch.atan2(free[:, 1], free[:, 0]), 24, -math.pi, math.pi)
    assert float(((counts - 20_000 / 24).square() / (20_000 / 24)).sum()) > 49.7


def test_residual_does_not_depend_on_units_or_on_the_size_of_the_hamiltonian():
    flow = make("free")
    q, p = states(flow)
    before = bracket_residual(flow, ROTATION, q, p)
    flow.set_unit(1.7 * 5)
    after = bracket_residual(flow, ROTATION, 5 * q, p / 5)
    assert after.mean_square == pytest.approx(
        before.mean_square, rel=1e-9
    )  # angular momentum has no unit of length
    with torch.no_grad():
        for h in flow.chain:
            for energy in (h.potential_energy, h.kinetic_energy):
                energy.out.mul_(3), energy.curvature.mul_(3)
    tripled = bracket_residual(flow, ROTATION, 5 * q, p / 5)
    assert tripled.relative == pytest.approx(before.relative, rel=1e-9)
    assert tripled.mean_square == pytest.approx(9 * before.mean_square, rel=1e-9)
    assert before.to_dict()["rms"] == pytest.approx(before.mean_square**0.5)


def test_density_invariance_tells_modes_apart():
    measured = {}
    for case in ("free", "exact"):
        flow = make(case)
        record = density_invariance(flow, ROTATION, flow.sample(6, seed=1), elements=4, samples=512)
        measured[case] = record
    assert measured["exact"].value < 1e-12 < measured["exact"].noise_floor
    assert measured["free"].value > 5 * measured["free"].noise_floor
    assert measured["free"].spread >= measured["free"].value


@pytest.mark.parametrize("case", EXACT)
def test_an_exactly_invariant_density_never_reads_above_its_floor(case):
    for seed in range(10 if CASES[case]["dim"] < 5 else 2):
        flow = make(case, seed=seed)
        q = flow.sample(4, seed=seed)
        measured = density_invariance(flow, flow.generators, q, elements=4, samples=64, seed=seed)
        for record in measured.records:
            assert record.value <= 1e-12 < record.noise_floor


@pytest.mark.parametrize("size", [0.02, 0.3])
def test_shared_noise_does_not_hide_a_broken_symmetry(size):
    # potentials that depend a little on the angle: what importance sampling reads is what quadrature reads
    flow = make("features")
    with torch.no_grad():
        for h in flow.chain:
            for energy in (h.potential_energy, h.kinetic_energy):
                energy.weight[:2] *= size
        for name, weight in flow.encoder.named_parameters():
            if name.startswith("network.0"):
                weight.mul_(size)
    q = flow.sample(6, seed=1)
    exact = density_invariance(flow, ROTATION, q, method="quadrature")
    sampled = [density_invariance(flow, ROTATION, q, samples=1024, seed=seed) for seed in range(3)]
    assert exact.value > 3 * exact.noise_floor
    for measured in sampled:
        assert measured.value == pytest.approx(exact.value, abs=2 * measured.noise_floor)


def test_elements_that_are_no_rotations_are_measured_too():
    # a squeeze: noise cannot be turned with it, and is shared as it is
    flow = make("free")
    q = flow.sample(3, seed=1)
    squeeze = "q1*p1 - q2*p2"
    exact = density_invariance(flow, squeeze, q, elements=4, method="quadrature", extent=0.8)
    sampled = density_invariance(flow, squeeze, q, elements=4, samples=4096, extent=0.8)
    assert exact.value > 0.1
    assert sampled.value == pytest.approx(exact.value, abs=2 * sampled.noise_floor + exact.noise_floor)


def test_quadrature_agrees_with_importance_sampling():
    flow = make("free")
    q = flow.sample(2, seed=2)
    grid = density_invariance(flow, ROTATION, q, elements=3, method="quadrature")
    sampled = density_invariance(flow, ROTATION, q, elements=3, method="importance", samples=4096)
    assert grid.value == pytest.approx(sampled.value, abs=3 * (grid.noise_floor + sampled.noise_floor) + 1e-3)
    estimate = flow.estimate_log_prob(q, 20_000, seed=0)
    error = (quadrature_log_prob(flow, q) - estimate.value).abs()
    assert (error < 5 * estimate.standard_error + 1e-3).all()


def test_measures_refuse_what_they_cannot_measure():
    flow = make("free")
    q, p = states(flow, 3)
    with pytest.raises(ShapeError, match="same shape"):
        bracket_residual(flow, ROTATION, q, p[:2])
    with pytest.raises(SymmetryError, match="2 coordinates"):
        bracket_residual(
            flow, hs.angular_momentum(hs.PhaseSpace.standard(3), 0, 1), q, p
        ) if flow.dim == 3 else (as_generators(hs.angular_momentum(SPACE, 0, 1), 3))
    with pytest.raises(SymmetryError, match="momenta"):
        density_invariance(flow, "p1**2/2 + q1**2/2", q)
    with pytest.raises(SymmetryError, match="not linear"):
        density_invariance(flow, "p1*q1**2", q)
    with pytest.raises(NonFiniteError, match="row 1"):
        bracket_residual(flow, ROTATION, torch.where(torch.arange(3)[:, None] == 1, math.nan, q), p)
    with pytest.raises(ParameterError, match="method"):
        density_invariance(flow, ROTATION, q, method="guess")
    with pytest.raises(ParameterError, match="one or two"):
        density_invariance(
            make("free 3d, two steps"), ROTATION.replace("q1", "q3"), np.zeros((1, 3)), method="quadrature"
        )


# -- the constraint ---------------------------------------------------------------------------------------------


def ring(n: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(n, generator=random)
    radius = 2 + 0.2 * torch.randn(n, generator=random)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def test_multipliers_ascend_exactly_while_the_constraint_is_violated():
    constraint = BracketConstraint([ROTATION, "p1"], tolerance=0.01, margin=0.0)
    before = list(constraint.multipliers)
    constraint.update([1.0, 1e-5], 90, 100)
    assert constraint.multipliers[0] > before[0] and constraint.multipliers[1] < before[1]
    assert not constraint.satisfied
    for _ in range(5000):
        constraint.update([0.0, 1e-5], 100, 100)
    assert all(lam > 0 for lam in constraint.multipliers) and constraint.satisfied


def test_penalty_is_the_papers_lagrangian():
    flow = make("penalty")
    q, p = states(flow, 64)
    constraint = BracketConstraint([ROTATION, "p1"], tolerance=0.3, initial=2.5)
    measured = constraint.residuals([(h, q, p) for h in flow.chain])
    expected = [bracket_residual(flow, g, q, p).mean_square for g in (ROTATION, "p1")]
    assert measured.tolist() == pytest.approx(expected, rel=1e-9)
    lagrangian = sum(2.5 * (r - 0.3) for r in expected)
    assert float(constraint.penalty(measured).detach()) == pytest.approx(lagrangian, rel=1e-9)
    constraint.penalty(measured).backward()
    # the quadratic parts are isotropic: they commute with the rotation, but not with the translation p1
    assert all(
        (w.grad != 0).any() for n, w in flow.chain.named_parameters() if "kinetic_energy.curvature" not in n
    )


def test_a_normalised_residual_is_the_relative_one_and_does_not_see_the_size_of_h():
    flow = make("penalty")
    q, p = states(flow, 64)
    constraint = BracketConstraint([ROTATION, "p1"], normalised=True)
    before = constraint.residuals([(flow.chain[0], q, p)])
    expected = [
        measure_brackets(flow.chain[:1], as_generators(g, 2), q, p)[0].relative ** 2 for g in (ROTATION, "p1")
    ]
    assert before.tolist() == pytest.approx(expected, rel=1e-9)
    with torch.no_grad():
        for energy in (flow.chain[0].potential_energy, flow.chain[0].kinetic_energy):
            energy.out.mul_(3), energy.curvature.mul_(3)
    torch.testing.assert_close(constraint.residuals([(flow.chain[0], q, p)]), before, rtol=1e-9, atol=0)


def test_the_residual_of_slopes_is_that_of_an_oval_oscillator():
    # for U = (a q1² + b q2²)/2 the mean of |∇U(Rq) − R∇U(q)|² over a whole turn is (a − b)² |q|²/2
    q, p = torch.randn(2, 40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, p = (2 * q / q.norm(dim=1, keepdim=True), 3 * p / p.norm(dim=1, keepdim=True))
    oval, round_ = (
        Known("(p1**2+4*p2**2)/2", "(5*q1**2+3*q2**2)/2"),
        Known("p1**2+p2**2", "exp(-q1**2-q2**2)"),
    )
    constraint = BracketConstraint(ROTATION, measured="field")
    expected = (5 - 3) ** 2 * 2**2 / 2 + (1 - 4) ** 2 * 3**2 / 2
    assert constraint.residuals([(oval, q, p)]).tolist() == pytest.approx([expected], rel=1e-12)
    assert constraint.residuals([(oval, q, p), (round_, q, p)]).tolist() == pytest.approx([expected / 2])
    assert constraint.residuals([(round_, q, p)]).tolist() == pytest.approx([0], abs=1e-24)


def test_a_steep_bracket_is_seen_by_its_slopes():
    # U = ε sin(k r²) q1 q2/r² has a bracket of order ε whatever k; its force does not turn with q, by ε k
    q, p = torch.randn(2, 400, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    flat, steep = (Known("p1**2", f"sin({k}*(q1**2+q2**2))*q1*q2/(q1**2+q2**2+1)") for k in (1, 20))
    ratios = [
        float(made.residuals([(steep, q, p)]) / made.residuals([(flat, q, p)]))
        for made in (BracketConstraint("q1*p2 - q2*p1"), BracketConstraint(ROTATION, measured="field"))
    ]
    assert ratios[1] > 30 * ratios[0]


def test_the_residual_of_slopes_knows_every_generator_and_its_share_no_size():
    flow = make("free 3d, two steps")
    random = torch.Generator().manual_seed(0)
    states_of_all = [(h, *torch.randn(2, 30, 3, dtype=torch.float64, generator=random)) for h in flow.chain]
    made = BracketConstraint([ROTATION, "q2*p3 - q3*p2"], measured="field", normalised=True)
    shares = made.residuals(states_of_all)
    assert shares.shape == (2,) and (0 < shares).all() and (shares < 1).all() and shares[0] != shares[1]
    with torch.no_grad():
        for h in flow.chain:
            for energy in (h.potential_energy, h.kinetic_energy):
                energy.out.mul_(3), energy.curvature.mul_(3)
    torch.testing.assert_close(made.residuals(states_of_all), shares, rtol=1e-9, atol=0)
    with pytest.raises(SymmetryError, match="no rotation"):
        BracketConstraint("p1", measured="field").bind(2)


def test_orbit_states_are_trajectory_states_turned_together():
    flow = make("penalty")
    q, _ = states(flow, 50)
    g = TensorGenerator(hs.angular_momentum(SPACE, 0, 1))
    met, turned = (
        BracketConstraint(ROTATION, sampling=sampling).states(
            flow, flow.encoder, q, torch.Generator().manual_seed(3)
        )
        for sampling in ("trajectory", "orbit")
    )
    for (h, q1, p1), (same, q2, p2) in zip(met, turned, strict=True):
        assert same is h and not q2.requires_grad
        assert (q2 - q1).abs().max() > 0.5
        torch.testing.assert_close(q2.norm(dim=1), q1.norm(dim=1), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(g(q2, p2), g(q1, p1), rtol=1e-10, atol=1e-10)
    with pytest.raises(SymmetryError, match="no rotation"):
        BracketConstraint("p1", sampling="orbit").bind(2)


@pytest.mark.parametrize("detach", [True, False])
def test_gradients_go_through_the_states_only_if_asked(detach):
    flow = make("penalty")
    q, _ = states(flow, 20)
    constraint = BracketConstraint(ROTATION, sampling="trajectory", detach=detach)
    made = constraint.states(flow, flow.encoder, q, torch.Generator().manual_seed(3))
    constraint.residuals(made).sum().backward()
    reached = [w.grad is not None for w in flow.encoder.parameters()]
    assert not any(reached) if detach else all(reached)


KAPPA = 0.02


@pytest.fixture(scope="module")
def unconstrained():
    flow = HamiltonianFlow(2, hamiltonians=3, width=16, symmetry="penalty", generators=ROTATION, seed=0)
    free = BracketConstraint(ROTATION, tolerance=1e6)  # satisfied from the start
    fit(flow, ring(2000), steps=300, batch=128, constraint=free, progress=False)
    return flow


def fresh_residual(flow, sampling):
    random = torch.Generator().manual_seed(9)
    q = ring(5000, seed=7)
    if sampling == "base":
        q, p = flow.sample_base(20_000, generator=random)
    else:
        p = flow.encoder.moments(q).draw(torch.randn(len(q), 1, 2, generator=random))[0][:, 0].detach()
    if sampling != "trajectory":
        return bracket_residual(flow, ROTATION, q, p).mean_square
    residuals = []
    for h in reversed(flow.chain):
        residuals.append(measure_brackets([h], as_generators(ROTATION, 2), q, p)[0].mean_square)
        q, p = (x.detach() for x in leapfrog(h, q, p, inverse=True))
    return sum(residuals) / len(residuals)


@pytest.mark.parametrize("steps", [20, 50, 300])
def test_multipliers_do_not_run_away_in_short_trainings(steps):
    constraint = BracketConstraint(ROTATION, tolerance=1e-6)
    for step in range(1, steps + 1):
        constraint.update([1e6], step, steps)
    assert constraint.multipliers[0] <= constraint.initial * math.exp(constraint.pace * steps / 600) * 1.001
    assert constraint.multipliers[0] < 1e13 * constraint.initial


@pytest.mark.parametrize("steps", [1000, 3000])
def test_multipliers_of_long_trainings_move_by_the_pace_in_all(steps):
    constraint = BracketConstraint(ROTATION, tolerance=1e-6)
    constraint.update([1e6], 1, steps)
    assert constraint.multipliers[0] == pytest.approx(constraint.initial * math.exp(constraint.pace / steps))


@pytest.mark.parametrize("steps", [20, 50])
def test_short_trainings_with_a_constraint_still_learn(steps):
    elbos = {}
    for tolerance in (1e6, 1e-3):
        flow = HamiltonianFlow(2, hamiltonians=3, width=16, symmetry="penalty", generators=ROTATION, seed=0)
        constraint = BracketConstraint(ROTATION, tolerance=tolerance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = fit(flow, ring(500), steps=steps, batch=64, constraint=constraint, progress=False)
        elbos[tolerance] = sum(result.history["elbo"][-5:]) / 5
        assert max(v[0] for v in result.history["lambda"]) < 1e2
    assert elbos[1e-3] > elbos[1e6] - 0.5


@pytest.mark.parametrize("sampling", ["base", "data", "trajectory"])
def test_constraint_holds_on_fresh_states_after_training(sampling, unconstrained):
    flow = HamiltonianFlow(2, hamiltonians=3, width=16, symmetry="penalty", generators=ROTATION, seed=0)
    constraint = BracketConstraint(ROTATION, tolerance=KAPPA, sampling=sampling, batch=128)
    result = fit(flow, ring(2000), steps=300, batch=128, constraint=constraint, progress=False)
    assert fresh_residual(unconstrained, sampling) > 3 * KAPPA, (
        "nothing to constrain: the test would be empty"
    )
    assert fresh_residual(flow, sampling) <= KAPPA and result.constraint_satisfied
    assert [len(v) for v in result.history["lambda"]] == [1] * 300
    # λ rises where the running mean is above the goal and falls where it is below
    replay = BracketConstraint(ROTATION, tolerance=KAPPA)
    for step, (residual, multiplier) in enumerate(
        zip(result.history["residual"], result.history["lambda"], strict=True), start=1
    ):
        assert replay.multipliers == pytest.approx(multiplier, rel=1e-9)
        replay.update(residual, step, 300)
        missed = replay.means[0] > replay.goal(step / 300)
        assert replay.multipliers[0] > multiplier[0] if missed else replay.multipliers[0] <= multiplier[0]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"tolerance": 0}, ParameterError),
        ({"tolerance": math.nan}, ParameterError),
        ({"pace": -1}, ParameterError),
        ({"sampling": "nowhere"}, ParameterError),
        ({"measured": "everything"}, ParameterError),
        ({"margin": 1.5}, ParameterError),
        ({"batch": 0}, ParameterError),
    ],
)
def test_senseless_constraints_are_refused(settings, error):
    with pytest.raises(error):
        BracketConstraint(ROTATION, **settings)
    for nothing in ([], (), None):
        with pytest.raises(SymmetryError, match="at least one"):
            BracketConstraint(nothing)
    with pytest.raises(hs.errors.FormulaError):
        fit(
            make("penalty", torch.float32),
            ring(10),
            steps=1,
            constraint=BracketConstraint("q9*p1"),
            progress=False,
        )
