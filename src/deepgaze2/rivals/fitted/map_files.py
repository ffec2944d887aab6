"""Anybody's maps: one for each image, in a folder or in one HDF5 file as pysaliency writes it."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import logsumexp

from deepgaze2.data.dataset import Dataset, Stimuli
from deepgaze2.data.published.matlab import load_matlab
from deepgaze2.errors import DataError
from deepgaze2.image.formats import SUFFIXES as IMAGE_SUFFIXES
from deepgaze2.image.stimulus import printable

_HDF5_SUFFIXES = (".h5", ".hdf5")
_SUFFIXES = (".npy", ".npz", ".mat", *IMAGE_SUFFIXES)
_MAX_LOG_MASS = 0.001  # what the metrics accept, see `optimal_maps`


@dataclass(frozen=True)
class MapFiles:
    """Where the map of each image of a data set lies.

    Attributes
    ----------
    stimuli : Stimuli
        The images.
    place : Path
        The folder or the HDF5 file.
    keys : tuple of str
        For each image its file in the folder, or its name in the HDF5 file.
    """

    stimuli: Stimuli
    place: Path
    keys: tuple[str, ...]

    @property
    def identity(self) -> str:
        """Checksum of the files' names, sizes and times."""
        digest = hashlib.sha256()
        files = [self.place] if self.place.is_file() else [self.place / key for key in self.keys]
        for path in files:
            status = path.stat()
            digest.update(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def saliency(self, i: int) -> NDArray[np.float32]:
        """Return an image's saliency map, (H, W); of another size, it is resized bilinearly.

        Raises
        ------
        DataError
            If it is damaged, has colors, or holds what is not a finite number.
        """
        values = self._read(i)
        if not np.isfinite(values).all():
            raise DataError(
                f"{self._label(i)}: holds values that are not finite numbers; replace them"
            )
        size = int(self.stimuli.width[i]), int(self.stimuli.height[i])
        if values.shape != size[::-1]:
            values = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
        return values

    def log_density(self, i: int) -> NDArray[np.float32]:
        """Return an image's log density in nats, (H, W), as it was written.

        Raises
        ------
        DataError
            If it is damaged, of another size than the image, or does not sum to one within 0.1%.
        """
        values = self._read(i)
        shape = int(self.stimuli.height[i]), int(self.stimuli.width[i])
        if values.shape != shape:
            raise DataError(
                f"{self._label(i)}: has {values.shape[1]} by {values.shape[0]} pixels, its image"
                f" {shape[1]} by {shape[0]}; write it at the image's size"
            )
        log_mass = float(logsumexp(values.astype(np.float64)))
        if not abs(log_mass) <= _MAX_LOG_MASS:
            raise DataError(
                f"{self._label(i)}: not a log density in nats (its exponential sums to"
                f" {np.exp(log_mass):.5g}, not 1); normalize it, or give it as maps:{self.place}"
            )
        return values

    def _label(self, i: int) -> str:
        return printable(self.place / self.keys[i])

    def _read(self, i: int) -> NDArray[np.float32]:
        path = self.place / self.keys[i]
        try:
            if self.place.is_file():
                values = _from_hdf5(self.place, self.keys[i])
            elif path.suffix.lower() in IMAGE_SUFFIXES:
                values = _from_picture(path)
            elif path.suffix.lower() == ".mat":
                values = _only_one(load_matlab(path), self._label(i))
            else:
                with path.open("rb") as stream:  # which NumPy leaves open if it is damaged
                    loaded = np.load(stream, allow_pickle=False)
                    values = (
                        loaded
                        if isinstance(loaded, np.ndarray)
                        else _only_one(dict(loaded), self._label(i))
                    )
            values = np.asarray(values, dtype=np.float32)
        except DataError:
            raise
        except Exception as error:  # of damaged files, NumPy and Pillow raise whatever they meet
            raise DataError(
                f"{self._label(i)}: cannot be read ({error}); write it again"
            ) from error
        return _gray(values, self._label(i))


def open_maps(place: Path, dataset: Dataset) -> MapFiles:
    """Find the map of each image of a data set.

    Parameters
    ----------
    place : Path
        A folder with one file for each image, called like it but for the suffix (.npy, .npz, .mat
        or an image's), in sub-folders where the data set's images are; or an HDF5 file with one
        array for each image under its name.
    dataset : Dataset
        The images.

    Raises
    ------
    DataError
        If the place does not exist, an image has no map or more than one, or two images are
        called alike but for their suffixes.
    """
    stimuli = dataset.stimuli
    names = [_stem(name) for name in stimuli.ids]
    if alike := [name for name, n in Counter(names).items() if n > 1]:
        raise DataError(
            f"{dataset.name}: several images are called {printable(alike[0])}, whose maps cannot be"
            " told apart; rename all but one"
        )
    found = _names_in_hdf5(place) if place.is_file() else _names_in_folder(place)
    by_stem: dict[str, list[str]] = {}
    for key in found:
        by_stem.setdefault(_stem(key), []).append(key)
    if missing := [name for name in names if name not in by_stem]:
        there = f"the first one there is {printable(found[0])}" if found else "it holds none"
        raise DataError(
            f"{printable(place)}: no map for {len(missing)} of {len(names)} images, such as"
            f" {printable(missing[0])}; {there}; call each like its image"
        )
    if doubled := [by_stem[name] for name in names if len(by_stem[name]) > 1]:
        raise DataError(
            f"{printable(place)}: {' and '.join(map(printable, doubled[0]))} are of one image;"
            " leave one of them"
        )
    return MapFiles(stimuli, place, tuple(by_stem[name][0] for name in names))


def _stem(name: str) -> str:
    """Return a name without an image's or an array's suffix, with forward slashes."""
    path = PureWindowsPath(name)
    known = path.suffix.lower() in _SUFFIXES
    return (path.with_suffix("") if known else path).as_posix()


def _names_in_folder(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(
            f"{printable(folder)}: is neither a folder of maps nor an HDF5 file; check the path"
        )
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES]
    return [PurePath(path.relative_to(folder)).as_posix() for path in paths if path.name[0] != "."]


def _names_in_hdf5(path: Path) -> list[str]:
    import h5py

    if path.suffix.lower() not in _HDF5_SUFFIXES:
        raise DataError(f"{printable(path)}: not a folder; give one, or an .hdf5 file")
    names: list[str] = []
    try:
        with h5py.File(path, "r") as file:
            file.visititems(
                lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
            )
    except OSError as error:
        raise DataError(
            f"{printable(path)}: not an HDF5 file, or damaged; write it again"
        ) from error
    return names


def _from_picture(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        is_gray = image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")
        return np.asarray(image if is_gray else image.convert("RGB"))


def _from_hdf5(path: Path, key: str) -> NDArray[Any]:
    import h5py

    with h5py.File(path, "r") as file:
        return np.asarray(file[key])


def _only_one(arrays: dict[str, Any], label: str) -> NDArray[Any]:
    values = [value for name, value in arrays.items() if not name.startswith("__")]
    if len(values) != 1:
        raise DataError(f"{label}: holds {len(values)} arrays; save the map alone")
    return np.asarray(values[0])


def _gray(values: NDArray[np.float32], label: str) -> NDArray[np.float32]:
    if values.ndim == 3 and values.shape[2] == 3 and (values == values[..., :1]).all():
        values = np.ascontiguousarray(values[..., 0])
    if values.ndim != 2:
        raise DataError(
            f"{label}: has shape {values.shape}, or colors; give one number for each pixel"
        )
    return values
