"""Logarithms of sums of exponentials, to be computed in their max-shifted form, value and gradient.

So a potential ``-log Σ cₖ exp(-aₖ)`` and its force stay finite wherever the ``aₖ`` are.
"""

from __future__ import annotations

import sympy as sp


class LogSumExp(sp.Function):  # type: ignore[misc]
    """``log Σ cₖ exp(eₖ)`` with the arguments c₁, e₁, c₂, e₂, …; its derivatives are :class:`SoftWeight`."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        k = (argindex - 1) // 2
        weight = SoftWeight(sp.Integer(k), *self.args)
        return weight if argindex % 2 else self.args[2 * k] * weight


class SoftWeight(sp.Function):  # type: ignore[misc]
    """``exp(eₖ) / Σ cⱼ exp(eⱼ)`` with the arguments k, c₁, e₁, c₂, e₂, …."""


def shift_exponentials(expression: sp.Expr) -> sp.Expr:
    """Return the expression with every logarithm of a sum of exponentials made a :class:`LogSumExp`.

    Example:
        >>> x = sp.Symbol("x", real=True)
        >>> shift_exponentials(3 * sp.log(1 + 2 * sp.exp(x)))
        3*LogSumExp(1, 0, 2, x)
    """
    if not expression.args:
        return expression
    expression = expression.func(*(shift_exponentials(a) for a in expression.args))
    if not isinstance(expression, sp.log):
        return expression
    argument = expression.args[0]
    outer = sp.Integer(1)
    if isinstance(argument, sp.Mul):  # log(a (e^x + e^y)): the factor goes into the coefficients
        sums = [f for f in argument.args if isinstance(f, sp.Add)]
        if len(sums) == 1:
            outer, argument = argument / sums[0], sums[0]
    if not isinstance(argument, sp.Add):
        return expression
    pairs: list[sp.Expr] = []
    found = False
    for term in argument.args:
        coefficient, exponent = sp.Integer(1), sp.Integer(0)
        for factor in sp.Mul.make_args(term):
            if isinstance(factor, sp.exp) and factor.args[0].free_symbols:
                exponent, found = exponent + factor.args[0], True
            else:
                coefficient *= factor
        pairs += [coefficient * outer, exponent]
    return LogSumExp(*pairs) if found else expression
