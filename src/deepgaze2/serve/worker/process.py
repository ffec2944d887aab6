"""The worker's process as the server sees it: started, written to, read from, ended."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from deepgaze2.errors import ServeError
from deepgaze2.serve.worker import frames

_START_S = 120.0
_STOP_S = 5.0
_PIPE_BYTES = 1 << 20


class WorkerLostError(Exception):
    """The process is not there, for a reason that may pass: a later one may do better."""


class WorkerProcess:
    """A worker that has loaded its models. `start` makes one."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin is not None  # noqa: S101 (both are pipes)
        assert process.stdout is not None  # noqa: S101
        self._stdin, self._stdout = process.stdin, process.stdout

    @classmethod
    async def start(cls, models: Sequence[str], max_pixels: int, device: str = "cpu") -> Self:
        """Return a worker that has loaded these models.

        Raises
        ------
        WorkerLostError
            If the process cannot be started, dies, or is not ready in time.
        ServeError
            If the worker says that a model cannot be loaded.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "deepgaze2.serve.worker.worker"),
                stdin=PIPE,
                stdout=PIPE,
                limit=_PIPE_BYTES,
                # Otherwise glibc keeps memory for each thread that ever was, and there are many.
                env={"MALLOC_ARENA_MAX": "2", **os.environ},
            )
        except OSError as error:
            raise WorkerLostError(f"it cannot be started ({error.strerror})") from error
        worker = cls(process)
        try:
            await worker._load(models, max_pixels, device)
        except BaseException:  # cancellation among them
            await worker.end()
            raise
        return worker

    async def _load(self, models: Sequence[str], max_pixels: int, device: str) -> None:
        settings = {"models": list(models), "max_pixels": max_pixels, "device": device}
        try:
            async with asyncio.timeout(_START_S):
                await self.send(settings)
                answer, _ = await self.receive()
        except TimeoutError:
            raise WorkerLostError(f"it did not load the model within {_START_S:g} s") from None
        if "failure" in answer:
            raise ServeError(answer["failure"])

    async def send(self, header: Mapping[str, object], body: bytes = b"") -> None:
        """Write a message.

        Raises
        ------
        WorkerLostError
            If the process is dead.
        """
        try:
            for part in frames.pack(header, body):
                self._stdin.write(part)
            await self._stdin.drain()
        except ConnectionError as error:
            raise WorkerLostError("it died") from error

    async def receive(self) -> tuple[dict[str, Any], bytes]:
        """Return the next message.

        Raises
        ------
        WorkerLostError
            If the process is dead.
        """
        try:
            return await frames.receive(self._stdout)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise WorkerLostError("it died") from error

    def kill(self) -> None:
        """End the process at once: a decoder or a network cannot be interrupted."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Let the process end, or make it, and wait until it has."""
        self._stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._wait()
        except TimeoutError:
            self.kill()
            await self._wait()

    async def _wait(self) -> None:
        # A process only counts as ended when its pipe is, which stops while nobody reads it.
        while await self._stdout.read(_PIPE_BYTES):
            pass
        await self._process.wait()
