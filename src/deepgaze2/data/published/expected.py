"""What was read of a published data set, compared with what its declaration expects."""

import numpy as np

from deepgaze2.data.checks.problem import Problem
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.declared import Declaration, declared_datasets

_MEAN_PX = 0.01  # declared means have three decimals
_MANY_IMAGES = 100


def differences(dataset: Dataset, declaration: Declaration) -> list[Problem]:
    """Compare numbers and mean position with those of the published data set.

    Where the total that the literature reports is without fixations outside the images, they are
    compared without them. Of a part of the images only their number is compared.

    Parameters
    ----------
    dataset : Dataset
        All that the reader returns.
    declaration : Declaration
        Which data set it should be.

    Returns
    -------
    list of Problem
        Empty if all that is known agrees; missing images are not fatal, anything else is.
    """
    expect = declaration.expect
    images = _number("images", len(dataset.stimuli), expect.images, declaration)
    if images and len(dataset.stimuli) < (expect.images or 0):
        return images
    fixations = dataset.fixations
    if expect.fixations == np.count_nonzero(dataset.inside()):
        fixations = dataset.without_outside().fixations
    found = _number("fixations", len(fixations), expect.fixations, declaration, dataset)
    n_subjects = len(np.unique(fixations.subject))
    found += _number("subjects", n_subjects, expect.subjects, declaration)
    if expect.mean_x is not None and expect.mean_y is not None and len(fixations) and not found:
        x, y = float(np.nanmean(fixations.x)), float(np.nanmean(fixations.y))
        if max(abs(x - expect.mean_x), abs(y - expect.mean_y)) > _MEAN_PX:
            where = f"({x:.3f}, {y:.3f}) found, ({expect.mean_x}, {expect.mean_y}) expected"
            found.append(
                Problem(
                    "fixations whose mean position is not the published one",
                    len(fixations),
                    (where,),
                    True,
                    "look whether coordinates were changed, or fetch the set again",
                )
            )
    return images + found


def nearer_edition(dataset: Dataset, declaration: Declaration) -> Declaration | None:
    """Return the edition that has more nearly as many fixations per image than the declared one.

    Editions are sets of one layout, as SALICON's of 2015 and 2017, which have 317 and 460
    fixations per image. None if there is none, or there are fewer than 100 images.
    """
    n_images = len(dataset.stimuli)
    if n_images < _MANY_IMAGES or not len(dataset.fixations):
        return None

    def distance(edition: Declaration) -> float:
        expected = (edition.expect.fixations or np.nan) / (edition.expect.images or np.nan)
        ratio = abs(np.log(len(dataset.fixations) / n_images / expected))
        return float(np.nan_to_num(ratio, nan=np.inf))

    editions = [
        other
        for other in declared_datasets().values()
        if (other.reader, other.options) == (declaration.reader, declaration.options)
    ]
    nearest = min((declaration, *editions), key=distance)
    return None if nearest.name == declaration.name else nearest


def edition_note(dataset: Dataset, declaration: Declaration) -> tuple[str, ...]:
    """Return a note for the user if the data look like those of another edition."""
    if not (other := nearer_edition(dataset, declaration)):
        return ()
    per_image = len(dataset.fixations) / len(dataset.stimuli)
    return (
        f"{per_image:.0f} fixations per image, which is nearer to {other.name} than to"
        f" {declaration.name}: look which one it is.",
    )


def _number(
    what: str,
    found: int,
    expected: int | None,
    declaration: Declaration,
    dataset: Dataset | None = None,
) -> list[Problem]:
    """Return the problem that there are more or fewer than expected, if so."""
    if expected is None or found == expected:
        return []
    fewer_images = what == "images" and found < expected
    advice = f"fetch {declaration.title} again, or name the set that it is"
    if fewer_images:
        advice = "results on a part of the set are not those of the literature"
    elif dataset and (other := nearer_edition(dataset, declaration)):
        advice = f"it looks like {other.title}: name it {other.name}"
    return [
        Problem(
            f"{what} {'more' if found > expected else 'fewer'} than the published set has",
            abs(found - expected),
            (f"{found} found, {expected} expected",),
            not fewer_images,
            advice,
        )
    ]
