"""The learning rate over a training: a linear warm-up, then a cosine down to a small last rate.

Source: Loshchilov, Hutter, arXiv 1608.03983, without restarts.
"""

from __future__ import annotations

import math

WARM_UP = 100
LAST_RATE = 0.02


def share_of_rate(step: int, steps: int) -> float:
    """Return the share of the largest learning rate: linear warm-up, then a cosine down to 2 %.

    Arguments:
        step: number of the update, from 0.
        steps: number of all updates.

    Example:
        >>> share_of_rate(99, 1000), share_of_rate(100, 1000), round(share_of_rate(1000, 1000), 3)
        (1.0, 1.0, 0.02)
    """
    warm = min(WARM_UP, max(1, steps // 10))
    if step < warm:
        return (step + 1) / warm
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
