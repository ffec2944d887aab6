"""The density over a page that is seen a screen at a time: predicted by screens, joined to one.

On a screen the prediction is the center bias times what the picture adds to it. What is added comes
from screens that overlap, one fading into the next. The center bias is that of the first screen at
the page's top and of the last one at its end; in between a screen may stop anywhere, so its rows'
average holds. The product is weighted by the share of viewers who scroll so far.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.scrolling import Scrolling
from deepgaze2.image.stimulus import Stimulus

FloatArray = NDArray[np.float32]

_STEP = 2 / 3  # of a screen, at most, from one to the next: each fades over a third
_BLOCK_PIXELS = 1 << 16


def page_prediction(
    stimulus: Stimulus,
    scrolling: Scrolling,
    center_bias: CenterBias,
    prior_weight: float,
    predict: Callable[[Stimulus], Prediction],
    on_screen: Callable[[int, int], None] | None = None,
) -> Prediction:
    """Predict a page by screens.

    Parameters
    ----------
    stimulus
        The page, as wide as a screen.
    scrolling
        How it is looked at.
    center_bias
        Of a screen.
    prior_weight
        What its log counts in the model.
    predict
        Predicts one screen, with that center bias.
    on_screen
        Called after each screen with how many are done and how many there are.

    Returns
    -------
    Prediction
        Of the whole page. Where nobody scrolls the log density is minus infinity. Its center bias
        is that of the page: where viewers look whatever it shows, scrolling included.
    """
    (width, screen_px), height = scrolling.viewport, stimulus.height
    seen_px = scrolling.seen_px(height)
    starts = _starts(seen_px, screen_px)
    prior = center_bias.log_density(screen_px, width)
    blank = _normalized(np.float32(prior_weight) * prior)
    share = scrolling.share_at(np.arange(seen_px) + 0.5)
    joined = np.full((height, width), -np.inf, np.float32)
    for k, (start, weights) in enumerate(zip(starts, _weights(starts, screen_px), strict=True)):
        screen = predict(_cut(stimulus, start, screen_px))
        added = np.zeros_like(blank)  # of a place where nobody looks, nothing is known
        np.subtract(screen.log_density, blank, out=added, where=np.isfinite(blank))
        added += np.log(weights)[:, None]
        rows = joined[start : start + screen_px]
        np.logaddexp(rows, added, out=rows)
        if on_screen:
            on_screen(k + 1, len(starts))
    alone = np.full((height, width), -np.inf, np.float32)
    alone[:seen_px] = _over_page(prior, share)
    if prior_weight == 1:
        joined += alone
    else:
        joined[:seen_px] += _over_page(blank, share)
    return replace(
        screen,
        log_density=_normalized(joined),
        stimulus=stimulus,
        center_bias=CenterBias(center_bias.name, alone),
        scrolling=scrolling,
    )


def _starts(height: int, screen_px: int) -> list[int]:
    """Return the first rows of screens at even distances, the first at the top, the last below."""
    way = height - screen_px
    n = math.ceil(way / (_STEP * screen_px)) + 1
    return [round(start) for start in np.linspace(0, way, n)]


def _weights(starts: list[int], screen_px: int) -> list[NDArray[np.float32]]:
    """Return what each screen counts in its rows, (screen_px,).

    In each row of the page they add up to one. A screen counts the less the nearer its border is,
    unless that is the page's.
    """
    below = np.arange(screen_px, dtype=np.float64) + 0.5  # the upper border, in pixels
    distances = [np.minimum(below, below[::-1]) for _ in starts]
    distances[0][: screen_px // 2] = screen_px / 2
    distances[-1][-(screen_px // 2) :] = screen_px / 2
    total = np.zeros(starts[-1] + screen_px)
    for start, distance in zip(starts, distances, strict=True):
        total[start : start + screen_px] += distance
    return [
        (distance / total[start : start + screen_px]).astype(np.float32)
        for start, distance in zip(starts, distances, strict=True)
    ]


def _over_page(screen: FloatArray, share: NDArray[np.float64]) -> FloatArray:
    """Carry a screen's center bias (h, W), in nats, over a page's rows, (H, W).

    Parameters
    ----------
    share
        (H,), of the viewers who see each row.
    """
    (screen_px, width), height = screen.shape, len(share)
    density = np.exp(screen)
    anywhere = density.mean(axis=0)
    top = np.clip(2 - 2 * (np.arange(height) + 0.5) / screen_px, 0, 1)
    bottom = top[::-1]
    both = np.maximum(1, top + bottom)  # of pages of less than two screenfuls
    top, bottom = (end / both for end in (top, bottom))
    page = np.empty((height, width), np.float32)
    page[:] = (1 - top - bottom).clip(0)[:, None] * anywhere
    page[:screen_px] += top[:screen_px, None].astype(np.float32) * density
    page[-screen_px:] += bottom[-screen_px:, None].astype(np.float32) * density
    page *= share[:, None].astype(np.float32)
    with np.errstate(divide="ignore"):
        np.log(page, out=page)
    return _normalized(page)


def _normalized(log_density: FloatArray) -> FloatArray:
    """Return the same array, changed so that the sum of its exponentials is one."""
    largest = log_density.max()
    step = max(1, _BLOCK_PIXELS // log_density.shape[1])
    edges = [*range(0, len(log_density), step), len(log_density)]
    total = sum(
        float(np.exp(log_density[a:b] - largest).sum(dtype=np.float64)) for a, b in pairwise(edges)
    )
    log_density -= np.float32(largest + math.log(total))
    return log_density


def _cut(page: Stimulus, start: int, screen_px: int) -> Stimulus:
    """Return the screen of a page that begins at a row; pixels may be averages of several rows."""
    held = page.pixels.shape[0] / page.height
    rows = slice(round(start * held), max(1, round((start + screen_px) * held)))
    return replace(page, pixels=page.pixels[rows], height=screen_px)
