"""The trained network is the predicting one, and its gradients are the reference's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.grid import blur_matrix as numpy_blur_matrix
from deepgaze2.readout.layout import Layout, layout
from deepgaze2.readout.numpy_readout import saliency
from deepgaze2.readout.torch_readout import (
    ReadoutNetwork,
    blur_matrix,
    carried_over,
    parameters_of,
    readout_of,
)
from deepgaze2.readout.wide_features import WideFeatures
from helpers import float64_model
from helpers.small_models import (
    ARCHITECTURES,
    NARROW16,
    PAPER16,
    cells_of,
    group_sizes,
    random_readout,
)
from helpers.training_images import double_readout, new_network

KINDS = pytest.mark.parametrize("kind", ARCHITECTURES)
Maps = list[dict[str, NDArray[np.float64]]]


def random_maps(architecture: Architecture, size: tuple[int, int]) -> Maps:
    """Every tap by name, for each group of taps."""
    rng = np.random.default_rng(0)
    found: Maps = []
    for group, (width, height) in zip(
        architecture.groups, group_sizes(architecture, size), strict=True
    ):
        shape = cells_of(group, (width, height))
        named: dict[str, NDArray[np.float64]] = {}
        for tap in group.names:
            conv = tap.replace("relu", "conv")
            named.setdefault(conv, rng.normal(20, 80, (NARROW16.tap(tap).channels, *shape)))
            named[tap] = named[conv] if tap == conv else np.maximum(named[conv], 0)
        found.append(named)
    return found


def layout_of(architecture: Architecture, size: tuple[int, int]) -> Layout:
    sizes = tuple(group_sizes(architecture, size))
    cells = tuple(map(cells_of, architecture.groups, sizes))
    return layout(architecture, sizes, cells, architecture.grid_block)


def as_tensors(
    architecture: Architecture, maps: Maps, dtype: torch.dtype
) -> list[list[torch.Tensor]]:
    return [
        [torch.from_numpy(named[tap]).to(dtype) for tap in group.names]
        for group, named in zip(architecture.groups, maps, strict=True)
    ]


def in_double(network: ReadoutNetwork, where: Layout) -> Layout:
    """Make all that is multiplied with the parameters float64."""
    network.deviations = tuple(d.astype(np.float64) for d in network.deviations)
    groups = tuple((rows.double(), columns.double()) for rows, columns in where.groups)
    return replace(where, groups=groups)


def saliency_of(
    network: ReadoutNetwork,
    parameters: dict[str, torch.Tensor],
    features: list[list[torch.Tensor]],
    where: Layout,
    kept: list[torch.Tensor] | None = None,
    viewing: int | None = 0,
) -> torch.Tensor:
    operators = network.operators(parameters, [(viewing, where)], kept)
    groups = range(len(network.deviations))
    first = [operators[f"first{g}"] for g in groups]
    sums = [operators[f"sum{g}"] for g in groups if network.architecture.layer_norm]
    products = WideFeatures(network, features).products(first, sums)
    return network.saliency(operators, products, where, viewing)


def random_vector(network: ReadoutNetwork, seed: int = 1) -> NDArray[np.float64]:
    """Parameters with a blur and a prior's weight of their own."""
    rng = np.random.default_rng(seed)
    return network.initial(seed).astype(np.float64) + rng.normal(0, 0.05, network.n_parameters)


