"""Which sympy expressions are formulas: those that text can say, and what brackets make of them.

An expression given directly could hold anything that sympy knows, distributions and integrals too, for which
neither the proofs nor their checks have rules.  So it passes the same gate as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import sympy as sp
from sympy.core.function import AppliedUndef

from hamsym.arguments import plural
from hamsym.errors import FormulaError, did_you_mean
from hamsym.symbolic.formula.applied import application
from hamsym.symbolic.formula.bounds import MAX_NUMBER_BITS
from hamsym.symbolic.formula.language import CONSTANTS, DEFINED, FUNCTIONS, NOT_SMOOTH, REMEDIES
from hamsym.symbolic.formula.parser import parse
from hamsym.symbolic.formula.text import shorten
from hamsym.symbolic.formula.tokens import MAX_DECIMAL_EXPONENT

#: Levels of an expression that are looked through; sympy itself gives up at less.
MAX_DEPTH = 2_000

_CLASSES = frozenset(f for f, _ in FUNCTIONS.values() if isinstance(f, type))
_CONSTANTS = frozenset({*CONSTANTS.values(), sp.E})
_DEFINED = {getattr(sp, name): name for name in DEFINED}
_UNDONE = dict.fromkeys(("Integral", "Derivative", "Subs"), "carry it out with .doit()")


def admitted(
    expression: sp.Expr,
    symbols: Mapping[str, sp.Symbol],
    functions: Mapping[str, Callable[..., sp.Expr]],
    arity: Mapping[str, int],
) -> sp.Expr:
    """Return a sympy expression in the declared symbols and functions, with exact numbers, if it is a formula.

    Arguments:
        expression: any sympy expression; its symbols and undefined functions are matched by name.
        symbols: declared names and their symbols.
        functions: declared undefined functions.
        arity: their numbers of arguments.

    Returns:
        The expression, made of sums, products, powers, exact numbers, pi, the functions of formulas, ``Abs`` as
        sympy's form of ``sqrt(f**2)``, and declared undefined functions with their derivatives.

    Raises:
        FormulaError: for anything else, by name and with the remedy.

    Example:
        >>> q = sp.Symbol("q", real=True)
        >>> admitted(0.5 * sp.Symbol("q") ** 2, {"q": q}, {}, {})
        q**2/2
        >>> admitted(sp.floor(q), {"q": q}, {}, {})
        Traceback (most recent call last):
        hamsym.errors.FormulaError: floor is not smooth, so brackets with it are not defined everywhere
    """
    try:
        parts = require_formula(expression, symbols, arity)
        translated = _translated(expression, parts, symbols, functions)
        if translated is not expression:  # sympy may evaluate anew what it is made of
            require_formula(translated, symbols, arity)
    except RecursionError:
        raise FormulaError("the expression is nested too deeply") from None
    return translated


def require_formula(
    expression: sp.Expr, symbols: Mapping[str, sp.Symbol], arity: Mapping[str, int]
) -> set[sp.Basic]:
    """Return the parts of an expression, if all of them belong to the language of formulas.

    Raises:
        FormulaError: for anything else.
    """
    level: list[sp.Basic] = [expression]
    seen: set[sp.Basic] = set()
    for _ in range(MAX_DEPTH):
        new = dict.fromkeys(e for e in level if e not in seen)  # in the order of the expression
        if not new:
            return seen
        seen.update(new)
        level = [part for e in new for part in _parts(e, symbols, arity)]
    raise FormulaError("the expression is nested too deeply")


def _translated(
    expression: sp.Expr,
    parts: set[sp.Basic],
    symbols: Mapping[str, sp.Symbol],
    functions: Mapping[str, Callable[..., sp.Expr]],
) -> sp.Expr:
    replace: dict[sp.Basic, sp.Basic] = {}
    foreign, absolute, defined = set(), False, False
    own = set(functions.values())
    for part in parts:
        if isinstance(part, sp.Symbol):
            if part != symbols[part.name]:
                replace[part] = symbols[part.name]
        elif isinstance(part, sp.Float):
            replace[part] = sp.Rational(str(part))
        elif isinstance(part, (AppliedUndef, sp.Derivative, sp.Subs)):
            foreign |= {f.func for f in part.atoms(AppliedUndef)} - own
        else:
            absolute = absolute or isinstance(part, sp.Abs)
            defined = defined or part.func in _DEFINED
    if replace:
        expression = expression.xreplace(replace)
    for func in foreign:
        expression = expression.replace(func, functions[func.__name__])
    if defined:
        for func, name in _DEFINED.items():
            expression = expression.replace(func, partial(_written_out, name))
    if absolute and any(a.args[0].is_extended_real is not True for a in expression.atoms(sp.Abs)):
        expression = expression.replace(sp.Abs, lambda f: sp.sqrt(f**2))
    return expression


def _written_out(name: str, argument: sp.Expr) -> sp.Expr:
    """Return a function that is read as others at an argument."""
    x = sp.Dummy("x", real=True)
    return parse(DEFINED[name], {"x": x}).xreplace({x: argument})


def _parts(e: sp.Basic, symbols: Mapping[str, sp.Symbol], arity: Mapping[str, int]) -> Iterable[sp.Basic]:
    """Return what is left to look at in an expression whose head belongs to the language."""
    if isinstance(e, sp.Rational):
        if max(e.p.bit_length(), e.q.bit_length()) > MAX_NUMBER_BITS:
            raise FormulaError("a number has too many digits")
        return ()
    if e in _CONSTANTS:
        return ()
    if isinstance(e, sp.Symbol):
        _require_declared("symbol", e.name, symbols)
        return ()
    if isinstance(e, sp.Float):
        if abs(sp.log(abs(e), 10)) > MAX_DECIMAL_EXPONENT and e != 0:
            raise FormulaError(f"a decimal exponent is larger than {MAX_DECIMAL_EXPONENT}")
        return ()
    if isinstance(e, (sp.Add, sp.Mul)):
        return e.args
    if isinstance(e, sp.Pow):
        if e.base.is_number and e.base.is_negative and e.exp.is_Rational and not e.exp.is_Integer:
            raise FormulaError(f"{_shown(e)} has no real value: it is a root of something negative")
        if e.base.is_number and e.base.is_zero:
            raise FormulaError("zero to a symbolic power is not defined")
        return e.args
    if isinstance(e, AppliedUndef):
        _require_arity(e.func.__name__, len(e.args), arity)
        return e.args
    if isinstance(e, (sp.Derivative, sp.Subs)):
        return _derivative_parts(e, arity)
    if e.func in _CLASSES or e.func in _DEFINED or isinstance(e, sp.Abs):
        return e.args
    raise _refusal(e)


def _derivative_parts(e: sp.Expr, arity: Mapping[str, int]) -> Iterable[sp.Basic]:
    applied = application(e)
    if applied is None:  # a nested one, which sympy can write as derivatives of undefined functions
        done = e.doit()
        if done == e:
            raise _refusal(e)
        return (done, *e.free_symbols)
    _require_arity(applied.name, len(applied.arguments), arity)
    return applied.arguments


def _require_declared(kind: str, name: str, declared: Iterable[str]) -> None:
    if name not in declared:
        raise FormulaError(
            f"the {kind} {name!r} is not declared in this space" + did_you_mean(name, declared)
        )


def _require_arity(name: str, given: int, arity: Mapping[str, int]) -> None:
    _require_declared("function", name, arity)
    if given != arity[name]:
        raise FormulaError(f"{name} takes {plural(arity[name], 'argument')}, not {given}")


def _refusal(e: sp.Basic) -> FormulaError:
    name = e.func.__name__
    if e is sp.I:
        return FormulaError("the imaginary unit is not real; write the real and imaginary parts apart")
    if e in (sp.nan, sp.zoo, sp.oo, -sp.oo):
        return FormulaError(f"{e} is not a finite number; a formula is finite and real")
    remedies = {**REMEDIES, **_UNDONE}
    remedy = f"; {remedies[name]}" if name in remedies else ""
    if name in NOT_SMOOTH:
        return FormulaError(f"{name} is not smooth, so brackets with it are not defined everywhere{remedy}")
    if not remedy and isinstance(e, sp.Function):
        count = len(e.args)
        remedy = f"; what holds for every function can be proved with functions={{'f': {count}}} and f in its place"
    known = ", ".join([*FUNCTIONS, *DEFINED])
    return FormulaError(
        f"{_shown(e)} is not part of a formula: {name} is none of + - * / **, numbers, pi, {known}{remedy}"
    )


def _shown(e: sp.Basic) -> str:
    return shorten(str(e), 60)
