"""Finite maps of phase space in closed form: the flows of generators, their inverses and compositions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeAlias

import sympy as sp
from sympy.core.function import AppliedUndef

from hamsym.arguments import real
from hamsym.errors import FormulaError, NonFiniteError, ParameterError, ShapeError, SpaceError, SymmetryError
from hamsym.symbolic.formula.text import to_text
from hamsym.symbolic.space import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

#: Each variable to its image, an expression in the old variables.
Images: TypeAlias = dict[sp.Symbol, sp.Expr]
#: Parameters to numbers.
Values: TypeAlias = dict[sp.Symbol, sp.Rational]
#: What finds a map again for given parameters, if it can.
Special: TypeAlias = "Callable[[Values], Flow | None]"


class Flow:
    """A finite map s → s', exact, with its exact inverse.

    Attributes:
        images: each variable to its image as an expression in the old variables.
        space: the space of the variables, the group parameter among its parameters.

    Example:
        >>> from hamsym import Generator, PhaseSpace
        >>> kick = Generator("q1**3/3", PhaseSpace.standard(1)).flow("a")
        >>> kick.images
        {q1: q1, p1: -a*q1**2 + p1}
        >>> kick([2.0], [5.0], {"a": 0.5})
        (array([2.]), array([3.]))
        >>> (kick.inverse @ kick).images
        {q1: q1, p1: p1}
    """

    def __init__(
        self, images: Images, space: Space, *, inverse: Callable[[], Flow], at: Special | None = None
    ) -> None:
        self.images, self.space, self._inverse, self._at = images, space, inverse, at

    @cached_property
    def inverse(self) -> Flow:
        """The map back, exactly."""
        return self._inverse()

    def __matmul__(self, other: Flow) -> Flow:
        """Return the map that applies ``other`` first and then this one, as for matrices."""
        if not isinstance(other, Flow):
            return NotImplemented
        if self.space.variables != other.space.variables:
            raise SpaceError("two maps are composed on the same phase space")
        new = set(self.space.parameters) - set(other.space.parameters)
        space = other.space.with_parameters({n: self.space.assumptions[n] for n in new})
        images = {
            s: sp.expand(image.subs(other.images, simultaneous=True)) for s, image in self.images.items()
        }
        return Flow(
            images, space, inverse=partial(_inverse_of_both, self, other), at=partial(_both_at, self, other)
        )

    def __call__(
        self, q: ArrayLike, p: ArrayLike | None = None, parameters: Mapping[str, float] | None = None
    ) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
        """Move states.

        Arguments:
            q: coordinates, shape ``(..., dof)``; on a Lie–Poisson space all variables, shape ``(..., dimension)``.
            p: momenta, same shape; None on a Lie–Poisson space.
            parameters: value of the group parameter and of each parameter in the map, by name.

        Returns:
            ``(q, p)`` moved, float64; on a Lie–Poisson space one array.

        Raises:
            ShapeError: for arrays that do not fit the space.
            ParameterError: for parameters without a value.
            FormulaError: if the map contains functions without a formula.
            NonFiniteError: if a state is or becomes NaN or infinite.

        Where the closed form is 0/0 at these parameters, as ``sin(w*a)/w`` at w = 0, the map is found anew for them.
        """
        import numpy as np

        state = self._state(q, p)
        moved = self._moved(state, parameters)
        if not np.isfinite(moved).all():
            moved = self._moved_at(state, moved, parameters)
        size = len(self.space.coordinates)
        return (moved[..., :size], moved[..., size:]) if self.space.momenta else moved

    def _state(self, q: ArrayLike, p: ArrayLike | None) -> np.ndarray:
        import numpy as np

        size, canonical = len(self.space.coordinates), bool(self.space.momenta)
        if (p is not None) != canonical:
            wanted = (
                "coordinates q and momenta p" if canonical else "one array of all variables, and no momenta"
            )
            raise ShapeError(f"a map of this space moves {wanted}")
        try:
            parts = [np.asarray(a, dtype=float) for a in ((q, p) if canonical else (q,))]
        except (TypeError, ValueError, OverflowError):
            raise ShapeError("states are arrays of numbers") from None
        if any(a.shape != parts[0].shape or a.shape[-1:] != (size,) for a in parts):
            shapes = " and ".join(str(a.shape) for a in parts)
            names = "q and p must both have" if canonical else "states have"
            raise ShapeError(f"{names} shape (..., {size}), not {shapes}")
        state = np.concatenate(parts, axis=-1)
        if not np.isfinite(state).all():
            raise NonFiniteError("a state to be moved is NaN or infinite")
        return state

    def _moved(self, state: np.ndarray, parameters: Mapping[str, float] | None) -> np.ndarray:
        import numpy as np

        expressions = [self.images[s] for s in self.space.variables]
        undefined = sorted({f.func.__name__ for e in expressions for f in e.atoms(AppliedUndef)})
        if undefined:
            raise FormulaError(
                f"the map contains {', '.join(undefined)}, which has no formula, so it cannot move numbers; "
                "write the function out in the generator"
            )
        symbols = set().union(*(e.free_symbols for e in expressions)) - set(self.space.variables)
        values = _values(symbols, parameters)
        names = [*self.space.variables, *values]
        function = sp.lambdify(names, expressions, modules="numpy", cse=True)
        with np.errstate(all="ignore"):
            columns = function(*np.moveaxis(state, -1, 0), *map(np.float64, values.values()))
        return np.stack([np.broadcast_to(c, state.shape[:-1]) for c in columns], axis=-1).astype(float)

    def _moved_at(
        self, state: np.ndarray, moved: np.ndarray, parameters: Mapping[str, float] | None
    ) -> np.ndarray:
        """Move states by the map found for these parameters, where the closed form has no value."""
        import numpy as np

        special, reason = self._special(parameters), "it is outside the domain of this map"
        if special is not None:
            finite = np.isfinite(moved).all(axis=-1, keepdims=True)
            moved = np.where(finite, moved, special._moved(state, {}))
        elif parameters:
            reason += f", or the closed form is singular at {_listed(parameters)}"
        if not np.isfinite(moved).all():
            raise NonFiniteError(f"a state left the finite numbers: {reason}")
        return moved

    def _special(self, parameters: Mapping[str, float] | None) -> Flow | None:
        """The same map found for these values of all parameters, or None."""
        if self._at is None or not parameters:
            return None
        symbols = set().union(*(e.free_symbols for e in self.images.values())) - set(self.space.variables)
        exact = {s: sp.Rational(str(value)) for s, value in _values(symbols, parameters).items()}
        return self._at(exact) if exact else None

    def arrays(self, parameters: Mapping[str, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (matrix, offset) of a linear flow; see :meth:`LinearFlow.arrays`.

        Raises:
            SymmetryError: if the map is not known to be affine.
        """
        raise SymmetryError("this map is not linear, so it has no matrix; call it with states instead")

    def __repr__(self) -> str:
        shown = ", ".join(f"{s} -> {image}" for s, image in self.images.items())
        return f"{type(self).__name__}({shown})"

    def _repr_latex_(self) -> str:
        lines = [rf"{sp.latex(s)} &\mapsto {sp.latex(image)}" for s, image in self.images.items()]
        return r"$\displaystyle \begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}$"

    def to_dict(self) -> dict[str, str]:
        """Return each variable's image as text, by name."""
        return {s.name: to_text(image) for s, image in self.images.items()}


