"""What `data check` makes of a mutated export, compared with what was recorded."""

from collections import defaultdict
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from numpy.typing import NDArray

from deepgaze2.cli import cli
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DeepGazeError
from helpers.correct_exports import Export
from helpers.tracker_exports import Fixation

Array = NDArray[np.float64]
Scanpath = list[tuple[float, float, float, float]]


def outcome(folder: Path, export: Export) -> tuple[str, str]:
    """Return "refused", "warned", "right" or "SILENT", and the line or the difference."""
    result = CliRunner().invoke(cli, ["data", "check", f"csv:{folder}"])
    if isinstance(result.exception, DeepGazeError):  # `main` prints it and exits with 2
        return "refused", str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if result.exit_code == 2:
        return "refused", result.output
    first = result.stdout.splitlines()[0]
    if first.startswith(("WRONG", "LOOK")):
        return "warned", first
    difference = misread(read_tabular(folder), export)
    return ("SILENT", difference) if difference else ("right", first)


def misread(dataset: Dataset, export: Export) -> str:
    """Return how what was read differs from what was recorded; nothing if it does not."""
    read, true = _read(dataset), _recorded(export.truth)
    if "end" in export.without:
        return _not_among(read, true, export.near_px)
    if read.keys() != true.keys():
        return f"images {sorted(read.keys() ^ true.keys())[:3]} differ"
    for image in true:
        if len(read[image]) != len(true[image]):
            return f"{image}: {len(read[image])} scanpaths, not {len(true[image])}"
        left = [np.array(path) for path in true[image]]
        for path in map(np.array, read[image]):
            alike = [k for k, one in enumerate(left) if _alike(path, one, export.near_px)]
            if not alike:
                return f"{image}: nobody looked as if from {path[0]}"
            del left[alike[0]]
    names = {name.partition(" / ")[0] for name in dataset.subject_names}
    if "subject" not in export.without and names != {f.subject for f in export.truth}:
        return f"subjects {sorted(names)[:3]}"
    return ""


def _read(dataset: Dataset) -> dict[str, list[Scanpath]]:
    paths: dict[str, dict[int, Scanpath]] = defaultdict(lambda: defaultdict(list))
    f = dataset.fixations
    for i in range(len(f)):
        image = dataset.stimuli.ids[f.stimulus[i]]
        numbers = float(f.x[i]), float(f.y[i]), float(f.start_s[i]), float(f.duration_s[i])
        paths[image][int(f.subject[i])].append(numbers)
    return {image: sorted(found.values()) for image, found in paths.items()}


def _recorded(fixations: list[Fixation]) -> dict[str, list[Scanpath]]:
    paths: dict[str, dict[tuple[str, int], Scanpath]] = defaultdict(lambda: defaultdict(list))
    for f in sorted(fixations, key=lambda f: f.number):
        numbers = f.x, f.y, f.start_ms / 1000, f.duration_ms / 1000
        paths[f.image][f.subject, f.trial].append(numbers)
    return {image: sorted(found.values()) for image, found in paths.items()}


def _not_among(
    read: dict[str, list[Scanpath]], true: dict[str, list[Scanpath]], near_px: float
) -> str:
    """Return what was read that was not recorded, but for how long the last fixation lasts."""
    for image, found in read.items():
        for path in found:
            if not any(
                len(path) <= len(one)
                and _alike(_but_last(path), _but_last(one[: len(path)]), near_px)
                for one in true[image]
            ):
                return f"{image}: nobody looked like {path[-1]}"
    return ""


def _alike(read: Array, true: Array, near_px: float) -> bool:
    if read.shape != true.shape:
        return False
    known = np.isfinite(read[:, 2:])
    near = abs(read[:, :2] - true[:, :2]).max() <= near_px
    return bool(near and np.allclose(read[:, 2:][known], true[:, 2:][known], 0.02, 1e-3))


def _but_last(path: Scanpath) -> Array:
    """Return a scanpath without how long its last fixation lasts."""
    numbers = np.array(path)
    numbers[-1, 3] = np.nan
    return numbers
