"""What is seen at once: viewports as they are typed, guessed and refused."""

import re

import pytest

from deepgaze2.errors import ViewportError
from deepgaze2.image.viewport import (
    Seen,
    doubt_about,
    guessed_viewport,
    parse_viewport,
    what_is_seen,
)


def test_viewports_are_read() -> None:
    assert [parse_viewport(text) for text in ("1280x800", " 390x844 ", "auto", "none")] == [
        *((1280, 800), (390, 844), "auto", "none")
    ]


@pytest.mark.parametrize("text", ["", "1280", "1280x", "1280x800x2", "-1x800", "1e3x800", "Auto"])
def test_what_is_no_viewport_is_refused(text: str) -> None:
    with pytest.raises(ViewportError, match="as in 1280x800"):
        parse_viewport(text)


@pytest.mark.parametrize("text", ["0x0", "1280x0", "1280x319", "199x800"])
def test_so_is_what_no_screen_shows(text: str) -> None:
    with pytest.raises(ViewportError, match="no screen's shape"):
        parse_viewport(text)
    parse_viewport("1280x320")


@pytest.mark.parametrize(
    ("size", "guess"),
    [
        ((1280, 12000), (1280, 800)),
        ((1280, 3841), (1280, 800)),
        ((1280, 3840), None),
        ((390, 5000), (390, 693)),
        ((160, 600), None),  # a banner
        ((12000, 1280), None),
        ((1280, 800), None),
    ],
)
def test_only_what_looks_like_a_page_is_taken_for_one(
    size: tuple[int, int], guess: tuple[int, int] | None
) -> None:
    assert guessed_viewport(*size) == guess
    seen = what_is_seen(*size, "auto")
    assert seen.screen == guess
    said = f"screens of {guess[0]}x{guess[1]}, a guess" if guess else ""
    assert said in " ".join(seen.notes)
    assert bool(seen.notes) == bool(guess)


def test_a_page_as_large_as_the_viewport_is_seen_at_once() -> None:
    assert what_is_seen(1280, 800, (1280, 800)) == Seen(None)
    assert what_is_seen(1280, 801, (1280, 800)) == Seen((1280, 800))
    assert what_is_seen(1280, 9000, "none") == what_is_seen(1280, 9000, None) == Seen(None)


def test_a_larger_viewport_is_cut_to_the_page_and_that_is_said() -> None:
    narrow = what_is_seen(1265, 5000, (1280, 800))
    assert narrow.screen == (1265, 800)
    assert "narrower than the viewport: screens are 1265 x 800" in narrow.notes[0]
    short = what_is_seen(1280, 500, (1280, 800))
    assert short.screen is None
    assert "shorter than the viewport" in short.notes[0]


def test_a_page_wider_than_the_viewport_may_be_two_things() -> None:
    with pytest.raises(ViewportError, match=r"home.png: is 2560 pixels .* give 2560x1600 if"):
        what_is_seen(2560, 9000, (1280, 800), "home.png")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((1280, 12000), "9.4 times as high as wide.* 55 x 512 .*such as 1280x800"),
        ((160, 600), "3.8 times as high as wide.* cut it"),
        ((6000, 800), "7.5 times as wide as high.* cut it"),
    ],
)
def test_extreme_images_are_doubted_in_words(size: tuple[int, int], words: str) -> None:
    doubt = doubt_about(*size, (55, 512))
    assert doubt is not None
    assert re.search(words, doubt)


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (1, 1), (1280, 800)])
def test_others_are_not(size: tuple[int, int]) -> None:
    assert doubt_about(*size, (55, 512)) is None
