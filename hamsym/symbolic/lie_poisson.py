"""Lie–Poisson spaces: the dual of a Lie algebra, whose linear functions bracket as the algebra does.

Euler's rigid body lives on so(3)*, the heavy top and the Kirchhoff body on e(3)*.  The bracket has the sign of the
algebra, ``{L_1, L_2} = L_3``, so ``dL/dt = {L, H} = Ω × L`` with Ω = ∂H/∂L; Euler's equations in the body's frame,
``dL/dt = L × Ω``, are those of -H.
"""

from __future__ import annotations

import itertools
import numbers
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import sympy as sp

from hamsym.arguments import plural
from hamsym.errors import FormulaError, SpaceError, did_you_mean
from hamsym.symbolic.formula.names import Name, exact_number, shown_names
from hamsym.symbolic.known_algebras import ALGEBRAS, ALIASES, Constants, casimirs
from hamsym.symbolic.space import Space


class LiePoissonSpace(Space):
    """The dual of a Lie algebra with ``{x_i, x_j} = Σ_k c[i][j][k] x_k``.

    Arguments:
        coordinates: names of the linear coordinates x, as text separated by spaces or as a sequence.
        algebra: a name, or structure constants ``c[i][j][k]`` as nested sequences or an array of shape (n, n, n) of
            exact numbers: integers, fractions, decimals (0.1 is 1/10), or text such as ``"1/3"``.  Names:
            ``"so3"`` (``{L_i, L_j} = ε_ijk L_k``), ``"e3"`` (L1 L2 L3 g1 g2 g3; besides ``{L_i, g_j} = ε_ijk g_k``,
            ``{g_i, g_j} = 0``), ``"so4"`` and ``"so31"`` (instead ``{K_i, K_j} = ±ε_ijk L_k``), ``"e2"`` (L g1 g2),
            ``"sl2"`` (h e f; ``{h, e} = 2e``, ``{h, f} = -2f``, ``{e, f} = h``), ``"heisenberg"`` (``{x, y} = z``).
        parameters: name to ``"real"`` or ``"positive"``; a coordinate's name may appear to assume it positive.
        functions: name of an undefined function to its number of arguments.
        time: name of the explicit time variable, or None.

    Attributes:
        algebra: the name of the algebra as listed above, or None for given structure constants.
        momenta: empty; coordinates are not split into pairs.

    Raises:
        SpaceError: for names that clash, a wrong number of coordinates, an unknown algebra, and structure
            constants that are not exact numbers, not antisymmetric or violate the Jacobi identity.

    Source: Marsden, Ratiu, Introduction to Mechanics and Symmetry, chapter 13.

    Example:
        >>> from hamsym import Hamiltonian, verify
        >>> space = LiePoissonSpace("L1 L2 L3", "so3", parameters={"A": "positive", "B": "positive"})
        >>> H = Hamiltonian("L1**2/(2*A) + L2**2/(2*B)", space)
        >>> H.equations()[space.coordinates[2]]
        -L1*L2/B + L1*L2/A
        >>> verify(H, "L1**2 + L2**2 + L3**2").status
        'proved'
    """

    def __init__(
        self,
        coordinates: Name | Sequence[Name],
        algebra: str | Sequence[Sequence[Sequence[object]]],
        *,
        parameters: Mapping[Name, str] | None = None,
        functions: Mapping[str, int] | None = None,
        time: Name | None = None,
    ) -> None:
        super().__init__(coordinates, (), parameters=parameters, functions=functions, time=time)
        if not self.coordinates:
            raise SpaceError(
                "a Lie–Poisson space needs coordinates, for example LiePoissonSpace('L1 L2 L3', 'so3')"
            )
        if isinstance(algebra, str):
            self.algebra: str | None = _algebra_name(algebra)
            usual, self._constants = ALGEBRAS[self.algebra]
            if len(usual.split()) != self.dimension:
                raise SpaceError(
                    f"{self.algebra} has {len(usual.split())} coordinates, for example {usual!r}; "
                    f"{self.dimension} given"
                )
        else:
            self.algebra = None
            self._constants = _read_constants(algebra, self.dimension)
            self._require_lie_algebra()

    @property
    def dimension(self) -> int:
        """Number of coordinates, the dimension of the algebra."""
        return len(self.coordinates)

    @cached_property
    def dof(self) -> int:
        """Degrees of freedom of a generic symplectic leaf: half the rank of the Poisson tensor at generic points.

        Example:
            >>> LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3").dof
            2
        """
        entries = [
            [self.poisson_tensor.get((a, b), sp.S.Zero) for b in self.coordinates] for a in self.coordinates
        ]
        tensor = sp.polys.matrices.DomainMatrix.from_list_sympy(self.dimension, self.dimension, entries)
        return int(tensor.to_field().rank()) // 2

    @property
    def structure_constants(self) -> tuple[tuple[tuple[sp.Rational, ...], ...], ...]:
        """Exact ``c[i][j][k]`` with ``{x_i, x_j} = Σ_k c[i][j][k] x_k``."""
        size = range(self.dimension)
        return tuple(
            tuple(tuple(self._constants.get((i, j, k), sp.S.Zero) for k in size) for j in size) for i in size
        )

    @cached_property
    def poisson_tensor(self) -> dict[tuple[sp.Symbol, sp.Symbol], sp.Expr]:  # type: ignore[override]
        """``J[x_i, x_j] = Σ_k c[i][j][k] x_k``, the nonzero ones."""
        x = self.coordinates
        tensor: dict[tuple[sp.Symbol, sp.Symbol], sp.Expr] = {}
        for (i, j, k), c in sorted(self._constants.items()):
            tensor[x[i], x[j]] = tensor.get((x[i], x[j]), sp.S.Zero) + c * x[k]
        return tensor

    @property
    def casimirs(self) -> tuple[sp.Expr, ...]:
        """Independent functions that commute with everything, of an algebra given by name.

        Raises:
            SpaceError: for given structure constants, with the remedy.

        Example:
            >>> LiePoissonSpace("L1 L2 L3 g1 g2 g3", "e3").casimirs
            (g1**2 + g2**2 + g3**2, L1*g1 + L2*g2 + L3*g3)
        """
        if self.algebra is None:
            raise SpaceError(
                "Casimirs are listed for algebras given by name; for these structure constants compute those of "
                "degree d with LieAlgebra(space.coordinates, space).casimirs(d)"
            )
        return casimirs(self.algebra, self.coordinates)

    def _require_lie_algebra(self) -> None:
        c, x = self._constants, self.coordinates
        for (i, j, k), value in c.items():
            if c.get((j, i, k), 0) != -value:
                raise SpaceError(
                    f"structure constants are antisymmetric, but the coefficient of {x[k]} in {{{x[i]}, {x[j]}}} is "
                    f"{value} and in {{{x[j]}, {x[i]}}} it is {c.get((j, i, k), 0)}"
                )
        from flint import fmpq

        from hamsym.symbolic.structure import Structure

        brackets: dict[tuple[int, int], dict[int, fmpq]] = {}
        for (i, j, k), value in c.items():
            if i < j:
                brackets.setdefault((i, j), {})[k] = fmpq(value.p, value.q)
        failing = Structure(brackets, self.dimension).jacobi_failure()
        if failing is not None:
            names = [x[i] for i in failing]
            cyclic = (names[n:] + names[:n] for n in range(3))
            left = sp.expand(sp.Add(*(self._linear(i, self._linear(j, k)) for i, j, k in cyclic)))
            a, b, d = names
            raise SpaceError(
                f"the Jacobi identity fails for {a}, {b}, {d}: "
                f"{{{a}, {{{b}, {d}}}}} + {{{b}, {{{d}, {a}}}}} + {{{d}, {{{a}, {b}}}}} = {left}, not 0"
            )

    def _linear(self, x: sp.Symbol, f: sp.Expr) -> sp.Expr:
        """{x, f} of a coordinate and a linear function."""
        tensor = self.poisson_tensor
        return sp.Add(*(tensor.get((x, y), sp.S.Zero) * f.coeff(y) for y in self.coordinates))

    def to_dict(self) -> dict[str, object]:
        """Return the arguments that make an equal space, in types that JSON knows.

        Example:
            >>> space = LiePoissonSpace("x y", [[[0, 0], [0, "1/2"]], [[0, "-1/2"], [0, 0]]])
            >>> LiePoissonSpace(**space.to_dict()) == space
            True
        """
        table = [[[str(c) for c in row] for row in rows] for rows in self.structure_constants]
        x = [s.name for s in self.coordinates]
        return {"coordinates": x, "algebra": self.algebra or table, **self._declared()}

    def __repr__(self) -> str:
        what = repr(self.algebra) if self.algebra else f"[{', '.join(self._bracket_texts(4))}]"
        return f"LiePoissonSpace({', '.join([f'x={shown_names(self.coordinates)}', what, *self._options()])})"

    def _bracket_texts(self, most: int) -> list[str]:
        order = {s: i for i, s in enumerate(self.coordinates)}
        upper = {(a, b): e for (a, b), e in self.poisson_tensor.items() if order[a] < order[b]}
        shown = [f"{{{a}, {b}}} = {e}" for (a, b), e in itertools.islice(upper.items(), most)]
        return [*shown, "…"] if len(upper) > most else shown

    def _repr_latex_(self) -> str:
        order = {s: i for i, s in enumerate(self.coordinates)}
        brackets = [
            rf"\{{{sp.latex(a)}, {sp.latex(b)}\}} = {sp.latex(entry)}"
            for (a, b), entry in self.poisson_tensor.items()
            if order[a] < order[b]
        ]
        return r"$\displaystyle " + (r",\;".join(brackets) or "0") + "$"