def named_arrays(
    network: ReadoutNetwork, vector: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    return {name: part.numpy() for name, part in network.named(torch.from_numpy(vector)).items()}


@KINDS
@pytest.mark.parametrize("size", [(50, 75), (33, 17), (100, 64)])
def test_training_on_the_readouts_grid_is_prediction(kind: str, size: tuple[int, int]) -> None:
    architecture = ARCHITECTURES[kind]
    readout = random_readout(3, architecture)
    sizes = group_sizes(architecture, size)
    maps = random_maps(architecture, size)
    stored = [{tap: tensor.astype(np.float32) for tap, tensor in named.items()} for named in maps]
    expected = saliency(readout, stored, sizes)
    cuts = np.cumsum([group.channels for group in architecture.groups])[:-1]
    network = ReadoutNetwork(architecture, np.split(readout.tap_deviation, cuts))
    for k in range(3):
        vector = torch.from_numpy(parameters_of(network, readout, k))
        found = saliency_of(
            network,
            network.named(vector),
            as_tensors(architecture, maps, torch.float32),
            layout_of(architecture, size),
        )
        np.testing.assert_allclose(found.numpy(), expected[k], atol=2e-4)


@KINDS
def test_parameters_and_readouts_are_one(kind: str) -> None:
    network = new_network(ARCHITECTURES[kind], learn_prior_weight=True, deviation=None)
    vectors = [random_vector(network, seed).astype(np.float32) for seed in range(3)]
    readout = readout_of(network, vectors)
    assert readout.n_models == 3
    for k, vector in enumerate(vectors):
        found = parameters_of(network, readout, k)
        np.testing.assert_allclose(found, vector, atol=1e-6)  # the blur's width by its logarithm
        for name, part in network.named(torch.from_numpy(vector)).items():
            if name.startswith(("weight", "bias")):
                stored = (readout.weights if name[0] == "w" else readout.biases)[int(name[-1])][k]
                np.testing.assert_array_equal(stored, part.numpy())


VIEWINGS = ("first", "second", "third")


@KINDS
def test_a_data_sets_viewing_is_what_it_was_trained_with(kind: str) -> None:
    """By name in prediction, by number in training; the readout itself is their average."""
    architecture, size = ARCHITECTURES[kind], (50, 75)
    network = new_network(architecture, learn_prior_weight=True, deviation=30, n_viewings=3)
    vectors = [random_vector(network, seed).astype(np.float32) for seed in range(2)]
    readout = readout_of(network, vectors, VIEWINGS)
    assert tuple(readout.viewings) == VIEWINGS
    maps, sizes = random_maps(architecture, size), group_sizes(architecture, size)
    stored = [{tap: tensor.astype(np.float32) for tap, tensor in named.items()} for named in maps]
    features, where = as_tensors(architecture, maps, torch.float32), layout_of(architecture, size)
    found = {}
    for number, name in (*enumerate(VIEWINGS), (None, "average")):
        one = readout.viewed(readout.viewings[name]) if number is not None else readout
        found[name] = saliency(one, stored, sizes)
        assert not one.viewings or number is None
        for k, vector in enumerate(vectors):
            named = network.named(torch.from_numpy(vector))
            expected = saliency_of(network, named, features, where, viewing=number)
            np.testing.assert_allclose(found[name][k], expected.numpy(), rtol=1e-4, atol=2e-4)
            weight = named["prior_weight"]
            own = weight.mean() if number is None else weight[number]
            assert float(one.prior_weight[k]) == pytest.approx(float(own), abs=1e-6)
    for name in VIEWINGS:
        assert not np.allclose(found[name], found["average"], rtol=1e-3, atol=1e-3)
    second = readout.members([1])
    alone = second.viewed(second.viewings["third"])
    np.testing.assert_allclose(saliency(alone, stored, sizes)[0], found["third"][1], atol=1e-5)


@KINDS
def test_training_goes_on_from_the_average_of_viewings(kind: str) -> None:
    """Whether from a stored readout or from what pretraining led to, all data sets begin alike."""
    network = new_network(
        ARCHITECTURES[kind], learn_prior_weight=True, deviation=None, n_viewings=3
    )
    one, two = (
        new_network(ARCHITECTURES[kind], learn_prior_weight=True, deviation=None, n_viewings=n)
        for n in (1, 2)
    )
    vector = random_vector(network).astype(np.float32)
    readout = readout_of(network, [vector], VIEWINGS)
    for other in (one, two, network):
        begun = carried_over(network, other, vector)
        assert begun.dtype == np.float32
        np.testing.assert_array_equal(begun, parameters_of(other, readout, 0))
        again = readout_of(other, [begun], VIEWINGS[: other.n_viewings])
        for found, wanted in (
            *zip(again.weights, readout.weights, strict=True),
            *zip(again.biases, readout.biases, strict=True),
            (again.sigma_px, readout.sigma_px),
            (again.prior_weight, readout.prior_weight),
        ):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        for viewing in again.viewings.values():
            np.testing.assert_array_equal(viewing.factor, 1)
            np.testing.assert_array_equal(viewing.scale_factors, 1)
            np.testing.assert_allclose(viewing.sigma_px, readout.sigma_px, rtol=1e-6)
            np.testing.assert_allclose(viewing.prior_weight, readout.prior_weight, rtol=1e-6)
    # Nothing is rounded where nothing changes.
    plain = random_vector(one).astype(np.float32)
    np.testing.assert_array_equal(carried_over(one, one, plain), plain)
    from_one = two.named(torch.from_numpy(carried_over(one, two, plain)))
    for name, part in one.named(torch.from_numpy(plain)).items():
        wanted_part = part.expand(from_one[name].shape)
        np.testing.assert_allclose(from_one[name], wanted_part, atol=1e-6)


def test_what_is_not_learned_stays() -> None:
    network = new_network(learn_sigma=False)
    assert not {"log_sigma_px", "prior_weight"} & network.shapes.keys()
    readout = readout_of(network, [network.initial(0)])
    np.testing.assert_array_equal(readout.sigma_px, [10])
    np.testing.assert_array_equal(readout.prior_weight, [1])
    both = new_network(learn_prior_weight=True)
    assert {"log_sigma_px", "prior_weight"} <= both.shapes.keys()
    begins = readout_of(both, [both.initial(0)])
    np.testing.assert_allclose(begins.sigma_px, 10, rtol=1e-6)
    np.testing.assert_array_equal(begins.prior_weight, [1])


def test_exported_parameters_are_a_copy() -> None:
    network = new_network()
    vector = network.initial(0)
    readout = readout_of(network, [vector])
    before = [weights.copy() for weights in readout.weights]
    vector[:] = 0
    for weights, copy in zip(readout.weights, before, strict=True):
        np.testing.assert_array_equal(weights, copy)


@KINDS
@pytest.mark.parametrize("grid_block", [2, 3, 4])
def test_gradients_are_finite_differences_of_the_reference(kind: str, grid_block: int) -> None:
    """Along a random direction of each part of the parameters, on any grid."""
    architecture = replace(ARCHITECTURES[kind], grid_block=grid_block)
    network = new_network(architecture, deviation=None)
    size, rng = (75, 50), np.random.default_rng(0)
    sizes, maps = group_sizes(architecture, size), random_maps(architecture, size)
    where = in_double(network, layout_of(architecture, size))
    vector = random_vector(network)
    probe = rng.normal(size=(where.groups[0][0].shape[0], where.groups[0][1].shape[0]))

    leaf = torch.from_numpy(vector).requires_grad_()
    tensors = as_tensors(architecture, maps, torch.float64)
    loss = (
        saliency_of(network, network.named(leaf), tensors, where) * torch.from_numpy(probe)
    ).sum()
    (gradient,) = torch.autograd.grad(loss, leaf)

    def expected(at: NDArray[np.float64]) -> float:
        readout = double_readout(network, named_arrays(network, at))
        return float((float64_model.saliency(readout, maps, sizes)[0] * probe).sum())

    assert float(loss.detach()) == pytest.approx(expected(vector), rel=1e-5)
    for name, part in named_arrays(network, np.arange(len(vector), dtype=np.float64)).items():
        direction = np.zeros_like(vector)
        chosen = part.astype(int).ravel()
        direction[chosen] = rng.normal(size=len(chosen))
        ends = [expected(vector + sign * 1e-6 * direction) for sign in (1, -1)]
        slope = float(gradient.numpy() @ direction)
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3, abs=1e-4), name


