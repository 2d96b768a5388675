"""Tables and figures of a finished run: Markdown, JSON and the four panels of the flows' paper."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hamsym.files import whole

if TYPE_CHECKING:
    from hamsym.data.targets import Target
    from learn.flow.density import HamiltonianFlow


@dataclass(frozen=True)
class Panel:
    """One row of the figure: a target and the flow that learned it."""

    title: str
    target: Target
    flow: HamiltonianFlow


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; numbers are written with four significant digits, None as a dash.

    Example:
        >>> print(markdown_table(["run", "gap"], [["A", 0.123456], ["B", None]]))
        | run | gap |
        |---|---|
        | A | 0.1235 |
        | B | – |
    """

    lines = [columns, ["---"] * len(columns), *([format_number(v) for v in row] for row in rows)]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text[1] = "|" + "---|" * len(columns)
    return "\n".join(text)


def symmetry_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """Return what ``evaluate`` found out about symmetries as rows of a table: what is proved, then what is measured.

    Example:
        >>> symmetry_rows({"symmetry": {}, "proofs": [{"question": "{g, U} = 0", "status": "proved", "checked": True}]})
        [['{g, U} = 0', 'proved, checked again']]
    """
    rows = [
        [record["question"], f"{record['status']}, {'' if record['checked'] else 'NOT '}checked again"]
        for record in metrics.get("proofs", [])
    ]
    for g, found in metrics["symmetry"].items():
        for place, value in found["bracket_relative"].items():
            rows.append([f"{{g, H}} relative to its gradients, {place} states, g = {g}", f"{value:.2e}"])
        for test in found["angles"] or []:
            rows.append(
                [
                    f"angles of samples uniform, p-value, speed {test['speed']:.3g} of g = {g}",
                    f"{test['p_value']:.2g}",
                ]
            )
        if (invariance := found["density_invariance"]) is not None:
            rows.append([f"variation of log p along orbits of g = {g}, nats", f"{invariance['value']:.2e}"])
            rows.append(["its noise floor, nats", f"{invariance['noise_floor']:.2e}"])
    return rows


def format_number(value: Any) -> str:
    """Return a table cell: four significant digits, a dash for nothing or for what is not finite.

    Example:
        >>> format_number(0.123456), format_number(None), format_number("A")
        ('0.1235', '–', 'A')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text file so that a reader never sees half of it."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def write_json(path: str | os.PathLike[str], values: Mapping[str, Any]) -> Path:
    """Write a JSON file atomically; numbers that are not finite become null, as JSON has no word for them."""
    return write_text(path, json.dumps(_finite(values), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_finite(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def density_figure(
    panels: Sequence[Panel],
    path: str | os.PathLike[str],
    *,
    extent: float = 7.0,
    pixels: int = 96,
    samples: int = 128,
    seed: int = 0,
) -> Path:
    """Draw target density, learned density, kinetic and potential energy, one row a flow.

    The learned density is exp of the importance-weighted bound with ``samples`` draws a pixel.  A chain has
    several Hamiltonians; the energies shown are their means weighted by their time steps, the first-order
    effective Hamiltonian of the whole flow.

    Arguments:
        panels: rows of the figure, two-dimensional.
        path: image file; the ending chooses the format.
        extent: half-width of the square of coordinates shown.
        pixels: pixels a side.
        samples: draws a pixel for the learned density.
        seed: of these draws.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = 2.5
    figure, axes = pyplot.subplots(
        len(panels),
        4,
        figsize=(4 * size + 0.8, len(panels) * size + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for column, title in enumerate(
        ["target density", "learned density", "kinetic energy $K(p)$", "potential energy $U(q)$"]
    ):
        axes[0, column].set_title(title, fontsize=10)
    for row, panel in zip(axes, panels, strict=True):
        parameter = next(panel.flow.parameters())
        grid = _grid(extent, pixels)
        target = np.exp(panel.target.log_prob(grid))
        q = torch.as_tensor(grid, dtype=parameter.dtype, device=parameter.device)
        with torch.no_grad():
            learned = panel.flow.log_prob(q, samples=samples, seed=seed).exp().cpu().numpy()
            p_extent = 3 * float(panel.flow.encoder(q[target > target.max() / 20]).sample().std())
            p = torch.as_tensor(_grid(p_extent, pixels), dtype=parameter.dtype, device=parameter.device)
            kinetic = _mean_energy(panel.flow, [h.kinetic(p) for h in panel.flow.chain])
            potential = _mean_energy(panel.flow, [h.potential(q) for h in panel.flow.chain])
        images = [(target, extent, "magma"), (learned, extent, "magma"),
                  (kinetic, p_extent, "viridis"), (potential, extent, "viridis")]  # fmt: skip
        for ax, (values, half, colours) in zip(row, images, strict=True):
            limits = {"vmin": 0, "vmax": target.max()} if colours == "magma" else {}
            ax.imshow(
                values.reshape(pixels, pixels),
                origin="lower",
                extent=(-half, half, -half, half),
                cmap=colours,
                **limits,
            )
            ax.tick_params(labelsize=6)
            letter = "p" if values is kinetic else "q"
            ax.set_xlabel(f"${letter}_1$", fontsize=7, labelpad=1)
            ax.set_ylabel(f"${letter}_2$", fontsize=7, labelpad=1)
        row[0].annotate(
            panel.title, (-0.28, 0.5), xycoords="axes fraction", rotation=90, fontsize=9, ha="center", va="center",
        )  # fmt: skip
    with whole(path) as partial:
        figure.savefig(partial, dpi=140)
    pyplot.close(figure)
    return Path(path)


def _grid(extent: float, pixels: int) -> np.ndarray:
    axis = np.linspace(-extent, extent, pixels)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def _mean_energy(flow: HamiltonianFlow, energies: Sequence[torch.Tensor]) -> np.ndarray:
    """Mean over the chain, weighted by the time steps, with its minimum at zero."""
    weights = torch.stack([h.dt for h in flow.chain])
    mean = (weights / weights.sum()) @ torch.stack(list(energies))
    return (mean - mean.min()).cpu().numpy()
