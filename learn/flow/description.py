"""What a flow says of itself: one line for a prompt, a table for a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from learn.flow.density import HamiltonianFlow

#: What each mode of symmetry promises.
PROMISES = {
    None: "no symmetry is imposed",
    "penalty": "{g, H} is held small in training; nothing is guaranteed",
    "features": "invariants are further inputs; nothing is guaranteed",
    "exact": "{g, H} = 0 for all values of the weights; prove_symmetry() proves it",
    "average": "exact under finitely many commuting turns, measured under the others; prove_symmetry() measures it",
    "augment": "fit turns its points at random; nothing is guaranteed",
}


def line(flow: HamiltonianFlow) -> str:
    """Return sizes, mode, generators, base, state and precision in one line.

    Example:
        >>> from learn import HamiltonianFlow
        >>> line(HamiltonianFlow(2, hamiltonians=1, width=4))[:60]
        'dim=2, hamiltonians=1, steps=1, width=4, symmetry=None, gene'
    """
    a, b = _base(flow)
    parts = [
        "" if flow.context is None else f"context={flow.context.size}",
        "" if flow.kinetic == "learned" else f"kinetic={flow.kinetic!r}",
        "" if flow.particles is None else f"particles={flow.particles.number, flow.particles.dimensions}",
        f"dim={flow.dim}, hamiltonians={flow.hamiltonians}, steps={flow.steps}, width={flow.width}",
        f"symmetry={flow.symmetry!r}, generators={[g.text for g in flow.generators]}",
        f"base=N(0, {a}²)×N(0, {b}²), parameters={_weights(flow)}, dtype={flow.unit.dtype}",
        f"unit={float(flow.unit):.3g}" if flow.unit_is_set else "untrained",
    ]
    return ", ".join(part for part in parts if part)


def table(flow: HamiltonianFlow) -> str:
    """Return the same for a notebook, in HTML, with what the mode promises.

    Example:
        >>> from learn import HamiltonianFlow
        >>> "8 Hamiltonians" in table(HamiltonianFlow(2, width=4))
        True
    """
    a, b = _base(flow)
    place = f"{str(flow.unit.dtype).removeprefix('torch.')} on {flow.unit.device}"
    broken = [name for name, w in flow.named_parameters() if not bool(torch.isfinite(w).all())]
    state = "untrained: its unit of length is not set yet"
    if flow.unit_is_set:
        state = f"its unit of length is {float(flow.unit):.3g}, set from data or by set_unit"
    if broken:
        state = f"broken: the weights {broken[0]} are not finite"
    steps = "one leapfrog step" if flow.steps == 1 else f"{flow.steps} leapfrog steps"
    several = "s" if flow.hamiltonians > 1 else ""
    rows = {
        "symmetry": f"{flow.symmetry!r}: {PROMISES[flow.symmetry]}",
        "generators": ", ".join(g.text for g in flow.generators) or "none",
        "chain": f"{flow.hamiltonians} Hamiltonian{several} of width {flow.width}, {steps} each",
        "kinetic energy": "learned" if flow.kinetic == "learned" else "fixed, |p|²/2 in the unit of the flow",
        "encoder": type(flow.encoder).__name__,
        "base": f"q₀ ~ N(0, {a}²), p₀ ~ N(0, {b}²)",
        "weights": f"{_weights(flow)} in {place}",
        "state": state,
    }
    if flow.particles is not None:
        rows["particles"] = f"{flow.particles.number} in {flow.particles.dimensions} dimensions"
    given = "" if flow.context is None else f", given {flow.context.size} number(s) of context"
    body = "".join(
        f"<tr><th>{html.escape(label)}</th><td style='text-align:left'>{html.escape(text)}</td></tr>"
        for label, text in rows.items()
    )
    plural = "s" if flow.dim > 1 else ""
    head = f"<b>HamiltonianFlow</b>: a density on {flow.dim} coordinate{plural}{given}"
    return f"<div>{head}<table>{body}</table></div>"


def _base(flow: HamiltonianFlow) -> list[str]:
    return [f"{float(scale.detach()):.3g}" for scale in flow.base_scales]


def _weights(flow: HamiltonianFlow) -> int:
    return sum(w.numel() for w in flow.parameters())
