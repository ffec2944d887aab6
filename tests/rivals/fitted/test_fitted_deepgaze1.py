"""DeepGaze I fitted in folds: an image's own fixations change nothing of its prediction."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from deepgaze2.data import Dataset
from deepgaze2.errors import WeightsError
from deepgaze2.evaluation.candidates import open_candidate
from deepgaze2.references.references import fit_references
from deepgaze2.rivals.fitted import deepgaze1, fitted_deepgaze1
from deepgaze2.rivals.fitted.fitted_deepgaze1 import FittedDeepGaze1
from features.test_alexnet import tensors
from helpers.small_datasets import patches
from helpers.small_models import random_backbone


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fitted_deepgaze1, "find_stored_backbone", lambda _: random_backbone())
    monkeypatch.setattr(fitted_deepgaze1, "_FOLDS", 2)
    monkeypatch.setattr(deepgaze1, "_MAX_STEPS", 8)  # no need to converge
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return patches(tmp_path_factory.mktemp("patches"), 6).without_first()


def test_it_is_a_density_that_does_not_depend_on_the_images_own_fixations(
    dataset: Dataset,
) -> None:
    model = FittedDeepGaze1(dataset, None, "ncnn")
    found = model.log_density(3)
    assert found.shape == (100, 150)
    assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    fixations = dataset.fixations
    x = np.where(fixations.stimulus == 3, 1.5, fixations.x)
    moved = replace(dataset, fixations=replace(fixations, x=x))
    other = FittedDeepGaze1(moved, None, "ncnn")
    # The center bias' two parameters are those of all fixations, as the baseline's are.
    other._priors = model._priors
    np.testing.assert_allclose(other.log_density(3), found, atol=1e-4)
    elsewhere = next(i for i in range(6) if model._folds[i] != model._folds[3])
    assert np.abs(other.log_density(elsewhere) - model.log_density(elsewhere)).max() > 0.01


def test_alexnets_layer_is_taken_once_its_weights_are_given(
    dataset: Dataset, tmp_path: Path
) -> None:
    save_file(tensors(), tmp_path / "alexnet.safetensors")
    references = fit_references(dataset)
    candidate = open_candidate(f"deepgaze1:{tmp_path / 'alexnet.safetensors'}", references)
    assert "AlexNet" in candidate.note
    (view,) = candidate.views(0)
    assert np.exp(view.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    assert candidate.identity != open_candidate("deepgaze1", references).identity


def test_a_fit_that_fails_is_not_tried_again_for_each_image(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def missing(name: str) -> None:
        asked.append(name)
        raise WeightsError("no weights")

    monkeypatch.setattr(fitted_deepgaze1, "find_stored_backbone", missing)
    model = FittedDeepGaze1(dataset, None, "ncnn")
    for i in range(4):
        with pytest.raises(WeightsError, match="no weights"):
            model.log_density(i)
    assert len(asked) == 1
