"""One battery over every mode, dimension, precision and kind: what each flow promises, by a computation of its own.

Each of the six modes is here with 1, 2, 3, 4 and 6 coordinates and generators that fit (a rotation, SO(3), products of
rotations, motions of several bodies), in both precisions, alone and with a context.
"""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from flows import CASES, MORE, learned, make, states

from hamsym.errors import SymmetryError
from learn.flow.architecture import MODES
from learn.flow.density import HamiltonianFlow
from learn.flow.quadrature import quadrature_log_prob

BATTERY = CASES | MORE
CONTEXT = [0.4, -1.1]
KINDS = pytest.mark.parametrize("size", [0, 2], ids=["alone", "conditional"])
EVERY = pytest.mark.parametrize("case", BATTERY)


def flow_of(case, dtype, size, device="cpu"):
    """A flow and what its calls take beside the points."""
    return make(case, dtype, device, context=size), {"context": CONTEXT} if size else {}


def tolerance(dtype, double, single):
    value = double if dtype == torch.float64 else single
    return {"rtol": value, "atol": value}


def test_nothing_is_left_out():
    """Every mode, and each of the dimensions in every mode that takes a generator there."""
    there = {(case.get("symmetry"), case["dim"]) for case in BATTERY.values()}
    for mode in MODES:
        assert {dim for m, dim in there if m == mode} >= {2, 3, 4, 6}, mode
    assert {mode for mode, dim in there if dim == 1} == {None, "penalty"}
    for mode in (
        "features",
        "exact",
        "average",
        "augment",
    ):  # nothing is left of a line without its translations
        with pytest.raises(SymmetryError):
            HamiltonianFlow(1, symmetry=mode, generators="p1")


@EVERY
@KINDS
def test_push_forward_and_pull_back_undo_each_other(case, size, dtype, device):
    flow, given = flow_of(case, dtype, size, device)
    q, p = states(flow)
    for there, back in [(flow.push_forward, flow.pull_back), (flow.pull_back, flow.push_forward)]:
        q1, p1 = there(q, p, **given)
        assert q1.dtype == dtype and (q1 - q).abs().max() > 0.05, (
            "a flow that moves nothing has no inverse to test"
        )
        q2, p2 = back(q1, p1, **given)
        torch.testing.assert_close(q2, q, **tolerance(dtype, 1e-11, 1e-4))
        torch.testing.assert_close(p2, p, **tolerance(dtype, 1e-11, 1e-4))


def jacobians(flow, q, p, **given):
    """∂(q', p')/∂(q, p) at each state, of shape (batch, 2 dim, 2 dim): rows do not see one another."""
    state = torch.cat([q, p], 1).requires_grad_()
    image = torch.cat(flow.push_forward(state[:, : flow.dim], state[:, flow.dim :], **given), 1)
    rows = [torch.autograd.grad(column.sum(), state, retain_graph=True)[0] for column in image.T]
    return torch.stack(rows, 1)


@EVERY
@KINDS
def test_jacobian_has_determinant_one_and_is_symplectic(case, size, dtype):
    flow, given = flow_of(case, dtype, size)
    jacobian = jacobians(flow, *states(flow, 4), **given)
    zero, unit = torch.zeros(flow.dim, flow.dim, dtype=dtype), torch.eye(flow.dim, dtype=dtype)
    omega = torch.cat([torch.cat([zero, unit], 1), torch.cat([-unit, zero], 1)])
    largest = float(jacobian.abs().max())
    size_of = largest**2  # what round-off of the products below grows with
    log_det = torch.linalg.slogdet(jacobian).logabsdet.abs().max()
    assert log_det < (1e-10 if dtype == torch.float64 else 2e-5 * max(10.0, largest))
    found = jacobian.mT @ omega @ jacobian
    assert (found - omega).abs().max() < (1e-13 if dtype == torch.float64 else 1e-5) * max(10.0, size_of)


