"""Contours of a density: the levels that cut its mass into equal parts."""

import numpy as np
from numpy.typing import NDArray

_BLOCK_PIXELS = 1 << 14


def equal_mass_levels(log_density: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Return the n ascending log densities that cut a density's mass into n + 1 equal parts.

    Pixels below level k hold at most k/(n + 1) of the mass, those up to and including it at
    least as much. Exact: all pixels are sorted; the mass is added in float64.
    """
    ordered = np.sort(log_density, axis=None)
    starts = range(0, ordered.size, _BLOCK_PIXELS)
    blocks = [ordered[start : start + _BLOCK_PIXELS] for start in starts]
    mass_below = np.cumsum([0.0, *(np.exp(block, dtype=np.float64).sum() for block in blocks)])
    targets = mass_below[-1] * np.arange(1, n + 1) / (n + 1)
    levels = np.empty(n, np.float32)
    for k, target in enumerate(targets):
        index = int(np.searchsorted(mass_below, target)) - 1
        within = mass_below[index] + np.cumsum(np.exp(blocks[index], dtype=np.float64))
        levels[k] = blocks[index][min(np.searchsorted(within, target), len(within) - 1)]
    return levels
