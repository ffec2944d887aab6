"""eDN's networks: shapes, draws, and features with the published means and deviations."""

import json
import random
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.rivals.on_pixels import edn_networks
from deepgaze2.rivals.on_pixels.edn import scaled, yuv
from deepgaze2.rivals.on_pixels.edn_networks import (
    NETWORKS,
    Normalization,
    network_maps,
    random_filters,
)

N_IMAGES = 12


def mersenne_twister(seed: int) -> random.Random:
    """Return Python's own generator, seeded as Matsumoto and Nishimura's reference code is."""
    state = [seed]
    for number in range(1, 624):
        previous = state[-1] ^ (state[-1] >> 30)
        state.append((1812433253 * previous + number) & 0xFFFFFFFF)
    generator = random.Random()
    generator.setstate((3, (*state, 624), None))
    return generator


def test_filters_are_drawn_from_seed_42_channels_fastest() -> None:
    generator = mersenne_twister(42)
    filters = random_filters(3, 5, 4)
    assert filters.dtype == np.float32
    for found in filters:
        values = np.array([generator.random() for _ in range(5 * 5 * 4)])
        values -= values.mean()
        values /= np.linalg.norm(values)
        np.testing.assert_array_equal(found, values.reshape(5, 5, 4).astype(np.float32))


def test_networks_are_the_published_ones(shared_data: Path) -> None:
    content = json.loads((shared_data / "edn" / "descriptors.json").read_text())
    published = content["__array__"]
    assert [network.color for network in NETWORKS] == [entry["colorSp"] for entry in published]
    for network, entry in zip(NETWORKS, published, strict=True):
        ((first,), *layers) = entry["desc"]
        assert network.normalization == as_normalization(first)
        for layer, (bank, pool, norm) in zip(network.layers, layers, strict=True):
            assert (bank[0], pool[0]) == ("fbcorr", "lpool")
            start, bounds, pooling = bank[1]["initialize"], bank[1]["kwargs"], pool[1]["kwargs"]
            assert start["generate"] == ["random:uniform", {"rseed": 42}]
            assert layer.n_filters == start["n_filters"]
            assert [layer.filter_size] * 2 == start["filter_shape"]
            assert (layer.lowest, layer.highest) == (bounds["min_out"], bounds["max_out"])
            assert [layer.pool_size] * 2 == pooling["ker_shape"]
            assert (layer.pool_order, 2) == (pooling["order"], pooling["stride"])
            assert layer.normalization == as_normalization(norm)


def as_normalization(operation: list[object]) -> Normalization:
    name, parameters = operation
    assert name == "lnorm"
    assert isinstance(parameters, dict)
    kwargs = parameters["kwargs"]
    size = kwargs["inker_shape"][0]
    assert kwargs["inker_shape"] == kwargs["outker_shape"] == [size, size]
    return Normalization(size, kwargs["threshold"], kwargs["stretch"], kwargs["remove_mean"])


def correlations(shared_data: Path, number: int) -> tuple[float, float]:
    """Correlate features' means and deviations over photos with those published.

    The published ones are of other photos, those of MIT1003, hence not the same.
    """
    network = NETWORKS[number]
    maps = []
    for path in islice(
        sorted((shared_data / "osie" / "stimuli").glob("*.jpg")), 0, 600, 600 // N_IMAGES
    ):
        with Image.open(path) as image:
            small = scaled(np.asarray(image.convert("RGB")))
        image_seen = small if network.color == "rgb" else yuv(small)
        maps.append(network_maps(network, image_seen.astype(np.float32)))
    assert len(maps) == N_IMAGES
    features = np.concatenate([values.reshape(-1, values.shape[2]) for values in maps])
    start = sum(before.layers[-1].n_filters for before in NETWORKS[:number])
    table = np.loadtxt(shared_data / "edn" / "whiten-slm")
    mean, deviation = table[start : start + features.shape[1]].T
    return correlation(features.mean(axis=0), mean), correlation(features.std(axis=0), deviation)


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_features_have_the_published_means_and_deviations(shared_data: Path, number: int) -> None:
    of_means, of_deviations = correlations(shared_data, number)
    assert of_means > 0.9
    assert of_deviations > 0.75


@pytest.mark.slow
def test_other_filters_give_other_means_and_deviations(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edn_networks, "_SEED", 43)
    assert max(map(abs, correlations(shared_data, 3))) < 0.4
