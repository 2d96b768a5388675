"""What a potential looks at: linear functions of a point and lengths of parts of it, with their closed derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Constant(nn.Module):
    """A matrix known in float64 that stays exact to rounding when the module changes its precision back and forth.

    Arguments:
        value: the matrix.

    Example:
        >>> third = Constant(np.array([[1 / 3]]))
        >>> float(third.float().double().value) == 1 / 3
        True
    """

    def __init__(self, value: np.ndarray) -> None:
        super().__init__()
        self.exact = np.array(value, dtype=np.float64)
        self.register_buffer(
            "value", torch.tensor(self.exact, dtype=torch.get_default_dtype()), persistent=False
        )
        self.value: Tensor

    def _apply(self, fn: Any, recurse: bool = True) -> Constant:
        super()._apply(fn, recurse)
        self.value = torch.as_tensor(self.exact, dtype=self.value.dtype, device=self.value.device)
        return self


class Features(nn.Module):
    """The inputs of a potential: linear functions and smoothed lengths of parts of a point.

    Maps x to (C x, √(|F₁ x|² + ε²), √(|F₂ x|² + ε²), …), where x loses given directions first.  Invariant functions
    and lengths alone give exactly invariant potentials; lengths beside all coordinates make invariance easy to learn.

    Arguments:
        linear: C, of shape (functions, dim).
        frames: the F, each of shape (rank, dim).
        removed: orthonormal directions that x loses, of shape (t, dim).
        smoothing: ε, in the unit of x; it keeps the functions smooth where a length vanishes.

    Example:
        >>> Features.of(3, kept=[2], blocks=[(0, 1)], smoothing=0.0)(torch.tensor([[3.0, 4.0, 7.0]]))
        tensor([[7., 5.]])
    """

    def __init__(
        self,
        linear: np.ndarray,
        frames: Sequence[np.ndarray] = (),
        removed: np.ndarray | None = None,
        smoothing: float = 0.2,
    ) -> None:
        super().__init__()
        n, dim = linear.shape
        removed = None if removed is None or not len(removed) else removed
        self.dim, self.smoothing, self.size = dim, smoothing, n + len(frames)
        self.functions = n
        self._cast: dict[np.dtype, tuple[np.ndarray, ...]] = {}
        self.is_identity = not len(frames) and removed is None and np.array_equal(linear, np.eye(dim))
        rows = np.concatenate([np.zeros((0, dim)), *frames])
        member = np.zeros((len(frames), len(rows)))
        at = 0
        for k, frame in enumerate(frames):
            member[k, at : at + len(frame)] = 1
            at += len(frame)
        # coordinates themselves need no product with a matrix of rows
        columns = np.abs(rows).argmax(-1) if len(rows) else np.zeros(0, int)
        plain = np.array_equal(rows, np.eye(dim)[columns]) and len(set(columns)) == len(columns)
        if plain:
            member = member @ rows
        self.linear, self.member = Constant(linear), Constant(member)
        self.rows = None if plain else Constant(rows)
        self.removed = None if removed is None else Constant(removed)
        kept = [m for m in (linear, rows) if m.size]
        self._for_kernels = (
            linear,
            rows[:0] if plain else rows,
            member,
            np.zeros((0, dim)) if removed is None else removed,
        )
        # the kernels take for granted that functions and lengths do not notice what x loses
        self.is_regular = removed is None or all(np.abs(m @ removed.T).max() < 1e-12 for m in kept)
        self.key = (smoothing, *((m.shape, m.tobytes()) for m in self._for_kernels))

    def arrays(self, dtype: np.dtype) -> tuple[np.ndarray, ...]:
        """Return C, the rows of all F, which rows belong to which length, the removed directions and ε, as arrays.

        All are empty if the features are the coordinates.  No rows mean that lengths are those of coordinates.

        Example:
            >>> [a.shape for a in Features.of(3, [2], [(0, 1)]).arrays(np.dtype(np.float32))]
            [(1, 3), (0, 3), (1, 3), (0, 3), (1,)]
        """
        if dtype not in self._cast:
            matrices = [
                np.array(m[:0] if self.is_identity else m, dtype, order="C") for m in self._for_kernels
            ]
            self._cast[dtype] = (*matrices, np.array([self.smoothing], dtype))
        return self._cast[dtype]

    @classmethod
    def of(
        cls, dim: int, kept: Sequence[int], blocks: Sequence[Sequence[int]] = (), smoothing: float = 0.2
    ) -> Features:
        """Return the features x_i for i in ``kept`` and |x_block| for each of ``blocks``.

        Arguments:
            dim: number of coordinates.
            kept: indices of coordinates passed through.
            blocks: disjoint sets of coordinates of which the length is taken.
            smoothing: ε.

        Example:
            >>> Features.of(2, [0, 1]).is_identity
            True
        """
        unit = np.eye(dim)
        return cls(unit[list(kept)], [unit[list(block)] for block in blocks], smoothing=smoothing)

    def centre(self, x: Tensor) -> Tensor:
        """Return x without the removed directions."""
        if self.removed is None:
            return x
        away = self.removed.value
        return x - (x @ away.T) @ away

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of centred x, shape (..., size)."""
        if self.is_identity:
            return x
        lengths = self.lengths(x)
        return torch.cat([x @ self.linear.value.T, lengths], -1) if self.functions else lengths

    def lengths(self, x: Tensor) -> Tensor:
        """Return the smoothed lengths of centred x, shape (..., frames)."""
        return (self._rows(x).square() @ self.member.value.T + self.smoothing**2).sqrt()

    def pull(self, x: Tensor, cotangent: Tensor) -> Tensor:
        """Return the gradient with respect to x of a function with gradient ``cotangent`` in the features."""
        if self.is_identity:
            return cotangent
        n = self.functions
        through_lengths = self._rows_back(
            self._rows(x) * ((cotangent[..., n:] / self.lengths(x)) @ self.member.value)
        )
        return through_lengths + cotangent[..., :n] @ self.linear.value if n else through_lengths

    def pull_reverse(self, x: Tensor, cotangent: Tensor, g: Tensor) -> tuple[Tensor | None, Tensor]:
        """Return the cotangents of both arguments of :meth:`pull` for the cotangent ``g`` of its value.

        The first is None where ``pull`` does not depend on x.
        """
        if self.is_identity:
            return None, g
        n, member = self.functions, self.member.value
        lengths, y, across = self.lengths(x), self._rows(x), self._rows(g)
        slope = cotangent[..., n:] / lengths
        along = (across * y) @ member.T / lengths
        grad_x = self._rows_back(across * (slope @ member) - y * ((along * slope / lengths) @ member))
        return grad_x, torch.cat([g @ self.linear.value.T, along], -1) if n else along

    def _rows(self, x: Tensor) -> Tensor:
        return x if self.rows is None else x @ self.rows.value.T

    def _rows_back(self, y: Tensor) -> Tensor:
        return y if self.rows is None else y @ self.rows.value
