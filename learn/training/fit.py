"""Fit a flow to points, or another model to its data: Adam on the loss of batches, resumable to the bit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import ParameterError, ShapeError
from learn.arguments import MAX_NUMBERS, seed_number
from learn.flow.density import HamiltonianFlow
from learn.points import as_points, look_at, require_finite
from learn.symmetry.constraint import MAX_BATCH, BracketConstraint
from learn.training.evidence import Evidence, usual_constraint
from learn.training.loop import Course, train
from learn.training.objective import Objective
from learn.training.processes import Processes
from learn.training.result import FitResult as FitResult
from learn.training.rows import as_rows, fingerprint
from learn.training.run import Run
from learn.training.validation import Validation, split

DRAWS, DRAWS_AFTER = 4, 0.5


def fit(
    flow: HamiltonianFlow | Objective,
    q_train: Any,
    q_valid: Any = None,
    *,
    steps: int = 3000,
    batch: int = 512,
    lr: float = 1e-2,
    seed: int = 0,
    constraint: BracketConstraint | Literal[False] | None = None,
    progress: bool = True,
    out: str | Path | None = None,
    resume: bool = False,
    validate_every: int = 100,
    patience: int | None = None,
    held_out: float = 0.2,
    draws: int = DRAWS,
    draws_after: float = DRAWS_AFTER,
    context: Any = None,
    context_valid: Any = None,
    save_every: int = 500,
    threads: int | None = 1,
    callback: Callable[[int, FitResult], None] | None = None,
) -> FitResult:
    """Train a flow on points by maximising the ELBO, and in the last part a tighter bound.

    Adam with 100 steps of warm-up, then a cosine down to 2 % of ``lr``; the global gradient norm is clipped at 1.
    Everything random comes from ``seed``, so the same call gives the same weights on the same machine.  Ctrl-C waits
    for the end of the step at hand, saves the run and stops; a run taken up with ``resume`` ends bit for bit like one
    that never stopped, however it was interrupted.

    Started by ``torchrun``, or with ``torch.distributed`` initialised, every process makes the same call on the same
    data: each takes its share of the rows of every batch, and the gradients are added up, so that the outcome is that
    of one process up to round-off.  The first process writes checkpoints, calls back and shows the bar; ``out`` is a
    directory that all can read.  A run may be resumed by another number of processes.

    Source: the objective is that of Rezende, Racanière, Higgins, Toth, arXiv 1909.13739; Adam is Kingma, Ba,
    arXiv 1412.6980.

    Arguments:
        flow: trained in place; its unit of length is set from the data before its first training.  Or an
            :class:`learn.Objective`, which says what the loss of another kind of model is: what is said of points
            then holds for its data, and ``constraint``, ``draws``, ``draws_after`` and contexts are not for it.
        q_train: points of shape (n, dim), arrays or tensors of any dtype.  For an objective a tensor or a tuple of
            tensors of any shapes and dtypes, with one row for each example.
        q_valid: points for choosing the best step; with a constraint only steps that satisfy it are candidates.  With
            None and a ``patience``, a share of ``q_train`` is held out for this.
        steps: number of updates.
        batch: points per update, drawn with replacement.
        lr: largest learning rate.
        seed: of batches, encoder noise and base states.
        constraint: a Lagrangian; its multipliers start afresh.  With None a flow of mode "penalty" is trained with the
            paper's, ``BracketConstraint(flow.generators)``, and one of mode "features" with
            :func:`learn.training.evidence.usual_constraint`, every other flow with none.  False for none in any mode.
        progress: show a bar, if the output is a terminal.
        out: directory for checkpoints (every ``save_every`` steps, at the end and on interruption).
        resume: take up the run in ``out`` where it stopped, with the same data and settings; it then ends as if it
            had never stopped.  With more ``steps`` than before it goes on too, but on the schedules of rate and goal
            of the longer run, so it does not end like a run of that length from the start.  Without ``resume`` an
            older run in ``out`` is removed before the first step.
        validate_every: steps between looks at ``q_valid``.
        patience: looks without a better one after which the training stops, so that few points are not learned by
            heart; None to do all steps.
        held_out: share of ``q_train`` that is held out for ``patience``, at random, if there is no ``q_valid``.
        draws: momenta drawn for each point in the last part of the training, which maximises the importance-weighted
            bound of so many (Burda, Grosse, Salakhutdinov, arXiv 1509.00519): closer to log p than the ELBO, which it
            replaces.  1 for the ELBO throughout, which is the paper's objective.
        draws_after: share of the training before that part.
        context: of ``q_train``, for a conditional flow: shape (n, k).  Its mean and spread become the unit of contexts
            in the first training.
        context_valid: of ``q_valid``.
        save_every: steps between checkpoints.
        threads: of torch while it trains; the tensors of one step are too small for more than one to help, and
            two runs side by side each want a core.  None leaves torch as it is.
        callback: called as ``callback(step, result)`` after every step, in the first of several processes; what it
            raises stops the training.

    Returns:
        The history of the run; ``flow`` itself has the weights of ``best_step``.

    Raises:
        ShapeError: if the points have the wrong shape or are too few.
        NonFiniteError: if data or loss are not finite; the offending batch is kept in ``out``.
        ParameterError: for settings out of range, and if all points are the same.
        ProcessError: if another process of the same training failed.
        CheckpointError: if ``resume`` finds a run with other settings, or ``out`` cannot be written.
        KeyboardInterrupt: on Ctrl-C, saying after which step and how to go on.

    Warns:
        UserWarning: if the points lie far from the origin or are very anisotropic, so that one unit of length cannot
            serve them; and if the constraint is missed at the end.

    Example:
        >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4, seed=0)
        >>> result = fit(flow, torch.randn(100, 1), steps=3, progress=False)
        >>> result.history["step"], result.best_step
        ([1, 2, 3], 3)
    """
    if not isinstance(flow, (HamiltonianFlow, Objective)):
        raise ParameterError(
            f"flow is a HamiltonianFlow or an Objective, not {shown(flow)}; other models come with objectives, as "
            "hnn.derivative_loss(), learn.hgn.VideoELBO(hgn) or learn.hogn.NextState(hogn, dt)"
        )
    if not (constraint is None or constraint is False or isinstance(constraint, BracketConstraint)):
        raise ParameterError(f"constraint is a BracketConstraint, False or None, not {shown(constraint)}")
    if not (callback is None or callable(callback)):
        raise ParameterError(f"callback is a function of (step, result) or None, not {shown(callback)}")
    if not (out is None or isinstance(out, (str, os.PathLike))):
        raise ParameterError(f"out is the path of a directory or None, not {shown(out)}")
    if threads is not None:
        threads = integer("threads", threads, maximum=max(1, os.cpu_count() or 1), minimum=1)
    steps, batch = integer("steps", steps, minimum=1), integer("batch", batch, maximum=MAX_BATCH, minimum=1)
    validate_every, save_every = (
        integer("validate_every", validate_every, minimum=1),
        integer("save_every", save_every, minimum=1),
    )
    lr, seed = real("lr", lr, maximum=1e6, above=0), seed_number(seed)
    if resume and out is None:
        raise ParameterError("resume=True needs out=…, the directory of the interrupted run")
    draws = integer("draws", draws, minimum=1, maximum=MAX_BATCH)
    if isinstance(flow, HamiltonianFlow) and draws * batch * flow.dim > MAX_NUMBERS:
        raise ParameterError(
            f"batch={batch} and draws={draws} make {draws * batch * flow.dim:.1e} numbers of each step, more than "
            f"{MAX_NUMBERS:.0e}; choose fewer"
        )
    draws_after = real("draws_after", draws_after)
    if not 0 <= draws_after <= 1:
        raise ParameterError(f"draws_after is a share in [0, 1], not {draws_after:g}")
    if patience is not None:
        patience = integer("patience", patience, minimum=1)
    held_out = real("held_out", held_out, above=0)
    if not held_out < 1:
        raise ParameterError(f"held_out is a share in (0, 1), not {held_out:g}")
    evidence: Evidence | None = None
    watching: tuple[Tensor, ...] | None = None
    data: tuple[Tensor, ...]
    if isinstance(flow, HamiltonianFlow):
        q_train = _training_points(flow, q_train, "q_train")
        look_at(q_train, "q_train", removed=flow.removed.value)
        context = _contexts(flow, context, len(q_train), "context")
        if q_valid is not None:
            q_valid = _training_points(flow, q_valid, "q_valid")
            context_valid = _contexts(flow, context_valid, len(q_valid), "context_valid")
        elif context_valid is not None:
            raise ParameterError("context_valid belongs to q_valid, which is not given")
        chosen = usual_constraint(flow) if constraint is None else constraint or None
        objective: Objective = (evidence := Evidence(flow, chosen, draws, draws_after))
        named = {"q_train": q_train, "q_valid": q_valid, "context": context, "context_valid": context_valid}
        data = (q_train,) if context is None else (q_train, context)
        if q_valid is not None:
            watching = (q_valid,) if context_valid is None else (q_valid, context_valid)
        prints: dict[str, Any] = {name: fingerprint(t) for name, t in named.items()}
    else:
        objective = flow
        _only_for_flows(constraint, context, context_valid, draws, draws_after)
        device = next(iter(objective.model.parameters()), torch.empty(0)).device
        data = as_rows(q_train, "q_train", device)
        if q_valid is not None:
            watching = as_rows(q_valid, "q_valid", device)
        given = {"q_train": data, "q_valid": watching or ()}
        prints = {"kind": objective.kind, **{k: [fingerprint(t) for t in v] for k, v in given.items()}}
        if out is not None:
            _as_written(objective.config(), "config")
    settings = {
        "batch": batch,
        "lr": lr,
        "seed": seed,
        "validate_every": validate_every,
        "patience": patience,
        "held_out": held_out if patience is not None and watching is None else None,
        **prints,
        **_as_written(objective.settings(), "settings"),
    }
    if patience is not None and watching is None:
        n = len(data[0])
        if n < 3:
            raise ShapeError(f"q_train has {n} points; at least 3 are needed to hold some out")
        kept, left = (rows.to(data[0].device) for rows in split(n, held_out, seed))
        data, watching = tuple(t[kept] for t in data), tuple(t[left] for t in data)
    if evidence is not None:
        data = evidence.prepare(*data)
        watching = None if watching is None else evidence.rows(*watching)
    watch = Validation(watching, validate_every, patience, seed)
    run = Run(objective, data, watch, steps, settings, Processes.found(data[0].device))
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has switched off
        result = train(run, Course(out, resume, save_every, progress, threads, callback))
    if evidence is not None:
        result.constraint_satisfied = evidence.judge(data, seed + 1, run.step, loud=run.processes.first)
    return result


def _as_written(values: Any, name: str) -> dict[str, Any]:
    """Values as a file gives them back, so that what a run is compared with on resuming is what it wrote."""
    try:
        read: dict[str, Any] = json.loads(json.dumps(values))
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"{name}() of an objective returns plain values that json can hold: {error}"
        ) from error
    return read


def _only_for_flows(
    constraint: Any, context: Any, context_valid: Any, draws: int, draws_after: float
) -> None:
    given = {"constraint": constraint, "context": context, "context_valid": context_valid}
    wrong = [name for name, value in given.items() if value is not None]
    wrong += ["draws"] * (draws != DRAWS) + ["draws_after"] * (draws_after != DRAWS_AFTER)
    if wrong:
        raise ParameterError(f"{wrong[0]} is for flows; an objective has its own settings")


def _training_points(flow: HamiltonianFlow, q: Any, name: str) -> Tensor:
    q = as_points(q, flow.dim, flow.unit)
    if len(q) < 2:
        raise ShapeError(f"{name} has {len(q)} point(s); at least 2 are needed")
    return require_finite(q.detach(), name)


def _contexts(flow: HamiltonianFlow, context: Any, n: int, name: str) -> Tensor | None:
    if flow.context is None or context is None:
        flow.read_context(context, n)  # refuses one without the other
        return None
    rows = as_points(context, flow.context.size, flow.unit)
    if len(rows) != n:
        raise ShapeError(f"{name} has {len(rows)} rows for {n} points; training needs one for each")
    return require_finite(rows.detach(), name)