@settings(max_examples=50, deadline=None)
@given(cells=st.integers(1, 60), sigma=st.floats(0.05, 30))
def test_the_blur_is_the_predicting_one(cells: int, sigma: float) -> None:
    found = blur_matrix(cells, torch.tensor(sigma, dtype=torch.float64))
    np.testing.assert_allclose(found.numpy(), numpy_blur_matrix(cells, sigma), atol=1e-12)


@pytest.mark.parametrize("scale", [1, 300])
def test_layer_normalization_takes_out_mean_and_variance(scale: float) -> None:
    """A unit of the first layer sees features of mean 0 and variance 1 at each position."""
    architecture = Architecture(PAPER16.groups, widths=(1,), layer_norm=True, grid_block=5)
    network = new_network(architecture, deviation=None)
    features = np.random.default_rng(0).normal(5, 2, (network.shapes["first0"][1], 4, 5)) * scale
    normalized = features / network.deviations[0][:, None, None]
    normalized = (normalized - normalized.mean(0)) / normalized.std(0)
    values = network.named(torch.zeros(network.n_parameters))
    values["log_sigma_px"] = torch.tensor([-20.0])
    tensors = [[torch.from_numpy(features).float()]]
    where = layout_of(architecture, (75, 50))
    for channel in (0, 7, 33):
        values["first0"] = torch.zeros(1, len(features))
        values["first0"][0, channel] = 1
        found = saliency_of(network, values, tensors, where)
        np.testing.assert_allclose(found.numpy(), normalized[channel], atol=1e-4)
    values["first0"] = torch.ones(1, len(features))  # the mean, which is zero now
    found = saliency_of(network, values, tensors, where)
    np.testing.assert_allclose(found.numpy(), 0, atol=1e-3)


