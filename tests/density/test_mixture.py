"""Laws of densities, and both definitions of a mixture by brute force in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import logsumexp

from deepgaze2.density.center_bias import CenterBias, load_center_bias
from deepgaze2.density.mixture import mixture_log_density, weighted_prior
from deepgaze2.readout.grid import block_size, block_stride
from helpers import float64_model

FloatArray = NDArray[np.float32]
Array = NDArray[np.float64]
IMAGES = [(1, 1), (3, 200), (200, 3), (20, 31), (64, 50), (150, 90), (1, 300)]


def maps(
    n_models: int, size: tuple[int, int], spread: float = 3, seed: int = 0, grid_block: int = 2
) -> FloatArray:
    """Saliency for a network input of (width, height) pixels."""
    rng = np.random.default_rng((seed, n_models, *size))
    stride = 2 ** (grid_block - 1)
    shape = (n_models, -(-size[1] // stride), -(-size[0] // stride))
    return rng.normal(0, spread, shape).astype(np.float32)


def prior(height: int, width: int, seed: int = 0) -> FloatArray:
    values = np.random.default_rng((seed, height, width)).normal(0, 1, (height, width))
    return np.asarray(values - logsumexp(values), np.float32)


def mass(log_density: FloatArray) -> float:
    return float(np.exp(log_density.astype(np.float64)).sum())


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("size", [(50, 75), (33, 17), (16, 16)])
@pytest.mark.parametrize(("n_models", "grid_block"), [(1, 2), (3, 2), (2, 3), (2, 5)])
def test_against_brute_force(
    image: tuple[int, int], size: tuple[int, int], n_models: int, grid_block: int
) -> None:
    saliency, log_prior = maps(n_models, size, grid_block=grid_block), prior(*image)
    found = mixture_log_density(saliency, log_prior, size, grid_block)
    assert found.dtype == np.float32
    assert found.shape == image
    expected = float64_model.log_density(saliency.astype(np.float64), log_prior, size, grid_block)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    size=st.tuples(st.integers(16, 60), st.integers(16, 60)),
    n_models=st.integers(1, 4),
    spread=st.floats(0, 10),
    grid_block=st.integers(1, 5),
)
def test_any_shape_sums_to_one_and_equals_brute_force(
    height: int,
    width: int,
    size: tuple[int, int],
    n_models: int,
    spread: float,
    grid_block: int,
) -> None:
    saliency = maps(n_models, size, spread, grid_block=grid_block)
    log_prior = prior(height, width)
    found = mixture_log_density(saliency, log_prior, size, grid_block)
    assert mass(found) == pytest.approx(1, abs=1e-5)
    expected = float64_model.log_density(saliency.astype(np.float64), log_prior, size, grid_block)
    np.testing.assert_allclose(found, expected, atol=3e-5)


@pytest.mark.parametrize(
    ("image", "size"),
    [((600, 800), (512, 384)), ((1000, 40), (64, 50))],
    ids=["800x600 from 256x192 cells", "40 rows in a row of cells"],
)
def test_large_images_keep_their_precision(image: tuple[int, int], size: tuple[int, int]) -> None:
    saliency, log_prior = maps(3, size, spread=4), prior(*image)
    expected = float64_model.log_density(saliency.astype(np.float64), log_prior, size)
    found = mixture_log_density(saliency, log_prior, size)
    np.testing.assert_allclose(found, expected, atol=3e-5)
    assert mass(found) == pytest.approx(1, abs=1e-5)


def smooth(n_models: int, size: tuple[int, int], grid_block: int) -> Array:
    """Maps whose slopes differ as those of `deepgaze2-plus`: by 0.04 nats a cell of block 3."""
    rng = np.random.default_rng((n_models, *size))
    shape = block_size(size[1], grid_block), block_size(size[0], grid_block)
    sigma = 9.5 / block_stride(grid_block)
    common, *own = (
        float64_model.gaussian_blur(rng.normal(size=shape), sigma) for _ in range(n_models + 1)
    )
    return np.stack([common / common.std() + 0.15 * one / one.std() for one in own])


@pytest.mark.parametrize("name", ["mit1003", "gaussian"])
@pytest.mark.parametrize(
    ("image", "size"),
    [((192, 256), (512, 384)), ((500, 50), (51, 512)), ((1, 300), (512, 16)), ((9, 7), (398, 512))],
    ids=["landscape", "a tenth as wide", "one row", "63 pixels"],
)
def test_mixing_on_the_grid_is_mixing_at_full_size_but_for_a_hundredth_of_a_nat(
    image: tuple[int, int], size: tuple[int, int], name: str
) -> None:
    log_prior = load_center_bias(name).log_density(*image)
    shares = np.array([0.3, 0.1, 0.2, 0.4])
    maps = smooth(4, size, 3)
    found = mixture_log_density(maps.astype(np.float32), log_prior, size, 3, shares=shares)
    expected = float64_model.full_size_log_density(maps, log_prior, size, 3, shares=shares)
    difference = np.abs(found - expected)
    assert 1e-5 < difference.max() < 0.01
    assert (np.exp(expected) * (expected - found)).sum() < 1e-4  # nats a fixation loses on average


@pytest.mark.parametrize("image", IMAGES)
def test_one_model_is_the_same_at_full_size(image: tuple[int, int]) -> None:
    saliency, log_prior = maps(1, (50, 75)), prior(*image)
    found = mixture_log_density(saliency, log_prior, (50, 75))
    expected = float64_model.full_size_log_density(saliency.astype(np.float64), log_prior, (50, 75))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_six_megapixels_sum_to_one() -> None:
    saliency = maps(2, (512, 341))
    found = mixture_log_density(saliency, np.full((2000, 3000), -15.6, np.float32), (512, 341))
    assert mass(found) == pytest.approx(1, abs=1e-5)


@settings(deadline=None)
@given(constants=st.lists(st.floats(-300, 300), min_size=3, max_size=3))
def test_a_constant_added_to_a_map_changes_nothing(constants: list[float]) -> None:
    saliency, log_prior = maps(3, (33, 17)), prior(30, 41)
    shifted = saliency + np.array(constants, np.float32)[:, None, None]
    found = mixture_log_density(shifted, log_prior, (33, 17))
    expected = mixture_log_density(saliency, log_prior, (33, 17))
    np.testing.assert_allclose(found, expected, atol=2e-4)  # the sum's own rounding, 300 * 2^-24


def test_a_mixture_of_one_model_with_itself_is_the_model() -> None:
    one, log_prior = maps(1, (50, 75)), prior(60, 45)
    alone = mixture_log_density(one, log_prior, (50, 75))
    for k in (2, 10):
        found = mixture_log_density(np.repeat(one, k, axis=0), log_prior, (50, 75))
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_a_mixture_averages_probabilities() -> None:
    """At the grid's own cells: there nothing is interpolated."""
    size = (50, 74)
    saliency, log_prior = maps(4, size), prior(37, 25)
    members = np.stack([mixture_log_density(s[None], log_prior, size) for s in saliency])
    found = mixture_log_density(saliency, log_prior, size)
    np.testing.assert_allclose(np.exp(found), np.exp(members).mean(0), rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    size=st.tuples(st.integers(16, 60), st.integers(16, 60)),
    weights=st.lists(st.floats(1e-6, 1), min_size=1, max_size=5),
    grid_block=st.integers(1, 4),
)
def test_each_model_counts_as_its_share(
    height: int, width: int, size: tuple[int, int], weights: list[float], grid_block: int
) -> None:
    shares = np.array(weights) / np.sum(weights)
    saliency, log_prior = maps(len(shares), size, grid_block=grid_block), prior(height, width)
    found = mixture_log_density(saliency, log_prior, size, grid_block, shares=shares)
    assert mass(found) == pytest.approx(1, abs=1e-5)
    expected = float64_model.log_density(
        saliency.astype(np.float64), log_prior, size, grid_block, shares=shares
    )
    np.testing.assert_allclose(found, expected, atol=3e-5)


