"""An encoder in the frame that the point itself carries, for rotations of blocks of coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from learn.encoder.law import Encoder
from learn.encoder.moments import LOG_SD_LIMIT, Moments, lower_triangle
from learn.encoder.network import InnerNetwork
from learn.flow.features import Features


class FrameEncoder(Encoder):
    """Gaussian with f(Rp|Rq) = f(p|q) for every rotation R of the given blocks of coordinates.

    Mean and covariance are written in the frame that q itself carries: along q_block and, in a plane, across it;
    in a block of three or more coordinates the directions across share one variance.  The network sees only block
    lengths and untouched coordinates.  Towards the origin of a block, where the frame is lost, the mean goes to
    zero and the covariance to a multiple of the identity, so the law stays continuous.

    Arguments:
        dim: number of coordinates.
        blocks: sets of coordinates that rotate among themselves.
        width: units in each of the two inner layers (SiLU).
        context: numbers that the network looks at too.

    Example:
        >>> law = FrameEncoder(2, [(0, 1)])(torch.zeros(1, 2))
        >>> bool((law.mean == 0).all())
        True
    """

    below: Tensor

    def __init__(self, dim: int, blocks: Sequence[Sequence[int]], width: int = 64, context: int = 0) -> None:
        super().__init__(dim)
        rotated = {i for block in blocks for i in block}
        kept = [i for i in range(dim) if i not in rotated]
        self.blocks, self.kept = tuple(map(tuple, blocks)), tuple(kept)
        self.features = Features.of(dim, kept, blocks)
        # columns of the frame: per block along (and, in a plane, across), then the kept coordinates
        self.columns = sum(2 if len(block) == 2 else 1 for block in blocks) + len(kept)
        n = self.columns
        outputs = 2 * n + n * (n - 1) // 2 + len(blocks)
        self.network = InnerNetwork(self.features.size, width, outputs, context)
        self.register_buffer("below", torch.tril_indices(n, n, -1), persistent=False)

    def moments(self, q: Tensor) -> Moments:
        """Return mean and factor of p given q of shape (batch, dim)."""
        x = q / self.unit
        n, blocks = self.columns, self.blocks
        sizes = [n, n, n * (n - 1) // 2, len(blocks)]
        mean, log_sd, off, log_across = self.network(self.features(x)).split(sizes, -1)
        log_sd = log_sd.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)
        log_across = log_across.clamp(-LOG_SD_LIMIT, LOG_SD_LIMIT)

        frame = x.new_zeros(len(x), self.dim, n)
        trust = torch.ones_like(mean)  # 0 where the frame is lost, 1 far from there
        column_block = torch.zeros_like(mean)
        wide = x.new_zeros(len(x), self.dim, self.dim)
        log_det = torch.zeros_like(x[:, 0])
        at = 0
        for k, block in enumerate(blocks):
            index = list(block)
            along, weight = _direction(x[:, index], self.features.smoothing)
            columns = 2 if len(block) == 2 else 1
            frame[:, index, at] = along
            if columns == 2:
                frame[:, index, at + 1] = torch.stack([-along[:, 1], along[:, 0]], -1)
            else:
                sd = log_across[:, k].exp()
                projector = (
                    torch.eye(len(block), dtype=x.dtype, device=x.device) - along[:, :, None] * along[:, None]
                )
                rows = torch.tensor(index, device=x.device)
                wide[:, rows[:, None], rows[None]] = sd[:, None, None] * projector
                log_det = log_det + (len(block) - 1) * log_across[:, k]
            trust[:, at : at + columns] = weight[:, None]
            column_block[:, at : at + columns] = log_across[:, k, None]
            at += columns
        for column, i in enumerate(self.kept, start=at):
            frame[:, i, column] = 1

        log_sd = column_block + trust * (log_sd - column_block)
        off = off * trust[:, self.below[0]] * trust[:, self.below[1]]
        core = lower_triangle(log_sd.exp(), off, self.below)
        factor = frame @ core @ frame.mT + wide
        centre = (frame @ (mean * trust)[..., None])[..., 0]
        log_det = log_det + log_sd.sum(-1) - self.dim * self.unit.log()
        return Moments(centre / self.unit, factor / self.unit, log_det)


def _direction(x: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """The unit vector along x and its trust |x|²/(|x|² + ε²); the first axis where x = 0."""
    square = x.square().sum(-1)
    found = square > 0
    along = x / torch.where(found, square, 1.0).sqrt()[:, None]
    first = torch.zeros_like(x)
    first[:, 0] = 1
    return torch.where(found[:, None], along, first), square / (square + smoothing**2)
