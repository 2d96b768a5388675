"""Is a learned representation disentangled?  Base states of flows, latent means of a VAE and latent states of an HGN under four tests.

Higgins et al., arXiv 1812.02230 (2018), define disentangling by a product group and leave open how to learn it.  A flow
whose Hamiltonians commute with the generators of commuting point actions (Rezende et al., arXiv 1909.13739) has base
states that are equivariant whatever its weights; whether the product splits them is a question about coordinates, which
the second problem asks: centre of mass × relative rotation, body by body and in Jacobi's coordinates.  A Hamiltonian
generative network sees films of two bodies that turn independently, and is asked about the latent states at their beginnings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hamsym as hs
from learn.disentanglement import (
    VAE,
    BaseStates,
    DisentanglementReport,
    EvidenceBound,
    ProductGroup,
    adapted_frame,
    measure,
)
from learn.experiments.disentangling_films import LatentStates, starts, train
from learn.experiments.disentangling_problems import PROBLEMS, TARGET, Problem
from learn.experiments.disentangling_report import TOLERANCE, console_table, figure, reading, report
from learn.experiments.runs import Folder, seeds
from learn.flow.density import HamiltonianFlow
from learn.training.fit import fit

OF_STATES = ((0, 1, 4, 5), (2, 3, 6, 7))
#: Singular values below this share are taken for errors of maps fitted to what is not exact.
LOOSE = 0.3
MODELS = ("exact flow", "free flow", "VAE")
#: Films of one step of an HGN.
FILM_BATCH = 32


@dataclass(frozen=True)
class Setting:
    """Sizes of a run: points and steps of trainings, states that are tested, group elements of each factor, films of an HGN."""

    points: int
    seeds: int
    steps: int
    batch: int
    hamiltonians: int
    width: int
    tested: int
    elements: int
    films: int
    film_steps: int


QUICK = Setting(2_000, 1, 200, 128, 4, 32, 200, 4, 500, 600)
FULL = Setting(20_000, 2, 1_500, 256, 4, 32, 600, 12, 2_000, 3_000)


def run(
    out: Path, *, quick: bool = False, seed: int = 0, resume: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Do the whole experiment and write figure, metrics, report and the trained models into a folder.

    Arguments and result are those of every experiment: :func:`learn.experiments.ehf.run` tells them.
    """
    setting = QUICK if quick else FULL
    folder = Folder("disentangling", out, setting, quick=quick, seed=seed, resume=resume, quiet=quiet)
    proofs = {TARGET: folder.prove(TARGET, hs.targets[TARGET])}
    groups = {problem.name: problem.group() for problem in PROBLEMS}
    commute = {
        name: {
            "factors": [factor.name for factor in group.factors],
            "brackets": [{"status": v.status, "checked": v.check()} for v in group.proofs],
        }
        for name, group in groups.items()
    }
    rows = []
    for s, problem, model in product(seeds(seed, setting.seeds), PROBLEMS, MODELS):
        key = f"{problem.name}-{model}-{s}".replace(" ", "-").replace("×", "x")
        measured = partial(_row, key, problem, groups[problem.name], model, setting, folder, seed=s)
        rows.append(folder.row(key, measured))
        folder.console.print(f"{problem.name}, {model}, seed {s}: done", highlight=False)
    filmed = PROBLEMS[0]
    for s in seeds(seed, setting.seeds):
        key = f"{filmed.name}-HGN-{s}".replace(" ", "-")
        measured = partial(_film_row, key, filmed, groups[filmed.name], setting, folder, seed=s)
        rows.append(folder.row(key, measured))
        folder.console.print(f"{filmed.name}, HGN, seed {s}: done", highlight=False)
    names = [problem.name for problem in PROBLEMS]
    rows.sort(key=lambda row: names.index(row["problem"]))
    figure(rows, out / "disentangling.png")
    metrics = folder.close({"proofs": proofs, "groups": commute, "rows": rows}, report)
    folder.console.print(console_table(metrics))
    for line in reading(rows):
        folder.console.print(f"• {line}", highlight=False)
    folder.console.print(f"wrote disentangling.png, metrics.json and report.md to {out}/")
    return metrics


def _row(
    key: str,
    problem: Problem,
    group: ProductGroup,
    model: str,
    setting: Setting,
    folder: Folder,
    *,
    seed: int,
) -> dict[str, Any]:
    """Train one model, which is kept in the folder, and put its representation to the tests, plain values by name."""
    started = time.process_time()
    points = problem.draw(setting.points, seed)
    fresh = problem.draw(setting.tested, seeds(seed, 1001)[-1])
    trained = make(model, problem, setting, seed)
    result = fit(
        trained, torch.as_tensor(points), steps=setting.steps, batch=setting.batch,
        lr=3e-3 if model == "VAE" else 1e-2, seed=seed, progress=not folder.console.quiet, resume=folder.resume,
        out=folder.out / "models" / key,
    )  # fmt: skip
    spent = time.process_time() - started
    if isinstance(trained, HamiltonianFlow):
        found = of_flow(trained.double(), group, problem, fresh, setting.elements, seed)
    else:
        represent = trained.model.double().represent
        found = of_latents(represent, _halves(), group, problem.affine, fresh, setting.elements, seed)
    return {
        "problem": problem.name, "model": model, "seed": seed, "loss": float(np.mean(result.history["loss"][-50:])),
        "cpu_seconds": spent, "tests": _plain(found),
    }  # fmt: skip


