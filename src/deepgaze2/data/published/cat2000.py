"""CAT2000 (Borji, Itti 2015): 2000 images of 1920×1080 in 20 categories, 18 observers, 5 s each.

Layout of http://saliency.mit.edu/trainSet.zip: `Stimuli/<category>/001.jpg` and
`FIXATIONLOCS/<category>/001.mat`, a map of fixated pixels. Its `allFixData.mat`, which also
knows subjects and order, holds an object that only Matlab can read.
"""

from dataclasses import replace
from pathlib import Path

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import image_paths, stimuli_of
from deepgaze2.data.published.matlab import matlab_content
from deepgaze2.data.published.scanpaths import UNORDERED, fixations_of, marked_pixels
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import tracked


def read_cat2000(folder: str | Path) -> Dataset:
    """Read CAT2000's training images and the maps of fixated pixels.

    Subjects and order are lost, and fixations at the same pixel count once: there are fewer than
    the 672053 in `allFixData.mat`; a file of the set that pysaliency wrote has those, see
    `read_pysaliency`. EXIF orientation is ignored.

    Parameters
    ----------
    folder : str or Path
        Contains `Stimuli` and `FIXATIONLOCS`.

    Returns
    -------
    Dataset
        Stimuli in natural order, called `<category>/<file>`; all fixations are of subject 0, and
        their order says nothing.

    Raises
    ------
    DataError
        If images or maps are missing or damaged.
    """
    images, maps = Path(folder) / "Stimuli", Path(folder) / "FIXATIONLOCS"
    paths = [
        path
        for path in image_paths(images, "[!.]*/[!.]*.jpg")
        if path.parent.name != "Output" and not path.stem.endswith("_SaliencyMap")
    ]
    if not maps.is_dir():
        raise DataError(
            f"{printable(maps)}: missing; give the folder of the training images, `trainSet`"
            " (fixations on the test images are private)"
        )
    ids = tuple(path.relative_to(images).as_posix() for path in paths)
    stimuli = replace(stimuli_of(paths), ids=ids)
    fixated = []
    for i, name in enumerate(tracked(ids, "reading", len(ids), delay_s=2)):
        with matlab_content((maps / name).with_suffix(".mat"), "a map of fixated pixels") as map_:
            (marked,) = map_.values()
            fixated.append(marked_pixels(stimuli, i, marked))
    return Dataset("CAT2000", stimuli, fixations_of(fixated), notes=(UNORDERED,))
