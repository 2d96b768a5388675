"""The training loop, one for every kind of model: Adam with warm-up and cosine, looks, checkpoints, Ctrl-C, the bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from hamsym.errors import NonFiniteError
from learn.storage import exists, remove, require_writable, write
from learn.training.interruption import DeferredInterrupt
from learn.training.result import FitResult
from learn.training.run import Run


@dataclass(frozen=True)
class Course:
    """How a run is driven, as opposed to what it computes.

    Attributes:
        out: directory for checkpoints, or None.
        resume: take up the run in ``out``; without it an older one there is removed.
        save_every: steps between checkpoints.
        progress: show a bar, if the output is a terminal.
        threads: of torch while it trains; None leaves torch as it is.
        callback: called as ``callback(step, result)`` after every step, in the first of several processes.
    """

    out: str | Path | None = None
    resume: bool = False
    save_every: int = 500
    progress: bool = True
    threads: int | None = 1
    callback: Callable[[int, FitResult], None] | None = None


def train(run: Run, course: Course) -> FitResult:
    """Drive a run to its end, and give the model its best weights.

    Arguments:
        run: fresh.
        course: how.

    Returns:
        The history of the run.

    Raises:
        NonFiniteError: if the loss is not finite; the offending batch is kept in ``out``.
        CheckpointError: if ``out`` holds a run with other settings, or cannot be written.
        KeyboardInterrupt: on Ctrl-C, saying after which step and how to go on.
    """
    out, processes = course.out, run.processes
    asked = {**run.settings, "steps": run.steps, "out": str(out), "save_every": course.save_every}
    processes.same(run.objective.model, asked)
    if out is not None:
        found = course.resume and processes.told(lambda: exists(out, "training"))
        with processes.together():
            if processes.first:
                require_writable(out)
            if found:
                run.restore(out)
            elif processes.first:
                remove(
                    out, "training"
                )  # killed before its first save it must not be taken up as the older one
    before = torch.get_num_threads()
    torch.set_num_threads(course.threads or before)
    # disable=None: no bar where nobody looks, in a pipe or a file
    bar = tqdm(
        total=run.steps,
        initial=run.step,
        disable=None if course.progress and processes.first else True,
        desc="fit",
        unit="step",
        dynamic_ncols=True,
    )
    started = time.perf_counter() - run.seconds
    try:
        with DeferredInterrupt() as interrupt:
            run.validate()  # a run may have been stopped between a step and its look
            while not run.over:
                try:
                    run.advance(started)
                except NonFiniteError:
                    if out is not None and processes.first:
                        _keep_batch(run, out)
                    raise
                run.validate()
                with processes.together():
                    if course.callback is not None and processes.first:
                        course.callback(run.step, run.result)
                    if interrupt.requested:
                        interrupt.requested = False
                        raise KeyboardInterrupt
                if out is not None and run.step % course.save_every == 0 and not run.over:
                    run.save(out)
                bar.update()
                if run.step % 20 == 0:
                    bar.set_postfix(run.summary(), refresh=False)
            if out is not None:
                run.save(out)
            run.finish()
            with processes.together():
                if out is not None and processes.first:
                    run.objective.save(out)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(run.stop(out)) from error
    finally:
        bar.close()
        torch.set_num_threads(before)
    return run.result


def _keep_batch(run: Run, out: str | Path) -> None:
    names = run.objective.names
    named = {names[i] if i < len(names) else f"tensor{i}": t for i, t in enumerate(run.batch.whole)}
    write(out, "failure", named, {"step": run.step + 1, **run.settings})
