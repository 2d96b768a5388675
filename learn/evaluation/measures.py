"""One dictionary of measured numbers for a trained flow: bounds, gap, symmetry, each beside its uncertainty."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hamsym.arguments import integer, shown
from hamsym.errors import ParameterError, ShapeError, SymmetryError
from learn.evaluation.distance import energy_distance
from learn.flow.quadrature import quadrature_log_prob
from learn.symmetry.angles import angle_calibration
from learn.symmetry.equivariance import bracket_residual, density_invariance
from learn.symmetry.generators import as_generators, measure_brackets
from learn.symmetry.proof import records

COMPARED = 2000  # points of the energy distance
#: Width of the states off the data, in units of the root mean square of a coordinate, or a momentum, of the data.
WIDER = 1.5

if TYPE_CHECKING:
    from hamsym.data.targets import Target
    from hamsym.symbolic.symmetry.generator import Generator
    from learn.flow.density import HamiltonianFlow


def evaluate(
    flow: HamiltonianFlow,
    q: np.ndarray,
    *,
    truth: Target | None = None,
    generators: Sequence[Generator | str] = (),
    samples: int = 100,
    turned: int = 48,
    invariance: str = "importance",
    seed: int = 0,
    defensive: float = 0.0,
    quadrature: int = 0,
) -> dict[str, Any]:
    """Measure a flow on held-out points.

    Arguments:
        flow: a trained flow.
        q: held-out points of shape (n, dim), independent of the training data.
        truth: the density they came from, if it is known; then the KL gap is measured too, as the mean of
            log p(q) − log p̂(q) over the points, in which the sampling noise of the entropy cancels.
        generators: symmetries of which bracket residual and density invariance are measured.
        samples: K of the importance-weighted bound.
        turned: number of points that are moved along the group for the invariance of the density.
        invariance: how that is computed, "importance" or "quadrature", as in :func:`learn.density_invariance`;
            quadrature resolves less than a hundredth of a nat, in one or two dimensions, at half a second for a point.
        seed: seed of the encoder's and the base's draws.
        defensive: share of wide draws in the bound, as in ``flow.estimate_log_prob``.
        quadrature: number of the points whose log p̂ is also computed by quadrature over p, in one or two dimensions;
            about a second for 50 points.

    Returns:
        Numbers by name, JSON-able: ``elbo``, ``log_likelihood_bound`` (with ``samples`` and standard errors; ``bound_noise``
        is the mean standard error of one point's bound, ``effective_samples`` the median over points of how many draws
        count, ``unreliable`` the share of points where fewer than five do), ``energy_distance`` of samples to the points, ``kl_gap`` and
        ``elbo_gap`` (if the truth is known), ``bound_error`` (log p̂ by quadrature minus the bound), and under ``symmetry`` for each generator the mean and root mean square
        of {g, H} on base, data, trajectory and off-data states, the invariance of log p̂ with its noise floor and the
        calibration of angles of samples (both None for generators that do not move points linearly, and the second
        for those that turn nothing).  In exact mode ``proofs`` are the verdicts of ``flow.prove_symmetry()`` with
        certificates, checked again; what is only measured never stands there.  All likelihoods are in nats; the bounds are lower
        bounds of the likelihood, so the gaps are upper bounds of the divergence.
    """
    q = np.asarray(q, dtype=float)
    if q.ndim != 2 or len(q) < 2:
        raise ShapeError(f"held-out points have shape (n, {flow.dim}) with n ≥ 2, not {q.shape}")
    samples = integer("samples", samples, minimum=1)
    if not (truth is None or (callable(getattr(truth, "log_prob", None)) and hasattr(truth, "entropy"))):
        raise ParameterError(
            f"truth is a density with log_prob and entropy, such as hamsym.targets['ring'], not {shown(truth)}"
        )
    torch.manual_seed(seed)
    started = time.perf_counter()
    points = torch.as_tensor(q, dtype=next(flow.parameters()).dtype, device=next(flow.parameters()).device)
    with torch.no_grad():
        elbo = flow.elbo(points).double().cpu().numpy()
        estimate = flow.estimate_log_prob(points, samples, defensive=defensive)
        bound = estimate.value.double().cpu().numpy()
    metrics: dict[str, Any] = {
        "points": len(q), "samples": samples, "elbo": _mean(elbo), "elbo_se": _error(elbo),
        "log_likelihood_bound": _mean(bound), "log_likelihood_bound_se": _error(bound),
        "bound_noise": float(estimate.standard_error.mean()),
        "effective_samples": float(estimate.effective_samples.median()),
        "unreliable": float((estimate.effective_samples < 5).double().mean()),
    }  # fmt: skip
    compared = min(len(q), COMPARED)
    metrics["energy_distance"] = energy_distance(
        flow.sample(compared, seed=seed), flow.centre(points[:compared])
    ).to_dict()
    if quadrature:
        some = slice(0, min(quadrature, len(q)))
        exact = quadrature_log_prob(copy.deepcopy(flow).double(), points[some]).cpu().numpy()
        metrics["bound_error"] = _mean(exact - bound[some])
    if truth is not None:
        log_p = truth.log_prob(q)
        metrics |= {
            "entropy": truth.entropy, "kl_gap": _mean(log_p - bound), "kl_gap_se": _error(log_p - bound),
            "elbo_gap": _mean(log_p - elbo),
        }  # fmt: skip
    listed = as_generators(generators, flow.dim)
    metrics["symmetry"] = {
        g.text: symmetry_measures(flow, g, points, turned=turned, invariance=invariance, seed=seed)
        for g in listed
    }
    if flow.symmetry == "exact":
        metrics["proofs"] = records(flow.prove_symmetry())
    return metrics | {"seconds": time.perf_counter() - started}


def symmetry_measures(
    flow: HamiltonianFlow,
    g: Generator,
    q: Tensor,
    *,
    turned: int = 48,
    invariance: str = "importance",
    drawn: int = 20_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the bracket residuals of a generator on four kinds of states, and what the density shows of it.

    The constraint of training looks at base states only; states on the way from the data to the base, and the data
    with momenta of the encoder, show what it did not look at.  Off the data, q and p are independent isotropic
    Gaussians :data:`WIDER` times as wide as data and momenta: there {g, U} and {g, K} cannot cancel.

    Arguments:
        flow: the flow.
        g: any generator on its coordinates.
        q: held-out points of shape (n, dim).
        turned: number of points whose orbits are followed.
        invariance: "importance" or "quadrature".
        drawn: number of samples whose angles are tested.
        seed: of these samples.

    Returns:
        ``bracket_mean_square``, ``bracket_rms`` and ``bracket_relative`` by kind of states; ``density_invariance``,
        None if g does not move points linearly; ``angles``, one test of :func:`learn.symmetry.angles.angle_calibration` for
        each plane that g turns, None if there is none.
    """
    with torch.no_grad():
        p = flow.encoder(q).sample()
        base, on_path = flow.sample_base(len(q)), flow.trajectory(q, p)
        off = [WIDER * x.square().mean().sqrt() * torch.randn_like(x) for x in (q, p)]
    records = {
        "base": bracket_residual(flow, [g], *base).records,
        "data": bracket_residual(flow, [g], q, p).records,
        "trajectory": [r for h, *state in on_path for r in measure_brackets([h], [g], *state)],
        "off_data": bracket_residual(flow, [g], *off).records,
    }
    square = {where: _mean(np.array([r.mean_square for r in found])) for where, found in records.items()}
    relative = {where: _mean(np.array([r.relative for r in found])) for where, found in records.items()}
    return {
        "bracket_mean_square": square,
        "bracket_rms": {where: math.sqrt(value) for where, value in square.items()},
        "bracket_relative": relative,
        "density_invariance": _invariance(flow, g, q[:turned], invariance),
        "angles": _angles(flow, g, drawn, seed),
    }


def _invariance(flow: HamiltonianFlow, g: Generator, q: Tensor, method: str) -> dict[str, Any] | None:
    try:
        return density_invariance(flow, [g], q, method=method).to_dict()
    except SymmetryError:  # g mixes coordinates with momenta, or bends space
        return None


def _angles(flow: HamiltonianFlow, g: Generator, drawn: int, seed: int) -> list[dict[str, float]] | None:
    try:
        return angle_calibration(g, flow.sample(drawn, seed=seed).double().cpu().numpy()) or None
    except SymmetryError:  # g turns no planes
        return None


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))
