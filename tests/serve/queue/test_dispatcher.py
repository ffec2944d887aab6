"""The dispatcher with a worker that is none: it does what it is told, in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import pytest

from deepgaze2.errors import ServeError
from deepgaze2.serve.http.problems import ProblemError
from deepgaze2.serve.queue import dispatcher as module
from deepgaze2.serve.queue.dispatcher import Dispatcher
from deepgaze2.serve.queue.jobs import Answer, Job, Options
from deepgaze2.serve.queue.limits import Limits
from deepgaze2.serve.worker.process import WorkerLostError

Result = tuple[dict[str, Any], bytes]


class StandIn:
    """Keeps what it is sent until the test lets it answer or die."""

    def __init__(self) -> None:
        self.images: dict[int, bytes] = {}
        self.was_killed = False
        self._results: asyncio.Queue[Result | None] = asyncio.Queue()

    async def send(self, header: Mapping[str, object], body: bytes = b"") -> None:
        number = header["id"]
        assert isinstance(number, int)
        self.images[number] = body

    async def receive(self) -> Result:
        result = await self._results.get()
        if result is None:
            raise WorkerLostError("it died")
        return result

    def answer(self, **more: str) -> None:
        """Answer the image that it has had for longest."""
        number = min(self.images)
        body = self.images.pop(number)
        self._results.put_nowait(({"id": number, "media_type": "x/y"} | more, body))

    def kill(self) -> None:
        self.was_killed = True
        self._results.put_nowait(None)

    async def end(self) -> None:
        pass


Scene = Callable[[Dispatcher, list[StandIn]], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.001)


def play(scene: Scene, *failures: Exception, compute_s: float = 60.0) -> list[str]:
    """Play a scene with a dispatcher whose first starts fail so; return what it reports."""
    reports: list[str] = []
    workers: list[StandIn] = []
    coming = list(failures)

    async def start() -> StandIn:
        if coming:
            raise coming.pop(0)
        workers.append(StandIn())
        return workers[-1]

    async def run() -> None:
        found = Dispatcher(start, Limits(queue=3, compute_s=compute_s), reports.append)
        found.start()
        try:
            async with asyncio.timeout(30):
                await scene(found, workers)
        finally:
            await found.stop()

    asyncio.run(run())
    return reports


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0)


def submitted(dispatcher: Dispatcher, *images: bytes) -> list[Awaitable[Answer]]:
    futures = [asyncio.get_running_loop().create_future() for _ in images]
    for image, future in zip(images, futures, strict=True):
        dispatcher.submit(Job("predict", Options("m"), image, future))
    return list(futures)


def test_a_burst_that_fits_is_taken_before_the_worker_is_fed() -> None:
    async def scene(dispatcher: Dispatcher, workers: list[StandIn]) -> None:
        await until(lambda: dispatcher.is_ready)
        answers = submitted(dispatcher, *(bytes([n]) for n in range(5)))  # nothing runs between
        assert dispatcher.waiting == 3
        with pytest.raises(ProblemError, match="3 images are waiting"):
            dispatcher.check_room()
        for _ in range(5):
            await until(lambda: workers[0].images)
            assert len(workers[0].images) <= 2
            workers[0].answer()
        bodies = [answer.body for answer in await asyncio.gather(*answers)]
        assert bodies == [bytes([n]) for n in range(5)]
        dispatcher.check_room()

    assert play(scene) == []


def test_a_dead_worker_is_replaced_and_its_images_tried_again() -> None:
    async def scene(dispatcher: Dispatcher, workers: list[StandIn]) -> None:
        await until(lambda: dispatcher.is_ready)
        answers = submitted(dispatcher, b"a", b"b")
        await until(lambda: len(workers[0].images) == 2)
        workers[0].kill()
        await until(lambda: not dispatcher.is_ready)
        await until(lambda: dispatcher.is_ready)
        for image in (b"a", b"b"):
            await until(lambda: workers[1].images)
            assert list(workers[1].images.values()) == [image]  # alone
            workers[1].answer()
        assert [answer.body for answer in await asyncio.gather(*answers)] == [b"a", b"b"]
        assert dispatcher.restarts == 1

    assert play(scene) == []


def test_an_image_that_kills_two_workers_is_given_up() -> None:
    async def scene(dispatcher: Dispatcher, workers: list[StandIn]) -> None:
        [answer] = submitted(dispatcher, b"a")
        for n in range(2):
            await until(lambda: len(workers) == n + 1 and workers[-1].images)  # noqa: B023
            workers[-1].kill()
        with pytest.raises(ProblemError, match="died twice") as caught:
            await answer
        assert caught.value.problem.name == "worker-lost"
        assert int(caught.value.headers["Retry-After"]) >= 1

    assert play(scene) == []


def test_a_worker_that_hangs_is_killed() -> None:
    async def scene(dispatcher: Dispatcher, workers: list[StandIn]) -> None:
        [answer] = submitted(dispatcher, b"a")
        with pytest.raises(ProblemError, match=r"more than 0.01 s") as caught:
            await answer
        assert caught.value.problem.name in ("compute-timeout", "not-ready")
        await until(lambda: workers[0].was_killed)
        await until(lambda: len(workers) == 2)

    assert play(scene, compute_s=0.01) == []


def test_an_image_that_is_forgotten_fails_nothing() -> None:
    async def scene(dispatcher: Dispatcher, workers: list[StandIn]) -> None:
        await until(lambda: dispatcher.is_ready)
        loop = asyncio.get_running_loop()
        jobs = [Job("predict", Options("m"), b"a", loop.create_future()) for _ in range(2)]
        for number in [dispatcher.submit(job) for job in jobs]:
            dispatcher.forget(number)
            dispatcher.forget(number)
        assert all(job.answer.cancelled() for job in jobs)
        await until(lambda: len(workers[0].images) == 2)  # it has them already
        workers[0].answer()
        workers[0].answer(problem="image-damaged", detail="x")
        [answer] = submitted(dispatcher, b"b")
        await until(lambda: workers[0].images)
        workers[0].answer(problem="image-damaged", detail="half of it is missing")
        with pytest.raises(ProblemError, match="half of it"):
            await answer

    assert play(scene) == []


def test_a_start_that_fails_for_now_is_tried_again() -> None:
    async def scene(dispatcher: Dispatcher, workers: list[StandIn]) -> None:
        await until(lambda: workers)
        await until(lambda: dispatcher.is_ready)
        dispatcher.check_room()

    assert play(scene, WorkerLostError("no pipe"), WorkerLostError("no process")) == []


def test_a_model_that_cannot_be_loaded_is_reported() -> None:
    async def scene(dispatcher: Dispatcher, workers: list[StandIn]) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="cannot be loaded"):
            dispatcher.check_room()

    assert play(scene, ServeError("card.json: damaged")) == ["card.json: damaged"]
