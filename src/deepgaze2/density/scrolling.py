"""How far viewers scroll down a page, a screen at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ViewportError

ASSUMED_FACTOR = 0.5
"""How many see a screenful of those who see the one above, where that is not said."""

ASSUMPTION = (
    "how far viewers scroll is not said: each screenful is assumed to be seen by half as many as"
    " the one above"
)


@dataclass(frozen=True)
class Scrolling:
    """How a page is looked at.

    Attributes
    ----------
    viewport : tuple of int
        Width and height of a screen in pixels of the page.
    shares : tuple of float
        Of the viewers, how many see each screenful, 0..1: the first is 1, none is above the one
        before. One for each screenful of the page, also of the last that is cut off.
    """

    viewport: tuple[int, int]
    shares: tuple[float, ...]

    def seen_px(self, height: int) -> int:
        """Return how many rows of a page of this height anybody sees."""
        screenfuls = sum(share > 0 for share in self.shares)
        return min(height, screenfuls * self.viewport[1])

    def share_at(self, y: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the share of viewers who see rows of the page.

        All see the first screenful. Below it a screenful's share holds in its middle; in between
        it changes by a constant factor per pixel, since a step at each screenful would be seen in
        the density.

        Parameters
        ----------
        y : array
            In pixels from the top, within what anybody sees.
        """
        shares = [share for share in self.shares if share > 0]
        screenfuls = [0.0, 1.0, *(j + 0.5 for j in range(1, len(shares)))]
        log_shares = np.log([1.0, 1.0, *shares[1:]])
        found: NDArray[np.float64] = np.exp(np.interp(y / self.viewport[1], screenfuls, log_shares))
        return found


def scrolling(
    viewport: tuple[int, int],
    height: int,
    scroll: Sequence[float] | None = None,
    name: str = "page",
) -> Scrolling:
    """Return how a page of this height is looked at.

    Parameters
    ----------
    viewport
        Width and height of a screen in pixels of the page.
    scroll
        Share of viewers who see each screenful, 0..1, from the first on; those beyond the page are
        left out. None: each is seen by half as many as the one above.

    Raises
    ------
    ViewportError
        If shares are not as `Scrolling` says, or are fewer than the page's screenfuls and do not
        end with 0.
    """
    screenfuls = math.ceil(height / viewport[1])
    if scroll is None:
        return Scrolling(viewport, tuple(ASSUMED_FACTOR**j for j in range(screenfuls)))
    refuse_odd(scroll)
    if len(scroll) < screenfuls and scroll[-1] > 0:
        raise ViewportError(
            f"{name}: scroll has {len(scroll)} shares, and the page of {height} pixels"
            f" {screenfuls} screenfuls of {viewport[1]}; give one for each, or 0 at the end if"
            " nobody scrolls further"
        )
    padded = [*scroll, *(screenfuls * [0.0])]
    return Scrolling(viewport, tuple(float(share) for share in padded[:screenfuls]))


def parse_scroll(text: str) -> tuple[float, ...]:
    """Read shares of viewers from percentages, as in `100,80,60`.

    Raises
    ------
    ViewportError
        If they are no such shares.
    """
    try:
        shares = tuple(float(part.strip().removesuffix("%")) / 100 for part in text.split(","))
    except ValueError as error:
        raise ViewportError(
            f"scroll {text!r} is not percentages; give the viewers who see each screenful, as in"
            " 100,80,60"
        ) from error
    refuse_odd(shares)
    return shares


def refuse_odd(scroll: Sequence[float]) -> None:
    """Refuse what are no shares of viewers.

    Raises
    ------
    ViewportError
        If they do not begin with all viewers, rise, or leave 0..1.
    """
    text = ",".join(f"{100 * share:g}%" for share in scroll)
    if not len(scroll) or not all(0 <= share <= 1 for share in scroll):
        raise ViewportError(f"scroll {text or 'nothing'}: give shares from 0 to 100%, one or more")
    if scroll[0] != 1:
        raise ViewportError(f"scroll {text}: all see the first screenful; begin with 100%")
    if rising := [j for j in range(1, len(scroll)) if scroll[j] > scroll[j - 1]]:
        raise ViewportError(
            f"scroll {text}: screenful {rising[0] + 1} is seen by more than the one above it;"
            " shares cannot rise"
        )