def test_equal_shares_are_none() -> None:
    saliency, log_prior = maps(4, (50, 75)), prior(60, 45)
    found = mixture_log_density(saliency, log_prior, (50, 75), shares=np.full(4, 0.25))
    np.testing.assert_array_equal(found, mixture_log_density(saliency, log_prior, (50, 75)))


@pytest.mark.parametrize("image", IMAGES)
def test_without_saliency_the_density_is_the_prior(image: tuple[int, int]) -> None:
    flat = np.full((2, 25, 32), 7, np.float32)
    log_prior = prior(*image)
    found = mixture_log_density(flat, log_prior, (64, 50))
    np.testing.assert_allclose(found, log_prior, atol=1e-5)
    uniform = np.full(image, -np.log(image[0] * image[1]), np.float32)
    np.testing.assert_allclose(mixture_log_density(flat, uniform, (64, 50)), uniform, atol=1e-5)


def test_an_unnormalized_prior_gives_the_same_density() -> None:
    saliency, log_prior = maps(2, (64, 50)), prior(70, 90)
    found = mixture_log_density(saliency, log_prior + np.float32(5), (64, 50))
    expected = mixture_log_density(saliency, log_prior, (64, 50))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(spread=st.sampled_from([50, 1e3, 1e6, 1e30]), n_models=st.integers(1, 3), data=st.data())
def test_huge_ranges_stay_densities(spread: float, n_models: int, data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    saliency = maps(n_models, (33, 40), spread, seed=data.draw(st.integers(0, 99)))
    found = mixture_log_density(saliency, prior(height, width) * 10, (33, 40))
    assert np.isfinite(found).all()
    assert mass(found) == pytest.approx(1, abs=1e-5)


def test_a_single_peak_of_huge_saliency_takes_all_the_mass() -> None:
    saliency = np.zeros((1, 25, 32), np.float32)
    saliency[0, 10, 12] = 1e4
    found = mixture_log_density(saliency, np.full((50, 64), -8, np.float32), (64, 50))
    assert mass(found[20:22, 24:26]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.9, 0.999])
