"""Gauss collocation by fixed-point iteration, as source code: trajectories side by side that iterate together.

The stages solve zᵢ = h Σⱼ aᵢⱼ f(y + zⱼ).  A step starts from the polynomial through the slopes of the two steps before it,
continued (Hairer, Lubich, Wanner, Geometric Numerical Integration, section VIII.6.1), and iterates the equation until
rounding ends the progress, which keeps the step symplectic to round-off (section VIII.6.2).  A lane that has solved its
equations keeps them while others go on, so that its bits are those it has alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from hamsym.numeric.codegen import Arguments, depends_on_time, gradient_source
from hamsym.numeric.implicit.tableau import continuation
from hamsym.numeric.lanes import define, indent
from hamsym.numeric.methods import Gauss
from hamsym.numeric.step import add, call
from hamsym.symbolic.hamiltonian import Hamiltonian

#: Trajectories side by side.
LANES = 16
#: More iterations than that are worth less than smaller steps.
ITERATIONS = 60
#: The equations are solved when what is left to change is the first fraction of the state (a larger one makes the energy
#: drift), when a change is that of the last bits of the stages, or when it has stopped shrinking and is below the third.
_SOLVED, _LAST_BITS, ROUNDING = 1e-19, 4.4e-16, 1e-12
#: Iterating is given up when from the fourth time on a change is more than this part of the one before.
_TOO_SLOW = 0.7


class FixedPoint:
    """Steps whose equations are solved by fixed-point iteration: the places of everything in ``scratch``, the lines that work on it.

    Arguments:
        H: the Hamiltonian.
        method: the Runge–Kutta tableau.
        compensated: carry the rounding error of the final additions along.
    """

    def __init__(self, H: Hamiltonian, method: Gauss, compensated: bool) -> None:
        self.H, self.method, self.compensated = H, method, compensated
        self.names = Arguments.of(H.space)
        self.y = [*self.names.q, *self.names.p]
        self.dof, self.n, self.stages = len(self.names.q), len(self.y), range(len(method.b))
        self.places: dict[str, int] = {}
        self.size = 0
        errors = [f"e_{v}" for v in self.y] if compensated else []
        per_stage = [f"{kind}{i}_{v}" for kind in "zfg" for i in self.stages for v in self.y]
        for name in [*self.y, *errors, *per_stage, "status", "before"]:
            self.reserve(name, 1)

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
        return "\n\n".join(
            [
                *self.functions(),
                f"WIDTH, SCRATCH = {LANES}, {self.size}",
                define(signature, self.block(), "compiled"),
            ]
        )

    def functions(self) -> list[str]:
        """The sources of what the lines call."""
        return [gradient_source(self.H)]

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
        return [
            *self.over_lanes(self.predict()),
            "start = 0",
            *self.solve(),
            *self.over_lanes(self.finish()),
        ]

    def solve(self) -> list[str]:
        """Iterate until no lane is left."""
        loop = [*self.evaluate(), *self.iteration(), "if left == 0:", "    break"]
        return [f"for iteration in range({ITERATIONS}):", *indent(loop)]

    def iteration(self) -> list[str]:
        """One iteration with the slopes of the stages; ``left`` says how many lanes need more."""
        return [
            f"rounding = {ROUNDING!r} if iteration > start else 0.0",
            *self.over_lanes(self.iterate()),
            *self.count("0.0"),
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
