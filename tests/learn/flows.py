"""The flows that the batteries run over: every mode, several dimensions, weights far from their first values."""

from __future__ import annotations

import torch

from hamsym import PhaseSpace, total_angular_momentum, total_momentum
from learn.flow.density import HamiltonianFlow

ROTATION = "q1*p2 - q2*p1"

CASES = {
    "free": {"dim": 2},
    "free 1d": {"dim": 1},
    "free 3d, two steps": {"dim": 3, "steps": 2},
    "penalty": {"dim": 2, "symmetry": "penalty", "generators": ROTATION},
    "features": {"dim": 2, "symmetry": "features", "generators": ROTATION},
    "exact": {"dim": 2, "symmetry": "exact", "generators": ROTATION},
    "exact, so(3)": {"dim": 3, "symmetry": "exact", "generators": [ROTATION, "q2*p3 - q3*p2"]},
    "exact, one plane of 3": {"dim": 3, "symmetry": "exact", "generators": "q1*p3 - q3*p1"},
    "exact, so(2)×so(3)": {
        "dim": 5,
        "symmetry": "exact",
        "generators": ["q1*p4 - q4*p1", "q2*p3 - q3*p2", "q3*p5 - q5*p3"],
    },
}
BODIES = PhaseSpace.standard(6)
CASES |= {
    "average": {"dim": 2, "symmetry": "average", "generators": ROTATION, "elements": 6},
    "augment": {"dim": 2, "symmetry": "augment", "generators": ROTATION},
    "exact, two planes alike": {
        "dim": 4,
        "symmetry": "exact",
        "generators": "q1*p2 - q2*p1 + q3*p4 - q4*p3",
    },
    "exact, translation": {"dim": 3, "symmetry": "exact", "generators": "p1 + p2"},
    "exact, three bodies in the plane": {
        "dim": 6,
        "symmetry": "exact",
        "generators": [*total_momentum(BODIES, 2), *total_angular_momentum(BODIES, 2)],
    },
    "exact, two bodies in space": {
        "dim": 6,
        "symmetry": "exact",
        "generators": [*total_momentum(BODIES, 3), *total_angular_momentum(BODIES, 3)],
    },
}
#: The modes in the other dimensions, each with generators that fit: SO(3), a product of two rotations, and the rotation
#: (with the translations, where the mode takes them) of three bodies in the plane.
SO3 = [ROTATION, "q2*p3 - q3*p2"]
PLANES = [ROTATION, "q3*p4 - q4*p3"]
TURN = total_angular_momentum(BODIES, 2)
MOTIONS = [*total_momentum(BODIES, 2), *TURN]
MORE = {
    "free, two planes": {"dim": 4, "generators": PLANES},
    "free, three bodies": {"dim": 6, "generators": MOTIONS},
    "penalty 1d": {"dim": 1, "symmetry": "penalty", "generators": "p1"},
    "exact, two planes": {"dim": 4, "symmetry": "exact", "generators": PLANES},
}
for _mode in ("penalty", "features", "average", "augment"):
    _bodies = MOTIONS if _mode in ("penalty", "features") else TURN
    MORE |= {
        f"{_mode}, {name}": {"dim": dim, "symmetry": _mode, "generators": generators, "elements": 3}
        for name, dim, generators in (
            ("so(3)", 3, SO3),
            ("two planes", 4, PLANES),
            ("three bodies", 6, _bodies),
        )
    }
#: The kinetic energy fixed, in every mode and for both kinds of potentials.
for _name in (
    "free",
    "free 3d, two steps",
    "penalty",
    "features",
    "exact",
    "exact, two bodies in space",
    "average",
    "augment",
    "exact, so(2)×so(3)",
):
    MORE[f"{_name}, K fixed"] = CASES[_name] | {"kinetic": "fixed"}
EXACT = [name for name, case in CASES.items() if case.get("symmetry") == "exact"]


def make(
    case: str,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
    seed: int = 0,
    context: int = 0,
):
    """A flow whose weights look trained: the small first values are scaled up, the unit is not one."""
    flow = HamiltonianFlow(hamiltonians=3, width=12, seed=seed, context=context, **(CASES | MORE)[case])
    flow = flow.to(device=device, dtype=dtype)
    flow.set_unit(1.7)
    with torch.no_grad():
        for h in flow.chain:
            for energy in learned(h):
                energy.out.mul_(8)
                if energy.features.is_identity:
                    energy.weight.mul_(2 / 3)  # kicks so large want slower waves
        flow.encoder.network[-1].weight.mul_(10)
        flow.encoder.network[-1].bias.normal_(0, 0.3, generator=_generator(device))
        flow.log_scale.copy_(torch.tensor([0.2, -0.3]))
    return flow


def learned(h):
    """The energies of a Hamiltonian that have weights."""
    return [energy for energy in (h.potential_energy, h.kinetic_energy) if hasattr(energy, "out")]


def states(flow: HamiltonianFlow, n: int = 40, seed: int = 1):
    """States of ordinary size, in the flow's dtype and on its device."""
    random = _generator(flow.unit.device).manual_seed(seed)
    q, p = torch.randn(2, n, flow.dim, dtype=flow.unit.dtype, device=flow.unit.device, generator=random)
    return 2 * q, p


def _generator(device: str | torch.device) -> torch.Generator:
    return torch.Generator(device)
