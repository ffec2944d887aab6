"""What every request passes: who may ask, what every response says, and the counting.

A server on this machine can be reached by every page that the browser shows. Against that:
the name it is called by must be ours (else a page could rebind its own name to our address),
browsers say which site a request comes from, and nothing allows other origins to read answers.
"""

import hmac
import ipaddress
import time
from collections.abc import Collection, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepgaze2.serve.metrics import Metrics
from deepgaze2.serve.problems import ProblemError, as_response

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_CLIENT_GONE = 499  # a status that is never sent
_OTHER_SITES = ("cross-site", "same-site")


class Guard:
    """Wraps the application.

    Parameters
    ----------
    hosts
        Names that the server goes by; empty allows all.
    token
        What clients must know to reach the paths in `_is_guarded`; None lets all in.
    routes
        Paths as they are counted; all others count as "other".
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        hosts: Collection[str],
        token: str | None,
        routes: Iterable[str],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._hosts = hosts
        self._token = token
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = _CLIENT_GONE

        async def guarded_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        try:
            self._check(scope)
        except ProblemError as error:
            self._metrics.count_error(error.problem.name)
            await as_response(error)(scope, receive, guarded_send)
        else:
            await self._app(scope, receive, guarded_send)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.count_request(self._route(scope["path"]), status, seconds)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = host_name(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            raise ProblemError(
                "wrong-host", f"{host!r} is not the server's name; start it with --allowed-host"
            )
        # A link from elsewhere may open the page; nothing else may be used from there.
        is_page = scope["method"] in ("GET", "HEAD") and scope["path"] == "/"
        if headers.get("sec-fetch-site") in _OTHER_SITES and not is_page:
            raise ProblemError("cross-site", "the request comes from a page of another site")
        if self._token is not None and _is_guarded(scope["path"]):
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(
                token.strip().encode("latin-1", "replace"), self._token.encode()
            ):
                raise ProblemError(
                    "unauthorized",
                    "send the token that the server was started with, as Authorization: Bearer",
                    {"WWW-Authenticate": 'Bearer realm="deepgaze2"'},
                )

    def _route(self, path: str) -> str:
        if path in self._routes:
            return path
        template = f"{path.rpartition('/')[0]}/{{name}}"
        return template if template in self._routes else "other"


def host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets, in lower case."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_guarded(path: str) -> bool:
    return path.startswith("/v1/") or path == "/metrics"
