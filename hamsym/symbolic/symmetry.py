"""Generators of symmetries: their vector fields and their finite action.

A function g on phase space moves a state along its own Hamiltonian vector field X_g = {·, g}.  It generates a
symmetry of H when {H, g} = 0 (Noether's theorem in Hamiltonian form; Arnold, Mathematical Methods, section 40).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sympy as sp

from hamsym.errors import ParameterError, ShapeError, SpaceError, SymmetryError
from hamsym.symbolic.derivative import derivative
from hamsym.symbolic.space import PhaseSpace, Space
from hamsym.symbolic.text import shorten, to_text

if TYPE_CHECKING:
    import numpy as np


class Generator:
    """A phase-space function that generates a one-parameter group.

    Arguments:
        expression: formula as text or sympy expression.
        space: the phase space it acts on.

    Example:
        >>> space = PhaseSpace.standard(2)
        >>> g = Generator("q1*p2 - q2*p1", space)
        >>> g.vector_field()
        {q1: -q2, q2: q1, p1: -p2, p2: p1}
        >>> g.is_point_action
        True
    """

    def __init__(self, expression: str | sp.Expr, space: Space) -> None:
        if not isinstance(space, Space):
            raise SpaceError(f"a generator acts on a phase space, not on {type(space).__name__}")
        self.space = space
        self.expr, self.domain = space.express_with_domain(expression)

    @property
    def text(self) -> str:
        """The formula as text that parses back to the same expression."""
        return to_text(self.expr)

    def vector_field(self) -> dict[sp.Symbol, sp.Expr]:
        """Return X_g = {·, g}: each variable to its rate of change along the group parameter."""
        field = {s: sp.Integer(0) for s in self.space.variables}
        for (a, b), entry in self.space.poisson_tensor.items():
            field[a] += entry * derivative(self.expr, b)
        return {s: sp.expand(rate) for s, rate in field.items()}

    @property
    def is_point_action(self) -> bool:
        """Whether coordinates move among themselves: dq/dε depends on q alone (g is affine in p)."""
        field = self.vector_field()
        momenta = set(self.space.momenta)
        return bool(momenta) and not any(field[q].free_symbols & momenta for q in self.space.coordinates)

    def flow(self, eps: sp.Expr | float | str) -> LinearFlow:
        """Return the finite map after the group parameter ``eps``, exactly.

        Arguments:
            eps: a number, a sympy expression, or the name of a new real symbol.

        Raises:
            SymmetryError: if the vector field is not affine in the phase-space variables.

        Example:
            >>> rotation = Generator("q1*p2 - q2*p1", PhaseSpace.standard(2)).flow("theta")
            >>> rotation.images[rotation.space.coordinates[0]]
            q1*cos(theta) - q2*sin(theta)
        """
        parameter = _group_parameter(eps)
        variables = self.space.variables
        field = self.vector_field()
        matrix = sp.Matrix([[sp.diff(field[a], b) for b in variables] for a in variables])
        if matrix.free_symbols & set(variables):
            raise SymmetryError(
                f"the flow of g = {shorten(self.text)} is not linear, so it has no exact matrix; "
                "integrate it with simulate(Hamiltonian(g, space), …), whose time is the group parameter"
            )
        origin = dict.fromkeys(variables, 0)
        constant = sp.Matrix([field[a].subs(origin) for a in variables])
        # exp of the affine field acts on (state, 1)
        size = len(variables)
        augmented = sp.zeros(size + 1, size + 1)
        augmented[:size, :size], augmented[:size, size] = matrix, constant
        exact = _exponential(augmented, parameter)
        return LinearFlow(exact[:size, :size], exact[:size, size], self.space)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Generator) and (self.expr, self.space) == (other.expr, other.space)

    def __hash__(self) -> int:
        return hash((self.expr, self.space))

    def __repr__(self) -> str:
        return f"Generator({self.text!r}, {self.space!r})"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle g = {sp.latex(self.expr)}$"


class LinearFlow:
    """The finite affine map s → M s + b of a generator, exact.

    Attributes:
        matrix: (2n, 2n) sympy matrix on the variables, coordinates first.
        offset: (2n, 1) sympy matrix.
        space: the phase space.
    """

    def __init__(self, matrix: sp.Matrix, offset: sp.Matrix, space: Space) -> None:
        self.matrix, self.offset, self.space = matrix, offset, space

    @property
    def images(self) -> dict[sp.Symbol, sp.Expr]:
        """Each variable to its image as an expression in the old variables."""
        moved = self.matrix * sp.Matrix(self.space.variables) + self.offset
        return dict(zip(self.space.variables, moved, strict=True))

    def arrays(self, parameters: Mapping[str, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (matrix, offset) as float64 arrays of shapes (2n, 2n) and (2n,).

        Raises:
            ParameterError: if a symbol has no value in ``parameters``.
        """
        import numpy as np

        values = dict(parameters or {})
        left = sorted({s.name for s in self.matrix.free_symbols | self.offset.free_symbols} - set(values))
        if left:
            raise ParameterError(f"the finite map needs values for {', '.join(left)}; pass parameters={{…}}")
        numbers = {s: values[s.name] for s in self.matrix.free_symbols | self.offset.free_symbols}
        matrix = np.array(self.matrix.subs(numbers).evalf(20).tolist(), dtype=float)
        return matrix, np.array(self.offset.subs(numbers).evalf(20).tolist(), dtype=float)[:, 0]

    def __call__(self, q: Any, p: Any, parameters: Mapping[str, float] | None = None) -> tuple[Any, Any]:
        """Move states: ``q`` and ``p`` of shape (..., dof) to their images, numpy in, numpy out."""
        import numpy as np

        matrix, offset = self.arrays(parameters)
        dof = len(self.space.coordinates)
        q, p = np.asarray(q, dtype=float), np.asarray(p, dtype=float)
        if q.shape != p.shape or q.shape[-1:] != (dof,) or len(self.space.momenta) != dof:
            raise ShapeError(f"q and p must both have shape (..., {dof}), not {q.shape} and {p.shape}")
        moved = np.concatenate([q, p], axis=-1) @ matrix.T + offset
        return moved[..., :dof], moved[..., dof:]

    def __repr__(self) -> str:
        return "LinearFlow(" + ", ".join(f"{s} -> {image}" for s, image in self.images.items()) + ")"


