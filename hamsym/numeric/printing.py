"""Expressions as straight-line scalar code.

Common subexpressions are computed once, every intermediate is a local name, integer and half-integer powers are
products and square roots, and one reciprocal serves all quotients by the same thing.  Fused multiply-adds are written
out as ``fma`` and none are left to the compiler, whose choice differs between the scalar and the SIMD version of one
loop: so a trajectory has the same bits alone and in a batch.  What ``fma`` and :data:`FUNCTIONS` are is said by the module
that holds the code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from hamsym.errors import FormulaError, did_you_mean
from hamsym.numeric.log_sum_exp import LogSumExp, SoftWeight

_CALLS: dict[str, tuple[str, str]] = {  # sympy name: (numba, numpy)
    "exp": ("exp", "np.exp"), "log": ("log", "np.log"),
    "sin": ("sin", "np.sin"), "cos": ("cos", "np.cos"), "tan": ("tan", "np.tan"),
    "sinh": ("sinh", "np.sinh"), "cosh": ("cosh", "np.cosh"), "tanh": ("tanh", "np.tanh"),
    "asin": ("asin", "np.arcsin"), "acos": ("acos", "np.arccos"), "atan": ("atan", "np.arctan"),
    "atan2": ("atan2", "np.arctan2"), "Abs": ("abs", "np.abs"),
}  # fmt: skip
#: The functions whose meaning is left to the module that holds the code.
FUNCTIONS = (*(own for own, _ in _CALLS.values() if own != "abs"), "power")
#: Operations in one expression after which what there is gets a name: Python reads no more than 200 parentheses deep.
_DEEPEST = 100
_RECIPROCALS = {"cot": sp.tan, "coth": sp.tanh}


class _Block:
    """Straight-line code under construction: each distinct subexpression is one assignment."""

    def __init__(self, names: Mapping[sp.Symbol, str], flavour: str) -> None:
        self.lines: list[str] = []
        self.flavour = flavour
        self._memo: dict[Any, str] = dict(names)
        self._uses: dict[sp.Expr, int] = {}

    def count(self, expressions: Iterable[sp.Expr]) -> None:
        """Note how often each quotient is used; a repeated one becomes one reciprocal."""
        seen: set[sp.Expr] = set()
        stack = list(expressions)
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            for argument in node.args:
                self._uses[argument] = self._uses.get(argument, 0) + 1
                stack.append(argument)

    def name(self, key: Any, text: str) -> str:
        """Return the local that holds ``text``, assigning it if it is new."""
        if key not in self._memo:
            self._memo[key] = f"t{len(self.lines)}"
            self.lines.append(f"{self._memo[key]} = {text}")
        return self._memo[key]

    def emit(self, node: sp.Expr) -> str:
        """Return a name or literal for the value of ``node``."""
        if node in self._memo:
            return self._memo[node]
        if not node.free_symbols:
            return _literal(node)
        if isinstance(node, sp.Add):
            return self.name(node, self._sum(node))
        if isinstance(node, sp.Mul):
            return self.name(node, self._product(node))
        if isinstance(node, sp.exp):  # before Pow: sympy may see exp(x) as a power of E
            return self.name(node, f"{self._call('exp')}({self.emit(node.args[0])})")
        if isinstance(node, sp.Pow):
            return self._power(node)
        if isinstance(node, (LogSumExp, SoftWeight)):
            return self._log_sum_exp(node)
        return self._function(node)

    def _sum(self, node: sp.Add) -> str:
        plain: list[str] = []
        products: list[tuple[str, str]] = []
        for term in node.args:
            negative = term.could_extract_minus_sign() and not isinstance(term, sp.Add)
            size, sign = (-term, "-") if negative else (term, "")
            pair = self._factor_pair(size) if self._fusible(term, size) else None
            if pair is None:
                plain.append(sign + self.emit(size))
            else:
                products.append((sign + pair[0], pair[1]))
        plain.sort(key=lambda text: text.startswith("-"))  # a - b rather than -b + a
        if not plain:
            left, right = products.pop(0)
            plain.append(f"{left}*{right}")
        text = self._chain((node, "plain"), plain)
        for n, (left, right) in enumerate(products):
            if n and n % _DEEPEST == 0:
                text = self.name((node, "fused", n), text)
            text = f"fma({left}, {right}, {text})"
        return text

    def _chain(self, key: Any, terms: Sequence[str]) -> str:
        """Return the text of a sum from left to right; of a long one, the beginnings have names."""
        text = terms[0]
        for n, term in enumerate(terms[1:], 1):
            if n % _DEEPEST == 0:
                text = self.name((key, n), text)
            text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
        return text

    def _fusible(self, term: sp.Expr, size: sp.Expr) -> bool:
        """Whether a term of a sum is a product that nothing else needs, so that a fused multiply-add can make it."""
        if self.flavour != "numba" or term in self._memo or size in self._memo:
            return False
        # of x - y², y² is used by -y²; the other use of x y in z - x y may be in another sum, and then is fused there
        return self._uses.get(term, 0) <= 1 and self._uses.get(size, 0) <= 1

    def _factor_pair(self, term: sp.Expr) -> tuple[str, str] | None:
        """Return texts of two factors of a product, or None where there are not two."""
        if isinstance(term, sp.Pow) and term.exp == 2:
            value = self.emit(term.base)
            return value, value
        if not isinstance(term, sp.Mul):
            return None
        sign, over, under = self._factors(term)
        if under or sign or len(over) < 2:
            return None
        return "*".join(over[:-1]), over[-1]

    def _product(self, node: sp.Mul) -> str:
        sign, over, under = self._factors(node)
        text = sign + ("*".join(over) if over else "1.0")
        return text + (f"/({'*'.join(under)})" if under else "")

    def _factors(self, node: sp.Mul) -> tuple[str, list[str], list[str]]:
        """Return the sign and the factors above and below the fraction bar."""
        over: list[str] = []
        under: list[str] = []
        number = sp.Integer(1)
        for factor in node.args:
            if not factor.free_symbols:
                number *= factor
            elif self._is_single_quotient(factor):
                under.append(self.emit(sp.Pow(factor.base, -factor.exp)))
            else:
                over.append(self.emit(factor))
        if number == -1:
            return "-", over, under
        if number != 1:
            over.insert(0, _literal(number))
        return "", over, under

    def _is_single_quotient(self, factor: sp.Expr) -> bool:
        quotient = isinstance(factor, sp.Pow) and factor.exp.is_Rational and factor.exp < 0
        return quotient and self._uses.get(factor, 1) <= 1

    def _power(self, node: sp.Pow) -> str:
        base, exponent = node.base, node.exp
        if not (exponent.is_Rational and exponent.q in (1, 2) and abs(exponent) <= 1024):
            if base == sp.E:
                return self.name(node, f"{self._call('exp')}({self.emit(exponent)})")
            pair = self.emit(base), self.emit(exponent)
            return self.name(
                node, "power({}, {})".format(*pair) if self.flavour == "numba" else "{}**{}".format(*pair)
            )
        if exponent < 0:
            return self.name(node, f"1.0/{self.emit(sp.Pow(base, -exponent))}")
        value = self.emit(base)
        whole, half = int(exponent) if exponent.q == 1 else int(exponent - sp.Rational(1, 2)), exponent.q == 2
        power = self._integer_power(base, value, whole) if whole else ""
        if not half:
            return power
        root = self.name(("sqrt", base), f"{'math' if self.flavour == 'numba' else 'np'}.sqrt({value})")
        return self.name(node, f"{power}*{root}") if power else root

    def _integer_power(self, base: sp.Expr, value: str, n: int) -> str:
        if n == 1:
            return value
        half = self._integer_power(base, value, n // 2)
        squared = self.name(("pow", base, n - n % 2), f"{half}*{half}")
        return self.name(("pow", base, n), f"{squared}*{value}") if n % 2 else squared

    def _log_sum_exp(self, node: sp.Expr) -> str:
        arguments = node.args if isinstance(node, LogSumExp) else node.args[1:]
        exponents = [self.emit(e) for e in arguments[1::2]]
        key = ("lse", arguments)
        largest = exponents[0]
        for i, e in enumerate(exponents[1:]):
            text = (
                f"{largest} if {largest} > {e} else {e}"
                if self.flavour == "numba"
                else f"np.maximum({largest}, {e})"
            )
            largest = self.name((key, "max", i), text)
        parts = [
            self.name((key, "exp", i), f"{self._call('exp')}({e} - {largest})")
            for i, e in enumerate(exponents)
        ]
        terms = []
        for i, (c, part) in enumerate(zip(arguments[0::2], parts, strict=True)):
            terms.append(part if c == 1 else self.name((key, "term", i), f"{self.emit(c)}*{part}"))
        total = self.name((key, "sum"), self._chain((key, "chain"), terms))
        if isinstance(node, LogSumExp):
            return self.name(node, f"{largest} + {self._call('log')}({total})")
        inverse = self.name((key, "inverse"), f"1.0/{total}")
        return self.name(node, f"{parts[int(node.args[0])]}*{inverse}")

    def _function(self, node: sp.Expr) -> str:
        kind = type(node).__name__
        if kind == "sign":
            value = self.emit(node.args[0])
            scalar = f"(1.0 if {value} > 0.0 else (-1.0 if {value} < 0.0 else {value}))"
            return self.name(node, scalar if self.flavour == "numba" else f"np.sign({value})")
        if kind in _RECIPROCALS:
            return self.name(node, f"1.0/{self.emit(_RECIPROCALS[kind](*node.args))}")
        return self.name(node, f"{self._call(kind)}({', '.join(self.emit(a) for a in node.args)})")

    def _call(self, kind: str) -> str:
        if kind not in _CALLS:
            known = ", ".join(sorted([*_CALLS, *_RECIPROCALS]))
            raise FormulaError(f"{kind} has no numeric form here; known: {known}")
        return _CALLS[kind][self.flavour == "numpy"]


def straight_line(
    outputs: Sequence[sp.Expr], names: Mapping[sp.Symbol, str], *, flavour: str = "numba"
) -> tuple[list[str], list[str]]:
    """Print expressions as straight-line code.

    Arguments:
        outputs: expressions in the symbols of ``names``.
        names: the local name of each symbol.
        flavour: ``"numba"`` for scalars, ``"numpy"`` for arrays.

    Returns:
        The assignments, in order, and for each output the name or literal that holds it.

    Raises:
        FormulaError: if an expression has no numeric form.

    Example:
        >>> x, y = sp.symbols("x y", real=True)
        >>> straight_line([x**2 + y**2, (x**2 + y**2) ** sp.Rational(-3, 2)], {x: "a", y: "b"})
        (['t0 = fma(b, b, a*a)', 't1 = math.sqrt(t0)', 't2 = t0*t1', 't3 = 1.0/t2'], ['t0', 't3'])
    """
    for output in outputs:
        _require_numeric(output, names)
    folded = [_fold_constants(output) for output in outputs]
    shared, reduced = sp.cse(folded, symbols=sp.numbered_symbols("cse_", cls=sp.Dummy, real=True))
    block = _Block(names, flavour)
    block.count([e for _, e in shared] + list(reduced))
    for symbol, expression in shared:
        block._memo[symbol] = block.emit(expression)
    results = [block.emit(r) for r in reduced]
    return block.lines, results


def _require_numeric(expression: sp.Expr, names: Mapping[sp.Symbol, str]) -> None:
    undefined = sorted({f.func.__name__ for f in expression.atoms(sp.core.function.AppliedUndef)})
    if undefined:
        raise FormulaError(
            f"the function {undefined[0]!r} is declared but has no formula, so it has no value; "
            "write it out in the Hamiltonian to compute with it"
        )
    foreign = sorted(s.name for s in expression.free_symbols - set(names))
    if foreign:
        raise FormulaError(
            f"the name {foreign[0]!r} has no value here" + did_you_mean(foreign[0], names.values())
        )


def _fold_constants(expression: sp.Expr) -> sp.Expr:
    """Replace every part without symbols by its value, found with as many digits as that takes."""
    if expression.is_Number or expression.is_Symbol:
        return expression
    if not expression.free_symbols:
        value = expression.evalf(30)
        if not value.is_Number:
            raise FormulaError(f"the constant {expression} in the formula is not a real number")
        return value
    return expression.func(*(_fold_constants(a) for a in expression.args))


def _literal(number: sp.Expr) -> str:
    try:
        exact = isinstance(number, sp.Rational)
        value = float(Fraction(int(number.p), int(number.q)) if exact else number)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise FormulaError("a number in the formula is outside the range of double precision")
    return f"({value!r})" if value < 0 else repr(value)
