"""The application: addresses and what answers them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deepgaze2.density.center_bias import PACKAGED
from deepgaze2.serve.http.guard import Guard
from deepgaze2.serve.http.hosts import Hosts
from deepgaze2.serve.http.linger import Linger
from deepgaze2.serve.http.metrics import MEDIA_TYPE, Metrics
from deepgaze2.serve.http.openapi import document
from deepgaze2.serve.http.pages import Pages
from deepgaze2.serve.http.problems import PROBLEMS, ProblemError, as_response, busy
from deepgaze2.serve.queue.dispatcher import Dispatcher
from deepgaze2.serve.queue.jobs import Task
from deepgaze2.serve.queue.limits import MAX_REGIONS, MAX_SAMPLES, Limits
from deepgaze2.serve.queue.predictions import Predictions, UnderWay
from deepgaze2.store import Card


def create_app(
    cards: Sequence[Card],
    dispatcher: Dispatcher,
    limits: Limits,
    *,
    hosts: Hosts,
    token: str | None,
) -> Linger:
    """Return the ASGI application.

    Parameters
    ----------
    cards
        Of the served models, the default first.
    hosts, token
        See `Guard`.
    """
    metrics = Metrics()
    under_way = UnderWay(limits.requests)
    _watch(metrics, dispatcher, under_way)
    names = [card.name for card in cards]
    pages = Pages()
    description = document(names, limits, asks_for_token=token is not None)

    def predictions(task: Task) -> Predictions:
        return Predictions(task, names, limits, dispatcher, under_way)

    routes = [
        Route("/", pages.index),
        Route("/static/{name}", pages.static),
        Route("/v1/predict", predictions("predict"), methods=["POST"]),
        Route("/v1/layers", predictions("layers"), methods=["POST"]),
        Route("/v1/models", JSONResponse(_models(cards, limits)), methods=["GET"]),
        Route("/v1/examples", pages.examples),
        Route("/v1/examples/{name}", pages.example),
        Route("/problems/{name}", _problem),
        Route("/healthz", JSONResponse({"status": "ok"}), methods=["GET"]),
        Route("/readyz", _readiness(dispatcher)),
        Route("/metrics", _counts(metrics)),
        Route("/openapi.json", JSONResponse(description), methods=["GET"]),
    ]

    async def answer_problem(request: Request, error: Exception) -> Response:  # noqa: ARG001
        problem = _as_problem(error)
        metrics.count_error(problem.problem.name)
        return as_response(problem)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001
        dispatcher.start()
        yield
        await dispatcher.stop()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            ProblemError: answer_problem,
            HTTPException: answer_problem,
            Exception: answer_problem,
        },
    )
    app.router.redirect_slashes = False
    paths = [route.path for route in routes]
    return Linger(Guard(app, metrics, hosts=hosts, token=token, routes=paths))


def _as_problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return ProblemError("not-found", "see /openapi.json for what there is")
    if isinstance(error, HTTPException) and error.status_code == 405:
        headers = dict(error.headers or {})
        return ProblemError("method-not-allowed", f"use {headers['Allow']}", headers)
    return ProblemError("internal-error", "see the server's output")


def _watch(metrics: Metrics, dispatcher: Dispatcher, under_way: UnderWay) -> None:
    metrics.watch("queue_length", "Images that wait.", lambda: dispatcher.waiting)
    metrics.watch("images_under_way", "Images from upload to result.", lambda: under_way.now)
    metrics.watch("worker_ready", "1 if the model is loaded.", lambda: float(dispatcher.is_ready))
    metrics.watch("worker_restarts", "Workers that died.", lambda: dispatcher.restarts)


def _models(cards: Sequence[Card], limits: Limits) -> dict[str, object]:
    return {
        "default": cards[0].name,
        "models": [_facts(card) for card in cards],
        "center_biases": list(PACKAGED),
        "limits": {
            "bytes": limits.body_bytes,
            "pixels": limits.pixels,
            "samples": MAX_SAMPLES,
            "regions": MAX_REGIONS,
        },
    }


def _facts(card: Card) -> dict[str, object]:
    """Return what a card says to people; image names of its training are left out."""
    return {
        "name": card.name,
        "description": card.description,
        "license": card.license,
        "network": card.network,
        "readouts": card.n_readouts,
        "longer_side_px": card.longer_side_px,
        "center_bias": card.center_bias,
        "training": {k: v for k, v in card.training.items() if k != "seen_before"},
        "scores": card.scores,
    }


async def _problem(request: Request) -> Response:
    problem = PROBLEMS.get(request.path_params["name"])
    if problem is None:
        raise ProblemError("not-found", f"there is no problem {request.path_params['name']!r}")
    return JSONResponse(
        {"type": request.url.path, "title": problem.title, "status": problem.status}
    )


def _readiness(dispatcher: Dispatcher) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:  # noqa: ARG001 (Starlette's signature)
        if not dispatcher.is_ready:
            raise busy("not-ready", "the model is being loaded", 1)
        return JSONResponse({"status": "ready"})

    return answer


def _counts(metrics: Metrics) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:  # noqa: ARG001 (Starlette's signature)
        return Response(metrics.text(), media_type=MEDIA_TYPE)

    return answer
