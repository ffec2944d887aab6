"""The queue before the worker, and the worker's upkeep: started, watched, replaced when it dies."""

import asyncio
import itertools
import math
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from deepgaze2.serve import frames
from deepgaze2.serve.jobs import Answer, Job
from deepgaze2.serve.limits import UNDER_WAY, Limits
from deepgaze2.serve.problems import ProblemError, busy

_PAUSE_S = 0.5  # before a worker is started again
_START_S = 120.0
_STOP_S = 5.0
_PIPE_BYTES = 1 << 20


class Dispatcher:
    """Hands images to one worker process, in order, and their results back.

    One process is enough: the network uses all cores for an image. An image over which a worker
    dies is tried once more, alone, so that no image fails because of another's.

    Parameters
    ----------
    models
        Names or folders of the models that the worker loads.
    on_failure
        Called with the reason if the first worker cannot load them, or the upkeep ends.
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
        self._failure: str | None = None
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._compute_s = 1.0  # of an image, lately
        self._last_answer = 0.0

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
        if self._failure is not None:
            raise busy("not-ready", "the model cannot be loaded at the moment", 10)
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
        """End the worker, once its images are done."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        try:
            while True:
                process = await self._started()
                if process is not None:
                    await self._serve(process)
                    self.restarts += 1
                    self._recover()
                await asyncio.sleep(_PAUSE_S)
        finally:
            await self._end()

    async def _started(self) -> Process | None:
        """Return a worker that has loaded the models; None if it could not."""
        process = self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "deepgaze2.serve.worker"),
            stdin=PIPE,
            stdout=PIPE,
            limit=_PIPE_BYTES,
            # Otherwise glibc keeps memory for each thread that ever was, and there are many.
            env={"MALLOC_ARENA_MAX": "2", **os.environ},
        )
        settings = {"models": self._models, "max_pixels": self._limits.pixels}
        try:
            async with asyncio.timeout(_START_S):
                await self._write(process, settings)
                answer, _ = await frames.receive(_reader(process))
            failure = answer.get("failure")
        except (ConnectionError, asyncio.IncompleteReadError):
            failure = "the worker process died while it loaded the model"
        except TimeoutError:
            failure = f"the worker process did not load the model within {_START_S:g} s"
            process.kill()
        if failure is None:
            self._failure, self.is_ready = None, True
            return process
        await process.wait()
        if self._failure is None and self.restarts == 0:
            self._on_failure(failure)
        self._failure = failure
        while self._waiting:
            _fail(self._waiting.popleft(), busy("not-ready", "the model cannot be loaded", 10))
        return None

    async def _serve(self, process: Process) -> None:
        """Feed a worker until it dies."""
        feeding = asyncio.create_task(self._feed(process))
        try:
            while True:
                # No name in these loops may keep an image or a result until the next one comes.
                self._settle(*await frames.receive(_reader(process)))
        except (ConnectionError, asyncio.IncompleteReadError):
            self.is_ready = False
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await feeding
        await process.wait()

    async def _feed(self, process: Process) -> None:
        while True:
            while self._waiting and self._may_send():
                await self._send_next(process)
            self._changed.clear()
            await self._changed.wait()

    async def _send_next(self, process: Process) -> None:
        job = self._waiting.popleft()
        number = next(self._numbers)
        self._in_worker[number] = job
        loop = asyncio.get_running_loop()
        job.sent_at = loop.time()
        job.timer = loop.call_later(self._limits.compute_s, _overdue, job, process)
        await self._write(process, job.header(number), job.image)

    def _may_send(self) -> bool:
        under_way = list(self._in_worker.values())
        is_alone = self._waiting[0].is_retry or any(job.is_retry for job in under_way)
        return len(under_way) < (1 if is_alone else UNDER_WAY)

    def _settle(self, header: dict[str, Any], body: bytes) -> None:
        """Give an image's result to whoever waits for it."""
        job = self._in_worker.pop(header["id"])
        if "problem" in header:
            _fail(job, ProblemError(header["problem"], header["detail"]))
        elif not job.answer.done():
            job.answer.set_result(Answer(header["media_type"], body))
        if job.timer is not None:
            job.timer.cancel()
        now = asyncio.get_running_loop().time()
        seconds = now - max(job.sent_at, self._last_answer)
        self._compute_s += 0.2 * (seconds - self._compute_s)
        self._last_answer = now
        self._changed.set()

    def _recover(self) -> None:
        """Decide what becomes of the images that a dead worker had."""
        jobs, self._in_worker = list(self._in_worker.values()), {}
        for job in reversed(jobs):
            if job.timer is not None:
                job.timer.cancel()
            if job.is_overdue:
                detail = f"the image took more than {self._limits.compute_s:g} s; save it smaller"
                _fail(job, ProblemError("compute-timeout", detail))
            elif job.is_retry:
                detail = "the process that computed the image died twice; send another image"
                _fail(job, busy("worker-lost", detail, self.retry_after_s()))
            elif not job.answer.done():
                job.is_retry = True
                self._waiting.appendleft(job)

    async def _write(self, process: Process, header: dict[str, object], body: bytes = b"") -> None:
        stream = process.stdin
        assert stream is not None  # noqa: S101 (it is a pipe)
        for part in frames.pack(header, body):
            stream.write(part)
        await stream.drain()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _reader(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101 (it is a pipe)
    return process.stdout


def _overdue(job: Job, process: Process) -> None:
    """End the worker: a decoder or a network cannot be interrupted."""
    job.is_overdue = True
    with suppress(ProcessLookupError):
        process.kill()


def _fail(job: Job, error: ProblemError) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
