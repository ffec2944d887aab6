from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from deepgaze2.errors import DataError
from deepgaze2.metrics.auc import auc, auc_borji, auc_judd
from helpers.metric_maps import FIXATIONS, HEIGHT, MAPS, PIXELS, WIDTH, drawn, random_map, stepped


@given(MAPS, FIXATIONS)
@settings(deadline=None)
def test_mean_is_the_area_under_the_roc_curve(map_: Any, fixations: Any) -> None:
    values = auc(map_, *fixations)
    scores = np.concatenate([map_[fixations], map_.ravel()])
    labels = np.arange(len(scores)) < len(values)
    assert_allclose(values.mean(), roc_auc_score(labels, scores), rtol=1e-12)
    alone = [auc(map_, [row], [column])[0] for row, column in zip(*fixations, strict=True)]
    assert_array_equal(values, alone)
    assert_array_equal(auc(map_, *(f[::-1] for f in fixations)), values[::-1])


@given(
    MAPS,
    FIXATIONS,
    st.lists(st.floats(allow_nan=False, width=32), min_size=9, max_size=9, unique=True),
)
@settings(deadline=None)
def test_strictly_monotone_maps_change_nothing(map_: Any, fixations: Any, levels: Any) -> None:
    renamed = np.sort(np.array(levels) + 0.0)
    moved = renamed[map_.astype(int) + 4]
    assert_array_equal(auc(moved, *fixations), auc(map_, *fixations))
    assert_array_equal(auc(moved.astype(np.float32), *fixations), auc(map_, *fixations))


@pytest.mark.parametrize("value", [0.1, 0.0, -np.inf, 255])
def test_constant_map_is_at_chance(value: float) -> None:
    assert_array_equal(auc(np.full((30, 40), value), [0, 29, 3], [0, 39, 3]), [0.5, 0.5, 0.5])


def test_the_density_fixations_come_from_wins() -> None:
    density = random_map()
    fixations = drawn(density, 20_000)
    best = auc(density, *fixations).mean()
    assert best == pytest.approx(auc(np.log(density), *fixations).mean())
    # expected: sum of p (share below + half the share equal)
    below = (density.ravel()[:, None] > density.ravel()).mean(axis=1) + 0.5 / density.size
    assert best == pytest.approx(float(density.ravel() @ below), abs=0.005)
    for seed in range(1, 4):
        assert auc(density + random_map(seed), *fixations).mean() < best


def brute_force_judd(map_: Any, fixations: Any, seed: int) -> float:
    jittered = map_ + np.random.default_rng(seed).random(map_.shape) * 1e-7
    jittered = (jittered - jittered.min()) / (jittered.max() - jittered.min())
    fixated = sorted(set(zip(*(f.tolist() for f in fixations), strict=True)))
    thresholds = sorted((jittered[pixel] for pixel in fixated), reverse=True)
    n, points = len(fixated), [(0.0, 0.0)]
    for i, threshold in enumerate(thresholds, 1):
        above = int((jittered >= threshold).sum())
        points.append(((above - i) / (PIXELS - n), i / n))
    x, y = np.array([*points, (1.0, 1.0)]).T
    return float(np.trapezoid(y, x))


@given(MAPS, FIXATIONS, st.integers(0, 9))
@settings(deadline=None)
def test_judd_by_its_definition(map_: Any, fixations: Any, seed: int) -> None:
    expected = brute_force_judd(map_, fixations, seed)
    assert auc_judd(map_, *fixations, seed=seed) == pytest.approx(expected, abs=1e-12)
    repeated = [np.tile(f, 2) for f in fixations]
    assert auc_judd(map_, *repeated, seed=seed) == pytest.approx(expected, abs=1e-12)


@given(MAPS.filter(lambda m: m.min() < m.max()), FIXATIONS, st.integers(0, 9))
@settings(deadline=None)
def test_borji_by_its_definition(map_: Any, fixations: Any, seed: int) -> None:
    pixels = np.unique(fixations[0] * WIDTH + fixations[1])
    found = auc_borji(map_, *fixations, seed=seed)
    if len(pixels) < 2:
        assert np.isnan(found)
        return
    unit = ((map_ - map_.min()) / (map_.max() - map_.min())).ravel()
    draws = np.random.default_rng(seed).integers(PIXELS, size=(100, len(pixels)))
    expected = np.mean([stepped(unit[pixels], unit[draw]) for draw in draws])
    assert found == pytest.approx(float(expected), abs=1e-12)


def test_borji_of_eight_bit_levels_that_are_thresholds() -> None:
    map_ = np.arange(256, dtype=np.uint8).reshape(16, 16)  # 51 / 255 = 0.2, 153 / 255 = 0.6
    pixels = np.array([51, 153])
    found = auc_borji(map_, pixels // 16, pixels % 16)
    draws = np.random.default_rng(0).integers(256, size=(100, 2))
    expected = np.mean([stepped(np.array([0.2, 0.6]), draw / 255) for draw in draws])
    assert found == pytest.approx(float(expected), abs=1e-12)


def test_no_fixations_and_constant_maps() -> None:
    map_ = random_map()
    assert auc(map_, [], []).shape == (0,)
    assert np.isnan(auc_judd(map_, [], []))
    assert np.isnan(auc_borji(map_, [], []))
    assert np.isnan(auc_borji(np.ones((4, 5)), [0, 1], [0, 1]))
    assert np.isnan(auc_judd(np.ones((1, 2)), [0, 0], [0, 1]))


@pytest.mark.parametrize("metric", [auc, auc_judd, auc_borji])
def test_what_cannot_be_scored_is_refused(metric: Any) -> None:
    map_ = random_map(0, HEIGHT, WIDTH)
    for rows, columns in (([HEIGHT], [0]), ([-1], [0]), ([0], [WIDTH]), ([0], [-1])):
        with pytest.raises(DataError, match="outside the image"):
            metric(map_, rows, columns)
    with pytest.raises(DataError, match="integers"):
        metric(map_, [0.5], [0.5])
    with pytest.raises(DataError, match="2 rows but 1 columns"):
        metric(map_, [0, 1], [0])
    with pytest.raises(DataError, match="shape"):
        metric(map_.ravel(), [0], [0])
    map_[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        metric(map_, [1], [1])


def test_minus_infinity_ranks_below_all() -> None:
    map_ = np.array([[-np.inf, -np.inf], [0.0, 1.0]])
    assert_array_equal(auc(map_, [0, 1, 1], [0, 0, 1]), [0.25, 0.625, 0.875])
    with pytest.raises(DataError, match="infinity"):
        auc_borji(map_, [0, 1], [0, 1])
