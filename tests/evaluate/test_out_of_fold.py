"""Scores of a model on images, none of them by a readout or center bias that saw the image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.data import Dataset, Fixations, Stimuli
from deepgaze2.errors import StimulusError
from deepgaze2.evaluate.information import information_gain
from deepgaze2.evaluate.out_of_fold import fold_center_biases, folds_of, model_log_density
from deepgaze2.evaluate.report import evaluate_model
from deepgaze2.model import Model
from tiny import tiny_model, write_photos

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
    """Three readouts, of which readout k has not seen the images k and k + 3."""
    model = tiny_model(3)
    folds = (("0.png", "3.png"), ("1.png", "4.png"), ("2.png", "5.png"))
    return replace(model, card=replace(model.card, folds=folds, training={"data_set": "made up"}))


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

    foreign = replace(dataset, name="another")  # with images of the same names
    folds, seen = folds_of(model, foreign)
    assert not seen.any()
    assert sorted(folds) == list(range(6))

    ids = (*dataset.stimuli.ids[:5], "new")
    folds, seen = folds_of(model, replace(dataset, stimuli=replace(dataset.stimuli, ids=ids)))
    np.testing.assert_array_equal(folds[:5], FOLDS[:5])
    assert seen.tolist() == [True] * 5 + [False]


def test_trained_on_images_are_scored_by_the_readout_that_has_not_seen_them(
    model: Model, dataset: Dataset
) -> None:
    found = model_log_density(model, dataset)
    priors = fold_center_biases(dataset, FOLDS)
    fixations = dataset.fixations
    assert found.shape == (len(fixations),)
    for i in range(len(dataset.stimuli)):
        path = dataset.stimuli.path(i)
        alone = model.member(FOLDS[i]).predict(path, center_bias=priors[FOLDS[i]]).log_density
        for row in np.flatnonzero(fixations.stimulus == i):
            expected = alone[int(fixations.y[row]), int(fixations.x[row])]
            assert found[row] == pytest.approx(expected, abs=1e-5)


def test_other_images_are_scored_by_the_mixture(model: Model, dataset: Dataset) -> None:
    foreign = replace(dataset, name="another")
    folds, _ = folds_of(model, foreign)
    priors = fold_center_biases(foreign, folds)
    found = model_log_density(model, foreign)
    for i in range(len(foreign.stimuli)):
        path = foreign.stimuli.path(i)
        fixations = foreign.fixations_on(i)
        mixture = model.predict(path, center_bias=priors[folds[i]]).log_density
        rows = foreign.fixations.stimulus == i
        np.testing.assert_allclose(found[rows], mixture[fixations.pixel()], atol=1e-5)


def test_images_without_fixations_are_passed_over(model: Model, dataset: Dataset) -> None:
    some = dataset.keep(dataset.fixations.stimulus != 2)
    found = model_log_density(model, some)
    assert found.shape == (len(some.fixations),)
    assert np.isfinite(found).all()


def test_the_reports_numbers_belong_together(model: Model, dataset: Dataset) -> None:
    report = evaluate_model(model, dataset)
    assert (report.data_set, report.images, report.fixations) == ("made up", 6, 180)
    assert report.images_trained_on == 6
    assert report.explained == pytest.approx(report.model_bits / report.gold_bits)
    assert report.model_interval[0] < report.model_bits < report.model_interval[1]
    assert [fold["images"] for fold in report.folds] == [2, 2, 2]
    # Folds hold equally many fixations here.
    mean = np.mean([fold["model_bits"] for fold in report.folds])
    assert mean == pytest.approx(report.model_bits)
    assert sum(report.gold_weights) == pytest.approx(1)


def test_the_center_bias_itself_gains_next_to_nothing(model: Model, dataset: Dataset) -> None:
    """A readout that says nothing is worth what its prior is: that of the other folds."""
    mute = replace(model.readout, weights=tuple(w * 0 for w in model.readout.weights))
    report = evaluate_model(replace(model, readout=mute), dataset)
    assert abs(report.model_bits) < 0.1
    priors = fold_center_biases(dataset, FOLDS)
    size = zip(dataset.stimuli.height, dataset.stimuli.width, strict=True)
    expected = np.concatenate(
        [
            priors[FOLDS[i]].log_density(int(h), int(w))[dataset.fixations_on(i).pixel()]
            for i, (h, w) in enumerate(size)
        ]
    )
    found = model_log_density(replace(model, readout=mute), dataset)
    gain = information_gain(found, expected.astype(np.float64))
    np.testing.assert_allclose(gain, 0, atol=1e-4)


def test_a_missing_image_is_an_error(model: Model, dataset: Dataset, tmp_path: Path) -> None:
    paths = (tmp_path / "missing.png", *dataset.stimuli.paths[1:])
    without = replace(dataset, stimuli=replace(dataset.stimuli, paths=paths))
    with pytest.raises(StimulusError, match=r"missing\.png"):
        model_log_density(model, without)
