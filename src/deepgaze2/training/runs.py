"""Several readouts trained in parallel processes, with progress."""

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
from deepgaze2.training.fit import Curve, DeadReadoutError, Fit, FitSettings, fit
from deepgaze2.training.images import TrainingSet

Curves = dict[str, Curve]

_SECOND_SEED = 500_000  # added for a second attempt: more than any number of seeds in `seed_of`

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # numbers of glibc's malloc.h


@dataclass(frozen=True)
class Run:
    """The training of one readout, with all that a process needs for it.

    Attributes
    ----------
    name
        Name of its checkpoint and its curve.
    start
        Parameters to start from.
    random
        Whether these parameters are random ones, drawn by the settings' seed.
    """

    name: str
    network: ReadoutNetwork
    images: TrainingSet
    start: NDArray[np.float32]
    settings: FitSettings
    random: bool = False


def train_all(
    runs: Sequence[Run],
    folder: Path,
    *,
    description: str,
    on_epoch: Callable[[Curves], None] = lambda _: None,
) -> dict[str, Fit]:
    """Train readouts, as many at once as there are cores; return them by name.

    The matrix products of one image are too small to divide: two processes with one thread each
    are faster than one with two threads. After an interruption, each readout goes on after its
    last complete epoch.

    Parameters
    ----------
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
    reports: SimpleQueue[tuple[str, Curve]] = context.SimpleQueue()
    threads = max(1, available_cores() // workers)
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, context, _begin, (reports, threads))
    try:
        futures = {run.name: pool.submit(_train, run, folder / f"{run.name}.pt") for run in runs}
        _watch(futures, runs, reports, description, on_epoch)
        return {name: future.result() for name, future in futures.items()}
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
    futures: dict[str, "Future[Fit]"],
    runs: Sequence[Run],
    reports: "SimpleQueue[tuple[str, Curve]]",
    description: str,
    on_epoch: Callable[[Curves], None],
) -> None:
    """Show progress until all runs are over or one has failed."""
    received: Queue[tuple[str, Curve]] = Queue()
    Thread(target=_forward, args=(reports, received), daemon=True).start()
    curves: Curves = {}
    epochs = {run.name: run.settings.epochs for run in runs}
    known = all(n is not None for n in epochs.values())
    total = sum(n or 0 for n in epochs.values()) if known else None
    with Progress(description, total, "epoch") as progress:
        while True:
            done = all(future.done() for future in futures.values())
            try:
                name, curve = received.get(timeout=0.2)
            except Empty:
                if done:
                    return
                for future in futures.values():
                    if future.done():
                        future.result()  # raises what the run raised
                progress.update(0)
                continue
            if name not in curves:  # the epochs of a run that goes on were done before
                progress.skip(len(curve.training))
            new = len(curve.training) - len(curves.get(name, curve).training)
            curves[name] = curve
            progress.update(new, _state(name, epochs[name], curve))
            if curve.training:
                on_epoch(curves)


def _forward(
    reports: "SimpleQueue[tuple[str, Curve]]", received: "Queue[tuple[str, Curve]]"
) -> None:
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


_reports: "SimpleQueue[tuple[str, Curve]] | None" = None


def _begin(reports: "SimpleQueue[tuple[str, Curve]]", threads: int) -> None:
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


def _train(run: Run, checkpoint: Path) -> Fit:
    def report(curve: Curve) -> None:
        if _reports is not None:
            _reports.put((run.name, curve))

    return train_one(run, checkpoint, report)


def train_one(run: Run, checkpoint: Path, report: Callable[[Curve], None]) -> Fit:
    """Train a readout; if it dies, try once more with another seed, which is fixed beforehand.

    After an interruption it goes on to the same result, in the second attempt, too.

    Raises
    ------
    DeepGazeError
        What `fit` raises, in the second attempt too.
    """
    try:
        return fit(run.network, run.images, run.start, run.settings, checkpoint, report)
    except DeadReadoutError:
        settings = replace(run.settings, seed=run.settings.seed + _SECOND_SEED)
        start = run.network.initial(settings.seed) if run.random else run.start
        again = checkpoint.with_stem(f"{checkpoint.stem}-again")
        return fit(run.network, run.images, start, settings, again, report)
