"""What every experiment shares: its folder, proofs of the targets, the ways to impose a symmetry, resuming."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from rich.console import Console

import hamsym as hs
from hamsym.errors import CheckpointError
from learn.evaluation.report import write_json, write_text
from learn.experiments.tables import plain
from learn.flow.density import HamiltonianFlow
from learn.symmetry.constraint import BracketConstraint

if TYPE_CHECKING:
    from hamsym.data.targets import Target

#: The generator of rotations of the plane.
ROTATION = hs.angular_momentum(hs.PhaseSpace.standard(2), 0, 1)


@dataclass(frozen=True)
class Method:
    """One way to impose the rotation on a flow of the plane.

    Attributes:
        key: its name in tables and of its folder.
        symmetry: the mode of the flow.
        constraint: options of the BracketConstraint that trains it; None for no constraint.
        words: what it is, for a legend.
    """

    key: str
    symmetry: str | None
    constraint: Mapping[str, Any] | None = None
    words: str = ""

    def flow(self, *, hamiltonians: int, width: int, seed: int) -> HamiltonianFlow:
        """Return a new flow of this mode."""
        return HamiltonianFlow(
            dim=2, hamiltonians=hamiltonians, width=width, symmetry=self.symmetry,
            generators=() if self.symmetry is None else (ROTATION,), seed=seed,
        )  # fmt: skip

    def lagrangian(self) -> BracketConstraint | Literal[False]:
        """Return the constraint of a training, or False for none."""
        return False if self.constraint is None else BracketConstraint([ROTATION], **self.constraint)


class Folder:
    """The folder of one run of an experiment: settings, rows measured so far, and in the end metrics and report.

    Arguments:
        name: of the experiment.
        out: the folder, made if it is not there.
        setting: a dataclass of sizes.
        quick, seed: as the user said.
        resume: take up an interrupted run; without it rows of an older run are removed.
        quiet: print nothing.

    Raises:
        CheckpointError: if the run to resume had other settings; nothing in the folder is touched then.
    """

    def __init__(
        self, name: str, out: Path, setting: Any, *, quick: bool, seed: int, resume: bool, quiet: bool
    ) -> None:
        self.out, self.resume, self.console = out, resume, Console(quiet=quiet)
        self.started = time.perf_counter()
        self.settings = {"experiment": name, "quick": quick, "seed": seed, "setting": asdict(setting)}
        self._claim()

    def _claim(self) -> None:
        """Write the settings of this run into its folder, or compare them with those of the run to resume."""
        path = self.out / "setting.json"
        if self.resume and path.exists():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise CheckpointError(f"{path} is not valid JSON; take another folder") from error
            if found != json.loads(json.dumps(self.settings)):
                raise CheckpointError(
                    f"the run in {self.out} had other settings ({path}); give the same ones, or another folder"
                )
        else:
            for old in (self.out / "rows").glob("*.json"):
                old.unlink()
        write_json(path, self.settings)

    def row(self, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what ``measure`` returns, or what it returned before the run was interrupted.

        Arguments:
            key: name of the row, unique in the experiment.
            measure: does one training and measures it; plain values by name.
        """
        path = self.out / "rows" / f"{key}.json"
        if path.exists():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise CheckpointError(f"{path} is not valid JSON; remove it to measure again") from error
            if not isinstance(found, dict) or found.get("key") != key:
                raise CheckpointError(f"{path} is not the row {key}; remove it to measure again")
            return found
        write_json(path, {"key": key, **measure()})
        return self.row(key, measure)

    def prove(self, label: str, target: Target, generator: hs.Generator = ROTATION) -> dict[str, Any]:
        """Prove or refute {g, H} = 0 of a target from its formula, check the verdict again, and say so."""
        verdict = hs.verify(target.hamiltonian, generator)
        summary = str(verdict).splitlines()
        checked = verdict.check()
        say = self.console.print
        say(f"[bold]{label}[/bold]  {target.name}, g = {generator.text}: {summary[0]}", highlight=False)
        if verdict.status == "proved":
            certificate: Any = verdict.to_dict().get("certificate", ())
            say(f"   by {len(certificate)} generators and relations, listed in metrics.json", highlight=False)
        else:
            say(f"   {summary[-1].strip()}", highlight=False)
        say(f"   verified again by independent code: {'yes' if checked else 'no'}", highlight=False)
        return {
            "target": target.name, "hamiltonian": target.hamiltonian.text, "generator": generator.text,
            **verdict.to_dict(), "checked": checked, "text": summary,
        }  # fmt: skip

    def close(self, content: Mapping[str, Any], report: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
        """Write ``metrics.json`` and ``report.md``, and return the metrics."""
        metrics = {
            **self.settings, **content, "seconds": time.perf_counter() - self.started,
            "versions": {"hamsym": hs.__version__, "torch": torch.__version__, "numpy": np.__version__},
        }  # fmt: skip
        write_json(self.out / "metrics.json", metrics)
        write_text(self.out / "report.md", plain(report(metrics)))
        return metrics


@contextmanager
def without_warnings_of_constraints() -> Iterator[None]:
    """Let a missed constraint pass in silence, where the row of the table says it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the constraint is missed")
        yield


def seeds(first: int, count: int) -> list[int]:
    """Return the seeds of repeated runs, within the 32 bits of a seed.

    Example:
        >>> seeds(2**32 - 1, 3)
        [4294967295, 0, 1]
    """
    return [(first + k) % 2**32 for k in range(count)]


def mean_and_error(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error of values measured with several seeds.

    The spread over seeds holds the sampling errors of the single values; with one seed there is no spread, and the
    sampling error alone is returned, which says nothing about other seeds.

    Example:
        >>> mean_and_error([1.0, 3.0], [0.1, 0.1]), mean_and_error([1.0], [0.1])
        ((2.0, 1.0), (1.0, 0.1))
    """
    if len(values) == 1:
        return float(values[0]), float(errors[0])
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def mean_gap(rows: Sequence[Mapping[str, Any]], column: str = "kl_gap") -> tuple[float, float]:
    """Return the KL gap over seeds, or another gap in a column of its own, and its standard error.

    Example:
        >>> mean_gap([{"kl_gap": 0.5, "kl_gap_se": 0.1}])
        (0.5, 0.1)
    """
    return mean_and_error([r[column] for r in rows], [r[f"{column}_se"] for r in rows])


def difference(rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return how much larger the KL gap of ``rows`` is than that of ``others``, paired by seed, and its error.

    Example:
        >>> row, other = {"seed": 0, "kl_gap": 0.5, "kl_gap_se": 0.03}, {"seed": 0, "kl_gap": 0.25, "kl_gap_se": 0.04}
        >>> difference([row], [other])
        (0.25, 0.05)
    """
    by_seed = {r["seed"]: r for r in others}
    pairs = [(r, by_seed[r["seed"]]) for r in rows]
    return mean_and_error(
        [a["kl_gap"] - b["kl_gap"] for a, b in pairs],
        [float(np.hypot(a["kl_gap_se"], b["kl_gap_se"])) for a, b in pairs],
    )
