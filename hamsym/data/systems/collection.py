"""The catalogue itself: all systems by name, with a table of what there is."""

from __future__ import annotations

import html

from hamsym.data.catalogue import Catalogue
from hamsym.data.systems import (
    chains,
    fields,
    kepler,
    many_body,
    oscillators,
    particles,
    pendula,
    plane,
    relativity,
    rigid_bodies,
    sphere,
    trapped,
    wells,
)
from hamsym.data.systems.family import Family
from hamsym.data.systems.system import System


class Systems(Catalogue[System]):
    """Names to systems, each built when it is first asked for.

    Example:
        >>> systems["kepler"].dof, "toda" in systems
        (2, True)
        >>> systems["nbody"](n=4, d=2).dof
        8
    """

    def __init__(self, families: list[Family]) -> None:
        super().__init__("system", {family.name: family for family in families})

    def _rows(self) -> list[tuple[str, ...]]:
        head = ("name", "dof", "integrals", "independent", "what it is")
        return [
            head,
            *((s.title, str(s.dof), str(len(s.labels)), str(s.rank), s.about) for s in self.values()),
        ]

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max(len(row[c]) for row in rows) for c in range(4)]
        lines = (
            "  ".join([*(f"{x:<{w}}" for x, w in zip(row, widths, strict=False)), row[4]]) for row in rows
        )
        return f"{len(self)} systems\n" + "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        titles = "".join(f"<th>{html.escape(t)}</th>" for t in head)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><caption>{len(self)} systems</caption><tr>{titles}</tr>{body}</table>"


#: The systems by name.
systems: Systems = Systems(
    [
        family
        for room in (
            oscillators,
            wells,
            kepler,
            pendula,
            plane,
            chains,
            trapped,
            many_body,
            particles,
            fields,
            sphere,
            relativity,
            rigid_bodies,
        )
        for family in vars(room).values()
        if isinstance(family, Family)
    ]
)
