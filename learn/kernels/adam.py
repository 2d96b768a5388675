"""Gradient clipping and Adam's update in one pass over all weights, on the CPU.

Source: Kingma, Ba, arXiv 1412.6980; the clipping is by the global norm (Pascanu, Mikolov, Bengio, arXiv 1211.5063).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learn.kernels import cpu


class Adam(torch.optim.Adam):
    """Adam as torch has it; but to make one does not load torch's compiler, which takes longer than to load torch.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> Adam([weight], lr=0.1).param_groups[0]["lr"]
        0.1
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)


def clipped_step(optimizer: torch.optim.Adam, weights: Sequence[Tensor], clip: float) -> None:
    """Clip the gradients of the weights to a global norm and let Adam take a step.

    On another device than the CPU the step is torch's own; the state is the optimizer's.

    Arguments:
        optimizer: Adam without weight decay, one group of all weights.
        weights: with their gradients, which are left as they are or clipped.
        clip: largest norm.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> adam = torch.optim.Adam([weight], lr=0.1)
        >>> for _ in range(2):
        ...     weight.grad = torch.tensor([3.0, 4.0])
        ...     clipped_step(adam, [weight], 1.0)
        >>> torch.allclose(weight, torch.tensor([-0.2, -0.2]))
        True
    """
    if not (cpu.applies(*weights) and all(w.is_contiguous() for w in weights)):
        torch.nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
        return
    moved = [(w, w.grad.contiguous(), _state(optimizer, w)) for w in weights if w.grad is not None]
    pointers = np.array(
        [
            (
                w.data_ptr(),
                g.data_ptr(),
                s["exp_avg"].data_ptr(),
                s["exp_avg_sq"].data_ptr(),
                s["step"].data_ptr(),
                w.numel(),
            )
            for w, g, s in moved
        ],
        np.int64,
    )
    group: dict[str, Any] = optimizer.param_groups[0]
    like = np.empty(0, np.float64 if weights[0].dtype == torch.float64 else np.float32)
    cpu.adam(pointers, like, clip, group["lr"], *group["betas"], group["eps"])


def _state(optimizer: torch.optim.Adam, weight: Tensor) -> Any:
    """What the optimizer knows of a weight; before the first step nothing but zeros."""
    state: Any = optimizer.state[weight]
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32)
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = torch.zeros_like(weight, memory_format=torch.preserve_format)
    return state
