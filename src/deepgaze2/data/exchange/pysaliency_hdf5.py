"""The HDF5 files of pysaliency (https://github.com/matthias-k/pysaliency), read.

Known are Stimuli 1.0 and 1.1, FileStimuli 1.0 to 2.1, Fixations 1.0 to 1.2, FixationTrains 1.0
to 1.3 and ScanpathFixations 1.0; of newer ones it is said that they are newer.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.own.conventions import scanpath_order
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.files import cache_directory, written_atomically
from deepgaze2.support.progress import tracked

_NEWEST = {
    "Stimuli": "1.1",
    "FileStimuli": "2.1",
    "Fixations": "1.2",
    "FixationTrains": "1.3",
    "ScanpathFixations": "1.0",
}
_STIMULI = ("Stimuli", "FileStimuli")
_DURATIONS = ("durations", "duration")
_KEPT = {"subject", "subjects", "scanpath_index", "order", "ts", *_DURATIONS}


def read_pysaliency(source: str | Path) -> Dataset:
    """Read stimuli and fixations that pysaliency or `write_pysaliency` wrote.

    Images that lie in the file itself are written to the cache as PNG.

    Parameters
    ----------
    source : str or Path
        A file with stimuli, or with stimuli and fixations as its groups, or a folder with
        `stimuli.hdf5` and `fixations.hdf5`. For a file `fixations*.hdf5` without stimuli they are
        read from `stimuli*.hdf5` beside it.

    Returns
    -------
    Dataset
        Starts are unknown where the file counts fixations instead. Attributes other than
        durations are left out. `notes` says so.

    Raises
    ------
    DataError
        If stimuli are missing, or a file is damaged or of another format.
    """
    source = Path(source)
    stimuli: list[Stimuli] = []
    fixations: list[Fixations] = []
    subject_names: tuple[str, ...] = ()
    notes: list[str] = []
    for path in _files(source):
        with _opened(path) as file:
            for group in _objects(file):
                notes += _newer(group)
                if _text(group.attrs["type"]) in _STIMULI:
                    stimuli.append(_read_stimuli(group, path, notes))
                else:
                    fixations.append(_read_fixations(group, notes))
                    subject_names = tuple(_names(group, "subject_names"))
    if len(stimuli) != 1 or len(fixations) > 1:
        raise DataError(
            f"{printable(source)}: holds {len(stimuli)} sets of stimuli and {len(fixations)} of"
            " fixations; give a file or folder with one of each"
        )
    if not fixations:
        nothing: Any = np.zeros(0)
        fixations.append(Fixations(*[nothing] * 7))
    return Dataset(source.stem, stimuli[0], fixations[0], subject_names, tuple(notes))


def _files(source: Path) -> list[Path]:
    if source.suffix == ".pydat":
        raise DataError(
            f"{printable(source)}: is a pickle, which can run any program when it is read; load it"
            " with pysaliency and save it with to_hdf5"
        )
    if source.is_dir():
        both = [source / "stimuli.hdf5", source / "fixations.hdf5"]
        if not both[0].is_file():
            raise DataError(f"{printable(source)}: no stimuli.hdf5; give the HDF5 file's own path")
        return [path for path in both if path.is_file()]
    beside = source.with_name(source.name.replace("fixations", "stimuli", 1))
    return [source, beside] if beside != source and beside.is_file() else [source]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; what goes wrong in it becomes a DataError."""
    import h5py

    try:
        with h5py.File(path) as file:
            yield file
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{printable(path)}: does not exist; check the path") from error
    except (OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{printable(path)}: not a readable file of pysaliency's ({reason}); save it anew"
        ) from error


def _objects(file: Any) -> list[Any]:  # noqa: ANN401, h5py has no types
    """Return the groups that hold stimuli or fixations: the file itself or groups in it."""
    groups = [file, *(member for member in file.values() if hasattr(member, "keys"))]
    found = [group for group in groups if _text(group.attrs.get("type", "")) in _NEWEST]
    if not found:
        raise DataError(
            f"{printable(file.filename)}: holds neither stimuli nor fixations of pysaliency's; to"
            " read another format name its reader"
        )
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _names(group: Any, attribute: str = "__attributes__") -> list[str]:  # noqa: ANN401
    return list(json.loads(_text(group.attrs.get(attribute, "[]"))))


def _newer(group: Any) -> list[str]:  # noqa: ANN401
    kind, version = _text(group.attrs["type"]), _text(group.attrs["version"])
    if [int(part) for part in version.split(".")] <= [int(p) for p in _NEWEST[kind].split(".")]:
        return []
    return [f"{kind} {version} is newer than what is known ({_NEWEST[kind]}): check the counts."]


def _left_out(names: set[str]) -> list[str]:
    if left := sorted(names - _KEPT):
        return [f"Attributes that are left out: {', '.join(left)}."]
    return []


def _read_stimuli(group: Any, path: Path, notes: list[str]) -> Stimuli:  # noqa: ANN401
    attributes = set(_names(group))
    if _text(group.attrs["type"]) == "FileStimuli":
        paths, sizes = _listed_files(group, path.parent)
    else:
        paths, sizes = _written_images(group, path)
        notes.append(f"Images lie in the file: they are written to {printable(paths[0].parent)}.")
    ppd = np.full(len(paths), np.nan)
    if "pixels_per_degree" in attributes:
        ppd = np.asarray(group["pixels_per_degree"][...], dtype=np.float64)
        attributes.remove("pixels_per_degree")
    notes += _left_out(attributes)
    return Stimuli(
        ids=_shortest_names(paths),
        paths=tuple(path if path.is_file() else None for path in paths),
        width=np.array([width for _, width in sizes], np.int32),
        height=np.array([height for height, _ in sizes], np.int32),
        pixels_per_degree=ppd,
    )


