from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.ranks import below_and_equal, mean_ranks


def compared(values: Any, population: Any, weights: Any = None) -> NDArray[np.float64]:
    """Compare every value with every member."""
    values, population = np.asarray(values)[:, None], np.ravel(population)
    weights = np.ones(population.size) if weights is None else np.ravel(weights)
    return np.stack([(population < values) @ weights, (population == values) @ weights])


FLOATS = st.one_of(
    st.floats(allow_nan=False, width=32),
    st.integers(-3, 3).map(float),
    st.sampled_from([0.0, -0.0, np.inf, -np.inf, 1e-45, 3e38, -3e38]),
)


@given(
    st.lists(FLOATS, max_size=20),
    st.lists(FLOATS, max_size=60),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)
def test_counts_equal_all_comparisons(
    values: list[float], population: list[float], one: Any, other: Any, weighted: bool
) -> None:
    some, many = np.array(values, one), np.array(population + values[::2], other)
    weights = np.arange(many.size) % 3 if weighted else None
    assert_array_equal(below_and_equal(some, many, weights), compared(some, many, weights))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [0.01, 1, 10, 18])
def test_large_skewed_populations(dtype: Any, spread: float) -> None:
    rng = np.random.default_rng(0)
    population = np.exp(spread * rng.normal(size=200_000)).astype(dtype)
    values = np.concatenate([rng.choice(population, 50), population[:3] * dtype(1.1)])
    assert_array_equal(below_and_equal(values, population), compared(values, population))
    weights = rng.integers(0, 4, population.size)
    assert_array_equal(
        below_and_equal(values, population, weights), compared(values, population, weights)
    )


def test_integers_and_huge_numbers() -> None:
    population = np.arange(256, dtype=np.uint8).repeat(3)
    ranks = mean_ranks(np.arange(256, dtype=np.uint8), population)
    np.testing.assert_allclose(ranks, (np.arange(256) + 0.5) / 256, rtol=1e-15)
    huge = np.array([-1.7e308, 0, 1.7e308])  # their difference is no number
    assert_array_equal(mean_ranks(huge, huge) * 3, [0.5, 1.5, 2.5])


def test_empty_and_nan() -> None:
    assert mean_ranks([], [1.0, 2.0]).shape == (0,)
    assert np.isnan(mean_ranks([1.0], [])).all()
    assert np.isnan(mean_ranks([1.0], [1.0], [0])).all()
    for values, population in (([np.nan], [1.0]), ([1.0], [np.nan, 1.0])):
        with pytest.raises(DataError, match="NaN"):
            mean_ranks(values, population)
    with pytest.raises(DataError, match="real numbers"):
        mean_ranks([1j], [1.0])
