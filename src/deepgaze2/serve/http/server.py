"""Running the server: its socket, its process, and the browser that is shown the page."""

import asyncio
import math
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from deepgaze2.card import Card
from deepgaze2.errors import ServeError
from deepgaze2.serve.http.app import create_app
from deepgaze2.serve.http.connection import Connection
from deepgaze2.serve.http.hosts import own_hosts
from deepgaze2.serve.queue.dispatcher import Dispatcher
from deepgaze2.serve.queue.limits import Limits
from deepgaze2.serve.worker.process import WorkerProcess
from deepgaze2.store import named_card

_MORE_S = 5.0  # in which a request notices that its connection ended


class _Server(uvicorn.Server):
    """Ends, when it is told to, the connections that do not end by themselves.

    uvicorn alone would wait for them forever, or cancel their requests, which is logged as a fault.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        config = uvicorn.Config(
            app,
            http=partial(Connection, stall_s=limits.transfer_s),  # type: ignore[arg-type]
            timeout_graceful_shutdown=math.ceil(limits.longest_s + _MORE_S),
            ws="none",
            lifespan="on",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
        )
        super().__init__(config)
        self._longest_s = limits.longest_s
        self.failure: str | None = None

    def fail(self, reason: str) -> None:
        """End, since no image can be computed any more."""
        self.failure = self.failure or reason
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        asyncio.get_running_loop().call_later(self._longest_s, self._abort_all)
        await super().shutdown(sockets)

    def _abort_all(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def run(
    models: Sequence[str],
    limits: Limits,
    *,
    device: str = "cpu",
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    allowed_hosts: Collection[str] = (),
    open_browser: bool = True,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT; what was begun is finished.

    Parameters
    ----------
    models
        Names or folders; the first is the default.
    device
        Where networks are computed, see `load`.
    host, port
        Where to listen; port 0 takes any that is free.
    token
        What clients must send to use the API; None lets all in.
    allowed_hosts
        More names that the server goes by, see `own_hosts`.
    announce
        Called with the page's address once the server listens.

    Raises
    ------
    ServeError
        If the address cannot be had, two models have one name, a model cannot be loaded, or an
        allowed host is no name.
    ModelError
        If a model is not found.
    """
    app = create_app(
        _cards(models),
        Dispatcher(
            partial(WorkerProcess.start, models, limits.pixels, device),
            limits,
            lambda reason: server.fail(reason),
        ),
        limits,
        hosts=own_hosts(host, allowed_hosts),
        token=token,
    )
    server = _Server(app, limits)
    with closing(_listening(host, port)) as listener:
        url = _url(listener)
        announce(url)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        _run_quietly(server, listener)
    if server.failure:
        raise ServeError(server.failure)


def _cards(models: Sequence[str]) -> list[Card]:
    cards = [named_card(name) for name in models]
    names = [card.name for card in cards]
    if len(set(names)) < len(names):
        raise ServeError(f"two models are called {max(names, key=names.count)}; serve one of them")
    return cards


def _run_quietly(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run, and return when a signal ends the server, which would raise it anew afterwards."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: None) for number in signals]
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":  # there it would let two servers share a port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServeError(
            f"{host}:{port}: cannot be listened on ({reason}); choose others with --host and --port"
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    if host in ("0.0.0.0", "::"):  # noqa: S104 (all addresses, of which this is one)
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
