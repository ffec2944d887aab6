"""Curvature from a history, against BFGS on full matrices, and of histories that are not convex."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgaze2.training.optim.sfo.sfo_hessian import Curvature, curvature_of, whitening_of
from deepgaze2.training.optim.sfo.sfo_subspace import FloatArray

RATIO = 1e8
N_COORDINATES = 12


def dense(curvature: Curvature) -> FloatArray:
    low_rank = curvature.directions.T @ np.diag(curvature.weights) @ curvature.directions
    return curvature.floor * np.eye(len(low_rank)) + low_rank


def convex_history(seed: int, n_pairs: int) -> tuple[FloatArray, FloatArray]:
    """Return steps and gradient changes of a quadratic function with curvatures 1 to 1000."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((N_COORDINATES, N_COORDINATES)))[0]
    hessian = (axes * np.logspace(0, 3, N_COORDINATES)) @ axes.T
    steps = rng.standard_normal((n_pairs, N_COORDINATES)) * 10 ** rng.uniform(-6, 0, (n_pairs, 1))
    return steps, steps @ hessian


def inverse_bfgs(steps: FloatArray, changes: FloatArray, floor: float) -> FloatArray:
    """Return the Hessian by BFGS' update of the inverse, on full matrices."""
    identity = np.eye(steps.shape[1])
    inverse = identity / floor
    for s, y in zip(steps[::-1], changes[::-1], strict=True):
        shear = identity - np.outer(s, y) / (y @ s)
        inverse = shear @ inverse @ shear.T + np.outer(s, s) / (y @ s)
    return np.asarray(np.linalg.inv(inverse), np.float64)


@pytest.mark.parametrize("n_pairs", [1, 2, 5, 10])
@pytest.mark.parametrize("seed", range(5))
def test_convex_histories_give_what_bfgs_gives_on_full_matrices(seed: int, n_pairs: int) -> None:
    steps, changes = convex_history(seed, n_pairs)
    curvature = curvature_of(steps, changes, 1.0, RATIO)
    expected = inverse_bfgs(steps, changes, curvature.floor)
    np.testing.assert_allclose(dense(curvature), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(dense(curvature) @ steps[0], changes[0], rtol=1e-9)


def test_floor_is_the_smallest_curvature_that_the_pairs_show() -> None:
    steps = np.eye(3)[:2]
    curvature = curvature_of(steps, steps * [[2.0], [7.0]], 1.0, RATIO)
    assert curvature.floor == pytest.approx(2)
    np.testing.assert_allclose(dense(curvature), np.diag([2, 7, 2]), atol=1e-12)


def test_floor_is_kept_above_the_largest_curvature_over_the_ratio() -> None:
    steps = np.eye(3)[:2]
    changes = steps * [[1e-6], [7.0]]
    assert curvature_of(steps, changes, 1.0, RATIO).floor == pytest.approx(1e-6)
    assert curvature_of(steps, changes, 1.0, 100.0).floor == pytest.approx(0.07)


def test_negative_curvature_becomes_the_median_of_the_positive_ones() -> None:
    steps = np.eye(3)
    curvature = curvature_of(steps, steps * [[4.0], [9.0], [-5.0]], 1.0, RATIO)
    np.testing.assert_allclose(dense(curvature), np.diag([4, 9, 6.5]), atol=1e-9)


def test_without_any_positive_curvature_all_is_the_largest() -> None:
    curvature = curvature_of(np.eye(2), np.diag([-3.0, -8.0]), 1.0, RATIO)
    np.testing.assert_allclose(dense(curvature), np.diag([8, 8]), atol=1e-9)


def test_a_pair_without_curvature_is_passed_over_and_the_floor_raised() -> None:
    steps = np.eye(4)[:2]
    changes = np.array([[5.0, 0, 0, 0], [0, 0, 3.0, 0]])  # the second is orthogonal to its step
    curvature = curvature_of(steps, changes, 1.0, RATIO)
    assert curvature.floor == pytest.approx(5)
    assert np.isfinite(dense(curvature)).all()


def test_a_history_without_any_curvature_leaves_the_default() -> None:
    curvature = curvature_of(np.eye(3)[:1], np.zeros((1, 3)), 42.0, RATIO)
    assert curvature.floor == 42


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_pairs=st.integers(1, 10),
    n_coordinates=st.integers(1, 30),
    decades=st.floats(0, 8),
)
def test_any_history_gives_a_positive_definite_hessian(
    seed: int, n_pairs: int, n_coordinates: int, decades: float
) -> None:
    rng = np.random.default_rng(seed)
    scales = 10 ** rng.uniform(-decades, 0, (2, n_pairs, 1))
    steps, changes = rng.standard_normal((2, n_pairs, n_coordinates)) * scales
    curvature = curvature_of(steps, changes, 1.0, RATIO)
    gram = curvature.directions @ curvature.directions.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)
    assert curvature.floor > 0
    assert (curvature.floor + curvature.weights > 0).all()


def test_whitening_inverts() -> None:
    root = np.random.default_rng(0).standard_normal((6, 6))
    hessian = root @ root.T + np.eye(6)
    whitening = whitening_of(hessian)
    np.testing.assert_allclose(whitening.T @ whitening @ hessian, np.eye(6), atol=1e-12)


def test_whitening_of_a_hessian_that_is_just_indefinite_is_finite() -> None:
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    whitening = whitening_of((axes * [-1e-9, 1.0, 1e4]) @ axes.T)
    inverse = np.linalg.eigvalsh(whitening.T @ whitening)
    np.testing.assert_allclose(inverse, [1e-4, 1, 1e8], rtol=1e-4)
