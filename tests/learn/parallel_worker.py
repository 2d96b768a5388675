"""What every process of test_processes does: ``python parallel_worker.py FOLDER``, alone or under torchrun."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path

import torch
from flows import ROTATION

import learn
from hamsym.errors import HamsymError

RANK = int(os.environ.get("RANK", "0"))


def points(n, seed):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flow(**settings):
    generators = ROTATION if "symmetry" in settings else ()
    return learn.HamiltonianFlow(2, hamiltonians=2, width=8, generators=generators, **settings).double()


def constraint():
    return learn.BracketConstraint(ROTATION, tolerance=0.01, batch=16, sampling="trajectory", detach=False)


#: name -> (flow, further settings); 33 rows are no multiple of two
CASES = {
    "free": lambda: (flow(seed=0), {"patience": 3, "validate_every": 5}),
    "penalty": lambda: (
        flow(seed=0, symmetry="penalty"),
        {"constraint": constraint(), "q_valid": points(20, 1), "validate_every": 10},
    ),
    "augment, conditional": lambda: (
        flow(seed=0, symmetry="augment", context=1),
        {"context": torch.linspace(0, 1, 100)[:, None]},
    ),
    # torch's global seed is the rank: all start from the weights of the first
    "weights without a seed": lambda: (flow(), {}),
}  # fmt: skip


def trained(folder, case, **more):
    made, settings = CASES[case]()
    settings = {"steps": 24, "batch": 33, "progress": False, "save_every": 10, **settings, **more}
    result = learn.fit(made, points(100, 0), out=folder / case, **settings)
    return made, result


def message(call):
    try:
        call()
    except (HamsymError, KeyboardInterrupt, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def press(step, result):
    if step == 13:
        signal.raise_signal(signal.SIGINT)


def fail(step, result):
    if step == 3:
        raise RuntimeError("the callback failed")


def poisoned(folder):
    made, _ = CASES["free"]()

    def poison(step, result):
        with torch.no_grad():
            made.log_scale.fill_(torch.nan)

    return learn.fit(
        made, points(100, 0), steps=5, batch=33, progress=False, out=folder / "nan", callback=poison
    )


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    torch.manual_seed(RANK)
    torch.set_num_threads(1)
    said = {}
    for case in CASES:
        made, result = trained(folder, case)
        final = {k: v.clone() for k, v in made.state_dict().items()}
        torch.save(
            [final, dict(result.history), result.validation, result.best_step], folder / f"{case}.{RANK}.pt"
        )
    if "RANK" in os.environ:
        said["interrupted"] = message(lambda: trained(folder / "parts", "free", callback=press))
        trained(folder / "parts", "free", resume=True)
        trained(folder / "handed on", "free", resume=True)
        said["failed"] = message(lambda: trained(folder / "other", "free", callback=fail))
        said["not finite"] = message(lambda: poisoned(folder))
        said["other settings"] = message(lambda: trained(folder / "other", "free", lr=0.01 * (1 + RANK)))
        said["small batch"] = message(lambda: trained(folder / "other", "free", batch=1))
        blocked = folder / "file"
        blocked.touch()
        said["unwritable"] = message(lambda: trained(blocked, "free"))
    (folder / f"said.{RANK}.txt").write_text("\n".join(f"{k} = {v}" for k, v in said.items()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
