from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.data import Dataset, read_osie
from deepgaze2.errors import DataError
from deepgaze2.evaluate.baseline import fit_center_bias, uniform_log_density
from deepgaze2.evaluate.gold_standard import fit_gold_standard, other_subjects_log_density
from deepgaze2.evaluate.information import information_gain


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


def test_osie_is_near_the_reference(shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie").select(np.arange(0, 600, 10)).without_first()
    baseline = fit_center_bias(dataset).log_density
    gold = fit_gold_standard(dataset, baseline)
    assert information_gain(gold.log_density, baseline).mean() == pytest.approx(2.3, abs=0.2)
    assert gold.bandwidth_px == pytest.approx(14.5, abs=2)
    np.testing.assert_allclose(gold.weights, [0.91, 0.087, 0.003], atol=0.03)


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