@EVERY
@KINDS
def test_gradients_reach_every_weight(case, size, dtype, device):
    flow, given = flow_of(case, dtype, size, device)
    q, _ = states(flow, 12)
    context = flow.read_context(given.get("context"), len(q))
    losses = {
        "elbo": lambda: flow.elbo(q, **given),
        "bound of many draws": lambda: flow.training_bound(q, 3, None, context)[0],
    }
    for name, loss in losses.items():
        flow.zero_grad()
        (-loss().mean()).backward()
        silent = [n for n, w in flow.named_parameters() if w.grad is None or not (w.grad != 0).any()]
        assert silent == [], name
        assert all(torch.isfinite(w.grad).all() for w in flow.parameters()), name


@EVERY
@KINDS
def test_slopes_of_the_density_are_those_of_differences(case, size):
    """The closed gradients, through reversible back-propagation, against central differences along one direction."""
    flow, given = flow_of(case, torch.float64, size)
    q, p = states(flow, 6)
    weights = [w for name, w in flow.named_parameters() if "encoder" not in name]
    flow.log_joint(q, p, **given).sum().backward()
    random = torch.Generator().manual_seed(0)
    way = [torch.randn(w.shape, dtype=w.dtype, generator=random) for w in weights]
    slope = sum(float((w.grad * v).sum()) for w, v in zip(weights, way, strict=True))
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            for w, v in zip(weights, way, strict=True):
                w.add_(v, alpha=sign * 1e-6)
            values.append(float(flow.log_joint(q, p, **given).sum()))
    assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-4)


# -- bounds --------------------------------------------------------------------------------------------------


def linear(case, dtype, size):
    """The flow without the waves of its potentials: a linear map, so that p(q) is a Gaussian that is known."""
    flow, given = flow_of(case, dtype, size)
    with torch.no_grad():
        for h in flow.chain:
            for energy in learned(h):
                energy.out.zero_()
    d, (a, b) = flow.dim, flow.base_scales
    jacobian = jacobians(flow, *states(flow, 1), **given)[0].double()
    base = torch.cat([a.expand(d), b.expand(d)]).double().square()
    covariance = ((jacobian * base) @ jacobian.T)[:d, :d]
    left = (
        torch.linalg.svd(flow.removed.value.double())[2][d - flow.freedom :]
        if flow.freedom < d
        else torch.eye(d)
    )
    left = left.double()
    law = torch.distributions.MultivariateNormal(
        torch.zeros(flow.freedom).double(), left @ covariance @ left.T
    )
    return flow, given, lambda q: law.log_prob(q.double() @ left.T)


@EVERY
@KINDS
def test_bounds_are_ordered_below_the_density(case, size, dtype):
    flow, given, log_density = linear(case, dtype, size)
    q = flow.sample(40, seed=3, **given)
    context = flow.read_context(given.get("context"), len(q))
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        one = torch.stack([flow.training_bound(q, 1, random, context)[0] for _ in range(40)])
        few = torch.stack([flow.training_bound(q, 8, random, context)[0] for _ in range(12)])
        bound, elbo = flow.training_bound(q, 8, random, context)
    assert (bound >= elbo - 1e-4).all(), "of the same draws, whatever they are"
    many = flow.estimate_log_prob(q, 1000, seed=0, even=False, **given)
    truth = float(log_density(q).detach().mean())
    error = [4 * float(x.double().mean(1).std()) / len(x) ** 0.5 for x in (one, few)]
    assert one.mean() < few.mean() - 0.02 + sum(error), "a bound that does not rise has a perfect encoder"
    assert few.mean() < many.value.mean() + error[1] + 0.02
    assert (
        float(many.value.mean())
        < truth + 4 * float(many.standard_error.square().mean().sqrt()) / 40**0.5 + 1e-3
    )
    assert float(few.mean()) < truth + error[1]
    if flow.freedom <= 2:
        assert float(many.value.mean()) == pytest.approx(truth, abs=0.05)


