"""Small maps and fixations for the metrics' tests, and strategies that draw them."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

HEIGHT, WIDTH = 6, 7
PIXELS = HEIGHT * WIDTH

MAPS = arrays(np.float64, (HEIGHT, WIDTH), elements=st.integers(-4, 4).map(float))
"""Few distinct values, so that there are ties."""

FIXATIONS = st.lists(
    st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1)), min_size=1, max_size=15
).map(lambda pairs: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]))
"""Rows and columns, with repeats."""


def random_map(seed: int = 0, height: int = 60, width: int = 80) -> NDArray[np.float64]:
    """Smooth, positive, sums to one."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    centers = rng.uniform((0, 0), (height, width), (4, 2))
    density = sum(np.exp(-((y - a) ** 2 + (x - b) ** 2) / 200) for a, b in centers) + 0.05
    return np.asarray(density / np.sum(density))


def drawn(
    density: NDArray[Any], n: int, seed: int = 0
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw fixations from a density."""
    pixels = np.random.default_rng(seed).choice(density.size, n, p=density.ravel())
    rows, columns = np.divmod(pixels, density.shape[1])
    return rows, columns


def stepped(positives: Any, negatives: Any) -> float:
    """Area under the ROC curve of one draw, as in the Matlab code: 0, 0.1 ... to the largest."""
    largest = max(positives.max(), negatives.max())
    thresholds = [t for t in np.linspace(0, 1, 11).round(1) if t <= largest][::-1]
    hits = [0, *((positives >= t).mean() for t in thresholds), 1]
    alarms = [0, *((negatives >= t).mean() for t in thresholds), 1]
    return float(np.trapezoid(hits, alarms))
