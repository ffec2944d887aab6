"""Readouts trained in groups, each in a process of its own, with progress."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import numpy as np
import torch
from numpy.typing import NDArray

from deepgaze2.errors import DataError
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.support.cores import available_cores
from deepgaze2.support.progress import Progress
from deepgaze2.training.fit import Curve, Fit, FitSettings, fit
from deepgaze2.training.images import TrainingSet
from deepgaze2.training.optim.optimizers import OPTIMIZERS

Curves = dict[str, Curve]
"""What happened to each readout, by its name."""


class DeadReadoutError(DataError):
    """Saliency is constant after training."""


_SECOND_SEED = 500_000  # added for a second attempt: more than any number of seeds in `seed_of`

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # numbers of glibc's malloc.h


@dataclass(frozen=True)
class Run:
    """The training of K readouts at once, with all that a process needs for it.

    Attributes
    ----------
    readouts
        (K,) names of their curves; the first names the checkpoint.
    starts
        (K, n_parameters) to start from.
    seeds
        (K,) each readout's own seed.
    random
        Whether the parameters to start from are random ones, drawn by these seeds.
    """

    readouts: tuple[str, ...]
    network: ReadoutNetwork
    images: TrainingSet
    starts: NDArray[np.float32]
    settings: FitSettings
    seeds: tuple[int, ...]
    random: bool = False

    @property
    def name(self) -> str:
        """Name of the checkpoint."""
        others = f"-and-{len(self.readouts) - 1}-more" if len(self.readouts) > 1 else ""
        return f"{self.readouts[0]}{others}"

    def part(self, chosen: Sequence[int]) -> "Run":
        """Return the training of some of the readouts."""
        return replace(
            self,
            readouts=tuple(self.readouts[k] for k in chosen),
            images=self.images.part(chosen),
            starts=self.starts[list(chosen)],
            seeds=tuple(self.seeds[k] for k in chosen),
        )

    def groups(self, n_groups: int) -> "list[Run]":
        """Return it divided for so many processes; one by one where the optimizer needs that."""
        n = len(self.readouts)
        n_groups = n if OPTIMIZERS[self.settings.optimizer].same_batches else min(n, n_groups)
        return [self.part(chosen.tolist()) for chosen in np.array_split(np.arange(n), n_groups)]


def train_all(
    runs: Sequence[Run],
    folder: Path,
    *,
    description: str,
    on_epoch: Callable[[Curves], None] = lambda _: None,
) -> dict[str, Fit]:
    """Train readouts, as many groups at once as there are cores; return them by name.

    The matrix products of one image are too small to divide: two processes with one thread each
    are faster than one with two threads. After an interruption, each group goes on after its
    last complete epoch.

    Parameters
    ----------
    runs
        The groups; see `Run.groups`.
    folder
        Where the checkpoints go, one for each run.
    description
        What is being trained, shown with the progress.
    on_epoch
        Called with the curves of all runs so far each time one of them has finished an epoch.

    Raises
    ------
    DeepGazeError
        What a training raises.
    """
    workers = min(len(runs), available_cores())
    context = multiprocessing.get_context("spawn")  # PyTorch does not survive a fork
    reports: SimpleQueue[Curves] = context.SimpleQueue()
    threads = max(1, available_cores() // workers)
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, context, _begin, (reports, threads))
    try:
        futures = {run.name: pool.submit(_train, run, folder / f"{run.name}.pt") for run in runs}
        _watch(futures, runs, reports, description, on_epoch)
        return {name: fit for future in futures.values() for name, fit in future.result().items()}
    except BrokenProcessPool as error:
        raise DataError(
            f"{description}: a process was killed (out of memory?); the same command goes on"
            " after the last whole epoch"
        ) from error
    except BaseException:
        for process in multiprocessing.active_children():
            if process not in others:  # an epoch may take minutes: nobody would wait for its end
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _watch(
    futures: dict[str, "Future[dict[str, Fit]]"],
    runs: Sequence[Run],
    reports: "SimpleQueue[Curves]",
    description: str,
    on_epoch: Callable[[Curves], None],
) -> None:
    """Show progress until all runs are over or one has failed."""
    received: Queue[Curves] = Queue()
    Thread(target=_forward, args=(reports, received), daemon=True).start()
    curves: Curves = {}
    epochs = {name: run.settings.epochs for run in runs for name in run.readouts}
    known = all(n is not None for n in epochs.values())
    total = sum(n or 0 for n in epochs.values()) if known else None
    with Progress(description, total, "epoch") as progress:
        while True:
            done = all(future.done() for future in futures.values())
            try:
                news = received.get(timeout=0.2)
            except Empty:
                if done:
                    return
                for future in futures.values():
                    if future.done():
                        future.result()  # raises what the run raised
                progress.update(0)
                continue
            for name, curve in news.items():
                if name not in curves:  # the epochs of a run that goes on were done before
                    progress.skip(len(curve.training))
                new = len(curve.training) - len(curves.get(name, curve).training)
                curves[name] = curve
                progress.update(new, _state(name, epochs[name], curve))
            if any(curve.training for curve in news.values()):
                on_epoch(curves)


def _forward(reports: "SimpleQueue[Curves]", received: "Queue[Curves]") -> None:
    """Move reports to a queue that can be read with a timeout."""
    while True:
        received.put(reports.get())


def _state(name: str, epochs: int | None, curve: Curve) -> str:
    if not curve.training:
        return f"{name} begins"
    of = f" of {epochs}" if epochs else ""
    held_out = f", {curve.held_out[-1]:.3f} on held-out images" if curve.held_out else ""
    return (
        f"{name}, epoch {len(curve.training)}{of}:"
        f" {curve.training[-1]:.3f} bits above the center bias{held_out}"
    )


_reports: "SimpleQueue[Curves] | None" = None


def _begin(reports: "SimpleQueue[Curves]", threads: int) -> None:
    """Set up a worker process."""
    global _reports  # what a process is told once, when it begins
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(threads)
    _keep_memory()
    _reports = reports
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the parent was killed: nobody waits for its results."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _keep_memory() -> None:
    """Keep freed arrays for the next image, where the C library is glibc.

    By default, arrays of megabytes go back to the system at once; getting fresh pages for each
    image took 28% of the time.
    """
    with suppress(OSError, AttributeError, TypeError):
        glibc = ctypes.CDLL(None)
        glibc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        glibc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def _train(run: Run, checkpoint: Path) -> dict[str, Fit]:
    def report(curves: Curves) -> None:
        if _reports is not None:
            _reports.put(curves)

    return train_group(run, checkpoint, report)


def train_group(run: Run, checkpoint: Path, report: Callable[[Curves], None]) -> dict[str, Fit]:
    """Train readouts; those that die once more with other seeds, which are fixed beforehand.

    After an interruption it goes on to the same result, in the second attempt, too.

    Raises
    ------
    DeadReadoutError
        If one dies in the second attempt too.
    DeepGazeError
        What `fit` raises.
    """
    found = _fitted(run, checkpoint, report)
    if dead := [k for k, name in enumerate(run.readouts) if found[name].is_dead]:
        seeds = tuple(run.seeds[k] + _SECOND_SEED for k in dead)
        again = replace(run.part(dead), seeds=seeds)
        if run.random:
            again = replace(again, starts=np.stack([run.network.initial(seed) for seed in seeds]))
        second = _fitted(again, checkpoint.with_stem(f"{checkpoint.stem}-again"), report)
        if any(fit.is_dead for fit in second.values()):
            raise DeadReadoutError(
                "a readout predicts the bare center bias after training (its bottleneck died); "
                "train again with another seed"
            )
        found |= second
    return found


def _fitted(run: Run, checkpoint: Path, report: Callable[[Curves], None]) -> dict[str, Fit]:
    def report_all(curves: Sequence[Curve]) -> None:
        report(dict(zip(run.readouts, curves, strict=True)))

    fits = fit(
        *(run.network, run.images, run.starts, run.settings, run.seeds), checkpoint, report_all
    )
    return dict(zip(run.readouts, fits, strict=True))
