"""Scores of a model on images, none of them by a readout or center bias that saw the image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepgaze2.data import Dataset, Fixations, Stimuli
from deepgaze2.errors import StimulusError
from deepgaze2.evaluation.out_of_fold import folds_of, out_of_fold
from deepgaze2.model import Model
from deepgaze2.references.baseline import fold_center_biases
from helpers.icc_profiles import ADOBE, GAMMA, profile
from helpers.small_models import tiny_model, with_readouts, write_photos

SIZES = [(40, 30), (30, 40), (40, 30), (24, 36), (40, 30), (32, 32)]
FOLDS = np.array([0, 1, 2, 0, 1, 2])


def random_fixations(n_images: int, per_image: int = 30) -> Fixations:
    rng = np.random.default_rng(0)
    n = n_images * per_image
    stimulus = np.repeat(np.arange(n_images), per_image).astype(np.int32)
    size = np.array(SIZES)[stimulus]
    position = np.clip(rng.normal(0.5, 0.2, (n, 2)), 0, 0.999) * size
    nan = np.full(n, np.nan, np.float32)
    subject = np.tile(np.arange(per_image) % 3, n_images).astype(np.int32)
    return Fixations(
        stimulus, subject, np.arange(n, dtype=np.int32), position[:, 0], position[:, 1], nan, nan
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    paths = write_photos(tmp_path_factory.mktemp("photos"), SIZES)
    width, height = np.array(SIZES, np.int32).T
    stimuli = Stimuli(
        tuple(path.name for path in paths), tuple(paths), width, height, np.full(6, np.nan)
    )
    return Dataset("made up", stimuli, random_fixations(6))


@pytest.fixture(scope="module")
def model() -> Model:
    """Three pairs of readouts, of which pair k has not seen the images k and k + 3."""
    model = tiny_model(6, n_folds=3)
    folds = (("0.png", "3.png"), ("1.png", "4.png"), ("2.png", "5.png"))
    training = model.card.training | {"data_set": "made up"}
    return replace(model, card=replace(model.card, folds=folds, training=training))


def foreign(dataset: Dataset) -> Dataset:
    """Another data set, two of whose images are called like images trained on."""
    ids = (*dataset.stimuli.ids[:2], *(f"other{i}.png" for i in range(4)))
    return replace(dataset, name="another", stimuli=replace(dataset.stimuli, ids=ids))


def moved(dataset: Dataset, fold: int, x_share: float) -> Dataset:
    """The data set with one fold's fixations near a column of the image."""
    fixations = dataset.fixations
    jitter = np.random.default_rng(1).uniform(-0.1, 0.1, len(fixations))
    x = (x_share + jitter) * dataset.stimuli.width[fixations.stimulus]
    x = np.where(FOLDS[fixations.stimulus] == fold, x, fixations.x)
    return replace(dataset, fixations=replace(fixations, x=x))


