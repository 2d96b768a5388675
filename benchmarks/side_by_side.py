"""What the comparisons share: fair timing, errors against one truth, references in C.  Measures nothing itself."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def seconds(contenders: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median processor time of each, in alternating runs; what they compile is compiled before.

    All threads of the process count, so a peer gains nothing from a second core, nor loses by its neighbours on it.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


def error(states: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square over trajectories, at the worst of the times; ``(batch, time, 2 dof)`` each."""
    with np.errstate(over="ignore", invalid="ignore"):
        value = float(np.sqrt(np.mean((states - truth) ** 2, axis=(0, 2))).max())
    return value if np.isfinite(value) else np.inf


def compiled(text: str, library: Path, *flags: str, link: Sequence[str] = ()) -> ctypes.CDLL:
    """The library of a C++ text, compiled by g++ for this processor with these further flags."""
    if shutil.which("g++") is None:
        raise SystemExit("g++ is needed for the reference")
    source = library.with_suffix(".cpp")
    source.write_text(text)
    options = ["-O3", "-march=native", "-shared", "-fPIC", "-std=c++17", *flags]
    subprocess.run(["g++", *options, str(source), *link, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))
