"""One training step of a flow, against double back-propagation, closed-form gradients in plain torch, and JAX.

    python benchmarks/step.py                       # 512 points, 2 Hamiltonians of 4 steps, 64 units
    python benchmarks/step.py --steps 1 4 16 64 --hamiltonians 1
    python benchmarks/step.py --batch 512 4096 16384
    python benchmarks/step.py --symmetry features exact average penalty
    python benchmarks/step.py --context 1           # one context for each point
    python benchmarks/step.py --json                # the same numbers for programs

Everything in one process on one core, CPU time, in turns, medians; every row is a whole step with encoder, clipping and
Adam.  ``naive`` differentiates each potential by autograd and then the result again; ``closed`` has the gradients as
formulas of torch; ``jax`` is jit-compiled with the same closed gradients (only if it is installed, and only where the
flow is free).  Ratios are those of the medians; ``(…)`` is the spread of single turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np
import torch

from learn import BracketConstraint, HamiltonianFlow
from learn.flow.reversible import steps_by
from learn.kernels import cpu
from learn.kernels.adam import clipped_step

ROTATION = "q1*p2 - q2*p1"


class Naive(HamiltonianFlow):
    """The same flow with every gradient of a potential left to autograd."""

    def _pull_back(
        self, q: torch.Tensor, p: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        for h in reversed(self.chain_given(context)):
            q, p = steps_by(q, p, -h.dt, _by_autograd(h.potential), _by_autograd(h.kinetic), self.steps)
        return q, p


def _by_autograd(value: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    def gradient(x: torch.Tensor) -> torch.Tensor:
        x = x if x.requires_grad else x.detach().requires_grad_()
        return torch.autograd.grad(value(x).sum(), x, create_graph=True)[0]

    return gradient


def torch_step(
    kind: type[HamiltonianFlow], sizes: dict[str, Any], batch: int, dtype: torch.dtype
) -> Callable[[], None]:
    """A training step of a new flow, as ``learn.fit`` does it."""
    flow = kind(**sizes, seed=0).to(dtype)
    q = torch.randn(20_000, flow.dim, dtype=dtype, generator=torch.Generator().manual_seed(0))
    context = torch.randn(len(q), sizes["context"], dtype=dtype) if sizes.get("context") else None
    constraint = BracketConstraint(flow.generators) if flow.symmetry == "penalty" else None
    weights, random = list(flow.parameters()), torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(weights, lr=1e-2, fused=True)

    def step() -> None:
        index = torch.randint(len(q), (batch,), generator=random)
        points, given = q[index], None if context is None else context[index]
        if flow.group is not None:
            (points,) = flow.group.move(random, points)
        loss = -flow.training_elbo(points, random, given).mean()
        if constraint is not None:
            residuals = constraint.residuals(constraint.states(flow, flow.encoder, points[:256], random))
            loss = loss + constraint.penalty(residuals)
        float(loss.detach())  # a training looks at its loss
        for weight in weights:
            weight.grad = None
        loss.backward()
        if cpu.applies(*weights):
            clipped_step(adam, weights, 1.0)
        else:
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            adam.step()

    return step


def plainly(step: Callable[[], None]) -> Callable[[], None]:
    """The step without the fused kernels."""

    def run() -> None:
        with cpu.left_to_torch():
            step()

    return run


def jax_step(sizes: dict[str, Any], batch: int, dtype: torch.dtype) -> Callable[[], None]:
    """The step of a free flow in JAX, compiled as a whole."""
    import jax
    import jax.numpy as jnp

    if dtype == torch.float64:
        jax.config.update("jax_enable_x64", True)
    d, m, steps = sizes["dim"], sizes["hamiltonians"], sizes["steps"]
    flow = HamiltonianFlow(**sizes, seed=0).to(dtype)
    weights = {k: jnp.array(v.detach().numpy()) for k, v in flow.named_parameters()}
    below = jnp.tril_indices(d, -1)

    def gradient(w: dict[str, Any], name: str, x: Any) -> Any:
        weight, bias, out = (w[f"{name}.{k}"] for k in ("weight", "bias", "out"))
        return jnp.sin(x @ weight + bias) @ (out * weight).T + w[f"{name}.curvature"] * x

    def loss(w: dict[str, Any], q: Any, noise: Any) -> Any:
        x = q
        for layer in (0, 2, 4):
            x = x @ w[f"encoder.network.{layer}.weight"].T + w[f"encoder.network.{layer}.bias"]
            x = x * jax.nn.sigmoid(x) if layer < 4 else x
        log_sd = jnp.clip(x[:, d : 2 * d], -6, 6)
        factor = jnp.zeros((len(q), d, d), x.dtype).at[:, jnp.arange(d), jnp.arange(d)].set(jnp.exp(log_sd))
        factor = factor.at[:, below[0], below[1]].set(x[:, 2 * d :])
        p = x[:, :d] + (factor @ noise[:, :, None])[:, :, 0]
        log_f = -0.5 * (noise**2).sum(-1) - log_sd.sum(-1)
        for k in reversed(range(m)):
            dt = -jnp.exp(w[f"chain.{k}.log_dt"])
            p = p - 0.5 * dt * gradient(w, f"chain.{k}.potential_energy", q)
            for s in range(steps):
                q = q + dt * gradient(w, f"chain.{k}.kinetic_energy", p)
                p = p - (0.5 if s == steps - 1 else 1.0) * dt * gradient(w, f"chain.{k}.potential_energy", q)
        a, b = jnp.exp(w["log_scale"])
        log_base = -0.5 * (((q / a) ** 2).sum(-1) + ((p / b) ** 2).sum(-1)) - d * w["log_scale"].sum()
        return -(log_base - log_f).mean()

    data = jnp.array(torch.randn(20_000, d, dtype=dtype).numpy())

    @jax.jit
    def step(w: Any, mean: Any, square: Any, count: Any, key: Any) -> Any:
        key, for_batch, for_noise = jax.random.split(key, 3)
        q = data[jax.random.randint(for_batch, (batch,), 0, len(data))]
        value, g = jax.value_and_grad(loss)(w, q, jax.random.normal(for_noise, (batch, d), q.dtype))
        norm = jnp.sqrt(sum((x**2).sum() for x in jax.tree.leaves(g)))
        g = jax.tree.map(lambda x: x * jnp.minimum(1.0, 1.0 / norm), g)
        count = count + 1
        mean = jax.tree.map(lambda s, x: 0.9 * s + 0.1 * x, mean, g)
        square = jax.tree.map(lambda s, x: 0.999 * s + 0.001 * x * x, square, g)
        rate = 1e-2 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        w = jax.tree.map(lambda x, s, t: x - rate * s / (jnp.sqrt(t) + 1e-8), w, mean, square)
        return w, mean, square, count, key, value

    zero = jax.tree.map(jnp.zeros_like, weights)
    state = [weights, zero, zero, jnp.array(0.0, data.dtype), jax.random.key(0)]

    def run() -> None:
        *state[:], value = step(*state)
        float(value)  # a training looks at its loss, as ours does

    return run


def cpu_times(steps: dict[str, Callable[[], None]], seconds: float) -> dict[str, np.ndarray]:
    """CPU milliseconds of each step, taken in turns."""
    repeat, times = {}, {}
    for name, step in steps.items():
        for _ in range(3):
            step()
        start = time.process_time()
        step()
        repeat[name], times[name] = max(1, int(0.02 / max(1e-4, time.process_time() - start))), []
    stop = time.process_time() + seconds
    while time.process_time() < stop:
        for name, step in steps.items():
            start = time.process_time()
            for _ in range(repeat[name]):
                step()
            times[name].append((time.process_time() - start) / repeat[name] * 1e3)
    return {name: np.array(t) for name, t in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in (("batch", 512), ("steps", 4), ("hamiltonians", 2), ("width", 64), ("dim", 2)):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=[value])
    parser.add_argument("--symmetry", nargs="+", default=["None"])
    parser.add_argument("--generators", nargs="+", default=[ROTATION])
    parser.add_argument("--dtype", nargs="+", default=["float32"])
    parser.add_argument("--peers", nargs="*", default=["naive", "closed", "jax"])
    parser.add_argument("--seconds", type=float, default=8.0, help="of CPU for each row")
    parser.add_argument(
        "--context", type=int, nargs="+", default=[0], help="numbers in a context, one per point"
    )
    parser.add_argument("--json", action="store_true", help="one JSON array in place of the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows = []
    if not given.json:
        print(f"{'':52}{'fused':>9}" + "".join(f"{name:>30}" for name in given.peers))
    every = (
        given.symmetry,
        given.dtype,
        given.dim,
        given.width,
        given.hamiltonians,
        given.steps,
        given.context,
    )
    for mode, dtype, dim, width, m, steps, context, batch in itertools.product(*every, given.batch):
        sizes: dict[str, Any] = {"dim": dim, "hamiltonians": m, "steps": steps, "width": width}
        sizes |= {"context": context} if context else {}
        if mode != "None":
            sizes |= {"symmetry": mode, "generators": given.generators}
        times = cpu_times(contenders(sizes, batch, getattr(torch, dtype), given.peers), given.seconds)
        row = {**sizes, "dtype": dtype, "batch": batch, "symmetry": mode, **compared(times)}
        rows.append(row)
        if not given.json:
            about = f" c={context}" if context else ""
            head = f"{mode:8} {dtype} d={dim} h={width} M={m} T={steps} B={batch}{about}"
            cells = [
                f"{c['ms']:.2f} ms = {c['ratio']:.1f}× ({c['low']:.1f}–{c['high']:.1f})" if c else "–"
                for c in (row.get(name) for name in given.peers)
            ]
            print(f"{head:52}{row['fused']:6.2f} ms" + "".join(f"{cell:>30}" for cell in cells), flush=True)
    if given.json:
        print(json.dumps(rows, indent=1))


def contenders(
    sizes: dict[str, Any], batch: int, dtype: torch.dtype, peers: list[str]
) -> dict[str, Callable[[], None]]:
    """The steps that are compared: the fused one and those of the peers that apply."""
    made = {"fused": torch_step(HamiltonianFlow, sizes, batch, dtype)}
    if "naive" in peers:
        made["naive"] = plainly(torch_step(Naive, sizes, batch, dtype))
    if "closed" in peers:
        made["closed"] = plainly(torch_step(HamiltonianFlow, sizes, batch, dtype))
    free = "symmetry" not in sizes and "context" not in sizes
    if "jax" in peers and importlib.util.find_spec("jax") and free:
        made["jax"] = jax_step(sizes, batch, dtype)
    return made


def compared(times: dict[str, np.ndarray]) -> dict[str, Any]:
    """Milliseconds of the fused step, and for each peer its own, the ratio of medians and the spread of single turns."""
    own = times["fused"]
    found: dict[str, Any] = {"fused": float(np.median(own))}
    for name, t in times.items():
        if name != "fused":
            low, high = np.percentile(t / own, (10, 90))
            ratio = np.median(t) / np.median(own)
            found[name] = {
                "ms": float(np.median(t)),
                "ratio": float(ratio),
                "low": float(low),
                "high": float(high),
            }
    return found


if __name__ == "__main__":
    main()
