"""The reverse pass of a hand-written node, made of torch operations, for those who differentiate it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def pulled(
    function: Callable[..., Any], given: Sequence[Tensor | None], cotangents: Tensor | Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """Return the cotangents of the arguments of a function, as tensors that can be differentiated again.

    Each argument stands for itself: where one was made of another, as in a network applied to its own output, what
    flows through the first is not counted for the second, and nothing behind the arguments is run.

    Arguments:
        function: of torch operations; what it returns are tensors like ``cotangents``.
        given: its arguments, None for those that are absent.
        cotangents: of its values.

    Returns:
        One cotangent per argument, None for those that want none.

    Example:
        >>> w = torch.tensor(3.0, requires_grad=True)
        >>> x = w * 2  # made of w
        >>> [t.item() for t in pulled(torch.mul, [x, w], torch.tensor(1.0))]
        [3.0, 6.0]
    """
    own = [t.view_as(t) if t is not None and t.requires_grad else t for t in given]
    wanted = [t for t in own if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(function(*own), wanted, cotangents, create_graph=True))
    return tuple(next(found) if t is not None and t.requires_grad else None for t in given)
