"""What is wrong with a data set: everything is read once, and each problem is counted."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.checks.alignment import Alignment, align, contrast_map, fixation_maps
from deepgaze2.data.checks.table_problems import Problem, listed, table_problems
from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import StimulusError
from deepgaze2.image.stimulus import printable, read_stimulus
from deepgaze2.support.progress import tracked

_COMPARED_IMAGES = 1000
_QUICKLY_COMPARED_IMAGES = 200
_CERTAIN_T = 4.0
_SMALLEST_SHIFT = 0.025  # of the image's size


def check(dataset: Dataset, other: Dataset | None = None) -> list[Problem]:
    """Read every image and every fixation and report what is wrong.

    Exchanged axes, mirroring and shifts are told by comparing the fixations with the local
    contrast of up to 1000 images, see `align`; with few images or none at hand, by their range.

    Parameters
    ----------
    dataset : Dataset
        With everything that the files hold: first fixations and those outside too.
    other : Dataset, optional
        Another recording on images with the same names, to compare with.

    Returns
    -------
    list of Problem
        Empty if nothing is wrong; fatal ones first.
    """
    problems, contrast = _read_images(dataset)
    problems += table_problems(dataset)
    problems += _misaligned(align(dataset, contrast), "the contrast of the images")
    if other is not None:
        maps = fixation_maps(other.without_outside())
        numbers = {name: i for i, name in enumerate(dataset.stimuli.ids)}
        shared = {
            numbers[name]: maps[i]
            for i, name in enumerate(other.stimuli.ids)
            if i in maps and name in numbers
        }
        problems += _misaligned(align(dataset, shared), f"the fixations of {other.name}")
    return sorted((p for p in problems if p.count), key=lambda problem: not problem.fatal)


def alignment_problems(dataset: Dataset) -> list[Problem]:
    """Return what the contrast of up to 200 images tells about the coordinates.

    Images that are missing or damaged are left out; of fewer than ten nothing can be told.
    """
    with_fixations = np.flatnonzero(np.diff(dataset.offsets))
    step = max(1, -(-len(with_fixations) // _QUICKLY_COMPARED_IMAGES))
    contrast = {}
    for i in with_fixations[::step].tolist():
        path = dataset.stimuli.paths[i]
        if path is not None:
            with suppress(StimulusError, OSError):
                contrast[i] = contrast_map(read_stimulus(path).pixels)
    return _misaligned(align(dataset, contrast), "the contrast of the images")


def _read_images(dataset: Dataset) -> tuple[list[Problem], dict[int, NDArray[np.float32]]]:
    """Decode all images; return their problems, and contrast maps of evenly chosen ones."""
    stimuli = dataset.stimuli
    with_fixations = np.flatnonzero(np.diff(dataset.offsets))
    step = max(1, -(-len(with_fixations) // _COMPARED_IMAGES))
    compared = set(with_fixations[::step].tolist())
    missing, damaged, resized = [], [], []
    contrast = {}
    for i, path in enumerate(tracked(stimuli.paths, "reading images", len(stimuli))):
        if path is None or not path.is_file():
            missing.append(stimuli.ids[i])
            continue
        try:
            stimulus = read_stimulus(path)
        except StimulusError as error:
            damaged.append(str(error))
            continue
        size, expected = (stimulus.width, stimulus.height), (stimuli.width[i], stimuli.height[i])
        if size != expected:
            resized.append(
                f"{printable(path)} has {size[0]} by {size[1]} pixels, "
                f"not {expected[0]} by {expected[1]}"
            )
        elif i in compared:
            contrast[i] = contrast_map(stimulus.pixels)
    return [
        listed("images that are missing", missing, True, "get them, or drop their fixations"),
        listed("images that cannot be read", damaged, True, "copy them again or save them anew"),
        listed(
            "images of another size than the table says",
            resized,
            True,
            "give the images on which the fixations were recorded, or scale the fixations too",
        ),
    ], contrast


def _misaligned(alignment: Alignment | None, reference: str) -> list[Problem]:
    """Return what a comparison with `reference` tells about the coordinates."""
    if alignment is None:
        return []
    n, right, down = alignment.n_images, alignment.shift_x, alignment.shift_y
    found = [
        Problem(
            f"fixations fit {reference} better {reading}",
            n,
            (f"t = {t:.1f} over {n} images",),
            True,
            "correct the coordinates, or the columns they are read from",
        )
        for reading, t in alignment.readings_t.items()
        if t > _CERTAIN_T
    ]
    if alignment.shift_t > _CERTAIN_T and max(abs(right), abs(down)) > _SMALLEST_SHIFT:
        where = f"{right:+.1%} of the width and {down:+.1%} of the height"
        found.append(
            Problem(
                f"fixations lie beside what they fit in {reference}",
                n,
                (f"{where}, t = {alignment.shift_t:.1f} over {n} images",),
                True,
                "take the offset between data and screen back",
            )
        )
    if not found and alignment.agreement_t < _CERTAIN_T / 2:
        found.append(
            Problem(
                f"fixations have no relation to {reference}",
                n,
                (f"t = {alignment.agreement_t:.1f} over {n} images",),
                False,
                "look whether each image has its own fixations, and where coordinates begin",
            )
        )
    return found
