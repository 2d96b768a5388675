"""Shares of a batch: whole, even, and given up when one fails."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamsym as hs
from hamsym.errors import ParameterError
from hamsym.numeric.threads import run_in_threads, shares, worker_count


@given(st.integers(1, 100_000), st.integers(1, 64), st.sampled_from([1, 48]))
def test_shares_cover_the_batch_once_and_in_order(batch, workers, block):
    ranges = shares(batch, workers, block)
    assert [i for first, last in ranges for i in (first, last)] == sorted(
        [0, batch, *[last for _, last in ranges[:-1]] * 2]
    )
    assert all(first < last for first, last in ranges)


@given(st.integers(500, 100_000), st.integers(2, 8))
def test_shares_end_together(batch, workers):
    """With equal work each, greedy threads differ by no more than one block at the end, and spend 98 % of their time."""
    ready = [0] * workers
    for first, last in shares(batch, workers, 1):
        ready[ready.index(min(ready))] += last - first
    assert max(ready) <= 1.02 * batch / workers + 1


def test_few_heavy_trajectories_occupy_all_threads():
    assert len(shares(48, 2, 48)) == 2
    assert len(shares(5, 4, 1)) == 5


@pytest.mark.parametrize("batch", range(49, 52))
def test_no_range_is_too_short_for_a_block(batch):
    for workers in (1, 2):
        assert min(last - first for first, last in shares(batch * 20 + 1, workers, 48)) >= 3


def test_threads_are_as_many_as_there_is_work_for():
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert worker_count(None, 0.0) == 1
    assert worker_count(None, 1e18) == available
    with pytest.raises(ParameterError, match="threads is at least 1"):
        worker_count(0, 1.0)


def test_ranges_run_side_by_side():
    """Two runs that wait for each other end only if they run at the same time."""
    meeting = threading.Barrier(2, timeout=20)
    run_in_threads(lambda first, last: meeting.wait(), [(0, 1), (1, 2)], 2, False)


def test_the_first_error_ends_the_run():
    begun = []

    def run(first, last):
        begun.append(first)
        if first == 0:
            raise ZeroDivisionError("first")
        time.sleep(0.005)

    with pytest.raises(ZeroDivisionError, match="first"):
        run_in_threads(run, [(i, i + 1) for i in range(1000)], 2, False)
    assert len(begun) < 500


@pytest.mark.skipif(os.name != "posix", reason="needs a signal that another process can send")
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_does_not_wait_for_compiled_code(workers):
    """What takes a minute in another thread is left alone there, and nothing more is begun."""
    begun, released = [], threading.Event()

    def run(first, last):
        begun.append(first)
        if len(begun) == workers:
            os.kill(os.getpid(), signal.SIGINT)
        released.wait(60)

    with pytest.raises(KeyboardInterrupt):
        run_in_threads(run, [(i, i + 1) for i in range(9)], workers, False, work=1e12)
    assert not released.is_set() and len(begun) == workers
    released.set()
    time.sleep(0.01)
    assert len(begun) == workers


def test_a_process_ends_though_a_long_trajectory_does_not(tmp_path):
    script = """
import os, signal, threading, time, hamsym as hs
from hamsym.numeric import cache
H = hs.Hamiltonian("p1**2/2 + q1**4/4", hs.PhaseSpace.standard(1))
hs.simulate(H, [1.0], [0.0], 0.01, 1000, save_every=500)
call = cache.Kernels._call
def interrupted(*arguments):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    call(*arguments)
cache.Kernels._call = interrupted
hs.simulate(H, [1.0], [0.0], 0.01, 10**12, save_every=10**11)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"HAMSYM_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr.rstrip().endswith("KeyboardInterrupt"), done.stderr


def test_many_small_runs_come_to_the_faster_code_and_to_the_same_bits(monkeypatch):
    from hamsym.numeric import stepping

    monkeypatch.setattr(stepping, "_WORTH_UNROLLING", 2.5 * 50 * 20)
    asked = []
    kernels = stepping.kernels_of
    monkeypatch.setattr(
        stepping, "kernels_of", lambda H, kind, write: asked.append(kind) or kernels(H, kind, write)
    )
    H = hs.Hamiltonian("p1**2/2 + q1**4/4 + q1**2", hs.PhaseSpace.standard(1))
    q = np.linspace(0.1, 1, 50)[:, None]
    runs = [hs.simulate(H, q, 0 * q, 0.1, 20, save_every=10) for _ in range(4)]
    assert asked[0] == asked[1] != asked[2] == asked[3]
    assert all(np.array_equal(run.q, runs[0].q) and np.array_equal(run.p, runs[0].p) for run in runs)
