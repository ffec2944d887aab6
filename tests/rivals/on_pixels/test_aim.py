import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import convolve

from deepgaze2.rivals.on_pixels.aim import load_basis, responses, saliency, self_information

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "package_aim_basis.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def small_basis() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((4, 5, 5, 3)).astype(np.float32)


def test_responses_are_dot_products_with_each_patch() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    basis = small_basis()
    found = responses(pixels, basis)
    assert found.shape == (4, 5, 8)
    for component, kernel in enumerate(basis):
        for y in range(5):
            for x in range(8):
                patch = pixels[y : y + 5, x : x + 5] / 255
                assert found[component, y, x] == pytest.approx((patch * kernel).sum(), abs=1e-4)


def test_information_equals_counting_by_hand() -> None:
    features = np.random.default_rng(2).laplace(size=(3, 6, 7)).astype(np.float32)
    lowest, highest = float(features.min()), float(features.max())
    bins = [
        [round((float(v) - lowest) / (highest - lowest) * 255) for v in feature.ravel()]
        for feature in features
    ]
    expected = np.zeros(6 * 7)
    for of_feature in bins:
        counts = Counter(of_feature)
        expected -= [np.log(counts[b] / 42 + 1e-6) for b in of_feature]
    np.testing.assert_allclose(self_information(features).ravel(), expected, rtol=1e-5)


def test_map_is_blurred_information_with_the_minimum_around() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (60, 50, 3), dtype=np.uint8)
    information = self_information(responses(pixels, load_basis())).astype(np.float64)
    offsets = np.arange(-15, 16)
    kernel = np.exp(-np.add.outer(offsets**2, offsets**2) / (2 * 8**2))
    blurred = convolve(information, kernel / kernel.sum(), mode="constant")
    found = saliency(pixels)
    np.testing.assert_allclose(found[10:-10, 10:-10], blurred, rtol=1e-4)
    frame = np.ones(found.shape, dtype=bool)
    frame[10:-10, 10:-10] = False
    np.testing.assert_allclose(found[frame], blurred.min(), rtol=1e-4)


def test_packaged_components_are_white_on_photos(shared_data: Path) -> None:
    from PIL import Image

    basis = load_basis()
    assert basis.shape[1:] == (21, 21, 3)
    patches = []
    for path in sorted((shared_data / "osie" / "stimuli").glob("*.jpg"))[::10]:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        patches += [pixels[y : y + 21, x : x + 21] for y in (60, 250, 440) for x in (90, 390, 690)]
    signals = np.stack(patches).reshape(len(patches), -1) / 255 @ basis.reshape(len(basis), -1).T
    correlation = np.corrcoef(signals.T)
    assert 0.6 < signals.std(axis=0).mean() < 1.4
    assert np.abs(correlation - np.eye(len(basis))).mean() < 0.1


def test_ica_finds_the_sources_of_a_mixture(script: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    sources = np.stack([rng.laplace(size=5000), rng.uniform(size=5000), rng.gamma(1, size=5000)])
    sources -= sources.mean(axis=1, keepdims=True)
    mixed = rng.standard_normal((3, 3)) @ sources
    variances, directions = np.linalg.eigh(np.cov(mixed))
    white = (mixed.T @ directions) / np.sqrt(variances)
    rotation = script["fast_ica"](white, rng)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    match = np.abs(np.corrcoef((white @ rotation.T).T, sources)[:3, 3:])
    assert (match.max(axis=1) > 0.99).all()
    assert sorted(match.argmax(axis=1)) == [0, 1, 2]


def test_ica_agrees_with_scikit_learn(script: dict[str, Any]) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    white = np.linalg.qr(np.random.default_rng(5).laplace(size=(4000, 5)))[0] * np.sqrt(4000)
    white = np.linalg.qr(white - white.mean(axis=0))[0] * np.sqrt(4000)
    found = script["fast_ica"](white, np.random.default_rng(6))
    theirs = decomposition.FastICA(
        whiten=False, algorithm="parallel", fun="logcosh", tol=1e-8, max_iter=2000, random_state=0
    )
    theirs.fit(white)
    match = np.abs(found @ theirs.components_.T)
    np.testing.assert_allclose(match.max(axis=1), 1, atol=1e-3)


def test_whitening_keeps_the_variance_that_is_asked_for(script: dict[str, Any]) -> None:
    rng = np.random.default_rng(7)
    patches = rng.integers(0, 256, (400, 6), dtype=np.uint8)
    patches[:, 5] = 128 + rng.integers(0, 9, 400)  # hardly any variance
    white = patches / 255 @ script["whitening"](patches).T
    assert white.shape == (400, 5)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(5), atol=1e-9)
