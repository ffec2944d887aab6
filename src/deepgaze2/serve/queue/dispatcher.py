"""The queue before the worker, and the worker's upkeep: started, watched, replaced when it dies."""

import asyncio
import itertools
import logging
import math
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from deepgaze2.errors import ServeError
from deepgaze2.serve.http.problems import ProblemError, busy
from deepgaze2.serve.queue.jobs import Answer, Job
from deepgaze2.serve.queue.limits import UNDER_WAY, Limits
from deepgaze2.serve.worker.process import WorkerLostError, WorkerProcess

_LOG = logging.getLogger(__name__)
_PAUSE_S = 0.5  # before a worker is started again; doubled as long as that fails
_LONGEST_PAUSE_S = 10.0


class Dispatcher:
    """Hands images to one worker process, in order, and their results back.

    One process is enough: the network uses all cores for an image. An image over which a worker
    dies is tried once more, alone, so that no image fails because of another's. An image that is
    not done in its time, waiting included, fails; the worker is replaced only if it has worked for
    that long without a result, and then what else it had is computed by the next.

    Parameters
    ----------
    models
        Names or folders of the models that the worker loads.
    on_failure
        Called with the reason if they cannot be loaded when the server starts, or the upkeep ends.
    """

    def __init__(
        self, models: Sequence[str], limits: Limits, on_failure: Callable[[str], None]
    ) -> None:
        self.is_ready = False
        self.restarts = 0
        self._models = list(models)
        self._limits = limits
        self._on_failure = on_failure
        self._waiting: deque[Job] = deque()
        self._in_worker: dict[int, Job] = {}
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._has_failed = False  # to start the worker that is needed now
        self._was_ready = False
        self._gave_up = False
        self._watch: TimerHandle | None = None  # until the worker is given up
        self._busy_since = 0.0  # the worker's latest result, or first image after a rest
        self._task: asyncio.Task[None] | None = None
        self._compute_s = 1.0  # of an image, lately

    @property
    def waiting(self) -> int:
        """Number of images that wait for the worker."""
        return len(self._waiting)

    def retry_after_s(self) -> int:
        """Return in how many seconds the queue may have room."""
        return max(1, math.ceil(self._compute_s * (self.waiting + 1) / 2))

    def check_room(self) -> None:
        """Refuse an image that could not wait.

        Raises
        ------
        ProblemError
            If the queue is full, or there is no worker and the next one may not come.
        """
        if self._has_failed:
            raise _no_worker()
        if self.waiting >= self._limits.queue:
            raise busy("queue-full", f"{self.waiting} images are waiting", self.retry_after_s())

    def submit(self, job: Job) -> None:
        """Queue an image; its result comes to `job.answer`.

        Raises
        ------
        ProblemError
            See `check_room`.
        """
        self.check_room()
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limits.compute_s, self._expire, job)
        job.answer.add_done_callback(lambda _: timer.cancel())
        self._waiting.append(job)
        self._changed.set()

    def forget(self, job: Job) -> None:
        """Drop an image that nobody waits for; what the worker began it finishes."""
        job.answer.cancel()
        if job in self._waiting:
            self._waiting.remove(job)

    def start(self) -> None:
        """Start the worker and its upkeep."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._report)

    def _report(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(f"the worker's upkeep ended: {error!r}")

    async def stop(self) -> None:
        """End the worker; what it has not sent is lost."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        pause_s = _PAUSE_S
        while True:
            worker = await self._started()
            if worker is None:
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                pause_s = _PAUSE_S
                await self._serve(worker)
            await asyncio.sleep(pause_s)

    async def _started(self) -> WorkerProcess | None:
        """Return a worker that has loaded the models; None if there is none now."""
        try:
            worker = await WorkerProcess.start(self._models, self._limits.pixels)
        except (ServeError, WorkerLostError) as error:
            self._has_failed = True
            if isinstance(error, ServeError) and not self._was_ready:
                self._on_failure(str(error))
            else:
                _LOG.warning("the worker process is started again: %s", error)
            return None
        self._has_failed, self._was_ready, self.is_ready = False, True, True
        return worker

    async def _serve(self, worker: WorkerProcess) -> None:
        """Feed a worker until it dies."""
        self._gave_up = False
        feeding = asyncio.create_task(self._feed(worker))
        try:
            while True:
                # No name in these loops may keep an image or a result until the next one comes.
                self._settle(worker, *await worker.receive())
        except WorkerLostError:
            self.is_ready = False
            self.restarts += 1
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError, WorkerLostError):
                await feeding
            if self._watch is not None:
                self._watch.cancel()
            await worker.end()
        self._recover()

    async def _feed(self, worker: WorkerProcess) -> None:
        while True:
            while self._waiting and self._may_send():
                await self._send_next(worker)
            self._changed.clear()
            await self._changed.wait()

    async def _send_next(self, worker: WorkerProcess) -> None:
        job = self._waiting.popleft()
        number = next(self._numbers)
        self._in_worker[number] = job
        if len(self._in_worker) == 1:
            self._watch_from_now(worker)
        await worker.send(job.header(number), job.image)

    def _watch_from_now(self, worker: WorkerProcess) -> None:
        """Give the worker as long for its next result as an image may take."""
        loop = asyncio.get_running_loop()
        self._busy_since = loop.time()
        if self._watch is not None:
            self._watch.cancel()
        if self._in_worker:
            self._watch = loop.call_later(self._limits.compute_s, self._give_up, worker)

    def _give_up(self, worker: WorkerProcess) -> None:
        self._gave_up = True
        worker.kill()

    def _expire(self, job: Job) -> None:
        """Answer for an image that has used up its time."""
        seconds = f"{self._limits.compute_s:g} s"
        if job not in self._waiting:
            detail = f"the image took more than {seconds}; save it smaller"
            _fail(job, ProblemError("compute-timeout", detail))
            return
        self._waiting.remove(job)
        if self.is_ready:
            detail = f"the image waited more than {seconds} for others"
            _fail(job, busy("queue-full", detail, self.retry_after_s()))
        else:
            _fail(job, _no_worker())

    def _may_send(self) -> bool:
        under_way = list(self._in_worker.values())
        is_alone = self._waiting[0].is_retry or any(job.is_retry for job in under_way)
        return len(under_way) < (1 if is_alone else UNDER_WAY)

    def _settle(self, worker: WorkerProcess, header: dict[str, Any], body: bytes) -> None:
        """Give an image's result to whoever waits for it."""
        job = self._in_worker.pop(header["id"])
        if "problem" in header:
            _fail(job, ProblemError(header["problem"], header["detail"]))
        elif not job.answer.done():
            job.answer.set_result(Answer(header["media_type"], body))
        seconds = asyncio.get_running_loop().time() - self._busy_since
        self._compute_s += 0.2 * (seconds - self._compute_s)
        self._watch_from_now(worker)
        self._changed.set()

    def _recover(self) -> None:
        """Decide what becomes of the images that a dead worker had."""
        jobs, self._in_worker = list(self._in_worker.values()), {}
        for job in reversed(jobs):
            if job.answer.done():  # its time is over, or nobody waits
                continue
            if not self._gave_up and job.is_retry:
                detail = "the process that computed the image died twice; send another image"
                _fail(job, busy("worker-lost", detail, self.retry_after_s()))
                continue
            job.is_retry = not self._gave_up
            self._waiting.appendleft(job)


def _fail(job: Job, error: ProblemError) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)


def _no_worker() -> ProblemError:
    return busy("not-ready", "the model cannot be loaded at the moment", round(_LONGEST_PAUSE_S))
