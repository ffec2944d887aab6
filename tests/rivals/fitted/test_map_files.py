"""Anybody's maps: found by name, read from every format, refused where they cannot be meant."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data import Dataset
from deepgaze2.errors import DataError
from deepgaze2.rivals.fitted.map_files import open_maps
from helpers.small_datasets import HEIGHT, WIDTH, fixations_at, stimuli_of

DATASET = Dataset("made up", stimuli_of(2), fixations_at([0, 1], [1, 1], [1, 1]))


def maps(dtype: Any = np.float32) -> list[NDArray[Any]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (HEIGHT, WIDTH)).astype(dtype) for _ in range(2)]


def log_densities() -> list[NDArray[np.float64]]:
    values = [map_ / 100.0 for map_ in maps()]
    return [value - np.log(np.exp(value).sum()) for value in values]


def write(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".npy":
            np.save(path, values)
        case ".npz":
            np.savez(path, map=values)
        case ".mat":
            scipy.io.savemat(path, {"saliency": values})
        case _:
            Image.fromarray(values).save(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".png", ".tiff"])
def test_each_format_gives_the_same_map(tmp_path: Path, suffix: str) -> None:
    for i, map_ in enumerate(maps(np.uint8)):
        write(tmp_path / f"{i}{suffix}", map_)
    found = open_maps(tmp_path, DATASET)
    for i, map_ in enumerate(maps()):
        np.testing.assert_array_equal(found.saliency(i), map_)


def test_a_gray_map_may_be_stored_in_three_channels(tmp_path: Path) -> None:
    for i, map_ in enumerate(maps(np.uint8)):
        write(tmp_path / f"{i}.png", np.stack([map_] * 3, axis=-1))
    np.testing.assert_array_equal(open_maps(tmp_path, DATASET).saliency(1), maps()[1])
    Image.fromarray(maps(np.uint8)[0]).convert("P").save(tmp_path / "0.png")
    np.testing.assert_array_equal(open_maps(tmp_path, DATASET).saliency(0), maps()[0])
    write(tmp_path / "1.png", np.stack([maps(np.uint8)[0], *maps(np.uint8)], axis=-1))
    with pytest.raises(DataError, match=r"1\.png: .*colors"):
        open_maps(tmp_path, DATASET).saliency(1)


def test_a_map_of_another_size_is_resized_but_no_density(tmp_path: Path) -> None:
    for i, map_ in enumerate(log_densities()):
        write(tmp_path / f"{i}.npy", map_[::2, ::2])
    found = open_maps(tmp_path, DATASET)
    assert found.saliency(0).shape == (HEIGHT, WIDTH)
    with pytest.raises(DataError, match=r"0\.npy: has 75 by 50 pixels, its image 150 by 100"):
        found.log_density(0)


@pytest.mark.parametrize("place", ["folder", "file.hdf5"])
def test_log_densities_are_taken_as_they_are_and_must_sum_to_one(
    tmp_path: Path, place: str
) -> None:
    path = tmp_path / place
    if path.suffix:
        with h5py.File(path, "w") as file:
            for i, values in enumerate(log_densities()):
                file[f"{i}.png"] = values
    else:
        for i, values in enumerate(log_densities()):
            write(path / f"{i}.npy", values)
    found = open_maps(path, DATASET)
    for i, values in enumerate(log_densities()):
        np.testing.assert_allclose(found.log_density(i), values, atol=1e-6)
    if not path.suffix:
        write(path / "0.npy", log_densities()[0] + 0.002)
        with pytest.raises(DataError, match=r"sums to 1\.002, not 1\).*maps:"):
            found.log_density(0)


def test_maps_are_matched_with_images_in_sub_folders(tmp_path: Path) -> None:
    named = replace(DATASET, stimuli=replace(DATASET.stimuli, ids=("a/001.jpg", "b/001.jpg")))
    for name, map_ in zip("ab", maps(), strict=True):
        write(tmp_path / name / "001.npy", map_)
    found = open_maps(tmp_path, named)
    np.testing.assert_array_equal(found.saliency(1), maps()[1])


def test_images_called_alike_but_for_their_suffixes_do_not_share_a_map(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", maps()[0])
    alike = replace(DATASET, stimuli=replace(DATASET.stimuli, ids=("a.jpg", "a.png")))
    with pytest.raises(DataError, match="several images are called a,"):
        open_maps(tmp_path, alike)


def test_missing_doubled_and_damaged_maps_are_named(tmp_path: Path) -> None:
    write(tmp_path / "0.npy", maps()[0])
    with pytest.raises(DataError, match=r"no map for 1 of 2 images, such as 1; .* 0\.npy"):
        open_maps(tmp_path, DATASET)
    write(tmp_path / "1.npy", maps()[1])
    write(tmp_path / "1.png", maps(np.uint8)[1])
    with pytest.raises(DataError, match=r"1\.npy and 1\.png are of one image"):
        open_maps(tmp_path, DATASET)
    (tmp_path / "1.npy").unlink()
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1\.png: cannot be read"):
        open_maps(tmp_path, DATASET).saliency(1)
    write(tmp_path / "1.npz", maps()[1])
    (tmp_path / "1.png").unlink()
    (tmp_path / "1.npz").write_bytes((tmp_path / "1.npz").read_bytes()[:1000])
    with pytest.raises(DataError, match=r"1\.npz: cannot be read"):
        open_maps(tmp_path, DATASET).saliency(1)
    write(tmp_path / "0.npy", np.full((HEIGHT, WIDTH), np.nan))
    with pytest.raises(DataError, match=r"0\.npy: .*not finite numbers"):
        open_maps(tmp_path, DATASET).saliency(0)
    with pytest.raises(DataError, match="neither a folder of maps nor an HDF5 file"):
        open_maps(tmp_path / "nowhere", DATASET)
    (tmp_path / "no.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match=r"no\.hdf5: not an HDF5 file"):
        open_maps(tmp_path / "no.hdf5", DATASET)


def test_the_identity_changes_with_the_files(tmp_path: Path) -> None:
    for i, map_ in enumerate(maps()):
        write(tmp_path / f"{i}.npy", map_)
    before = open_maps(tmp_path, DATASET).identity
    assert open_maps(tmp_path, DATASET).identity == before
    write(tmp_path / "1.npy", maps()[0][:50])
    assert open_maps(tmp_path, DATASET).identity != before
