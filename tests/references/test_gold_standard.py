from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from deepgaze2.data import Dataset, read_osie
from deepgaze2.errors import DataError
from deepgaze2.metrics.information import information_gain
from deepgaze2.references.baseline import CenterBiasFit, fit_center_bias, uniform_log_density
from deepgaze2.references.gold_standard import (
    GoldStandard,
    fit_gold_standard,
    joint_log_density,
    other_subjects_log_density,
)


def density_map(
    x: list[float], y: list[float], height: int, width: int, sigma: float
) -> NDArray[np.float64]:
    """Sum Gaussians at every pixel's center and normalize over the image, the obvious way."""
    density = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for xi, yi in zip(x, y, strict=True):
                squared = (column + 0.5 - xi) ** 2 + (row + 0.5 - yi) ** 2
                density[row, column] += np.exp(-squared / (2 * sigma**2))
    return np.asarray(density / density.sum())


@pytest.mark.parametrize("sigma", [0.9, 4.0, 60.0])
def test_agrees_with_maps_over_all_pixels(toy: Dataset, sigma: float) -> None:
    small = toy.select([0, 2])
    fast = other_subjects_log_density(small, sigma)
    for stimulus in range(2):
        own = small.fixations_on(stimulus)
        width, height = small.stimuli.width[stimulus], small.stimuli.height[stimulus]
        for subject in np.unique(own.subject):
            others = own[own.subject != subject]
            density = density_map(others.x.tolist(), others.y.tolist(), height, width, sigma)
            chosen = (small.fixations.stimulus == stimulus) & (small.fixations.subject == subject)
            row, column = own[own.subject == subject].pixel()
            np.testing.assert_allclose(fast[chosen], np.log(density[row, column]), rtol=1e-9)


def test_repeated_viewings_do_not_predict_one_another(toy: Dataset) -> None:
    n_subjects = int(toy.fixations.subject.max()) + 1
    second = toy.fixations.order % 2 == 1  # pretend that these are of another viewing
    subject = toy.fixations.subject + n_subjects * second
    names = tuple(f"{s} / {viewing}" for viewing in ("enc", "rec") for s in range(n_subjects))
    order = np.argsort(np.lexsort((toy.fixations.order, subject, toy.fixations.stimulus)))
    repeated = Dataset(
        "twice", toy.stimuli, replace(toy.fixations, subject=subject.astype(np.int32)), names
    )
    np.testing.assert_allclose(
        other_subjects_log_density(repeated, 4.0)[order], other_subjects_log_density(toy, 4.0)
    )


def test_a_narrow_kernel_far_from_all_others_does_not_underflow(toy: Dataset) -> None:
    assert np.isfinite(other_subjects_log_density(toy, 0.2)).all()


def test_a_subject_alone_on_an_image_is_scored_without_a_kernel_density(toy: Dataset) -> None:
    alone = toy.keep((toy.fixations.stimulus != 1) | (toy.fixations.subject == 0))
    on_image = alone.fixations.stimulus == 1
    np.testing.assert_array_equal(np.isnan(other_subjects_log_density(alone, 3.0)), on_image)
    baseline = fit_center_bias(alone).log_density
    gold = fit_gold_standard(alone, baseline)
    share = gold.weights[1] / gold.weights[1:].sum()
    expected = np.log(share * np.exp(baseline) + (1 - share) * np.exp(uniform_log_density(alone)))
    np.testing.assert_allclose(gold.log_density[on_image], expected[on_image])
    without = fit_gold_standard(alone.keep(~on_image), baseline[~on_image])
    assert gold.bandwidth_px == pytest.approx(without.bandwidth_px)
    np.testing.assert_allclose(gold.log_density[~on_image], without.log_density)


def test_bandwidth_and_weights_are_the_best(toy: Dataset) -> None:
    baseline = fit_center_bias(toy).log_density
    gold = fit_gold_standard(toy, baseline)
    fallback = np.exp([baseline, uniform_log_density(toy)])

    def log_likelihood(bandwidth_px: float, weights: NDArray[np.float64]) -> float:
        kde = np.exp(other_subjects_log_density(toy, bandwidth_px))
        return float(np.log(weights @ np.vstack([kde, fallback])).mean())

    best = gold.log_density.mean()
    assert log_likelihood(gold.bandwidth_px, gold.weights) == pytest.approx(best)
    for factor in (0.5, 0.8, 1.25, 2.0):
        assert log_likelihood(gold.bandwidth_px * factor, gold.weights) < best
    for other in np.eye(3):
        moved = 0.9 * gold.weights + 0.1 * other
        assert log_likelihood(gold.bandwidth_px, moved) <= best + 1e-6


@pytest.fixture(scope="module")
def fitted(toy: Dataset) -> tuple[CenterBiasFit, GoldStandard]:
    baseline = fit_center_bias(toy)
    return baseline, fit_gold_standard(toy, baseline.log_density)


