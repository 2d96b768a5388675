"""Ranges of a batch shared out to threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from threading import Semaphore, Thread

from hamsym.arguments import integer
from hamsym.progress import Bar

#: Work below which a second thread costs more than it gives, in evaluations of one component of the force.
_WORTH_A_THREAD = 4_000_000
#: SIMD lanes that are computed together; of a small batch, threads get whole numbers of these.
_LANES = 8
#: Most shares for each thread that are of the full size: as often does the progress bar move.
_SHARES = 8
#: Seconds between two looks at how many trajectories are done, and those that ranges get to end in after an interruption.
_MOMENT = 0.1
#: The shortest range that has a block of its own; a shorter one is joined to its neighbour.
_SHORTEST = 3


def worker_count(threads: int | None, work: float) -> int:
    """Return how many threads to use.

    Arguments:
        threads: as a user gives it; None takes all processors that there is work for.
        work: evaluations of one component of the force.

    Raises:
        ParameterError: if ``threads`` is not a positive whole number.

    Example:
        >>> worker_count(3, 1.0), worker_count(None, 1.0)
        (3, 1)
    """
    if threads is not None:
        return integer("threads", threads, minimum=1)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(available, int(work / _WORTH_A_THREAD)))


def shares(batch: int, workers: int, block: int) -> list[tuple[int, int]]:
    """Return ranges that cover a batch, most of them whole blocks; the last ones are small, so that all threads end together.

    Arguments:
        batch: number of trajectories.
        workers: number of threads.
        block: trajectories that are computed together; 1 if each is computed alone.

    Source:
        Polychronopoulos and Kuck, Guided self-scheduling, IEEE Transactions on Computers 36, 1425 (1987).

    Example:
        >>> shares(1000, 2, 48)[:2], shares(1000, 2, 48)[-2:]
        ([(0, 48), (48, 96)], [(912, 960), (960, 1000)])
        >>> shares(100, 2, 48), shares(4, 2, 1)
        ([(0, 56), (56, 100)], [(0, 1), (1, 2), (2, 3), (3, 4)])
    """
    if (
        block > 1 and batch < 4 * workers * block
    ):  # one share each, and lanes rather than blocks are kept whole
        each = -(-batch // workers)
        block, most = -(-each // _LANES) * _LANES, 1
    else:
        most = max(1, -(-batch // block) // (_SHARES * workers))
    edges = [0]
    while edges[-1] < batch:
        left = -(-(batch - edges[-1]) // block)
        edges.append(edges[-1] + block * (max(1, min(most, left // (2 * workers))) if workers > 1 else most))
    edges[-1] = batch
    if len(edges) > 2 and edges[-1] - edges[-2] < _SHORTEST < block:
        del edges[-2]
    return list(pairwise(edges))


def run_in_threads(
    run: Callable[[int, int], None],
    ranges: list[tuple[int, int]],
    workers: int,
    progress: bool,
    *,
    work: float = 0.0,
) -> None:
    """Call ``run(first, last)`` for every range, in so many threads, and show how many trajectories are done.

    The first error is raised when the ranges that had begun are done; no others are begun.  An interruption (Ctrl-C) is
    raised then too, but no later than a moment after it came: compiled code cannot be stopped, so what had begun goes on
    in the background, and ends with the process.

    Arguments:
        run: takes a range.
        ranges: of trajectories.
        workers: how many threads compute.
        progress: whether to show a bar.
        work: of all ranges, as :func:`worker_count` takes it.  While there is much, the calling thread computes nothing,
            because one that is in compiled code would answer an interruption only when it is done.

    Example:
        >>> done = []
        >>> run_in_threads(lambda first, last: done.append(last - first), [(0, 3), (3, 5)], 2, False)
        >>> sorted(done)
        [2, 3]
    """
    waiting, done, errors = deque(ranges), deque[int](), list[BaseException]()

    ended = Semaphore(0)  # of threads; whether one is alive, Python does not know after an interruption

    def compute(shown: Callable[[], None] = lambda: None) -> None:
        try:
            while True:
                try:
                    first, last = waiting.popleft()
                except IndexError:
                    return
                run(first, last)
                done.append(last - first)
                shown()
        except BaseException as error:
            waiting.clear()
            errors.append(error)
        finally:
            ended.release()

    with Bar(progress, unit="trajectory", total=ranges[-1][1]) as bar:

        def show() -> None:
            while done:
                bar.update(done.popleft())

        # of little work this thread does its share: starting one takes as long as many a trajectory
        count, aside = min(workers, len(ranges)), work > _WORTH_A_THREAD
        try:
            for _ in range(count if aside else count - 1):
                Thread(target=compute, daemon=True).start()
            if not aside:
                compute(show)
            for _ in range(count):
                while not ended.acquire(timeout=_MOMENT):
                    show()
        except BaseException:
            waiting.clear()
            for _ in range(count):
                ended.acquire(timeout=_MOMENT)
            raise
        show()
    if errors:
        raise errors[0]
