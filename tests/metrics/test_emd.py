from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from deepgaze2.errors import DataError
from deepgaze2.metrics.emd import emd, transport_cost
from helpers.metric_maps import random_map


@given(*(arrays(np.float64, 12, elements=st.floats(0, 1)) for _ in range(2)))
@settings(deadline=None)
def test_on_a_line_it_is_the_wasserstein_distance(first: Any, second: Any) -> None:
    first[0], second[-1] = 1, 1
    expected = wasserstein_distance(np.arange(12), np.arange(12), first, second)
    line = (first[None] / first.sum(), second[None] / second.sum())
    assert transport_cost(*line) == pytest.approx(float(expected), abs=1e-7)


def test_of_equal_portions_it_is_the_best_assignment() -> None:
    rng = np.random.default_rng(0)
    n, h, w = 30, 9, 11
    cells = rng.integers(0, h * w, (2, n))
    maps = [np.bincount(c, minlength=h * w).reshape(h, w) / n for c in cells]
    points = [np.stack(np.divmod(c, w), axis=1) for c in cells]
    distance = np.linalg.norm(points[0][:, None] - points[1], axis=2)
    expected = distance[linear_sum_assignment(distance)].mean()
    assert transport_cost(*maps) == pytest.approx(float(expected), rel=1e-7)


def test_maps_are_shrunk_by_32() -> None:
    map_ = random_map(0, 96, 160)
    assert emd(map_, map_) == 0
    other = random_map(1, 96, 160)
    assert emd(map_ * 3, other) == pytest.approx(emd(other * 2, map_), rel=1e-9)
    a, b = np.zeros((2, 32 * 8, 32 * 10))  # the kernel reaches two cells, not to the border
    a[64:96, 64:96], b[96:128, 192:224] = 1, 1
    assert emd(a, b) == pytest.approx(np.hypot(1, 4), abs=1e-6)


def test_shrinking_keeps_linear_maps_inside() -> None:
    from deepgaze2.metrics.emd import _shrinking

    matrix = _shrinking(600)  # 19 cells: the last one reaches beyond the image
    assert matrix.shape == (19, 600)
    assert_allclose(matrix.sum(axis=1), 1)
    centers = (np.arange(19) + 0.5) * 32 - 0.5
    assert_allclose((matrix @ np.arange(600.0))[2:-2], centers[2:-2], rtol=1e-12)


def test_full_size_is_bounded_by_marginals() -> None:
    a, b = random_map(0, 300, 400), random_map(1, 300, 400)
    cost = emd(a, b)
    along = [
        wasserstein_distance(np.arange(n), np.arange(n), a.sum(axis=k), b.sum(axis=k)) / 32
        for k, n in ((1, 300), (0, 400))
    ]
    assert max(along) * 0.95 < cost < sum(along) * 1.5


def test_empty_and_refused() -> None:
    map_ = random_map()
    assert np.isnan(emd(map_, np.full(map_.shape, np.nan)))
    with pytest.raises(DataError, match="resize"):
        emd(map_, map_.T)
    with pytest.raises(DataError, match="negative"):
        emd(map_ - 1, map_)
    with pytest.raises(DataError, match="no mass"):
        emd(map_ * 0, map_)
