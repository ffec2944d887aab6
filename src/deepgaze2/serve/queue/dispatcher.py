"""The queue before the worker, and the worker's upkeep: started, watched, replaced when it dies.

What is done when is decided in `policy.py`.
"""

import asyncio
import itertools
import logging
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from deepgaze2.errors import ServeError
from deepgaze2.serve.http.problems import ProblemError, busy
from deepgaze2.serve.queue import policy
from deepgaze2.serve.queue.jobs import Answer, Job
from deepgaze2.serve.queue.limits import Limits
from deepgaze2.serve.queue.policy import Fail, GiveUp, Queue, Reason, Send
from deepgaze2.serve.worker.process import WorkerLostError

_LOG = logging.getLogger(__name__)
_PAUSE_S = 0.5  # before a worker is started again; doubled as long as that fails
_LONGEST_PAUSE_S = 10.0


class Worker(Protocol):
    """What computes images, as `WorkerProcess` does."""

    async def send(self, header: Mapping[str, object], body: bytes = b"") -> None:
        """Give it an image."""

    async def receive(self) -> tuple[dict[str, Any], bytes]:
        """Return its next result."""

    def kill(self) -> None:
        """End it at once."""

    async def end(self) -> None:
        """Wait until it has ended."""


class Dispatcher:
    """Hands images to one worker, in order, and their results back.

    One is enough: the model uses all cores for an image.

    Parameters
    ----------
    start_worker
        Returns a worker that has loaded its models. A WorkerLostError may pass, a ServeError not.
    on_failure
        Called with the reason if the first worker cannot be had, or the upkeep ends.
    """

    def __init__(
        self,
        start_worker: Callable[[], Awaitable[Worker]],
        limits: Limits,
        on_failure: Callable[[str], None],
    ) -> None:
        self.restarts = 0
        self._start_worker = start_worker
        self._limits = limits
        self._on_failure = on_failure
        self._queue = Queue(limits.queue, limits.compute_s)
        self._jobs: dict[int, Job] = {}  # those in the queue, by number
        self._numbers = itertools.count()
        self._worker: Worker | None = None
        self._to_send: asyncio.Queue[int] = asyncio.Queue()
        self._was_ready = False
        self._timer: TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Number of images that wait for the worker."""
        return len(self._queue.waiting)

    @property
    def is_ready(self) -> bool:
        """Whether there is a worker that takes images."""
        return self._queue.worker == "ready"

    def check_room(self) -> None:
        """Refuse an image that would not be taken.

        Raises
        ------
        ProblemError
            If the queue is full, or there is no worker and the next one may not come.
        """
        if (reason := policy.refusal(self._queue)) is not None:
            raise self._problem(reason)

    def submit(self, job: Job) -> int:
        """Queue an image, whose result comes to `job.answer`, and return its number.

        Raises
        ------
        ProblemError
            See `check_room`.
        """
        self.check_room()
        number = next(self._numbers)
        self._jobs[number] = job
        self._carry_out(policy.arrived(self._queue, number, _now()))
        return number

    def forget(self, number: int) -> None:
        """Drop an image that nobody waits for; what the worker began it finishes."""
        if number in self._jobs:
            self._jobs[number].answer.cancel()
            self._carry_out(policy.left(self._queue, number, _now()))

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

    async def _started(self) -> Worker | None:
        """Return a worker; None if there is none now."""
        try:
            worker = await self._start_worker()
        except (ServeError, WorkerLostError) as error:
            self._carry_out(policy.worker_failed(self._queue))
            if isinstance(error, ServeError) and not self._was_ready:
                self._on_failure(str(error))
            else:
                _LOG.warning("the worker process is started again: %s", error)
            return None
        self._was_ready = True
        return worker

    async def _serve(self, worker: Worker) -> None:
        """Feed a worker until it dies."""
        self._worker, self._to_send = worker, asyncio.Queue()
        feeding = asyncio.create_task(self._feed(worker))
        self._carry_out(policy.worker_ready(self._queue, _now()))
        try:
            while True:
                # No name in these loops may keep an image or a result until the next one comes.
                self._settle(*await worker.receive())
        except WorkerLostError:
            self.restarts += 1
            self._carry_out(policy.worker_lost(self._queue))
        finally:
            feeding.cancel()
            try:
                # Not suppress: that would swallow our own cancellation, too, if it comes now.
                await asyncio.gather(feeding, return_exceptions=True)
            finally:
                await worker.end()

    async def _feed(self, worker: Worker) -> None:
        while True:
            await self._send(worker, await self._to_send.get())

    async def _send(self, worker: Worker, number: int) -> None:
        job = self._jobs[number]
        await worker.send(job.header(number), job.image)

    def _settle(self, header: dict[str, Any], body: bytes) -> None:
        """Give an image's result to whoever waits for it."""
        answer = self._jobs[header["id"]].answer
        if not answer.done():
            if "problem" in header:
                answer.set_exception(ProblemError(header["problem"], header["detail"]))
            else:
                answer.set_result(Answer(header["media_type"], body))
        self._carry_out(policy.result_came(self._queue, header["id"], _now()))

    def _carry_out(self, step: policy.Step) -> None:
        """Do what was decided, and see to it that the queue hears when time has passed."""
        self._queue, decisions = step
        for decision in decisions:
            match decision:
                case Send(number):
                    self._to_send.put_nowait(number)
                case Fail(number, reason):
                    self._jobs[number].answer.set_exception(self._problem(reason))
                case GiveUp() if self._worker is not None:
                    self._worker.kill()
        tickets = (*self._queue.waiting, *self._queue.at_worker)
        self._jobs = {ticket.number: self._jobs[ticket.number] for ticket in tickets}
        if self._timer is not None:
            self._timer.cancel()
        when = policy.next_deadline(self._queue)
        loop = asyncio.get_running_loop()
        self._timer = None if when is None else loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._carry_out(policy.time_passed(self._queue, _now()))

    def _problem(self, reason: Reason) -> ProblemError:
        seconds = f"{self._limits.compute_s:g} s"
        retry_after_s = policy.retry_after_s(self._queue)
        match reason:
            case "full":
                return busy("queue-full", f"{self.waiting} images are waiting", retry_after_s)
            case "waited":
                detail = f"the image waited more than {seconds} for others"
                return busy("queue-full", detail, retry_after_s)
            case "took-too-long":
                detail = f"the image took more than {seconds}; save it smaller"
                return ProblemError("compute-timeout", detail)
            case "lost-twice":
                detail = "the process that computed the image died twice; send another image"
                return busy("worker-lost", detail, retry_after_s)
            case "no-worker":
                detail = "the model cannot be loaded at the moment"
                return busy("not-ready", detail, round(_LONGEST_PAUSE_S))


def _now() -> float:
    return asyncio.get_running_loop().time()
