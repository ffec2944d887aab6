"""Submissions to the benchmark, and the check that finds what is wrong with one."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepgaze2.errors import CenterBiasError, DataError, OutputError
from deepgaze2.evaluation.submission import (
    check_submission,
    equal_count_levels,
    export_submission,
)
from deepgaze2.image.image_files import image_files
from deepgaze2.model import Model
from helpers.small_models import tiny_model, with_readouts, write_photos

SIZES = [(64, 48), (40, 60), (50, 50)]


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, model: Model) -> tuple[Path, list[Path]]:
    folder = tmp_path_factory.mktemp("submission")
    images = write_photos(folder / "images", SIZES)
    export_submission(model, images, folder / "out")
    return folder / "out", images


@pytest.fixture
def copied(exported: tuple[Path, list[Path]], tmp_path: Path) -> tuple[Path, list[Path]]:
    return Path(shutil.copytree(exported[0], tmp_path / "copy")), exported[1]


def found(copied: tuple[Path, list[Path]]) -> list[str]:
    return [f"{p.place}: {p.what}" for p in check_submission(*copied)]


@given(st.integers(0, 2**32 - 1), st.integers(20, 80))
def test_levels_hold_equally_many_pixels_and_keep_the_order(seed: int, side: int) -> None:
    values = np.random.default_rng(seed).normal(size=(side, side + 3))
    levels = equal_count_levels(values)
    counts = np.bincount(levels.ravel(), minlength=256)
    assert np.ptp(counts) <= 1
    order = np.argsort(values, axis=None)
    assert (np.diff(levels.ravel()[order].astype(int)) >= 0).all()


def test_equal_values_share_a_level_and_few_pixels_are_enough() -> None:
    assert len(np.unique(equal_count_levels(np.zeros((30, 30))))) == 1
    assert equal_count_levels(np.array([[1.0, 3.0, 2.0]])).argmax() == 1


def test_a_submission_holds_what_the_model_says(
    exported: tuple[Path, list[Path]], model: Model
) -> None:
    out, images = exported
    assert sorted(path.name for path in out.iterdir()) == [
        "log_densities.hdf5",
        "with_center_bias",
        "without_center_bias",
    ]
    with h5py.File(out / "log_densities.hdf5") as file:
        assert sorted(file) == [path.name for path in images]
        for path in images:
            expected = model.predict(path, center_bias="mit1003", pixels_per_degree=35)
            np.testing.assert_array_equal(file[path.name], expected.log_density)
    for folder, prior in (("with_center_bias", "mit1003"), ("without_center_bias", "uniform")):
        for path in images:
            expected = model.predict(path, center_bias=prior, pixels_per_degree=35)
            picture = np.asarray(Image.open(out / folder / f"{path.stem}.jpg"))
            levels = equal_count_levels(expected.log_density)
            assert picture.shape == levels.shape
            assert np.abs(picture.astype(int) - levels).mean() < 2  # JPEG's own loss


def test_a_good_submission_has_no_problem(exported: tuple[Path, list[Path]]) -> None:
    assert check_submission(*exported) == []


def test_the_check_names_each_fault(copied: tuple[Path, list[Path]]) -> None:
    out, _ = copied
    (out / "with_center_bias" / "0.jpg").unlink()
    Image.new("L", (64, 48), 7).save(out / "without_center_bias" / "0.jpg")
    Image.new("RGB", (40, 60)).save(out / "without_center_bias" / "1.jpg")
    (out / "without_center_bias" / "2.jpg").write_bytes(b"no picture")
    (out / "without_center_bias" / "9.jpg").write_bytes(b"")
    with h5py.File(out / "log_densities.hdf5", "r+") as file:
        file["0.png"][:] += 0.01
        del file["1.png"]
        del file["2.png"]
        file["2.png"] = np.full((50, 49), -np.log(50 * 49))
        file["x.png"] = np.zeros((2, 2))
    problems = "\n".join(found(copied))
    for place, what in (
        ("with_center_bias/0.jpg", "is missing"),
        ("without_center_bias/0.jpg", "one value only"),
        ("without_center_bias/1.jpg", "is RGB"),
        ("without_center_bias/2.jpg", "cannot be read"),
        ("without_center_bias/9.jpg", "belongs to no image"),
        ("log_densities.hdf5, 0.png", "sums to exp(0.01)"),
        ("log_densities.hdf5, 1.png", "is missing"),
        ("log_densities.hdf5, 2.png", "has 49 by 50 pixels, its image 50 by 50"),
        ("log_densities.hdf5, x.png", "belongs to no image"),
    ):
        assert any(place in line and what in line for line in problems.splitlines()), (place, what)
    assert len(problems.splitlines()) == 9


def test_a_damaged_hdf5_file_is_a_problem_and_an_empty_folder_an_error(
    copied: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    (copied[0] / "log_densities.hdf5").write_bytes(b"no HDF5")
    assert any("log_densities.hdf5: cannot be read" in line for line in found(copied))
    with pytest.raises(DataError, match="has neither"):
        check_submission(tmp_path / "nothing", copied[1])


def test_an_interrupted_export_goes_on_and_a_damaged_image_does_not_stop_the_others(
    tmp_path: Path, model: Model
) -> None:
    images = write_photos(tmp_path / "images", SIZES)
    whole = images[1].read_bytes()
    images[1].write_bytes(whole[:100])
    with pytest.raises(DataError, match=r"1 of 3 images failed, the others are kept: .*1\.png"):
        export_submission(model, images, tmp_path / "out")
    assert not (tmp_path / "out" / "log_densities.hdf5").exists()
    kept = tmp_path / "out" / "with_center_bias" / "0.jpg"
    written = kept.stat().st_mtime_ns
    images[1].write_bytes(whole)
    export_submission(model, images, tmp_path / "out")
    assert kept.stat().st_mtime_ns == written
    assert check_submission(tmp_path / "out", image_files(tmp_path / "images")) == []


@pytest.mark.parametrize("change", ["prior", "activation", "image"])
def test_what_an_interrupted_export_was_made_of_otherwise_is_made_anew(
    tmp_path: Path, model: Model, change: str
) -> None:
    """A prior of other content under its name, a model of other layers, another image."""
    images, prior, out = write_photos(tmp_path, SIZES), tmp_path / "prior.npy", tmp_path / "out"
    np.save(prior, np.linspace(1, 2, 12).reshape(3, 4))
    whole = images[2].read_bytes()
    images[2].write_bytes(whole[:100])
    with pytest.raises(DataError, match="1 of 3 images failed"):
        export_submission(model, images, out, center_bias=str(prior))
    images[2].write_bytes(whole)
    if change == "prior":
        np.save(prior, np.linspace(2, 1, 12).reshape(3, 4))
    elif change == "activation":
        (facts,), (branch,) = model.card.branches, model.branches
        softplus = replace(facts.architecture, activation="softplus")
        card = replace(model.card, branches=(replace(facts, architecture=softplus),))
        readout = replace(branch.readout, architecture=softplus)
        model = with_readouts(replace(model, card=card), readout)
    else:
        images[0].write_bytes(whole)
    export_submission(model, images, out, center_bias=str(prior))
    with h5py.File(out / "log_densities.hdf5") as file:
        expected = model.predict(images[0], center_bias=prior, pixels_per_degree=35)
        np.testing.assert_array_equal(file["0.png"], expected.log_density)


def test_what_would_fail_for_each_image_fails_at_once(tmp_path: Path, model: Model) -> None:
    images = write_photos(tmp_path / "images", SIZES)
    with pytest.raises(CenterBiasError, match="nowhere"):
        export_submission(model, images, tmp_path / "out", center_bias="nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        export_submission(model, images, tmp_path / "file")


def test_images_of_one_name_are_refused(tmp_path: Path, model: Model) -> None:
    with pytest.raises(DataError, match="several images are called 0"):
        export_submission(model, [Path("0.png"), Path("0.jpg")], tmp_path)
