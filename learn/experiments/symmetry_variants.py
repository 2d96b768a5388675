"""The ways to impose a symmetry that are compared: every mode, and the variants of the constraint."""

from __future__ import annotations

from learn.experiments.runs import Method
from learn.training.evidence import SLOPES

#: One that has the symmetry, one that has not.
TARGETS = ("two_rings", "gaussians4")
KAPPA = 3e-3
NARROW = 1e-4  # κ of flows that see |q|, |p|, for which an invariant H is in easy reach
METHODS = (
    Method("none", None, words="no symmetry"),
    Method("penalty", "penalty", {"tolerance": KAPPA}, words="the paper's constraint, on base states"),
    Method(
        "penalty-data",
        "penalty",
        {"tolerance": KAPPA, "sampling": "data"},
        words="the constraint on the data with momenta of the encoder",
    ),
    Method(
        "penalty-path",
        "penalty",
        {"tolerance": KAPPA, "sampling": "trajectory"},
        words="the constraint on the states that each Hamiltonian meets on the way from data to base",
    ),
    Method(
        "penalty-through",
        "penalty",
        {"tolerance": KAPPA, "sampling": "trajectory", "detach": False},
        words="the same with a gradient through these states",
    ),
    Method(
        "penalty-orbit",
        "penalty",
        {"tolerance": KAPPA, "sampling": "orbit"},
        words="the constraint on these states, turned at random",
    ),
    Method(
        "penalty-share",
        "penalty",
        {"tolerance": 1e-3, "sampling": "orbit", "normalised": True},
        words="the same with E{g,H}² divided by E(|∂g||∂H|)², κ a share",
    ),
    Method("features-free", "features", words="|q|, |p| as further inputs of the potentials, no constraint"),
    Method(
        "features", "features", {"tolerance": NARROW}, words="the same with the constraint on base states"
    ),
    Method(
        "features-orbit",
        "features",
        {"tolerance": NARROW, "sampling": "orbit"},
        words="the same with the constraint on turned states of the path",
    ),
    Method(
        "features-narrow",
        "features",
        {"tolerance": NARROW / 3, "sampling": "orbit"},
        words="the same with a third of the tolerance",
    ),
    Method(
        "features-slopes",
        "features",
        SLOPES,
        words="|q|, |p| as further inputs, and the constraint that slopes turn with these states",
    ),
    Method("exact", "exact", words="functions of |q|² and |p|² alone, and an encoder that turns with q"),
    Method("average", "average", words="potentials averaged over 16 turns"),
    Method("augment", "augment", words="a free flow on points turned at random"),
)
