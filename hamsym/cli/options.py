"""Options that several commands share, and the Hamiltonian or the space that they describe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hamsym.errors import FormulaError, ParameterError

if TYPE_CHECKING:
    from hamsym.data.systems import System as CatalogueSystem
    from hamsym.symbolic.hamiltonian import Hamiltonian
    from hamsym.symbolic.space import Space

Coordinates = Annotated[
    str | None, typer.Option("-q", "--coordinates", help="Names of the coordinates, 'q1 q2'.")
]
Momenta = Annotated[
    str | None, typer.Option("-p", "--momenta", help="Names of the momenta, in the same order.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", help="A parameter and its assumption: m=positive or k=real."),
]
Functions = Annotated[
    list[str] | None, typer.Option("--function", help="An undefined function and its arity: V=1.")
]
Time = Annotated[str | None, typer.Option("--time", help="Name of the explicit time variable.")]
Bracket = Annotated[
    str | None,
    typer.Option(help="A Lie–Poisson bracket, so3 or e3, on L1 L2 L3 (g1 g2 g3) or the names of -q."),
]
SystemName = Annotated[
    str | None, typer.Option("--system", help="A system of the catalogue in place of a formula.")
]
Size = Annotated[
    int | None, typer.Option("--size", help="Size of the --system, where it has one (bodies, sites).")
]
Budget = Annotated[
    float, typer.Option(help="Seconds to spend before the answer is 'undecided' or 'incomplete'.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

#: Names of the variables of the Lie–Poisson brackets when -q does not give others.
_ROTOR_NAMES = {"so3": "L1 L2 L3", "e3": "L1 L2 L3 g1 g2 g3"}

#: Of names inferred from subscripts: numbers that are looked at, the largest multiple of them, and the most sites.
_NUMBERS, _MULTIPLE, _MOST_SITES = 1000, 4, 100_000


@dataclass(frozen=True)
class Declared:
    """What the options of one command say about the space and the Hamiltonian."""

    coordinates: str | None = None
    momenta: str | None = None
    parameter: list[str] | None = None
    function: list[str] | None = None
    time: str | None = None
    bracket: str | None = None
    system: str | None = None
    size: int | None = None

    def catalogue_system(self) -> CatalogueSystem | None:
        """Return the system of the catalogue, in its size, if --system was given."""
        import hamsym as hs

        if self.system is None:
            if self.size is not None:
                raise ParameterError("--size is the size of a --system; name one, for example --system toda")
            return None
        if any(
            (self.coordinates, self.momenta, self.parameter, self.function, self.time, self.bracket),
        ):
            raise ParameterError(
                "--system brings its own names; leave out -q, -p, --parameter, --function, --time, --bracket"
            )
        system = hs.systems[self.system]
        return system if self.size is None else system(n=self.size)

    def hamiltonian_and_rest(
        self, formulas: list[str], rest: int, rest_name: str, values: list[str] | None = None
    ) -> tuple[Hamiltonian, list[str]]:
        """Return the Hamiltonian, from a formula or the catalogue, and the formulas that follow it."""
        import hamsym as hs

        system = self.catalogue_system()
        if len(formulas) != rest + (system is None):
            wanted = (["HAMILTONIAN"] if system is None else []) + [rest_name] * rest
            raise ParameterError(
                f"{len(formulas)} formula(s) given where {' '.join(wanted) or 'no formula'} is expected"
            )
        if system is not None:
            return system.hamiltonian, formulas
        return hs.Hamiltonian(formulas[0], self.space(formulas, values)), formulas[1:]

    def space(self, formulas: list[str], values: list[str] | None = None) -> Space:
        """Return the space that the options declare; without names it is inferred from the formulas."""
        import hamsym as hs

        parameters = assignments(self.parameter, "--parameter", str)
        for name in assignments(values, "--set", float):
            parameters.setdefault(name, "real")
        options: dict[str, Any] = {
            "parameters": parameters,
            "functions": assignments(self.function, "--function", int),
            "time": self.time,
        }
        if self.bracket is not None:
            if self.momenta is not None:
                raise ParameterError(
                    "a Lie–Poisson space has no momenta; leave out -p, or leave out --bracket"
                )
            names = self.coordinates or _ROTOR_NAMES.get(
                self.bracket.replace("(", "").replace(")", ""), "L1 L2 L3"
            )
            return hs.LiePoissonSpace(names, self.bracket, **options)
        if self.coordinates is not None or self.momenta is not None:
            if self.coordinates is None or self.momenta is None:
                raise ParameterError("give both -q and -p, or neither to use q1 q2 … and p1 p2 …")
            return hs.PhaseSpace(self.coordinates, self.momenta, **options)
        if any("[" in text for text in formulas):
            return _standard_space(formulas, options)
        indices = [
            int(n)
            for text in formulas
            for n in re.findall(r"(?<![A-Za-z0-9_])[qp]([1-9]\d{0,3})(?!\w)", text)
        ]
        if not indices and any(re.search(r"(?<!\w)[qp](?!\w)", text) for text in formulas):
            return hs.PhaseSpace("q", "p", **options)
        if not indices:
            raise FormulaError(
                "the formulas use neither q1… nor p1…; name the variables with -q 'x y' -p 'px py'"
            )
        return hs.PhaseSpace.standard(max(indices), **options)


def _standard_space(formulas: list[str], options: dict[str, Any]) -> Space:
    """Return the space q1…qn, p1…pn with the largest number that the formulas and their subscripts reach."""
    import hamsym as hs
    from hamsym.symbolic.sums import used_symbols

    # Subscripts are small multiples of indices, whose limits stand in the text; what goes further has to be declared.
    largest = max(int(n) for text in formulas for n in re.findall(r"\d+", text + " 1")[:_NUMBERS])
    ample = hs.PhaseSpace.standard(min(_MULTIPLE * largest, _MOST_SITES), **options)
    used = set().union(*(used_symbols(ample.parse(text), ample.families) for text in formulas))
    reached = [
        n for n, pair in enumerate(zip(ample.coordinates, ample.momenta, strict=True), 1) if used & set(pair)
    ]
    if not reached:
        raise FormulaError(
            "the formulas use neither q[…] nor p[…]; name the variables with -q 'x1 x2' -p 'px1 px2'"
        )
    return hs.PhaseSpace.standard(max(reached), **options)


def assignments(texts: list[str] | None, option: str, kind: type) -> dict[str, Any]:
    """Return what is given as NAME=VALUE, each value of one kind."""
    found = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        try:
            if not equals or not name:
                raise ValueError
            found[name.strip()] = kind(value.strip())
        except ValueError:
            example = {"--parameter": "m=positive", "--function": "V=1"}.get(option, "m=1.0")
            raise ParameterError(f"{option} {text!r} is not of the form {example}") from None
    return found


def whole_numbers(text: str | None, option: str) -> list[int] | None:
    """Return a list of natural numbers from text such as '1 1 2'."""
    if text is None:
        return None
    words = text.replace(",", " ").split()
    if not words or not all(w.isdecimal() and w.isascii() and len(w) < 10 for w in words):
        raise ParameterError(f"{option} {text!r} is not a list of natural numbers such as '1 1 2'")
    return [int(w) for w in words]
