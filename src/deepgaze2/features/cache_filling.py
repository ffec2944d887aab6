"""Filling the cache of features: each image is decoded once, each network runs once for each view.

However the wanted layers are grouped, those of one network and view that are not there yet are
computed in one run; on a GPU, those of several images of one size. Images are decoded, and features
written, while the network is at others.
"""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import Backbone, stored_taps
from deepgaze2.features.cache import ImageFeatures
from deepgaze2.features.cache_admin import remove_leftovers
from deepgaze2.features.cache_files import write_feature_map
from deepgaze2.features.cache_stores import Found, Reading, Store, part_of, stores_of
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.features.engines.several import features_of_several, images_at_once
from deepgaze2.image.network_input import Size, network_input
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.support.cores import available_cores
from deepgaze2.support.files import claimed
from deepgaze2.support.progress import Progress

_MOST_WRITES = 2  # that wait or are at work: features in float32 are large
_INFINITE = 0x7C00  # the bits of a half float's infinity; those of NaN are above

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def fastest_engine(backbone: Backbone) -> Engine:
    """Return an engine on the GPU if PyTorch sees one, else on the CPU."""
    if find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return create_engine(backbone, device="cuda")
    return create_engine(backbone)


def cache_features(
    paths: Sequence[Path],
    readings: Sequence[Reading],
    *,
    make_engine: Callable[[Backbone], Engine] = fastest_engine,
) -> list[list[ImageFeatures]]:
    """Compute what is not yet cached, with progress, and return every image's features.

    Interrupted or killed, it goes on where it was. Several processes may fill the same cache at
    once: each computes the images that no other is at. Damaged files are reported on stderr
    and computed anew.

    Parameters
    ----------
    paths
        Image files.
    readings
        What is wanted of each, of one network or several. Those of the same network and view
        are computed together.
    make_engine
        Makes an engine for a network's taps, if any of them is missing.

    Returns
    -------
    list of list of ImageFeatures
        For each reading, those of each image.

    Raises
    ------
    StimulusError
        If an image cannot be read; what was computed before is kept.
    ModelError
        If there is no such tap, or a feature is too large for half precision (65504).
    OutputError
        If a file cannot be written, as when the disk is full.
    OSError
        If nothing at all may be written to the cache.
    """
    stores = stores_of(readings)
    with (
        ThreadPoolExecutor(available_cores()) as pool,
        Progress("features", len(paths), delay_s=2) as progress,
    ):
        filling = _Filling(list(dict.fromkeys(stores)), _Engines(make_engine), pool, progress)
        found = filling.fill(paths)
    return [
        [part_of(image[store], reading) for image in found]
        for reading, store in zip(readings, stores, strict=True)
    ]


@dataclass(frozen=True)
class _Seen:
    """An image as the networks see it.

    Attributes
    ----------
    digest
        Of its pixels and their shape; its files are named by it.
    found
        What there is of it in each store.
    inputs
        The network's input, (3, h, w), for each store that lacks something.
    """

    digest: str
    found: dict[Store, Found]
    inputs: dict[Store, NDArray[np.uint8]]


def _look(stores: Sequence[Store], path: Path) -> _Seen:
    """Decode an image, and keep no more of it than what is to be computed."""
    stimulus = read_stimulus(path)
    digest = hashlib.sha256(str(stimulus.pixels.shape).encode())  # the bytes leave it open
    digest.update(stimulus.pixels.tobytes())
    name = digest.hexdigest()[:32]
    size = stimulus.width, stimulus.height
    found = {store: store.find(name, store.input_size(*size)) for store in stores}

    @cache  # networks may share a view
    def resized(input_size: tuple[int, int], mirrored: bool) -> NDArray[np.uint8]:
        pixels = stimulus.pixels[:, ::-1] if mirrored else stimulus.pixels
        return network_input(pixels, input_size)

    inputs = {
        store: resized(one.input_size, store.view.mirrored)
        for store, one in found.items()
        if one.missing
    }
    return _Seen(name, found, inputs)


