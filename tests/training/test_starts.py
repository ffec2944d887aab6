"""How images are divided that a model to go on from has seen."""

from dataclasses import replace

import numpy as np
import pytest

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from deepgaze2.training.sets import DataSets
from deepgaze2.training.starts import Start, kept_parts
from helpers.small_datasets import fixations_at, stimuli_of
from helpers.small_models import PAPER16, random_readout

DATASET = Dataset("lab", stimuli_of(8), fixations_at([0], [1], [1]))
SETS = DataSets((DATASET,))
APART = np.arange(8)
START = Start(random_readout(3, PAPER16), "base", (("0.png", "x.png"), ("2.png", "1.png"), ("y",)))


def test_images_that_the_start_has_not_seen_are_divided_anew() -> None:
    assert kept_parts(replace(START, folds=(("x.png",), ("y.png",))), SETS, APART, 0) is None
    assert kept_parts(replace(START, folds=()), SETS, APART, 0) is None


@pytest.mark.parametrize("seed", range(5))
def test_new_images_are_dealt_to_the_smallest_parts_with_those_like_them(seed: int) -> None:
    groups = np.array([0, 1, 2, 0, 4, 4, 6, 7])
    found = kept_parts(START, SETS, groups, seed)
    assert found is not None
    folds, parts = found
    assert parts.tolist() == [0, 1, 2]
    assert folds[:4].tolist() == [0, 1, 1, 0]
    assert folds[4:6].tolist() == [2, 2]
    assert sorted(np.bincount(folds)) == [2, 3, 3]
    again = kept_parts(START, SETS, groups, seed)
    assert again is not None
    np.testing.assert_array_equal(folds, again[0])


def test_parts_without_images_are_left_out() -> None:
    folds = (("0.png", "1.png", "2.png"), ("x",), ("3.png", "4.png"), ("5.png", "6.png", "7.png"))
    found = kept_parts(replace(START, folds=folds), SETS, APART, 0)
    assert found is not None
    assert found[0].tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert found[1].tolist() == [0, 2, 3]


def test_what_cannot_be_held_out_is_refused() -> None:
    ids = DATASET.stimuli.ids
    with pytest.raises(DataError, match="lab: all images are of one part of base"):
        kept_parts(replace(START, folds=(ids, ("x",))), SETS, APART, 0)
    with pytest.raises(DataError, match=r"lab: 0\.png, 1\.png are alike, but in several parts"):
        kept_parts(START, SETS, np.array([0, 0, 2, 3, 4, 5, 6, 7]), 0)
    seen = replace(START, folds=(), seen_by_all=("z", *ids[2:]))
    with pytest.raises(DataError, match=r"4.png and 3 more had been seen in base's pretraining or"):
        kept_parts(seen, SETS, APART, 0)
