"""What the experiment on films prints, draws and writes, and what its numbers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from hamsym.files import whole
from learn.evaluation.report import markdown_table
from learn.experiments import tables

Row = Mapping[str, Any]

#: The published thresholds.
R2, DEVIATION = 0.9, 0.05
PIXELS = ("reconstruction", "extrapolation", "backward", "half", "double")
_COLUMNS = ("system", "model", "seen", "later", "backward", "half speed", "double speed")


def number(value: float | None) -> str:
    """Return an error as a table shows it; what left the numbers has none.

    Example:
        >>> number(0.0123), number(None), number(3e5)
        ('1.23e-02', 'astray', '3.00e+05')
    """
    return "astray" if value is None else f"{value:.2e}"


def pixel_rows(rows: Sequence[Row], controls: Mapping[str, Any]) -> list[list[str]]:
    """Return the cells of the table of pixel errors, what is trivial below what was learned."""
    found = []
    for place in dict.fromkeys((r["scene"], r["seed"]) for r in rows):
        here = [r for r in rows if (r["scene"], r["seed"]) == place]
        found += [[_title(r), r["title"], *(number(r.get(name)) for name in PIXELS)] for r in here]
        still = controls[f"{place[0]}-{place[1]}"]
        for name, title in (("frozen", "last frame seen"), ("mean", "mean picture")):
            cells = [number(still[name][k]) for k in PIXELS[:2]]
            found.append([_title(here[0]), title, *cells, "–", "–", "–"])
    return found


def console_table(rows: Sequence[Row], controls: Mapping[str, Any]) -> Table:
    """Return the table of pixel errors for a terminal."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    for k, name in enumerate(_COLUMNS):
        table.add_column(name, justify="right" if k > 1 else "left")
    for cells in pixel_rows(rows, controls):
        table.add_row(*cells)
    return table


def form_rows(rows: Sequence[Row], part: str) -> list[list[str]]:
    """Return the cells of the table on the two-form, of ``"learned"`` times or of the ``"whole"`` rollout."""
    found = []
    for r in rows:
        form = r.get(f"form_{part}")
        if form is None:
            found.append([_title(r), r["title"], *["astray"] * 8])
            continue
        found.append([
            _title(r), r["title"], f"{form['r2']:.3f}", f"{form['r2_embedding']:.3f}", f"{form['deviation']:.3f}",
            f"{form['noise_floor']:.3f}", f"{form['along']:.3f}", f"{form['published']:.3f}", f"{form['scale']:.2g}",
            "yes" if form["is_hamiltonian"] else "by the published score" if form["is_hamiltonian_as_published"] else "no",
        ])  # fmt: skip
    return found


FORM = (
    "system",
    "model",
    "R²",
    "R² back",
    "deviation",
    "its noise",
    "along",
    "published",
    "c",
    "Hamiltonian",
)


