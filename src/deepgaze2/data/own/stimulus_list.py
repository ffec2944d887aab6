"""The stimuli of a folder: its images and, if there is one, its table `stimuli.csv`."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Stimuli
from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.columns import choose_columns, missing_columns
from deepgaze2.data.own.text_table import open_text_table
from deepgaze2.errors import DataError, StimulusError
from deepgaze2.image.formats import SUFFIXES
from deepgaze2.image.image_files import natural_key
from deepgaze2.image.stimulus import printable, upright_size

STIMULI_FILE = "stimuli.csv"
_SIZES = ("width", "height", "pixels_per_degree")


def list_stimuli(folder: Path, images: Path) -> tuple[Stimuli, list[Decision]]:
    """Return the stimuli that `stimuli.csv` lists, or else all images.

    Parameters
    ----------
    folder : Path
        Where `stimuli.csv` is, if it is. It names images and may give their width and height
        in pixels and pixels_per_degree; what it lists need not be at hand if it has their size.
    images : Path
        The images, also in folders below; each is called by its path from here.

    Returns
    -------
    Stimuli
        In the table's order, or in natural order of names.
    list of Decision
        Where they are from, and what was guessed.

    Raises
    ------
    DataError
        If an image cannot be read, or is neither at hand nor of known size.
    """
    found = _images_below(images)
    if (folder / STIMULI_FILE).is_file():
        return _listed_stimuli(folder / STIMULI_FILE, images, found)
    if not found:
        raise DataError(f"{printable(images)}: no images; give the folder that holds them")
    unknown = {role: np.full(len(found), np.nan) for role in _SIZES}
    what = f"{len(found)} image{'s' * (len(found) != 1)} in {printable(images.name) or '.'}"
    decided = [
        Decision("images", what, f"there is no {STIMULI_FILE}", "--images FOLDER", guessed=False)
    ]
    return _stimuli(tuple(found), [images / name for name in found], unknown), decided


def match_images(
    names: Sequence[str], ids: Sequence[str]
) -> tuple[list[int | None], list[Decision]]:
    """Find the images that names mean.

    A name may be that of an image, differ in upper and lower case, have another folder before it,
    or lack the suffix or have another, as long as only one image fits.

    Parameters
    ----------
    names : sequence of str
        Different names.
    ids : sequence of str
        The images' names, folders being separated by slashes.

    Returns
    -------
    list of int or None
        For each name the index of its image; None if there is none.
    list of Decision
        What was assumed.

    Raises
    ------
    DataError
        If a name fits several images, or names of different files fit one image.
    """
    by_key: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(ids):
        for key in _keys(image):
            by_key[key].append(index)
    found: list[int | None] = []
    for name in names:
        fitting = next((by_key[key] for key in _keys(name) if key in by_key), [])
        if len(fitting) > 1:
            first, second = (repr(ids[i]) for i in fitting[:2])
            raise DataError(f"image name {name!r} may be {first} or {second}; name it in full")
        found.append(fitting[0] if fitting else None)
    return found, _loose_matches(names, found, ids)


def _loose_matches(
    names: Sequence[str], found: Sequence[int | None], ids: Sequence[str]
) -> list[Decision]:
    """Return what matching assumed; a DataError if two files' names became one image."""
    taken: dict[int, PurePosixPath] = {}
    resuffixed, moved = [], []
    for name, index in zip(names, found, strict=True):
        if index is None:
            continue
        path = PurePosixPath(_plain(name))
        earlier = taken.setdefault(index, path)
        if earlier.name != path.name:
            raise DataError(
                f"names {name!r} and {str(earlier)!r} would both be {ids[index]!r}; name images by"
                " their files"
            )
        if earlier != path:
            moved.append(f"{name} and {earlier}")
        if _has_suffix(name) and path.suffix != PurePosixPath(_plain(ids[index])).suffix:
            resuffixed.append(f"{name} is taken to be {ids[index]}")
    notes = []
    if resuffixed:
        what = f"{len(resuffixed)} names have another suffix"
        notes.append(Decision("images", what, resuffixed[0]))
    if moved:
        what = "names in several folders are taken to be one image"
        notes.append(Decision("images", what, moved[0]))
    return notes


def _keys(name: str) -> Iterator[str]:
    """Yield what a name can be found by: itself, without folders, without suffix."""
    plain = PurePosixPath(_plain(name))
    yield f"name {name}"
    yield f"path {plain}"
    yield f"file {plain.name}"
    yield f"stem {plain.stem if _has_suffix(name) else plain.name}"


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/")).casefold()


def _has_suffix(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _images_below(folder: Path) -> list[str]:
    """Return the images in a folder and below, by their path from there, in natural order."""
    names = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    return sorted(
        (name for name in names if not any(part[0] == "." for part in name.split("/"))),
        key=natural_key,
    )


def _listed_stimuli(
    path: Path, images: Path, found: Sequence[str]
) -> tuple[Stimuli, list[Decision]]:
    names, sizes, notes = _read_list(path)
    matches, assumed = match_images(names, found)
    paths = [None if match is None else images / found[match] for match in matches]
    unknown = ~((sizes["width"] >= 1) & (sizes["height"] >= 1))  # also where NaN
    if without := [names[i] for i in np.flatnonzero(unknown) if paths[i] is None]:
        raise DataError(
            f"{printable(path)}: {len(without)} images have no size there and no file in"
            f" {printable(images)}, first {without[0]!r}; give one or the other"
        )
    what = f"{len(names)} images, of which {sum(p is not None for p in paths)} are at hand"
    listed = Decision("images", what, f"listed in {STIMULI_FILE}", "--images FOLDER", guessed=False)
    return _stimuli(tuple(names), paths, sizes), [listed, *notes, *assumed]


def _read_list(path: Path) -> tuple[list[str], dict[str, NDArray[np.float64]], list[Decision]]:
    """Return the names in `stimuli.csv`, what it says of their sizes, and what was assumed."""
    table = open_text_table(path)
    columns, notes = choose_columns(table.names, ("image", *_SIZES), {}, printable(path))
    if "image" not in columns:
        raise missing_columns(table.names, ["image"], printable(path))
    given = [role for role in _SIZES if role in columns]
    names: list[str] = []
    parts: list[list[NDArray[np.float64]]] = [[] for _ in given]
    for texts, numbers in table.batches([columns["image"]], [columns[role] for role in given]):
        names += texts[0]
        for part, values in zip(parts, numbers, strict=True):
            part.append(values)
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise DataError(f"{printable(path)}: lists {twice!r} twice; list each image once")
    sizes = {role: np.full(len(names), np.nan) for role in _SIZES}
    sizes |= {role: np.concatenate(part) for role, part in zip(given, parts, strict=True) if part}
    of_list = [
        replace(decision, step="images", what=f"{decision.what} in {STIMULI_FILE}")
        for decision in (*notes, *table.notes)
        if decision.guessed
    ]
    return names, sizes, of_list


def _stimuli(
    ids: tuple[str, ...], paths: Sequence[Path | None], known: dict[str, NDArray[np.float64]]
) -> Stimuli:
    """Return stimuli, with sizes from the files where they are not known."""
    size = np.stack([known["width"], known["height"]], axis=1)
    for i, path in enumerate(paths):
        if path is not None and not (size[i] >= 1).all():
            try:
                size[i] = upright_size(path)
            except StimulusError as error:
                raise DataError(f"{error}; or move it away") from error
    return Stimuli(
        ids=ids,
        paths=tuple(paths),
        width=size[:, 0].astype(np.int32),
        height=size[:, 1].astype(np.int32),
        pixels_per_degree=known["pixels_per_degree"],
    )
