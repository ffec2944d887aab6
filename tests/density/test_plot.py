import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias, load_center_bias
from deepgaze2.density.plot import _fitted, _palette, draw, members, overlay, panel
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.scrolling import scrolling
from deepgaze2.image.stimulus import Stimulus


def _blob(width: int, height: int, x: float, y: float) -> NDArray[np.float32]:
    """Return the log density of a Gaussian at x, y with a tenth of the width as its sigma."""
    dy, dx = np.mgrid[:height, :width] + 0.5 - np.array([y, x])[:, None, None]
    values = -(dx**2 + dy**2) / (2 * (0.1 * width) ** 2)
    log_density: NDArray[np.float32] = (values - np.log(np.exp(values).sum())).astype(np.float32)
    return log_density


def _prediction(log_density: NDArray[np.float32], gray: int = 128) -> Prediction:
    height, width = log_density.shape
    stimulus = Stimulus(np.full((height, width, 3), gray, np.uint8), width, height, "photo.jpg")
    uniform = CenterBias("a $cost_{ of É", np.zeros((1, 1), np.float32))
    return Prediction(log_density, stimulus, uniform, "test", (width, height))


def _lightness(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    return rgb.astype(np.float64) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(90, 60, (90, 60)), (1, 1, (1, 1)), (3, 5000, (1, 2048)), (4096, 1024, (2048, 512))],
)
def test_overlay_has_the_image_size_up_to_a_limit(
    width: int, height: int, size: tuple[int, int]
) -> None:
    picture = overlay(_prediction(_blob(width, height, width / 3, height / 3)))
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


def test_overlay_is_brightest_at_the_peak_and_gray_far_away() -> None:
    picture = overlay(_prediction(_blob(200, 150, 60, 50)))
    assert picture[149, 199].max() == picture[149, 199].min()
    y, x = np.unravel_index(_lightness(picture).argmax(), (150, 200))
    assert abs(x - 60) < 4
    assert abs(y - 50) < 4
    # Lightness rises towards the peak, so that the picture can be read without color.
    towards_peak = _lightness(picture)[50, 85:60:-5]
    assert (np.diff(towards_peak) > 0).all()


def test_equal_areas_of_color_hold_equal_mass() -> None:
    log_density = _blob(300, 200, 150, 100)
    prediction = _prediction(log_density)
    levels = prediction.contour_levels(3)
    colors = [overlay(prediction)[np.abs(log_density - level) < 0.02] for level in levels]
    shifted = overlay(_prediction(_blob(300, 200, 100, 80)))
    for color in colors:
        # The same mass rank has the same color in another image.
        distance = np.abs(shifted.astype(int) - np.median(color, axis=0)).sum(axis=2)
        assert distance.min() < 6


def test_uniform_density_is_neither_hot_nor_cold() -> None:
    picture = overlay(_prediction(np.full((40, 60), -np.log(2400), np.float32), gray=0))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1
    lowest_and_highest = overlay(_prediction(_blob(60, 40, 30, 20), gray=0))
    lightness = _lightness(lowest_and_highest)
    assert lightness.min() + 10 < _lightness(picture)[0, 0] < lightness.max() - 10


def test_contours_lie_where_they_cut_the_mass() -> None:
    """Around a Gaussian, the radius that encloses the share m is sigma sqrt(-2 log(1 - m))."""
    ax = draw(_prediction(_blob(300, 300, 150, 150)), Figure().add_subplot())
    lines = [np.asarray(path.vertices) for path in ax.collections[-1].get_paths()]
    radii = sorted(float(np.hypot(*(line - 150).T).mean()) for line in lines if line.size)
    np.testing.assert_allclose(radii, 30 * np.sqrt(-2 * np.log([0.75, 0.5, 0.25])), rtol=0.02)


def test_panel_shows_image_density_and_as_many_fixations_as_asked() -> None:
    prediction = _prediction(_blob(120, 90, 60, 45))
    figure = panel(prediction, n_samples=37, seed=3)
    image, density, fixations, _ = figure.axes
    np.testing.assert_array_equal(image.images[0].get_array(), prediction.stimulus.pixels)
    percent = np.asarray(density.images[0].get_array())
    assert percent[44:46, 59:61].min() == percent.max() > 99
    assert len(density.collections) == 2  # white lines in black ones
    shown = np.asarray(fixations.collections[0].get_offsets())
    np.testing.assert_allclose(shown, prediction.sample(37, seed=3))
    assert fixations.get_title() == "37 fixations sampled from it"