def angular_momentum(space: PhaseSpace, i: int, j: int) -> Generator:
    """Return q_i p_j − q_j p_i, the generator of rotations in the plane of coordinates i and j.

    Arguments:
        space: the phase space.
        i, j: two different coordinates, counted from 0.

    Returns:
        The generator; its flow by an angle turns (q_i, q_j) and (p_i, p_j) alike.

    Raises:
        SpaceError: if a coordinate does not exist, or both are the same.

    Source: Goldstein, Classical Mechanics, section 9.7.

    Example:
        >>> angular_momentum(PhaseSpace.standard(2), 0, 1).text
        '-p1*q2 + p2*q1'
    """
    i, j = _index(space, i), _index(space, j)
    if i == j:
        raise SpaceError(f"a rotation needs two different coordinates, not {i} twice")
    q, p = space.coordinates, space.momenta
    return Generator(q[i] * p[j] - q[j] * p[i], space)


def translation(space: PhaseSpace, i: int) -> Generator:
    """Return p_i, the generator of translations of coordinate i.

    Arguments:
        space: the phase space.
        i: the coordinate, counted from 0.

    Returns:
        The generator; its flow adds the group parameter to q_i.

    Raises:
        SpaceError: if the coordinate does not exist.

    Source: Goldstein, Classical Mechanics, section 9.7.

    Example:
        >>> translation(PhaseSpace.standard(2), 1).flow("a").images
        {q1: q1, q2: a + q2, p1: p1, p2: p2}
    """
    return Generator(space.momenta[_index(space, i)], space)


def _index(space: PhaseSpace, i: int) -> int:
    if not isinstance(i, int) or not 0 <= i < len(space.momenta):
        raise SpaceError(f"coordinate {i!r} does not exist; this space has 0 to {len(space.momenta) - 1}")
    return i


def _group_parameter(eps: sp.Expr | float | str) -> sp.Expr:
    if isinstance(eps, str):
        return sp.Symbol(eps, real=True)
    return eps if isinstance(eps, sp.Expr) else sp.Rational(str(float(eps)))


def _exponential(matrix: sp.Matrix, eps: sp.Expr) -> sp.Matrix:
    """exp(eps·M), block by block, in real form."""
    result = sp.eye(matrix.rows)
    for block in matrix.connected_components():
        part = matrix.extract(block, block)
        exact = _block_exponential(part, eps)
        for a, row in enumerate(block):
            for b, column in enumerate(block):
                result[row, column] = exact[a, b]
    return result


def _block_exponential(matrix: sp.Matrix, eps: sp.Expr) -> sp.Matrix:
    size = matrix.rows
    identity, power, total = sp.eye(size), sp.eye(size), sp.eye(size)
    for k in range(1, size + 1):  # nilpotent: the series ends
        power = (power * matrix).expand()
        if power.is_zero_matrix:
            return total
        total += power * eps**k / sp.factorial(k)
    if matrix.is_diagonal():
        return sp.diag(*(sp.exp(eps * matrix[k, k]) for k in range(size)))
    square = (matrix * matrix).expand()
    scale = square[0, 0]
    if square == scale * identity and (scale.is_negative or scale.is_positive):
        turns = bool(scale.is_negative)  # a rotation; otherwise a boost
        rate = sp.sqrt(-scale if turns else scale)
        even, odd = (sp.cos, sp.sin) if turns else (sp.cosh, sp.sinh)
        return even(rate * eps) * identity + odd(rate * eps) / rate * matrix
    try:
        return (matrix * eps).exp().applyfunc(lambda entry: sp.re(entry.rewrite(sp.cos)).expand())
    except (NotImplementedError, ValueError) as error:
        raise SymmetryError("sympy finds no closed form for the exponential of this linear field") from error
