"""What is wrong with a data set: everything is read once, and each problem is counted."""

from deepgaze2.data.checks.alignment import Alignment, align, contents, fixation_maps
from deepgaze2.data.checks.problem import Problem, listed
from deepgaze2.data.checks.table_problems import table_problems
from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import StimulusError
from deepgaze2.image.stimulus import printable, read_stimulus
from deepgaze2.support.progress import tracked

_CERTAIN_T = 5.0
_DOUBTFUL_T = 2.5
_LEAST_GAIN = 0.05  # nats per fixation
_NO_RELATION_T = 2.5


def check(dataset: Dataset, other: Dataset | None = None) -> list[Problem]:
    """Read every image and every fixation and report what is wrong.

    What a model says of the positions is `evaluation.placement_problems`, for which the images
    are predicted.

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
    problems = _read_images(dataset) + table_problems(dataset)
    if other is not None:
        maps = fixation_maps(other.without_outside())
        numbers = {name: i for i, name in enumerate(dataset.stimuli.ids)}
        shared = {
            numbers[name]: maps[i]
            for i, name in enumerate(other.stimuli.ids)
            if i in maps and name in numbers
        }
        found = align(dataset, contents(shared))
        problems += misaligned(found, f"the fixations of {other.name}")
    return in_order(problems)


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return those problems that a data set has, fatal ones first."""
    return sorted((p for p in problems if p.count), key=lambda problem: not problem.fatal)


def _read_images(dataset: Dataset) -> list[Problem]:
    """Decode all images and return their problems."""
    stimuli = dataset.stimuli
    missing, damaged, resized = [], [], []
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
    return [
        listed("images that are missing", missing, True, "get them, or drop their fixations"),
        listed("images that cannot be read", damaged, True, "copy them again or save them anew"),
        listed(
            "images of another size than the table says",
            resized,
            True,
            "give the images on which the fixations were recorded, or scale the fixations too",
        ),
    ]


def misaligned(alignment: Alignment | None, reference: str) -> list[Problem]:
    """Return what a comparison with `reference` tells about the coordinates."""
    if alignment is None:
        return []
    n, gain_t = alignment.n_images, alignment.gain_t
    if gain_t > _DOUBTFUL_T and alignment.gain > _LEAST_GAIN:
        return [
            Problem(
                f"images whose fixations fit {reference} better {alignment.reading}",
                n,
                (f"t = {gain_t:.1f} over {n} images",),
                gain_t > _CERTAIN_T,
                "correct the coordinates, or the columns they are read from",
                doubtful=True,
            )
        ]
    if alignment.agreement_t < _NO_RELATION_T:
        return [
            Problem(
                f"images whose fixations have no relation to {reference}",
                n,
                (f"t = {alignment.agreement_t:.1f} over {n} images",),
                False,
                "look whether each image has its own fixations, and where coordinates begin",
                doubtful=True,
            )
        ]
    return []
