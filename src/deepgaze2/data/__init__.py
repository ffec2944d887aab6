"""Eye-tracking data: one table of stimuli and one of fixations, whatever the source."""

from deepgaze2.data.osie import read_osie
from deepgaze2.data.splits import image_folds
from deepgaze2.data.table import Dataset, Fixations, Stimuli

__all__ = ["Dataset", "Fixations", "Stimuli", "image_folds", "read_osie"]
