"""One pass over a data set's images: what each metric says of each fixation and each image.

Nothing but these numbers is kept of an image, so memory does not grow with the size of the set.
Interrupted, the pass goes on where it was.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError, DeepGazeError
from deepgaze2.evaluation.candidates import Candidate
from deepgaze2.evaluation.image_scores import PER_FIXATION, PER_IMAGE, ImageScores, score_image
from deepgaze2.image.stimulus import printable
from deepgaze2.references.references import References
from deepgaze2.support.cores import available_cores, single_threaded_blas
from deepgaze2.support.files import cache_directory, written_atomically
from deepgaze2.support.identity import code_version, file_state
from deepgaze2.support.progress import Progress
from deepgaze2.support.resume import named

_SECONDS_BETWEEN_SAVES = 20.0
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Scores:
    """What the metrics say of a candidate; NaN where a metric does not apply.

    Attributes
    ----------
    name, note : str
        The candidate's.
    per_fixation : dict of float64 array (n_fixations,)
        By metric, in the order of the data set's fixations: `log_density` (nats per pixel), `auc`,
        `shuffled_auc`, `nss`. With `map_` before their names, those of the saliency map as it
        was given.
    per_image : dict of float64 array (n_images,)
        `cc`, `kl` (nats) and `sim`, also with `map_`.
    """

    name: str
    note: str
    per_fixation: dict[str, NDArray[np.float64]]
    per_image: dict[str, NDArray[np.float64]]


def score(candidate: Candidate, references: References) -> Scores:
    """Score a candidate on every image with fixations, with progress.

    What was scored before is taken up from the cache, unless the candidate cannot tell whether
    it has changed.

    Raises
    ------
    DataError
        If images or their predictions cannot be used; the others are scored, and kept.
    """
    dataset = references.dataset
    table = _Table.empty(dataset)
    checkpoint = _checkpoint(candidate, references)
    if checkpoint is not None and checkpoint.exists():
        table = _Table.read(checkpoint) or table
    waiting = np.flatnonzero(~table.done & (np.diff(dataset.offsets) > 0))
    try:
        _score_images(candidate, references, table, waiting, checkpoint)
    finally:
        if checkpoint is not None and len(waiting):
            table.write(checkpoint)
    return Scores(candidate.name, candidate.note, table.per_fixation, table.per_image)


@dataclass(frozen=True, eq=False)
class _Table:
    """Scores so far, and which images have them."""

    per_fixation: dict[str, NDArray[np.float64]]
    per_image: dict[str, NDArray[np.float64]]
    done: NDArray[np.bool_]

    @staticmethod
    def empty(dataset: Dataset) -> "_Table":
        n, n_images = len(dataset.fixations), len(dataset.stimuli)
        return _Table(
            {name: np.full(n, np.nan) for name in PER_FIXATION},
            {name: np.full(n_images, np.nan) for name in PER_IMAGE},
            np.zeros(n_images, dtype=bool),
        )

    def put(self, dataset: Dataset, i: int, scores: ImageScores) -> None:
        rows = slice(dataset.offsets[i], dataset.offsets[i + 1])
        for name, values in scores.per_fixation.items():
            self.per_fixation[name][rows] = values
        for name, value in scores.per_image.items():
            self.per_image[name][i] = value
        self.done[i] = True

    def write(self, path: Path) -> None:
        with written_atomically(path) as temporary:
            arrays = self.per_fixation | self.per_image | {"done": self.done}
            np.savez(temporary, **arrays)  # type: ignore[arg-type]

    @staticmethod
    def read(path: Path) -> "_Table | None":
        """Return what was written; nothing if it is damaged."""
        try:
            arrays = dict(np.load(path))
            return _Table(
                {name: arrays[name] for name in PER_FIXATION},
                {name: arrays[name] for name in PER_IMAGE},
                arrays["done"],
            )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None


def _checkpoint(candidate: Candidate, references: References) -> Path | None:
    """Return the file for a candidate's scores, named by all that they depend on."""
    if not candidate.identity:
        return None
    code = code_version(score_image.__module__, stop=(Candidate.__module__,))
    of = candidate.name, candidate.identity, references.identity, code
    images = [file_state(path) for path in references.dataset.stimuli.paths]
    return named(cache_directory() / "scores", of, images, suffix=".npz")


def _score_images(
    candidate: Candidate,
    references: References,
    table: _Table,
    waiting: NDArray[np.intp],
    checkpoint: Path | None,
) -> None:
    def compute(i: int) -> ImageScores | DeepGazeError:
        try:
            return score_image(candidate, references, i)
        except DeepGazeError as error:  # the others are scored first
            return error

    failed = {}
    saved_at = time.monotonic()
    with Progress(candidate.name, len(waiting)) as progress:
        for i, scores in _computed(compute, waiting):
            if isinstance(scores, DeepGazeError):
                failed[i] = scores
            else:
                table.put(references.dataset, i, scores)
            progress.update()
            if checkpoint is not None and time.monotonic() - saved_at > _SECONDS_BETWEEN_SAVES:
                table.write(checkpoint)
                saved_at = time.monotonic()
    if failed:
        first = min(failed)
        raise DataError(
            f"{candidate.name}: {len(failed)} of {len(waiting)} images failed, the others are"
            f" done: {printable(references.dataset.stimuli.ids[first])}: {failed[first]}"
        )


def _computed(
    compute: Callable[[int], _Result], numbers: NDArray[np.intp]
) -> Iterator[tuple[int, _Result]]:
    """Compute images on all cores, a few at a time; an interruption waits for those alone."""
    workers = available_cores()
    remaining = iter(numbers.tolist())
    running: dict[Future[_Result], int] = {}
    with single_threaded_blas(), ThreadPoolExecutor(workers) as pool:
        while True:
            while len(running) <= workers and (i := next(remaining, None)) is not None:
                running[pool.submit(compute, i)] = i
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()
