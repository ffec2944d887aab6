"""The likelihood of fixations under a mixture whose viewing is changed, without the network.

What is behind a readout's nonlinearities is computed anew for each change; what is before them is
interpolated between a few weights of each scale, so that an image takes milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.mixture import mixed_on_grid, prior_on_grid
from deepgaze2.evaluation.out_of_fold import folds_of
from deepgaze2.image.network_input import network_inputs
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.model import Model
from deepgaze2.readout.activations import FloatArray
from deepgaze2.readout.grid import block_stride, interpolation_matrix
from deepgaze2.readout.numpy_readout import Readout, blur, unblurred
from deepgaze2.readout.viewing import Viewing
from deepgaze2.support.progress import Progress

_STEP = 0.25  # in the logarithm of a scale's weight, between the maps that are interpolated


@dataclass(frozen=True)
class Change:
    """How a viewing differs from a model's own, in all readouts alike.

    Attributes
    ----------
    log_sigma, log_factor
        Logarithms of the factors on the blur's width and on saliency.
    weight
        What is added to the center bias's weight.
    log_scale
        For each network, logarithms of the factors on the features of each scale but the first.
    """

    log_sigma: float = 0.0
    weight: float = 0.0
    log_factor: float = 0.0
    log_scale: tuple[tuple[float, ...], ...] = ((),)

    def viewing(self, readout: Readout, network: int = 0) -> Viewing:
        """Return the viewing of the readouts on a network, given by number, that is changed so."""
        n = readout.n_models
        scales = np.exp([0.0, *self.log_scale[network]])
        return Viewing(
            sigma_px=readout.sigma_px * np.float32(np.exp(self.log_sigma)),
            prior_weight=readout.prior_weight + np.float32(self.weight),
            factor=np.full(n, np.exp(self.log_factor), np.float32),
            scale_factors=np.tile(scales.astype(np.float32), (n, 1)),
        )

    @property
    def values(self) -> NDArray[np.float64]:
        """All numbers as one vector."""
        return np.array([self.log_sigma, self.weight, self.log_factor, *chain(*self.log_scale)])

    def of(self, values: Sequence[float] | NDArray[np.float64]) -> "Change":
        """Return the change of a vector, for the same networks."""
        log_sigma, weight, log_factor, *scales = (float(one) for one in values)
        each = iter(scales)
        log_scale = tuple(tuple(islice(each, len(own))) for own in self.log_scale)
        return Change(log_sigma, weight, log_factor, log_scale)


@dataclass(frozen=True)
class Looked:
    """An image as readouts see it, and its fixations.

    Attributes
    ----------
    outputs
        For each network, (1 + 2 (n_scales - 1), K, gh, gw): the readouts before their blur, as they
        are, and with the weight of each scale but the first lowered and raised by a step.
    sigma_cells, prior_weight, shares
        (K of all networks,) the readouts' own, and what each counts in the mixture.
    rows, columns
        (n_fixations, gh) and (n_fixations, gw): the linear interpolation to the fixations.
    size
        Width and height of the network's input, at whose pixels densities are counted.
    grid_block
        The VGG block whose grid outputs have.
    """

    outputs: tuple[FloatArray, ...]
    sigma_cells: FloatArray
    prior_weight: FloatArray
    shares: NDArray[np.float64]
    rows: FloatArray
    columns: FloatArray
    size: tuple[int, int]
    grid_block: int

    @property
    def n_fixations(self) -> int:
        """How many fixations there are."""
        return len(self.rows)

    @property
    def no_change(self) -> Change:
        """The change that leaves all as it is."""
        return Change(log_scale=tuple((0.0,) * (len(own) // 2) for own in self.outputs))

    def prior(self, center_bias: CenterBias) -> FloatArray:
        """Return a center bias on the grid, (gh, gw), nats."""
        return prior_on_grid(center_bias, self.size, self.grid_block)

    def saliency(self, change: Change) -> FloatArray:
        """Return S of each readout under a change, (K of all networks, gh, gw), nats."""
        each = zip(self.outputs, change.log_scale, strict=True)
        output = np.concatenate([_between(outputs, log_scale) for outputs, log_scale in each])
        sigma = self.sigma_cells * np.float32(np.exp(change.log_sigma))
        factor = np.float32(np.exp(change.log_factor))
        return np.stack([factor * blur(o, float(s)) for o, s in zip(output, sigma, strict=True)])

    def log_density(self, change: Change, prior: FloatArray) -> NDArray[np.float64]:
        """Return the mixture's log density at each fixation, nats per pixel of the input."""
        weight = (self.prior_weight + np.float32(change.weight))[:, None, None]
        s = self.saliency(change) + (weight - 1) * prior
        relative = prior - prior.max()
        mixed = mixed_on_grid(s, np.exp(relative), self.shares) + relative  # sums to one
        pixels_per_cell = self.size[0] * self.size[1] / mixed.size
        at_fixations = np.einsum("nw,nw->n", self.rows @ mixed, self.columns, dtype=np.float64)
        return np.asarray(at_fixations - np.log(pixels_per_cell))


