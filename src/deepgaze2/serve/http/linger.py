"""Refusals that reach their client even while it still uploads.

A connection that is closed with data unread is reset, and the client may never see why. So the end
of a refusal waits until the rest of the upload has come, and been thrown away.
"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepgaze2.serve.queue.limits import LINGER_S


class Linger:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_refusal = has_upload_ended = False

        async def watched_receive() -> Message:
            nonlocal has_upload_ended
            message = await receive()
            has_upload_ended = not message.get("more_body", False)
            return message

        async def lingering_send(message: Message) -> None:
            nonlocal is_refusal
            if message["type"] == "http.response.start":
                is_refusal = message["status"] >= 400
            elif is_refusal and not has_upload_ended and not message.get("more_body", False):
                await send({**message, "more_body": True})
                message = {"type": "http.response.body"}
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        while not has_upload_ended:
                            await watched_receive()
            await send(message)

        await self._app(scope, watched_receive, lingering_send)
