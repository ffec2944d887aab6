"""Exchanged axes, mirroring and shifts, told by contrast and by other recordings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.io import loadmat

from deepgaze2.data.checks.alignment import CELLS, Alignment, align, contrast_map, fixation_maps
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.image.stimulus import read_stimulus
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


def looked_up(
    data: Dataset, maps: Maps, x: NDArray[np.float64], y: NDArray[np.float64]
) -> list[float]:
    """The mean of each image's map at its fixations, one by one; zero outside."""
    common = np.mean([maps[i] for i in range(2, 17)], axis=0)
    means = []
    for i in range(2, 17):
        values = []
        for row in np.flatnonzero(data.fixations.stimulus == i):
            column_, row_ = np.floor(x[row] * CELLS), np.floor(y[row] * CELLS)
            if 0 <= column_ < CELLS and 0 <= row_ < CELLS:
                values.append((maps[i] - common)[int(row_), int(column_)])
            else:
                values.append(0.0)
        means.append(float(np.mean(values)))
    return means


def test_t_values_are_those_of_a_lookup_by_hand(random_dataset: Dataset) -> None:
    maps = random_maps()
    found = align(random_dataset, maps)
    assert found is not None
    assert found.n_images == 15
    x, y = random_dataset.fixations.x, random_dataset.fixations.y
    given = looked_up(random_dataset, maps, x / 300, y / 200)
    assert found.agreement_t == pytest.approx(stats.ttest_1samp(given, 0).statistic, rel=1e-4)
    readings = {
        "with x and y exchanged": (y / 300, x / 200),
        "with x counted from the right": (1 - x / 300, y / 200),
        "with y counted from below": (x / 300, 1 - y / 200),
    }
    assert found.readings_t.keys() == readings.keys()
    for name, columns in readings.items():
        other = looked_up(random_dataset, maps, *columns)
        expected = stats.ttest_rel(other, given).statistic
        assert found.readings_t[name] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (5, -9), (-16, 16)])
def test_finds_the_best_shift(random_dataset: Dataset, right: int, down: int) -> None:
    clean = random_dataset.without_outside()
    maps = fixation_maps(clean)
    f = clean.fixations
    shifted = moved(clean, f.x + right * 300 / CELLS, f.y + down * 200 / CELLS)
    found = align(shifted, maps)
    assert found is not None
    assert (found.shift_x, found.shift_y) == (right / CELLS, down / CELLS)
    if right == down == 0:
        assert found.shift_t == pytest.approx(0, abs=1e-3)
    else:
        assert found.shift_t > 5


def test_few_images_tell_nothing(random_dataset: Dataset) -> None:
    maps = random_maps()
    assert align(random_dataset, {i: maps[i] for i in range(7, 17)}) is not None
    assert align(random_dataset, {i: maps[i] for i in range(8, 20)}) is None  # 9 have fixations


def test_contrast_is_high_where_the_image_has_some() -> None:
    pixels = np.full((200, 300, 3), 90, np.uint8)
    pixels[150:180, 20:60] = np.random.default_rng(0).integers(0, 256, (30, 40, 3))
    contrast = contrast_map(pixels)
    row, column = np.unravel_index(contrast.argmax(), contrast.shape)
    assert 150 <= (row + 0.5) / CELLS * 200 <= 180
    assert 20 <= (column + 0.5) / CELLS * 300 <= 60
    assert contrast.mean() == pytest.approx(0, abs=1e-5)
    assert contrast.std() == pytest.approx(1, abs=1e-5)
    assert not contrast_map(np.full((20, 30, 3), 7, np.uint8)).any()


@pytest.fixture(scope="module")
def osie(shared_data: Path) -> tuple[Dataset, Maps]:
    eye = read_osie(shared_data / "osie").select(np.arange(N_IMAGES))
    contrast = {i: contrast_map(read_stimulus(eye.stimuli.path(i)).pixels) for i in range(N_IMAGES)}
    return eye, contrast


def certain(alignment: Alignment | None) -> list[str]:
    assert alignment is not None
    return [name for name, t in alignment.readings_t.items() if t > 4]


def test_osie_fits_its_images(osie: tuple[Dataset, Maps]) -> None:
    found = align(*osie)
    assert found is not None
    assert found.agreement_t > 10
    assert max(found.readings_t.values()) < -8
    assert abs(found.shift_x) <= 1 / CELLS
    assert abs(found.shift_y) <= 1 / CELLS


def test_mistaken_coordinates_of_osie_are_recognized(osie: tuple[Dataset, Maps]) -> None:
    eye, contrast = osie
    x, y = eye.fixations.x, eye.fixations.y
    exchanged = moved(eye, y, x)
    assert certain(align(exchanged, contrast)) == ["with x and y exchanged"]
    assert certain(align(exchanged.without_outside(), contrast)) == ["with x and y exchanged"]
    assert certain(align(moved(eye, 800 - x, y), contrast)) == ["with x counted from the right"]
    assert certain(align(moved(eye, x, 600 - y), contrast)) == ["with y counted from below"]
    found = align(moved(eye, x + 75, y - 56.25), contrast)  # six cells
    assert found is not None
    assert found.shift_x == pytest.approx(6 / CELLS, abs=1 / CELLS)
    assert found.shift_y == pytest.approx(-6 / CELLS, abs=1 / CELLS)
    assert found.shift_t > 5


def test_fixations_on_other_images_have_no_relation(osie: tuple[Dataset, Maps]) -> None:
    eye, contrast = osie
    found = align(eye, {i: contrast[(i + 1) % N_IMAGES] for i in contrast})
    assert found is not None
    assert abs(found.agreement_t) < 2
    assert max(found.readings_t.values()) < 4


@pytest.mark.parametrize("mouse", ["mouse_amt", "mouse_lab"])
def test_mouse_rows_read_as_x_would_have_been_caught(
    osie: tuple[Dataset, Maps], shared_data: Path, mouse: str
) -> None:
    eye, contrast = osie
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
    for maps in (contrast, fixation_maps(eye)):
        assert certain(align(right, maps)) == []
        assert certain(align(moved(right, row, column), maps)) == ["with x and y exchanged"]
