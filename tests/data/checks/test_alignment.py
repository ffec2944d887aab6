"""Exchanged axes, flips, moves and scales, told by densities of the same images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import loadmat

from deepgaze2.data.checks.alignment import CELLS, align, contents, fixation_maps
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.nus_vip import read_osie
from helpers.small_datasets import fixations_at, moved, stimuli_of

Maps = dict[int, NDArray[np.float32]]
N_IMAGES = 60


@pytest.fixture
def random_dataset() -> Dataset:
    """Fixations all over, some outside and one unknown; 17 of 20 images have some."""
    rng = np.random.default_rng(1)
    stimulus = rng.integers(0, 17, 500)
    x, y = rng.uniform(-20, 320, 500), rng.uniform(-20, 220, 500)
    x[0] = np.nan
    return Dataset("random", stimuli_of(20, 300, 200), fixations_at(stimulus, x, y))


def random_maps() -> Maps:
    rng = np.random.default_rng(2)
    return {i: rng.normal(size=(CELLS, CELLS)).astype(np.float32) for i in range(2, 20)}


def by_hand(
    data: Dataset, maps: Maps, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean of each image's map at its fixations, one by one; zero outside."""
    means = []
    for i in range(2, 17):
        values = []
        for row in np.flatnonzero(data.fixations.stimulus == i):
            if np.isfinite(x[row]):
                column_, row_ = np.floor(x[row] * CELLS), np.floor(y[row] * CELLS)
                inside = 0 <= column_ < CELLS and 0 <= row_ < CELLS
                values.append(maps[i][int(row_), int(column_)] if inside else 0.0)
        means.append(float(np.mean(values)))
    return np.array(means)


def t_with_five_more(values: NDArray[np.float64], spread: float) -> float:
    """Student's t, as if five images more had had a spread."""
    squares = sum((value - values.mean()) ** 2 for value in values) + 5 * spread**2
    n = len(values)
    return float(values.mean() / np.sqrt(squares / (n + 4) / n))


def test_gains_are_those_of_a_lookup_by_hand(random_dataset: Dataset) -> None:
    maps = random_maps()
    x, y = random_dataset.fixations.x / 300, random_dataset.fixations.y / 200
    given = by_hand(random_dataset, maps, x, y)
    found = align(random_dataset, maps)
    assert found is not None
    assert found.n_images == 15
    assert found.agreement_t == pytest.approx(t_with_five_more(given, 0.4), rel=1e-4)
    compared = y[random_dataset.fixations.stimulus >= 2]
    lower = float(np.mean(0.1 * abs(compared - 0.5))) / 0.1
    readings = {
        "with x and y exchanged": (y * 2 / 3, x * 3 / 2, 1.0),
        "with y counted from below": (x, 1 - y, 1.0),
        "moved by +5% of the width and +0% of the height": (x + 0.05, y, 0.5),
        "at 0.9 times the height about the center": (x, 0.5 + 0.9 * (y - 0.5), lower),
    }
    for p, q, far in readings.values():
        gain = by_hand(random_dataset, maps, p, q) - given
        sure = min(t_with_five_more(gain, 0.4 * far), t_with_five_more(given + gain, 0.4))
        assert sure <= found.gain_t + 1e-4


def test_readings_that_move_nothing_are_none(random_dataset: Dataset) -> None:
    everywhere_alike = replace(
        random_dataset.fixations, x=np.full(500, 150.0), y=np.full(500, 100.0)
    )
    found = align(replace(random_dataset, fixations=everywhere_alike), random_maps())
    assert found is not None
    assert np.isfinite(found.gain_t)
    assert "row" not in found.reading


def test_contents_say_nothing_of_what_all_images_share() -> None:
    maps = random_maps()
    common = np.linspace(-1, 1, CELLS).astype(np.float32)
    for map_ in contents({i: common + 0 * map_ for i, map_ in maps.items()}).values():
        np.testing.assert_allclose(map_, 0, atol=1e-6)
    mean = np.mean(list(contents(maps).values()), axis=0)
    np.testing.assert_allclose(mean, 0, atol=1e-6)
    assert contents({}) == {}


def test_few_images_tell_nothing(random_dataset: Dataset) -> None:
    maps = random_maps()
    assert align(random_dataset, {i: maps[i] for i in range(13, 20)}) is not None
    assert align(random_dataset, {i: maps[i] for i in range(14, 20)}) is None  # 3 have fixations


@pytest.fixture(scope="module")
def osie(shared_data: Path) -> tuple[Dataset, Maps]:
    """The fixations of five observers, and where the ten others looked."""
    eye = read_osie(shared_data / "osie").select(np.arange(N_IMAGES))
    own = eye.fixations.subject < 5
    return eye.keep(own), contents(fixation_maps(eye.keep(~own).without_outside()))


def read(dataset: Dataset, content: Maps) -> str:
    """The reading that surely fits better; nothing if there is none."""
    found = align(dataset, content)
    assert found is not None
    return found.reading if found.gain_t > 5 else ""


def test_osie_fits_its_images(osie: tuple[Dataset, Maps]) -> None:
    found = align(*osie)
    assert found is not None
    assert found.agreement_t > 20
    assert found.gain_t < 0


def test_mistaken_coordinates_of_osie_are_recognized(osie: tuple[Dataset, Maps]) -> None:
    eye, content = osie
    x, y = eye.fixations.x, eye.fixations.y
    exchanged = moved(eye, y, x)
    assert read(exchanged, content) == "with x and y exchanged"
    assert read(exchanged.without_outside(), content) == "with x and y exchanged"
    assert read(moved(eye, 800 - x, y), content) == "with x counted from the right"
    assert read(moved(eye, x, 600 - y), content) == "with y counted from below"
    assert read(moved(eye, 800 - x, 600 - y), content) == "turned upside down"
    shifted = "moved by -10% of the width and +5% of the height"
    assert read(moved(eye, x + 80, y - 30), content) == shifted
    assert read(moved(eye, x / 1.1, y / 1.1), content) == "at 1.1 times the size"
    about = "at 0.9 times the size about the center"
    assert read(moved(eye, 400 + (x - 400) / 0.9, 300 + (y - 300) / 0.9), content) == about
    assert read(moved(eye, np.roll(x, 1), y), content) == "with x from the row after"


def test_fixations_on_other_images_have_no_relation(osie: tuple[Dataset, Maps]) -> None:
    eye, content = osie
    found = align(eye, {i: content[(i + 1) % N_IMAGES] for i in content})
    assert found is not None
    assert abs(found.agreement_t) < 2
    assert found.gain_t < 5


@pytest.mark.parametrize("mouse", ["mouse_amt", "mouse_lab"])
def test_mouse_rows_read_as_x_would_have_been_caught(
    osie: tuple[Dataset, Maps], shared_data: Path, mouse: str
) -> None:
    eye, content = osie
    coordinates = [
        loadmat(shared_data / "osie" / mouse / f"{Path(name).stem}.mat", simplify_cells=True)[
            "fixations"
        ]["coord"].astype(float)
        - 1
        for name in eye.stimuli.ids
    ]
    stimulus = np.repeat(np.arange(N_IMAGES), [len(c) for c in coordinates])
    row, column = np.concatenate(coordinates).T
    right = replace(eye, fixations=fixations_at(stimulus, column, row))
    assert read(right, content) == ""
    assert read(moved(right, row, column), content) == "with x and y exchanged"
