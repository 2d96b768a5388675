"""Differentiable integrators in torch, made from the tables of the simulator.

One step of a method of :mod:`hamsym.numeric.methods` on tensors: kicks and drifts for a separable Hamiltonian, explicit
Runge–Kutta for any vector field.  Coefficients and orders are those of ``hs.simulate``, and so are the states, to
round-off.  Every operation is torch's, so gradients reach initial states, weights and the time step.

A *system* is one of two things:

- an object with ``grad_potential(q)`` and ``grad_kinetic(p)``, the gradients of H = K(p) + U(q), which every method
  here steps: a :class:`learn.flow.leapfrog.SeparableHamiltonian`, or two functions as :class:`learn.fields.Separated`;
- a function ``(q, p) -> (dq/dt, dp/dt)``, which the Runge–Kutta methods step: any vector field, or that of a
  learned H(q, p) as :class:`learn.fields.CanonicalField`.

With a time ``t0`` each of these functions is called with the time as one argument more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from hamsym.arguments import integer, real, shown
from hamsym.errors import NonFiniteError, NotSeparableError, ParameterError, ShapeError
from hamsym.numeric.coefficients import clocks
from hamsym.numeric.methods import Method, RungeKutta, Splitting, method_named, methods
from learn.fields import Field, Pair, Separable, System


def integrators() -> list[str]:
    """Return the names of the methods that :func:`integrate` knows, by order.

    Example:
        >>> [name for name in integrators() if name.startswith(("leap", "rk"))]
        ['rk1', 'leapfrog', 'leapfrog_drift', 'rk2', 'rk3', 'rk4']
    """
    return [m.name for m in methods(symmetric=False) if _is_known(m)]


def integrate(
    system: System,
    q: Tensor,
    p: Tensor,
    dt: float | Tensor,
    steps: int = 1,
    *,
    method: str | Method = "leapfrog",
    t0: float | Tensor | None = None,
) -> Pair:
    """Move states by steps of a method.

    Arguments:
        system: what :mod:`learn.integrators` says.
        q, p: states of the same shape (batch, …).
        dt: time step, a number, a scalar tensor (gradients reach it) or one for each member of the batch, shape
            (batch,); negative runs backward, and for splitting methods exactly back.
        steps: how many.
        method: a name of :func:`integrators`; ``"leapfrog"`` kicks first, ``"leapfrog_drift"`` drifts first.
        t0: time of the states, as ``dt``; None for systems without a time.

    Returns:
        (q, p) after the steps.

    Raises:
        NotSeparableError: if a splitting method is given a system without the two gradients.
        ShapeError, ParameterError, UnknownNameError: for bad arguments.

    Source:
        Hairer, Lubich, Wanner, Geometric Numerical Integration, chapters I.1 and II.

    Example:
        >>> from learn.fields import Separated
        >>> pendulum = Separated(torch.sin, lambda p: p)
        >>> q, p = torch.ones(2, 1, 1, dtype=torch.float64)
        >>> there = integrate(pendulum, q, p, 0.1, 50, method="yoshida4")
        >>> back = integrate(pendulum, *there, -0.1, 50, method="yoshida4")
        >>> bool((back[0] - q).abs().max() < 1e-13)
        True
    """
    for state in _states(system, q, p, dt, integer("steps", steps, minimum=1), method, t0):
        q, p = state
    return q, p


def rollout(
    system: System,
    q: Tensor,
    p: Tensor,
    dt: float | Tensor,
    steps: int,
    *,
    save_every: int = 1,
    method: str | Method = "leapfrog",
    t0: float | Tensor | None = None,
) -> Pair:
    """Return trajectories.

    Arguments:
        system, q, p, dt, steps, method, t0: as for :func:`integrate`.
        save_every: steps between stored states; those after the last stored one are not made.

    Returns:
        (q, p), each of shape (batch, time, …) with time = steps // save_every + 1, the initial state first.

    Raises:
        NonFiniteError: if a state is NaN or infinite; says which, and after how many steps.
        NotSeparableError, ShapeError, ParameterError, UnknownNameError: as :func:`integrate`.

    Example:
        >>> from learn.fields import Separated
        >>> pendulum = Separated(torch.sin, lambda p: p)
        >>> q, p = rollout(pendulum, torch.ones(3, 1), torch.zeros(3, 1), 0.1, 20, save_every=5)
        >>> q.shape
        torch.Size([3, 5, 1])
    """
    steps, save_every = integer("steps", steps, minimum=1), integer("save_every", save_every, minimum=1)
    if steps < save_every:
        raise ParameterError(
            f"steps ({steps}) is at least save_every ({save_every}); nothing would be stored otherwise"
        )
    stored = [(q, p)]
    made = _states(system, q, p, dt, steps - steps % save_every, method, t0)
    for step, state in enumerate(made, start=1):
        if step % save_every == 0:
            _require_finite(state, step)
            stored.append(state)
    return torch.stack([q for q, _ in stored], 1), torch.stack([p for _, p in stored], 1)


def _states(
    system: System,
    q: Tensor,
    p: Tensor,
    dt: float | Tensor,
    steps: int,
    method: str | Method,
    t0: float | Tensor | None,
) -> Iterator[Pair]:
    """Yield the state after each step."""
    scheme = method if isinstance(method, Method) else method_named(method)
    if not (isinstance(q, Tensor) and isinstance(p, Tensor) and q.ndim and q.shape == p.shape):
        raise ShapeError(
            f"q and p are tensors of one shape (batch, …), not {_shape_of(q)} and {_shape_of(p)}"
        )
    if not (q.is_floating_point() and q.dtype == p.dtype):
        raise ParameterError(f"q and p are of one floating-point dtype, not {q.dtype} and {p.dtype}")
    h = _per_member("dt", dt, q)
    start = None if t0 is None else _per_member("t0", t0, q)
    if isinstance(scheme, Splitting) and _is_known(scheme):
        return _split_steps(scheme, _separated(scheme, system), q, p, h, start, steps)
    if isinstance(scheme, RungeKutta):
        return _runge_kutta_steps(scheme, _field(system), q, p, h, start, steps)
    raise ParameterError(
        f"{scheme.name} has no form in torch here: it is implicit, doubles the phase space or needs a constant mass "
        f"matrix; use one of {', '.join(integrators())}"
    )


def _split_steps(
    method: Splitting, H: Separable, q: Tensor, p: Tensor, h: Any, start: Any, steps: int
) -> Iterator[Pair]:
    """Kicks and drifts; the gradient that ends a step is that which starts the next."""

    def kick(p: Tensor, weight: float, force: Tensor) -> Tensor:
        return p - weight * h * force

    def drift(q: Tensor, weight: float, velocity: Tensor) -> Tensor:
        return q + weight * h * velocity

    kicks_first = method.starts_with == "kick"
    of_outer, of_inner = H.grad_kinetic, H.grad_potential
    move_outer, move_inner = (kick, drift) if kicks_first else (drift, kick)
    outer, inner = (p, q) if kicks_first else (q, p)
    if not kicks_first:
        of_outer, of_inner = of_inner, of_outer
    outer_clocks, inner_clocks = clocks(method.outer, method.inner)
    slope = of_inner(inner, *_time(start, h, 0, 0.0))
    for step in range(steps):
        outer = move_outer(outer, method.outer[0], slope)
        for j, weight in enumerate(method.inner):
            inner = move_inner(inner, weight, of_outer(outer, *_time(start, h, step, inner_clocks[j])))
            slope = of_inner(inner, *_time(start, h, step, outer_clocks[j + 1]))
            outer = move_outer(outer, method.outer[j + 1], slope)
        yield (inner, outer) if kicks_first else (outer, inner)


def _runge_kutta_steps(
    method: RungeKutta, field: Field, q: Tensor, p: Tensor, h: Any, start: Any, steps: int
) -> Iterator[Pair]:
    def moved(x: Tensor, weights: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
        terms = [weight * slope for weight, slope in zip(weights, slopes, strict=False) if weight]
        return x + h * sum(terms[1:], terms[0]) if terms else x

    for step in range(steps):
        of_q: list[Tensor] = []
        of_p: list[Tensor] = []
        for row, clock in zip(method.a, method.c, strict=True):
            slopes = field(moved(q, row, of_q), moved(p, row, of_p), *_time(start, h, step, clock))
            of_q.append(slopes[0])
            of_p.append(slopes[1])
        q, p = moved(q, method.b, of_q), moved(p, method.b, of_p)
        yield q, p


def _time(start: Any, h: Any, step: int, clock: float) -> tuple[Any, ...]:
    """The time as an argument, a fraction ``clock`` of a step after the step ``step`` began; none without a time."""
    return () if start is None else (start + (step + clock) * h,)


def _is_known(method: Method) -> bool:
    """Whether it can be stepped without knowing more of H than its gradients."""
    return isinstance(method, RungeKutta) or (isinstance(method, Splitting) and not method.quadratic_kinetic)


def _separated(method: Splitting, system: System) -> Separable:
    if isinstance(system, Separable):
        return system
    raise NotSeparableError(
        f"{method.name} needs H = K(p) + U(q), a system with grad_potential(q) and grad_kinetic(p), and this one has rates "
        "only; use method='rk4', which takes any vector field, or an energy that is made separable (energy='separable' of "
        "an HNN, hamiltonian='natural' of an HGN, separable=True of a HOGN)"
    )


def _field(system: System) -> Field:
    if isinstance(system, Separable):
        of_u, of_k = system.grad_potential, system.grad_kinetic
        return lambda q, p, *time: (of_k(p, *time), -of_u(q, *time))
    if callable(system):
        return system
    raise ParameterError(
        "a system has grad_potential(q) and grad_kinetic(p), or is a function (q, p) -> (dq/dt, dp/dt), not "
        f"{shown(system)}"
    )


def _per_member(name: str, value: float | Tensor, q: Tensor) -> float | Tensor:
    """A number, or a tensor that broadcasts against states."""
    if not isinstance(value, Tensor):
        return real(name, value)
    if value.ndim == 0:
        return value
    if value.shape != q.shape[:1]:
        raise ShapeError(
            f"{name} is a number or has one for each of {len(q)} states, not shape {tuple(value.shape)}"
        )
    return value.reshape(-1, *(1,) * (q.ndim - 1))


def _require_finite(state: Pair, step: int) -> None:
    rows = [x.detach().isfinite().reshape(len(x), math.prod(x.shape[1:])) for x in state]
    finite = torch.cat(rows, 1).all(1)
    if not bool(finite.all()):
        index = int((~finite).nonzero()[0])
        raise NonFiniteError(
            f"trajectory {index} is not finite after step {step}; take a smaller dt, or look at its initial state",
            index=index,
        )


def _shape_of(x: Any) -> Any:
    return tuple(x.shape) if isinstance(x, Tensor) else shown(x)
