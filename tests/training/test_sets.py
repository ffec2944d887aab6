"""Data sets that are trained on together: their parts, their names, images that are alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.splits import group_folds
from deepgaze2.errors import DataError
from deepgaze2.training.sets import DataSets, alike, data_sets, set_folds
from helpers.small_datasets import fixations_at, stimuli_of
from helpers.small_models import write_photos


def dataset_of(n: int, name: str = "lab", paths: list[Path] | None = None) -> Dataset:
    """Images with a fixation each; of these names where there are files."""
    stimuli = stimuli_of(n)
    if paths is not None:
        stimuli = replace(stimuli, ids=tuple(p.name for p in paths), paths=tuple(paths))
    return Dataset(name, stimuli, fixations_at(np.arange(n), np.ones(n), np.ones(n)))


def sets_of(*sizes: int) -> DataSets:
    return DataSets(tuple(dataset_of(n, f"set {number}") for number, n in enumerate(sizes)))


def spread(counts: NDArray[np.intp]) -> int:
    return int(counts.max() - counts.min())


@given(st.data(), st.integers(2, 6), st.integers(0, 2**32))
def test_each_set_is_divided_evenly_and_no_group_is_split(
    data: st.DataObject, k: int, seed: int
) -> None:
    sizes = data.draw(st.lists(st.integers(1, 25), min_size=1, max_size=4))
    sets, n = sets_of(*sizes), sum(sizes)
    n_groups = data.draw(st.integers(1, n))
    groups = np.random.default_rng(seed).integers(0, n_groups, n)
    if len(np.unique(groups)) < k:
        with pytest.raises(DataError, match=f"{k} folds, but only {len(np.unique(groups))} diff"):
            set_folds(sets, groups, k, seed)
        return
    folds = set_folds(sets, groups, k, seed)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    assert set(np.unique(folds)) == set(range(k))  # none is empty
    for number in range(len(sizes)):
        own = sets.number == number
        before = np.isin(groups, groups[sets.number < number])
        inherited = np.bincount(folds[own & before], minlength=k)
        new = np.unique(groups[own & ~before], return_counts=True)[1]
        largest = int(new.max()) if len(new) else 0
        assert spread(np.bincount(folds[own], minlength=k)) <= max(spread(inherited), largest)
    np.testing.assert_array_equal(folds, set_folds(sets, groups, k, seed))


@given(st.data(), st.integers(2, 6), st.integers(0, 2**32))
def test_one_set_is_divided_as_ever(data: st.DataObject, k: int, seed: int) -> None:
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=k, max_size=30))
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    found = set_folds(sets_of(len(groups)), groups, k, seed)
    np.testing.assert_array_equal(found, group_folds(groups, k, seed))


def test_small_sets_do_not_all_fill_the_first_parts() -> None:
    sets = sets_of(*([3] * 10))
    folds = set_folds(sets, np.arange(30), 10, 0)
    assert np.bincount(folds).tolist() == [3] * 10


def test_images_are_numbered_through() -> None:
    sets = sets_of(2, 3)
    assert sets.name == "set 0 + set 1"
    assert sets.ids == ("0.png", "1.png", "0.png", "1.png", "2.png")
    assert sets.number.tolist() == [0, 0, 1, 1, 1]
    assert sets.n_fixations.tolist() == [1] * 5
    assert len(sets.paths) == 5


@pytest.mark.parametrize(
    ("name", "viewing"),
    [
        ("OSIE", "osie"),
        ("CAT2000 train", "cat2000-train"),
        ("my@home: v1.2", "my-home-v1.2"),
        ("Küche 台所", "küche-台所"),
        ("../x", "x"),
        ("!?", "images"),
    ],
)
def test_a_viewings_name_can_be_typed_and_is_a_files(name: str, viewing: str) -> None:
    assert DataSets((dataset_of(1, name),)).names == (viewing,)


def test_images_without_fixations_are_left_out_and_equal_names_refused() -> None:
    first, second = dataset_of(3, "lab"), dataset_of(2, "Lab")
    with pytest.raises(DataError, match="two data sets are called lab; rename one") as caught:
        data_sets([first, second])
    assert "\n" not in str(caught.value)
    found = data_sets([first.keep(first.fixations.stimulus != 1), dataset_of(2, "other")])
    assert found.ids == ("0.png", "2.png", "0.png", "1.png")
    assert data_sets([]).ids == ()


def test_alike_are_near_duplicates_of_any_set_and_names_that_are_equal(tmp_path: Path) -> None:
    """A mirrored copy under another name; another image under the same name."""
    photos = write_photos(tmp_path / "photos", [(72, 54)] * 6)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name, scene in (("x", 0), ("y", 1), ("z", 2)):
        Image.open(photos[scene]).save(tmp_path / "a" / f"{name}.png")
    ImageOps.mirror(Image.open(photos[0])).save(tmp_path / "b" / "w.png")
    Image.open(photos[3]).save(tmp_path / "b" / "y.png")  # another image
    Image.open(photos[4]).save(tmp_path / "b" / "v.png")
    a = dataset_of(3, "a", [tmp_path / "a" / f"{name}.png" for name in "xyz"])
    b = dataset_of(3, "b", [tmp_path / "b" / f"{name}.png" for name in "wyv"])
    # Elsewhere, a name says nothing: mice are moved on the second scene under the third's name.
    (tmp_path / "c").mkdir()
    Image.open(photos[1]).save(tmp_path / "c" / "z.png")
    Image.open(photos[5]).save(tmp_path / "c" / "x.png")
    c = dataset_of(2, "c", [tmp_path / "c" / "z.png", tmp_path / "c" / "x.png"])
    own, others = alike(DataSets((a, b)), DataSets((c,)))
    x, y, z, w, other_y, v = own.tolist()
    assert x == w
    assert y == other_y
    assert len({x, y, z, v}) == 4
    assert others[0] == y
    assert others[1] not in own
    alone, nothing = alike(DataSets((a, b)), DataSets(()))
    assert len(nothing) == 0
    assert len(np.unique(alone)) == 4
