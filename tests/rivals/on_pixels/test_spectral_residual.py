import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.rivals.on_pixels.spectral_residual import residual_energy, saliency


def direct(gray: NDArray[np.float64]) -> NDArray[np.float64]:
    """Independent oracle: Fourier sums as matrices, averages and phases as the paper has them."""
    h, w = gray.shape
    down, across = (np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in (h, w))
    spectrum = down @ gray @ across
    log_amplitude, phase = np.log(np.abs(spectrum)), np.angle(spectrum)
    average = np.empty((h, w))
    for i in range(h):
        for j in range(w):
            rows = [min(max(k, 0), h - 1) for k in (i - 1, i, i + 1)]
            columns = [min(max(k, 0), w - 1) for k in (j - 1, j, j + 1)]
            average[i, j] = np.mean([log_amplitude[r, c] for r in rows for c in columns])
    changed = np.exp(log_amplitude - average + 1j * phase)
    back = down.conj() @ changed @ across.conj() / (h * w)
    return np.asarray(np.abs(back) ** 2)


@pytest.mark.parametrize("size", [(7, 10), (8, 8), (1, 9)])
def test_energy_equals_sums_written_out(size: tuple[int, int]) -> None:
    gray = np.random.default_rng(1).random(size)
    np.testing.assert_allclose(residual_energy(gray), direct(gray), rtol=1e-9)


def test_absent_frequencies_stay_absent() -> None:
    stripes = np.tile(np.random.default_rng(2).random(64), (48, 1))
    energy = residual_energy(stripes)
    np.testing.assert_allclose(energy, np.tile(energy[0], (48, 1)), rtol=1e-6, atol=1e-12)


def test_transposed_image_gives_the_transposed_map_in_0_to_1() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = saliency(pixels)
    np.testing.assert_allclose(saliency(pixels.transpose(1, 0, 2)), found.T, atol=1e-5)
    assert found.min() == pytest.approx(0, abs=1e-6)
    assert found.max() == pytest.approx(1, abs=1e-6)


def test_colors_of_one_gray_level_are_alike() -> None:
    pixels = np.full((64, 64, 3), (110, 110, 110), dtype=np.uint8)
    pixels[20:30, 20:30] = (255, 28, 152)  # 0.299, 0.587 and 0.114 of these make 110
    assert np.ptp(saliency(pixels)) == 0
