"""What stops a proof: the clock, the size of an intermediate result, and what the tower does not cover."""

from __future__ import annotations

import time


class ProofStopped(Exception):
    """Base of the reasons for which the tower gives up; the text says which one."""


class NotCovered(ProofStopped):
    """The expression contains something that the tower has no exact rule for."""


class EmptyDomain(NotCovered):
    """Something that would have to be positive never is."""


class Overrun(ProofStopped):
    """The time or size budget is used up."""


class Clock:
    """A deadline and a bound on the size of products, asked before every expensive step.

    Arguments:
        budget: seconds from now until the work must stop.

    Example:
        >>> Clock(10.0).check()
        >>> Clock(10.0).allow(10**12)
        Traceback (most recent call last):
        hamsym.symbolic.tower.limits.Overrun: an intermediate result would have about 1000000000000 terms
    """

    #: Term products per second that are taken for granted when a product is estimated.
    RATE = 1_000_000
    #: Largest product, in terms, that is ever formed; bounds the memory.
    LARGEST = 20_000_000

    def __init__(self, budget: float) -> None:
        self.started = time.perf_counter()
        self.deadline = self.started + budget
        self.budget = budget

    @property
    def seconds(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self.started

    @property
    def remaining(self) -> float:
        """Seconds until the deadline (negative after it)."""
        return self.deadline - time.perf_counter()

    def check(self) -> None:
        """Raise Overrun when the deadline has passed."""
        if time.perf_counter() > self.deadline:
            raise Overrun(f"the budget of {self.budget:g} s is used up")

    def allow(self, terms: int) -> None:
        """Raise Overrun when work on this many terms would not end in time or in memory."""
        self.check()
        if terms > self.LARGEST or terms > self.RATE * max(self.remaining, 0.05):
            raise Overrun(f"an intermediate result would have about {terms} terms")