@pytest.mark.parametrize("names", [["test"], ["both", "a $cost_{ of \u00c9"], list("abcd")])
def test_members_are_shown_side_by_side_with_their_names(names: list[str]) -> None:
    blobs = [_blob(120, 90, 20 + 20 * i, 45) for i in range(len(names))]
    predictions = [
        replace(_prediction(blob), model=name) for name, blob in zip(names, blobs, strict=True)
    ]
    figure = members(predictions)
    figure.canvas.draw()
    *pictures, colors = figure.axes
    shown = [ax.get_title() for ax in pictures]
    assert shown == [name.replace("\u00c9", "?") for name in names]
    for i, ax in enumerate(pictures):
        percent = np.asarray(ax.images[0].get_array())
        assert (
            abs(np.argwhere(percent == percent.max()).mean(axis=0) - [44.5, 19.5 + 20 * i]).max()
            < 1
        )
        assert len(ax.collections) == 2  # white lines in black ones
    assert colors.get_xlabel() == "fixations expected at lower densities [%]"
    lefts = [ax.get_position().x0 for ax in pictures]
    assert lefts == sorted(set(lefts))
    assert colors.get_position().y1 < pictures[0].get_position().y0
    inside = [ax.get_position() for ax in figure.axes]
    assert all(0 < one.x0 < one.x1 < 1 and 0 < one.y0 < one.y1 < 1 for one in inside)


@pytest.mark.parametrize("shape", [(1, 1), (5000, 3), (1, 400), (30, 30), (500, 50)])
@pytest.mark.parametrize("kind", ["uniform", "zeros", "blob"])
def test_pictures_of_any_shape_and_density(shape: tuple[int, int], kind: str) -> None:
    height, width = shape
    log_density = np.full(shape, -np.log(height * width), np.float32)
    if kind == "zeros":
        log_density[:] = -np.inf
        log_density[height // 2 :, width // 2 :] = -np.log(
            (height - height // 2) * (width - width // 2)
        )
    elif kind == "blob":
        log_density = _blob(width, height, width / 2, height / 2)
    prediction = _prediction(log_density)
    overlay(prediction)
    figure = panel(prediction, 10, seed=0)
    figure.canvas.draw()
    assert max(figure.get_size_inches()) < 20


def test_pictures_are_the_same_from_several_threads() -> None:
    prediction = _prediction(_blob(120, 90, 60, 45))
    with ThreadPoolExecutor(4) as pool:
        pictures = {picture.tobytes() for picture in pool.map(overlay, [prediction] * 8)}
    assert len(pictures) == 1


def test_the_overlay_needs_no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    _palette.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert overlay(_prediction(_blob(120, 90, 60, 45))).any()


def test_colors_are_matplotlibs() -> None:
    assert _palette() == colormaps["plasma"](np.arange(256), bytes=True)[:, :3].ravel().tolist()


def test_plot_uses_the_given_axes() -> None:
    ax = Figure().add_subplot()
    prediction = _prediction(_blob(120, 90, 60, 45))
    assert prediction.plot(ax) is ax
    assert ax.get_xlim() == (0, 120)
    assert ax.get_ylim() == (90, 0)


def test_pictures_of_pages_are_as_large_as_one_can_read() -> None:
    """What bounds them is a screen, and in all what programs can show."""

    def page(height: int) -> Prediction:
        stimulus = Stimulus(np.zeros((1, 1, 3), np.uint8), 1280, height, "page.png")
        log_density = np.broadcast_to(np.float32(0), (height, 1280))
        uniform = load_center_bias("uniform")
        plain = Prediction(log_density, stimulus, uniform, "test", (512, 320))
        return replace(plain, scrolling=scrolling((1280, 800), height))

    assert _fitted(page(12000), 2048) == (1280, 12000)
    assert _fitted(page(12000), 640) == (640, 6000)
    assert _fitted(page(50000), 2048) == (419, 16384)
    assert _fitted(replace(page(12000), scrolling=None), 2048) == (218, 2048)
