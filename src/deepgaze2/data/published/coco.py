"""COCO-Search18 and COCO-FreeView (Chen et al. 2021, 2022): one format, the same images.

Layout of the archives at https://sites.google.com/view/cocosearch/home, unpacked into one folder:
`images/<target>/*.jpg` (the target is there), `coco_search18_images_TA/<target>/*.jpg` (it is
not) and JSON files of scanpaths. The images are COCO's, scaled and padded to 1680×1050.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import stimuli_of
from deepgaze2.data.published.matlab import parsing
from deepgaze2.data.published.scanpaths import fixations_by_name
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

PIXELS_PER_DEGREE = 30.0

Split = Literal["train", "valid"]

_SEARCH_FILES = (
    "coco_search18_fixations_TP_train_split1.json",
    "coco_search18_fixations_TP_validation_split1.json",
    "coco_search18_fixations_TA_trainval.json",
)
_FREEVIEW_FILES = ("COCOFreeView_fixations_trainval.json",)


def read_coco_search18(folder: str | Path, split: Split = "train") -> Dataset:
    """Read COCO-Search18: 10 observers searched photos for one of 18 kinds of object.

    An image is one stimulus even if it was searched for several targets. So that scanpaths stay
    apart, a subject counts anew for every target, and is named like `3 / stop sign`. Each scanpath
    begins at the center; coordinates are taken as published.

    Parameters
    ----------
    folder : str or Path
        Contains `images`, `coco_search18_images_TA` and the three JSON files.
    split : "train" or "valid"
        Which part; the fixations of the third one are not public.

    Returns
    -------
    Dataset
        The images with scanpaths, in natural order; `start_s` is not known.

    Raises
    ------
    DataError
        If images or fixations are missing or damaged, or of another scale than one another.
    ValueError
        If there is no such part.
    """
    return _read("COCO-Search18", Path(folder), _SEARCH_FILES, split, _searcher)


def read_coco_freeview(folder: str | Path, split: Split = "train") -> Dataset:
    """Read COCO-FreeView: 10 observers looked freely at the images of COCO-Search18.

    Parameters, result and errors are those of `read_coco_search18`, with the one JSON file
    `COCOFreeView_fixations_trainval.json` and subjects named by their number.
    """
    return _read("COCO-FreeView", Path(folder), _FREEVIEW_FILES, split, _viewer)


def _searcher(entry: dict[str, Any]) -> str:
    return f"{entry['subject']} / {entry['task']}"


def _viewer(entry: dict[str, Any]) -> str:
    return str(entry["subject"])


def _read(
    name: str,
    folder: Path,
    files: tuple[str, ...],
    split: Split,
    subject_of: Callable[[dict[str, Any]], str],
) -> Dataset:
    if split not in get_args(Split):
        raise ValueError(f"split is {split!r}; use one of {', '.join(get_args(Split))}")
    names, subjects, fixations = fixations_by_name(
        viewing for file in files for viewing in _viewings(folder / file, split, subject_of)
    )
    stimuli = stimuli_of(_paths(folder, names), PIXELS_PER_DEGREE)
    dataset = Dataset(f"{name} {split}", stimuli, fixations, tuple(subjects))
    _refuse_other_scale(dataset, folder)
    return dataset


def _paths(folder: Path, names: list[str]) -> list[Path]:
    """Return where images are; copies of an image under several targets are equal."""
    images = {
        path.name: path
        for below in ("images", "coco_search18_images_TA")
        for path in sorted((folder / below).glob("[!.]*/[!.]*.jpg"))
    }
    if missing := [name for name in names if name not in images]:
        raise DataError(
            f"{printable(folder)}: {len(missing)} of {len(names)} images are missing, first"
            f" {missing[0]!r}; unpack COCOSearch18-images-TP.zip and -TA.zip there"
        )
    return [images[name] for name in names]


def _viewings(
    path: Path, split: Split, subject_of: Callable[[dict[str, Any]], str]
) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Return image, subject and columns of each scanpath of one part."""
    entries = _entries(path)
    with parsing(path, "a list of scanpaths"):
        return [
            (entry["name"], subject_of(entry), _columns(entry))
            for entry in entries
            if entry["split"] == split
        ]


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{printable(path)}: missing; get it from the data set's page") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{printable(path)}: not a JSON file ({error}); fetch it again") from error
    if not isinstance(content, list):
        raise DataError(f"{printable(path)}: not a list of scanpaths; fetch it again")
    return content


def _columns(entry: dict[str, Any]) -> NDArray[np.float64]:
    """Return a scanpath as rows x (px), y (px) and duration (s), shape (3, n)."""
    lengths = {len(entry[name]) for name in ("X", "Y", "T")}
    if len(lengths) > 1:
        raise ValueError(f"X, Y and T of {entry['name']} have different lengths")
    return np.array([entry["X"], entry["Y"], np.divide(entry["T"], 1000)])


def _refuse_other_scale(dataset: Dataset, folder: Path) -> None:
    """Public copies of images or fixations may be scaled to 512×320, the others not."""
    if not len(dataset.fixations):
        return
    reach = np.nanquantile(
        dataset.fixations.x / dataset.stimuli.width[dataset.fixations.stimulus], 0.99
    )
    if not 0.5 < reach < 1.5:
        raise DataError(
            f"{printable(folder)}: fixations reach {reach:.0%} of the images' width, so images or"
            " fixations are a scaled copy; get both from the data set's page"
        )
