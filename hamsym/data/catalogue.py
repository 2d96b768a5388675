"""A read-only mapping of names to things that are built when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from hamsym.errors import UnknownNameError, did_you_mean

Entry = TypeVar("Entry")


class Catalogue(Mapping[str, Entry], Generic[Entry]):
    """Names to entries; each entry is built once, on first use.

    Arguments:
        kind: what an entry is, in one word, for messages.
        builders: name to a function without arguments.

    Example:
        >>> numbers = Catalogue("number", {"one": lambda: 1, "two": lambda: 2})
        >>> numbers["two"], sorted(numbers)
        (2, ['one', 'two'])
    """

    def __init__(self, kind: str, builders: Mapping[str, Callable[[], Entry]]) -> None:
        self._kind, self._builders, self._built = kind, dict(builders), dict[str, Entry]()

    def __getitem__(self, name: str) -> Entry:
        if name not in self._builders:
            hint = did_you_mean(str(name), self._builders)
            raise UnknownNameError(f"there is no {self._kind} called {name!r}{hint}")
        if name not in self._built:
            self._built[name] = self._builders[name]()
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in self._builders

    def __iter__(self) -> Iterator[str]:
        return iter(self._builders)

    def __len__(self) -> int:
        return len(self._builders)

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind}s: {', '.join(self)}>"
