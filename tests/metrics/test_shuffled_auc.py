import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from deepgaze2.data import Dataset, read_osie
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.errors import DataError
from deepgaze2.metrics.shuffled_auc import NonFixations, shuffled_auc, shuffled_auc_mit
from helpers.metric_maps import FIXATIONS, MAPS, WIDTH, random_map, stepped


@given(MAPS, FIXATIONS, FIXATIONS)
@settings(deadline=None)
def test_mean_is_the_area_under_the_roc_curve(map_: Any, fixations: Any, others: Any) -> None:
    values = shuffled_auc(map_, *fixations, *others)
    scores = np.concatenate([map_[fixations], map_[others]])
    labels = np.arange(len(scores)) < len(values)
    assert_allclose(values.mean(), roc_auc_score(labels, scores), rtol=1e-12)
    pixels, counts = np.unique(others[0] * WIDTH + others[1], return_counts=True)
    rows, columns = np.divmod(pixels, WIDTH)
    counted = shuffled_auc(map_, fixations[0], fixations[1], rows, columns, counts)
    assert_allclose(counted, values, rtol=1e-15)
    assert_array_equal(shuffled_auc(np.exp(map_), *fixations, *others), values)
    assert_array_equal(shuffled_auc(map_ * 0, *fixations, *others), 0.5)


def others_of(dataset: Dataset, image: int) -> list[tuple[int, int]]:
    """Scale one fixation after the other, as the definition says."""
    height, width = (int(s[image]) for s in (dataset.stimuli.height, dataset.stimuli.width))
    found = []
    for i, stimulus in enumerate(dataset.fixations.stimulus):
        if stimulus != image:
            y = dataset.fixations.y[i] * (height / dataset.stimuli.height[stimulus])
            x = dataset.fixations.x[i] * (width / dataset.stimuli.width[stimulus])
            found.append((int(y), int(x)))
    return sorted(found)


def test_nonfixations_are_all_other_images_fixations(toy: Dataset) -> None:
    nonfixations = NonFixations(toy)
    for image in (2, 0, 1, 3, 2):
        rows, columns, counts = nonfixations.of(image)
        repeated = np.repeat(np.stack([rows, columns], axis=1), counts, axis=0)
        assert sorted(map(tuple, repeated.tolist())) == others_of(toy, image)


def test_ten_other_images_are_other_images(toy: Dataset) -> None:
    nonfixations = NonFixations(toy)
    for image in range(4):
        rows, columns = nonfixations.of_some(image)  # there are but three
        assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == others_of(toy, image)
    drawn = {len(nonfixations.of_some(0, n_images=1, seed=seed)[0]) for seed in range(20)}
    assert drawn == {40, 30, 25}


def test_many_sizes_are_kept_within_bounds(toy: Dataset) -> None:
    stimuli = toy.select(np.tile(np.arange(4), 5)).stimuli
    sizes = stimuli.width.copy()
    sizes += np.arange(20, dtype=np.int32)
    grown = Dataset("grown", type(stimuli)(**{**vars(stimuli), "width": sizes}), toy.fixations)
    nonfixations = NonFixations(grown)
    for image in (*range(20), 0):
        rows, columns, counts = nonfixations.of(image)
        repeated = np.repeat(np.stack([rows, columns], axis=1), counts, axis=0)
        assert sorted(map(tuple, repeated.tolist())) == others_of(grown, image)
    assert len(nonfixations._of_size) <= 8


def test_many_sizes_may_be_asked_for_by_many_threads(
    toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    stimuli = toy.select(np.tile(np.arange(4), 5)).stimuli
    sizes = (stimuli.width + np.arange(20)).astype(np.int32)
    nonfixations = NonFixations(replace(toy, stimuli=replace(stimuli, width=sizes)))
    expected = [nonfixations.of(image)[2].sum() for image in range(20)]
    scaled = nonfixations._scaled

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.001)
        return scaled(*arguments)

    monkeypatch.setattr(nonfixations, "_scaled", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: nonfixations.of(i % 20)[2].sum(), range(100)))
    assert found == 5 * expected
    assert len(nonfixations._of_size) <= 8


@given(MAPS.filter(lambda m: m.min() < m.max()), FIXATIONS, FIXATIONS, st.integers(0, 9))
@settings(deadline=None)
def test_mit_by_its_definition(map_: Any, fixations: Any, others: Any, seed: int) -> None:
    unit = ((map_ - map_.min()) / (map_.max() - map_.min())).ravel()
    positives = unit[np.unique(fixations[0] * WIDTH + fixations[1])]
    negatives = unit[np.unique(others[0] * WIDTH + others[1])]
    found = shuffled_auc_mit(map_, *fixations, *others, seed=seed)
    if len(negatives) <= len(positives):  # all are drawn, in some order
        assert found == pytest.approx(stepped(positives, negatives), abs=1e-12)
    rng = np.random.default_rng(seed)
    draws = rng.permuted(np.tile(negatives, (100, 1)), axis=1)[:, : len(positives)]
    expected = np.mean([stepped(positives, draw) for draw in draws])
    assert found == pytest.approx(float(expected), abs=1e-12)


def test_empty_and_refused(toy: Dataset) -> None:
    map_ = random_map()
    assert shuffled_auc(map_, [], [], [0], [0]).shape == (0,)
    assert np.isnan(shuffled_auc(map_, [0], [0], [], [])).all()
    assert np.isnan(shuffled_auc_mit(map_, [0], [0], [], []))
    assert np.isnan(shuffled_auc_mit(map_, [], [], [0], [0]))
    with pytest.raises(DataError, match="outside the image"):
        shuffled_auc(map_, [0], [0], [60], [0])
    narrow = Dataset("narrow", toy.select([2, 2, 2, 2]).stimuli, toy.fixations)
    with pytest.raises(DataError, match="outside their stimulus"):
        NonFixations(narrow)
    map_[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        shuffled_auc(map_, [1], [1], [1], [1])


def test_any_map_is_at_chance_if_it_is_the_same_for_all_images(shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie").without_first().without_outside()
    center_bias = load_center_bias("osie").log_density(600, 800)
    nonfixations = NonFixations(dataset)
    scores = [
        shuffled_auc(center_bias, *dataset.fixations_on(i).pixel(), *nonfixations.of(i))
        for i in range(600)
    ]
    # each fixation meets each other image's, and of two one is above the other
    assert np.concatenate(scores).mean() == pytest.approx(0.5, abs=1e-4)
