"""Every error that a user of ``hamsym`` or ``learn`` can meet.

All derive from :class:`HamsymError`, so ``except HamsymError`` catches what is the input's fault
and lets programming errors through.  A message names what was wrong, where, and the remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class HamsymError(Exception):
    """Base of all errors that hamsym raises on purpose."""


class FormulaError(HamsymError, ValueError):
    """A formula was refused.

    Arguments:
        message: what is wrong and what to write instead.
        text: the formula as it was given, if it came as text.
        position: 0-based character position in ``text`` where the trouble starts.
    """

    def __init__(self, message: str, text: str | None = None, position: int | None = None) -> None:
        self.text = text
        self.position = position
        super().__init__(message if position is None else f"{message} (at character {position + 1})")


class SpaceError(HamsymError, ValueError):
    """The names, sizes or assumptions of a phase space do not fit together."""


class UndecidedError(HamsymError):
    """A verdict that is neither proved nor refuted was used as a truth value."""


class NotSeparableError(HamsymError, ValueError):
    """A method that needs H = K(p) + U(q) was given a Hamiltonian that is not of that form."""


class ShapeError(HamsymError, ValueError):
    """An array has the wrong shape."""


class ParameterError(HamsymError, ValueError):
    """A numeric argument or a named parameter is missing, unknown or out of range."""


class NonFiniteError(HamsymError, ArithmeticError):
    """A computation left the finite numbers.

    Arguments:
        message: which trajectory, at which time, with which parameters.
        index: the trajectory or batch index where it was first seen, if there is one.
        time: the time at which it was first seen, if there is one.

    Attributes:
        partial: everything that was computed, for example the trajectories, or None.
    """

    partial: Any = None

    def __init__(self, message: str, index: int | None = None, time: float | None = None) -> None:
        self.index = index
        self.time = time
        super().__init__(message)


class SamplingError(HamsymError):
    """A Monte Carlo run could not give samples that deserve the name."""


class CheckpointError(HamsymError, ValueError):
    """A saved model is missing, truncated, of another version, or not what it says it is."""


class DatasetError(HamsymError, ValueError):
    """A data set is missing, incomplete, damaged, of another spec, or cannot be written."""


class SymmetryError(HamsymError, ValueError):
    """A symmetry was asked for that the generators or the method at hand cannot give."""


class LegendreError(HamsymError, ValueError):
    """A Legendre transform does not exist, or is not known in closed form.

    Arguments:
        message: what is wrong and what to do instead.
        null_vector: variable -> component of a direction in which the second derivatives vanish, if there is one.
    """

    def __init__(self, message: str, null_vector: Mapping[Any, Any] | None = None) -> None:
        self.null_vector = null_vector
        super().__init__(message)


class NotCanonicalError(HamsymError, ValueError):
    """A change of variables does not keep the Poisson bracket.

    Arguments:
        message: which bracket is wrong, where, and what to do instead.
        verdict: the verdict on every bracket.
    """

    def __init__(self, message: str, verdict: Any = None) -> None:
        self.verdict = verdict
        super().__init__(message)


class ProcessError(HamsymError, RuntimeError):
    """Another process of the same work failed, and with it the work of this one; its own message says why."""


class MissingExtraError(HamsymError, ImportError):
    """A package that an optional part needs is not installed; the message names the extra that brings it."""


class UnknownNameError(HamsymError, KeyError):
    """A name was looked up that the catalogue does not have."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the message in quotes


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or a list of what is known.

    Example:
        >>> did_you_mean("q11", ["q1", "p1"])
        "; did you mean 'q1'?"
        >>> did_you_mean("zz", ["q1", "p1"])
        '; known: p1, q1'
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"; known: {shown}"
