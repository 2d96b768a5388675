"""Product groups that act on data: factors, their elements, and the proof that factors commute.

Source: Higgins et al., arXiv 1812.02230 (2018), section 3: G = G₁ × … × Gₙ acts on the states of the world.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from hamsym.arguments import real, shown
from hamsym.errors import NonFiniteError, ParameterError, ShapeError, SymmetryError
from hamsym.symbolic.bracket import is_zero, poisson_bracket
from hamsym.symbolic.symmetry.flows import LinearFlow
from hamsym.symbolic.symmetry.generator import Generator
from hamsym.symbolic.zero_test.verdict import Verdict

#: A one-parameter group on data: (ε, rows) ↦ rows.
Move: TypeAlias = Callable[[float, np.ndarray], np.ndarray]
#: Rounds through the generators of a factor that do not commute, so that its elements are no special products.
_ROUNDS = 2
MAX_ELEMENTS = 10**4


class FiniteMap:
    """The finite map of a generator on rows (q, p), or on rows q where it moves coordinates by coordinates alone.

    Arguments:
        generator: of a phase space; its finite map must have a closed form.

    Example:
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> turn = FiniteMap(angular_momentum(PhaseSpace.standard(2), 0, 1))
        >>> turn(np.pi / 2, np.array([[1.0, 0.0]])).round(12)
        array([[0., 1.]])
    """

    def __init__(self, generator: Generator) -> None:
        self.generator, self._name = generator, "epsilon"
        while self._name in {s.name for s in generator.space.variables} | set(generator.space.parameters):
            self._name += "_"
        self._flow = generator.flow(self._name)
        # an element moves many sets of rows; the numbers of its matrix are found from formulas, once
        self._arrays = lru_cache(maxsize=1024)(lambda epsilon: self._flow.arrays({self._name: epsilon}))
        self._on_points = generator.is_point_action

    def __call__(self, epsilon: float, rows: np.ndarray) -> np.ndarray:
        n = len(self.generator.space.coordinates)
        if rows.ndim == 2 and rows.shape[1] == 2 * n:
            return self._moved(epsilon, rows)
        if rows.ndim == 2 and rows.shape[1] == n and self._on_points:
            return self._moved(epsilon, np.concatenate([rows, np.zeros_like(rows)], -1))[:, :n]
        what = f"{2 * n} or {n}" if self._on_points else f"{2 * n}"
        raise ShapeError(
            f"g = {self.generator.text} moves rows of {what} numbers, not an array of shape {rows.shape}"
        )

    def _moved(self, epsilon: float, states: np.ndarray) -> np.ndarray:
        if isinstance(self._flow, LinearFlow):
            matrix, offset = self._arrays(epsilon)
            return np.asarray(states @ matrix.T + offset)
        q, p = np.split(states, 2, axis=-1)
        return np.concatenate(self._flow(q, p, {self._name: epsilon}), -1)


@dataclass(frozen=True)
class Factor:
    """One factor of a product group: the one-parameter groups that make it, and how far elements are drawn.

    Attributes:
        name: for tables.
        moves: callables (ε, rows) ↦ rows, each with move(ε + ε′) = move(ε)∘move(ε′).
        extents: for each move, the ε that are drawn are uniform in ±extent.
        generators: where the moves come from, if from hamsym.

    Raises:
        ParameterError: if there is no move, one cannot be called, or extents are no positive numbers, one for each.

    Example:
        >>> Factor("scale", (lambda e, x: np.exp(e) * x,), (1.0,)).name
        'scale'
    """

    name: str
    moves: tuple[Move, ...]
    extents: tuple[float, ...]
    generators: tuple[Generator, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.moves, Sequence) or not isinstance(self.extents, Sequence):
            raise ParameterError(
                f"the factor {shown(self.name)} has its moves and extents in tuples of one length"
            )
        if not self.moves or not all(callable(move) for move in self.moves):
            raise ParameterError(
                f"the factor {shown(self.name)} needs at least one callable (ε, rows) ↦ rows"
            )
        if len(self.extents) != len(self.moves):
            raise ParameterError(
                f"the factor {shown(self.name)} has {len(self.moves)} moves and {len(self.extents)} extents"
            )
        object.__setattr__(self, "extents", tuple(real("extent", e, above=0) for e in self.extents))

    @classmethod
    def of(cls, generators: Any, *, extent: float = math.pi) -> Factor:
        """Return the factor that hamsym generators make.

        Arguments:
            generators: one, or several that need not commute, as those of rotations of space.
            extent: of each group parameter; π reaches every element of a rotation of unit speed.

        Raises:
            SymmetryError: if something else is given, or the finite map of one has no closed form.

        Example:
            >>> from hamsym import PhaseSpace, angular_momentum
            >>> Factor.of(angular_momentum(PhaseSpace.standard(2), 0, 1)).name
            '-p1*q2 + p2*q1'
        """
        listed = _listed(generators)
        name = ", ".join(g.text for g in listed)
        return cls(name, tuple(map(FiniteMap, listed)), (extent,) * len(listed), listed)


@dataclass(frozen=True)
class Element:
    """A group element as a word: letters (factor, move, ε), the last one acting first; neighbours that can are merged.

    Example:
        >>> g = Element(((0, 0, 0.5),))
        >>> (g @ g).letters, (g.inverse @ g).letters
        (((0, 0, 1.0),), ((0, 0, 0.0),))
    """

    letters: tuple[tuple[int, int, float], ...] = ()

    @property
    def inverse(self) -> Element:
        """The element that undoes this one."""
        return Element(tuple((f, m, -e) for f, m, e in reversed(self.letters)))

    def __matmul__(self, other: Element) -> Element:
        letters = list(self.letters)
        for f, m, e in other.letters:
            if letters and letters[-1][:2] == (f, m):
                letters[-1] = (f, m, letters[-1][2] + e)
            else:
                letters.append((f, m, e))
        return Element(tuple(letters))


class ProductGroup:
    """A direct product G₁ × … × Gₙ with its action on data.

    Arguments:
        factors: at least one.

    Attributes:
        factors: as given.
        proofs: verdicts of {g, h} = 0 for generators g, h of different factors; empty for factors from callables,
            whose commutation the third test measures.

    Raises:
        ParameterError: if there is none, or one is no Factor.

    Example:
        >>> from hamsym import PhaseSpace, angular_momentum
        >>> space = PhaseSpace.standard(4)
        >>> group = ProductGroup.of(angular_momentum(space, 0, 1), angular_momentum(space, 2, 3))
        >>> len(group.factors), [verdict.status for verdict in group.proofs]
        (2, ['proved'])
    """

    def __init__(self, factors: Iterable[Factor], proofs: Sequence[Verdict] = ()) -> None:
        if not isinstance(factors, Iterable):
            raise ParameterError(f"a product group is made of at least one Factor, not {shown(factors)}")
        self.factors, self.proofs = tuple(factors), tuple(proofs)
        if not self.factors or not all(isinstance(f, Factor) for f in self.factors):
            raise ParameterError("a product group is made of at least one Factor")

    @classmethod
    def of(cls, *parts: Any, extent: float = math.pi, budget: float = 10.0) -> ProductGroup:
        """Return the product group of generators: parts whose brackets do not vanish are put into one factor.

        {g, h} = 0 makes the flows of g and h commute, and is proved for every pair of different factors.

        Arguments:
            parts: each a hamsym generator, or several that are to make one factor.
            extent: of each group parameter.
            budget: seconds for each bracket.

        Raises:
            SymmetryError: if something else is given, none at all, or generators of different spaces.
            UndecidedError: if a bracket is not decided within the budget.

        Example:
            >>> from hamsym import PhaseSpace, angular_momentum, translation
            >>> space = PhaseSpace.standard(3)
            >>> turn, along, across = angular_momentum(space, 0, 1), translation(space, 2), translation(space, 0)
            >>> [len(f.generators) for f in ProductGroup.of(turn, along).factors]
            [1, 1]
            >>> [len(f.generators) for f in ProductGroup.of(turn, along, across).factors]
            [2, 1]
        """
        sets = [_listed(part) for part in parts]
        if not sets or len({g.space for part in sets for g in part}) > 1:
            raise SymmetryError("a product group is made of generators of one phase space, at least one")
        verdicts: dict[tuple[Generator, Generator], Verdict] = {}
        merged: list[list[Generator]] = []
        for part in sets:
            joined, apart = list(part), []
            for other in merged:
                pairs = {
                    (a, b): is_zero(poisson_bracket(a, b, a.space), a.space, budget)
                    for a in other
                    for b in part
                }
                verdicts |= pairs
                # a set: bool is asked of all of them, and raises where one is undecided
                if {bool(verdict) for verdict in pairs.values()} == {True}:
                    apart.append(other)
                else:
                    joined = [*other, *joined]
            merged = [*apart, joined]
        first = [g for part in sets for g in part]
        merged.sort(key=lambda members: min(map(first.index, members)))
        of = {g: k for k, members in enumerate(merged) for g in members}
        proofs = [verdict for (a, b), verdict in verdicts.items() if of[a] != of[b]]
        return cls((Factor.of(members, extent=extent) for members in merged), proofs)

    def draw(self, factor: int, random: np.random.Generator) -> Element:
        """Return a random element of one factor: every move of it by a parameter uniform in ±extent."""
        made = self.factors[factor]
        rounds = 1 if len(made.moves) == 1 else _ROUNDS
        letters = (
            (factor, m, float(random.uniform(-e, e)))
            for _ in range(rounds)
            for m, e in enumerate(made.extents)
        )
        return Element(tuple(letters))

    def draw_jointly(self, random: np.random.Generator) -> Element:
        """Return a random element of the whole group, the product of one of each factor."""
        element = Element()
        for k in range(len(self.factors)):
            element = element @ self.draw(k, random)
        return element

    def act(self, element: Element, rows: np.ndarray) -> np.ndarray:
        """Return the rows that an element moves the given ones to.

        Raises:
            ShapeError: if a move returns another shape.
            NonFiniteError: if a row leaves the finite numbers.

        Example:
            >>> group = ProductGroup([Factor("shift", (lambda e, x: x + e,), (1.0,))])
            >>> group.act(Element(((0, 0, 0.5),)), np.zeros((1, 2)))
            array([[0.5, 0.5]])
        """
        for f, m, e in reversed(element.letters):
            moved = np.asarray(self.factors[f].moves[m](e, rows), dtype=np.float64)
            if moved.shape != rows.shape:
                raise ShapeError(
                    f"the factor {self.factors[f].name} turns rows of shape {rows.shape} into {moved.shape}"
                )
            if not np.isfinite(moved).all():
                raise NonFiniteError(
                    f"the factor {self.factors[f].name} moves a row by {e:.3g} out of the finite numbers"
                )
            rows = moved
        return rows

    def __repr__(self) -> str:
        return "ProductGroup(" + " × ".join(f"⟨{f.name}⟩" for f in self.factors) + ")"


def _listed(generators: Any) -> tuple[Generator, ...]:
    listed = (generators,) if isinstance(generators, Generator) else generators
    if isinstance(listed, (list, tuple)) and listed and all(isinstance(g, Generator) for g in listed):
        return tuple(listed)
    raise SymmetryError(
        f"a factor is made of hamsym.Generator objects, at least one, not of {shown(generators)}"
    )
