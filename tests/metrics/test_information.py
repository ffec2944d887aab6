import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgaze2.errors import DataError
from deepgaze2.metrics.information import (
    bits_over_uniform,
    by_group,
    information_gain,
    mean_per_image,
    terms_per_image,
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


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-9, 9)), max_size=40))
def test_per_image(rows: list[tuple[int, float]]) -> None:
    stimulus = np.array([i for i, _ in rows], np.int32)
    values = np.array([value for _, value in rows], np.float64)
    for i, mean in enumerate(mean_per_image(values, stimulus, 4)):
        own = [value for j, value in rows if j == i]
        assert np.isnan(mean) if not own else mean == pytest.approx(np.mean(own), abs=1e-9)


def test_by_group() -> None:
    sums, counts = by_group([1.0, -np.inf, 3.0, 4.0], np.array([2, 0, 2, 3]), 5)
    np.testing.assert_array_equal(sums, [-np.inf, 0, 4, 4, 0])
    np.testing.assert_array_equal(counts, [1, 0, 2, 1, 0])


@given(st.permutations(range(12)))
def test_the_order_of_fixations_does_not_matter(order: list[int]) -> None:
    values, group = np.arange(12.0) ** 2, np.arange(12) % 5
    for found, expected in zip(
        by_group(values[order], group[order]), by_group(values, group), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_averages_weigh_fixations_or_images() -> None:
    values, image = np.array([1.0, 1.0, 1.0, 5.0]), np.array([0, 0, 0, 2])
    for average, expected in (("fixations", 2.0), ("images", 3.0)):
        numerator, denominator = terms_per_image(values, image, 4, average)  # type: ignore[arg-type]
        assert numerator.sum() / denominator.sum() == expected
        np.testing.assert_array_equal(denominator == 0, [False, True, False, True])
    with pytest.raises(DataError, match="take fixations or images"):
        terms_per_image(values, image, 4, "subjects")  # type: ignore[arg-type]


def test_bits_over_uniform() -> None:
    bits = bits_over_uniform([np.log(1 / 8), -np.inf], [32, 32])
    np.testing.assert_allclose(bits, [2, -np.inf])
    np.testing.assert_allclose(bits_over_uniform([-np.log(600 * 800)] * 2, 480_000), 0, atol=1e-12)
