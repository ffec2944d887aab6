from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import rel_entr
from scipy.stats import pearsonr

from deepgaze2.errors import DataError
from deepgaze2.metrics.empirical_map import empirical_map
from deepgaze2.metrics.map_metrics import (
    cc,
    kl_divergence,
    kl_divergence_floored,
    nss,
    nss_mit,
    similarity,
    similarity_mit,
)
from helpers.metric_maps import FIXATIONS, HEIGHT, MAPS, WIDTH, drawn, random_map

SHAPE = (HEIGHT, WIDTH)
POSITIVE = arrays(np.float64, SHAPE, elements=st.floats(1e-3, 1e3))
ON_PAIRS = [cc, kl_divergence, kl_divergence_floored, similarity, similarity_mit]


@given(MAPS.filter(lambda m: m.min() < m.max()), FIXATIONS, st.floats(-5, 5))
def test_nss_by_its_definition(map_: Any, fixations: Any, offset: float) -> None:
    values = nss(map_ + offset, *fixations)
    assert_allclose(values, (map_[fixations] - map_.mean()) / map_.std(), atol=1e-9)
    distinct = tuple(np.unique(np.stack(fixations), axis=1))
    expected = ((map_[distinct] - map_.mean()) / map_.std(ddof=1)).mean()
    assert nss_mit(map_, *fixations) == pytest.approx(float(expected), abs=1e-12)


@given(POSITIVE, POSITIVE)
def test_pairs_by_their_definitions(map_: Any, truth: Any) -> None:
    p, q = map_ / map_.sum(), truth / truth.sum()
    if map_.min() < map_.max() and truth.min() < truth.max():
        correlation = pearsonr(map_.ravel(), truth.ravel()).statistic
        assert cc(map_, truth) == pytest.approx(float(correlation), abs=1e-6)
    divergence = float(rel_entr(q, p).sum())
    assert kl_divergence(map_, truth) == pytest.approx(divergence, abs=2e-8)
    assert kl_divergence_floored(map_, truth) == pytest.approx(divergence, abs=2e-8)
    assert similarity(map_, truth) == pytest.approx(float(np.minimum(p, q).sum()), abs=1e-12)
    assert similarity(map_.astype(np.float32), truth) == pytest.approx(
        similarity(map_, truth), abs=1e-6
    )


def test_larger_than_a_block() -> None:
    map_, other = random_map(0, 300, 400), random_map(1, 300, 400)
    assert cc(map_, other) == pytest.approx(
        float(pearsonr(map_.ravel(), other.ravel()).statistic), abs=1e-12
    )
    assert kl_divergence(map_, other) == pytest.approx(float(rel_entr(other, map_).sum()))
    assert similarity(map_, other) == pytest.approx(float(np.minimum(map_, other).sum()))
    assert_allclose(nss(map_, [5], [7]), (map_[5, 7] - map_.mean()) / map_.std())


def test_zeros_and_their_epsilons() -> None:
    map_, truth = np.array([[0.0, 3.0, 1.0]]), np.array([[2.0, 2.0, 0.0]])
    e = 2.0**-52
    regularized = 0.5 * np.log(e + 0.5 / e) + 0.5 * np.log(e + 0.5 / (0.75 + e))
    assert kl_divergence(map_, truth) == pytest.approx(float(regularized))
    floored = 0.5 * np.log(0.5 / 1e-20 * 4) + 0.5 * np.log(0.5 / 0.75)  # 1e-20 before the sum
    assert kl_divergence_floored(map_, truth) == pytest.approx(float(floored))
    assert similarity(map_, truth) == pytest.approx(0.5)
    for metric in (kl_divergence, kl_divergence_floored, similarity):
        assert metric(map_ - 7, truth) == pytest.approx(metric(map_, truth))
        assert metric(map_ * 0, truth) == pytest.approx(metric(map_ * 0 + 1, truth))


@given(POSITIVE.filter(lambda m: m.min() < m.max()), POSITIVE.filter(lambda m: m.min() < m.max()))
def test_similarity_mit_ignores_the_minimum(map_: Any, truth: Any) -> None:
    p, q = (m - m.min() for m in (map_, truth))
    expected = float(np.minimum(p / p.sum(), q / q.sum()).sum())
    assert similarity_mit(map_, truth) == pytest.approx(expected, abs=1e-9)
    assert similarity_mit(map_ * 4, truth) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-6, 255.0])
def test_constant_maps(value: float) -> None:
    flat, truth = np.full((30, 41), value), empirical_map([3], [4], 30, 41, 5)
    assert_array_equal(nss(flat, [3, 0], [4, 0]), [0, 0])
    assert np.isnan(nss_mit(flat, [3], [4]))
    assert cc(flat, truth) == 0
    assert np.isnan(cc(truth, flat))
    assert np.isnan(similarity_mit(flat, truth))
    entropy = float(-(truth[truth > 0] * np.log(truth[truth > 0])).sum())
    assert kl_divergence(flat, truth) == pytest.approx(np.log(30 * 41) - entropy)


def test_a_perfect_map() -> None:
    truth = empirical_map([3, 20], [4, 30], 30, 41, 5)
    assert cc(3 * truth + 2, truth) == pytest.approx(1)
    assert cc(-truth, truth) == pytest.approx(-1)
    assert kl_divergence(truth * 5, truth) == pytest.approx(0, abs=1e-12)
    assert kl_divergence_floored(truth, truth) == pytest.approx(0, abs=1e-12)
    assert similarity(truth * 5, truth) == pytest.approx(1)
    assert similarity_mit(truth * 5, truth) == pytest.approx(1)


def test_the_density_fixations_come_from_wins_in_nss() -> None:
    density = random_map()
    fixations = drawn(density, 20_000)
    best = nss(density, *fixations).mean()
    for other in (np.log(density), density**2, density + random_map(1)):
        assert nss(other, *fixations).mean() < best


def test_without_fixations() -> None:
    map_ = random_map()
    assert nss(map_, [], []).shape == (0,)
    assert np.isnan(nss_mit(map_, [], []))
    for metric in ON_PAIRS:
        assert np.isnan(metric(map_, empirical_map([], [], 60, 80, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    truth, map_ = random_map(), random_map(1)
    map_[3, 3] = value
    for on_pairs in ON_PAIRS:
        with pytest.raises(DataError, match="finite"):
            on_pairs(map_, truth)
    for on_fixations in (nss, nss_mit):
        with pytest.raises(DataError, match="finite"):
            on_fixations(map_, [0], [0])


def test_what_cannot_be_scored_is_refused() -> None:
    map_ = random_map()
    for on_fixations in (nss, nss_mit):
        with pytest.raises(DataError, match="outside the image"):
            on_fixations(map_, [60], [0])
    for on_pairs in ON_PAIRS:
        with pytest.raises(DataError, match="resize"):
            on_pairs(map_, map_.T)
    for metric in (kl_divergence, kl_divergence_floored, similarity):
        for truth in (-map_, map_ * 0):
            with pytest.raises(DataError, match="empirical map"):
                metric(map_, truth)
