"""A kind of system in all its sizes, each built once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hamsym.arguments import integer
from hamsym.data.systems.system import Facts, System
from hamsym.errors import ParameterError


@dataclass(frozen=True)
class Size:
    """What a size counts, its default and its bounds."""

    meaning: str
    default: int
    minimum: int = 1
    maximum: int = 1000


class Family:
    """A kind of system by name.

    Arguments:
        name: its name in the catalogue.
        about: what it is, in a line.
        write: makes the facts for given sizes.
        sizes: the sizes it takes, by name; empty if it comes in one.
    """

    def __init__(self, name: str, about: str, write: Callable[..., Facts], sizes: dict[str, Size]) -> None:
        self.name, self.about, self.sizes, self._write = name, about, sizes, write
        self.__module__ = write.__module__  # where the family stands under its name
        self._built: dict[tuple[int, ...], System] = {}

    def __call__(self, **given: int) -> System:
        """Return the system of a size; sizes that are not given keep their default.

        Raises:
            ParameterError: for a size that it does not have or that is out of range.
        """
        for name in given:
            if name not in self.sizes:
                takes = "it takes " + " and ".join(f"{n}=…, the {s.meaning}" for n, s in self.sizes.items())
                known = takes if self.sizes else "it comes in one size only"
                raise ParameterError(f"{self.name} has no size {name!r}; {known}")
        size = {
            name: integer(
                f"{name}, the {s.meaning} of {self.name},",
                given.get(name, s.default),
                minimum=s.minimum,
                maximum=s.maximum,
            )
            for name, s in self.sizes.items()
        }
        key = tuple(size.values())
        if key not in self._built:
            self._built[key] = System(self.name, self.about, self._write(**size), size, self)
        return self._built[key]

    def __reduce__(self) -> str:
        """Travel by name: every process has its own catalogue."""
        return self.name


def entry(about: str, **sizes: Size) -> Callable[[Callable[..., Facts]], Family]:
    """Make a function that writes down the facts a family of the function's name.

    Example:
        >>> from hamsym.data.systems.system import Facts
        >>> @entry("a free particle")
        ... def free_particle() -> Facts: ...
        >>> free_particle.name, free_particle.about
        ('free_particle', 'a free particle')
    """
    return lambda write: Family(write.__name__, about, write, sizes)