@pytest.mark.parametrize("image", range(4))
def test_maps_are_densities_with_the_fitted_values(
    toy: Dataset, fitted: tuple[CenterBiasFit, GoldStandard], image: int
) -> None:
    baseline, gold = fitted
    on_image = toy.fixations_on(image)
    prior = baseline.log_density_map(image)
    for subject in np.unique(on_image.subject):
        found = gold.log_density_without(subject, toy, image, prior)
        assert found.shape == prior.shape
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
        others = on_image[on_image.subject != subject]
        height, width = prior.shape
        x, y = others.x.tolist(), others.y.tolist()
        kde = density_map(x, y, height, width, gold.bandwidth_px)
        expected = gold.weights[0] * kde + gold.weights[1] * np.exp(prior) + gold.weights[2] / 1200
        np.testing.assert_allclose(found, np.log(expected), atol=1e-6)
        rows = (toy.fixations.stimulus == image) & (toy.fixations.subject == subject)
        at_fixations = found[on_image[on_image.subject == subject].pixel()]
        np.testing.assert_allclose(at_fixations, gold.log_density[rows], rtol=1e-12)


def test_the_joint_gold_standard_is_an_upper_bound(
    toy: Dataset, fitted: tuple[CenterBiasFit, GoldStandard]
) -> None:
    baseline, gold = fitted
    joint = joint_log_density(gold, toy, baseline.log_density)
    expected = [
        gold.log_density_joint(on_image, baseline.log_density_map(i))[on_image.pixel()]
        for i, on_image in enumerate(map(toy.fixations_on, range(4)))
    ]
    np.testing.assert_allclose(joint, np.concatenate(expected), rtol=1e-12)
    assert joint.mean() > gold.log_density.mean()


def test_alone_on_an_image_the_map_is_the_baselines(
    toy: Dataset, fitted: tuple[CenterBiasFit, GoldStandard]
) -> None:
    baseline, gold = fitted
    prior = baseline.log_density_map(1)
    alone = gold.log_density_without(0, toy.of_subjects([0]), 1, prior)
    share = gold.weights[1] / gold.weights[1:].sum()
    np.testing.assert_allclose(alone, np.log(share * np.exp(prior) + (1 - share) / 1200), atol=1e-5)


def test_neither_the_order_of_fixations_nor_unseen_images_matter(toy: Dataset) -> None:
    """Fixations in another order of the scanpath, subjects renamed, an image nobody saw added."""
    n = len(toy.fixations)
    shuffled = np.random.default_rng(8).permutation(n).astype(np.int32)
    fixations = replace(toy.fixations, order=shuffled, subject=7 - toy.fixations.subject)
    another = replace(toy.select([0, 1, 2, 3, 0]), fixations=fixations)
    gold = fit_gold_standard(another, uniform_log_density(another))
    expected = fit_gold_standard(toy, uniform_log_density(toy))
    assert gold.bandwidth_px == pytest.approx(expected.bandwidth_px)
    np.testing.assert_allclose(np.sort(gold.log_density), np.sort(expected.log_density), rtol=1e-6)


def test_weights_agree_with_an_optimizer(
    toy: Dataset, fitted: tuple[CenterBiasFit, GoldStandard]
) -> None:
    baseline, gold = fitted
    kde = other_subjects_log_density(toy, gold.bandwidth_px)
    densities = np.exp([kde, baseline.log_density, uniform_log_density(toy)])

    def cost(free: NDArray[np.float64]) -> float:
        weights = np.exp(free - free.max())
        return -float(np.log(weights / weights.sum() @ densities).mean())

    best = -minimize(cost, np.zeros(3), tol=1e-12).fun
    assert gold.log_density.mean() == pytest.approx(best, abs=1e-5)


@pytest.mark.slow
def test_osie_is_near_the_reference(shared_data: Path) -> None:
    """100 other images of OSIE gave an independent program 0.49 and 2.28 bits."""
    dataset = read_osie(shared_data / "osie").without_first()
    baseline = fit_center_bias(dataset).log_density
    gold = fit_gold_standard(dataset, baseline)
    bits = information_gain(baseline, uniform_log_density(dataset)).mean()
    assert bits == pytest.approx(0.49, abs=0.02)
    gain = information_gain(gold.log_density, baseline).mean()
    assert gain == pytest.approx(2.28, abs=0.1)
    assert gold.bandwidth_px == pytest.approx(0.014 * np.hypot(800, 600), abs=1.5)
    np.testing.assert_allclose(gold.weights, [0.91, 0.087, 0.003], atol=0.015)
    joint = information_gain(joint_log_density(gold, dataset, baseline), baseline).mean()
    assert joint > gain + 0.5


def test_what_cannot_be_fitted_is_refused(toy: Dataset) -> None:
    baseline = uniform_log_density(toy)
    with pytest.raises(DataError, match="a baseline for 3"):
        fit_gold_standard(toy, baseline[:3])
    lonely = replace(toy.fixations, subject=np.zeros(len(baseline), np.int32))
    with pytest.raises(DataError, match="no image was seen by two subjects"):
        fit_gold_standard(replace(toy, fixations=lonely), baseline)
    outside = replace(toy.fixations, x=toy.fixations.x + 30)
    with pytest.raises(DataError, match="outside their stimulus"):
        fit_gold_standard(replace(toy, fixations=outside), baseline)
