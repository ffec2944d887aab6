"""What every request passes: who may ask, what every response says, and the counting.

A server on this machine can be reached by every page that the browser shows. Against that:
the name it is called by must be ours (else a page could rebind its own name to our address),
browsers say which site a request comes from, and nothing allows other origins to read answers.
"""

import hmac
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepgaze2.serve.http.hosts import Hosts, host_name
from deepgaze2.serve.http.metrics import Metrics
from deepgaze2.serve.http.problems import ProblemError, as_response

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
        Names that the server goes by.
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
        hosts: Hosts,
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
        if host not in self._hosts:
            raise ProblemError(
                "wrong-host",
                f"{host!r} is not the server's name; start it with --allowed-host NAME",
            )
        # A link from elsewhere may open the page; nothing else may be used from there.
        is_page = scope["method"] in ("GET", "HEAD") and scope["path"] == "/"
        if _is_from_elsewhere(headers, host) and not is_page:
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


def _is_from_elsewhere(headers: Headers, host: str) -> bool:
    """Tell whether a browser says that a page of another site asks.

    Browsers send the site with requests to this machine and over HTTPS alone; the origin, with
    all that could be more than a link. Behind a proxy its port and scheme are not ours.
    """
    origin = headers.get("origin")
    return headers.get("sec-fetch-site") in _OTHER_SITES or (
        origin is not None and host_name(_host_of(origin)) != host
    )


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_guarded(path: str) -> bool:
    return path.startswith("/v1/") or path == "/metrics"
