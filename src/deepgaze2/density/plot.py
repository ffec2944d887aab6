"""Pictures of predictions.

Colors show mass rank, not density: at 75%, three of four fixations are expected where the
density is lower. So equal steps of color are equal shares of fixations in every image,
whereas colors of the density itself would show one bright spot or none.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.density.contours import equal_mass_levels
from deepgaze2.density.fixation_density import FixationDensity
from deepgaze2.support.files import ASSETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_COLORMAP = "plasma"  # perceptually uniform, and its lightness rises: safe for color blindness
_OPACITY = 0.75  # of the likelier half
_DIMMED = 0.8
_OVERLAY_MAX_PX = 2048
_DRAWN_MAX_PX = 720
_PANEL_INCHES = 4.0
_MARGIN_INCHES = 0.15
_LONGEST_PX = 16384  # of a page's pictures: browsers and Matplotlib take no much longer ones
_LONGEST_INCHES = 90.0


def overlay(prediction: FixationDensity) -> NDArray[np.uint8]:
    """Return the density in color over the image in gray.

    Parameters
    ----------
    prediction : FixationDensity
        Of an image of any size; the picture's longer side has 2048 pixels at most, of a page that
        of a screen, and the picture 16384.

    Returns
    -------
    uint8 array (h, w, 3)
        sRGB. The least likely places stay gray, the likeliest are yellow.
    """
    size = _fitted(prediction, _OVERLAY_MAX_PX)
    coarse = _mass_rank(on_grid(prediction.log_density, _fitted(prediction, _DRAWN_MAX_PX)))
    rank = Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR)
    heat = rank.copy()
    heat.putpalette(_palette())
    gray = _photo(prediction, size).convert("L").point([round(_DIMMED * i) for i in range(256)])
    opacity = rank.point([round(_OPACITY * min(2 * i, 255)) for i in range(256)])
    return np.asarray(Image.composite(heat.convert("RGB"), gray.convert("RGB"), opacity))


def draw(prediction: FixationDensity, ax: "Axes | None" = None) -> "Axes":
    """Draw the overlay with three contours that cut the mass in four.

    Parameters
    ----------
    ax : matplotlib Axes, optional
        Where to draw; its coordinates become the image's pixels. None makes a new pyplot
        figure.
    """
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(layout="constrained")[1]
    _show(ax, prediction, overlay(prediction))
    _draw_contours(ax, prediction)
    return ax


def panel(prediction: FixationDensity, n_samples: int = 100, seed: int | None = None) -> "Figure":
    """Return the paper's view of a prediction: image, density with contours, sampled fixations.

    Parameters
    ----------
    n_samples : int
        Number of fixations drawn from the density.
    seed : int, optional
        The same seed draws the same fixations.

    Returns
    -------
    matplotlib Figure
        Outside pyplot, so it needs no closing; `savefig` writes it.
    """
    figure, (image, density, fixations, bar) = _layout(prediction)
    photo = np.asarray(_photo(prediction, _fitted(prediction, _DRAWN_MAX_PX)))
    _show(image, prediction, photo)
    image.set_title("Image")
    _explain_colors(bar, _show_density(density, prediction))
    density.set_title("Density: each part gets 25% of fixations")
    _show(fixations, prediction, photo // 2 + 127)
    x, y = prediction.sample(n_samples, seed).T
    fixations.scatter(x, y, s=16, c="#d7191c", edgecolors="white", linewidths=0.6)
    fixations.set_title(f"{n_samples} fixations sampled from it")
    return figure


def members(predictions: Sequence[FixationDensity]) -> "Figure":
    """Return the densities of several models of one image side by side, with their names.

    Returns
    -------
    matplotlib Figure
        As `panel` returns it.
    """
    figure, (*pictures, bar) = _layout(predictions[0], len(predictions))
    for ax, prediction in zip(pictures, predictions, strict=True):
        drawn = _show_density(ax, prediction)
        ax.set_title(_printable(prediction.model), parse_math=False)
    _explain_colors(bar, drawn)  # the same in all
    return figure


def _show_density(ax: "Axes", prediction: FixationDensity) -> "AxesImage":
    """Show the density with its contours."""
    size = _fitted(prediction, _DRAWN_MAX_PX)
    percent = _mass_rank(on_grid(prediction.log_density, size)) / 2.55
    drawn = _show(ax, prediction, percent)
    _draw_contours(ax, prediction)
    return drawn


def _explain_colors(bar: "Axes", drawn: "AxesImage") -> None:
    bar.figure.colorbar(drawn, cax=bar, orientation="horizontal", ticks=[0, 25, 50, 75, 100])
    bar.set_xlabel("fixations expected at lower densities [%]", fontsize=8, labelpad=2)
    bar.tick_params(labelsize=8)


def _printable(name: str) -> str:
    """Return a name of a file or a model without what has no glyphs."""
    return name.encode("ascii", "replace").decode()


def _layout(prediction: FixationDensity, n: int = 3) -> "tuple[Figure, list[Axes]]":
    """Return a figure with n axes for pictures and one, below the second or only, for colors."""
    from matplotlib.figure import Figure

    below, above = 0.75, 0.4
    width, height = _axes_inches(prediction)
    total_width = n * width + (n + 1) * _MARGIN_INCHES
    total_height = height + below + above
    figure = Figure(figsize=(total_width, total_height), dpi=150)

    def axes(left: float, bottom: float, width: float, height: float) -> "Axes":
        x, y = left / total_width, bottom / total_height
        return figure.add_axes((x, y, width / total_width, height / total_height))

    lefts = [_MARGIN_INCHES + i * (width + _MARGIN_INCHES) for i in range(n)]
    pictures = [axes(left, below, width, height) for left in lefts]
    caption = f"Model {prediction.model}, center bias {prediction.center_bias.name}"
    figure.text(
        _MARGIN_INCHES / total_width,
        0.5 / total_height,
        _printable(caption),
        fontsize=8,
        color="0.4",
        parse_math=False,
    )
    return figure, [*pictures, axes(lefts[min(1, n - 1)], 0.5, width, 0.1)]


def _show(ax: "Axes", prediction: FixationDensity, pixels: NDArray[np.generic]) -> "AxesImage":
    """Show percentages or colors, of any resolution, in the image's pixel coordinates."""
    ax.set_axis_off()
    extent = (0, prediction.width, prediction.height, 0)
    return ax.imshow(pixels, extent=extent, cmap=_COLORMAP, vmin=0, vmax=100)


