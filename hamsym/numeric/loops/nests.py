"""Loops over all indices of a sum, eight values of the innermost at once: slopes where they fall, and values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import sympy as sp

from hamsym.numeric.lanes import indent
from hamsym.numeric.loops.layout import WIDTH, affine_text
from hamsym.numeric.loops.operands import Operands, local_name
from hamsym.numeric.parts import Part, Slope, Sums


class Nests(Operands):
    """A formula whose sums can be run over."""

    def nest(
        self,
        part: Part,
        outputs: Sequence[sp.Expr],
        inside: Callable[[list[str], str, str], tuple[list[str], list[str], list[str]]],
    ) -> list[str]:
        """Loops over all indices of a part.

        Arguments:
            part: the summand.
            outputs: expressions that are evaluated in the innermost loop.
            inside: from the results, the mask and the innermost index to lines before, in and after the innermost loop.
        """
        names = {r.index: f"i{n}" for n, r in enumerate(part.ranges)}
        inner = part.ranges[-1]
        c = names[inner.index] = self._fresh("c")
        used = set().union(*(e.free_symbols for e in outputs))
        fixed, varying, found = self._read(part, outputs, names, inner.index)
        indices = {r.index: f"float({names[r.index]})" for r in part.ranges[:-1]}
        if inner.index in used:
            indices[inner.index] = self._fresh("n")
            varying.append(f"{indices[inner.index]} = numbers({c})")
        lines, results = self._straight(outputs, {**found, **indices})
        first, count, mask = (self._fresh(x) for x in ("first", "count", "m"))
        before, within, after = inside(results, mask, c)
        aligned = [
            self.layout.place(a)[2].constant
            for a in part.operands.values()
            if self._stride(a, inner.index) == 1
        ]
        begin = f"{first} - (({first} + {aligned[0] % WIDTH}) & {WIDTH - 1})" if aligned else first
        body = [
            f"{first} = {affine_text(inner.lower, names)}",
            f"{count} = {affine_text(inner.upper, names, 1)} - {first}",
            *fixed,
            *before,
            f"for {c} in range({begin}, {first} + {count}, {WIDTH}):",
            *indent([f"{mask} = within({c} - {first}, {count})", *varying, *lines, *within]),
            *after,
        ]
        for r in reversed(part.ranges[:-1]):
            header = f"for {names[r.index]} in range({affine_text(r.lower, names)}, {affine_text(r.upper, names, 1)}):"
            body = [header, *indent(body)]
        return body

    def accumulating(self, part: Part, slopes: Sequence[Slope]) -> list[str]:
        """A nest that adds derivatives to the slopes."""
        inner = part.ranges[-1].index

        def inside(results: list[str], mask: str, c: str) -> tuple[list[str], list[str], list[str]]:
            names = {r.index: f"i{n}" for n, r in enumerate(part.ranges)} | {inner: c}
            before, within, after = [], [], []
            for slope, result in zip(slopes, results, strict=True):
                kept = self._fresh("d")
                within.append(f"{kept} = pick({mask}, {result}, zero)")
                for access, sign in slope.targets:
                    address = self._address(access, names, f"g{access.kind}")
                    stride = self._stride(access, inner)
                    operator = "+" if sign > 0 else "-"
                    if stride == 0:
                        collected = self._fresh("sum")
                        before.append(f"{collected} = zero")
                        within.append(f"{collected} = {collected} {operator} {kept}")
                        after.append(f"put(s, {address}, get(s, {address}) + total({collected}))")
                    elif stride == 1:
                        within.append(f"store(s, {address}, load(s, {address}) {operator} {kept})")
                    else:
                        old = f"load_apart(s, {address}, {stride})"
                        within.append(f"store_apart(s, {address}, {stride}, {old} {operator} {kept})")
            return before, within, after

        return self.nest(part, [slope.expr for slope in slopes], inside)

    def value(self, parts: Sequence[Part], result: str) -> list[str]:
        """Lines that leave the sum of some parts under a name."""
        lines, plain, sums = [], [], []
        for part in parts:
            if not part.ranges:
                fixed, _, found = self._read(part, [part.expr], {}, None)
                code, [value] = self._straight([part.expr], found)
                lines += [*fixed, *code]
                plain.append(value)
                continue
            name = self._fresh("sum")
            sums.append(name)

            def inside(
                results: list[str], mask: str, c: str, name: str = name
            ) -> tuple[list[str], list[str], list[str]]:
                return [], [f"{name} = {name} + pick({mask}, {results[0]}, zero)"], []

            lines += [
                f"{name} = zero",
                *self.nest(part, [part.expr], inside),
                f"{name}_total = total({name})",
            ]
        return [*lines, f"{result} = {' + '.join([*(f'{x}_total' for x in sums), *plain]) or '0.0'}"]

    def auxiliaries(self, used: Iterable[Part]) -> list[str]:
        """Lines that compute the sums inside of functions, and their weights, as far as some parts need them."""
        needed = _needed(self.sums, used)
        lines = []
        for symbol, parts in self.sums.values.items():
            if symbol in needed:
                lines += self.value(parts, local_name(symbol))
        for symbol, parts in self.sums.weights.items():
            if symbol in needed:
                lines += self.value(parts, local_name(symbol))
        return lines


def _needed(sums: Sums, used: Iterable[Part]) -> set[sp.Symbol]:
    """Sums and weights that occur in parts, and those that occur in these."""
    known: dict[sp.Symbol, tuple[Part, ...]] = {**sums.values, **sums.weights}
    found: set[sp.Symbol] = set()
    waiting = list(used)
    while waiting:
        for symbol in waiting.pop().expr.free_symbols & known.keys() - found:
            found.add(symbol)
            waiting += known[symbol]
    return found
