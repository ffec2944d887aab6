from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm, permutation_test

from deepgaze2.errors import DataError
from deepgaze2.metrics import intervals
from deepgaze2.metrics.information import terms_per_image
from deepgaze2.metrics.intervals import (
    bootstrap_interval,
    compare_models,
    resampled_sums,
    sign_flip_p_value,
)


def test_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(3, 2, size=500)
    low, high = bootstrap_interval(values, np.ones(500), level=0.9)
    error = values.std() / np.sqrt(500)
    expected = norm.interval(0.9, values.mean(), error)
    np.testing.assert_allclose([low, high], expected, atol=0.05 * error)
    assert (low, high) == bootstrap_interval(values, np.ones(500), level=0.9)


def test_bootstrap_of_a_ratio_agrees_with_scipy_and_the_delta_method() -> None:
    generator = np.random.default_rng(2)
    count = generator.integers(100, 150, size=400).astype(float)
    gain = 0.8 * count + generator.normal(scale=30, size=400)
    ratio = gain.sum() / count.sum()
    error = (gain - ratio * count).std() / np.sqrt(400) / count.mean()
    found = bootstrap_interval(gain, count)
    np.testing.assert_allclose(found, norm.interval(0.95, ratio, error), atol=0.1 * error)
    peer = bootstrap(
        (gain, count),
        lambda gain, count, axis: gain.sum(axis) / count.sum(axis),
        paired=True,
        method="percentile",
        random_state=np.random.default_rng(3),
    ).confidence_interval
    np.testing.assert_allclose(found, [peer.low, peer.high], atol=0.1 * error)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Images with few to many fixations, and a gain that depends on how many: ratio 0.7."""
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(400):
        count = generator.poisson(60, size=100) + 1.0
        gain = 0.7 * count + generator.gamma(2.0, 0.2, 100) * count - 0.4 * count
        low, high = bootstrap_interval(gain, count, n_resamples=1000, seed=seed)
        covered += low < 0.7 < high
    # 95% less what a percentile interval of 100 skewed values lacks; sampling error 1.1%
    assert 0.91 < covered / 400 < 0.98


def test_resamples_draw_with_replacement_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.eye(7)
    whole = resampled_sums(values, n_resamples=500, seed=4)
    assert (whole.sum(axis=1) == 7).all()
    # the times that an image is drawn are binomial: mean 1, variance 1 - 1/7
    np.testing.assert_allclose(whole.mean(), 1)
    np.testing.assert_allclose(whole.var(), 1 - 1 / 7, atol=0.05)
    monkeypatch.setattr(intervals, "_BLOCK_DRAWS", 20)
    np.testing.assert_array_equal(resampled_sums(values, n_resamples=500, seed=4), whole)


def test_minus_infinity_is_drawn_or_not() -> None:
    values = np.array([1.0, -np.inf, 2.0])
    sums = resampled_sums(np.column_stack([values, np.eye(3)[1]]), n_resamples=200)
    np.testing.assert_array_equal(np.isneginf(sums[:, 0]), sums[:, 1] > 0)
    low, high = bootstrap_interval(np.r_[np.ones(99), -np.inf], np.ones(100))
    assert (low, high) == (-np.inf, 1.0)  # 37% of resamples lack the image


def test_images_without_fixations_are_not_drawn() -> None:
    values, ones = np.array([1.0, 4.0, 2.0]), np.ones(3)
    padded = [np.insert(column, 1, [0.0, 0.0]) for column in (values, ones)]
    assert bootstrap_interval(*padded) == bootstrap_interval(values, ones)
    assert np.isnan(bootstrap_interval(np.zeros(2), np.zeros(2))).all()


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_few_images_are_flipped_in_all_ways(differences: list[int]) -> None:
    observed = abs(sum(differences))
    sums = [
        sum(sign * difference for sign, difference in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    expected = np.mean([abs(total) >= observed for total in sums])
    assert sign_flip_p_value(np.array(differences, float)) == pytest.approx(expected)


def test_p_value_agrees_with_scipy() -> None:
    differences = np.random.default_rng(7).normal(0.4, 1, size=60)
    peer = permutation_test(
        (differences,),
        lambda values, axis: values.sum(axis),
        permutation_type="samples",
        n_resamples=9999,
        random_state=np.random.default_rng(1),
    )
    assert sign_flip_p_value(differences) == pytest.approx(peer.pvalue, abs=0.015)
    assert 0.01 < peer.pvalue < 0.3


def test_p_values_of_equal_models_are_uniform() -> None:
    generator = np.random.default_rng(3)
    p_values = [
        sign_flip_p_value(generator.normal(size=20), n_permutations=400) for _ in range(600)
    ]
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=0.06)


@pytest.mark.parametrize("average", ["fixations", "images"])
def test_comparison_of_two_models(average: str) -> None:
    generator = np.random.default_rng(5)
    image = np.sort(generator.integers(30, size=900))
    image += image >= 10  # image 10 has no fixations
    b = generator.normal(size=900)
    a = b + 0.2 + generator.normal(scale=0.3, size=31)[image]
    found = compare_models(a, b, image, 31, average=average)  # type: ignore[arg-type]
    expected = [np.mean((a - b)[image == i]) for i in range(31) if i != 10]
    np.testing.assert_allclose(np.delete(found.differences, 10), expected)
    assert np.isnan(found.differences[10])
    assert (found.images, found.images_won) == (30, sum(d > 0 for d in expected))
    mean = np.mean(expected) if average == "images" else np.mean(a - b)
    assert found.difference == pytest.approx(mean)
    terms = terms_per_image(a - b, image, 31, average)  # type: ignore[arg-type]
    assert found.interval == bootstrap_interval(*terms)
    assert found.interval[0] < mean < found.interval[1]
    assert 0 < found.p_value < 0.05
    other = compare_models(b, a, image, 31, average=average)  # type: ignore[arg-type]
    assert other.difference == -found.difference
    assert other.p_value == pytest.approx(found.p_value)


def test_comparison_hides_no_infinity() -> None:
    image = np.arange(20)
    a, b = np.ones(20), np.zeros(20)
    a[3] = -np.inf
    found = compare_models(a, b, image, 20)
    assert (found.difference, found.interval[0], found.p_value) == (-np.inf, -np.inf, 1)
    assert found.images_won == 19
    b[3] = -np.inf
    assert np.isnan(compare_models(a, b, image, 20).p_value)
    with pytest.raises(DataError, match=r"\(20,\) and \(19,\)"):
        compare_models(a, b[1:], image, 20)