class _Filling:
    """What goes on at once: images ahead are decoded, one is computed, others are written."""

    def __init__(
        self,
        stores: Sequence[Store],
        engines: "_Engines",
        pool: Executor,
        progress: Progress,
    ) -> None:
        self._stores, self._engines = stores, engines
        self._pool, self._progress = pool, progress
        self._writes = deque[Future[None]]()

    def fill(self, paths: Sequence[Path]) -> list[dict[Store, Found]]:
        """Complete all images; those that another process is at are left for the end."""
        done: dict[int, dict[Store, Found]] = {}
        for insist in (False, True):
            left = [i for i in range(len(paths)) if i not in done]
            ahead = _ahead(self._pool, partial(_look, self._stores), [paths[i] for i in left])
            for chunk in self._chunks(zip(left, ahead, strict=True)):
                seen = list(chunk.values())
                if not insist:
                    self._report_damaged(seen)
                for i, found in zip(chunk, self._completed(seen, insist=insist), strict=True):
                    if found is not None:
                        done[i] = found
                        self._count(chunk[i])
            self._await_writes(at_most=0)
        return [done[i] for i in range(len(paths))]

    def _chunks(self, images: Iterable[tuple[int, _Seen]]) -> Iterator[dict[int, _Seen]]:
        """Yield images that follow each other and are of one size, as many as are run at once."""
        chunk: dict[int, _Seen] = {}
        sizes: list[Size] = []
        for i, seen in images:
            own = [found.input_size for found in seen.found.values()]
            if chunk and own != sizes:
                yield chunk
                chunk = {}
            chunk[i], sizes = seen, own
            if len(chunk) >= self._engines.at_once(max(map(math.prod, sizes))):
                yield chunk
                chunk = {}
        if chunk:
            yield chunk

    def _report_damaged(self, chunk: Sequence[_Seen]) -> None:
        for found in chain.from_iterable(seen.found.values() for seen in chunk):
            for path in found.damaged:
                self._progress.write(f"note: {path}: is damaged; it is computed anew")

    def _count(self, seen: _Seen) -> None:
        if seen.inputs:
            self._progress.update()
        else:  # what was there tells nothing about the time that is left
            self._progress.skip(1)
            self._progress.update(0)

    def _completed(
        self, chunk: Sequence[_Seen], *, insist: bool
    ) -> list[dict[Store, Found] | None]:
        """Compute what images lack; None stands for those that another process is at."""
        complete: list[dict[Store, Found] | None] = [dict(seen.found) for seen in chunk]
        for seen in chunk:
            for store in seen.inputs:
                self._engines.want(store, seen.found[store].missing)
        for store in self._stores:
            with ExitStack() as claims:
                lacking = list[tuple[_Seen, Found, ExitStack]]()
                for i, seen in enumerate(chunk):
                    found = complete[i]
                    if store not in seen.inputs or found is None:
                        continue
                    size, claim = found[store].input_size, ExitStack()
                    claims.push(claim)
                    ours = claim.enter_context(claimed(store.claim_path(seen.digest, size)))
                    if not (ours or insist):
                        complete[i] = None
                        continue
                    # Others may have been here meanwhile.
                    found[store] = store.find(seen.digest, size)
                    if found[store].missing:
                        lacking.append((seen, found[store], claim))
                self._compute(store, lacking)
        return complete

    def _compute(self, store: Store, lacking: Sequence[tuple[_Seen, Found, ExitStack]]) -> None:
        """Compute what a store lacks of images, and have it written; then the claims end."""
        if not lacking:
            return
        images = [seen.inputs[store] for seen, _, _ in lacking]
        computed = self._engines.run(store, images, [found.missing for _, found, _ in lacking])
        for tensors, (_, found, claim) in zip(computed, lacking, strict=True):
            self._await_writes(at_most=_MOST_WRITES - 1)
            writing = self._pool.submit(_write, found.files, tensors, claim.pop_all())
            self._writes.append(writing)

    def _await_writes(self, *, at_most: int) -> None:
        while len(self._writes) > at_most:
            self._writes.popleft().result()


class _Engines:
    """An engine for each network, made for the layers that have been wanted of it."""

    def __init__(self, make: Callable[[Backbone], Engine]) -> None:
        self._make = make
        self._wanted: dict[Path, tuple[str, ...]] = {}
        self._made: dict[Path, tuple[tuple[str, ...], Engine]] = {}

    def want(self, store: Store, taps: tuple[str, ...]) -> None:
        """Say what will be computed, of all views before the first is: one engine does it."""
        others = self._wanted.get(store.network, ())
        self._wanted[store.network] = stored_taps(store.backbone, (*others, *taps))

    def at_once(self, input_px: int) -> int:
        """Return how many images of so many pixels to run at once; one, until engines are made."""
        return max(
            (images_at_once(engine, input_px) for _, engine in self._made.values()), default=1
        )

    def run(
        self,
        store: Store,
        images: Sequence[NDArray[np.uint8]],
        taps: Sequence[tuple[str, ...]],
    ) -> list[dict[str, NDArray[np.float32]]]:
        """Return, for inputs of one size, the layers that are wanted of each, (channels, h, w)."""
        wanted = self._wanted[store.network]
        made, engine = self._made.get(store.network, ((), None))
        if engine is None or made != wanted:
            if not self._made:
                remove_leftovers()  # now that files will be added
            engine = self._make(store.backbone.with_taps(wanted))
            self._made[store.network] = wanted, engine
        relu_inputs = store.backbone.relu_inputs
        chosen = []
        for features, own in zip(features_of_several(engine, images), taps, strict=True):
            tensors = dict(zip(wanted, features, strict=True))
            for tap in own:
                if tap not in tensors:  # a ReLU, since the layer before is wanted in another view
                    tensors[tap] = np.maximum(tensors[relu_inputs[tap]], 0)
            chosen.append({tap: tensors[tap] for tap in own})
        return chosen


def _ahead(
    pool: Executor, function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> Iterator[_Result]:
    """Apply a function to items as `map` does, but to a few more than are taken at most."""
    calls = (pool.submit(function, item) for item in items)
    ahead = deque(islice(calls, 2 * available_cores()))
    while ahead:
        result = ahead.popleft().result()
        ahead.extend(islice(calls, 1))
        yield result


def _write(
    files: Mapping[str, Path],
    tensors: Mapping[str, NDArray[np.float32]],
    claim: AbstractContextManager[object],
) -> None:
    """Write an image's features, and give up the claim to them."""
    with claim:
        for tap, features in tensors.items():
            write_feature_map(files[tap], _half(features, tap))


def _half(features: NDArray[np.float32], tap: str) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):  # what overflows is infinite, which is refused next
        half = features.astype(np.float16)
    if (half.view(np.uint16) & 0x7FFF).max() >= _INFINITE:  # a tenth of `isfinite`'s time
        raise ModelError(
            f"{tap}: reaches {np.abs(features).max():.6g}, too much for half precision (65504);"
            " leave this layer out"
        )
    return half
