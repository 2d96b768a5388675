"""How a basis of integrals looks: a headline, the integrals in natural order, and the special cases."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.integrals.ansatz import Ansatz
from hamsym.symbolic.integrals.natural import Natural
from hamsym.symbolic.integrals.scope import in_words
from hamsym.symbolic.space import Space

#: Integrals that a notebook or terminal shows, and seconds that it may spend on the rank.
SHOWN, DISPLAY_SECONDS = 40, 2.0


class Display(ABC):
    """Representations of a basis of integrals."""

    space: Space
    dimension: int
    complete: bool
    reason: str
    integrals: Any
    jumps: Any
    jumps_reason: Any
    ansatz: Ansatz
    hint: Any

    @abstractmethod
    def _rank_within(self, seconds: float) -> tuple[int, bool]:
        """Return the rank that is found in so much time, and whether it was shown to be no larger."""

    def _headline(self, rank: str = "", *, latex: bool = False) -> str:
        complete = "complete" if self.complete else "perhaps not complete"
        among = in_words(self.ansatz, latex=latex)
        return f"{self.dimension} integral{'s' * (self.dimension != 1)}, {rank}{complete} among {among}"

    def _shown_rank(self) -> str:
        """Return the rank as far as it is known within seconds."""
        found = self._rank_within(DISPLAY_SECONDS)
        return f"rank {'' if found[1] else 'at least '}{found[0]}, "

    def _after(self) -> Iterator[str]:
        if self.dimension > SHOWN:
            yield f"… and {self.dimension - SHOWN} more"
        yield from (f"special values: {case}" for case in self.jumps)
        if self.jumps_reason:
            yield f"perhaps more special values: {self.jumps_reason}"
        if self.hint:
            yield self.hint

    def __str__(self) -> str:
        write, head = Natural(self.space), self._headline(self._shown_rank())
        rows = [f"  {shorten(write.text(e))}" for e in self.integrals[:SHOWN]]
        return "\n".join([head if self.complete else f"{head}: {self.reason}", *rows, *self._after()])

    def __repr__(self) -> str:
        return f"<IntegralBasis: {self._headline()}>"

    def _repr_html_(self) -> str:
        write, head = Natural(self.space), self._headline(self._shown_rank())
        rows = "".join(
            f"<tr><td>{k}</td><td style='text-align:left'>$\\displaystyle {write.latex(e)}$</td></tr>"
            for k, e in enumerate(self.integrals[:SHOWN], 1)
        )
        after = "".join(f"<p>{html.escape(line)}</p>" for line in self._after())
        return f"<p><b>{html.escape(head)}</b> <small>({html.escape(self.reason)})</small></p><table>{rows}</table>{after}"

    def _repr_latex_(self) -> str:
        write = Natural(self.space)
        rows = [f"&{write.latex(e)}" for e in self.integrals[:SHOWN]]
        head = rf"&\text{{{self._headline(self._shown_rank(), latex=True)}}}"
        return r"$$\begin{aligned}" + r" \\ ".join([head, *rows]) + r"\end{aligned}$$"
