import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from deepgaze2.errors import DataError
from deepgaze2.evaluate.information import (
    bootstrap_interval,
    information_gain,
    information_gain_explained,
    mean_per_image,
    sum_per_image,
)


def test_twice_the_density_is_one_bit() -> None:
    gain = information_gain(np.log([0.5, 0.25, 0.125]), np.log([0.25, 0.25, 0.25]))
    np.testing.assert_allclose(gain, [1, 0, -1])
    assert gain.dtype == np.float64


@given(st.lists(st.floats(-1e4, 0, width=32)))
def test_the_baseline_gains_nothing(log_density: list[float]) -> None:
    assert not information_gain(log_density, np.array(log_density, np.float32)).any()


def test_a_fixation_without_density_is_not_hidden() -> None:
    gain = information_gain([-np.inf, -1.0, -np.inf], [-1.0, -np.inf, -np.inf])
    np.testing.assert_array_equal(gain, [-np.inf, np.inf, np.nan])


def test_densities_at_other_fixations_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(2,\) and \(1,\)"):
        information_gain([-1.0, -2.0], [-1.0])


def test_explained_is_the_ratio_of_means() -> None:
    assert information_gain_explained([1.0, 1.0], [1.0, 4.0]) == pytest.approx(0.4)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-9, 9)), max_size=40))
def test_per_image(rows: list[tuple[int, float]]) -> None:
    stimulus = np.array([i for i, _ in rows], np.int32)
    values = np.array([value for _, value in rows], np.float64)
    for i, (total, mean) in enumerate(
        zip(sum_per_image(values, stimulus, 4), mean_per_image(values, stimulus, 4), strict=True)
    ):
        own = [value for j, value in rows if j == i]
        assert total == pytest.approx(sum(own), abs=1e-9)
        assert np.isnan(mean) if not own else mean == pytest.approx(np.mean(own), abs=1e-9)


def test_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(3, 2, size=500)
    low, high = bootstrap_interval(values, np.ones(500), level=0.9)
    error = values.std() / np.sqrt(500)
    expected = norm.interval(0.9, values.mean(), error)
    np.testing.assert_allclose([low, high], expected, atol=0.05 * error)
    assert (low, high) == bootstrap_interval(values, np.ones(500), level=0.9)


def test_bootstrap_of_a_ratio_agrees_with_the_delta_method() -> None:
    generator = np.random.default_rng(2)
    count = generator.integers(100, 150, size=400).astype(float)
    gain = 0.8 * count + generator.normal(scale=30, size=400)
    ratio = gain.sum() / count.sum()
    error = (gain - ratio * count).std() / np.sqrt(400) / count.mean()
    low, high = bootstrap_interval(gain, count)
    np.testing.assert_allclose([low, high], norm.interval(0.95, ratio, error), atol=0.1 * error)
