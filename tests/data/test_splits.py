import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgaze2.data import image_folds
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
