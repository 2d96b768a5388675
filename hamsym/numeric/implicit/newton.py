"""Gauss collocation that goes on with Newton's iteration where the fixed-point iteration does not converge, as in stiff systems.

With M = h f′ and the denominator P of the method's stability function, a polynomial for which
P(M) (1 - A⊗M)⁻¹ = Σₖ Dₖ⊗Mᵏ, one matrix of the size of f′ is inverted instead of one for all stages (Hairer, Lubich, Wanner,
Geometric Numerical Integration, section VIII.6.2).  Where this does not converge either, the equations have no solution near
by: that trajectory becomes NaN.
"""

from __future__ import annotations

from hamsym.numeric.codegen import hessian_source
from hamsym.numeric.implicit.iteration import ITERATIONS, LANES, ROUNDING, FixedPoint
from hamsym.numeric.implicit.tableau import adjugate, denominator
from hamsym.numeric.lanes import indent
from hamsym.numeric.methods import Gauss
from hamsym.numeric.step import call
from hamsym.symbolic.hamiltonian import Hamiltonian

#: More iterations than that are worth less than smaller steps.
_NEWTON = 60
#: Newton's iteration takes a new f′ every time if the state has no more numbers than that, else every fourth time.
_SMALL, _RENEW = 8, 4


class Newton(FixedPoint):
    """Steps whose equations are solved by Newton's iteration where the fixed-point iteration has not; arguments as there."""

    def __init__(self, H: Hamiltonian, method: Gauss, compensated: bool) -> None:
        super().__init__(H, method, compensated)
        for name in ("M", "P", "R", "W"):
            self.reserve(name, self.n**2)
        powers = [f"r{k}_{j}" for k in self.stages for j in self.stages]
        for name in (*powers, *(f"{kind}{i}" for kind in "xd" for i in self.stages)):
            self.reserve(name, self.n)
        self.reserve("spare", 1)

    def functions(self) -> list[str]:
        return [
            *super().functions(),
            "from hamsym.numeric.lane_algebra import apply, invert, multiply, scale",
            hessian_source(self.H),
        ]

    def solve(self) -> list[str]:
        loop = [
            *self.evaluate(),
            "if start == 0:",
            *indent([*self.iteration(), *self.turn()]),
            "else:",
            *indent(self.newtons_iteration()),
        ]
        return [f"for iteration in range({ITERATIONS + _NEWTON}):", *indent(loop)]

    def turn(self) -> list[str]:
        """Go over to Newton's iteration, from z = 0, in the lanes that have not solved."""
        restart = [
            f"status = {self.at('status')}",
            "lost += 1 if status != 1.0 else 0",
            f"{self.at('status')} = 1.0 if status == 1.0 else -1.0",
            f"{self.at('before')} = 0.0",
            *[f"{self.at(z)} = {self.at(z)} if status == 1.0 else 0.0" for z in self.of_stages("z")],
        ]
        return [
            f"if left == 0 or iteration == {ITERATIONS - 1}:",
            "    lost = 0",
            *indent(self.over_lanes(restart)),
            "    if lost == 0:",
            "        break",
            "    start = iteration + 1",
        ]

    def newtons_iteration(self) -> list[str]:
        """One iteration, with f′ at the mean of the stages."""
        n, place, highest = self.n, self.places, len(self.stages) - 1
        every = 1 if n <= _SMALL else _RENEW
        sizes, vector = f"order, {LANES}, width", n * LANES
        powers = [
            f"for j in range({highest * len(self.stages)}):  # M r, M M r, …",
            f"    apply(scratch, {place['r0_0'] + len(self.stages) * vector} + {vector}*j, {place['M']}, {place['r0_0']} + {vector}*j, {sizes})",
        ]
        sums = []
        for i in self.stages:
            terms = [
                (D[i][j], f"r{k}_{j}") for k, D in enumerate(adjugate(self.method.a)) for j in self.stages
            ]
            for d in range(n):
                total = self.combination([w for w, _ in terms], [self.entry(r, d) for _, r in terms])
                sums.append(f"{self.entry(f'x{i}', d)} = {total}")
        solve = [
            f"for j in range({len(self.stages)}):",
            f"    apply(scratch, {place['d0']} + {vector}*j, {place['R']}, {place['x0']} + {vector}*j, {sizes})",
        ]
        return [
            f"order = {n} if width > 0 else 0  # a constant would make the compiler write out the loops below",
            f"rounding = {ROUNDING!r} if iteration > start else 0.0",
            f"if (iteration - start) % {every} == 0:",
            *indent([*self.over_lanes(self.jacobian()), *self.inverse()]),
            *self.over_lanes(self.residuals()),
            *(powers if highest else []),
            *self.over_lanes(sums),
            *solve,
            *self.over_lanes(self.correct()),
            *self.count("-1.0"),
            "if left == 0:",
            "    break",
        ]

    def entry(self, name: str, d: int) -> str:
        return f"scratch[l + {self.places[name] + d * LANES}]"

    def residuals(self) -> list[str]:
        """What the equations lack, into r…."""
        lines = self.new_stages()
        for i in self.stages:
            lines += [f"{self.entry(f'r0_{i}', d)} = n{i}_{v} - z{i}_{v}" for d, v in enumerate(self.y)]
        return lines

    def correct(self) -> list[str]:
        """Move the stages by d…."""
        lines, changes, moves = self.load(self.of_stages("z")), [], []
        for i in self.stages:
            for d, v in enumerate(self.y):
                change = self.entry(f"d{i}", d)
                changes.append(change)
                moves.append(f"{self.at(f'z{i}_{v}')} = z{i}_{v} + {change} if state == -1.0 else z{i}_{v}")
        return [
            *lines,
            *self.settle(changes, "-1.0", ["state = state if change < math.inf else -2.0"]),
            *moves,
        ]

    def jacobian(self) -> list[str]:
        """M = h f′ where the mean of the stages is."""
        n, dof = self.n, self.dof
        points = []
        for v in self.y:
            mean = self.combination(self.method.b, [self.at(f"z{i}_{v}") for i in self.stages])
            points.append(f"{v} = {self.at(v)} + ({mean})")
        second = [f"d{a}_{b}" for a in range(n) for b in range(a, n)]
        lines = [*points, *call(self.H, "hessian", self.y, second, 0.5)]
        for a in range(n):
            of, sign = (a + dof, "") if a < dof else (a - dof, "-")
            for b in range(n):
                entry = f"d{min(of, b)}_{max(of, b)}"
                lines.append(f"scratch[l + {self.places['M'] + (a * n + b) * LANES}] = {sign}h*{entry}")
        return lines

    def inverse(self) -> list[str]:
        """R = P(M)⁻¹, by Horner's scheme."""
        place, sizes = self.places, f"order, {LANES}, width"
        p = denominator(self.method.a)
        lines = [f"scale(scratch, {place['P']}, {place['M']}, {p[-1]!r}, {p[-2]!r}, {sizes})"]
        for coefficient in p[-3::-1]:
            lines += [
                f"multiply(scratch, {place['W']}, {place['P']}, {place['M']}, {sizes})",
                f"scale(scratch, {place['P']}, {place['W']}, 1.0, {coefficient!r}, {sizes})",
            ]
        return [*lines, f"invert(scratch, {place['R']}, {place['P']}, {place['spare']}, {sizes})"]
