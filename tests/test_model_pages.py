"""A model predicts long pages by screens, and says so of what it cannot see as people do."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.errors import DeepGazeError, ViewportError
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.image.viewport import what_is_seen
from deepgaze2.model import ImageSource, Model
from helpers.small_models import tiny_model, with_readouts

WIDTH, SCREEN = 330, 206


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


def pixels(height: int, width: int = WIDTH) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("options", [{}, {"center_bias": "osie"}, {"pixels_per_degree": 30.0}])
def test_a_page_of_one_screen_is_predicted_as_ever(
    model: Model, options: dict[str, object]
) -> None:
    page = pixels(SCREEN)
    plain = model.predict(page, **options)  # type: ignore[arg-type]
    for viewport in ((WIDTH, SCREEN), "auto", "none"):
        found = model.predict(page, viewport=viewport, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.log_density, plain.log_density)
        assert (found.scrolling, found.notes) == (None, ())
    found = model.predict(page, viewport=(WIDTH, SCREEN), scroll=[1], **options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.log_density, plain.log_density)


@pytest.mark.parametrize("prior_weight", [1.0, 0.6])
def test_what_nobody_scrolls_to_changes_nothing(model: Model, prior_weight: float) -> None:
    (readout,) = (branch.readout for branch in model.branches)
    weights = np.full(readout.n_models, prior_weight, np.float32)
    model = with_readouts(model, replace(readout, prior_weight=weights))
    page = pixels(5 * SCREEN)
    found = model.predict(page, viewport=(WIDTH, SCREEN), scroll=[1, 0], center_bias="mit1003")
    screen = model.predict(page[:SCREEN], center_bias="mit1003")
    np.testing.assert_allclose(found.log_density[:SCREEN], screen.log_density, atol=1e-4)
    assert np.isneginf(found.log_density[SCREEN:]).all()


@pytest.mark.parametrize("prior_weight", [1.0, 0.6])
def test_a_page_of_one_color_has_mass_by_the_share_of_viewers(
    model: Model, prior_weight: float
) -> None:
    """But for what a network makes of the borders of screens."""
    (readout,) = (branch.readout for branch in model.branches)
    weights = np.full(readout.n_models, prior_weight, np.float32)
    model = with_readouts(model, replace(readout, prior_weight=weights))
    page = np.full((8 * SCREEN, WIDTH, 3), 200, np.uint8)
    shares = [1, 0.9, 0.8, 0.6, 0.4, 0.4, 0.2, 0.1]
    found = model.predict(page, viewport=(WIDTH, SCREEN), scroll=shares, center_bias="mit1003")
    masses = found.density.astype(np.float64).reshape(8, -1).sum(axis=1)
    assert found.scrolling is not None
    seen = found.scrolling.share_at(np.arange(8 * SCREEN) + 0.5).reshape(8, SCREEN).mean(axis=1)
    np.testing.assert_allclose(masses[1:-1] / seen[1:-1], masses[1] / seen[1], rtol=0.1)
    assert masses.sum() == pytest.approx(1, abs=1e-5)


def test_a_page_is_guessed_where_that_is_asked_for(model: Model) -> None:
    page = pixels(4 * WIDTH)
    found = model.predict(page, viewport="auto")
    assert found.scrolling is not None
    guess = what_is_seen(WIDTH, 4 * WIDTH, "auto")
    assert found.scrolling.viewport == guess.screen
    assert found.notes[: len(guess.notes)] == guess.notes
    assert "half as many" in found.notes[-1]
    shares = found.scrolling.shares
    said = model.predict(page, viewport=found.scrolling.viewport, scroll=shares)
    assert said.notes == ()
    np.testing.assert_array_equal(said.log_density, found.log_density)


@pytest.mark.parametrize("size", [(4 * WIDTH, WIDTH), (40, 300), (300, 40)])
def test_an_extreme_image_is_predicted_as_a_whole_with_a_warning(
    model: Model, size: tuple[int, int]
) -> None:
    page = pixels(*size)
    with pytest.warns(UserWarning, match=r"array: .* times as .*; the network saw") as caught:
        found = model.predict(page)
    assert [Path(one.filename).name for one in caught] == [Path(__file__).name]
    width, height = found.network_input_size
    assert f"{width} x {height} pixels" in found.notes[0]
    assert found.scrolling is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unwarned = model.predict(page, viewport="none")
        assert unwarned.notes == ()
        np.testing.assert_array_equal(unwarned.log_density, found.log_density)
        if size[1] < WIDTH:  # too narrow for a page: nothing is guessed, and that is said
            assert model.predict(page, viewport="auto").notes == found.notes


def test_how_far_viewers_scroll_is_nothing_without_a_viewport(model: Model) -> None:
    for viewport in (None, "none", "auto"):
        with pytest.raises(ViewportError, match="array: scroll goes with a viewport"):
            model.predict(pixels(SCREEN), viewport=viewport, scroll=[1, 0.5])


def test_a_stream_takes_pages_and_photos(model: Model, tmp_path: Path) -> None:
    paths = []
    for i, height in enumerate((4 * WIDTH, SCREEN, 5 * WIDTH)):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(pixels(height)).save(paths[-1])
    screens: list[tuple[int, int]] = []
    found = list(model.predict_many(paths, viewport="auto", on_screen=lambda *n: screens.append(n)))
    assert [one.scrolling is not None for one in found] == [True, False, True]
    for path, one in zip(paths, found, strict=True):
        alone = model.predict(path, viewport="auto")
        np.testing.assert_array_equal(one.log_density, alone.log_density)
    assert [done for done, of in screens if done == of] == [
        of for done, of in screens if done == of
    ]
    failed: list[tuple[ImageSource, DeepGazeError]] = []
    options = {"viewport": (WIDTH, SCREEN), "on_error": lambda *one: failed.append(one)}
    list(model.predict_many(paths, scroll=[1, 0.5, 0.2], **options))  # type: ignore[arg-type]
    assert [source for source, _ in failed] == [paths[0], paths[2]]
    assert all(isinstance(error, ViewportError) for _, error in failed)


def test_the_stimulus_of_a_page_is_the_page(model: Model) -> None:
    stimulus = read_stimulus(pixels(3 * SCREEN))
    found = model.predict(stimulus, viewport=(WIDTH, SCREEN))
    assert found.stimulus is stimulus
    assert (found.width, found.height) == (WIDTH, 3 * SCREEN)
    assert found.center_bias.name == "gaussian"
    seen = model.predict(stimulus.pixels[:SCREEN]).network_input_size
    assert found.network_input_size == seen