@pytest.mark.parametrize("case", [c for c, case in BATTERY.items() if case["dim"] <= 2])
@KINDS
def test_bounds_meet_the_quadrature_over_momenta(case, size):
    flow, given = flow_of(case, torch.float64, size)
    q = flow.sample(12, seed=3, **given)
    truth = quadrature_log_prob(flow.given(CONTEXT) if size else flow, q)
    many = flow.estimate_log_prob(q, 2000, seed=0, **given)
    assert ((truth - many.value).abs() < 6 * many.standard_error + 2e-3).all()
    assert ((many.effective_samples > 1) & (many.effective_samples <= 2000.1)).all()
    elbo = torch.stack([flow.elbo(q, **given).detach() for _ in range(40)])
    assert elbo.mean() < truth.mean() + 4 * float(elbo.mean(1).std()) / 40**0.5
    assert elbo.mean() < truth.mean() - 0.01, "an encoder at random has a bound below the density"


# -- saved and read ------------------------------------------------------------------------------------------


#: Each precision and each kind once.
SAVED = [(case, kind) for case in BATTERY for kind in ((torch.float32, 0), (torch.float64, 2))]


def fingerprint(flow, given):
    """Of the density and the samples, to the bit."""
    q = flow.sample(4, seed=1, **given)
    values = (flow.log_prob(q, 6, seed=2, **given), q, *flow.pull_back(q, 0.5 * q, **given))
    return hashlib.sha256(b"".join(x.detach().cpu().numpy().tobytes() for x in values)).hexdigest()


@pytest.fixture(scope="module")
def read_elsewhere(tmp_path_factory):
    """The fingerprints of all flows, saved here and read in one other process."""
    folder = tmp_path_factory.mktemp("flows")
    for k, (case, (dtype, size)) in enumerate(SAVED):
        make(case, dtype, context=size).save(folder / str(k))
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import torch; torch.set_num_threads(1)
import learn
from test_flow_battery import CONTEXT, fingerprint
for k in range({len(SAVED)}):
    flow = learn.load({str(folder)!r} + f"/{{k}}")
    print(fingerprint(flow, {{}} if flow.context is None else {{"context": CONTEXT}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(SAVED, done.stdout.split(), strict=True))


@pytest.mark.parametrize("which", SAVED, ids=lambda which: f"{which[0]}-{which[1][1]}")
def test_a_flow_read_in_another_process_is_the_same(which, read_elsewhere):
    case, (dtype, size) = which
    flow, given = flow_of(case, dtype, size)
    assert fingerprint(flow, given) == read_elsewhere[which]
    assert fingerprint(make(case, dtype, context=size, seed=1), given) != fingerprint(flow, given)


# -- symmetry ------------------------------------------------------------------------------------------------


def changes(flow, parameters, given):
    """By how much log p(q, p) changes, at the most, as each generator moves the states by one of its parameters."""
    q, p = states(flow, 16)
    before = flow.log_joint(q, p, **given)
    found = []
    for g, t in zip(flow.generators, parameters, strict=True):
        matrix, offset = (torch.tensor(a, dtype=q.dtype) for a in g.flow("e").arrays({"e": t}))
        turn, shift = matrix[: flow.dim, : flow.dim], offset[: flow.dim]
        after = flow.log_joint(q @ turn.T + shift, p @ turn.T, **given)
        found.append(float((after - before).detach().abs().max() / (1 + before.detach().abs().max())))
    return found


@pytest.mark.parametrize("case", [c for c, case in BATTERY.items() if "generators" in case])
@KINDS
def test_symmetry_holds_where_it_is_claimed_and_only_there(case, size, dtype):
    flow, given = flow_of(case, dtype, size)
    anywhere = [1.234] * len(flow.generators)
    limit = 1e-12 if dtype == torch.float64 else 2e-5
    if flow.symmetry == "exact":
        assert max(changes(flow, anywhere, given)) < limit
        return
    assert max(changes(flow, anywhere, given)) > 1e-3, "weights at random are not symmetric by themselves"
    if (
        flow.symmetry == "average" and case != "average, so(3)"
    ):  # turns that commute: exact under a finite subgroup
        assert max(changes(flow, [2 * math.pi / flow.elements] * len(anywhere), given)) < 10 * limit
