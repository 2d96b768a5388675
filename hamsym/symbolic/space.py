"""What all spaces share: names, their order, their assumptions, and formulas in them."""

from __future__ import annotations

import copy
import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Self

import sympy as sp

from hamsym.errors import FormulaError, SpaceError
from hamsym.symbolic.formula.admission import admitted, require_formula
from hamsym.symbolic.formula.domain import Domain
from hamsym.symbolic.formula.names import (
    Name,
    declared,
    exact_number,
    name_list,
    require_declarable,
)
from hamsym.symbolic.formula.parser import parse_with_domain
from hamsym.symbolic.sums import (
    Families,
    each_written_out,
    has_sums,
    outermost,
    read_sums,
    require_each,
    require_sums,
    written_out,
)

#: Attributes that are computed from others.
_COMPUTED = ("symbols", "families", "poisson_tensor", "_hash")
_ASSUMPTIONS: dict[str, dict[str, bool]] = {"real": {"real": True}, "positive": {"positive": True}}


class Space(ABC):
    """Names shared by all kinds of Poisson manifold; use :class:`PhaseSpace` or :class:`LiePoissonSpace`.

    Attributes:
        coordinates: tuple of real sympy symbols, in the order given.
        momenta: tuple of real sympy symbols (empty for a Lie–Poisson space).
        parameters: dict of name to symbol, constants of the motion by declaration.
        functions: dict of name to undefined sympy function class.
        function_arity: dict of name to number of arguments.
        time: the time symbol, or None for autonomous spaces.
    """

    coordinates: tuple[sp.Symbol, ...]
    momenta: tuple[sp.Symbol, ...]

    def __init__(
        self,
        coordinates: Name | Sequence[Name],
        momenta: Name | Sequence[Name],
        *,
        parameters: Mapping[Name, str] | None = None,
        functions: Mapping[str, int] | None = None,
        time: Name | None = None,
    ) -> None:
        assumed = _assumed(parameters)
        q_names, p_names = name_list(coordinates), name_list(momenta)
        time_names = [] if time is None else name_list(time)
        if len(time_names) > 1:
            raise SpaceError(f"time is one name, not {time!r}")
        variables = {*q_names, *p_names, *time_names}
        parameter_names = [n for n in assumed if n not in variables]
        arity = declared("functions", functions, "{'V': 1}, the number of arguments by name")
        seen: dict[str, None] = {}
        for name in [*q_names, *p_names, *time_names, *parameter_names, *arity]:
            require_declarable(name)
            if name in seen:
                raise SpaceError(f"the name {name!r} is used twice")
            seen[name] = None
        for name, n in arity.items():
            if not isinstance(n, int) or isinstance(n, bool) or n < 1:
                raise SpaceError(f"function {name!r} needs a positive number of arguments, not {n!r}")

        def symbol(name: str) -> sp.Symbol:
            return _symbol(name, assumed.get(name, "real"))

        self.coordinates = tuple(symbol(n) for n in q_names)
        self.momenta = tuple(symbol(n) for n in p_names)
        self.parameters = {n: symbol(n) for n in parameter_names}
        self.time = symbol(time_names[0]) if time_names else None
        self.function_arity = arity
        self.functions = {n: sp.Function(n, real=True) for n in arity}
        self.assumptions = {n: assumed.get(n, "real") for n in seen if n not in arity}

    @cached_property
    def symbols(self) -> dict[str, sp.Symbol]:
        """All declared symbols by name: coordinates, momenta, time, parameters, in this order."""
        everything = [*self.coordinates, *self.momenta, *([self.time] if self.time is not None else [])]
        return {s.name: s for s in [*everything, *self.parameters.values()]}

    @cached_property
    def families(self) -> Families:
        """The names with numbers: what subscripts in sums mean."""
        return Families(self.coordinates, self.momenta, tuple(self.parameters.values()))

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The phase-space variables, coordinates first."""
        return self.coordinates + self.momenta

    @property
    @abstractmethod
    def poisson_tensor(self) -> dict[tuple[sp.Symbol, sp.Symbol], sp.Expr]:
        """Nonzero entries J[a, b] with ``{f, g} = Σ J[a, b] ∂f/∂a ∂g/∂b``."""

    def with_parameters(self, parameters: Mapping[Name, str]) -> Self:
        """Return the same space with more parameters.

        Arguments:
            parameters: name to ``"real"`` or ``"positive"``.

        Raises:
            SpaceError: for names that are taken or cannot be declared.

        Example:
            >>> from hamsym import PhaseSpace
            >>> PhaseSpace.standard(1).with_parameters({"a": "positive"})
            PhaseSpace(q=(q1), p=(p1), parameters={'a': 'positive'})
        """
        more = _assumed(parameters)
        for name in more:
            require_declarable(name)
            if name in self.symbols or name in self.function_arity:
                raise SpaceError(f"the name {name!r} is used twice")
        space = copy.copy(self)
        for computed in _COMPUTED:  # from what changes now
            space.__dict__.pop(computed, None)
        space.parameters = self.parameters | {n: _symbol(n, kind) for n, kind in more.items()}
        space.assumptions = self.assumptions | more
        return space

    def parse(self, text: str) -> sp.Expr:
        """Turn text into an expression in the names of this space, without running any code.

        Arguments:
            text: Python-like arithmetic (``+ - * / **``) with ``sqrt exp log sin …``, declared names, and sums over
                subscripts of names with numbers: ``Sum(q[i]**2, (i, 1, 3))`` is q1² + q2² + q3².

        Raises:
            FormulaError: with the position and the remedy, for anything else.

        Example:
            >>> from hamsym import PhaseSpace
            >>> PhaseSpace.standard(1).parse("p1**2/2 + 0.1*q1**4")
            p1**2/2 + q1**4/10
        """
        return self.parse_with_domain(text)[0]

    def parse_with_domain(self, text: str) -> tuple[sp.Expr, Domain]:
        """Return the expression of a text, and what of the text's domain the expression does not show any more.

        Arguments:
            text: as for :meth:`parse`.

        Raises:
            FormulaError: as :meth:`parse`.

        Example:
            >>> from hamsym import PhaseSpace
            >>> PhaseSpace.standard(1).parse_with_domain("sqrt(q1)**2 + q1/q1")
            (q1 + 1, Domain(positive=(q1,), nonzero=(q1,)))
        """
        expression, domain = parse_with_domain(
            text, self.symbols, self.functions, self.function_arity, self.families
        )
        for some, positive in ((domain.positive, True), (domain.nonzero, False)):
            for condition in some:
                if isinstance(condition, sp.Tuple):
                    require_each(condition, self.families, positive=positive)
        if has_sums(expression):
            return self.written(expression), domain
        require_formula(expression, self.symbols, self.function_arity)  # sympy may have evaluated it to more
        return expression, domain

    def express(self, expression: object) -> sp.Expr:
        """Return text, a number or a sympy expression as an expression in this space's own symbols, sums written out.

        Symbols and undefined functions of a sympy expression are matched by name, so
        ``sympy.symbols("q1 p1")`` without assumptions works.

        Arguments:
            expression: text, a finite real number, a sympy expression, or a Hamiltonian or Generator.

        Raises:
            FormulaError: if a name is not declared in this space, or the value holds what no text could say.

        Example:
            >>> from hamsym import PhaseSpace
            >>> import sympy
            >>> PhaseSpace.standard(1).express(0.5 * sympy.Symbol("q1") ** 2)
            q1**2/2
        """
        if hasattr(expression, "expr") and hasattr(expression, "space"):
            expression = expression.expr
        return self.written_out(self.written(expression))

    def written(self, expression: object) -> sp.Expr:
        """Return the expression of :meth:`express` with its sums as they are.

        ``q[i]``, sympy's ``IndexedBase("q")[i]``, is the symbol named ``q`` followed by the number i; ``q[i, j]`` that named
        ``q``, i, ``_``, j.

        Arguments:
            expression: as for :meth:`express`.

        Raises:
            FormulaError: as :meth:`express`, and for subscripts outside of the space.

        Example:
            >>> from hamsym import PhaseSpace
            >>> from sympy import IndexedBase, Sum, Symbol
            >>> i, p = Symbol("i"), IndexedBase("p")
            >>> PhaseSpace.standard(64).written(Sum(p[i]**2/2, (i, 1, 64)))
            Sum(p[i]**2/2, (i, 1, 64))
        """
        if isinstance(expression, str):
            return self.parse(expression)
        if hasattr(expression, "written") and hasattr(expression, "space"):
            expression = expression.written
        elif hasattr(expression, "expr") and hasattr(expression, "space"):
            expression = expression.expr
        if isinstance(expression, sp.Expr):
            if next(outermost(expression, sp.Sum, sp.Indexed), None) is None:
                return admitted(expression, self.symbols, self.functions, self.function_arity)
            read = read_sums(expression, self.symbols, self.families, self._admit)
            require_sums(read, self.families)
            return read
        if isinstance(expression, numbers.Real) and not isinstance(expression, bool):
            return exact_number(expression)
        raise FormulaError(
            f"a formula is text or a sympy expression, not {type(expression).__name__}; "
            "pass for example 'q1*p2 - q2*p1'"
        )

    def written_out(self, expression: sp.Expr) -> sp.Expr:
        """Return an expression of this space with its sums term by term.

        Arguments:
            expression: what :meth:`written` or :meth:`parse` gives.

        Raises:
            FormulaError: if there are too many terms.

        Example:
            >>> from hamsym import PhaseSpace
            >>> space = PhaseSpace.standard(3)
            >>> space.written_out(space.parse("Sum(q[i], (i, 1, 3))**2"))
            (q1 + q2 + q3)**2
        """
        return written_out(expression, self.families)

    def _admit(self, expression: sp.Expr, symbols: Mapping[str, sp.Symbol]) -> sp.Expr:
        return admitted(expression, symbols, self.functions, self.function_arity)

    def express_with_domain(self, expression: object) -> tuple[sp.Expr, Domain]:
        """Return the expression of :meth:`express`, and what it forgot of the domain of the formula as written.

        Arguments:
            expression: as for :meth:`express`.

        Example:
            >>> from hamsym import PhaseSpace
            >>> PhaseSpace.standard(1).express_with_domain("q1**2/q1")
            (q1, Domain(positive=(), nonzero=(q1,)))
        """
        if hasattr(expression, "expr") and hasattr(expression, "space"):
            return self.express(expression), getattr(expression, "domain", Domain())
        written, domain = self.written_with_domain(expression)
        return self.written_out(written), self.domain_written_out(domain)

    def written_with_domain(self, expression: object) -> tuple[sp.Expr, Domain]:
        """Return the expression and the domain of :meth:`express_with_domain` with their sums as they are.

        Example:
            >>> from hamsym import PhaseSpace
            >>> space = PhaseSpace.standard(5)
            >>> space.written_with_domain("Sum(q[i]**2/q[i], (i, 1, 5))")
            (Sum(q[i], (i, 1, 5)), Domain(positive=(), nonzero=((q[i], (i, 1, 5)),)))
        """
        if isinstance(expression, str):
            return self.parse_with_domain(expression)
        return self.written(expression), getattr(expression, "_written_domain", Domain())

    def domain_written_out(self, domain: Domain) -> Domain:
        """Return a domain without indices: of conditions for each term of a sum, all.

        Raises:
            FormulaError: if there are too many.
        """
        positive, nonzero = (
            tuple(e for condition in some for e in each_written_out(condition, self.families))
            for some in (domain.positive, domain.nonzero)
        )
        return Domain(positive, nonzero)

    @abstractmethod
    def to_dict(self) -> dict[str, object]:
        """Return the arguments that make an equal space, in types that JSON knows."""

    def _declared(self) -> dict[str, object]:
        return {
            "parameters": self._assumed(),
            "functions": dict(self.function_arity),
            "time": None if self.time is None else self.time.name,
        }

    def _assumed(self) -> dict[str, str]:
        return {n: k for n, k in self.assumptions.items() if n in self.parameters or k != "real"}

    def _options(self) -> list[str]:
        """Return what was declared besides the variables, as it was written."""
        parts = []
        if assumed := self._assumed():
            parts.append(f"parameters={_shown(assumed)}")
        if self.function_arity:
            parts.append(f"functions={self.function_arity}")
        if self.time is not None:
            parts.append(f"time={self.time.name!r}")
        return parts

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, Space)
            and (self.variables, self.time, self.parameters, self.function_arity, len(self.momenta))
            == (other.variables, other.time, other.parameters, other.function_arity, len(other.momenta))
            and self.poisson_tensor == other.poisson_tensor
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((type(self), self.variables, self.time, tuple(self.parameters.values())))

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is computed again when it is needed."""
        return {key: value for key, value in vars(self).items() if key not in _COMPUTED}


def _assumed(parameters: Mapping[Name, str] | None) -> dict[str, str]:
    assumed = declared("parameters", parameters, "{'m': 'positive'}")
    for name, kind in assumed.items():
        if not isinstance(kind, str) or kind not in _ASSUMPTIONS:
            raise SpaceError(
                f"parameter {name!r} has the assumption {kind!r}; it must be 'real' or 'positive'"
            )
    return assumed


def _shown(assumed: Mapping[str, str]) -> str:
    """Return assumptions as they are written, the middle left out where there are many."""
    entries = [f"{name!r}: {kind!r}" for name, kind in assumed.items()]
    some = entries if len(entries) <= 8 else [*entries[:3], "…", entries[-1]]
    return "{" + ", ".join(some) + "}"


def _symbol(name: str, kind: str) -> sp.Symbol:
    return sp.Symbol(name, **_ASSUMPTIONS[kind])
