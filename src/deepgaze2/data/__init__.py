"""Eye-tracking data: one table of stimuli and one of fixations, whatever the source."""

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.data.splits import image_folds

__all__ = ["Dataset", "Fixations", "Stimuli", "image_folds", "read_osie"]
