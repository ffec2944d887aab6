"""Submissions to the MIT/Tübingen saliency benchmark: maps as pictures, log densities as HDF5.

The paper (section 2.5) hands in pictures: the log density cut into 256 levels that hold equal
numbers of pixels, with the center bias for AUC and with a uniform prior for shuffled AUC. Today's
benchmark wants log densities and derives each metric's map itself.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data.images import stored_size
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.errors import DataError, StimulusError
from deepgaze2.image.stimulus import printable, read_stimulus
from deepgaze2.model import Model
from deepgaze2.support.files import written_atomically
from deepgaze2.support.identity import code_version, file_state
from deepgaze2.support.progress import tracked
from deepgaze2.support.resume import named

DENSITIES = "log_densities.hdf5"
WITH_CENTER_BIAS, WITHOUT_CENTER_BIAS = "with_center_bias", "without_center_bias"
PIXELS_PER_DEGREE = 35.0
"""Of MIT1003 and MIT300."""

_LEVELS = 256
_MAX_LOG_MASS = 0.001  # what the benchmark accepts
_PARTS = ".parts"


def equal_count_levels(log_density: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Cut a map into 256 levels that hold equal numbers of pixels (section 2.5).

    Parameters
    ----------
    log_density : float array (H, W)
        Any map; only the order of its values matters. Equal values share a level.

    Returns
    -------
    uint8 array (H, W)
        0 for the lowest values, 255 for the highest.
    """
    bounds = np.arange(1, _LEVELS) * log_density.size // _LEVELS
    thresholds = np.partition(log_density, np.unique(bounds), axis=None)[bounds]
    return np.searchsorted(thresholds, log_density, side="right").astype(np.uint8)


def export_submission(
    model: Model,
    images: Sequence[Path],
    folder: Path,
    *,
    center_bias: str = "mit1003",
    pixels_per_degree: float = PIXELS_PER_DEGREE,
) -> None:
    """Predict images and write a submission, with progress; interrupted, it goes on where it was.

    The folder gets pictures for AUC in `with_center_bias`, for shuffled AUC in
    `without_center_bias`, and `log_densities.hdf5`, with an array for each image under its name.

    Parameters
    ----------
    images : sequence of Path
        With names that differ, also without their suffixes.
    center_bias : str
        Name or file of the prior for `with_center_bias` and the log densities.
    pixels_per_degree : float
        Of the images.

    Raises
    ------
    DataError
        If two images have one name, or some cannot be read: after the others are done.
    CenterBiasError, OutputError
        If the prior cannot be used, or a file not written: at once.
    """
    if doubled := [name for name, n in Counter(path.stem for path in images).items() if n > 1]:
        raise DataError(f"several images are called {printable(doubled[0])}; rename all but one")
    given = load_center_bias(center_bias)
    priors = {WITHOUT_CENTER_BIAS: load_center_bias("uniform"), WITH_CENTER_BIAS: given}
    of = model.identity, given.template, pixels_per_degree, code_version(__name__)
    parts = named(folder, *of, prefix=f"{_PARTS}-")
    for other in set(folder.glob(f"{_PARTS}-*")) - {parts}:
        shutil.rmtree(other)  # its pictures are about to be replaced
    failed = []
    waiting = [path for path in images if not _part(parts, path).exists()]
    for path in tracked(waiting, "predicting", len(waiting)):
        try:
            stimulus = read_stimulus(path)  # as data sets are read
            for target, prior in priors.items():
                log_density = model.predict(
                    stimulus,
                    center_bias=prior,
                    pixels_per_degree=pixels_per_degree,
                    viewport="none",
                ).log_density
                _write_picture(log_density, folder / target / f"{path.stem}.jpg")
            with written_atomically(_part(parts, path)) as temporary:
                np.save(temporary, log_density)
        except StimulusError as error:
            failed.append(str(error))
    if failed:
        raise DataError(
            f"{len(failed)} of {len(images)} images failed, the others are kept: {failed[0]}"
        )
    _pack(folder, parts, images)


def _part(parts: Path, image: Path) -> Path:
    return named(parts, file_state(image), prefix=f"{image.stem}-", suffix=".npy")


def _write_picture(log_density: NDArray[np.float32], path: Path) -> None:
    with written_atomically(path) as temporary:
        Image.fromarray(equal_count_levels(log_density)).save(temporary, quality=100)