def _algebra_name(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    name = ALIASES.get(plain, plain)
    if name not in ALGEBRAS:
        raise SpaceError(
            f"no Lie algebra {text!r} is known by name{did_you_mean(plain, ALGEBRAS)}; "
            "any other is given by its structure constants c[i][j][k]"
        )
    return name


def _read_constants(given: object, size: int) -> Constants:
    shape = f"structure constants c[i][j][k] for {plural(size, 'coordinate')} have the shape ({size}, {size}, {size})"
    constants: Constants = {}
    for i, plane in enumerate(_sequence(given, size, shape, "")):
        for j, row in enumerate(_sequence(plane, size, shape, f"[{i}]")):
            for k, entry in enumerate(_sequence(row, size, shape, f"[{i}][{j}]")):
                value = _read_number(entry, f"c[{i}][{j}][{k}]")
                if value:
                    constants[i, j, k] = value
    return constants


def _sequence(given: object, size: int, shape: str, place: str) -> Sequence[object]:
    listed = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(listed, (str, bytes)) or not isinstance(listed, Sequence):
        raise SpaceError(f"{shape}, but c{place} is {type(given).__name__}, not a sequence")
    if len(listed) != size:
        raise SpaceError(f"{shape}, but c{place} has the length {len(listed)}")
    return listed


def _read_number(entry: object, place: str) -> sp.Rational:
    problem = f"{place} = {entry!r} is not an exact number; write an integer, a fraction, a decimal or text such as '1/3'"
    if isinstance(entry, str):
        if not re.fullmatch(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)(/\d+)?\s*", entry, re.ASCII) or len(entry) > 400:
            raise SpaceError(problem)
        top, _, bottom = entry.strip().partition("/")
        if bottom and not int(bottom):
            raise SpaceError(problem)
        return sp.Rational(top) / sp.Integer(bottom or 1)
    if isinstance(entry, sp.Expr):
        if not entry.is_Rational:
            raise SpaceError(problem)
        return entry
    if isinstance(entry, bool) or not isinstance(entry, numbers.Real):
        raise SpaceError(problem)
    try:
        return exact_number(entry)
    except FormulaError as error:
        raise SpaceError(f"{place}: {error}") from None
