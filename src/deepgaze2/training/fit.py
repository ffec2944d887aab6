"""The training loop of one readout: epochs, stopping, checkpoints."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.errors import DataError
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.support.files import written_atomically
from deepgaze2.support.identity import checksum
from deepgaze2.support.resume import taken_up
from deepgaze2.training.images import TrainingImage, TrainingSet
from deepgaze2.training.objective import Objective
from deepgaze2.training.optim.optimizers import OPTIMIZERS, Plan, create_optimizer
from deepgaze2.training.stopping import LAST_EPOCH, best_epoch, should_stop

_LEAST_DEVIATION = 1e-4  # nats; a saliency map that varies less is dead


class DeadReadoutError(DataError):
    """Saliency is constant after training."""


@dataclass(frozen=True)
class FitSettings:
    """How a readout is trained.

    Attributes
    ----------
    optimizer
        A name in `OPTIMIZERS`.
    epochs
        Passes over the images; None stops as the paper does, by the score on held-out images,
        and keeps the best epoch's parameters.
    most_epochs
        The epoch after which the paper's rule stops in any case.
    learning_rate
        For optimizers that have one; the largest if it follows a schedule.
    images_per_batch
        The paper's are 100 in pretraining and 10 in fine-tuning.
    dropout
        Share of channels that are left out in each step. This and `mirrored` need an optimizer
        that accepts different answers each time.
    mirrored
        Whether each minibatch's images are shown mirrored or not, at random.
    grid_block
        Block on whose grid the layers after the first and the blur are applied while training:
        3 is every fourth pixel of the network input along each axis. A prediction takes the
        architecture's instead. Densities always have the network input's resolution.
    seed
        Decides the initial parameters, the order of the images, and dropout.
    """

    optimizer: str = "adam"
    epochs: int | None = 6
    most_epochs: int = LAST_EPOCH
    learning_rate: float = 3e-3
    images_per_batch: int = 10
    dropout: float = 0.0
    mirrored: bool = False
    grid_block: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Curve:
    """What happened in each epoch.

    Attributes
    ----------
    training, held_out
        Mean information gain in bits per fixation: over the minibatches when each was trained on,
        and over the held-out images after the epoch; the latter is empty unless training stops
        by them.
    passes
        Evaluations so far, in passes over the training images.
    """

    training: tuple[float, ...] = ()
    held_out: tuple[float, ...] = ()
    passes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fit:
    """A trained readout.

    Attributes
    ----------
    parameters
        The network's vector of parameters.
    curve
        What happened in each epoch.
    start_gains, gains
        Information gain of each held-out image before and after, bits per fixation.
    """

    parameters: NDArray[np.float32]
    curve: Curve
    start_gains: NDArray[np.float64]
    gains: NDArray[np.float64]


def fit(
    network: ReadoutNetwork,
    images: TrainingSet,
    start: NDArray[np.float32],
    settings: FitSettings,
    checkpoint: Path,
    report: Callable[[Curve], None] = lambda _: None,
) -> Fit:
    """Train a readout; interrupted, it goes on after the last whole epoch to the same result.

    Parameters
    ----------
    start
        Parameters to start from.
    checkpoint
        File for the state after each epoch; taken up if it is there.
    report
        Called after each epoch.

    Raises
    ------
    DeadReadoutError
        If saliency is constant after training.
    DataError
        If the checkpoint is damaged or of another training, or if the settings need held-out or
        mirrored images that there are not.
    """
    _refuse_unfit(settings, images)
    loop = _Loop(network, images, torch.from_numpy(start), settings)
    identity = _identity(network, images, start, settings)
    curve = loop.resume(checkpoint, identity)
    report(curve)
    while not _is_over(curve, settings):
        curve = loop.epoch(curve)
        loop.save(checkpoint, identity, curve)
        report(curve)
    _refuse_dead(loop.training, loop.best)
    return Fit(
        parameters=loop.best.numpy(),
        curve=curve,
        start_gains=loop.held_out_gains(torch.from_numpy(start)),
        gains=loop.held_out_gains(loop.best),
    )


def _is_over(curve: Curve, settings: FitSettings) -> bool:
    if settings.epochs is not None:
        return len(curve.training) >= settings.epochs
    return should_stop(curve.held_out, settings.most_epochs)


class _Loop:
    """The state of a training: an optimizer, and the best parameters so far."""

    def __init__(
        self,
        network: ReadoutNetwork,
        images: TrainingSet,
        start: Tensor,
        settings: FitSettings,
    ) -> None:
        def objective(part: Sequence[TrainingImage]) -> Objective:
            return Objective(network, part, grid_block=settings.grid_block)

        self.training = objective(images.seen)
        self._mirrored = objective(images.mirrored) if settings.mirrored else None
        self._held_out = objective(images.held_out)
        self._settings = settings
        self._n_batches = math.ceil(len(images.seen) / settings.images_per_batch)
        self._baseline = self.training.baseline()
        plan = Plan(self._n_batches, settings.learning_rate, settings.epochs, settings.seed)
        self._optimizer = create_optimizer(settings.optimizer, start, plan)
        self.best = start

    def epoch(self, curve: Curve) -> Curve:
        """Go through the images once."""
        number = len(curve.training)
        same_batches = OPTIMIZERS[self._settings.optimizer].same_batches
        drawn = np.random.default_rng((self._settings.seed, 0 if same_batches else number))
        batches = np.array_split(drawn.permutation(len(self.training.images)), self._n_batches)
        mirror = drawn.random(self._n_batches) < 0.5
        dropout = torch.Generator().manual_seed(self._settings.seed * 1009 + number)
        share = self.training.n_fixations.sum() / self._n_batches
        values: dict[int, float] = {}  # of each minibatch, where it is met first

        def evaluate(parameters: Tensor, i: int) -> tuple[float, Tensor]:
            objective = self.training
            if self._mirrored is not None and mirror[i]:
                objective = self._mirrored
            value, gradient = objective.value_and_gradient(
                parameters, batches[i], dropout=self._settings.dropout, generator=dropout
            )
            # Minibatches with more fixations count for more.
            weight = float(objective.n_fixations[batches[i]].sum() / share)
            value, gradient = value * weight, gradient * weight
            values.setdefault(i, value)
            return value, gradient

        self._optimizer.epoch(evaluate)
        parameters = self._optimizer.parameters
        held_out = curve.held_out
        if self._settings.epochs is None:
            gains = self.held_out_gains(parameters)
            held_out += (float(np.average(gains, weights=self._held_out.n_fixations)),)
        if self._settings.epochs is not None or best_epoch(held_out) == number:
            self.best = parameters
        if values:
            mean = sum(values.values()) / len(values)
            gain = float(self._baseline - mean) / math.log(2)
        else:  # the optimizer had done more than an epoch's work before
            gain = curve.training[-1]
        return Curve(
            (*curve.training, gain),
            held_out,
            (*curve.passes, self._optimizer.passes),
        )

    def held_out_gains(self, parameters: Tensor) -> NDArray[np.float64]:
        """Return the information gain of each held-out image, bits per fixation."""
        everything = range(len(self._held_out.images))
        return self._held_out.information_gains(parameters, everything)

    def save(self, path: Path, identity: dict[str, Any], curve: Curve) -> None:
        """Write the state after an epoch."""
        state = {"optimizer": self._optimizer.state(), "best": self.best}
        with written_atomically(path) as temporary:
            torch.save(state | {"identity": identity, "curve": asdict(curve)}, temporary)

    def resume(self, path: Path, identity: dict[str, Any]) -> Curve:
        """Take up a checkpoint if there is one."""
        state = taken_up(path, identity, partial(torch.load, weights_only=True), work="training")
        if state is None:
            return Curve()
        self._optimizer.restore(state["optimizer"])
        self.best = state["best"]
        return Curve(**{name: tuple(values) for name, values in state["curve"].items()})


def _refuse_unfit(settings: FitSettings, images: TrainingSet) -> None:
    if not images.seen:
        raise DataError("no image to train on has fixations; add images")
    if settings.epochs is None and not images.held_out:
        raise DataError(
            f"to stop by the paper's rule (at most {LAST_EPOCH} epochs), images must be held out;"
            " give a number of epochs"
        )
    if settings.mirrored and len(images.mirrored) != len(images.seen):
        raise DataError("each image is wanted mirrored too, but not all are there mirrored")
    entry = OPTIMIZERS.get(settings.optimizer)
    if entry and entry.same_batches and (settings.dropout or settings.mirrored):
        others = [name for name, other in OPTIMIZERS.items() if not other.same_batches]
        raise DataError(
            f"{settings.optimizer} needs the same answer each time; leave dropout and mirroring"
            f" out, or take {' or '.join(others)}"
        )


def _identity(
    network: ReadoutNetwork, images: TrainingSet, start: NDArray[np.float32], settings: FitSettings
) -> dict[str, Any]:
    """Return what a checkpoint must share with the training that takes it up."""
    parts = [
        [(image.names, image.pixels, image.log_center_bias[::8, ::8]) for image in part]
        for part in (images.seen, images.mirrored, images.held_out)
    ]
    return asdict(settings) | {
        "architecture": repr(network.architecture),
        "parameters": " ".join(network.shapes),
        "start": checksum(start),
        "images": checksum(parts, list(network.deviations)),
    }


def _refuse_dead(objective: Objective, parameters: Tensor) -> None:
    deviation = float(objective.saliency(parameters, 0).std())
    if not deviation > _LEAST_DEVIATION:
        raise DeadReadoutError(
            "a readout predicts the bare center bias after training (its bottleneck died); "
            "train again with another seed"
        )