def _pack(folder: Path, parts: Path, images: Sequence[Path]) -> None:
    """Move all log densities into one HDF5 file."""
    import h5py

    with written_atomically(folder / DENSITIES) as temporary, h5py.File(temporary, "w") as file:
        for path in images:
            log_density = np.load(_part(parts, path))
            file.create_dataset(path.name, data=log_density, compression="gzip")
    shutil.rmtree(parts)


@dataclass(frozen=True)
class SubmissionProblem:
    """Something for which the benchmark would refuse a submission, or score it as nothing.

    Attributes
    ----------
    place : str
        The file.
    what : str
        What is wrong.
    """

    place: str
    what: str


def check_submission(folder: Path, images: Sequence[Path]) -> list[SubmissionProblem]:
    """Read a whole submission and return all that is wrong with it; nothing if it is good.

    Every picture and log density must be there, have its image's size and more than one value;
    log densities must sum to one within 0.001 (of its log). Parts that a folder does not have
    at all are not missed.

    Raises
    ------
    DataError
        If the folder holds no part of a submission, or an image cannot be read.
    """
    problems = []
    pictures = [folder / name for name in (WITH_CENTER_BIAS, WITHOUT_CENTER_BIAS)]
    found = [part for part in (*pictures, folder / DENSITIES) if part.exists()]
    if not found:
        raise DataError(
            f"{printable(folder)}: has neither {DENSITIES} nor {WITH_CENTER_BIAS} or"
            f" {WITHOUT_CENTER_BIAS}; give the folder that export wrote"
        )
    sizes = {path: stored_size(path) for path in images}
    for part in pictures:
        if part in found:
            problems += _check_pictures(part, sizes)
    if folder / DENSITIES in found:
        problems += _check_densities(folder / DENSITIES, sizes)
    return problems


def _check_pictures(folder: Path, sizes: dict[Path, tuple[int, int]]) -> list[SubmissionProblem]:
    problems = []
    expected = {f"{path.stem}.jpg": size for path, size in sizes.items()}
    for name, size in expected.items():
        try:
            with Image.open(folder / name) as picture:
                picture.load()
                problem = _of_size(picture.size, size)
                if not problem and picture.mode != "L":
                    problem = f"is {picture.mode}, not 8-bit gray"
                if not problem and len(set(picture.getextrema())) == 1:
                    problem = "holds one value only"
        except FileNotFoundError:
            problem = "is missing"
        except OSError as error:
            problem = f"cannot be read ({error})"
        if problem:
            problems.append(SubmissionProblem(printable(folder / name), problem))
    extra = sorted({path.name for path in folder.iterdir()} - set(expected))
    return problems + [SubmissionProblem(printable(folder / name), _EXTRA) for name in extra]


_EXTRA = "belongs to no image"


def _check_densities(path: Path, sizes: dict[Path, tuple[int, int]]) -> list[SubmissionProblem]:
    import h5py

    problems = []
    expected = {image.name: size for image, size in sizes.items()}
    try:
        with h5py.File(path, "r") as file:
            for name, size in expected.items():
                problem = "is missing"
                if name in file:
                    problem = _density_problem(np.asarray(file[name]), size)
                if problem:
                    problems.append(SubmissionProblem(f"{printable(path)}, {name}", problem))
            extra = sorted(set(file) - set(expected))
    except OSError as error:
        return [SubmissionProblem(printable(path), f"cannot be read ({error})")]
    return problems + [SubmissionProblem(f"{printable(path)}, {name}", _EXTRA) for name in extra]


def _density_problem(log_density: NDArray[np.generic], size: tuple[int, int]) -> str:
    from scipy.special import logsumexp

    if log_density.ndim != 2:
        return f"has {log_density.ndim} dimensions, not 2"
    if problem := _of_size((log_density.shape[1], log_density.shape[0]), size):
        return problem
    log_mass = float(logsumexp(log_density.astype(np.float64)))
    if not abs(log_mass) < _MAX_LOG_MASS:
        return f"sums to exp({log_mass:.4g}), not to one"
    if log_density.min() == log_density.max():
        return "holds one value only"
    return ""


def _of_size(found: tuple[int, int], expected: tuple[int, int]) -> str:
    if found == expected:
        return ""
    return f"has {found[0]} by {found[1]} pixels, its image {expected[0]} by {expected[1]}"
