"""Numbers that a spec gives as a value or as a distribution: ``2.0``, ``{"uniform": [0, 1]}``, ``{"choice": [1, 2]}``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hamsym.arguments import real, shown
from hamsym.errors import ParameterError, did_you_mean

#: What the numbers of each kind of distribution mean.
KINDS = {
    "uniform": "[low, high]",
    "normal": "[mean, standard deviation]",
    "loguniform": "[low, high], both positive",
    "choice": "[value, value, …]",
}


@dataclass(frozen=True)
class Distribution:
    """A constant, or a distribution from which each trajectory draws its own number.

    Attributes:
        kind: ``"constant"`` or one of uniform, normal, loguniform, choice.
        numbers: its numbers, as :data:`KINDS` says.

    Example:
        >>> k = Distribution.of("k", {"uniform": [1, 2]})
        >>> k.is_constant, bool(1 <= k.draw(np.random.default_rng(0), 1)[0] < 2)
        (False, True)
    """

    kind: str
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, name: str, given: Any) -> Distribution:
        """Return the distribution that a spec gives as a number or as a mapping of its kind to its numbers.

        Arguments:
            name: what it is the value of, for messages.
            given: a number, ``{"uniform": [low, high]}``, ``{"normal": [mean, sd]}``, ``{"loguniform": [low, high]}``
                or ``{"choice": [a, b, c]}``.

        Raises:
            ParameterError: if it is neither; names the kind that was meant.
        """
        if not isinstance(given, Mapping):
            return cls("constant", (real(name, given),))
        if len(given) != 1:
            raise ParameterError(
                f"{name} has one distribution, such as {{'uniform': [0, 1]}}, not {shown(given)}"
            )
        ((kind, numbers),) = given.items()
        if kind not in KINDS:
            raise ParameterError(f"{name} has no distribution {kind!r}{did_you_mean(str(kind), KINDS)}")
        if not isinstance(numbers, Sequence) or isinstance(numbers, str) or len(numbers) == 0:
            raise ParameterError(f"{name}: {kind} is given as {KINDS[kind]}, not {shown(numbers)}")
        values = tuple(real(f"{name}: {kind}", v) for v in numbers)
        ordered = kind == "choice" or (
            len(values) == 2 and {"normal": values[-1] >= 0}.get(kind, values[0] <= values[-1])
        )
        if (
            not ordered
            or (kind == "loguniform" and values[0] <= 0)
            or not math.isfinite(values[-1] - values[0])
        ):
            raise ParameterError(f"{name}: {kind} is given as {KINDS[kind]}, not {shown(list(values))}")
        return cls(kind, values)

    @property
    def is_constant(self) -> bool:
        """Whether every trajectory gets the same number."""
        return self.kind == "constant"

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n numbers, float64, shape ``(n,)``; a constant uses no randomness."""
        a, b = self.numbers[0], self.numbers[-1]
        match self.kind:
            case "uniform":
                return rng.uniform(a, b, n)
            case "normal":
                return rng.normal(a, b, n)
            case "loguniform":
                return np.exp(rng.uniform(math.log(a), math.log(b), n))
            case "choice":
                return np.array(self.numbers)[rng.integers(len(self.numbers), size=n)]
        return np.full(n, a)

    def to_dict(self) -> Any:
        """Return it as a spec gives it, in types that JSON knows."""
        return self.numbers[0] if self.is_constant else {self.kind: list(self.numbers)}
