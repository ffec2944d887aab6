import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgaze2.data import Dataset, Fixations, Stimuli, image_folds
from deepgaze2.data.splits import of_size
from deepgaze2.errors import DataError


@given(st.integers(2, 20), st.integers(0, 200), st.integers(0, 2**32))
def test_every_image_is_in_one_part_and_parts_are_equal(k: int, more: int, seed: int) -> None:
    folds = image_folds(k + more, k, seed)
    sizes = np.bincount(folds, minlength=k)
    assert folds.shape == (k + more,)
    assert len(sizes) == k
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(folds, image_folds(k + more, k, seed))


def test_parts_are_random() -> None:
    assert (image_folds(600, 10, seed=0) != image_folds(600, 10, seed=1)).mean() > 0.8


@pytest.mark.parametrize(("n_images", "k"), [(5, 6), (5, 1), (5, 0), (0, 2)])
def test_impossible_parts_are_refused(n_images: int, k: int) -> None:
    with pytest.raises(DataError, match=f"{n_images} images into {k} parts"):
        image_folds(n_images, k, seed=0)


def test_images_of_one_size_keep_their_fixations() -> None:
    n = np.arange(4)
    stimuli = Stimuli(
        ids=("a", "b", "c", "d"),
        paths=(None,) * 4,
        width=np.array([1024, 768, 1024, 1024], np.int32),
        height=np.array([768, 1024, 768, 767], np.int32),
        pixels_per_degree=np.full(4, 35.0),
    )
    i, f, xy = n.astype(np.int32), n.astype(np.float32), n + np.float64(0.5)
    dataset = Dataset("set", stimuli, Fixations(i, i, i, xy, xy, f, f))
    subset = of_size(dataset, 1024, 768)
    assert subset.stimuli.ids == ("a", "c")
    np.testing.assert_array_equal(subset.fixations.x, [0.5, 2.5])
    np.testing.assert_array_equal(subset.fixations.stimulus, [0, 1])
    with pytest.raises(DataError, match="no image is 768 by 768"):
        of_size(dataset, 768, 768)
