from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.special import logsumexp
from scipy.stats import norm

from deepgaze2.density.center_bias import PACKAGED, CenterBias, load_center_bias, write_center_bias
from deepgaze2.errors import CenterBiasError, OutputError

sizes = st.integers(1, 40)


def interpolated(template: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
    """Independent oracle: SciPy's linear interpolation at the pixels' centers, normalized."""
    y = (np.arange(height) + 0.5) / height * template.shape[0] - 0.5
    x = (np.arange(width) + 0.5) / width * template.shape[1] - 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    values = map_coordinates(template.astype(np.float64), grid, order=1, mode="nearest")
    return np.asarray(values - logsumexp(values))


@given(sizes, sizes, st.integers(1, 300), st.integers(1, 300), st.integers(0, 1000))
@settings(deadline=None)
def test_resizing_interpolates_and_keeps_a_density_a_density(
    h: int, w: int, height: int, width: int, seed: int
) -> None:
    density = np.random.default_rng(seed).gamma(0.3, size=(h, w)) + 1e-9
    center_bias = load_center_bias(density)
    log_density = center_bias.log_density(height, width)
    assert log_density.shape == (height, width)
    assert log_density.dtype == np.float32
    assert np.exp(log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
    expected = interpolated(center_bias.template, height, width)
    np.testing.assert_allclose(log_density, expected, atol=2e-5)


def test_several_blocks_of_rows_agree_with_the_oracle() -> None:
    center_bias = load_center_bias("osie")
    expected = interpolated(center_bias.template, 600, 800)
    np.testing.assert_allclose(center_bias.log_density(600, 800), expected, atol=2e-5)


@given(sizes, sizes)
def test_at_its_own_size_a_density_only_becomes_normalized(h: int, w: int) -> None:
    density = np.random.default_rng(h * w).integers(0, 5, size=(h, w))
    density[0, 0] = 3
    with np.errstate(divide="ignore"):
        expected = np.log(density / density.sum())
    np.testing.assert_allclose(load_center_bias(density).log_density(h, w), expected, atol=1e-5)


def test_pixels_beside_a_zero_cell_are_zero_and_others_finite() -> None:
    log_density = load_center_bias(np.array([[1.0, 1.0, 1.0, 0.0]])).log_density(2, 16)
    assert not np.isnan(log_density).any()
    center = (np.arange(16) + 0.5) / 4 - 0.5
    np.testing.assert_array_equal(np.isneginf(log_density), np.tile(center > 2, (2, 1)))
    assert np.exp(log_density).sum() == pytest.approx(1)


def test_no_mass_left_after_resizing_is_an_error() -> None:
    with pytest.raises(CenterBiasError, match="no mass at 1 by 1 pixels"):
        load_center_bias(np.eye(2)).log_density(1, 1)


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_center_biases_are_densities(name: str) -> None:
    center_bias = load_center_bias(name)
    assert center_bias.name == name
    assert center_bias.template.dtype == np.float32
    assert np.exp(center_bias.template.astype(np.float64)).sum() == pytest.approx(1, abs=1e-6)
    assert load_center_bias(center_bias) is center_bias


def test_uniform_is_uniform() -> None:
    log_density = load_center_bias("uniform").log_density(30, 50)
    np.testing.assert_allclose(log_density, -np.log(1500), atol=1e-6)


def test_gaussian_is_a_gaussian_with_the_moments_of_mit1003() -> None:
    density = np.exp(load_center_bias("mit1003").template.astype(np.float64))
    marginals = []
    for axis, n_cells in enumerate(density.shape):
        position = (np.arange(n_cells) + 0.5) / n_cells
        variance = density.sum(axis=1 - axis) @ (position - 0.5) ** 2
        marginals.append(norm.pdf(position, 0.5, np.sqrt(variance)))
    expected = np.outer(*marginals)
    template = load_center_bias("gaussian").template
    np.testing.assert_allclose(template, np.log(expected / expected.sum()), atol=1e-4)


def test_osie_predicts_fixations_on_osie(shared_data: Path) -> None:
    from deepgaze2.data import read_osie

    row, column = read_osie(shared_data / "osie").without_first().fixations.pixel()
    bits = {
        name: load_center_bias(name).log_density(600, 800)[row, column].mean() / np.log(2)
        for name in PACKAGED
    }
    assert bits["osie"] - bits["uniform"] == pytest.approx(0.5, abs=0.03)
    assert bits["uniform"] < min(bits["mit1003"], bits["gaussian"])
    assert bits["osie"] > max(bits["mit1003"], bits["gaussian"])


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(CenterBiasError, match=r"mit103: unknown; did you mean mit1003\?.*gaussian"):
        load_center_bias("mit103")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([[1.0, np.nan]], "NaN or infinity"),
        ([[1.0, np.inf]], "NaN or infinity"),
        ([[0.0, 0.0]], "no mass"),
        ([[-np.inf, -np.inf]], "no mass"),
        ([[1.0, -0.5]], "is no log density"),
        ([1.0, 2.0], "shape"),
        (np.zeros((0, 3)), "shape"),
        ([[1j]], "not an array of real numbers"),
        ([["a"]], "not an array of real numbers"),
        ([[1.0], [1.0, 2.0]], "not an array of real numbers"),
    ],
)
def test_what_is_no_density_is_refused(array: Any, message: str) -> None:
    with pytest.raises(CenterBiasError, match=message):
        load_center_bias(array)


def test_negative_values_mean_a_log_density() -> None:
    density = np.array([[1, 2], [3, 4]]) / 10
    template = load_center_bias(np.log(density)).template
    np.testing.assert_allclose(template, np.log(density), atol=1e-6)
    np.testing.assert_allclose(load_center_bias(density * 1e300).template, template, atol=1e-6)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_files_of_each_kind(tmp_path: Path, suffix: str) -> None:
    center_bias = load_center_bias(np.arange(1.0, 7).reshape(2, 3))
    path = tmp_path / f"mine{suffix}"
    if suffix == ".safetensors":
        write_center_bias(center_bias, path)
    else:
        {".npy": np.save, ".npz": np.savez}[suffix](path, np.exp(center_bias.template))
    for source in (path, str(path)):
        loaded = load_center_bias(source)
        assert loaded.name == "mine"
        np.testing.assert_allclose(loaded.template, center_bias.template, atol=1e-6)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_truncated_files(tmp_path: Path, suffix: str, share: float) -> None:
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
    if suffix == ".safetensors":
        write_center_bias(CenterBias("flat", np.full((9, 9), -np.log(81), np.float32)), whole)
    else:
        {".npy": np.save, ".npz": np.savez}[suffix](whole, np.ones((9, 9)))
    path.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    with pytest.raises(CenterBiasError, match=f"part{suffix}: damaged"):
        load_center_bias(path)


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", np.ones((2, 2)), np.ones((2, 2)))
    np.save(tmp_path / "code.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "folder.npy").mkdir()
    for name, message in {
        "two.npz": "holds 2 arrays",
        "code.npy": "damaged",
        "folder.npy": "cannot be read",
        "absent.npy": "cannot be read",
        "photo.png": "give one of .npy",
    }.items():
        with pytest.raises(CenterBiasError, match=f"{name}: .*{message}"):
            load_center_bias(tmp_path / name)


def test_writing_where_it_cannot_be_read_again_is_refused(tmp_path: Path) -> None:
    uniform = load_center_bias("uniform")
    with pytest.raises(CenterBiasError, match=r"written as \.safetensors"):
        write_center_bias(uniform, tmp_path / "uniform.npy")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_center_bias(uniform, tmp_path / "file" / "uniform.safetensors")
