from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from deepgaze2.data import Dataset, image_folds, splits
from deepgaze2.data.splits import group_folds, near_duplicates
from deepgaze2.errors import DataError
from helpers.small_datasets import fixations_at, stimuli_of


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


@given(st.integers(2, 20), st.integers(0, 60), st.integers(0, 2**32))
def test_no_image_is_on_two_sides(k: int, more: int, seed: int) -> None:
    n = k + more
    dataset = Dataset("toy", stimuli_of(n), fixations_at(np.arange(n), np.arange(n), np.zeros(n)))
    folds = image_folds(n, k, seed)
    for part in range(k):
        inside, outside = dataset.select(folds == part), dataset.select(folds != part)
        assert set(inside.stimuli.ids).isdisjoint(outside.stimuli.ids)
        assert set(inside.stimuli.ids) | set(outside.stimuli.ids) == set(dataset.stimuli.ids)
        assert set(inside.fixations.x).isdisjoint(outside.fixations.x)


@given(st.data(), st.integers(2, 6), st.integers(0, 2**32))
def test_no_group_is_on_two_sides(data: st.DataObject, k: int, seed: int) -> None:
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=k, max_size=30))
    groups = np.random.default_rng(seed).permutation(
        np.repeat([f"group {i}" for i in range(len(sizes))], sizes)
    )
    folds = group_folds(groups, k, seed)
    assert folds.shape == groups.shape
    for name in set(groups):
        assert len(set(folds[groups == name])) == 1
    counts = np.bincount(folds, minlength=k)
    assert counts.min() > 0
    assert counts.max() - counts.min() <= max(sizes)
    np.testing.assert_array_equal(folds, group_folds(groups, k, seed))


def test_groups_of_one_image_are_divided_equally_and_at_random() -> None:
    folds = group_folds(np.arange(603), 10, seed=0)
    assert set(np.bincount(folds)) == {60, 61}
    assert (folds != group_folds(np.arange(603), 10, seed=1)).mean() > 0.8


def test_parts_that_hold_images_already_get_fewer() -> None:
    """Counted in the first way; where that is equal, in the next."""
    folds = group_folds(np.arange(8), 3, 0, [[4, 0, 0], [0, 0, 9]])
    counts = np.bincount(folds, minlength=3)
    assert counts.tolist() == [0, 4, 4]
    first = group_folds([0], 3, 0, [[4, 0, 0], [0, 9, 0]])
    assert first.tolist() == [2]


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DataError, match="2 groups into 3 parts"):
        group_folds([0, 0, 0, 5], 3, seed=0)


def test_near_duplicates_are_found_and_others_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "_BLOCK", 5)
    rng = np.random.default_rng(0)
    paths = []
    for i in range(6):
        cells = Image.fromarray(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8))
        image = cells.resize((320, 240), Image.Resampling.BICUBIC)
        variants = [
            image,
            image.resize((200, 150)),
            ImageEnhance.Brightness(image).enhance(0.8),
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        ]
        for j, variant in enumerate(variants):
            paths.append(tmp_path / f"{i}_{j}.jpg")
            variant.save(paths[-1], quality=60)
    shuffled = rng.permutation(24)
    scene = shuffled // 4
    groups = near_duplicates([paths[i] for i in shuffled])
    np.testing.assert_array_equal(groups[:, None] == groups, scene[:, None] == scene)
    assert near_duplicates([]).shape == (0,)


def test_the_photograph_that_osie_holds_twice(shared_data: Path) -> None:
    paths = sorted((shared_data / "osie" / "stimuli").glob("1[23]*.jpg"))
    groups = near_duplicates(paths)
    twice = [path.name for path in paths if (groups == groups[paths.index(path)]).sum() > 1]
    assert twice == ["1279.jpg", "1374.jpg"]
