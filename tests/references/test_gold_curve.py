from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit

from deepgaze2.data import Dataset, read_osie
from deepgaze2.errors import DataError
from deepgaze2.metrics.information import information_gain
from deepgaze2.references.baseline import uniform_log_density
from deepgaze2.references.gold_curve import _random_orders, fit_power_law, gold_curve
from deepgaze2.references.gold_standard import fit_gold_standard
from helpers.small_datasets import fixations_at, stimuli_of

N_IMAGES, N_SUBJECTS, N_EACH = 12, 7, 4


@pytest.fixture(scope="module")
def crowd() -> Dataset:
    """Seven subjects look at two spots of each image; on the last image there are but two."""
    rng = np.random.default_rng(3)
    stimulus, subject, order = np.indices((N_IMAGES, N_SUBJECTS, N_EACH)).reshape(3, -1)
    spots = rng.uniform((20, 20), (130, 80), (N_IMAGES, 2, 2))
    x, y = (
        spots[stimulus, rng.integers(2, size=len(stimulus))]
        + rng.normal(scale=6, size=(len(stimulus), 2))
    ).T
    fixations = fixations_at(stimulus, x, y, subject=subject, order=order)
    return Dataset("crowd", stimuli_of(N_IMAGES), fixations[(stimulus < 11) | (subject < 2)])


def test_the_last_point_is_the_gold_standard(crowd: Dataset) -> None:
    curve = gold_curve(crowd, uniform_log_density(crowd), n_resamples=200)
    np.testing.assert_array_equal(curve.n_others, np.arange(1, N_SUBJECTS))
    assert curve.images == 11
    same = crowd.select(np.arange(11))
    uniform = uniform_log_density(same)
    gold = fit_gold_standard(same, uniform)
    assert curve.bits[-1] == pytest.approx(information_gain(gold.log_density, uniform).mean())
    assert curve.bandwidth_px[-1] == pytest.approx(gold.bandwidth_px)
    np.testing.assert_allclose(curve.weights[-1], gold.weights)
    assert (np.diff(curve.bits) > 0).all()
    low, high = curve.interval.T
    assert ((low < curve.bits) & (curve.bits < high)).all()
    assert curve.bits[-1] < curve.limit
    assert curve.limit_interval[0] < curve.limit < curve.limit_interval[1]
    np.testing.assert_allclose(curve.at(curve.n_others), curve.bits, atol=0.1)


def test_each_subject_is_predicted_by_k_others(crowd: Dataset) -> None:
    """One subject more with each k, each of the others equally often, never oneself."""
    subject = crowd.fixations.subject
    counts = np.zeros((N_SUBJECTS, N_SUBJECTS))
    for seed in range(100):
        places = _random_orders(crowd, seed)
        for image in range(11):
            start = int(crowd.offsets[image])
            own = subject[start : start + N_SUBJECTS * N_EACH]
            first = places[start] < 1
            assert (first.sum(axis=1) == N_EACH).all()
            for k in range(1, N_SUBJECTS):
                chosen = own[places[start][0] < k]
                assert len(np.unique(chosen)) == k
                assert own[0] not in chosen
            counts[own[::N_EACH]] += first[::N_EACH, ::N_EACH]
    assert not counts.diagonal().any()
    expected = 1100 / (N_SUBJECTS - 1)
    error = np.sqrt(expected)
    np.testing.assert_allclose(counts[~np.eye(N_SUBJECTS, dtype=bool)], expected, atol=4 * error)


def test_seeds_draw_other_subjects(crowd: Dataset) -> None:
    uniform = uniform_log_density(crowd)
    first, again, other = (
        gold_curve(crowd, uniform, n_others=4, n_resamples=50, seed=seed).bits for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_power_law_is_recovered_and_agrees_with_scipy() -> None:
    k = np.arange(1, 15)
    rng = np.random.default_rng(1)
    exact = 2.8 - 1.5 * k**-0.43
    noisy = exact + rng.normal(scale=0.002, size=(3, 14))
    a, b, c = fit_power_law(k, np.vstack([exact, noisy]))
    np.testing.assert_allclose([a[0], b[0], c[0]], [2.8, 1.5, 0.43], rtol=0.01)
    for curve, found in zip(noisy, np.stack([a, b, c], 1)[1:], strict=True):
        expected, _ = curve_fit(lambda k, a, b, c: a - b * k**-c, k, curve, (3, 1, 0.5))
        np.testing.assert_allclose(found, expected, rtol=0.02)


def test_too_few_subjects_are_refused(crowd: Dataset) -> None:
    with pytest.raises(DataError, match="images that 8 subjects looked at"):
        gold_curve(crowd, uniform_log_density(crowd), n_others=7)
    few = crowd.of_subjects([0, 1, 2])
    with pytest.raises(DataError, match="images that 5 subjects looked at"):
        gold_curve(few, uniform_log_density(few))


@pytest.mark.slow
def test_osie_rises_beyond_its_fifteen_subjects(shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie").without_first().select(np.arange(0, 600, 10))
    curve = gold_curve(dataset, uniform_log_density(dataset), n_resamples=1000)
    assert curve.n_others[-1] == 14
    assert (np.diff(curve.bits) > 0).all()
    assert (np.diff(curve.bandwidth_px) < 0.5).all()  # more subjects, narrower kernels
    np.testing.assert_allclose(curve.at(curve.n_others), curve.bits, atol=0.03)
    assert curve.bits[-1] + 0.1 < curve.limit < curve.bits[-1] + 1.2
