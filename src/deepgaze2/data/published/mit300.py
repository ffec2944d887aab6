"""MIT300 (Judd, Durand, Torralba 2012): 300 images of a benchmark whose fixations are private.

Layout of http://saliency.mit.edu/BenchmarkIMAGES.zip: `i1.jpg` to `i300.jpg`.
"""

from pathlib import Path

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import image_paths, stimuli_of
from deepgaze2.data.published.scanpaths import fixations_of

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
    stimuli = stimuli_of(image_paths(Path(folder), "i*.jpg"), PIXELS_PER_DEGREE)
    private = "The fixations of MIT300 are private: its benchmark scores predictions sent to it."
    return Dataset("MIT300", stimuli, fixations_of([]), notes=(private,))
