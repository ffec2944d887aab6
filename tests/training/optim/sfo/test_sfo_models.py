"""The models of all subfunctions at once, against sums over explicit matrices."""

import numpy as np
import pytest

from deepgaze2.training.optim.sfo.sfo_hessian import whitening_of
from deepgaze2.training.optim.sfo.sfo_models import SubfunctionModels
from deepgaze2.training.optim.sfo.sfo_subspace import FloatArray

N, K, L = 4, 7, 3
RATIO = 1e8


def evaluated(seed: int = 0) -> tuple[SubfunctionModels, np.random.Generator]:
    """Return models of N - 1 active functions, evaluated one to six times."""
    rng = np.random.default_rng(seed)
    models = SubfunctionModels.at(rng.standard_normal(K), N, L)
    for j in range(N - 1):
        models.active[j] = True
        models.floors[j] = 5
        root = rng.standard_normal((K, K))
        for _ in range(1 + 2 * j + j // 2):
            models.counts[j] += 1
            z = rng.standard_normal(K)
            models.store(j, float(rng.standard_normal()), z, root @ root.T @ z + 1)
            models.renew_hessian(j, RATIO)
    return models, rng


def hessian_of(models: SubfunctionModels, j: int) -> FloatArray:
    directions = models.directions[j]
    hessian: FloatArray = directions.T @ np.diag(models.weights[j]) @ directions
    hessian += models.floors[j] * np.eye(K)
    return hessian


@pytest.mark.parametrize("seed", range(3))
def test_sums_and_distances_are_those_of_explicit_matrices(seed: int) -> None:
    models, rng = evaluated(seed)
    z = rng.standard_normal(K)
    hessians = [hessian_of(models, j) for j in range(N)]
    offsets = z - models.positions
    total = sum(hessians)
    gradients = [models.gradients[j] + hessians[j] @ offsets[j] for j in range(N)]
    np.testing.assert_allclose(models.sum_gradient(z), sum(gradients), rtol=1e-10)
    np.testing.assert_allclose(models.sum_hessian(), total, atol=1e-12)
    own = [o @ h @ o for o, h in zip(offsets, hessians, strict=True)]
    np.testing.assert_allclose(models.own_distances(z), own, rtol=1e-12)
    of_sum = [o @ total @ o for o in offsets]
    np.testing.assert_allclose(models.sum_distances(z), of_sum, rtol=1e-12)
    for j in range(N - 1):
        slope = models.gradients[j] @ offsets[j]
        expected = models.values[j] + slope + own[j] / 2
        assert models.predicted(j, z) == pytest.approx(expected, rel=1e-12)


def test_sum_of_hessians_follows_each_change_and_can_be_renewed() -> None:
    models, _ = evaluated()
    followed = models.low_rank_sum.copy()
    models.renew_sum()
    np.testing.assert_allclose(models.low_rank_sum, followed, atol=1e-12)


def test_inactive_subfunctions_add_nothing() -> None:
    models, rng = evaluated()
    before = models.sum_gradient(np.zeros(K))
    models.positions[N - 1] = rng.standard_normal(K)
    np.testing.assert_array_equal(models.sum_gradient(np.zeros(K)), before)


def test_hessian_maps_the_newest_step_to_its_change() -> None:
    models, _ = evaluated()
    step, change = models.steps[2, 0], models.changes[2, 0]
    np.testing.assert_allclose(hessian_of(models, 2) @ step, change, rtol=1e-9)


def test_a_rotation_of_coordinates_changes_no_distance() -> None:
    models, rng = evaluated()
    z = rng.standard_normal(K)
    rotation = np.linalg.qr(rng.standard_normal((K, K)))[0]
    before = models.own_distances(z), models.sum_distances(z)
    gradient = models.sum_gradient(z)
    models.transform(rotation)
    np.testing.assert_allclose(models.own_distances(z @ rotation), before[0], rtol=1e-10)
    np.testing.assert_allclose(models.sum_distances(z @ rotation), before[1], rtol=1e-10)
    np.testing.assert_allclose(models.sum_gradient(z @ rotation), gradient @ rotation, rtol=1e-9)


def unit(axis: int) -> FloatArray:
    vector: FloatArray = np.eye(K)[axis]
    return vector


def test_pairs_need_an_earlier_stored_evaluation() -> None:
    models = SubfunctionModels.at(unit(0), N, L)
    models.store(0, 1.0, unit(1), unit(2))
    assert not models.steps.any()
    models.store(0, 1.0, unit(1) + unit(3), unit(2) + 2 * unit(3))
    np.testing.assert_array_equal(models.steps[0], [unit(3), 0 * unit(0), 0 * unit(0)])
    np.testing.assert_array_equal(models.changes[0], [2 * unit(3), 0 * unit(0), 0 * unit(0)])


@pytest.mark.parametrize(
    ("step", "change", "kept"),
    [
        (unit(0), -2 * unit(0), True),  # negative curvature
        (unit(0), unit(1) + 1e-11 * unit(0), True),
        (unit(0), unit(1) + 1e-13 * unit(0), False),  # hardly any correlation
        (1e-11 * unit(0), unit(0), True),
        (1e-13 * unit(0), unit(0), False),
        (unit(0), 1e-11 * unit(0), True),
        (unit(0), 1e-13 * unit(0), False),
        (unit(0), 0 * unit(0), False),
    ],
)
def test_pairs_that_show_no_curvature_are_passed_over(
    step: FloatArray, change: FloatArray, kept: bool
) -> None:
    models = SubfunctionModels.at(np.zeros(K), N, L)
    models.store(0, 1.0, np.zeros(K), np.zeros(K))
    models.store(0, 2.0, step, change)
    assert models.steps[0].any() == kept
    assert models.values[0] == 2
    np.testing.assert_array_equal(models.positions[0], step)
    np.testing.assert_array_equal(models.gradients[0], change)


def test_history_is_newest_first_and_the_oldest_drops_out() -> None:
    models = SubfunctionModels.at(np.zeros(K), N, L)
    for count in range(L + 3):
        position = sum(((i + 1.0) * unit(0) for i in range(count)), np.zeros(K))
        models.store(0, 0.0, position, 3 * position)
    np.testing.assert_array_equal(models.steps[0, :, 0], [L + 2, L + 1, L])
    np.testing.assert_array_equal(models.changes[0], 3 * models.steps[0])


def test_without_a_history_curvature_is_the_median_of_the_sum_per_active_subfunction() -> None:
    models, _ = evaluated(1)
    models.active[3] = True
    models.counts[3] = 1
    expected = np.median(np.linalg.eigvalsh(models.sum_hessian())) / 4
    models.renew_hessian(3, RATIO)
    assert models.floors[3] == pytest.approx(expected)
    assert not models.weights[3].any()


def test_an_initial_curvature_that_hides_all_changes_is_lowered_with_a_warning() -> None:
    models = SubfunctionModels.at(np.zeros(K), 1, L)
    models.active[0] = True
    models.floors[0] = 1e30
    models.counts[0] = 3
    with pytest.warns(RuntimeWarning, match="initial_curvature too large"):
        models.renew_hessian(0, RATIO)
    assert models.floors[0] == pytest.approx(1e29)


def judged(counts: list[int], values: list[float]) -> SubfunctionModels:
    models = SubfunctionModels.at(np.zeros(1), len(counts), L)
    models.counts[:] = counts
    models.values[:] = values
    models.floors[:] = 2
    return models


def test_a_first_value_is_bad_if_it_lies_far_above_the_others() -> None:
    models = judged([1, 2, 2, 1], [np.nan, 1, 3, 100])  # mean 2, standard deviation 1
    assert not models.show_bad_step(0, 4.9, np.zeros(1), 0.0)
    assert models.show_bad_step(0, 5.1, np.zeros(1), 0.0)
    assert not judged([1, 1], [np.nan, 1]).show_bad_step(0, 1e9, np.zeros(1), 0.0)


@pytest.mark.parametrize(
    ("value", "promised", "bad"),
    [
        (0.9, -100.0, False),  # better than before, whatever was promised
        (2.9, 0.0, False),  # the others should have gained 1 to make up for the model's loss of 1
        (3.1, 0.0, True),
        (3.4, 0.5, False),
        (3.6, 0.5, True),
    ],
)
def test_a_further_value_is_bad_if_the_others_cannot_make_up_for_it(
    value: float, promised: float, bad: bool
) -> None:
    models = judged([2], [1.0])
    assert models.predicted(0, np.ones(1)) == 2  # curvature 2: the model is 1 + z²
    assert models.show_bad_step(0, value, np.ones(1), promised) == bad


def test_gradients_are_noisy_if_their_standard_error_exceeds_their_mean() -> None:
    models, _ = evaluated(2)
    hessian = models.sum_hessian()
    inverse = np.linalg.inv(hessian)
    active = models.gradients[: N - 1]
    mean = active.mean(0)
    noise = sum((d - mean) @ inverse @ (d - mean) for d in active) / ((N - 1) * (N - 2))
    ratio = noise / (mean @ inverse @ mean)
    whitening = whitening_of(hessian)
    assert models.gradient_is_noisy(whitening, 0.999 * ratio)
    assert not models.gradient_is_noisy(whitening, 1.001 * ratio)