def test_a_folds_center_bias_is_the_others(dataset: Dataset) -> None:
    """Fold 0 looks to the right, the others to the left: its own prior expects the left."""
    apart = moved(moved(moved(dataset, 0, 0.85), 1, 0.15), 2, 0.15)
    priors = fold_center_biases(apart, FOLDS)
    assert len(priors) == 3
    right = [np.exp(prior.log_density(40, 40)[:, 20:]).sum() for prior in priors]
    # The others' priors know fold 0, half of their fixations.
    np.testing.assert_allclose(right[1:], 0.5, atol=0.1)
    assert right[0] < 0.35  # not zero: kernels are broad, since folds differ
    for prior in priors:
        assert np.exp(prior.template.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_folds_are_the_cards_on_its_own_data_only(model: Model, dataset: Dataset) -> None:
    folds, seen = folds_of(model, dataset)
    np.testing.assert_array_equal(folds, FOLDS)
    assert seen.all()
    np.testing.assert_array_equal(folds_of(model, dataset.select([4, 2]))[0], [1, 2])

    more = (*dataset.stimuli.ids[:5], "other.png")
    copy = replace(dataset, name="another", stimuli=replace(dataset.stimuli, ids=more))
    assert folds_of(model, copy)[1].tolist() == [True] * 5 + [False], "half of them are known"
    folds, seen = folds_of(model, foreign(dataset))
    assert not seen.any()
    assert sorted(folds) == list(range(6))

    ids = (*dataset.stimuli.ids[:5], "new")
    folds, seen = folds_of(model, replace(dataset, stimuli=replace(dataset.stimuli, ids=ids)))
    np.testing.assert_array_equal(folds[:5], FOLDS[:5])
    assert seen.tolist() == [True] * 5 + [False]


def test_trained_on_images_are_predicted_by_the_readouts_that_have_not_seen_them(
    model: Model, dataset: Dataset
) -> None:
    predict = out_of_fold(model, dataset)
    priors = fold_center_biases(dataset, FOLDS)
    for i in range(len(dataset.stimuli)):
        fold = FOLDS[i]
        first, second, both = (
            with_readouts(model, model.branches[0].readout.members(chosen))
            .predict(dataset.stimuli.path(i), center_bias=priors[fold])
            .log_density
            for chosen in ([2 * fold], [2 * fold + 1], [2 * fold, 2 * fold + 1])
        )
        np.testing.assert_allclose(predict(i), both, atol=1e-5)
        assert not np.allclose(first, second, atol=1e-2)


def test_other_images_are_predicted_by_the_mixture(model: Model, dataset: Dataset) -> None:
    other = foreign(dataset)
    folds, _ = folds_of(model, other)
    priors = fold_center_biases(other, folds)
    predict = out_of_fold(model, other)
    for i in range(len(other.stimuli)):
        mixture = model.predict(other.stimuli.path(i), center_bias=priors[folds[i]]).log_density
        np.testing.assert_allclose(predict(i), mixture, atol=1e-5)


def test_a_readout_that_says_nothing_is_worth_its_prior(model: Model, dataset: Dataset) -> None:
    (readout,) = (branch.readout for branch in model.branches)
    mute = replace(readout, weights=tuple(w * 0 for w in readout.weights))
    predict = out_of_fold(with_readouts(model, mute), dataset)
    priors = fold_center_biases(dataset, FOLDS)
    for i, (width, height) in enumerate(SIZES):
        expected = priors[FOLDS[i]].log_density(height, width)
        np.testing.assert_allclose(predict(i), expected, atol=1e-4)


def test_a_missing_image_is_an_error(model: Model, dataset: Dataset, tmp_path: Path) -> None:
    paths = (tmp_path / "missing.png", *dataset.stimuli.paths[1:])
    without = replace(dataset, stimuli=replace(dataset.stimuli, paths=paths))
    with pytest.raises(StimulusError, match=r"missing\.png"):
        out_of_fold(model, without)(0)


def test_color_profiles_count_for_photos_but_not_in_data_sets(model: Model, tmp_path: Path) -> None:
    """Readouts are trained on the numbers of images, which experiments send to the screen."""
    paths = write_photos(tmp_path, SIZES)
    width, height = np.array(SIZES, np.int32).T
    stimuli = Stimuli(
        tuple(f"x{path.name}" for path in paths), tuple(paths), width, height, np.full(6, np.nan)
    )
    dataset = Dataset("photos", stimuli, random_fixations(6))
    before, photo = out_of_fold(model, dataset)(0), model.predict(paths[0]).log_density
    with Image.open(paths[0]) as image:
        image.save(paths[0], icc_profile=profile(b"RGB ", GAMMA, ADOBE))
    np.testing.assert_array_equal(out_of_fold(model, dataset)(0), before)
    predicted = model.predict(paths[0])
    assert (predicted.log_density != photo).any()
    assert "to sRGB" in predicted.stimulus.notes[0]
