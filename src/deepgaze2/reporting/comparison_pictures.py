"""Pictures of a comparison: the design, heat map, focus map, and what changed."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.comparison.comparison import Comparison, Variant
from deepgaze2.density.contours import equal_mass_levels
from deepgaze2.density.fixation_density import FixationDensity
from deepgaze2.density.plot import on_grid, overlay

MORE, FEWER = "#D55E00", "#0072B2"  # Okabe and Ito (2008): told apart with any color vision

_SHOWN_MAX_PX = 1200
_DRAWN_MAX_PX = 720
_DIMMED = 0.25
_OPACITY = 0.9
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class Pictures:
    """Data URLs of a variant's pictures.

    Attributes
    ----------
    photo, heat, focus : str
        The image; its density in color; the image with all dimmed but the smallest area that gets
        half of the fixations.
    bright : float
        The share of the image's area that is not dimmed.
    change : str
        The difference to the first variant; empty for that and for one of another size.
    """

    photo: str
    heat: str
    focus: str
    bright: float
    change: str


def pictures(comparison: Comparison) -> tuple[list[Pictures], float]:
    """Return each variant's pictures, and what the full color of their differences stands for.

    Returns
    -------
    pictures : list of Pictures
        In the variants' order.
    scale : float
        Percentage points of all fixations on a hundredth of the image's area: the largest
        difference, and so the same for all maps. 0 without any.
    """
    first = comparison.variants[0].prediction
    differences = [
        _difference(first, variant.prediction)
        if variant.prediction.log_density.shape == first.log_density.shape
        else None
        for variant in comparison.variants
    ]
    scale = max((float(np.abs(one).max()) for one in differences if one is not None), default=0.0)
    drawn = []
    for number, (variant, difference) in enumerate(
        zip(comparison.variants, differences, strict=True)
    ):
        changed = number > 0 and difference is not None
        drawn.append(_of(variant, difference if changed else None, scale))
    return drawn, scale


def _of(variant: Variant, difference: NDArray[np.float64] | None, scale: float) -> Pictures:
    prediction = variant.prediction
    photo = _photo(prediction)
    focus, bright = _focus(prediction, photo)
    return Pictures(
        photo=_url(photo),
        heat=_url(Image.fromarray(overlay(prediction)).resize(photo.size, Image.Resampling.BOX)),
        focus=_url(focus),
        bright=bright,
        change="" if difference is None else _url(_change(photo, difference, scale)),
    )


def _photo(prediction: FixationDensity) -> Image.Image:
    photo = Image.fromarray(prediction.stimulus.pixels)
    size = _fitted(prediction, _SHOWN_MAX_PX)
    return photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _fitted(prediction: FixationDensity, max_px: int) -> tuple[int, int]:
    scale = min(1.0, max_px / max(prediction.width, prediction.height))
    return max(1, round(prediction.width * scale)), max(1, round(prediction.height * scale))


def _focus(prediction: FixationDensity, photo: Image.Image) -> tuple[Image.Image, float]:
    """Dim all but the smallest area with half of the fixations; return what share that area is."""
    log_density = on_grid(prediction.log_density, _fitted(prediction, _DRAWN_MAX_PX))
    (level,) = equal_mass_levels(log_density, 1)
    seen = log_density >= level
    mask = Image.fromarray((255 * seen).astype(np.uint8)).resize(
        photo.size, Image.Resampling.BILINEAR
    )
    dimmed = photo.convert("L").point([round(_DIMMED * i) for i in range(256)]).convert("RGB")
    return Image.composite(photo, dimmed, mask), float(seen.mean())


def _difference(first: FixationDensity, other: FixationDensity) -> NDArray[np.float64]:
    """Return by how many points of all fixations a hundredth of the area differs, at each place."""
    size = _fitted(first, _DRAWN_MAX_PX)
    before, after = (
        np.exp(on_grid(one.log_density, size), dtype=np.float64) for one in (first, other)
    )
    return np.asarray((after - before) * first.log_density.size)


def _change(photo: Image.Image, difference: NDArray[np.float64], scale: float) -> Image.Image:
    """Color the image in gray by a difference: the stronger, the larger."""
    strength = np.abs(difference) / scale if scale else np.zeros(difference.shape)
    opacity = Image.fromarray((255 * _OPACITY * strength).astype(np.uint8))
    more = Image.fromarray((255 * (difference > 0)).astype(np.uint8))
    size = photo.size
    colors = Image.composite(
        Image.new("RGB", size, MORE), Image.new("RGB", size, FEWER), more.resize(size)
    )
    gray = photo.convert("L").point([round(0.5 * i + 110) for i in range(256)]).convert("RGB")
    return Image.composite(colors, gray, opacity.resize(size, Image.Resampling.BILINEAR))


def _url(picture: Image.Image) -> str:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def colors_of_ranks(steps: int = 16) -> Sequence[str]:
    """Return the heat map's colors from the least to the most looked-at, as `#rrggbb`."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["plasma"](i / (steps - 1))) for i in range(steps)]
