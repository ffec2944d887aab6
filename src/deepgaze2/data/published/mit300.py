"""MIT300 (Judd, Durand, Torralba 2012): 300 images of a benchmark whose fixations are private.

Layout of http://saliency.mit.edu/BenchmarkIMAGES.zip: `i1.jpg` to `i300.jpg`.
"""

from pathlib import Path

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import stimuli_of
from deepgaze2.data.published.scanpaths import fixations_of
from deepgaze2.errors import DataError
from deepgaze2.image.image_files import natural_key
from deepgaze2.image.stimulus import printable

PIXELS_PER_DEGREE = 35.0


def read_mit300(folder: str | Path) -> Dataset:
    """Read MIT300's images; nobody but the benchmark has the fixations.

    Parameters
    ----------
    folder : str or Path
        Contains the images.

    Returns
    -------
    Dataset
        Stimuli in natural order, without fixations.

    Raises
    ------
    DataError
        If there is no image, or one is damaged.
    """
    paths = sorted(Path(folder).glob("i*.jpg"), key=lambda path: natural_key(path.name))
    if not paths:
        raise DataError(f"{printable(folder)}: no images i1.jpg, ...; give the folder with them")
    private = "The fixations of MIT300 are private: its benchmark scores predictions sent to it."
    return Dataset(
        "MIT300", stimuli_of(paths, PIXELS_PER_DEGREE), fixations_of([]), notes=(private,)
    )