def test_a_dropped_channel_is_a_zero() -> None:
    """Dropping weights is dropping features, but for a layer's normalization."""
    network = new_network()
    size = (75, 50)
    maps = random_maps(PAPER16, size)
    values = network.named(torch.from_numpy(network.initial(0)))
    ((*taps,),) = as_tensors(PAPER16, maps, torch.float32)
    features = torch.cat(taps)
    kept = torch.ones(len(features))
    kept[[3, 17]] = 0
    where = layout_of(PAPER16, size)
    found = saliency_of(network, values, [[features]], where, [kept])
    expected = saliency_of(network, values, [[features * kept[:, None, None]]], where)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-4)
    assert not np.allclose(found, saliency_of(network, values, [[features]], where), atol=1e-2)


@KINDS
def test_the_seed_decides_where_training_begins(kind: str) -> None:
    network = new_network(ARCHITECTURES[kind])
    first, same, other = (network.initial(seed) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.shape == (network.n_parameters,)
    np.testing.assert_array_equal(first, same)
    for name, part in network.named(torch.from_numpy(first)).items():
        differs = not np.array_equal(part, network.named(torch.from_numpy(other))[name])
        assert differs == name.startswith(("first", "weight")), name


@pytest.mark.parametrize("seed", range(10))
@KINDS
def test_every_readout_begins_alive(kind: str, seed: int) -> None:
    architecture = ARCHITECTURES[kind]
    network = new_network(architecture)
    size, rng = (256, 192), np.random.default_rng(seed)
    features = [
        [torch.from_numpy(rng.normal(0, 1, (group.channels, *cells_of(group, own)))).float()]
        for group, own in zip(architecture.groups, group_sizes(architecture, size), strict=True)
    ]
    values = network.named(torch.from_numpy(network.initial(seed)))
    assert saliency_of(network, values, features, layout_of(architecture, size)).std() > 1e-3
