"""Symmetries for learned flows: hamsym generators on tensors, and their brackets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any, Protocol

import sympy as sp
import torch
from torch import Tensor

from hamsym.errors import NonFiniteError, SymmetryError
from hamsym.symbolic.formula.derivative import derivative
from hamsym.symbolic.phase_space import PhaseSpace
from hamsym.symbolic.symmetry.generator import Generator

_FUNCTIONS: dict[Any, Callable[..., Tensor]] = {
    sp.exp: torch.exp, sp.log: torch.log, sp.sin: torch.sin, sp.cos: torch.cos, sp.tan: torch.tan,
    sp.sinh: torch.sinh, sp.cosh: torch.cosh, sp.tanh: torch.tanh, sp.asin: torch.asin, sp.acos: torch.acos,
    sp.atan: torch.atan, sp.atan2: torch.atan2, sp.Abs: torch.abs,
}  # fmt: skip

Program = Callable[[Sequence[Tensor]], Tensor | float]


class Hamiltonians(Protocol):
    """What a bracket needs of one member of a chain."""

    def grad_potential(self, q: Tensor) -> Tensor: ...
    def grad_kinetic(self, p: Tensor) -> Tensor: ...


def as_generators(generators: Any, dim: int) -> tuple[Generator, ...]:
    """Return the generators as a tuple, text being read in the names q1…qn, p1…pn.

    Arguments:
        generators: one or several formulas, expressions or hamsym generators; None means none.
        dim: number of coordinates.

    Raises:
        SymmetryError: if one is neither text nor a Generator, or lives on another number of coordinates.

    Example:
        >>> as_generators("q1*p2 - q2*p1", 2)[0].is_point_action
        True
    """
    if generators is None:
        return ()
    if isinstance(generators, (str, Generator, sp.Expr)):
        generators = (generators,)
    if not isinstance(generators, Iterable):
        raise SymmetryError(f"generators are formulas or hamsym.Generator objects, not {generators!r}")
    listed = []
    for g in generators:
        if isinstance(g, (str, sp.Expr)):
            g = Generator(g, PhaseSpace.standard(dim))
        if not isinstance(g, Generator) or not isinstance(g.space, PhaseSpace):
            raise SymmetryError(f"a generator is a formula or a hamsym.Generator on a PhaseSpace, not {g!r}")
        if g.space.dof != dim:
            raise SymmetryError(f"g = {g.text} lives on {g.space.dof} coordinates, the flow has dim={dim}")
        unknown = sorted(s.name for s in g.expr.free_symbols - set(g.space.variables))
        if unknown or g.expr.atoms(sp.core.function.AppliedUndef):
            raise SymmetryError(
                f"g = {g.text} must be a function of q and p alone; give {unknown or 'V'} values"
            )
        listed.append(g)
    return tuple(listed)


class TensorGenerator:
    """A generator whose value and exact gradients are evaluated on tensors; the derivatives are symbolic.

    Arguments:
        generator: function of q and p without free parameters.

    Example:
        >>> g = TensorGenerator(as_generators("q1*p2 - q2*p1", 2)[0])
        >>> q, p = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 5.0]])
        >>> g(q, p), g.gradients(q, p)
        (tensor([-1.]), (tensor([[ 5., -3.]]), tensor([[-2.,  1.]])))
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        variables = generator.space.variables
        place = {s: k for k, s in enumerate(variables)}
        self._value = _compile(generator.expr, place)
        self._partials = [_compile(derivative(generator.expr, s), place) for s in variables]

    def __call__(self, q: Tensor, p: Tensor) -> Tensor:
        """Return g(q, p) of shape (...)."""
        return _filled(self._value(_columns(q, p)), q)

    def gradients(self, q: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return (∂g/∂q, ∂g/∂p), each of the shape of q.

        Arguments:
            q, p: states of shape (..., dim).

        Example:
            >>> g = TensorGenerator(as_generators("q1*p1", 1)[0])
            >>> g.gradients(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
            (tensor([[3.]]), tensor([[2.]]))
        """
        columns = _columns(q, p)
        partials = [_filled(program(columns), q) for program in self._partials]
        n = q.shape[-1]
        return torch.stack(partials[:n], -1), torch.stack(partials[n:], -1)


def _columns(q: Tensor, p: Tensor) -> list[Tensor]:
    return [*q.unbind(-1), *p.unbind(-1)]


def _filled(value: Tensor | float, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full_like(like[..., 0], value)


def _compile(expr: sp.Expr, place: dict[sp.Symbol, int]) -> Program:
    """Turn an expression tree into closures over torch functions; no code is generated from text."""
    if expr.is_Symbol:
        at = place[expr]
        return lambda columns: columns[at]
    if expr.is_number:
        number = float(expr)
        return lambda columns: number
    parts = [_compile(a, place) for a in expr.args]
    if expr.is_Add:
        return lambda columns: reduce(lambda a, b: a + b, (part(columns) for part in parts))
    if expr.is_Mul:
        return lambda columns: reduce(lambda a, b: a * b, (part(columns) for part in parts))
    if expr.is_Pow:
        return lambda columns: parts[0](columns) ** parts[1](columns)
    if expr.func not in _FUNCTIONS:
        raise SymmetryError(f"the function {expr.func.__name__} of a generator has no tensor form")
    function = _FUNCTIONS[expr.func]
    return lambda columns: function(*(torch.as_tensor(part(columns)) for part in parts))


def brackets(
    hamiltonian: Hamiltonians, generator: TensorGenerator, q: Tensor, p: Tensor
) -> tuple[Tensor, Tensor]:
    """Return {g, H} and its scale |∂g/∂q||∂H/∂p| + |∂g/∂p||∂H/∂q|, each of shape (batch,).

    Both gradients are closed forms, so training through a bracket takes one backward pass.

    Arguments:
        hamiltonian: something with ``grad_potential(q)`` and ``grad_kinetic(p)``.
        generator: g.
        q, p: states of shape (batch, dim).

    Example:
        >>> from learn.flow.leapfrog import SeparableHamiltonian
        >>> from learn.flow.potentials import RidgePotential
        >>> H = SeparableHamiltonian(RidgePotential(2, 8), RidgePotential(2, 8))
        >>> bracket, scale = brackets(H, TensorGenerator(as_generators("p1", 2)[0]), *torch.randn(2, 5, 2))
        >>> bool((bracket.abs() <= scale).all())
        True
    """
    g_q, g_p = generator.gradients(q, p)
    h_q, h_p = hamiltonian.grad_potential(q), hamiltonian.grad_kinetic(p)
    bracket = (g_q * h_p - g_p * h_q).sum(-1)
    scale = g_q.norm(dim=-1) * h_p.norm(dim=-1) + g_p.norm(dim=-1) * h_q.norm(dim=-1)
    return bracket, scale


@dataclass(frozen=True)
class BracketResidual:
    """How far a chain is from {g, H} = 0 on a set of states.

    Attributes:
        generator: the formula of g.
        mean_square: mean of {g, H}² over states and Hamiltonians, what the tolerance κ of the constraint bounds.
        rms: its root.
        relative: rms{g, H} / rms(|∂g/∂q||∂H/∂p| + |∂g/∂p||∂H/∂q|), which no rescaling of H or of units changes.
        states: number of states.

    Example:
        >>> BracketResidual("p1", 0.04, 0.2, 0.1, 100).to_dict()["rms"]
        0.2
    """

    generator: str
    mean_square: float
    rms: float
    relative: float
    states: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary of plain values."""
        return asdict(self)


def measure_brackets(
    chain: Iterable[Hamiltonians], generators: Sequence[Generator], q: Tensor, p: Tensor
) -> list[BracketResidual]:
    """Return one residual per generator, averaged over the Hamiltonians of the chain.

    Arguments:
        chain: the Hamiltonians.
        generators: hamsym generators on dim coordinates.
        q, p: states of shape (batch, dim).

    Raises:
        NonFiniteError: if a square of a bracket, or their mean, is not finite.

    Example:
        >>> from learn.flow.density import HamiltonianFlow
        >>> flow = HamiltonianFlow(2, hamiltonians=3, width=4, symmetry="exact", generators="q1*p2 - q2*p1")
        >>> measure_brackets(flow.chain, flow.generators, *flow.sample_base(50))[0].relative < 1e-5
        True
    """
    measured = []
    with torch.no_grad():
        for g in generators:
            tensor_generator = TensorGenerator(g)
            pairs = [brackets(h, tensor_generator, q, p) for h in chain]
            square = float(torch.stack([b.square().mean() for b, _ in pairs]).mean())
            scale = float(torch.stack([s.square().mean() for _, s in pairs]).mean())
            if not math.isfinite(square + scale):
                sizes = (
                    torch.stack([b.square() + s.square() for b, s in pairs]).amax(0).nan_to_num(nan=math.inf)
                )
                row = int(sizes.eq(sizes.max()).nonzero()[0]) if len(sizes) else None
                raise NonFiniteError(
                    f"{{g, H}}² is not finite for g = {g.text}, first for state {row}; the states or the weights are "
                    "too large for this precision; use smaller ones or flow.double()",
                    index=row,
                )
            relative = (square / scale) ** 0.5 if scale > 0 else 0.0
            measured.append(BracketResidual(g.text, square, square**0.5, relative, len(q)))
    return measured
