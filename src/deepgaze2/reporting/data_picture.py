"""A data set at a glance: fixations per image, center bias, three stimuli with fixations."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError, StimulusError
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.references.baseline import center_bias_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BANDWIDTH = 0.04  # of width and height: smooth enough for a thousand fixations
_DRAWN_MAX_PX = 720
_MOST_DOTS = 400


def picture(dataset: Dataset) -> "Figure":
    """Draw what a data set holds.

    Parameters
    ----------
    dataset : Dataset
        Fixations outside their images are left out.

    Returns
    -------
    matplotlib Figure
        Outside pyplot, so it needs no closing; `savefig` writes it.

    Raises
    ------
    DataError
        If no fixation lies on an image.
    """
    from matplotlib.figure import Figure

    inside = dataset.without_outside()
    if not len(inside.fixations):
        raise DataError(f"{dataset.name}: no fixation lies on an image; nothing can be drawn")
    figure = Figure(figsize=(12, 7), dpi=100, layout="constrained")
    axes = figure.subplot_mosaic([["counts", "counts", "bias"], ["0", "1", "2"]])
    n_subjects = len(np.unique(dataset.fixations.subject))
    figure.suptitle(
        f"{dataset.name}: {len(dataset.stimuli):,} images, {n_subjects:,} subjects,"
        f" {len(dataset.fixations):,} fixations",
        parse_math=False,
    )
    _draw_counts(axes["counts"], dataset)
    _draw_center_bias(axes["bias"], inside)
    for place, stimulus in enumerate(_examples(inside)):
        _draw_stimulus(axes[str(place)], inside, stimulus)
    for unused in range(len(_examples(inside)), 3):
        axes[str(unused)].set_axis_off()
    return figure


def _examples(dataset: Dataset) -> list[int]:
    """Choose up to three stimuli with fixations, from the beginning, middle and end."""
    seen = np.flatnonzero(np.diff(dataset.offsets))
    return [int(i) for i in seen[np.unique(np.linspace(0, len(seen) - 1, 3).astype(int))]]


def _draw_counts(ax: "Axes", dataset: Dataset) -> None:
    counts = np.diff(dataset.offsets)
    step = 1 + int(np.ptp(counts)) // 40  # a whole number, or bins of equal width differ in content
    edges = np.arange(counts.min(), counts.max() + step + 1, step) - 0.5
    ax.hist(counts, edges.tolist(), color="0.4")
    ax.axvline(float(np.median(counts)), color="#d7191c")
    ax.set_xlabel(f"fixations on an image (median {np.median(counts):g})")
    ax.set_ylabel("images")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_center_bias(ax: "Axes", dataset: Dataset) -> None:
    """Show how much denser than uniform fixations are, in an image of median shape."""
    template = center_bias_of(dataset, _BANDWIDTH, 0.0, "drawn").template
    ratio = np.exp(template) * template.size
    width, height = np.median(dataset.stimuli.width), np.median(dataset.stimuli.height)
    drawn = ax.imshow(ratio, extent=(0, 1, 1, 0), cmap="plasma", vmin=0, aspect=height / width)
    ax.plot(0.5, 0.5, "+", color="white")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title("Center bias: density over uniform", fontsize=10)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8)


def _draw_stimulus(ax: "Axes", dataset: Dataset, stimulus: int) -> None:
    stimuli, fixations = dataset.stimuli, dataset.fixations_on(stimulus)
    width, height = int(stimuli.width[stimulus]), int(stimuli.height[stimulus])
    ax.imshow(_pixels(dataset, stimulus), extent=(0, width, height, 0))
    step = -(-len(fixations) // _MOST_DOTS)
    ax.scatter(
        fixations.x[::step],
        fixations.y[::step],
        s=14,
        c="#d7191c",
        edgecolors="white",
        linewidths=0.5,
    )
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_xticks([0, width])
    ax.set_yticks([0, height])
    shown = f", {len(fixations[::step])} shown" if step > 1 else ""
    title = f"{stimuli.ids[stimulus]}: {len(fixations)} fixations{shown}"
    ax.set_title(title.encode("ascii", "replace").decode(), fontsize=10, parse_math=False)


def _pixels(dataset: Dataset, stimulus: int) -> NDArray[np.uint8]:
    """Return the image, lightened so that dots stand out; gray if it is not at hand."""
    path = dataset.stimuli.paths[stimulus]
    try:
        if path is None:
            raise StimulusError(f"{dataset.stimuli.ids[stimulus]}: not at hand")
        image = Image.fromarray(read_stimulus(path).pixels)
    except StimulusError:
        return np.full((1, 1, 3), 200, np.uint8)
    image.thumbnail((_DRAWN_MAX_PX, _DRAWN_MAX_PX))
    return np.asarray(image) // 3 * 2 + 85
