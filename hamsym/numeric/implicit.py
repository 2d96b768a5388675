"""Gauss collocation for any Hamiltonian, as source code: trajectories side by side that iterate together.

The stages solve zᵢ = h Σⱼ aᵢⱼ f(y + zⱼ).  A step starts from the polynomial through the slopes of the two steps before it,
continued (Hairer, Lubich, Wanner, Geometric Numerical Integration, section VIII.6.1), and iterates the equation until
rounding ends the progress, which keeps the step symplectic to round-off (section VIII.6.2).  A lane that has solved its
equations keeps them while others go on, so that its bits are those it has alone.

Where this does not converge, as in stiff systems, :func:`gauss_source` with ``newton=True`` goes on with Newton's iteration
(section VIII.6.2): with M = h f′ and the denominator P of the method's stability function, a polynomial for which
P(M) (1 - A⊗M)⁻¹ = Σₖ Dₖ⊗Mᵏ, one matrix of the size of f′ is inverted instead of one for all stages.  Where this does not
converge either, the equations have no solution near by: that trajectory becomes NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hamsym.numeric.codegen import Arguments, depends_on_time, gradient_source, hessian_source
from hamsym.numeric.lanes import define, indent
from hamsym.numeric.methods import Gauss
from hamsym.numeric.step import add, call
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Trajectories side by side.
LANES = 16
#: More iterations than that are worth less than smaller steps.
_ITERATIONS, _NEWTON = 60, 60
#: Newton's iteration takes a new f′ every time if the state has no more numbers than that, else every fourth time.
_SMALL, _RENEW = 8, 4
#: The equations are solved when what is left to change is the first fraction of the state (a larger one makes the energy
#: drift), when a change is that of the last bits of the stages, or when it has stopped shrinking and is below the third.
_SOLVED, _LAST_BITS, _ROUNDING = 1e-19, 4.4e-16, 1e-12
#: Iterating is given up when from the fourth time on a change is more than this part of the one before.
_TOO_SLOW = 0.7


def gauss_source(H: Hamiltonian, method: Gauss, *, compensated: bool = False, newton: bool = False) -> str:
    """Return the source of the functions of the formula and of ``block``, the loop over trajectories.

    Arguments:
        H: the Hamiltonian.
        method: the Runge–Kutta tableau.
        compensated: carry the rounding error of the final additions along.
        newton: go on with Newton's iteration where the other does not converge.

    Returns:
        Source with ``block(q_in, p_in, q_out, p_out, scratch, first, last, t0, h, save_every, width, *k)`` and the number
        ``SCRATCH``, as :func:`hamsym.numeric.stepping.stepping_kernels` says; ``width`` is at most :data:`LANES`.

    Raises:
        FormulaError: if H cannot be turned into numbers.
    """
    return _Writer(H, method, compensated, newton).source()


class _Writer:
    """The places of everything in ``scratch``, and the lines that work on them."""

    def __init__(self, H: Hamiltonian, method: Gauss, compensated: bool, newton: bool) -> None:
        self.H, self.method, self.compensated, self.newton = H, method, compensated, newton
        self.names = Arguments.of(H.space)
        self.y = [*self.names.q, *self.names.p]
        self.dof, self.n, self.stages = len(self.names.q), len(self.y), range(len(method.b))
        self.places: dict[str, int] = {}
        self.size = 0
        errors = [f"e_{v}" for v in self.y] if compensated else []
        per_stage = [f"{kind}{i}_{v}" for kind in "zfg" for i in self.stages for v in self.y]
        for name in [*self.y, *errors, *per_stage, "status", "before"]:
            self.reserve(name, 1)
        if newton:
            for name in ("M", "P", "R", "W"):
                self.reserve(name, self.n**2)
            powers = [f"r{k}_{j}" for k in self.stages for j in self.stages]
            for name in (*powers, *(f"{kind}{i}" for kind in "xd" for i in self.stages)):
                self.reserve(name, self.n)
            self.reserve("spare", 1)

    def reserve(self, name: str, count: int) -> None:
        self.places[name] = self.size
        self.size += count * LANES

    def at(self, name: str) -> str:
        return f"scratch[l + {self.places[name]}]"

    def load(self, names: Sequence[str]) -> list[str]:
        return [f"{x} = {self.at(x)}" for x in names]

    def keep(self, names: Sequence[str]) -> list[str]:
        return [f"{self.at(x)} = {x}" for x in names]

    def over_lanes(self, body: list[str]) -> list[str]:
        return ["for l in range(width):", *indent(body)]

    def slopes(self, at: Sequence[str], clock: float, prefix: str) -> list[str]:
        """Lines that leave the slope of each variable v under the name prefix + v."""
        slopes = [f"{prefix}{v}" for v in (*self.names.p, *self.names.q)]  # ∂H/∂q is -dp/dt, ∂H/∂p is dq/dt
        return [*call(self.H, "gradient", at, slopes, clock), *(f"{s} = -{s}" for s in slopes[: self.dof])]

    def of_stages(self, kind: str) -> list[str]:
        return [f"{kind}{i}_{v}" for i in self.stages for v in self.y]

    def combination(self, weights: Sequence[float], names: Sequence[str]) -> str:
        """A sum of products."""
        text = f"{weights[0]!r}*{names[0]}"
        for w, name in zip(weights[1:], names[1:], strict=True):
            text = f"fma({w!r}, {name}, {text})"
        return text

    def source(self) -> str:
        arguments = "".join(f", {k}" for k in self.names.k)
        signature = (
            f"block(q_in, p_in, q_out, p_out, scratch, first, last, t0, h, save_every, width{arguments})"
        )
        parts = [gradient_source(self.H)]
        if self.newton:
            parts += [
                "from hamsym.numeric.lane_algebra import apply, invert, multiply, scale",
                hessian_source(self.H),
            ]
        return "\n\n".join(
            [*parts, f"WIDTH, SCRATCH = {LANES}, {self.size}", define(signature, self.block(), "compiled")]
        )

    def block(self) -> list[str]:
        first = [
            "i = min(begin_at + l, last - 1)",
            *[f"{v} = {v[0]}_in[i, {v[1:]}]" for v in self.y],
            *[f"{v[0]}_out[i, 0, {v[1:]}] = {v}" for v in self.y],
            *["t = t0"] * depends_on_time(self.H),
            *self.slopes(self.y, 0.0, "s_"),
            *self.keep(self.y),
            *[f"{self.at(f)} = s_{f.split('_')[1]}" for kind in "fg" for f in self.of_stages(kind)],
            *[f"{self.at(f'e_{v}')} = 0.0" for v in self.y if self.compensated],
        ]
        write = [f"{v[0]}_out[begin_at + l, s, {v[1:]}] = {self.at(v)}" for v in self.y]
        timed = ["t = fma(h, float((s - 1)*save_every + n), t0)"] * depends_on_time(self.H)
        return [
            "times = q_out.shape[1]",
            f"for begin_at in range(first, last, {LANES}):",
            *indent(self.over_lanes(first)),
            "    for s in range(1, times):",
            "        for n in range(save_every):",
            *indent(indent(indent([*timed, *self.step()]))),
            "        for l in range(min(width, last - begin_at)):",
            *indent(indent(indent(write))),
        ]

    def step(self) -> list[str]:
        iteration = [
            f"rounding = {_ROUNDING!r} if iteration > start else 0.0",
            *self.over_lanes(self.iterate()),
            *self.count("0.0"),
        ]
        loop = [*self.evaluate(), *iteration, "if left == 0:", "    break"]
        if self.newton:
            loop = [
                *self.evaluate(),
                "if start == 0:",
                *indent([*iteration, *self.turn()]),
                "else:",
                *indent(self.newtons_iteration()),
            ]
        return [
            *self.over_lanes(self.predict()),
            "start = 0",
            f"for iteration in range({_ITERATIONS + _NEWTON if self.newton else _ITERATIONS}):",
            *indent(loop),
            *self.over_lanes(self.finish()),
        ]

    def count(self, status: str) -> list[str]:
        """Leave in ``left`` how many lanes have that status."""
        return ["left = 0", *self.over_lanes([f"left += 1 if {self.at('status')} == {status} else 0"])]

    def predict(self) -> list[str]:
        """Continue the polynomial through the slopes of the last two steps."""
        lines = self.load([*self.of_stages("f"), *self.of_stages("g")])
        for weights, i in zip(continuation(self.method.c), self.stages, strict=True):
            for v in self.y:
                slopes = [f"{kind}{j}_{v}" for kind in "fg" for j in self.stages]
                lines.append(f"{self.at(f'z{i}_{v}')} = h*({self.combination(weights, slopes)})")
        lines += [f"{self.at(f'g{name[1:]}')} = {name}" for name in self.of_stages("f")]
        return [*lines, f"{self.at('status')} = 0.0", f"{self.at('before')} = 0.0"]

    def evaluate(self) -> list[str]:
        """The slopes of the stages, a loop for each."""
        lines = []
        for j in self.stages:
            points = [f"{v} = {self.at(v)} + {self.at(f'z{j}_{v}')}" for v in self.y]
            slopes = self.slopes(self.y, self.method.c[j], "s_")
            lines += self.over_lanes([*points, *slopes, *(f"{self.at(f'f{j}_{v}')} = s_{v}" for v in self.y)])
        return lines

    def new_stages(self) -> list[str]:
        """Names n… for what the equations make of the stages z…."""
        lines = self.load([*self.of_stages("f"), *self.of_stages("z")])
        for i in self.stages:
            for v in self.y:
                total = self.combination(self.method.a[i], [f"f{j}_{v}" for j in self.stages])
                lines.append(f"n{i}_{v} = h*({total})")
        return lines

    def settle(self, changes: Sequence[str], running: str, lost: Sequence[str]) -> list[str]:
        """Decide from the changes whether a lane that is running has solved its equations; ``state`` says it."""
        sizes = " + ".join(f"abs({self.at(v)}) + abs(z0_{v})" for v in self.y)
        # the slopes, taken before this change, are off by about as much as the next change; not so in Newton's iteration
        predicted = [f"state = 1.0 if change*change <= {_SOLVED!r}*size*before else state"]
        predicted = predicted if running == "0.0" else []
        moved = " + ".join(f"abs({z})" for z in self.of_stages("z"))
        return [
            *self.load(["status", "before"]),
            "change = 0.0",
            *[f"change += abs({c})" for c in changes],
            f"size = {sizes}",
            f"state = 1.0 if change <= {_LAST_BITS!r}*({moved}) else {running}",
            *predicted,
            f"state = state if change < before else (1.0 if change <= rounding*size else {running})",
            *lost,
            f"state = state if status == {running} else status",
            f"{self.at('status')} = state",
            f"{self.at('before')} = change",
        ]

    def iterate(self) -> list[str]:
        lost = [
            f"bound = {_TOO_SLOW!r}*before if iteration > 2 else math.inf",
            "state = (0.0 if change < bound else -1.0) if state == 0.0 else state",
        ]
        changes = [f"n{z[1:]} - {z}" for z in self.of_stages("z")]
        moves = [f"{self.at(z)} = n{z[1:]} if state == 0.0 else {z}" for z in self.of_stages("z")]
        return [*self.new_stages(), *self.settle(changes, "0.0", lost), *moves]

    def finish(self) -> list[str]:
        """Move the state along the slopes; NaN where the equations are not solved."""
        errors = [f"e_{v}" for v in self.y] if self.compensated else []
        lines = [
            *self.load([*self.y, *errors, *self.of_stages("f"), "status"]),
            "size = h if status == 1.0 else math.nan",
        ]
        for v in self.y:
            for i in self.stages:
                lines += add(v, f"{self.method.b[i]!r}*size", f"f{i}_{v}", compensated=self.compensated)
        return [*lines, *self.keep([*self.y, *errors])]

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
            f"if left == 0 or iteration == {_ITERATIONS - 1}:",
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
            terms = [(D[i][j], f"r{k}_{j}") for k, D in enumerate(self.adjugate) for j in self.stages]
            for d in range(n):
                total = self.combination([w for w, _ in terms], [self.entry(r, d) for _, r in terms])
                sums.append(f"{self.entry(f'x{i}', d)} = {total}")
        solve = [
            f"for j in range({len(self.stages)}):",
            f"    apply(scratch, {place['d0']} + {vector}*j, {place['R']}, {place['x0']} + {vector}*j, {sizes})",
        ]
        return [
            f"order = {n} if width > 0 else 0  # a constant would make the compiler write out the loops below",
            f"rounding = {_ROUNDING!r} if iteration > start else 0.0",
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
        p = self.denominator
        lines = [f"scale(scratch, {place['P']}, {place['M']}, {p[-1]!r}, {p[-2]!r}, {sizes})"]
        for coefficient in p[-3::-1]:
            lines += [
                f"multiply(scratch, {place['W']}, {place['P']}, {place['M']}, {sizes})",
                f"scale(scratch, {place['P']}, {place['W']}, 1.0, {coefficient!r}, {sizes})",
            ]
        return [*lines, f"invert(scratch, {place['R']}, {place['P']}, {place['spare']}, {sizes})"]

    @property
    def denominator(self) -> list[float]:
        """The coefficients of P(x) = det(1 - xA), from the constant on."""
        return [float(c) for c in np.poly(np.array(self.method.a))]

    @property
    def adjugate(self) -> list[list[list[float]]]:
        """D₀ = 1 and Dₖ = A Dₖ₋₁ + pₖ, for which Σₖ xᵏ Dₖ is the adjugate of 1 - xA."""
        A, p = np.array(self.method.a), self.denominator
        D = [np.eye(len(A))]
        for coefficient in p[1 : len(A)]:
            D.append(A @ D[-1] + coefficient * np.eye(len(A)))
        return [d.tolist() for d in D]


def continuation(nodes: Sequence[float]) -> list[list[float]]:
    """Return weights of slopes at c… and c - 1… for the integrals from 1 to 1 + cᵢ of the polynomial through them.

    Example:
        >>> continuation([0.5])  # the slope half a step ahead of 1 is that at 1/2 and half of the growth since -1/2
        [[0.875, -0.375]]
    """
    points = np.concatenate([np.array(nodes), np.array(nodes) - 1])
    powers = np.arange(len(points))
    vandermonde = points ** powers[:, None]
    ends = 1 + np.array(nodes)
    integrals = (ends[:, None] ** (powers + 1) - 1) / (powers + 1)
    return [np.linalg.solve(vandermonde, b).tolist() for b in integrals]
