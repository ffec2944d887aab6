"""The likelihood that training maximizes is the predictor's, and so is its gradient."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from deepgaze2.density.mixture import mixture_log_density
from deepgaze2.readout.numpy_readout import saliency
from deepgaze2.readout.torch_readout import ReadoutNetwork, readout_of
from deepgaze2.training.images import TrainingImage
from deepgaze2.training.objective import Objective
from helpers import float64_model
from helpers.small_models import ARCHITECTURES, PAPER16
from helpers.training_images import (
    double_readout,
    gains_of,
    made_up,
    maps_of,
    new_network,
    stacked,
)

KINDS = pytest.mark.parametrize("kind", ARCHITECTURES)


def vector_of(network: ReadoutNetwork) -> NDArray[np.float32]:
    """Parameters of which none is at a special value."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.05, network.n_parameters)
    return (network.initial(1) + noise).astype(np.float32)


def log_likelihoods(
    network: ReadoutNetwork,
    vector: NDArray[np.floating],
    image: TrainingImage,
    grid_block: int,
) -> NDArray[np.float64]:
    """The reference's log density at each fixation on an image, nats."""
    named = network.named(torch.from_numpy(vector.astype(np.float64)))
    values = {name: part.numpy() for name, part in named.items()}
    readout = double_readout(network, values, grid_block, image.viewing)
    maps = maps_of(image, network.architecture)
    s = float64_model.saliency(readout, maps, image.sizes)
    found = float64_model.full_size_log_density(
        s, image.log_center_bias, image.sizes[0], grid_block, readout.prior_weight
    )
    return found.ravel()[image.pixels]


def log_prior(image: TrainingImage) -> NDArray[np.float64]:
    """The normalized log prior at each fixation on an image, nats."""
    prior = image.log_center_bias.astype(np.float64)
    return np.asarray((prior - float64_model.log_sum_exp(prior)).ravel()[image.pixels])


def mean_and_gradient(
    objective: Objective,
    vector: NDArray[np.float32],
    batch: Sequence[int],
    kept: Sequence[torch.Tensor] | None = None,
) -> tuple[float, torch.Tensor]:
    """The mean over fixations of -log p under a readout, and its gradient."""
    factors = [kept] if kept is not None else None
    losses, gradients = objective.loss_and_gradient(stacked(vector), batch, kept=factors)
    mass = objective.masses[list(batch)].sum()
    return float(losses[0]) / mass, gradients[0] / mass


@KINDS
@pytest.mark.parametrize("grid_block", [2, 3])
def test_it_is_the_references_likelihood(tmp_path: Path, kind: str, grid_block: int) -> None:
    """On the grid it is asked for, which need not be the readout's own."""
    network = new_network(ARCHITECTURES[kind], learn_prior_weight=True, deviation=None)
    images = made_up(tmp_path, 4, ARCHITECTURES[kind])
    vector = vector_of(network)
    objective = Objective(network, images, grid_block=grid_block)
    value, _ = mean_and_gradient(objective, vector, [0, 2, 3])
    at_fixations = [log_likelihoods(network, vector, image, grid_block) for image in images]
    chosen = np.concatenate([at_fixations[i] for i in (0, 2, 3)])
    assert value == pytest.approx(-chosen.mean(), abs=1e-4)

    gains = gains_of(objective, vector, [1, 2])
    expected = [(at_fixations[i].mean() - log_prior(images[i]).mean()) / np.log(2) for i in (1, 2)]
    np.testing.assert_allclose(gains, expected, atol=2e-4)
    baseline = np.concatenate([log_prior(image) for image in images])
    assert objective.baseline() == pytest.approx(-baseline.mean(), abs=1e-5)


@KINDS
def test_it_is_what_is_predicted_at_the_fixated_pixels(tmp_path: Path, kind: str) -> None:
    """By the predictor itself, for an image of the network input's size."""
    architecture = ARCHITECTURES[kind]
    network = new_network(architecture, deviation=None)
    (image,) = made_up(tmp_path, 1, architecture)
    vector = vector_of(network)
    readout = readout_of(network, [vector])
    stored = [
        {tap: array.astype(np.float32) for tap, array in named.items()}
        for named in maps_of(image, architecture)
    ]
    predicted = mixture_log_density(
        saliency(readout, stored, image.sizes),
        image.log_center_bias,
        image.sizes[0],
        architecture.grid_block,
    )
    objective = Objective(network, [image], grid_block=architecture.grid_block)
    value, _ = mean_and_gradient(objective, vector, [0])
    assert value == pytest.approx(-predicted.ravel()[image.pixels].mean(), abs=1e-4)


