"""One system of the catalogue: a Hamiltonian with everything that is known, and proved, about it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import sympy as sp

from hamsym.arguments import integer
from hamsym.errors import ParameterError
from hamsym.numeric.codegen import parameter_values
from hamsym.symbolic.formula.text import shorten, to_text
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.space import Space

if TYPE_CHECKING:
    from hamsym.symbolic.symmetry.generator import Generator

States: TypeAlias = tuple[np.ndarray, np.ndarray]
#: How many states, a source of randomness, the value of each parameter: to q and p.
Draw: TypeAlias = Callable[[int, np.random.Generator, dict[str, float]], States]

ENERGY = "energy"
#: Of a longer sum, only so many terms are shown.
_SHOWN_TERMS = 40


@dataclass(frozen=True)
class Facts:
    """What a room of the catalogue writes down about a system.

    Attributes:
        space: its phase space.
        energy: the Hamiltonian, as text or expression.
        parameters: usual value of each parameter, by name.
        source: where it is from.
        draw: makes initial states.
        known: further first integrals: what it is in words, to its formula.
        rank: how many of the integrals, the energy included, are functionally independent.
        involution: those that commute with one another, by their words.
        casimirs: those that commute with everything, by their words.
    """

    space: Space
    energy: str | sp.Expr
    parameters: dict[str, float]
    source: str
    draw: Draw
    known: Mapping[str, str | sp.Expr] = field(default_factory=dict)
    rank: int = 1
    involution: tuple[str, ...] = (ENERGY,)
    casimirs: tuple[str, ...] = ()


class System:
    """A Hamiltonian system with what is known about it; look one up in :data:`hamsym.systems`.

    Attributes:
        name: its name in the catalogue.
        about: what it is, in a line.
        size: its size by name, for example ``{"n": 3}``; empty for systems that come in one size.
        parameters: usual value of each parameter, by name.
        source: where it is from.
        labels: what each integral is, in words, in the order of :attr:`integrals`.
        rank: how many of the integrals are functionally independent.
        involution: labels of integrals that Poisson-commute with one another, as many as are claimed to.
        casimirs: labels of those that commute with every function (Lie–Poisson spaces only).

    Example:
        >>> from hamsym import systems
        >>> kepler = systems["kepler"]
        >>> kepler.integrals[1].expr
        -p1*q2 + p2*q1
        >>> kepler.labels[1], kepler.rank, kepler.is_superintegrable
        ('angular momentum', 3, True)
        >>> q, p = kepler.initial_states(5, seed=1)
        >>> q.shape, p.shape
        ((5, 2), (5, 2))
    """

    def __init__(
        self, name: str, about: str, facts: Facts, size: dict[str, int], resize: Callable[..., System]
    ) -> None:
        self.name, self.about, self.size = name, about, size
        self.parameters, self.source = dict(facts.parameters), facts.source
        self.labels = (ENERGY, *facts.known)
        self.rank, self.involution, self.casimirs = facts.rank, facts.involution, facts.casimirs
        self._facts, self._resize = facts, resize

    def __reduce__(self) -> tuple[object, ...]:
        """Travel by family and size, and be found again in the catalogue."""
        return _resized, (self._resize, self.size)

    def __call__(self, *unnamed: object, **size: int) -> System:
        """Return the same kind of system in another size.

        Raises:
            ParameterError: if it comes in one size only, or the size is unknown or out of range.

        Example:
            >>> from hamsym import systems
            >>> systems["toda"](n=5).dof
            5
        """
        if unnamed:
            raise ParameterError(f"sizes are given by name, for example n={unnamed[0]!r}")
        return self._resize(**size)

    @property
    def space(self) -> Space:
        """The phase space."""
        return self._facts.space

    @cached_property
    def hamiltonian(self) -> Hamiltonian:
        """The Hamiltonian."""
        return Hamiltonian(self._facts.energy, self.space)

    @property
    def potential(self) -> sp.Expr:
        """U(q) of H = K(p) + U(q).

        Raises:
            NotSeparableError: if H is not of that form.
        """
        return self.hamiltonian.potential

    @cached_property
    def integrals(self) -> tuple[Generator, ...]:
        """The known first integrals as generators, the energy first."""
        from hamsym.symbolic.symmetry.generator import Generator

        known = (Generator(formula, self.space) for formula in self._facts.known.values())
        return Generator(self.hamiltonian.written, self.space), *known

    def integral(self, label: str) -> Generator:
        """Return an integral by its label.

        Raises:
            ParameterError: if there is none with this label.

        Example:
            >>> from hamsym import systems
            >>> systems["stark_kepler"].integral("angular momentum about the field").expr
            -p1*q2 + p2*q1
        """
        if label not in self.labels:
            raise ParameterError(f"{self.name} lists no {label!r}; it has {', '.join(self.labels)}")
        return self.integrals[self.labels.index(label)]

    @property
    def dof(self) -> int:
        """Degrees of freedom: half the dimension of the phase space, or of a level of all Casimirs."""
        return (len(self.space.variables) - len(self.casimirs)) // 2

    @property
    def is_integrable(self) -> bool | None:
        """True where the integrals listed show it integrable in Liouville's sense; None where they do not show it.

        Source: Arnold, Mathematical Methods of Classical Mechanics, section 49.
        """
        return len(self.involution) == self.dof + len(self.casimirs) or None

    @property
    def is_superintegrable(self) -> bool | None:
        """True where the integrals listed show it integrable with more independent ones than degrees of freedom.

        None says that they do not show it; there may be more integrals than are listed.
        """
        return (self.is_integrable and self.rank - len(self.casimirs) > self.dof) or None

    @property
    def is_maximally_superintegrable(self) -> bool | None:
        """True where 2n - 1 independent integrals are listed for n degrees of freedom, the most there can be.

        None says that fewer are listed, not that there are fewer: of the five of three Calogero particles in the
        literature, four are listed.

        Example:
            >>> from hamsym import systems
            >>> systems["kepler"].is_maximally_superintegrable, systems["calogero"].is_maximally_superintegrable
            (True, None)
        """
        return (self.is_superintegrable and self.rank - len(self.casimirs) == 2 * self.dof - 1) or None

    def initial_states(
        self, n: int, seed: int = 0, *, parameters: Mapping[str, float] | None = None
    ) -> States:
        """Draw typical initial states; bound motion where the system has it.

        Arguments:
            n: how many.
            seed: the same seed gives the same bytes.
            parameters: values in place of the usual ones.

        Returns:
            q and p, float64, shape ``(n, dof)``; on a Lie–Poisson space q holds all coordinates and p none.

        Raises:
            ParameterError: if n is no positive or seed no natural number, or a parameter does not fit.

        Example:
            >>> from hamsym import systems
            >>> q, p = systems["pendulum"].initial_states(3, seed=2)
            >>> q.shape, bool((p == 0).all())
            ((3, 1), True)
        """
        rng = np.random.default_rng(integer("seed", seed))
        values = parameter_values(self.space, {**self.parameters, **(parameters or {})}, used=[])
        return self._facts.draw(integer("n", n, minimum=1), rng, values)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the initial states as text and numbers, ready for JSON."""
        return {
            "name": self.name,
            "about": self.about,
            "size": dict(self.size),
            "dof": self.dof,
            "hamiltonian": self.hamiltonian.text,
            "coordinates": [s.name for s in self.space.coordinates],
            "momenta": [s.name for s in self.space.momenta],
            "parameters": dict(self.parameters),
            "integrals": {label: g.text for label, g in zip(self.labels, self.integrals, strict=True)},
            "rank": self.rank,
            "involution": list(self.involution),
            "casimirs": list(self.casimirs),
            "source": self.source,
        }

    @property
    def _kind(self) -> str:
        """What the integrals show, in words."""
        freedom = f"{self.dof} degree{'s' * (self.dof > 1)} of freedom"
        independent = f"{len(self.labels)} integral{'s' * (len(self.labels) > 1)}, {self.rank} independent"
        shown = (
            "maximally superintegrable"
            if self.is_maximally_superintegrable
            else "superintegrable"
            if self.is_superintegrable
            else "integrable"
            if self.is_integrable
            else ""
        )
        return ", ".join(part for part in (freedom, independent, shown) if part)

    @property
    def title(self) -> str:
        """Name and size, for example ``toda(n=3)``."""
        return self.name + (f"({', '.join(f'{k}={v}' for k, v in self.size.items())})" if self.size else "")

    def __repr__(self) -> str:
        return f"<system {self.title}: H = {_shown(self.hamiltonian.written, 120)}; {self._kind}>"

    def _repr_latex_(self) -> str:
        some, left_out = _first_terms(self.hamiltonian.written)
        return r"$\displaystyle H = " + sp.latex(some) + r" + \cdots" * left_out + "$"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(label)}</th><td><code>{html.escape(_shown(g.written, 400))}</code></td></tr>"
            for label, g in zip(self.labels, self.integrals, strict=True)
        )
        caption = f"{html.escape(self.title)}: {html.escape(self.about)}; {self._kind}"
        return f"<table><caption>{caption}</caption>{rows}</table><p>{html.escape(self.source)}</p>"


def _first_terms(expr: sp.Expr) -> tuple[sp.Expr, bool]:
    """Return a sum's first terms, and whether any are left out: thousands take seconds to print."""
    terms = sp.Add.make_args(expr)
    return (expr, False) if len(terms) <= _SHOWN_TERMS else (sp.Add(*terms[:_SHOWN_TERMS]), True)


def _resized(family: Callable[..., System], size: Mapping[str, int]) -> System:
    return family(**size)


def _shown(expr: sp.Expr, width: int) -> str:
    """Return a formula's text, cut to so many characters."""
    some, left_out = _first_terms(expr)
    return shorten(to_text(some) + " + …" * left_out, width)
