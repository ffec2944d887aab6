import numpy as np
import pytest
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deepgaze2.density.contours import equal_mass_levels
from deepgaze2.density.sampling import sample_fixations
from deepgaze2.reporting.figures.images import Drawn, Example, draw_examples, drawn


def _blob(height: int, width: int, kind: str = "blob") -> NDArray[np.float32]:
    y, x = np.mgrid[:height, :width] + 0.5
    values = -((x - width / 3) ** 2 + (y - height / 2) ** 2) / (2 * (0.1 * width) ** 2)
    if kind == "uniform":
        values = np.zeros((height, width))
    if kind == "zeros":
        values = np.where(x < max(1, width / 2), values, -np.inf)
    return np.asarray(values - np.log(np.exp(values).sum()), dtype=np.float32)


def _example(height: int, width: int, kinds: tuple[str, ...], n: int = 11) -> Example:
    rng = np.random.default_rng(0)
    densities = [
        drawn(f"model {i}", _blob(height, width, kind), n, gain=-1.5, explained=0.25)
        for i, kind in enumerate(kinds)
    ]
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    return Example("photo.jpg", pixels, rng.random(n) * width, rng.random(n) * height, densities)


def test_levels_cut_the_mass_in_four() -> None:
    log_density = _blob(90, 120)
    found = drawn("model", log_density, 5, gain=0.0)
    expected = equal_mass_levels(log_density, 3) / np.log(2) + np.log2(90 * 120)
    np.testing.assert_allclose(found.levels, expected, rtol=1e-6)
    mass = np.exp2(found.bits.astype(np.float64)) / found.bits.size
    for level, below in zip(found.levels, (0.25, 0.5, 0.75), strict=True):
        assert mass[found.bits < level].sum() == pytest.approx(below, abs=0.01)


def test_samples_follow_the_density() -> None:
    found = drawn("model", _blob(60, 300), 4000, gain=0.0)
    assert len(found.x) == len(found.y) == 4000
    assert np.mean(found.x) == pytest.approx(100, abs=2)
    assert np.std(found.x) == pytest.approx(30, rel=0.05)
    again = drawn("model", _blob(60, 300), 4000, gain=0.0)
    np.testing.assert_array_equal(found.x, again.x)
    other = drawn("model", _blob(60, 300), 4000, gain=0.0, seed=1)
    assert (found.x != other.x).any()


def test_samples_are_a_predictions() -> None:
    log_density = _blob(60, 300)
    found = drawn("model", log_density, 50, gain=0.0, seed=3)
    expected = sample_fixations(log_density, 50, seed=3)
    np.testing.assert_array_equal(np.stack([found.x, found.y], axis=1), expected)


def test_nothing_is_sampled_where_there_is_no_density() -> None:
    found = drawn("model", _blob(40, 90, "zeros"), 2000, gain=0.0)
    assert found.x.max() < 45


def test_large_densities_are_not_kept() -> None:
    found = drawn("model", _blob(1500, 900), 5, gain=0.0)
    assert found.bits.shape == (360, 216)


def _figure() -> tuple[Figure, list[Example]]:
    examples = [
        _example(60, 90, ("blob", "zeros", "uniform")),
        _example(90, 40, ("blob", "blob", "zeros"), n=7),
    ]
    return draw_examples(examples, "a title"), examples


def test_each_image_has_two_rows_and_each_model_a_column() -> None:
    figure, examples = _figure()
    assert len(figure.axes) == 2 * 2 * 4 + 1  # and the colors
    axes = np.array(figure.axes[:-1], dtype=object).reshape(2, 2, 4)
    for example, (above, below) in zip(examples, axes, strict=True):
        assert above[0].get_title() == "photo.jpg"
        assert below[0].get_title() == f"{len(example.x)} fixations"
        for ax in below:
            offsets = np.asarray(ax.collections[0].get_offsets())
            assert len(offsets) == len(example.x)
            height, width = example.pixels.shape[:2]
            assert (*ax.get_xlim(), *ax.get_ylim()) == (0, width, height, 0)
        np.testing.assert_array_equal(
            np.asarray(below[0].collections[0].get_offsets()), np.stack([example.x, example.y], 1)
        )
    assert axes[0, 0, 1].get_title() == "model 0\n\N{MINUS SIGN}1.50 bit (25%)"
    assert axes[1, 0, 1].get_title() == "\N{MINUS SIGN}1.50 bit (25%)"


def test_all_densities_have_the_same_colors() -> None:
    figure, _ = _figure()
    axes = np.array(figure.axes[:-1], dtype=object).reshape(2, 2, 4)
    assert {ax.images[0].get_clim() for ax in axes[:, 0, 1:].flat} == {(-4.0, 6.0)}


def test_contours_are_drawn_at_the_levels_and_a_uniform_density_has_none() -> None:
    figure, examples = _figure()
    axes = np.array(figure.axes[:-1], dtype=object).reshape(2, 2, 4)
    blob, zeros, uniform = (
        [one for one in ax.collections if isinstance(one, QuadContourSet)] for ax in axes[0, 0, 1:]
    )
    for found, density in zip((blob, zeros), examples[0].densities[:2], strict=True):
        assert len(found) == 2  # white in black
        np.testing.assert_allclose(np.asarray(found[0].levels), density.levels)
    assert not uniform


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (700, 3), (1, 50), (120, 30)])
@pytest.mark.parametrize("n_models", [1, 9])
def test_images_of_any_shape_are_drawn(shape: tuple[int, int], n_models: int) -> None:
    kinds = ("blob", "zeros", "uniform") * 3
    figure = draw_examples([_example(*shape, kinds[:n_models])], "a title, " * 20)
    figure.canvas.draw()
    assert max(figure.get_size_inches()) < 20


def test_long_names_are_cut() -> None:
    density = drawn("maps:" + "x" * 99, _blob(30, 40), 3, gain=-np.inf)
    example = _example(30, 40, ())
    example = Example(example.title, example.pixels, example.x, example.y, [density])
    assert isinstance(density, Drawn)
    title = draw_examples([example], "title").axes[1].get_title()
    name, gain = title.split("\n")
    assert len(name) < 35
    assert gain == "\N{MINUS SIGN}∞ bit"