def _film_row(
    key: str, problem: Problem, group: ProductGroup, setting: Setting, folder: Folder, *, seed: int
) -> dict[str, Any]:
    """The same of an HGN that is trained on films."""
    started = time.process_time()
    model, pixels = train(
        setting.films, setting.film_steps, FILM_BATCH, seed, progress=not folder.console.quiet, resume=folder.resume,
        out=folder.out / "models" / key,
    )  # fmt: skip
    spent = time.process_time() - started
    fresh = starts(setting.tested, seeds(seed, 1001)[-1])
    # a latent coordinate and its momentum belong together
    ways = [[(*block, *(k + 4 for k in block)) for block in way] for way in _halves()]
    found = of_latents(LatentStates(model), ways, group, True, fresh, setting.elements, seed)
    return {
        "problem": problem.name, "model": "HGN", "seed": seed, "pixels": pixels, "cpu_seconds": spent, "tests": _plain(found),
    }  # fmt: skip


def _plain(found: Mapping[str, DisentanglementReport]) -> list[dict[str, Any]]:
    """Reports by the frame of coordinates as plain values."""
    return [
        {
            "frame": frame,
            "passes": tested.passes(TOLERANCE),
            "failing": tested.failing(1e-2),
            **tested.to_dict(),
        }
        for frame, tested in found.items()
    ]


def make(model: str, problem: Problem, setting: Setting, seed: int) -> Any:
    """Return what ``fit`` trains: a flow, or the objective of a VAE."""
    if model == "VAE":
        return EvidenceBound(VAE(4, 4, width=2 * setting.width, seed=seed))
    exact = model == "exact flow"
    listed = [g for part in problem.generators for g in (part if isinstance(part, tuple) else (part,))]
    return HamiltonianFlow(
        4, hamiltonians=setting.hamiltonians, width=setting.width, symmetry="exact" if exact else None,
        generators=listed if exact else (), seed=seed,
    )  # fmt: skip


def of_flow(
    flow: HamiltonianFlow, group: ProductGroup, problem: Problem, q: np.ndarray, elements: int, seed: int
) -> dict[str, DisentanglementReport]:
    """Return the tests of the base states of a flow, by the coordinates in which they are looked at.

    Momenta are drawn from the encoder.  The action on base states is that on the data; for the frame that is found from
    the base states alone, if there is one, too.
    """
    torch_q = torch.as_tensor(q).to(flow.unit)
    with torch.no_grad():
        law = flow.encoder(torch_q)
        noise = torch.randn(torch_q.shape, generator=torch.Generator().manual_seed(seed), dtype=torch_q.dtype)
        p = law.mean + (law.scale_tril @ noise[..., None])[..., 0]
    states, f = np.concatenate([q, p.numpy()], -1), BaseStates(flow)
    tests = partial(
        measure, f, group, states, action="same", affine=problem.affine, elements=elements, seed=seed
    )
    found = {
        name: tests(blocks=OF_STATES, frame=np.kron(np.eye(2), turn)) for name, turn in problem.frames.items()
    }
    exact = flow.symmetry == "exact"
    return found | _in_found_frame(f, tests, group, states, problem.affine, elements, seed, exact)


def _in_found_frame(
    f: Any,
    tests: Any,
    group: ProductGroup,
    rows: np.ndarray,
    affine: bool,
    elements: int,
    seed: int,
    exact: bool,
) -> dict[str, DisentanglementReport]:
    """Return the tests in coordinates in which fitted maps split, if there are any; fits that are not exact may be off."""
    try:
        frame, blocks = adapted_frame(
            f,
            group,
            rows,
            affine=affine,
            elements=elements,
            seed=seed,
            tolerance=1e-6 if exact else LOOSE,
        )
    except hs.errors.SymmetryError:
        return {}
    return {"found from f": tests(blocks=blocks, frame=frame)}


def of_latents(
    f: Callable[[np.ndarray], np.ndarray],
    ways: Sequence[Sequence[Sequence[int]]],
    group: ProductGroup,
    affine: bool,
    rows: np.ndarray,
    elements: int,
    seed: int,
) -> dict[str, DisentanglementReport]:
    """Return the tests of latent coordinates on which no action is known, with the blocks that suit them best.

    Arguments:
        f: data ↦ latent coordinates.
        ways: blocks of coordinates to choose from, one for each factor.
        group: of the data.
        affine: whether fitted actions have a constant.
        rows: of data.
        elements: of each factor.
        seed: of elements.
    """
    tests = partial(measure, f, group, rows, affine=affine, elements=elements, seed=seed)
    best = min((tests(blocks=way) for way in ways), key=lambda report: report.product.value)
    return {"best blocks": best} | _in_found_frame(f, tests, group, rows, affine, elements, seed, False)


def _halves() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The ways to give each of two factors two of four coordinates."""
    return [(first, tuple(k for k in range(4) if k not in first)) for first in combinations(range(4), 2)]
