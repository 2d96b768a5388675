"""Tables, figure and judgement of the experiment on disentangled representations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from hamsym.files import whole
from learn.disentanglement.report import TESTS
from learn.evaluation.report import markdown_table
from learn.experiments import tables

#: What an exact flow must not exceed in float64.
TOLERANCE = 1e-10
COLUMNS = ("problem", "representation", "coordinates", *TESTS.values(), "passes")


def worst(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one record for each problem, model and frame: the largest value and floor of each test over the seeds.

    Example:
        >>> score = {"value": 0.5, "noise_floor": 0.1}
        >>> test = {"frame": "a", "passes": False, "failing": ["law"], **dict.fromkeys(TESTS, score)}
        >>> row = {"problem": "x", "model": "VAE", "tests": [test]}
        >>> worst([row, row])[0]["law"]
        (0.5, 0.1)
    """
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        for test in row["tests"]:
            found.setdefault((row["problem"], row["model"], test["frame"]), []).append(test)
    return [
        {
            "problem": problem, "model": model, "frame": frame, "passes": all(t["passes"] for t in tests),
            "failing": sorted({name for t in tests for name in t["failing"]}),
            **{name: tuple(max(_number(t[name][part]) for t in tests) for part in ("value", "noise_floor")) for name in TESTS},
        }
        for (problem, model, frame), tests in found.items()
    ]  # fmt: skip


def _number(value: float | None) -> float:
    return math.inf if value is None else value  # JSON has no word for what is not finite


def lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the cells of the table."""
    return [
        [
            r["problem"], r["model"], r["frame"], *(f"{r[name][0]:.1e} ({r[name][1]:.0e})" for name in TESTS),
            "yes" if r["passes"] else "no",
        ]
        for r in worst(rows)
    ]  # fmt: skip


def reading(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the numbers say, in sentences."""
    said = []
    for r in worst(rows):
        name = f"{r['problem']}, {r['model']}, {r['frame']}"
        if r["passes"]:
            said.append(f"{name}: linearly disentangled, every test below {TOLERANCE:g}.")
            continue
        if r["model"] == "exact flow":
            kept = [t for t in TESTS if r[t][0] <= TOLERANCE]
            kept_words = ", ".join(TESTS[t].split()[0] for t in kept) or "none"
            failed = ", ".join(f"{TESTS[t]} {r[t][0]:.2g}" for t in TESTS if t not in kept)
            said.append(
                f"{name}: not disentangled; below {TOLERANCE:g} are {kept_words}; above are {failed}."
            )
        else:
            failed = ", ".join(f"{TESTS[t]} {r[t][0]:.2g}" for t in TESTS if t in r["failing"])
            said.append(f"{name}: fails at 0.01: {failed or 'nothing'}.")
    return said


def console_table(metrics: Mapping[str, Any]) -> Table:
    """Return the table for the terminal."""
    table = Table(title="Disentangled representations")
    for name in COLUMNS:
        table.add_column(name)
    for line in lines(metrics["rows"]):
        table.add_row(*line)
    return table