@pytest.mark.parametrize("scale", [0, 1, 1000])
def test_it_is_a_likelihood_for_any_saliency(tmp_path: Path, scale: float) -> None:
    """Without saliency it is the prior's; huge ones stay finite."""
    network = new_network()
    images = made_up(tmp_path, 2)
    values = network.named(torch.from_numpy(network.initial(0)))
    values["weight3"] *= scale
    vector = torch.cat([part.flatten() for part in values.values()]).numpy()
    objective = Objective(network, images, grid_block=3)
    value, gradient = mean_and_gradient(objective, vector, [0, 1])
    assert np.isfinite(value)
    assert torch.isfinite(gradient).all()
    if scale == 0:
        assert value == pytest.approx(objective.baseline(), abs=1e-5)
        np.testing.assert_allclose(gains_of(objective, vector), 0, atol=1e-5)


@KINDS
@pytest.mark.parametrize("n_viewings", [1, 3])
def test_the_gradient_is_the_references_differences(
    tmp_path: Path, kind: str, n_viewings: int
) -> None:
    """Along random directions of each part of the parameters, the prior's weight among them.

    With several viewings for images of each, and of none of them, that count differently.
    """
    architecture = ARCHITECTURES[kind]
    network = new_network(
        architecture, learn_prior_weight=True, deviation=None, n_viewings=n_viewings
    )
    images = made_up(tmp_path, 2 if n_viewings == 1 else 5, architecture)
    if n_viewings > 1:
        seen_in = ((0, 1.0), (1, 0.4), (2, 2.5), (None, 0.7), (1, 1.3))
        images = [
            replace(image, viewing=number, weight=weight)
            for image, (number, weight) in zip(images, seen_in, strict=True)
        ]
    vector = vector_of(network).astype(np.float64)
    objective = Objective(network, images, grid_block=3)
    value, gradient = mean_and_gradient(objective, vector.astype(np.float32), range(len(images)))
    masses = [image.weight * len(image.pixels) for image in images]
    np.testing.assert_allclose(objective.masses, masses)

    def expected(at: NDArray[np.float64]) -> float:
        means = [log_likelihoods(network, at, image, 3).mean() for image in images]
        return -float(np.average(means, weights=masses))

    assert value == pytest.approx(expected(vector), abs=1e-4)
    rng, position, varied = np.random.default_rng(0), 0, 0
    for name, shape in network.shapes.items():
        # A number for each data set or scale has a direction of its own; others, one together.
        viewed = len(shape) > 0 and shape[0] == n_viewings and not name.startswith(("f", "w", "b"))
        size = int(np.prod(shape))
        for direction in np.eye(size) if viewed else rng.normal(size=(1, size)):
            along = np.zeros_like(vector)
            along[position : position + size] = direction
            ends = [expected(vector + sign * 1e-6 * along) for sign in (1, -1)]
            slope = float(gradient.double().numpy() @ along)
            assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=5e-3, abs=1e-3), name
            varied += viewed and abs(slope) > 5e-3
        position += size
    n_own = {name for name in network.shapes if name.startswith(("log_", "prior"))}
    assert varied >= n_viewings * (len(n_own) - 1)


def test_all_fixations_count_alike(tmp_path: Path) -> None:
    """Not all images: one with more fixations weighs more."""
    network = new_network()
    images = made_up(tmp_path, 2)
    images[1] = replace(images[1], pixels=np.tile(images[1].pixels, 5))
    objective = Objective(network, images, grid_block=3)
    n = [len(image.pixels) for image in images]
    assert objective.masses.tolist() == n
    (both, gradient), (first, g0), (second, g1) = (
        mean_and_gradient(objective, vector_of(network), batch) for batch in ([0, 1], [0], [1])
    )
    assert both == pytest.approx(np.average([first, second], weights=n), abs=1e-6)
    expected = (n[0] * g0 + n[1] * g1) / sum(n)
    np.testing.assert_allclose(gradient.numpy(), expected.numpy(), atol=1e-5)
    assert first != pytest.approx(second, abs=1e-2)


