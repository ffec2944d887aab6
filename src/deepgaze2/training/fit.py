"""The training loop of several readouts at once: epochs, stopping, checkpoints."""

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
from deepgaze2.training.images import TrainingSet
from deepgaze2.training.objective import Objective
from deepgaze2.training.optim.optimizers import OPTIMIZERS, Plan, create_optimizer
from deepgaze2.training.stopping import LAST_EPOCH, best_epoch, should_stop

_LEAST_DEVIATION = 1e-4  # nats; a saliency map that varies less is dead


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
        How many images of a minibatch a readout sees at most, on average; the paper's are 100 in
        pretraining and 10 in fine-tuning.
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
        Decides the order of the images; each readout has a seed of its own for what it drops.
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
    is_dead
        Whether saliency is constant after training.
    """

    parameters: NDArray[np.float32]
    curve: Curve
    start_gains: NDArray[np.float64]
    gains: NDArray[np.float64]
    is_dead: bool = False


def fit(
    network: ReadoutNetwork,
    images: TrainingSet,
    starts: NDArray[np.float32],
    settings: FitSettings,
    seeds: Sequence[int],
    checkpoint: Path,
    report: Callable[[Sequence[Curve]], None] = lambda _: None,
) -> list[Fit]:
    """Train K readouts; interrupted, they go on after the last whole epoch to the same result.

    Each ends as it would alone with the same batches, of which it leaves out what it may not see.

    Parameters
    ----------
    starts
        (K, n_parameters) to start from.
    seeds
        One for each readout, which decides what it drops.
    checkpoint
        File for the state after each epoch; taken up if it is there.
    report
        Called after each epoch with the readouts' curves.

    Raises
    ------
    DataError
        If the checkpoint is damaged or of another training, or if the settings need held-out or
        mirrored images that there are not.
    """
    _refuse_unfit(settings, images)
    loop = _Loop(network, images, torch.from_numpy(starts), settings, seeds)
    identity = _identity(network, images, starts, settings, seeds)
    loop.resume(checkpoint, identity)
    report(loop.curves)
    while not all(loop.is_over(curve) for curve in loop.curves):
        loop.epoch()
        loop.save(checkpoint, identity)
        report(loop.curves)
    before, after = (loop.held_out_gains(one) for one in (torch.from_numpy(starts), loop.best))
    return [
        Fit(
            parameters=loop.best[k].numpy(),
            curve=loop.curves[k],
            start_gains=before[k][images.held_out[k]],
            gains=after[k][images.held_out[k]],
            is_dead=loop.is_dead(k),
        )
        for k in range(len(starts))
    ]


class _Loop:
    """The state of a training: an optimizer, the best parameters so far, and the curves."""

    def __init__(
        self,
        network: ReadoutNetwork,
        images: TrainingSet,
        starts: Tensor,
        settings: FitSettings,
        seeds: Sequence[int],
    ) -> None:
        self._images, self._settings, self._seeds = images, settings, seeds
        self._objective = Objective(network, images.images, grid_block=settings.grid_block)
        self._mirrored = (
            Objective(network, images.mirrored, grid_block=settings.grid_block)
            if settings.mirrored
            else self._objective
        )
        self._drawn = np.flatnonzero(images.drawn_for.any(0))
        n_seen = images.drawn_for.sum(1).max()
        self._n_batches = math.ceil(n_seen / settings.images_per_batch)
        self._baseline = np.array([self._objective.baseline(seen) for seen in images.seen])
        # Minibatches with more fixations count for more.
        self._share = images.seen @ self._objective.masses / self._n_batches
        plan = Plan(self._n_batches, settings.learning_rate, settings.epochs, settings.seed)
        self._optimizer = create_optimizer(settings.optimizer, starts, plan)
        self.best = starts.clone()
        self.curves = [Curve() for _ in starts]

    def is_over(self, curve: Curve) -> bool:
        """Whether a readout's training is."""
        if self._settings.epochs is not None:
            return len(curve.training) >= self._settings.epochs
        return should_stop(curve.held_out, self._settings.most_epochs)

    def epoch(self) -> None:
        """Go through the images once."""
        settings, number = self._settings, max(len(curve.training) for curve in self.curves)
        same_batches = OPTIMIZERS[settings.optimizer].same_batches
        drawn = np.random.default_rng((settings.seed, 0 if same_batches else number))
        batches = np.array_split(drawn.permutation(self._drawn), self._n_batches)
        mirror = drawn.random(self._n_batches) < 0.5
        dropout = [torch.Generator().manual_seed(seed * 1009 + number) for seed in self._seeds]
        under_way = np.array([not self.is_over(curve) for curve in self.curves])
        seen = self._images.seen & under_way[:, None]
        values: dict[int, NDArray[np.float64]] = {}  # of each minibatch, where it is met first

        def evaluate(parameters: Tensor, i: int) -> tuple[float, Tensor]:
            objective = self._mirrored if mirror[i] else self._objective
            kept = None
            if settings.dropout:
                kept = [objective.drawn(settings.dropout, generator) for generator in dropout]
            losses, gradients = objective.loss_and_gradient(parameters, batches[i], seen, kept)
            losses /= self._share
            gradients /= torch.from_numpy(self._share.astype(np.float32))[:, None]
            values.setdefault(i, losses)
            return float(losses.sum()), gradients

        self._optimizer.epoch(evaluate)
        self._record(under_way, list(values.values()), number)

    def _record(
        self, under_way: NDArray[np.bool_], values: list[NDArray[np.float64]], number: int
    ) -> None:
        """Keep what is best, and go on with the curves, after an epoch.

        `values` are the readouts' means over fixations of -log p in each minibatch.
        """
        parameters, by_score = self._optimizer.parameters, self._settings.epochs is None
        gains = self.held_out_gains(parameters) if by_score else None
        for k in np.flatnonzero(under_way).tolist():
            curve = self.curves[k]
            held_out = curve.held_out
            if gains is not None:
                chosen = self._images.held_out[k]
                weights = self._objective.masses[chosen]
                held_out += (float(np.average(gains[k][chosen], weights=weights)),)
            if not by_score or best_epoch(held_out) == number:
                self.best[k] = parameters[k]
            if values:
                gain = float(self._baseline[k] - np.mean(values, axis=0)[k]) / math.log(2)
            else:  # the optimizer had done more than an epoch's work before
                gain = curve.training[-1]
            passes = (*curve.passes, self._optimizer.passes)
            self.curves[k] = Curve((*curve.training, gain), held_out, passes)

    def held_out_gains(self, parameters: Tensor) -> NDArray[np.float64]:
        """Return information gains of held-out images, bits per fixation, NaN else: (K, n)."""
        held_out = self._images.held_out
        gains = np.full(held_out.shape, np.nan)
        for i in np.flatnonzero(held_out.any(0)).tolist():
            chosen = np.flatnonzero(held_out[:, i])
            gains[chosen, i] = self._objective.information_gains(parameters[chosen], i)
        return gains

    def is_dead(self, k: int) -> bool:
        """Whether a readout predicts the bare center bias."""
        image = int(np.flatnonzero(self._images.seen[k])[0])
        deviation = float(self._objective.saliency(self.best[k : k + 1], image).std())
        return not deviation > _LEAST_DEVIATION

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write the state after an epoch."""
        state = {"optimizer": self._optimizer.state(), "best": self.best, "identity": identity}
        with written_atomically(path) as temporary:
            torch.save(state | {"curves": [asdict(curve) for curve in self.curves]}, temporary)

    def resume(self, path: Path, identity: dict[str, Any]) -> None:
        """Take up a checkpoint if there is one."""
        state = taken_up(path, identity, partial(torch.load, weights_only=True), work="training")
        if state is None:
            return
        self._optimizer.restore(state["optimizer"])
        self.best = state["best"]
        self.curves = [
            Curve(**{name: tuple(values) for name, values in curve.items()})
            for curve in state["curves"]
        ]


def _refuse_unfit(settings: FitSettings, images: TrainingSet) -> None:
    if not images.seen.any(1).all():
        raise DataError("no image to train on has fixations; add images")
    if settings.epochs is None and not images.held_out.any(1).all():
        raise DataError(
            f"to stop by the paper's rule (at most {LAST_EPOCH} epochs), images must be held out;"
            " give a number of epochs"
        )
    if settings.mirrored and len(images.mirrored) != len(images.images):
        raise DataError("each image is wanted mirrored too, but not all are there mirrored")
    entry = OPTIMIZERS.get(settings.optimizer)
    if entry and entry.same_batches and (settings.dropout or settings.mirrored):
        others = [name for name, other in OPTIMIZERS.items() if not other.same_batches]
        raise DataError(
            f"{settings.optimizer} needs the same answer each time; leave dropout and mirroring"
            f" out, or take {' or '.join(others)}"
        )


def _identity(
    network: ReadoutNetwork,
    images: TrainingSet,
    starts: NDArray[np.float32],
    settings: FitSettings,
    seeds: Sequence[int],
) -> dict[str, Any]:
    """Return what a checkpoint must share with the training that takes it up."""
    parts = [
        [(one.names, one.pixels, one.log_center_bias[::8, ::8]) for one in part]
        for part in (images.images, images.mirrored)
    ]
    viewed = [(one.viewing, one.weight) for one in (*images.images, *images.mirrored)]
    masks = images.seen, images.held_out, images.drawn_for
    return asdict(settings) | {
        "architecture": repr(network.architecture),
        "parameters": " ".join(f"{name} {shape}" for name, shape in network.shapes.items()),
        "seeds": list(seeds),
        "start": checksum(starts),
        "images": checksum(parts, viewed, masks, list(network.deviations)),
    }
