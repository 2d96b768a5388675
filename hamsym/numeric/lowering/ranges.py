"""Which indices cannot be negative, so that they need not be asked whether they count from the end."""

from __future__ import annotations

import ast

from hamsym.numeric.lowering.kinds import whole_number


def never_negative(function: ast.FunctionDef) -> set[str]:
    """The names in a function that are only ever counters of ranges from something never negative upward."""
    loops = [n for n in ast.walk(function) if isinstance(n, ast.For) and isinstance(n.target, ast.Name)]
    counters = {id(loop.target) for loop in loops}
    stored = [n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    names = {n.id for n in stored if id(n) in counters}
    names -= {a.arg for a in function.args.args} | {n.id for n in stored if id(n) not in counters}
    while True:  # a counter that starts at another one goes with it
        bad = set()
        for loop in loops:
            bounds = loop.iter.args if isinstance(loop.iter, ast.Call) else []
            rises = len(bounds) < 3 or (whole_number(bounds[2]) or 0) > 0
            if not rises or (len(bounds) > 1 and not is_never_negative(bounds[0], names)):
                bad.add(getattr(loop.target, "id", ""))
        if not bad & names:
            return names
        names -= bad


def is_never_negative(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression of constants and of names that are never negative is so too, as sums and products are."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and node.value >= 0
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        return is_never_negative(node.left, names) and is_never_negative(node.right, names)
    return False
