"""The density over a page, from screens that are known."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias, load_center_bias
from deepgaze2.density.page import _starts, _weights, page_prediction
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.regions import Region, region_shares
from deepgaze2.density.scrolling import scrolling
from deepgaze2.image.stimulus import Stimulus

W, SCREEN = 60, 36
Predict = Callable[[Stimulus], Prediction]


def page(height: int) -> Stimulus:
    pixels = np.random.default_rng(0).integers(0, 256, (height, W, 3)).astype(np.uint8)
    return Stimulus(pixels, W, height, "page.png")


def blank(center_bias: CenterBias) -> Predict:
    """Predicts of every screen what the center bias says."""

    def predict(screen: Stimulus) -> Prediction:
        log_density = center_bias.log_density(screen.height, screen.width)
        return Prediction(log_density, screen, center_bias, "blank", (8, 5))

    return predict


def red(center_bias: CenterBias) -> Predict:
    """Predicts that the redder a place is the more it is looked at."""

    def predict(screen: Stimulus) -> Prediction:
        log_density = center_bias.log_density(screen.height, screen.width)
        log_density += screen.pixels[:, :, 0] / np.float32(100)
        log_density -= np.log(np.exp(log_density).sum())
        return Prediction(log_density, screen, center_bias, "red", (8, 5))

    return predict


def predicted(
    height: int,
    scroll: Sequence[float] | None = None,
    kind: Callable[[CenterBias], Predict] = red,
    center_bias: str | CenterBias = "mit1003",
) -> Prediction:
    prior = load_center_bias(center_bias)
    looked_at = scrolling((W, SCREEN), height, scroll)
    return page_prediction(page(height), looked_at, prior, 1.0, kind(prior))


def mass(found: Prediction) -> NDArray[np.float64]:
    """The mass of each row."""
    masses: NDArray[np.float64] = np.exp(found.log_density.astype(np.float64)).sum(axis=1)
    return masses


HEIGHTS = [SCREEN + 1, 50, 2 * SCREEN, 97, 500]


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("kind", [blank, red])
def test_a_page_is_a_density_and_so_is_its_center_bias(
    height: int, kind: Callable[[CenterBias], Predict]
) -> None:
    found = predicted(height, kind=kind)
    assert found.log_density.shape == (height, W)
    assert np.isfinite(found.log_density).all()
    assert mass(found).sum() == pytest.approx(1, abs=1e-5)
    alone = found.center_bias.log_density(height, W)
    assert np.exp(alone.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_page_that_adds_nothing_is_its_center_bias(height: int) -> None:
    found = predicted(height, kind=blank)
    alone = found.center_bias.log_density(height, W)
    np.testing.assert_allclose(found.log_density, alone, atol=1e-4)


def test_without_center_bias_a_blank_page_has_mass_by_the_share_of_viewers() -> None:
    height = 5 * SCREEN + 7
    found = predicted(height, [1, 0.9, 0.5, 0.5, 0.1, 0.05], blank, "uniform")
    share = scrolling((W, SCREEN), height, [1, 0.9, 0.5, 0.5, 0.1, 0.05])
    expected = share.share_at(np.arange(height) + 0.5)
    np.testing.assert_allclose(mass(found), expected / expected.sum(), rtol=1e-4)


def test_without_center_bias_what_a_page_adds_is_seen_alike_wherever_it_is() -> None:
    """Screens are normalized each by itself; of one content all have the same sum."""
    height = 4 * SCREEN
    stimulus = page(height)
    strip = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (height, 1))
    stimulus.pixels[:] = strip[:, :, None]
    prior = load_center_bias("uniform")
    looked_at = scrolling((W, SCREEN), height, [1] * 4)
    found = page_prediction(stimulus, looked_at, prior, 1.0, red(prior))
    expected = strip / 100 - np.log(np.exp(strip / 100).sum())
    np.testing.assert_allclose(found.log_density, expected, atol=1e-4)


def test_between_its_ends_a_blank_page_has_no_stripes() -> None:
    found = predicted(10 * SCREEN, [1] * 10, blank)
    inner = found.log_density[SCREEN:-SCREEN]
    assert np.ptp(inner, axis=0).max() < 1e-4
    assert np.ptp(inner, axis=1).max() > 1  # the center bias across is still there


def test_at_its_ends_a_page_is_as_its_first_and_last_screen() -> None:
    found = predicted(10 * SCREEN, [1] * 10, blank)
    screen = load_center_bias("mit1003").log_density(SCREEN, W)
    half = SCREEN // 2
    for whole, own in ((found.log_density, screen), (found.log_density[::-1], screen[::-1])):
        difference = whole[:half] - own[:half]
        np.testing.assert_allclose(difference, difference[0, 0], atol=1e-4)


def test_seams_are_no_larger_than_other_steps_between_rows() -> None:
    """Where a screen begins or ends, rows differ no more than the content's own rows do."""
    height = 8 * SCREEN
    stimulus = page(height)
    ramp = (np.sin(np.arange(height) / 23) * 100 + 120).astype(np.uint8)
    stimulus.pixels[:] = ramp[:, None, None]
    prior = load_center_bias("mit1003")
    looked_at = scrolling((W, SCREEN), height, [1] * 8)
    found = page_prediction(stimulus, looked_at, prior, 1.0, red(prior))
    steps = np.abs(np.diff(found.log_density[:, W // 2]))
    borders = {edge for start in _starts(height, SCREEN) for edge in (start, start + SCREEN)}
    at_borders = [steps[edge - 1] for edge in borders if 0 < edge < height]
    assert max(at_borders) < 1.5 * np.quantile(steps, 0.95)


def test_whoever_sees_the_first_screenful_alone_sees_that_screen() -> None:
    found = predicted(5 * SCREEN, [1, 0])
    prior = load_center_bias("mit1003")
    whole = page(5 * SCREEN)
    screen = Stimulus(whole.pixels[:SCREEN], W, SCREEN, "screen")
    np.testing.assert_allclose(
        found.log_density[:SCREEN], red(prior)(screen).log_density, atol=1e-4
    )
    assert np.isneginf(found.log_density[SCREEN:]).all()
    assert mass(found).sum() == pytest.approx(1, abs=1e-5)


def test_a_page_is_looked_at_the_lower_the_more_viewers_scroll() -> None:
    kept = [0.1, 0.5, 0.9, 1]
    pages = [predicted(6 * SCREEN, [share**j for j in range(6)]) for share in kept]
    for fewer, more in pairwise(map(mass, pages)):
        below = np.cumsum(fewer[::-1]), np.cumsum(more[::-1])
        assert (below[1][:-1] > below[0][:-1]).all()


def test_shares_of_regions_add_up_and_count_scrolling_in_the_center_bias() -> None:
    height = 6 * SCREEN
    found = predicted(height, kind=blank)
    rows = [Region(str(y), 0, y, W, SCREEN) for y in range(0, height, SCREEN)]
    shares = region_shares(found, rows)
    assert sum(one.share for one in shares) == pytest.approx(1, abs=1e-5)
    assert sum(one.center_bias_share for one in shares) == pytest.approx(1, abs=1e-5)
    for one in shares:
        assert one.ratio == pytest.approx(1, abs=1e-3)


def test_screens_overlap_by_a_third_and_count_one_in_every_row() -> None:
    for height in range(SCREEN + 1, 300, 7):
        starts = _starts(height, SCREEN)
        assert (starts[0], starts[-1]) == (0, height - SCREEN)
        assert max(b - a for a, b in pairwise(starts)) <= 2 * SCREEN / 3 + 1
        total = np.zeros(height)
        for start, weights in zip(starts, _weights(starts, SCREEN), strict=True):
            assert weights.min() > 0
            total[start : start + SCREEN] += weights
        np.testing.assert_allclose(total, 1, atol=1e-6)


def test_a_center_bias_with_empty_cells_leaves_them_empty() -> None:
    template = np.ones((4, 6))
    template[:, 0] = 0
    found = predicted(5 * SCREEN, center_bias=load_center_bias(template))
    assert np.isneginf(found.log_density[:, :4]).all()
    assert np.isfinite(found.log_density[:, 30]).all()
    assert mass(found).sum() == pytest.approx(1, abs=1e-5)


def test_screens_are_cut_where_they_lie_also_of_reduced_pixels() -> None:
    height = 4 * SCREEN
    stimulus = page(height)
    reduced = Stimulus(stimulus.pixels[::2, ::2], W, height, "huge.png")
    seen: list[NDArray[np.uint8]] = []
    prior = load_center_bias("uniform")

    def predict(screen: Stimulus) -> Prediction:
        assert (screen.width, screen.height) == (W, SCREEN)
        seen.append(screen.pixels)
        return blank(prior)(screen)

    counted: list[tuple[int, int]] = []
    looked_at = scrolling((W, SCREEN), height)
    page_prediction(reduced, looked_at, prior, 1.0, predict, lambda *done: counted.append(done))
    for start, pixels in zip(_starts(height, SCREEN), seen, strict=True):
        expected = reduced.pixels[round(start / 2) : round(start / 2) + SCREEN // 2]
        np.testing.assert_array_equal(pixels, expected)
    assert counted == [(k + 1, len(seen)) for k in range(len(seen))]