def test_dropout_scales_what_it_keeps(tmp_path: Path) -> None:
    network = new_network(ARCHITECTURES["two scales"])
    images = made_up(tmp_path, 2, ARCHITECTURES["two scales"])
    objective = Objective(network, images, grid_block=3)
    vector = vector_of(network)

    def drawn(seed: int) -> tuple[float, torch.Tensor]:
        kept = objective.drawn(0.3, torch.Generator().manual_seed(seed))
        return mean_and_gradient(objective, vector, [0, 1], kept)

    value, gradient = drawn(0)
    again, other = drawn(0), drawn(1)
    assert again[0] == value != other[0]
    assert torch.equal(again[1], gradient)
    by_name = network.named(gradient)
    dropped = [(by_name[f"first{g}"] == 0).all(0) for g in range(2)]
    shares = [float(one.float().mean()) for one in dropped]
    assert all(0.05 < share < 0.6 for share in shares), shares
    assert not torch.equal(*dropped)

    weights = {name: part.clone() for name, part in network.named(torch.from_numpy(vector)).items()}
    for g, one in enumerate(dropped):
        weights[f"first{g}"] *= (~one).float() / 0.7
    by_hand = torch.cat([part.flatten() for part in weights.values()]).numpy()
    expected, _ = mean_and_gradient(objective, by_hand, [0, 1])
    assert value == pytest.approx(expected, abs=1e-5)


def test_saliency_is_the_predictors(tmp_path: Path) -> None:
    network = new_network()
    images = made_up(tmp_path, 2)
    vector = vector_of(network)
    found = Objective(network, images, grid_block=2).saliency(stacked(vector), 1)[0]
    (maps,) = maps_of(images[1], PAPER16)
    stored = {tap: array.astype(np.float32) for tap, array in maps.items()}
    expected = saliency(readout_of(network, [vector]), [stored], images[1].sizes)
    np.testing.assert_allclose(found.numpy(), expected[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["paper", "three groups"])
@pytest.mark.parametrize("masked", [False, True])
def test_readouts_at_once_are_as_each_alone(tmp_path: Path, kind: str, masked: bool) -> None:
    """Each on the images that it may see, with channels dropped that are its own."""
    network = new_network(ARCHITECTURES[kind], learn_prior_weight=True, deviation=None)
    images = made_up(tmp_path, 4, ARCHITECTURES[kind])
    objective = Objective(network, images, grid_block=3)
    rng = np.random.default_rng(0)
    vectors = [
        (network.initial(k) + rng.normal(0, 0.05, network.n_parameters)).astype(np.float32)
        for k in range(3)
    ]
    kept = [objective.drawn(0.3, torch.Generator().manual_seed(k)) for k in range(3)]
    # The second image is seen by none, the last readout sees none of the batch.
    seen = np.array([[1, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 0]], bool)
    mask = seen if masked else np.ones_like(seen)
    batch = [3, 0, 2]
    losses, gradients = objective.loss_and_gradient(
        stacked(*vectors), batch, mask if masked else None, kept
    )
    assert (losses.shape, gradients.shape) == ((3,), (3, network.n_parameters))
    for k, vector in enumerate(vectors):
        own = [i for i in batch if mask[k, i]]
        loss, gradient = objective.loss_and_gradient(stacked(vector), own, kept=[kept[k]])
        assert losses[k] == pytest.approx(loss[0], rel=1e-6, abs=1e-9)
        np.testing.assert_allclose(gradients[k], gradient[0], atol=1e-4 * (1 + len(own)))
    assert (losses[2] == 0) == masked
    if masked:
        assert not gradients[2].any()
    maps = objective.saliency(stacked(*vectors), 1)
    for k, vector in enumerate(vectors):
        alone = objective.saliency(stacked(vector), 1)[0]
        np.testing.assert_allclose(maps[k], alone, atol=1e-5)