class LinearFlow(Flow):
    """The finite affine map s → M s + b of a generator, exact.

    Attributes:
        matrix: (2n, 2n) sympy matrix on the variables, coordinates first.
        offset: (2n, 1) sympy matrix.
        space: the phase space, the group parameter among its parameters.

    Example:
        >>> from hamsym import Generator, PhaseSpace
        >>> Generator("q1*p1", PhaseSpace.standard(1)).flow("a").matrix
        Matrix([
        [exp(a),       0],
        [     0, exp(-a)]])
    """

    def __init__(
        self,
        matrix: sp.Matrix,
        offset: sp.Matrix,
        space: Space,
        *,
        inverse: Callable[[], Flow],
        at: Special | None = None,
    ) -> None:
        self.matrix, self.offset = matrix, offset
        moved = matrix * sp.Matrix(space.variables) + offset
        super().__init__(dict(zip(space.variables, moved, strict=True)), space, inverse=inverse, at=at)

    def arrays(self, parameters: Mapping[str, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (matrix, offset) as float64 arrays of shapes (2n, 2n) and (2n,).

        Raises:
            ParameterError: if a symbol has no value in ``parameters``.
        """
        import numpy as np

        values = _values(self.matrix.free_symbols | self.offset.free_symbols, parameters)
        parts = [part.subs(values) for part in (self.matrix, self.offset)]
        if any(part.has(sp.nan, sp.zoo, sp.oo, -sp.oo) for part in parts):
            special = self._special(parameters)
            if special is None:
                raise NonFiniteError(f"the closed form of this map is singular at {_listed(parameters)}")
            return special.arrays()
        numbers = [np.array(part.evalf(20).tolist(), dtype=float) for part in parts]
        return numbers[0], numbers[1].reshape(-1)

    def _moved(self, state: np.ndarray, parameters: Mapping[str, float] | None) -> np.ndarray:
        matrix, offset = self.arrays(parameters)
        return state @ matrix.T + offset


def _inverse_of_both(last: Flow, first: Flow) -> Flow:
    return first.inverse @ last.inverse


def _both_at(last: Flow, first: Flow, values: Values) -> Flow | None:
    parts = [flow if flow._at is None else flow._at(values) for flow in (last, first)]
    return None if parts[0] is None or parts[1] is None else parts[0] @ parts[1]


def _listed(parameters: Mapping[str, float] | None) -> str:
    return ", ".join(f"{name} = {value}" for name, value in (parameters or {}).items())


def _values(symbols: set[sp.Symbol], parameters: Mapping[str, float] | None) -> dict[sp.Symbol, float]:
    if parameters is not None and not isinstance(parameters, Mapping):
        raise ParameterError(f"parameters are values by name, as {{'m': 1.0}}, not {parameters!r}")
    given = dict(parameters or {})
    left = sorted({s.name for s in symbols} - set(given))
    if left:
        raise ParameterError(f"the finite map needs values for {', '.join(left)}; pass parameters={{…}}")
    return {s: real(s.name, given[s.name]) for s in sorted(symbols, key=str)}
