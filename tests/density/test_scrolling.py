"""How far viewers scroll: shares as they are typed, and at each row of a page."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepgaze2.density.scrolling import Scrolling, parse_scroll, scrolling
from deepgaze2.errors import ViewportError

SCREEN = (1280, 800)


def rows(height: int) -> NDArray[np.float64]:
    return np.arange(height, dtype=np.float64) + 0.5


def test_percentages_are_read() -> None:
    assert parse_scroll("100, 80 ,60.5,0") == (1, 0.8, 0.605, 0)
    assert parse_scroll("100%,50%") == (1, 0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "as in 100,80,60"),
        ("100,eighty", "as in 100,80,60"),
        ("100,,60", "as in 100,80,60"),
        ("100,nan", "from 0 to 100%"),
        ("120,100", "from 0 to 100%"),
        ("100,-5", "from 0 to 100%"),
        ("80,60", "begin with 100%"),
        ("100,60,70", "screenful 3 is seen by more"),
    ],
)
def test_what_are_no_shares_of_viewers_is_refused(text: str, words: str) -> None:
    with pytest.raises(ViewportError, match=words):
        parse_scroll(text)


def test_the_library_takes_no_percentages() -> None:
    with pytest.raises(ViewportError, match="from 0 to 100%"):
        scrolling(SCREEN, 2400, [100, 80, 60])


def test_each_screenful_needs_a_share_unless_nobody_is_left() -> None:
    with pytest.raises(ViewportError, match=r"2 shares.* 2401 pixels 4 screenfuls of 800"):
        scrolling(SCREEN, 2401, [1, 0.5])
    assert scrolling(SCREEN, 2401, [1, 0.5, 0]).shares == (1, 0.5, 0, 0)
    assert scrolling(SCREEN, 2400, [1, 0.5, 0.4, 0.3, 0.2]).shares == (1, 0.5, 0.4)


def test_unsaid_each_screenful_is_seen_by_half_as_many() -> None:
    assert scrolling(SCREEN, 2401).shares == (1, 0.5, 0.25, 0.125)


def test_shares_hold_in_the_middle_of_screenfuls_and_all_see_the_first() -> None:
    found = scrolling(SCREEN, 2400, [1, 0.8, 0.4])
    np.testing.assert_allclose(found.share_at(np.array([0, 400, 800])), 1)
    np.testing.assert_allclose(found.share_at(np.array([1200, 2000])), [0.8, 0.4])
    np.testing.assert_allclose(found.share_at(np.array([1600.0])), np.sqrt(0.8 * 0.4))


def test_screenfuls_get_about_what_was_said() -> None:
    """The mean over a screenful's rows is its share, but for what the curve is smoothed by."""
    share = scrolling(SCREEN, 4000).share_at(rows(4000))
    np.testing.assert_allclose(share.reshape(5, 800).mean(1), 0.5 ** np.arange(5), rtol=0.15)


def test_nobody_sees_what_nobody_scrolls_to() -> None:
    assert scrolling(SCREEN, 4000, [1, 0.5, 0]).seen_px(4000) == 1600
    assert scrolling(SCREEN, 4000, [1] * 5).seen_px(4000) == 4000
    assert scrolling(SCREEN, 1000, [1, 0.5]).seen_px(1000) == 1000
    share = scrolling(SCREEN, 4000, [1, 0.5, 0]).share_at(rows(1600))
    assert share.min() == pytest.approx(0.5)  # down to the border, not fading to it


@given(st.lists(st.floats(0.01, 1), max_size=8))
def test_shares_never_rise_down_the_page_and_have_no_steps(falling: list[float]) -> None:
    shares = (1.0, *sorted(falling, reverse=True))
    curve = Scrolling(SCREEN, shares).share_at(rows(800 * len(shares)))
    assert (np.diff(curve) <= 1e-12).all()
    assert np.abs(np.diff(np.log(curve))).max(initial=0) < 0.02