def goals(rows: Sequence[Row], controls: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """Return what was to be shown: whether it was, and the numbers."""
    found = []
    for r in rows:
        if r["model"] != "hgn":
            continue
        where = f"{_title(r)}: "
        form = r.get("form_whole")
        if form is None:
            found.append((False, f"{where}HGN's rollouts stay finite"))
            continue
        found.append((form["r2"] > R2, f"{where}R² > {R2} over the rollout: {form['r2']:.3f}"))
        found.append((
            form["deviation"] < DEVIATION,
            f"{where}symplecticity < {DEVIATION} by the relative deviation: {form['deviation']:.3f}, noise {form['noise_floor']:.3f}",
        ))  # fmt: skip
        found.append((
            form["published"] < DEVIATION, f"{where}symplecticity < {DEVIATION} by the published score: {form['published']:.3f}"
        ))  # fmt: skip
        still = controls[f"{r['scene']}-{r['seed']}"]
        best = min(still[name]["extrapolation"] for name in ("mean", "frozen"))
        found.append((
            r["extrapolation"] < best,
            f"{where}pictures beyond the trained time are better than the best that stands still: {number(r['extrapolation'])} against {number(best)}",
        ))  # fmt: skip
        other = next(
            (o for o in rows if o["model"] == "free" and (o["scene"], o["seed"]) == (r["scene"], r["seed"])),
            None,
        )
        if other is not None:
            theirs = other.get("extrapolation")
            found.append((
                theirs is None or r["extrapolation"] < theirs,
                f"{where}and than those of the free field: {number(r['extrapolation'])} against {number(theirs)}",
            ))  # fmt: skip
            claimed = other.get("form_whole")
            found.append((
                claimed is None or not (claimed["is_hamiltonian"] or claimed["is_hamiltonian_as_published"]),
                f"{where}the free field is not Hamiltonian: "
                + ("astray" if claimed is None else f"R² {claimed['r2']:.3f}, deviation {claimed['deviation']:.3f}, published {claimed['published']:.3f}"),
            ))  # fmt: skip
    return found


def report(metrics: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    rows, setting, controls = metrics["rows"], metrics["setting"], metrics["controls"]
    horizon = setting["horizon"]
    rates = ", ".join(f"{setting['lr'][s]:g} ({s})" for s in metrics["scenes"])
    learned = ", ".join(f"{setting['learned'][s]} ({s})" for s in metrics["scenes"])
    energies = [
        [
            _title(r),
            f"{r['correlation']:+.4f}",
            f"{r['drift']:.1e}",
            f"{r['training']['kl']:.1f}",
            f"{r['training']['lambda']:.3g}",
        ]
        for r in rows
        if "drift" in r
    ]
    one = f"{setting['seeds']} seed{'s' if setting['seeds'] > 1 else ''}"
    lines = [
        "# Hamiltonian generative networks", "",
        f"After Toth, Rezende, Jaegle, Racanière, Botev, Higgins, arXiv 1909.13789. {tables.made_by(metrics)} {one.capitalize()}.", "",
        "![Pixel errors over time, learned and true energy, and pictures](hgn.png)", "",
        *(f"![{metrics['titles'][s]}: the truth, HGN and the free field, forward, backward, at half and at double speed](hgn-{s}.gif)"
          for s in metrics["scenes"]), "",
        "## What was to be shown", "",
        *(f"- {'met' if yes else '**missed**'}: {text}." for yes, text in goals(rows, controls)), "",
        "## Pictures", "",
        f"Mean square error of pixels, full brightness is 1, on {setting['tests']} films that were not trained on. From five frames the state at the first of "
        f"them is inferred and rolled out {horizon} steps; pieces in training had {learned} frames.", "",
        markdown_table(_COLUMNS, pixel_rows(rows, controls)), "",
        f"- **seen**: as many frames as a piece has in training; **later**: from there to frame {horizon}.",
        f"- **backward**: from frames {horizon} to {horizon + 4}, by negative steps to frame 0.",
        f"- **half speed**, **double speed**: steps of half and twice the length, against frames that were simulated at those times, {horizon} and {horizon // 2} of them.",
        "- **free field**: the same encoder, decoder, loss and training, but (q, p) move by any vector field, a network of the same width, stepped by rk4.", "",
        "## Whether the motion is Hamiltonian", "",
        f"Latent states of the rollout over {horizon} steps against the true ones, by `learn.symplecticity`:", "",
        markdown_table(FORM, form_rows(rows, "whole")), "",
        "and over as many frames as a piece has in training:", "",
        markdown_table(FORM, form_rows(rows, "learned")), "",
        "and of states that are inferred afresh from five frames at each time, so that no forecast counts:", "",
        markdown_table(FORM, form_rows(rows, "encoded")), "",
        "- **R²**: of true states predicted from latent ones by a polynomial of up to fifth degree on trajectories that it was not fitted to; **R² back**: of "
        "latent from true ones.",
        "- **deviation**: root mean square of JᵀΩJ − cΩ relative to cΩ, J the derivative of the map from true to latent states; **its noise**: how far noise of the "
        "fit alone moves it; **along**: the part that changes along trajectories, which no Hamiltonian motion that follows the true one has.",
        "- **published**: the score as the public code of arXiv 2111.05986 has it, from the opposite map, mean square of the entries of (AAᵀ/a − 1); in a plane about "
        "twice the square of the deviation. Theirs fits with Lasso and takes R² on the rows that were fitted to; ours holds trajectories out.",
        "- A small deviation is enough to be Hamiltonian, not necessary: in one degree of freedom every motion whose factor c depends on the energy alone is "
        "Hamiltonian too, and films do not tell which of them is wanted.", "",
        "## The energy that was learned", "",
        markdown_table(["system", "correlation with H", "drift", "KL in nats", "λ"], energies), "",
        "- **correlation**: of learned with true energy, over the test films; its sign is not told by films.",
        "- **drift**: root mean square of H − H₀ along the rollout, in units of the spread of H₀ over films.", "",
        "## Setting", "",
        *(f"- **{metrics['titles'][s]}**: {words}." for s, words in metrics["scenes"].items()),
        f"- {setting['films']} films of {setting['frames']} frames 0.125 apart, 32 × 32 pixels of one channel, cut at random places into pieces; "
        f"bodies differ in brightness; these settings were chosen on seeds 0, 7, 100, 200 and 201. Adam as in `learn.fit`, steps of {setting['batch']} pieces, as many as the table says, rate {rates}; width {setting['width']}; "
        f"options of the objective: {_options(setting['objective'], metrics['scenes'])}.",
        "- The published setting: 50 000 films in colour, convolutional networks, maps of 4 × 4 × 16 for q and for p, batches of 16, rate 1.5e-4, up to 500 000 steps; "
        "its table of pixel errors was not at hand. Here q has as many numbers as the system has degrees of freedom, networks are small, and a training takes minutes on a CPU. "
        "On a GPU: `learn.HGN(width=1024, dim=16)` and `learn.fit(…, steps=500_000, batch=128, lr=1.5e-4)` on films of `hs.generate_dataset`; this was not run.", "",
        markdown_table(
            ["system", "model", "parameters", "steps", "CPU seconds of training", "pixel error in training"],
            [[_title(r), r["title"], str(r["parameters"]), str(setting["steps"][r["scene"]]), f"{r['cpu_seconds']:.0f}", number(r["training"]["mse"])] for r in rows],
        ), "",
    ]  # fmt: skip
    return "\n".join(lines)


def figure(
    rows: Sequence[Row],
    controls: Mapping[str, Any],
    strips: Mapping[str, Any],
    learned: Mapping[str, int],
    path: Path,
) -> None:
    """Draw pixel errors over time, learned against true energy, and pictures of one film, a column for each system."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    first = {(r["scene"], r["model"]): r for r in reversed(rows)}
    drawn, panels = pyplot.subplots(
        3, len(strips), figsize=(3.4 * len(strips), 8), layout="constrained", squeeze=False
    )
    for column, (scene, pictures) in zip(panels.T, strips.items(), strict=True):
        errors, energy, film = column
        here = [r for (s, _), r in first.items() if s == scene]
        for k, r in enumerate(sorted(here, key=lambda r: r["model"] != "hgn")):
            if r["forward"] is not None:
                errors.plot(r["forward_at"], color=f"C{k}", label=r["title"], linewidth=1.3)
            if "energies" in r:
                energy.plot(*zip(*r["energies"], strict=True), ".", markersize=3, color=f"C{k}")
        still = controls[f"{scene}-{here[0]['seed']}"]
        for name, style in (("mean", ":"), ("frozen", "--")):
            errors.plot(still[name]["at"], style, color="grey", label=f"{name} picture", linewidth=1)
        errors.axvline(learned[scene] - 1, color="black", linewidth=0.6)
        errors.set(yscale="log", xlabel="frame", title=here[0]["key"].rsplit("-", 2)[0])
        energy.set(xlabel="true H", ylabel="learned H")
        film.imshow(_strip(pictures), cmap="gray", vmin=0, vmax=255)
        film.set(xticks=[], yticks=[], xlabel=f"frames 0 to {len(pictures['truth']['forward']) - 1}")
        if scene == next(iter(strips)):
            errors.set_ylabel("mean square error of pixels")
            film.set_ylabel(", ".join(reversed(list(pictures))), fontsize=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4)
    with whole(path) as partly:
        drawn.savefig(partly, dpi=110)
    pyplot.close(drawn)


def _strip(pictures: Mapping[str, Any], count: int = 6) -> np.ndarray:
    """Pictures of the way forward at evenly spaced times, a row for each model."""
    found = []
    for films in pictures.values():
        film = films.get("forward")
        blank = np.zeros_like(pictures["truth"]["forward"]) if film is None else film
        found.append(np.hstack([blank[k] for k in np.linspace(0, len(blank) - 1, count).astype(int)]))
    return np.vstack(found)


def _title(row: Row) -> str:
    return str(row["scene"])


def _options(objective: Mapping[str, Mapping[str, Any]], scenes: Mapping[str, str]) -> str:
    """The options of every scene, alike ones together."""
    texts: dict[str, list[str]] = {}
    for scene in scenes:
        given = objective.get(scene, {})
        text = ", ".join(f"{name} {value:g}" for name, value in given.items()) or "the defaults"
        texts.setdefault(text, []).append(scene)
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in texts.items())