def test_where_the_prior_has_no_mass_there_is_none(share: float) -> None:
    log_prior = prior(60, 80)
    empty = np.random.default_rng(0).random((60, 80)) < share
    log_prior[empty] = -np.inf
    saliency = maps(3, (64, 50))
    found = mixture_log_density(saliency, log_prior, (64, 50))
    np.testing.assert_array_equal(np.isneginf(found), empty)
    assert mass(found) == pytest.approx(1, abs=1e-5)
    expected = float64_model.log_density(saliency.astype(np.float64), log_prior, (64, 50))
    np.testing.assert_allclose(found[~empty], expected[~empty], atol=1e-5)


def test_a_prior_that_forbids_the_saliency_peak() -> None:
    """All that is left lies 200 nats below the peak, where exponentials in float32 end."""
    saliency = maps(2, (64, 50), spread=1)
    saliency[:, :10] += 200
    log_prior = np.full((50, 64), -np.log(3200), np.float32)
    log_prior[:24] = -np.inf
    found = mixture_log_density(saliency, log_prior, (64, 50))
    assert mass(found) == pytest.approx(1, abs=1e-5)
    expected = float64_model.log_density(saliency.astype(np.float64), log_prior, (64, 50))
    np.testing.assert_allclose(found[24:], expected[24:], atol=1e-4)


def test_a_prior_of_one_pixel() -> None:
    log_prior = np.full((50, 64), -np.inf, np.float32)
    log_prior[49, 0] = 0
    found = mixture_log_density(maps(3, (64, 50), spread=20), log_prior, (64, 50))
    np.testing.assert_allclose(found, log_prior)


def weighted(
    saliency: FloatArray,
    weights: FloatArray,
    bias: CenterBias,
    size: tuple[int, int],
    image: tuple[int, int],
    grid_block: int,
) -> FloatArray:
    own = weighted_prior(saliency, weights, bias, size, grid_block)
    return mixture_log_density(own, bias.log_density(*image), size, grid_block)


@pytest.mark.parametrize("grid_block", [2, 3])
@pytest.mark.parametrize("name", ["gaussian", "osie", "mit1003"])
@pytest.mark.parametrize(
    ("size", "image"),
    [((512, 384), (600, 800)), ((512, 341), (200, 300)), ((339, 509), (150, 101))],
)
def test_a_weighted_prior_is_its_power(
    size: tuple[int, int], image: tuple[int, int], name: str, grid_block: int
) -> None:
    """Interpolated from the grid: exact but for the half cell at the image's border.

    There the prior is steep, and a fixation all but impossible.
    """
    saliency, bias = maps(1, size, 0.5, grid_block=grid_block), load_center_bias(name)
    log_prior = bias.log_density(*image)
    for weight in (0.7, 1.3):
        weights = np.array([weight], np.float32)
        found = weighted(saliency, weights, bias, size, image, grid_block)
        expected = float64_model.full_size_log_density(
            saliency.astype(np.float64), log_prior, size, grid_block, weights
        )
        difference = np.abs(found - expected)
        assert difference.max() < 0.05
        assert (np.exp(expected) * difference).sum() < 4e-4  # nats a fixation loses on average
        assert difference.mean() < 8e-4
        assert mass(found) == pytest.approx(1, abs=1e-5)


def test_a_prior_of_weight_one_is_as_it_is() -> None:
    saliency = maps(2, (64, 50))
    bias = load_center_bias("osie")
    found = weighted_prior(saliency, np.ones(2, np.float32), bias, (64, 50))
    np.testing.assert_array_equal(found, saliency)


def test_a_prior_of_weight_zero_leaves_the_saliency() -> None:
    saliency = maps(1, (512, 384), 0.5)
    log_uniform = np.full((384, 512), -np.log(384 * 512), np.float32)
    found = weighted(
        saliency, np.zeros(1, np.float32), load_center_bias("gaussian"), (512, 384), (384, 512), 2
    )
    expected = mixture_log_density(saliency, log_uniform, (512, 384))
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(found[inner], expected[inner], atol=0.01)


def test_where_a_weighted_prior_has_no_mass_there_is_none() -> None:
    density = np.ones((12, 16))
    density[:, 10:] = 0
    bias = load_center_bias(density)
    weights = np.array([0.5, 2], np.float32)
    found = weighted(maps(2, (64, 50)), weights, bias, (64, 50), (100, 128), 2)
    np.testing.assert_array_equal(np.isneginf(found), np.isneginf(bias.log_density(100, 128)))
    assert mass(found) == pytest.approx(1, abs=1e-5)
