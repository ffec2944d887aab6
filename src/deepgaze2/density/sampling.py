"""Fixations drawn from a density."""

import numpy as np
from numpy.typing import NDArray


def sample_fixations(
    log_density: NDArray[np.floating], n: int, seed: int | None = None
) -> NDArray[np.float64]:
    """Draw n fixations independently from a density (H, W) in nats.

    Returns x and y in pixels, (n, 2); see `Prediction.sample`. One row of pixels at a time is
    summed, so that large images need no more memory.
    """
    uniform = np.random.default_rng(seed).random((n, 4))
    row_mass = [np.exp(row, dtype=np.float64).sum() for row in log_density]
    rows = indices_at(uniform[:, 0], np.cumsum(row_mass))
    columns = np.empty(n, np.intp)
    order = np.argsort(rows, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(rows[order])) + 1):
        if group.size:
            row = np.exp(log_density[rows[group[0]]], dtype=np.float64)
            columns[group] = indices_at(uniform[group, 1], np.cumsum(row))
    # Offsets in multiples of 2^-24 add exactly, so none rounds up into the next pixel.
    offsets = np.floor(uniform[:, 2:] * 2**24) / 2**24
    return np.stack([columns, rows], axis=1) + offsets


def indices_at(shares: NDArray[np.float64], cumulative: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices at which a cumulative mass first exceeds these shares, 0..1, of it.

    For uniformly distributed shares these are draws in proportion to the mass.
    """
    indices: NDArray[np.intp] = np.searchsorted(cumulative, shares * cumulative[-1], side="right")
    return indices
