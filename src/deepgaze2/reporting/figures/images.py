"""Figures 5, 6, 8 and 9: single images with their fixations, densities and sampled fixations."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.density.contours import equal_mass_levels
from deepgaze2.density.plot import on_grid
from deepgaze2.density.sampling import sample_fixations
from deepgaze2.reporting.figures.style import VERMILION, drawable, with_signs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_COLORMAP = "viridis"
_DRAWN_MAX_PX = 360
_RANGE_BITS = (-4.0, 6.0)
"""The same for all densities of all figures, so that colors can be compared."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is drawn of a density of an image; see `drawn`.

    Attributes
    ----------
    name : str
        The model.
    bits : float array (h, w)
        The density over the uniform one, on a coarser grid that spans the image.
    levels : float array (3,)
        Of `bits`: they cut the mass in four.
    x, y : float array (n,)
        Fixations sampled from the density, pixels of the image.
    gain : float
        The model's information gain over the center bias on this image, bits/fixation.
    explained : float or None
        The share of the gold standard's that it is; None for itself, and without one.
    """

    name: str
    bits: NDArray[np.floating]
    levels: NDArray[np.floating]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    gain: float
    explained: float | None


@dataclass(frozen=True, eq=False)
class Example:
    """An image with its fixations and what models say of it.

    Attributes
    ----------
    title : str
        The image's name.
    pixels : uint8 array (H, W, 3)
        The image.
    x, y : float array (n,)
        Fixations in pixels.
    densities : sequence of Drawn
        The same models in all examples of a figure.
    """

    title: str
    pixels: NDArray[np.uint8]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    densities: Sequence[Drawn]


def drawn(
    name: str,
    log_density: NDArray[np.floating],
    n_samples: int,
    *,
    gain: float,
    explained: float | None = None,
    seed: int = 0,
) -> Drawn:
    """Take from a density what is drawn of it, so that it need not be kept.

    Parameters
    ----------
    name, gain, explained
        As in `Drawn`.
    log_density : float array (H, W)
        Nats; minus infinity where there is no density.
    n_samples, seed : int
        Number of fixations sampled from the density, and the seed that makes them repeatable.
    """
    height, width = log_density.shape
    scale = min(1.0, _DRAWN_MAX_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    log_density = log_density.astype(np.float32)
    x, y = sample_fixations(log_density, n_samples, seed).T
    return Drawn(
        name=name,
        bits=_over_uniform(on_grid(log_density, size), height * width),
        levels=_over_uniform(equal_mass_levels(log_density, 3), height * width),
        x=x,
        y=y,
        gain=gain,
        explained=explained,
    )


def _over_uniform(log_density: NDArray[np.float32], n_pixels: int) -> NDArray[np.floating]:
    return np.asarray(log_density / np.log(2) + np.log2(n_pixels))


def draw_examples(examples: Sequence[Example], title: str) -> "Figure":
    """Draw images as in the paper: two rows each, a column for the data and for each model.

    Above are the image and the densities, with three contours that cut each density's mass in
    four; below the real fixations, and as many sampled from each density.

    Parameters
    ----------
    examples : sequence of Example
        At least one.
    title : str
        Above the figure.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    n_columns = 1 + len(examples[0].densities)
    cell = min(2.1, max(1.45, 10 / n_columns))  # inches
    shares = [example.pixels.shape[0] / example.pixels.shape[1] for example in examples]
    heights = [min(max(share, 0.3), 1.2) * cell for share in shares]
    figure = Figure(
        figsize=(n_columns * cell, sum(2 * height + 0.26 for height in heights) + 0.95),
        layout=ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.03, hspace=0.01, wspace=0),
    )
    axes = figure.subplots(
        2 * len(examples), n_columns, squeeze=False, height_ratios=np.repeat(heights, 2).tolist()
    )
    for place, example in enumerate(examples):
        above, below = axes[2 * place], axes[2 * place + 1]
        _draw_data(above[0], below[0], example, cell)
        for ax, under, density in zip(above[1:], below[1:], example.densities, strict=True):
            image = _draw_density(ax, density, example)
            _draw_fixations(under, density.x, density.y, example)
            _caption(ax, density, cell, named=place == 0)
    if examples[0].densities:
        _draw_colorbar(figure, image, axes)
    figure.suptitle(fill(title, int(figure.get_figwidth() * 12)), fontsize=10)
    return figure


def _draw_data(above: "Axes", below: "Axes", example: Example, cell: float) -> None:
    above.imshow(_photo(example), extent=_extent(example))
    above.set_title(drawable(example.title, _characters(cell)), fontsize=8)
    above.set_axis_off()
    _draw_fixations(below, example.x, example.y, example)
    below.set_title(f"{len(example.x)} fixations", fontsize=7, pad=2)


def _draw_density(ax: "Axes", density: Drawn, example: Example) -> "AxesImage":
    height, width = example.pixels.shape[:2]
    lowest, highest = _RANGE_BITS
    shown = np.maximum(density.bits, min(lowest, *density.levels.tolist()) - 1)
    image = ax.imshow(
        shown, extent=_extent(example), cmap=_COLORMAP, vmin=lowest, vmax=highest, aspect="equal"
    )
    ax.set_axis_off()
    levels = np.unique(density.levels)
    levels = levels[(levels > shown.min()) & (levels < shown.max())]
    if min(shown.shape) > 1 and levels.size:  # a uniform density has no contours
        x, y = (
            (np.arange(n) + 0.5) * length / n
            for n, length in zip(shown.shape[::-1], (width, height), strict=True)
        )
        for color, thickness in (("black", 1.3), ("white", 0.7)):  # seen on dark and on light
            ax.contour(x, y, shown, levels, colors=color, linewidths=thickness, linestyles="solid")
    return image


def _draw_fixations(
    ax: "Axes", x: NDArray[np.floating], y: NDArray[np.floating], example: Example
) -> None:
    ax.imshow(_photo(example).convert("L").convert("RGB").point(_pale), extent=_extent(example))
    ax.scatter(x, y, s=5, c=VERMILION, edgecolors="white", linewidths=0.3)
    ax.set(xlim=_extent(example)[:2], ylim=_extent(example)[2:])
    ax.set_axis_off()


def _caption(ax: "Axes", density: Drawn, cell: float, *, named: bool) -> None:
    share = "" if density.explained is None else f" ({density.explained:.0%})"
    text = with_signs(f"{density.gain:.2f} bit{share}")
    if named:
        text = f"{drawable(density.name, _characters(cell))}\n{text}"
    ax.set_title(text, fontsize=8)


def _draw_colorbar(figure: "Figure", image: "AxesImage", axes: NDArray[np.object_]) -> None:
    bar = figure.colorbar(
        image,
        ax=axes.ravel().tolist(),
        location="bottom",
        shrink=min(1.0, 2.5 / axes.shape[1]),
        aspect=40,
        pad=0.01,
        extend="both",
    )
    bar.set_label("density over the uniform one [bit]; a quarter of the mass between contours")
    bar.ax.xaxis.label.set_fontsize(8)
    bar.ax.tick_params(labelsize=7)


def _photo(example: Example) -> Image.Image:
    photo = Image.fromarray(example.pixels)
    photo.thumbnail((_DRAWN_MAX_PX, _DRAWN_MAX_PX))
    return photo


def _pale(value: int) -> int:
    return 150 + value * 105 // 255


def _extent(example: Example) -> tuple[float, float, float, float]:
    height, width = example.pixels.shape[:2]
    return 0, width, height, 0


def _characters(inches: float) -> int:
    return int(inches * 15)  # of 8 point, and a margin