def _draw_contours(ax: "Axes", prediction: FixationDensity) -> None:
    width, height = _fitted(prediction, _DRAWN_MAX_PX)
    log_density = on_grid(prediction.log_density, (width, height))
    lowest, highest = log_density.min(), log_density.max()
    levels = np.unique(equal_mass_levels(log_density, 3))
    levels = levels[(levels > lowest) & (levels < highest)]
    if min(width, height) < 2 or levels.size == 0:
        return  # a line of pixels or a uniform density has no contours
    x = (np.arange(width) + 0.5) * prediction.width / width
    y = (np.arange(height) + 0.5) * prediction.height / height
    finite = np.maximum(log_density, levels[0] - 100)
    for color, thickness in (("black", 2.0), ("white", 1.0)):
        ax.contour(x, y, finite, levels, colors=color, linewidths=thickness, linestyles="solid")


def _axes_inches(prediction: FixationDensity) -> tuple[float, float]:
    """Return width and height of one picture of the panel, for images of any shape."""
    highest = _LONGEST_INCHES if prediction.scrolling else 1.5 * _PANEL_INCHES
    height = min(_PANEL_INCHES * prediction.height / prediction.width, highest)
    width = height * prediction.width / prediction.height
    return max(width, 0.9 * _PANEL_INCHES), max(height, 0.3 * _PANEL_INCHES)


def _fitted(prediction: FixationDensity, max_px: int) -> tuple[int, int]:
    """Return the image's width and height, shrunk until neither exceeds `max_px`.

    Of a page it is a screen that is shrunk to that, so that one can read what the page says.
    """
    longer = max(prediction.width, prediction.height)
    seen = max(prediction.scrolling.viewport) if prediction.scrolling else longer
    scale = min(1.0, max_px / seen, _LONGEST_PX / longer)
    return max(1, round(prediction.width * scale)), max(1, round(prediction.height * scale))


def _photo(prediction: FixationDensity, size: tuple[int, int]) -> Image.Image:
    photo = Image.fromarray(prediction.stimulus.pixels)
    return photo.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def on_grid(log_density: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the log density at the centers of a coarser grid of pixels; it is smooth."""
    (height, width), (columns, rows) = log_density.shape, size
    y = ((np.arange(rows) + 0.5) * height / rows).astype(np.intp)
    x = ((np.arange(columns) + 0.5) * width / columns).astype(np.intp)
    return log_density[np.ix_(y, x)]


def _mass_rank(log_density: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return, of 256 equal parts of the mass, how many lie at lower densities; ties share."""
    levels = equal_mass_levels(log_density, 255)
    lower = np.searchsorted(levels, log_density, side="left")
    not_higher = np.searchsorted(levels, log_density, side="right")
    return ((lower + not_higher) // 2).astype(np.uint8)


@cache
def _palette() -> list[int]:
    """Return the colors of the 256 mass ranks: red, green, blue, red, ..., 0..255."""
    # A file, since Matplotlib takes longer to import than the picture to draw.
    return list(bytes.fromhex((ASSETS / "colors" / f"{_COLORMAP}.txt").read_text()))