def _listed_files(group: Any, folder: Path) -> tuple[list[Path], list[tuple[int, int]]]:  # noqa: ANN401
    """Return paths, which are absolute in version 1.0, and (height, width)."""
    names = [_text(name) for name in group["filenames"][...]]
    paths = [folder / name for name in names]
    paths = [
        path if path.is_file() else folder / name.replace("\\", "/")  # written on Windows
        for path, name in zip(paths, names, strict=True)
    ]
    return paths, [(int(shape[0]), int(shape[1])) for shape in group["shapes"][...]]


def _written_images(group: Any, path: Path) -> tuple[list[Path], list[tuple[int, int]]]:  # noqa: ANN401
    """Write the images of a file to the cache unless they are there; return as above."""
    state = path.stat()
    key = f"{path.resolve()} {group.name} {state.st_size} {state.st_mtime_ns}"
    folder = cache_directory() / "pysaliency" / hashlib.sha256(key.encode()).hexdigest()[:16]
    n = int(group.attrs["size"])
    paths = [folder / f"{i}.png" for i in range(n)]
    for i in tracked(range(n), "writing images", n, delay_s=2):
        if paths[i].is_file():
            continue
        pixels = group[str(i)][...]
        if pixels.dtype != np.uint8:
            raise DataError(
                f"{printable(path)}: image {i} is {pixels.dtype}, not uint8; save it in 8 bits"
            )
        with written_atomically(paths[i]) as temporary:
            Image.fromarray(pixels).save(temporary, compress_level=1)
    return paths, [group[str(i)].shape[:2] for i in range(n)]


def _shortest_names(paths: list[Path]) -> tuple[str, ...]:
    """Return the ends of the paths that tell them apart, folders separated by slashes."""
    for length in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return tuple(names) if paths else ()


def _read_fixations(group: Any, notes: list[str]) -> Fixations:  # noqa: ANN401
    kind = _text(group.attrs["type"])
    if kind == "Fixations":
        return _separate_fixations(group, notes)
    if kind == "FixationTrains":
        n, subject, xs, ys, ts = (
            group[f"train_{name}"][...] for name in ("ns", "subjects", "xs", "ys", "ts")
        )
        lengths = group["train_lengths"][...] if "train_lengths" in group else None
        padded = group.get("scanpath_fixation_attributes", {})
        of_scanpaths = group.get("scanpath_attributes", {})
    else:
        group = group["scanpaths"]
        padded, of_scanpaths = group["fixation_attributes"], group["scanpath_attributes"]
        n, xs, ys = (group[name][...] for name in ("n", "xs", "ys"))
        subject, ts = of_scanpaths["subject"][...], padded["ts"][...]
        lengths = group["length" if "length" in group else "lengths"][...]
    position = np.broadcast_to(np.arange(xs.shape[1]), xs.shape)
    if lengths is None:  # what follows the last number is padding
        lengths = np.where(np.isfinite(xs), position + 1, 0).max(axis=1, initial=0)
    there = position < lengths[:, None]
    own = {name: padded[name][...][there] for name in padded if name in _KEPT}
    own |= {name: group[name][...] for name in _names(group) if name in _KEPT and name in group}
    notes += _left_out({*padded, *of_scanpaths, *_names(group)})
    return _fixations(
        group,
        stimulus=np.repeat(n, lengths),
        subject=np.repeat(subject, lengths),
        order=own.get("order", position[there]),
        x=xs[there],
        y=ys[there],
        t=ts[there],
        duration_s=next((own[name] for name in _DURATIONS if name in own), None),
        notes=notes,
    )


def _separate_fixations(group: Any, notes: list[str]) -> Fixations:  # noqa: ANN401
    """Read fixations that each have a history instead of being listed by scanpaths."""
    attributes = {name for name in _names(group) if not name.endswith("_hist")}
    notes += _left_out(attributes)
    stimulus, t = group["n"][...].astype(np.int32), group["t"][...]
    subject = group["subject" if "subject" in group else "subjects"][...].astype(np.int32)
    if "lengths" in group:
        order = group["lengths"][...]
    else:
        order = np.isfinite(group["x_hist"][...]).sum(axis=1)
    if not order.any():  # saved without history
        order, _ = scanpath_order(stimulus, subject, None, t)
        if order.any():
            notes.append("Fixations have no history: they are ordered by their times.")
    return _fixations(
        group,
        stimulus=stimulus,
        subject=subject,
        order=order,
        x=group["x"][...],
        y=group["y"][...],
        t=t,
        duration_s=next((group[name][...] for name in _DURATIONS if name in attributes), None),
        notes=notes,
    )


def _fixations(
    group: Any,  # noqa: ANN401
    *,
    order: NDArray[Any],
    t: NDArray[Any],
    duration_s: NDArray[Any] | None,
    notes: list[str],
    **columns: NDArray[Any],
) -> Fixations:
    unknown = np.full(len(t), np.nan, np.float32)
    if np.array_equal(t, order) and "times" not in group.attrs:
        notes.append("Times are the numbers of fixations: when they began is not known.")
        t = unknown
    return Fixations(
        order=order,
        start_s=t,
        duration_s=unknown if duration_s is None else duration_s,
        **columns,
    )
