"""The answer "unknown", with what was missing."""

from __future__ import annotations

from dataclasses import dataclass

from hamsym.errors import UndecidedError
from hamsym.symbolic.zero_test.verdict import Verdict


@dataclass(repr=False, eq=False)
class Undecided(Verdict):
    """Neither a proof nor a certified nonzero value was found.

    Attributes:
        reason: what was missing.

    Example:
        >>> from hamsym import PhaseSpace, is_zero
        >>> unknown = is_zero("sqrt(q1) + sqrt(-1 - q1)", PhaseSpace.standard(1))
        >>> isinstance(unknown, Undecided), unknown.reason
        (True, 'no point of the domain found: the domain is empty or tiny')
        >>> bool(unknown)
        Traceback (most recent call last):
        hamsym.errors.UndecidedError: the expression is zero is undecided: no point of the domain found: ...
    """

    reason: str = ""
    status = "undecided"

    def __bool__(self) -> bool:
        raise UndecidedError(f"{self.question} is undecided: {self.reason}")

    def check(self) -> bool:
        """Return True: an undecided verdict claims nothing."""
        return True

    def details(self) -> list[str]:
        return [self.reason]

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "reason": self.reason}
