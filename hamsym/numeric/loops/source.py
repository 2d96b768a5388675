"""Source of functions that run over sums: gradients into rows, and values.

Three shapes of loops make up a gradient.  *Nests* run over all indices of a sum, eight values of the innermost at once, and
add to the slopes of the variables they meet.  A *pass* runs over rows of variables once, eight sites at once: it gathers what
sums over one index contribute to a site, with as many evaluations of the summand as there are different distances (or, where
evaluation is dear, from a row of derivatives computed before), adds what the nests left, and hands the slope to whoever asked.
Single terms are scalar code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from hamsym.numeric.lanes import indent
from hamsym.numeric.loops.layout import WIDTH
from hamsym.numeric.loops.nests import Nests
from hamsym.numeric.parts import Part, Slope

#: What is too dear to compute twice.
_DEAR = re.compile(r"sqrt|/|\*\*|\b[a-z]\w*\((?<!fma\()")

#: What the pass does with the slope of eight variables, or of variables without one (None): kind, row, place to lines.
Sink = Callable[[str, int, str | None], list[str]]


#: A single place in a row of variables: kind, row, place.
_Spot = tuple[str, int, int]
#: Single terms that reach at most so many places, at the ends of rows, are dealt with where the ends are.
_FEW_SPOTS = 6


class Writer(Nests):
    """Writes the gradient of one formula."""

    def gradient(self, kinds: Sequence[str], sink: Sink) -> list[str]:
        """Lines that compute the slopes by the variables of some kinds and hand them to a sink."""
        parts = [(part, part.slopes(kinds)) for part in self.sums.gradient]
        parts = [(part, slopes) for part, slopes in parts if slopes]
        gathered: list[tuple[Part, list[Slope]]] = []
        nested: list[tuple[Part, list[Slope]]] = []
        single: list[tuple[Part, list[Slope]]] = []
        for part, slopes in parts:
            (single if not part.ranges else gathered if self._can_gather(part, slopes) else nested).append(
                (part, slopes)
            )
        lines = ["zero = repeated(0.0)", *self.auxiliaries([part for part, _ in parts])]
        spots: dict[_Spot, str] = {}
        for part, slopes in single:
            lines += self._single(part, slopes, spots)
        at_ends = not nested and len(spots) <= _FEW_SPOTS and all(self._is_at_end(spot) for spot in spots)
        touched = {a.kind for _, slopes in nested for slope in slopes for a, _ in slope.targets}
        touched |= set() if at_ends else {kind for kind, _, _ in spots}
        if nested:
            for kind in sorted(touched):
                base = self.bases[f"g{kind}"]
                lines += [
                    f"for c in range({base}, {base} + {self.layout.variables.room}, {WIDTH}):",
                    "    store(s, c, zero)",
                ]
        for part, slopes in nested:
            lines += self.accumulating(part, slopes)
        if not at_ends:  # where there are no nests, these places are the only ones that are ever written
            for (kind, row, place), value in spots.items():
                address = f"{self.bases[f'g{kind}']} + {row * self.layout.variables.pitch + place}"
                lines.append(f"put(s, {address}, {f'get(s, {address}) + ' if nested else ''}{value})")
        return [*lines, *self._pass(gathered, kinds, touched, sink, spots if at_ends else {})]

    def _single(self, part: Part, slopes: Sequence[Slope], spots: dict[_Spot, str]) -> list[str]:
        """Lines that compute the derivatives of a single term; they are added to the slopes at single places."""
        fixed, _, found = self._read(part, [slope.expr for slope in slopes], {}, None)
        lines, results = self._straight([slope.expr for slope in slopes], found)
        for slope, result in zip(slopes, results, strict=True):
            for access, sign in slope.targets:
                _, row, place = self.layout.place(access)
                spot = access.kind, row, place.constant
                if spot in spots:
                    lines.append(f"{spots[spot]} = {spots[spot]} {'+' if sign > 0 else '-'} {result}")
                else:
                    spots[spot] = self._fresh("spot")
                    lines.append(f"{spots[spot]} = {'' if sign > 0 else '-'}{result}")
        return [*fixed, *lines]

    def _is_at_end(self, spot: _Spot) -> bool:
        return spot[2] < WIDTH or spot[2] >= self.layout.variables.length - WIDTH

    def _can_gather(self, part: Part, slopes: Sequence[Slope]) -> bool:
        if len(part.ranges) != 1:
            return False
        index = part.ranges[0].index
        targets = [a for slope in slopes for a, _ in slope.targets]
        return all(self._stride(a, index) == 1 for a in targets) and all(
            self._stride(a, index) in (0, 1) for a in part.operands.values()
        )

    def _pass(
        self,
        gathered: Sequence[tuple[Part, Sequence[Slope]]],
        kinds: Sequence[str],
        touched: set[str],
        sink: Sink,
        spots: Mapping[_Spot, str],
    ) -> list[str]:
        """The pass over rows."""
        variables = self.layout.variables
        scalars: list[str] = []
        reads: dict[str, str] = {}
        found: list[str] = []
        # for each kind and row: sign, name, and the first place and number of places at which it is meant
        given: dict[tuple[str, int], list[tuple[str, str, tuple[int, int] | None]]] = {}
        prelude: list[str] = []
        for part, slopes in gathered:
            r = part.ranges[0]
            low, count = r.lower.constant, r.upper.constant - r.lower.constant + 1
            shifts: dict[int, list[tuple[int, Slope]]] = {}
            for n, slope in enumerate(slopes):
                for access, _ in slope.targets:
                    entry = shifts.setdefault(self.layout.place(access)[2].constant, [])
                    if (n, slope) not in entry:
                        entry.append((n, slope))
            evaluations = sum(len({n for n, _ in entry}) for entry in shifts.values())
            if len(shifts) > 1 and self._is_dear(part, slopes) and evaluations > len(slopes):
                prelude += self._derivative_rows(part, slopes, shifts, given, reads)
                continue
            for shift, entry in shifts.items():
                outputs = [slope.expr for _, slope in entry]
                names = self._site_operands(part, outputs, shift, reads, scalars)
                if r.index in set().union(*(e.free_symbols for e in outputs)):
                    names[r.index] = self._fresh("n")
                    found.append(f"{names[r.index]} = numbers(c + {-shift})")
                lines, results = self._straight(outputs, names)
                found += lines
                for (_, slope), result in zip(entry, results, strict=True):
                    for access, sign in slope.targets:
                        rows, row, place = self.layout.place(access)
                        if place.constant == shift:
                            meant = (
                                None
                                if low + shift <= 0 and low + shift + count >= rows.length_of(row)
                                else (low + shift, count)
                            )
                            given.setdefault((access.kind, row), []).append(
                                ("+" if sign > 0 else "-", result, meant)
                            )
        for kind in kinds:
            for row in range(variables.rows):
                if kind in touched:
                    address = f"{self.bases[f'g{kind}']} + {row * variables.pitch} + c"
                    given.setdefault((kind, row), []).insert(0, ("+", f"load(s, {address})", None))
        for (kind, row, at), value in spots.items():
            given.setdefault((kind, row), []).append(("+", value, (at, 1)))
        single = {(at, 1) for _, _, at in spots}
        ranges = {meant for entries in given.values() for _, _, meant in entries if meant is not None}

        def body(masked: bool) -> list[str]:
            names = {meant: f"m{n}" for n, meant in enumerate(sorted(ranges))} if masked else {}
            lines = [f"{name} = within(c - {first}, {count})" for (first, count), name in names.items()]
            lines += [f"{name} = {text}" for text, name in reads.items()]
            lines += found
            for kind in kinds:
                for row in range(variables.rows):
                    slope = ""
                    for sign, text, meant in given.get((kind, row), ()):
                        if meant in single and not masked:
                            continue
                        one = f"pick({names[meant]}, {text}, zero)" if meant in names else text
                        slope += f" {sign} {one}" if slope or sign == "-" else one
                    if slope:
                        lines.append(f"g = {slope.strip()}")
                    lines += sink(kind, row, "g" if slope else None)
            return lines

        end = -(-variables.length // WIDTH) * WIDTH
        long, half = ranges - single, variables.length // 2
        begins = [first for first, _ in long] + [first + 1 for first, _ in single if first < half]
        inner_first = max([0, *(-(-first // WIDTH) * WIDTH for first in begins)])
        ends = [first + count for first, count in long] + [first for first, _ in single if first >= half]
        inner_last = min([end, *(last // WIDTH * WIDTH for last in ends if last < variables.length)])
        lines = [*prelude, *scalars]
        if not ranges:
            return [*lines, f"for c in range(0, {end}, {WIDTH}):", *indent(body(False))]
        if inner_last <= inner_first:
            return [*lines, f"for c in range(0, {end}, {WIDTH}):", *indent(body(True))]
        edges, skip = (inner_first + end - inner_last) // WIDTH, inner_last - inner_first
        lines += [f"for c in range({inner_first}, {inner_last}, {WIDTH}):", *indent(body(False))]
        if edges:
            lines += [
                f"for edge in range({edges}):",
                *indent([f"c = {WIDTH}*edge", f"if c >= {inner_first}:", f"    c += {skip}", *body(True)]),
            ]
        return lines

    def _site_operands(
        self, part: Part, outputs: Sequence[sp.Expr], shift: int, reads: dict[str, str], scalars: list[str]
    ) -> dict[sp.Symbol, str]:
        """Names of the operands of a part at the site c; what is read is noted."""
        index = part.ranges[0].index
        symbols = set().union(*(e.free_symbols for e in outputs))
        wanted = {s for d, pair in part.differences.items() if d in symbols for s in pair} | symbols
        found: dict[sp.Symbol, str] = {}
        for symbol, access in part.operands.items():
            if symbol not in wanted:
                continue
            if self._stride(access, index) == 0:
                found[symbol] = self._fresh("x")
                scalars.append(f"{found[symbol]} = repeated(get(s, {self._address(access, {})}))")
                continue
            text = f"load(s, {self._address(access, {index: 'c'}, shift=-shift)})"
            found[symbol] = reads.setdefault(text, f"x{len(reads)}_")
        for symbol, (a, b) in part.differences.items():
            if symbol in symbols:
                text = f"{found[a]} - {found[b]}"
                found[symbol] = reads.setdefault(text, f"u{len(reads)}_")
        return found

    def _is_dear(self, part: Part, slopes: Sequence[Slope]) -> bool:
        symbols = set().union(*(slope.expr.free_symbols for slope in slopes))
        lines, _ = self._straight([slope.expr for slope in slopes], dict.fromkeys(symbols, "x"))
        return any(_DEAR.search(line.partition("=")[2].replace("fma(", "(")) for line in lines)

    def _derivative_rows(
        self,
        part: Part,
        slopes: Sequence[Slope],
        shifts: Mapping[int, Sequence[tuple[int, Slope]]],
        given: dict[tuple[str, int], list[tuple[str, str, tuple[int, int] | None]]],
        reads: dict[str, str],
    ) -> list[str]:
        """A loop that leaves derivatives in rows, zero where the sum does not reach, and their shares in the slopes."""
        numbered = []
        r = part.ranges[0]
        low, high = r.lower.constant, r.upper.constant
        spread = max(*shifts, 0) - min(shifts)
        # index i stands at i - start; sites c look for c - shift
        start = -(-max(max(shifts) + abs(low), 0) // WIDTH) * WIDTH + WIDTH
        for _ in slopes:
            numbered.append(len(self.rows))
            self.rows.append(start + self.layout.variables.pitch + spread + high + 2 * WIDTH)

        def inside(results: list[str], mask: str, c: str) -> tuple[list[str], list[str], list[str]]:
            return (
                [],
                [
                    f"store(s, W{n} + {start} + {c}, pick({mask}, {result}, zero))"
                    for n, result in zip(numbered, results, strict=True)
                ],
                [],
            )

        lines = self.nest(part, [slope.expr for slope in slopes], inside)
        for n, slope in zip(numbered, slopes, strict=True):
            for access, sign in slope.targets:
                _, row, place = self.layout.place(access)
                text = f"load(s, W{n} + {start - place.constant} + c)"
                name = reads.setdefault(text, f"w{len(reads)}_")
                given.setdefault((access.kind, row), []).append(("+" if sign > 0 else "-", name, None))
        return lines
