"""Multipliers that ascend while what they bound is too large, and the goal that they tighten to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hamsym.arguments import real, shown
from hamsym.errors import ParameterError

#: λ moves per step at most as it does in a training of this many steps: in a shorter one the weights have no time to
#: follow, and λ would only run away.
SHORTEST = 600
MAX_MULTIPLIER = 1e9
#: What an :class:`Ascent` is made with, besides its number of residuals.
SCHEDULE = ("tolerance", "initial", "pace", "loose", "tightening", "margin")


class Ascent:
    """One multiplier λ_k for each of several residuals m_k that are to be at most κ.

    After every step each multiplier moves by λ ← λ exp(η c), c = clip(log(m / κ'), −1, 1), with m a running mean of
    the measured residual and κ' the goal of the moment: it ascends exactly while the goal is missed, stays positive,
    and its pace depends on neither the unit of m nor that of κ.  The goal tightens geometrically from ``loose`` κ to
    (1 − margin) κ over the first ``tightening`` share of the training.

    Source: the rule is GECO's (Rezende, Viola, arXiv 1810.00597).

    Arguments:
        count: number of residuals.
        tolerance: κ > 0.
        initial: first value of every λ.
        pace: η summed over the training.
        loose: first goal in units of κ.
        tightening: share of the training after which the goal is the final one.
        margin: share of κ kept in reserve.

    Raises:
        ParameterError: for a number that makes no sense.

    Example:
        >>> ascent = Ascent(1, tolerance=0.01, initial=0.05, pace=60.0, loose=1000.0, tightening=0.8, margin=0.3)
        >>> ascent.update([1e3], 1, 1000)  # far above the goal
        >>> ascent.multipliers[0] > ascent.initial, ascent.satisfied
        (True, False)
    """

    def __init__(
        self,
        count: int,
        *,
        tolerance: float,
        initial: float,
        pace: float,
        loose: float,
        tightening: float,
        margin: float,
    ) -> None:
        self.tolerance = real("tolerance", tolerance, above=1e-300)
        self.initial = real("initial", initial, maximum=MAX_MULTIPLIER, above=0)
        self.pace = real("pace", pace, maximum=1e4, above=0)
        self.loose = real("loose", loose, above=-math.inf, maximum=1e30)
        self.tightening = real("tightening", tightening, above=-math.inf)
        self.margin = real("margin", margin, above=-math.inf)
        if not self.loose >= 1 or not 0 <= self.tightening <= 1:
            raise ParameterError(
                f"loose is at least 1 and tightening lies in [0, 1], not {loose!r} and {tightening!r}"
            )
        if not 0 <= self.margin < 1:
            raise ParameterError(f"margin lies in [0, 1), not {margin!r}")
        self.count = count
        self.reset()

    def reset(self) -> None:
        """Set every multiplier to its first value and forget the running means.

        Example:
            >>> from learn import BracketConstraint
            >>> constraint = BracketConstraint("p1")
            >>> constraint.update([1e6], 1, 10)
            >>> constraint.reset()
            >>> constraint.multipliers == [constraint.initial], constraint.means
            (True, None)
        """
        self.multipliers = [self.initial] * self.count
        self.means: list[float] | None = None

    def goal(self, progress: float) -> float:
        """Return κ', what the residuals should be when a share ``progress`` in [0, 1] of the training is done.

        Example:
            >>> from learn import BracketConstraint
            >>> constraint = BracketConstraint("p1", tolerance=1.0, loose=100.0, margin=0.0)
            >>> constraint.goal(0.0), constraint.goal(1.0)
            (100.0, 1.0)
        """
        left = max(0.0, 1 - progress / self.tightening) if self.tightening else 0.0
        return (1 - self.margin) * self.tolerance * self.loose**left

    def update(self, residuals: Sequence[float], step: int, steps: int) -> None:
        """Move the multipliers after a step.

        Arguments:
            residuals: measured in the step, one value for each multiplier.
            step: its number, from 1.
            steps: length of the training.

        Example:
            >>> from learn import BracketConstraint
            >>> constraint = BracketConstraint("p1", tolerance=1e-3, initial=1.0)
            >>> constraint.update([1e3], 1, 1000)  # far above the goal: λ grows at full pace
            >>> constraint.multipliers[0] == math.exp(constraint.pace / 1000)
            True
        """
        old = self.means or list(residuals)
        self.means = [0.9 * m + 0.1 * r for m, r in zip(old, residuals, strict=True)]
        goal = self.goal(step / steps)
        pulls = [min(max(math.log(max(m / goal, 1e-30)), -1.0), 1.0) for m in self.means]
        floor = 0.01 * self.initial  # from deeper down λ would not be back in time when the goal tightens
        self.multipliers = [
            min(max(lam * math.exp(self.pace / max(steps, SHORTEST) * c), floor), MAX_MULTIPLIER)
            for lam, c in zip(self.multipliers, pulls, strict=True)
        ]

    @property
    def satisfied(self) -> bool:
        """Whether the running mean of every residual is within the tolerance; False before the first update.

        Example:
            >>> from learn import BracketConstraint
            >>> BracketConstraint("p1").satisfied
            False
        """
        return self.means is not None and all(m <= self.tolerance for m in self.means)

    def state(self) -> dict[str, list[float]]:
        """Return what a resumed run needs: multipliers and running means, plain numbers.

        Example:
            >>> from learn import BracketConstraint
            >>> BracketConstraint("p1", initial=0.5).state()
            {'multipliers': [0.5], 'means': []}
        """
        return {"multipliers": list(self.multipliers), "means": list(self.means or [])}

    def restore(self, state: dict[str, list[float]]) -> None:
        """Take up the state of an interrupted run.

        Arguments:
            state: what :meth:`state` returned.

        Raises:
            KeyError: if something is missing.
            ValueError: if it holds other than one finite positive multiplier, and one mean or none, per generator.

        Example:
            >>> from learn import BracketConstraint
            >>> constraint = BracketConstraint("p1")
            >>> constraint.restore({"multipliers": [7.0], "means": [0.1]})
            >>> constraint.multipliers
            [7.0]
        """
        multipliers, means = state["multipliers"], state["means"]
        n = self.count
        if not (_are_numbers(multipliers, n) and all(m > 0 for m in multipliers)):
            raise ValueError(f"{shown(multipliers)} is not one multiplier for each of {n} generator(s)")
        if means != [] and not (_are_numbers(means, n) and all(m >= 0 for m in means)):
            raise ValueError(f"{shown(means)} is not one mean residual for each of {n} generator(s)")
        self.multipliers, self.means = [float(m) for m in multipliers], [float(m) for m in means] or None


def _are_numbers(values: Any, n: int) -> bool:
    if not isinstance(values, list) or len(values) != n:
        return False
    # a json number may have any number of digits, and no float may be infinite
    return all(type(v) in (int, float) and abs(v) < 1e300 for v in values)