def _between(outputs: FloatArray, log_scale: Sequence[float]) -> FloatArray:
    """Return a network's readouts before their blur with other weights of scales, (K, gh, gw)."""
    output: FloatArray = outputs[0].copy()
    for s, one in enumerate(log_scale):
        lower, upper = outputs[1 + 2 * s : 3 + 2 * s]
        x = np.float32(one / _STEP)
        output += x / 2 * (upper - lower) + x * x / 2 * (upper + lower - 2 * outputs[0])
    return output


def looked_at(model: Model, dataset: Dataset) -> list[Looked]:
    """Return a data set's images as a model sees them, by readouts that were not trained on them.

    Raises
    ------
    StimulusError
        If an image cannot be read.
    """
    folds, seen = folds_of(model, dataset)
    found = []
    with Progress("saliency", len(dataset.stimuli)) as progress:
        for i in range(len(dataset.stimuli)):
            found.append(_looked(model.fold(int(folds[i])) if seen[i] else model, dataset, i))
            progress.update()
    return found


def _looked(model: Model, dataset: Dataset, i: int) -> Looked:
    stimulus = read_stimulus(dataset.stimuli.path(i))
    inputs = [model.input_sizes(branch, stimulus) for branch in model.branches]
    views, outputs = network_inputs(stimulus.pixels, chain.from_iterable(inputs)), []
    for branch, sizes in zip(model.branches, inputs, strict=True):
        readout, features = branch.readout, branch.features(views, sizes)
        changes = [Change(log_scale=(one,)) for one in _steps(len(readout.architecture.scales))]
        changed = (readout.viewed(change.viewing(readout)) for change in changes)
        outputs.append(np.stack([unblurred(one, features, sizes) for one in changed]))
    fixations = dataset.fixations_on(i)
    return looked(
        [branch.readout for branch in model.branches],
        model.shares,
        outputs,
        inputs[0][0],
        fixations.x / stimulus.width,
        fixations.y / stimulus.height,
    )


def _steps(n_scales: int) -> list[tuple[float, ...]]:
    """Return the logarithms of scales' weights at which an image is seen."""
    none = np.zeros(n_scales - 1)
    units = np.eye(n_scales - 1)
    each = [none, *(sign * _STEP * unit for unit in units for sign in (-1, 1))]
    return [tuple(float(x) for x in one) for one in each]


def looked(
    readouts: Sequence[Readout],
    shares: NDArray[np.float64],
    outputs: Sequence[FloatArray],
    size: tuple[int, int],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> Looked:
    """Return an image from what readouts give.

    Parameters
    ----------
    readouts
        On each network.
    shares, outputs
        See `Looked`.
    size
        Width and height of the network's input.
    x, y
        (n_fixations,) fractions of the image's width and height.
    """
    block = readouts[0].architecture.grid_block
    height, width = outputs[0].shape[-2:]
    stride = block_stride(block)

    def at(fraction: NDArray[np.float64], px: int, cells: int) -> FloatArray:
        positions = (fraction * px - 0.5 - (stride - 1) / 2) / stride
        return interpolation_matrix(positions, cells).astype(np.float32)

    return Looked(
        outputs=tuple(outputs),
        sigma_cells=np.concatenate([one.sigma_px / np.float32(stride) for one in readouts]),
        prior_weight=np.concatenate([one.prior_weight for one in readouts]),
        shares=shares,
        rows=at(y, size[1], height),
        columns=at(x, size[0], width),
        size=size,
        grid_block=block,
    )
