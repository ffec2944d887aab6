"""What of an image is seen at once: all of it, or of a long page one screen at a time."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from deepgaze2.errors import ViewportError

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

Viewport: TypeAlias = Size | Literal["auto", "none"]
"""What viewers' screens show of a page, in pixels of the image; see `parse_viewport`."""

EXTREME_RATIO = 3  # no screen is so long, and few pictures are that are seen at once
_LARGEST_RATIO = 4  # of a viewport
_NARROWEST_PAGE_PX = 320  # the width of the smallest telephones; banners are narrower
_NARROWEST_DESKTOP_PX = 600


@dataclass(frozen=True)
class Seen:
    """What of an image is seen at once.

    Attributes
    ----------
    screen
        The screens' size in pixels of the image; None where it is seen as a whole.
    notes
        What was guessed, or is doubtful, in words.
    """

    screen: Size | None
    notes: tuple[str, ...] = ()


def parse_viewport(text: str) -> Viewport:
    """Read a viewport: `1280x800`, `auto` or `none`.

    `auto` guesses one for what looks like the screenshot of a long page, and none for other
    images; `none` is for images that are seen at once.

    Raises
    ------
    ViewportError
        If the text has another form.
    """
    if text in ("auto", "none"):
        return "auto" if text == "auto" else "none"
    if not (found := re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text.strip())):
        raise ViewportError(
            f"viewport {text!r} is not WIDTHxHEIGHT; give pixels, as in 1280x800, or auto or none"
        )
    size = int(found[1]), int(found[2])
    _refuse_odd(size)
    return size


def what_is_seen(width: int, height: int, viewport: Viewport | None, name: str = "image") -> Seen:
    """Decide what is seen at once of an image of this size.

    Raises
    ------
    ViewportError
        If the image is wider than the viewport, or the viewport has no screen's shape.
    """
    if viewport is None or viewport == "none":
        return Seen(None)
    if viewport == "auto":
        guess = guessed_viewport(width, height)
        return Seen(guess, _about_guess(guess) if guess else ())
    _refuse_odd(viewport)
    across, down = viewport
    if width > across:
        larger = f"{width}x{round(down * width / across)}"
        raise ViewportError(
            f"{name}: is {width} pixels wide and the viewport {across}; pages are scrolled"
            f" downward only, and a viewport counts in pixels of the image: give {larger} if that"
            " is what a screen shows"
        )
    notes: tuple[str, ...] = ()
    if width < across:
        notes = (f"narrower than the viewport: screens are {width} x {down} pixels",)
    if height < down:
        return Seen(None, ("shorter than the viewport, so it is seen at once",))
    return Seen((width, down) if height > down else None, notes)


def guessed_viewport(width: int, height: int) -> Size | None:
    """Guess the viewport of a page, 16:10, or 9:16 on telephones; None of what looks like none.

    A page is more than three times as high as wide and at least 320 pixels wide.
    """
    if height <= EXTREME_RATIO * width or width < _NARROWEST_PAGE_PX:
        return None
    return width, round(width * (16 / 9 if width < _NARROWEST_DESKTOP_PX else 10 / 16))


def doubt_about(width: int, height: int, network_size: Size) -> str | None:
    """Say what is doubtful in an image that was predicted as a whole; None if nothing is."""
    longer, shorter = max(width, height), min(width, height)
    if longer <= EXTREME_RATIO * shorter:
        return None
    shape = "wide as high" if width > height else "high as wide"
    guess = guessed_viewport(width, height)
    advice = (
        f"if it is a page that is scrolled, name a viewport, such as {in_words(guess)}"
        if guess
        else "if it is larger than a screen, cut it"
    )
    return (
        f"{longer / shorter:.1f} times as {shape}; the network saw the whole at"
        f" {network_size[0]} x {network_size[1]} pixels, of which little can be told: {advice}"
    )


def _about_guess(guess: Size) -> tuple[str, ...]:
    return (
        "taken for a page that is scrolled, as it is over 3 times as high as wide; predicted by"
        f" screens of {in_words(guess)}, a guess: name the viewport, or none if it is seen at"
        " once",
    )


def in_words(size: Size) -> str:
    """Return a size as `parse_viewport` reads it."""
    return f"{size[0]}x{size[1]}"


def _refuse_odd(size: Size) -> None:
    longer, shorter = max(size), min(size)
    if shorter < 1 or longer > _LARGEST_RATIO * shorter:
        raise ViewportError(
            f"viewport {in_words(size)} has no screen's shape; give the width and height that a"
            f" screen shows, neither over {_LARGEST_RATIO} times the other"
        )
