from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import linprog
from scipy.stats import rankdata

from deepgaze2 import load
from deepgaze2.data import read_osie
from deepgaze2.errors import DataError
from deepgaze2.metrics.auc import auc
from deepgaze2.metrics.empirical_map import empirical_map
from deepgaze2.metrics.map_metrics import cc, kl_divergence, similarity
from deepgaze2.metrics.optimal_maps import (
    best_shared_mass,
    blurred_density,
    equalized,
    shuffled_auc_map,
    similarity_map,
)
from deepgaze2.metrics.shuffled_auc import shuffled_auc
from helpers.metric_maps import FIXATIONS, MAPS, drawn, random_map

SIGMA_PX = 6.0


def samples(seed: int, n_samples: int, h: int, w: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return factors of random maps, each of mass one; a third of their values are zero."""
    rng = np.random.default_rng(seed)
    down, across = rng.random((n_samples, 3, h)), rng.random((n_samples, 3, w))
    down[down < 0.3], across[across < 0.3] = 0, 0
    mass = (down.sum(axis=2) * across.sum(axis=2)).sum(axis=1)
    return down / mass[:, None, None], across


def mean_shared(q: NDArray[Any], maps: NDArray[Any]) -> float:
    return float(np.minimum(q, maps).sum(axis=(1, 2)).mean())


@pytest.mark.parametrize(("n_samples", "h", "w"), [(1, 3, 3), (2, 3, 4), (7, 4, 5), (20, 3, 5)])
def test_best_shared_mass_is_the_linear_programs(n_samples: int, h: int, w: int) -> None:
    down, across = samples(n_samples, n_samples, h, w)
    maps = down.transpose(0, 2, 1) @ across
    found = best_shared_mass(down, across)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    assert found.min() >= 0
    n = h * w  # variables: q, then one shared mass t <= q, t <= e per sample and pixel
    limits = np.hstack([-np.tile(np.eye(n), (n_samples, 1)), np.eye(n * n_samples)])
    best = linprog(
        np.concatenate([np.zeros(n), np.full(n * n_samples, -1 / n_samples)]),
        A_ub=limits,
        b_ub=np.zeros(n * n_samples),
        A_eq=np.concatenate([np.ones(n), np.zeros(n * n_samples)])[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(0, e) for e in maps.ravel().tolist()],
    )
    assert best.x is not None
    assert mean_shared(found, maps) == pytest.approx(
        mean_shared(best.x[:n].reshape(h, w), maps), abs=1e-6
    )


def test_projected_gradient_ends_below_it() -> None:
    down, across = samples(0, 30, 8, 9)
    maps = down.transpose(0, 2, 1) @ across
    best = mean_shared(best_shared_mass(down, across), maps)
    q = maps.mean(axis=0)
    for step in 0.003 / np.sqrt(np.arange(1, 20_001)):
        q = q + step * (maps > q).mean(axis=0)
        ordered = np.sort(q.ravel())[::-1]  # onto the simplex
        excess = (np.cumsum(ordered) - 1) / np.arange(1, q.size + 1)
        q = np.maximum(q - excess[np.flatnonzero(ordered > excess)[-1]], 0)
    assert mean_shared(maps.mean(axis=0), maps) < best - 0.001
    assert best - 1e-3 < mean_shared(q, maps) <= best + 1e-6


def test_similarity_map_beats_others_on_new_samples() -> None:
    density = random_map()
    n_fixations = 15
    truths = [
        empirical_map(*drawn(density, n_fixations, seed), 60, 80, SIGMA_PX) for seed in range(200)
    ]

    def score(map_: NDArray[np.float64]) -> float:
        return float(np.mean([similarity(map_, truth) for truth in truths]))

    best = similarity_map(np.log(density), SIGMA_PX, n_fixations)
    assert best.sum() == pytest.approx(1)
    assert_array_equal(best, similarity_map(np.log(density), SIGMA_PX, n_fixations))
    others = [density, blurred_density(np.log(density), SIGMA_PX), density**2]
    assert score(best) > max(map(score, others)) + 0.001
    # quantiles of these very samples at every pixel cannot be beaten: the grid costs little
    ordered = np.sort(np.stack(truths), axis=0)
    level = int(ordered.sum(axis=(1, 2)).searchsorted(1))
    assert score(best) > score(ordered[level]) - 0.01


def test_blurred_density_is_the_mean_empirical_map() -> None:
    density = random_map()
    blurred = blurred_density(np.log(density), SIGMA_PX)
    pixels = np.divmod(np.arange(density.size), 80)
    impulses = [empirical_map([r], [c], 60, 80, SIGMA_PX) for r, c in zip(*pixels, strict=True)]
    expected = np.tensordot(density.ravel(), impulses, axes=1)
    assert_allclose(blurred, expected, rtol=1e-12)
    zero = blurred_density(np.log(density), SIGMA_PX, border="zero")
    without_reflection = gaussian_filter(density, SIGMA_PX, mode="constant")
    assert_allclose(zero, without_reflection / without_reflection.sum(), rtol=1e-12)
    assert zero[0].sum() < 0.8 * blurred[0].sum()
    truths = [empirical_map(*drawn(density, 30, seed), 60, 80, SIGMA_PX) for seed in range(100)]
    for other in (density, density**2, zero, random_map(1)):
        assert sum(kl_divergence(other, t) - kl_divergence(blurred, t) for t in truths) > 0
        assert sum(cc(other, t) - cc(blurred, t) for t in truths) < 0


def test_shuffled_auc_map_wins_in_shuffled_auc() -> None:
    density, elsewhere = random_map(0), random_map(1)
    fixations, others = drawn(density, 20_000), drawn(elsewhere, 20_000, 1)
    best = shuffled_auc_map(np.log(density), np.log(elsewhere))
    assert_allclose(best, np.log(density / elsewhere), atol=1e-12)
    score = shuffled_auc(best, *fixations, *others).mean()
    for other in (density, density - elsewhere, -elsewhere):
        assert shuffled_auc(other, *fixations, *others).mean() < score - 0.001


def test_zero_density_in_the_ratio() -> None:
    with np.errstate(divide="ignore"):
        log_p = np.log([[0.0, 0.5, 0.5]])
        log_q = np.log([[0.0, 0.25, 0.75]])
    assert_allclose(shuffled_auc_map(log_p, log_q), [[-np.inf, np.log(2), np.log(2 / 3)]])
    with pytest.raises(DataError, match="mix a uniform"):
        shuffled_auc_map(np.log([[0.2, 0.4, 0.4]]), log_q)
    with pytest.raises(DataError, match="resize"):
        shuffled_auc_map(log_p, log_q.T)


@given(MAPS, FIXATIONS)
@settings(deadline=None)
def test_equalizing_keeps_auc(map_: Any, fixations: Any) -> None:
    flat = equalized(map_)
    assert_array_equal(auc(flat, *fixations), auc(map_, *fixations))
    assert_allclose(flat.ravel() * flat.size, rankdata(map_.ravel()) - 0.5, rtol=1e-12)


@given(st.floats(0.01, 10).filter(lambda mass: abs(mass - 1) > 0.002))
@settings(deadline=None)
def test_what_is_no_density_is_refused(mass: float) -> None:
    log_p = np.log(random_map() * mass)
    with pytest.raises(DataError, match="not 1"):
        blurred_density(log_p, 3)
    with pytest.raises(DataError, match="not 1"):
        similarity_map(log_p, 3, 10)
    with pytest.raises(DataError, match="not 1"):
        shuffled_auc_map(log_p, log_p)


def test_bad_parameters_are_refused() -> None:
    log_p = np.log(random_map())
    for n_fixations, n_samples in ((0, 10), (10, 0)):
        with pytest.raises(DataError, match="at least one"):
            similarity_map(log_p, 3, n_fixations, n_samples=n_samples)
    for sigma_px in (0, np.nan):
        with pytest.raises(DataError, match="sigma"):
            blurred_density(log_p, sigma_px)
        with pytest.raises(DataError, match="sigma"):
            similarity_map(log_p, sigma_px, 10)


@pytest.mark.slow
def test_on_osie_it_beats_the_density_and_the_blurred_density(shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie").without_first().without_outside()
    model = load("deepgaze2-plus")
    scores = []
    for i in range(0, 600, 60):
        log_p = model.predict(dataset.stimuli.path(i), center_bias="osie").log_density
        truth = empirical_map(*dataset.fixations_on(i).pixel(), 600, 800, 24)
        maps = (np.exp(log_p), blurred_density(log_p, 24), similarity_map(log_p, 24, 126))
        scores.append([similarity(map_, truth) for map_ in maps])
    density, blurred, best = np.mean(scores, axis=0)
    assert best > blurred + 0.002
    assert blurred > density + 0.03
