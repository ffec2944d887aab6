"""`POST /v1/predict` and `POST /v1/layers`: an upload in, what the worker makes of it out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from deepgaze2.serve.http.options import LayersQuery, unknown
from deepgaze2.serve.http.problems import busy
from deepgaze2.serve.http.upload import read_image
from deepgaze2.serve.queue.dispatcher import Dispatcher
from deepgaze2.serve.queue.jobs import Answer, Job, Options, Task
from deepgaze2.serve.queue.limits import Limits

_CHUNK_BYTES = 1 << 18


@dataclass
class UnderWay:
    """Counts the images between the first byte of an upload and the last of its result."""

    most: int
    now: int = 0

    def __enter__(self) -> None:
        if self.now >= self.most:
            raise busy("too-many-requests", f"{self.now} images are under way", 1)
        self.now += 1

    def __exit__(self, *_: object) -> None:
        self.now -= 1


@dataclass
class Predictions:
    """Uploads images, and returns what tasks give.

    Attributes
    ----------
    models
        Names of the served models, the default first.
    """

    models: Sequence[str]
    limits: Limits
    dispatcher: Dispatcher
    under_way: UnderWay

    def response(self, task: Task, query: LayersQuery) -> Response:
        """Return what takes the image in, and sends the answer, when it is called."""
        model = self.models[0] if query.model is None else query.model
        if model not in self.models:
            raise unknown("model", model, self.models)
        options = Options(**query.model_dump() | {"model": model})
        return _Later(partial(self._respond, task, options))

    async def _respond(self, task: Task, options: Options, request: Request, send: Send) -> None:
        self.dispatcher.check_room()
        with self.under_way, suppress(ClientDisconnect):
            # No name keeps the upload while its result is sent.
            answer = await self._computed(
                task, options, request, await read_image(request, self.limits)
            )
            await self._send(answer, request, send)

    async def _computed(
        self, task: Task, options: Options, request: Request, image: bytes
    ) -> Answer:
        """Return the worker's answer.

        Raises
        ------
        ClientDisconnect
            If the client goes away before.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        job = Job(task, options, image, answer)
        number = self.dispatcher.submit(job)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            futures: tuple[asyncio.Future[Answer], asyncio.Future[None]] = (answer, gone)
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise ClientDisconnect
            return answer.result()
        finally:
            gone.cancel()
            self.dispatcher.forget(number)

    async def _send(self, answer: Answer, request: Request, send: Send) -> None:
        body = memoryview(answer.body)
        headers = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        try:
            async with asyncio.timeout(self.limits.transfer_s):
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                for start in range(0, len(body), _CHUNK_BYTES):
                    chunk = bytes(body[start : start + _CHUNK_BYTES])
                    more = start + _CHUNK_BYTES < len(body)
                    await send({"type": "http.response.body", "body": chunk, "more_body": more})
        except TimeoutError:
            request.scope["state"]["abort"]()
            await asyncio.sleep(0)  # so that the connection knows it
            raise ClientDisconnect from None


class _Later(Response):
    """A response that is made while it is sent, with the request still there to be read."""

    def __init__(self, respond: Callable[[Request, Send], Awaitable[None]]) -> None:
        super().__init__()
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._respond(Request(scope, receive), send)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
