"""The subspace stays orthonormal, contains what it should, and forgets no more than it may."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgaze2.training.optim.sfo.sfo_subspace import FloatArray, Subspace

M, N = 60, 5


def started(seed: int = 0) -> tuple[Subspace, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return Subspace.around(rng.standard_normal(M), N, rng), rng


def assert_orthonormal(subspace: Subspace) -> None:
    used = subspace.basis[: subspace.rank]
    np.testing.assert_allclose(used @ used.T, np.eye(subspace.rank), atol=1e-13)


def assert_contains(subspace: Subspace, vector: FloatArray) -> None:
    lifted = subspace.lift(subspace.project(vector))
    np.testing.assert_allclose(lifted, vector, atol=1e-12 * float(np.linalg.norm(vector)))


def test_starts_with_the_direction_of_x() -> None:
    x = np.arange(60.0)
    subspace = Subspace.around(x, N, np.random.default_rng(0))
    assert (subspace.rank, subspace.rank_after_collapse, subspace.capacity) == (1, 12, 18)
    assert_contains(subspace, x)


def test_starts_with_some_direction_if_x_is_zero() -> None:
    subspace = Subspace.around(np.zeros(M), N, np.random.default_rng(0))
    assert_orthonormal(subspace)


@pytest.mark.parametrize("n_parameters", [1, 4, 17, 18])
def test_is_the_whole_space_if_the_capacity_allows(n_parameters: int) -> None:
    subspace = Subspace.around(np.zeros(n_parameters), N, np.random.default_rng(0))
    vector = np.arange(1.0, n_parameters + 1)
    assert subspace.extend(vector).tolist() == vector.tolist()
    assert subspace.rank == subspace.capacity == n_parameters
    assert not subspace.is_full


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    length=st.floats(1e-11, 1e100),
    novelty=st.sampled_from([1.0, 1e-3, 1e-6, 1e-9, 1e-11]),
)
def test_vectors_are_taken_in_even_if_almost_there(
    seed: int, length: float, novelty: float
) -> None:
    subspace, rng = started(seed)
    vector = rng.standard_normal(M)
    for _ in range(10):
        coordinates = subspace.extend(vector)
        assert_orthonormal(subspace)
        assert_contains(subspace, vector)
        expected = subspace.project(vector)
        np.testing.assert_allclose(
            coordinates, expected, atol=1e-12 * float(np.linalg.norm(vector))
        )
        old, new = rng.standard_normal((2, M))
        known = subspace.lift(subspace.project(old))
        vector = length * (known / np.linalg.norm(known) + novelty * new / np.linalg.norm(new))
    assert subspace.rank == 11


@pytest.mark.parametrize("factor", [0.0, 1e-13, 3.0])
def test_nothing_is_added_for_a_negligible_vector_or_a_known_one(factor: float) -> None:
    subspace, rng = started()
    vector = rng.standard_normal(M)
    if factor > 1:
        subspace.extend(vector)
    rank = subspace.rank
    subspace.extend(factor * vector)
    assert subspace.rank == rank


def filled(seed: int) -> tuple[Subspace, np.random.Generator]:
    subspace, rng = started(seed)
    while not subspace.is_full:
        subspace.extend(rng.standard_normal(M))
    return subspace, rng


@pytest.mark.parametrize("damage", [0.0, 1e-6])
@pytest.mark.parametrize("seed", range(3))
def test_a_collapse_keeps_what_it_is_told_to(seed: int, damage: float) -> None:
    subspace, rng = filled(seed)
    kept = rng.standard_normal((8, subspace.capacity)) * 10 ** rng.uniform(-8, 2, (8, 1))
    kept[3] = kept[2]
    subspace.basis += damage * rng.standard_normal(subspace.basis.shape)
    lifted = kept @ subspace.basis
    coordinates = kept @ subspace.collapse(kept, rng)
    assert subspace.rank == 12
    assert not coordinates[:, 12:].any()
    assert_orthonormal(subspace)
    errors = np.linalg.norm(coordinates @ subspace.basis - lifted, axis=1)
    assert (errors < 1e-12 * np.linalg.norm(lifted, axis=1)).all()


def test_a_collapse_of_many_parameters_is_done_in_blocks() -> None:
    rng = np.random.default_rng(0)
    subspace = Subspace.around(rng.standard_normal(10_000), 1, rng)
    while not subspace.is_full:
        subspace.extend(rng.standard_normal(10_000))
    before = subspace.basis.copy()
    change_of_basis = subspace.collapse(rng.standard_normal((2, 6)), rng)
    np.testing.assert_allclose(subspace.basis[:4], change_of_basis.T[:4] @ before, atol=1e-14)
