import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.data.published.mit1003_fixations import detect_fixations, median_positions

THRESHOLD = 204.0
Samples = NDArray[np.float64]


def trace(*stretches: tuple[int, float, float], saccade: int = 5) -> Samples:
    """Flat stretches of (samples, x, y), joined by straight saccades of so many samples."""
    parts: list[Samples] = []
    for n, x, y in stretches:
        here = np.array([x, y], dtype=float)
        if parts:
            share = np.arange(1, saccade)[:, None] / saccade
            parts.append(parts[-1][-1] + share * (here - parts[-1][-1]))
        parts.append(np.tile(here, (n, 1)))
    return np.concatenate(parts)


def accelerations(samples: Samples) -> list[float]:
    """Steps 1 and 2 of the algorithm, sample by sample, counted from one (entry 0 is unused)."""
    n = len(samples)
    distance = [0.0] * (n + 1)
    for k in range(2, n + 1):
        dx, dy = samples[k - 1] - samples[k - 2]
        distance[k] = float(np.sqrt(dx * dx + dy * dy))
    smooth = [0.0] * (n + 1)
    for k in range(1, n + 1):
        smooth[k] = sum(distance[j] for j in range(max(1, k - 3), k + 1)) / 4
    acceleration = [0.0] * (n + 1)
    for k in range(2, n - 4):
        now = sum(smooth[k : k + 5]) / (4 / 240)
        acceleration[k] = sum(smooth[k + 1 : k + 6]) / (4 / 240) - now
    return acceleration


def literal(samples: Samples) -> list[tuple[int, int]]:
    """The fixations' first and last samples, counted from one, by a literal slow reading."""
    n = len(samples)
    acceleration = accelerations(samples)
    groups: list[list[int]] = []
    for k in range(1, n + 1):
        if acceleration[k] > THRESHOLD:
            if groups and groups[-1][-1] == k - 1:
                groups[-1].append(k)
            else:
                groups.append([k])
    groups = [group for group in groups if len(group) >= 3]
    saccades: list[tuple[int, int]] = []
    for group in groups:
        end = 0
        for k in range(group[-1] + 1, min(group[-1] + 25, n - 1) + 1):
            if acceleration[k] < -THRESHOLD and not acceleration[k + 1] < -THRESHOLD:
                end = k
                break
        if end == 0 and len(groups) == 1:
            moving = [k for k in range(1, n + 1) if acceleration[k] != 0]
            end = n if moving[-1] == group[-1] else 0
        if end:
            saccades.append((group[0], end))
    merged: list[tuple[int, int]] = []
    for i, (begin, end) in enumerate(saccades):
        if i and begin - saccades[i - 1][1] <= 12:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    if merged and n - merged[-1][1] <= 12:
        merged[-1] = (merged[-1][0], n)
    in_saccade = {k for begin, end in merged for k in range(begin, end + 1)}
    fixations: list[tuple[int, int]] = []
    for k in range(1, n + 1):
        if k in in_saccade:
            continue
        if fixations and fixations[-1][1] == k - 1:
            fixations[-1] = (fixations[-1][0], k)
        else:
            fixations.append((k, k))
    return fixations


def random_trace(generator: np.random.Generator) -> Samples:
    n = int(generator.choice([3, 7, 8, 20, 100, 400]))
    noise = generator.choice([0.0, 0.3, 3.0, 10.0])
    stretches = [
        (int(generator.integers(1, 60)), *generator.uniform(0, 900, 2)) for _ in range(n // 5 + 1)
    ]
    samples = trace(*stretches, saccade=int(generator.integers(1, 12)))[:n]
    samples = samples + generator.normal(0, noise, samples.shape) if noise else samples
    if generator.random() < 0.3:
        start = generator.integers(0, n)
        samples[start : start + generator.integers(1, 30)] = generator.choice([np.nan, -1.0])
    return samples


def test_agrees_with_a_literal_reading_of_the_algorithm() -> None:
    generator = np.random.default_rng(0)
    n_fixations = []
    for _ in range(400):
        samples = random_trace(generator)
        starts, stops = detect_fixations(samples)
        found = list(zip((starts + 1).tolist(), stops.tolist(), strict=True))
        assert found == literal(samples)
        n_fixations.append(len(found))
    assert np.count_nonzero(np.array(n_fixations) > 3) > 40


def test_flat_stretches_are_fixations() -> None:
    generator = np.random.default_rng(0)
    clean = trace((100, 500, 400), (80, 200, 300), (60, 700, 100), (90, 705, 600))
    samples = clean + generator.normal(0, 0.3, clean.shape)
    starts, stops = detect_fixations(samples)
    # smoothing over the past ends each saccade up to a few samples late; windows begin it early
    np.testing.assert_allclose(starts, [0, 104, 188, 252], atol=4)
    np.testing.assert_allclose(stops, [100, 184, 248, 342], atol=6)
    expected = [[500, 400], [200, 300], [700, 100], [705, 600]]
    np.testing.assert_allclose(median_positions(samples, starts, stops), expected, atol=0.3)


def test_a_calm_trial_is_one_fixation() -> None:
    samples = trace((720, 500, 400))
    samples[:, 0] += np.linspace(0, 50, 720)  # a drift
    starts, stops = detect_fixations(samples)
    assert (starts.tolist(), stops.tolist()) == ([0], [720])


@pytest.mark.parametrize("n", range(8))
def test_very_short_trials(n: int) -> None:
    starts, stops = detect_fixations(np.zeros((n, 2)))
    assert (starts.tolist(), stops.tolist()) == (([0], [n]) if n else ([], []))


@pytest.mark.parametrize("rest", range(6, 20))
def test_a_last_stretch_of_up_to_twelve_samples_belongs_to_the_saccade(rest: int) -> None:
    samples = trace((60, 100, 100), (100, 600, 300))
    saccade_end = int(detect_fixations(samples)[0][1])
    n_fixations = 2 if rest > 12 else 1
    assert len(detect_fixations(samples[: saccade_end + rest])[0]) == n_fixations


def test_short_stretches_are_merged_unless_first() -> None:
    for n, n_fixations in ((13, 2), (40, 3)):
        samples = trace((60, 100, 100), (n, 600, 300), (60, 100, 500))
        assert len(detect_fixations(samples)[0]) == n_fixations
    assert len(detect_fixations(trace((13, 100, 100), (60, 600, 300)))[0]) == 2


def test_medians_skip_lost_samples_and_are_nan_without_any() -> None:
    samples = np.array([[1, 9], [np.nan, 8], [3, np.nan], [8, 1], [np.nan, np.nan]], dtype=float)
    medians = median_positions(samples, np.array([0, 4]), np.array([4, 5]))
    np.testing.assert_array_equal(medians, [[3, 8], [np.nan, np.nan]])
