"""A client's connection: uvicorn's, which alone would wait forever for a client that is silent."""

import asyncio
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from deepgaze2.serve.http.guard import SECURITY_HEADERS
from deepgaze2.serve.http.problems import MEDIA_TYPE, PROBLEMS, as_body
from deepgaze2.serve.queue.limits import IDLE_S, MAX_CONNECTIONS


class Connection(H11Protocol):
    """Ends itself when no request comes, or a response is not taken.

    Requests find `abort` in their `state`: it ends the connection at once, with what is not sent.

    Parameters
    ----------
    stall_s
        Seconds after which a client is left that takes nothing of what is sent to it.
    """

    def __init__(self, *args: Any, stall_s: float, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, "abort": self._abort}
        self._stall_s = stall_s
        self._idle: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._abort()
        else:
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._idle is not None:
            self._idle.cancel()
        self._cancel_stalled()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client, as a response does that has more to send, but not forever."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self._stall_s, self._abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._cancel_stalled()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._expect_request()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as everything else that goes wrong."""
        problem = PROBLEMS["incomplete-request"]
        body = as_body(problem, msg)
        headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
        headers += [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        response = h11.Response(status_code=problem.status, headers=headers, reason=b"Bad Request")
        with suppress(h11.LocalProtocolError):  # another response has begun
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _abort(self) -> None:
        self.transport.abort()

    def _cancel_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()

    def _expect_request(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self.loop.call_later(IDLE_S, self._abort_if_idle)

    def _abort_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._abort()
