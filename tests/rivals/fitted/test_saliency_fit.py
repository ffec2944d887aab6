from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from deepgaze2.data import image_folds, read_osie
from deepgaze2.errors import DataError
from deepgaze2.references.baseline import fit_center_bias, uniform_log_density
from deepgaze2.rivals.fitted.saliency_density import SaliencyConversion
from deepgaze2.rivals.fitted.saliency_fit import FixatedMap, cross_fitted, fit_saliency_conversion

Array = NDArray[np.float64]
HEIGHT, WIDTH = 36, 48
N_TRAINED, N_HELD_OUT, N_FIXATIONS = 40, 20, 150


def smooth_noise(generator: np.random.Generator, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Array:
    noise = gaussian_filter(generator.normal(size=shape), 3, mode="wrap")
    return np.asarray(noise / noise.std())


def log_center_bias(height: int, width: int) -> Array:
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (height, width))
    return -0.5 * ((y[:, None] / 0.22) ** 2 + (x / 0.3) ** 2)


def true_log_density(saliency: Array) -> Array:
    """Draw fixations to high values of a map blurred by 2 px, and to the center."""
    log_density = 2 * np.tanh(2 * gaussian_filter(saliency, 2)) + log_center_bias(*saliency.shape)
    return np.asarray(log_density - np.log(np.exp(log_density).sum()))


def fixated(saliency: Array, log_density: Array, generator: np.random.Generator) -> FixatedMap:
    height, width = log_density.shape
    drawn = generator.choice(log_density.size, N_FIXATIONS, p=np.exp(log_density).ravel())
    rows, columns = np.divmod(drawn, width)
    return FixatedMap("toy", saliency, height, width, rows, columns)


def bits(maps: list[FixatedMap], log_densities: list[Array]) -> float:
    """Return bits per fixation over uniform."""
    gains = [
        p[m.rows, m.columns] + np.log(p.size) for m, p in zip(maps, log_densities, strict=True)
    ]
    return float(np.concatenate(gains).mean() / np.log(2))


def converted_bits(conversion: SaliencyConversion, maps: list[FixatedMap]) -> float:
    return bits(
        maps,
        [
            conversion.log_density(m.saliency, m.height, m.width).astype(np.float64)  # type: ignore[arg-type]
            for m in maps
        ],
    )


@pytest.fixture(scope="module")
def truth() -> tuple[list[FixatedMap], list[Array]]:
    generator = np.random.default_rng(8)
    saliency = [smooth_noise(generator) for _ in range(N_TRAINED + N_HELD_OUT)]
    densities = [true_log_density(s) for s in saliency]
    maps = [fixated(s, p, generator) for s, p in zip(saliency, densities, strict=True)]
    return maps, densities


def transformed(maps: list[FixatedMap], function: Callable[[Array], Array]) -> list[FixatedMap]:
    return [replace(m, saliency=function(np.asarray(m.saliency))) for m in maps]


def held_out_bits(maps: list[FixatedMap], **options: object) -> float:
    conversion = fit_saliency_conversion(maps[:N_TRAINED], **options)  # type: ignore[arg-type]
    return converted_bits(conversion, maps[N_TRAINED:])


def test_a_known_density_is_recovered(truth: tuple[list[FixatedMap], list[Array]]) -> None:
    maps, densities = truth
    true_bits = bits(maps[N_TRAINED:], densities[N_TRAINED:])
    found = held_out_bits(maps)
    assert true_bits > 1
    assert true_bits - 0.05 < found < true_bits + 0.02


def test_maps_that_are_the_true_density_lose_nothing(
    truth: tuple[list[FixatedMap], list[Array]],
) -> None:
    given, densities = truth
    maps = [replace(m, saliency=p) for m, p in zip(given, densities, strict=True)]
    true_bits = bits(maps[N_TRAINED:], densities[N_TRAINED:])
    for given_maps in (maps, transformed(maps, np.exp)):
        assert held_out_bits(given_maps) == pytest.approx(true_bits, abs=0.03)


def test_increasing_functions_of_the_maps_change_little(
    truth: tuple[list[FixatedMap], list[Array]],
) -> None:
    maps, _ = truth
    found = held_out_bits(maps)
    assert held_out_bits(transformed(maps, lambda s: 1000 * s - 7)) == pytest.approx(
        found, abs=2e-3
    )
    heavy_tailed = transformed(maps, lambda s: np.exp(3 * s))
    for other in (heavy_tailed, transformed(maps, np.tanh)):
        assert held_out_bits(other) == pytest.approx(found, abs=0.01)


def test_eight_bit_maps_and_maps_with_mostly_one_value(
    truth: tuple[list[FixatedMap], list[Array]],
) -> None:
    maps, _ = truth
    found = held_out_bits(maps)
    coded = transformed(maps, lambda s: np.clip(np.rint(128 + 40 * s), 0, 255))
    assert held_out_bits(coded) == pytest.approx(found, abs=0.01)
    sparse = transformed(maps, lambda s: np.maximum(s - 1, 0))
    assert held_out_bits(transformed(maps, np.zeros_like)) < held_out_bits(sparse) < found


def test_constant_maps_get_the_center_bias_and_no_more() -> None:
    generator = np.random.default_rng(2)
    log_density = log_center_bias(HEIGHT, WIDTH)
    log_density -= np.log(np.exp(log_density).sum())
    maps = [fixated(np.ones((3, 4)), log_density, generator) for _ in range(N_TRAINED + N_HELD_OUT)]
    true_bits = bits(maps[N_TRAINED:], [log_density] * N_HELD_OUT)
    assert held_out_bits(maps) == pytest.approx(true_bits, abs=0.02)