def report(metrics: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    rows, setting = metrics["rows"], metrics["setting"]
    groups = [
        f"- **{name}**: " + " × ".join(f"⟨{factor}⟩" for factor in found["factors"]) + "; "
        + f"{len(found['brackets'])} brackets between factors, "
        + ("all proved to vanish, checked again by independent code."
           if all(b["status"] == "proved" and b["checked"] for b in found["brackets"]) else "NOT all proved.")
        for name, found in metrics["groups"].items()
    ]  # fmt: skip
    moved = [
        [row["problem"], row["model"], test["frame"], str(row["seed"]), factor, f"{test['moved'][factor]:.2f}",
         f"{test['r_squared'][factor]:.4f}", f"{test['off_block_energy'][factor]:.1e}"]
        for row in rows for test in row["tests"] for factor in test["moved"]
    ]  # fmt: skip
    pixels = [row["pixels"]["following"] for row in rows if "pixels" in row]
    return "\n".join([
        "# Disentangled representations", "",
        f"After Higgins et al., arXiv 1812.02230. {tables.made_by(metrics)} The worst of {setting['seeds']} seed(s); noise floors in "
        "parentheses.", "",
        "![The four tests](disentangling.png)", "",
        "## Groups, from the formulas", "",
        *groups, *tables.proofs(metrics["proofs"]), "",
        "## The four tests", "",
        markdown_table(COLUMNS, lines(rows)), "",
        f"*passes*: every value at most {TOLERANCE:g}, for every seed.", "",
        "## What they say", "",
        *(f"- {line}" for line in reading(rows)), "",
        "Equivariance at zero bracket holds by construction, whatever the coordinates; that the product splits the representation is a further "
        "fact about coordinates. The same exact flow of two bodies is entangled body by body and disentangled in centre and difference.", "",
        "## Factor by factor", "",
        markdown_table(
            ["problem", "representation", "coordinates", "seed", "factor", "moves its block by", "R² of ρ", "off-block energy"], moved
        ), "",
        "## How to read the tables", "",
        "- **Flows**: the representation of a state (q, p) is its base state (q₀, p₀) = T⁻¹(q, p); momenta of the tested states come from the "
        "encoder. The action on base states under test is that on the data. Everything is tested in float64.",
        "- **VAE**: the representation of q is the mean of z, four coordinates. No action on z is known, so for every group element the best affine "
        "or linear map is fitted on half of the points and tested on the other; of all ways to give each factor two coordinates that with the "
        "smallest T2 is shown.",
        "- **HGN**: a state of two bodies, each on a spring of its own to the middle, begins a film, and the representation is the latent state (q, p), eight numbers, "
        "that the encoder reads off its first five frames, at the mean of the posterior. The latent energy and what it is a function of are learned, so no action is known and "
        "affine maps are fitted as for the VAE; a factor may take two latent coordinates with their momenta. "
        "Its noise floor is nought where pictures of equal states have equal bytes."
        + (" Root mean square error of pixels in films that it has not seen: " + ", ".join(f"{p:.3f}" for p in pixels) + ", full brightness being 1." if pixels else ""),
        "- **T1**: mean |f(g·x) − g·f(x)| over mean |f(x) − f(x′)|. **T2**: change of the other coordinates over that of the factor's own, and "
        "how much the action on a block depends on the other coordinates. **T3**: the law of the group on Z, and that factors commute. **T4**: √(1 − R²) of "
        "fitted linear maps on held-out points, and the root of their off-block energy. The worst part counts.",
        "- **Noise floor**: the same with g⁻¹g in place of g; for T3 the law on the data.",
        "- **found from f**: coordinates found from the representation alone, in which fitted linear maps split, up to the errors of their fit; there "
        "is no such row where they do not, for some seed or all.",
        "- **Ring**: both problems are made of the target `ring`; two of them, or one as difference of two bodies whose centre is Gaussian. The exact "
        "flow of the second has a density of the difference alone. Translations that are drawn move bodies by 0.5 at most, rotations go all around.", "",
        f"CPU time of all trainings together: {sum(r['cpu_seconds'] for r in rows):.0f} s.", "",
    ])  # fmt: skip


def figure(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw values and noise floors of the four tests, one panel for each problem."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    records = worst(rows)
    problems = list(dict.fromkeys(r["problem"] for r in records))
    drawn, panels = pyplot.subplots(
        1, len(problems), figsize=(11, 4.2), layout="constrained", sharey=True, squeeze=False
    )
    for panel, problem in zip(panels[0], problems, strict=True):
        shown = [r for r in records if r["problem"] == problem]
        for k, r in enumerate(shown):
            places = [i + 0.12 * (k - (len(shown) - 1) / 2) for i in range(len(TESTS))]
            values, floors = ([max(r[name][part], 1e-18) for name in TESTS] for part in (0, 1))
            panel.plot(places, values, "o", color=f"C{k}", label=f"{r['model']}, {r['frame']}", markersize=5)
            panel.plot(places, floors, "_", color=f"C{k}", markersize=9)
        panel.axhline(TOLERANCE, color="0.6", linewidth=0.8, linestyle="--")
        panel.set(yscale="log", title=problem)
        panel.set_xticks(range(len(TESTS)), [title.replace(" ", "\n", 1) for title in TESTS.values()])
        panel.grid(axis="y", alpha=0.2)
        panel.legend(fontsize=7)
    panels[0, 0].set_ylabel("value (dot) and noise floor (dash)")
    with whole(path) as partial:
        drawn.savefig(partial, format="png", dpi=150)
    pyplot.close(drawn)
