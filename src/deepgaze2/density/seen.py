"""A prediction of an image as it is seen: at once, or a screen at a time."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.page import page_prediction
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.scrolling import ASSUMPTION, scrolling
from deepgaze2.errors import ShapeWarning, ViewportError
from deepgaze2.image.stimulus import Stimulus
from deepgaze2.image.viewport import Viewport, doubt_about, what_is_seen


def as_seen(
    stimulus: Stimulus,
    predict: Callable[[Stimulus], Prediction],
    *,
    viewport: Viewport | None,
    scroll: Sequence[float] | None,
    center_bias: CenterBias,
    prior_weight: float,
    on_screen: Callable[[int, int], None] | None,
) -> Prediction:
    """Predict an image, and note what was guessed or is doubtful.

    Parameters are those of `Model.predict` and of `page_prediction`.

    Raises
    ------
    ViewportError
        If the viewport or the shares of viewers do not fit the image.
    """
    width, height, name = stimulus.width, stimulus.height, stimulus.name
    seen = what_is_seen(width, height, viewport, name)
    if seen.screen:
        looked_at = scrolling(seen.screen, height, scroll, name)
        found = page_prediction(stimulus, looked_at, center_bias, prior_weight, predict, on_screen)
        assumed = (ASSUMPTION,) if scroll is None else ()
        return replace(found, notes=(*seen.notes, *assumed))
    if scroll is not None and (viewport is None or isinstance(viewport, str)):
        raise ViewportError(f"{name}: scroll goes with a viewport; name what a screen shows of it")
    found = replace(predict(stimulus), notes=seen.notes)
    if viewport == "none":
        return found
    return doubted(found, warned_above=None if viewport else 2)


def doubted(found: Prediction, *, warned_above: int | None) -> Prediction:
    """Note what is doubtful in a prediction of an image as a whole.

    Parameters
    ----------
    warned_above
        A `ShapeWarning` says it, too, for the line so many calls above the caller; None: it does
        not.
    """
    doubt = doubt_about(found.width, found.height, found.network_input_size)
    if doubt is None:
        return found
    if warned_above is not None:
        message = f"{found.stimulus.name}: {doubt}"
        warnings.warn(message, ShapeWarning, stacklevel=2 + warned_above)
    return replace(found, notes=(*found.notes, doubt))