def test_no_saliency_gets_zero_density() -> None:
    """Nobody looked at the left half in training: held out, one fixation there costs bits."""
    generator = np.random.default_rng(6)
    saliency = np.repeat([[0.0, 1.0]], WIDTH // 2, axis=1) * np.ones((HEIGHT, 1))
    log_density = np.where(saliency > 0, -np.log(saliency.sum()), -np.inf)
    maps = [fixated(saliency, log_density, generator) for _ in range(20)]
    found = fit_saliency_conversion(maps).log_density(saliency, HEIGHT, WIDTH)
    in_left = found[:, : WIDTH // 4] + np.log(found.size)
    assert -15 < in_left.min() < in_left.max() < -3


def test_images_of_different_sizes_and_without_fixations() -> None:
    generator = np.random.default_rng(9)
    shapes = [(36, 48), (48, 36), (150, 100)] * 8
    saliency = [smooth_noise(generator, shape) for shape in shapes]
    densities = [true_log_density(s) for s in saliency]
    maps = [fixated(s, p, generator) for s, p in zip(saliency, densities, strict=True)]
    nowhere = np.zeros(0, int)
    blank = replace(
        maps[0], saliency=lambda: pytest.fail("computed"), rows=nowhere, columns=nowhere
    )
    conversion = fit_saliency_conversion([blank, *maps[:18]])
    assert conversion == fit_saliency_conversion(maps[:18])
    assert converted_bits(conversion, maps[18:]) > bits(maps[18:], densities[18:]) - 0.1


def test_the_number_of_images_and_the_seed_decide_what_is_computed(
    truth: tuple[list[FixatedMap], list[Array]],
) -> None:
    computed: list[int] = []

    def compute(i: int) -> Array:
        computed.append(i)
        return np.asarray(truth[0][i].saliency)

    maps = [replace(m, saliency=partial(compute, i)) for i, m in enumerate(truth[0])]
    first = fit_saliency_conversion(maps, n_images=7)
    assert len(set(computed)) == len(computed) == 7
    assert first == fit_saliency_conversion(maps, n_images=7)
    assert first != fit_saliency_conversion(maps, n_images=7, seed=1)


def test_no_fold_is_fitted_to_its_own_images(truth: tuple[list[FixatedMap], list[Array]]) -> None:
    maps = truth[0][:30]
    folds = image_folds(30, 3, seed=0)
    before = cross_fitted(maps, folds, n_images=20)
    generator = np.random.default_rng(1)
    changed = [
        fixated(10 + smooth_noise(generator), true_log_density(smooth_noise(generator)), generator)
        if fold == 1
        else m
        for m, fold in zip(maps, folds, strict=True)
    ]
    after = cross_fitted(changed, folds, n_images=20)
    assert after[1] == before[1]
    assert after[0] != before[0]
    assert after[2] != before[2]
    others = [m for m, fold in zip(maps, folds, strict=True) if fold != 1]
    alone = converted_bits(fit_saliency_conversion(others), others)
    assert converted_bits(before[1], others) == pytest.approx(alone, abs=1e-3)


def test_infinite_values_are_noted() -> None:
    generator = np.random.default_rng(3)
    saliency = smooth_noise(generator)
    maps = [fixated(saliency, true_log_density(saliency), generator) for _ in range(3)]
    assert fit_saliency_conversion(maps).notes == ()
    holes = np.where(saliency < -2, -np.inf, saliency)
    notes = fit_saliency_conversion([replace(maps[0], saliency=holes), *maps[1:]]).notes
    assert "1 of 3 maps had infinite values" in notes[0]


def test_what_cannot_be_fitted_is_refused() -> None:
    generator = np.random.default_rng(3)
    saliency = smooth_noise(generator)
    good = fixated(saliency, true_log_density(saliency), generator)
    nowhere = np.zeros(0, int)
    with pytest.raises(DataError, match="no map has fixations"):
        fit_saliency_conversion([replace(good, rows=nowhere, columns=nowhere)])
    with pytest.raises(DataError, match=r"^b\.png: contains NaN"):
        fit_saliency_conversion([replace(good, name="b.png", saliency=saliency * np.nan)])
    with pytest.raises(DataError, match=r"^toy: \d+ fixations lie outside"):
        fit_saliency_conversion([replace(good, width=20)])
    with pytest.raises(DataError, match="two folds"):
        cross_fitted([good, good], np.zeros(2, int))


@pytest.mark.slow
def test_local_contrast_on_osie_is_ahead_of_the_center_bias(shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie").without_first().without_outside().select(range(60))

    def contrast(i: int) -> Array:
        gray = np.asarray(Image.open(dataset.stimuli.path(i)).convert("L").reduce(4), np.float64)
        squares = gaussian_filter(gray**2, 3) - gaussian_filter(gray, 3) ** 2
        return np.sqrt(np.maximum(squares, 0))

    maps = []
    for i in range(60):
        rows, columns = dataset.fixations_on(i).pixel()
        maps.append(FixatedMap(dataset.stimuli.ids[i], contrast(i), 600, 800, rows, columns))
    folds = image_folds(60, 3, seed=0)
    conversions = cross_fitted(maps, folds)
    found = bits(
        maps,
        [
            conversions[fold].log_density(m.saliency, 600, 800).astype(np.float64)  # type: ignore[arg-type]
            for m, fold in zip(maps, folds, strict=True)
        ],
    )
    gain = fit_center_bias(dataset, folds).log_density - uniform_log_density(dataset)
    center_bias = float(gain.mean() / np.log(2))
    assert center_bias + 0.3 < found < center_bias + 0.8
