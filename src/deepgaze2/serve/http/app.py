"""The application: what serves the addresses, and what becomes of errors."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from copy import copy

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route

from deepgaze2.card import Card
from deepgaze2.image.examples import example_paths
from deepgaze2.serve.http.guard import Guard
from deepgaze2.serve.http.hosts import Hosts
from deepgaze2.serve.http.linger import Linger
from deepgaze2.serve.http.metrics import Metrics
from deepgaze2.serve.http.openapi import document
from deepgaze2.serve.http.options import invalid
from deepgaze2.serve.http.pages import PAGE, Files
from deepgaze2.serve.http.problems import ProblemError, as_response
from deepgaze2.serve.http.routes import ROUTES, Service
from deepgaze2.serve.queue.dispatcher import Dispatcher
from deepgaze2.serve.queue.limits import Limits
from deepgaze2.serve.queue.predictions import Predictions, UnderWay


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
    names = [card.name for card in cards]
    predictions = Predictions(names, limits, dispatcher, UnderWay(limits.requests))
    metrics = _metrics(predictions)
    description = JSONResponse(document(names, limits, asks_for_token=token is not None))
    own = Route("/openapi.json", description, methods=["GET"])
    routes = [own, *(_taking_head(route) for route in ROUTES)]
    errors = (ProblemError, RequestValidationError, HTTPException, Exception)
    app = FastAPI(
        routes=list(routes),
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
        exception_handlers=dict.fromkeys(errors, _answer_problem),
    )
    app.state.service = Service(
        cards, predictions, metrics, Files(sorted(PAGE.iterdir())), Files(example_paths())
    )
    paths = [route.path for route in routes]
    return Linger(Guard(app, metrics, hosts=hosts, token=token, routes=paths))


def _taking_head(route: APIRoute) -> Route:
    """Return a route that answers HEAD, too, which its description need not say."""
    taking = copy(route)
    if route.methods == {"GET"}:
        taking.methods = {"GET", "HEAD"}
    return taking


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    dispatcher = app.state.service.predictions.dispatcher
    dispatcher.start()
    yield
    await dispatcher.stop()


async def _answer_problem(request: Request, error: Exception) -> Response:
    problem = _as_problem(error)
    request.app.state.service.metrics.count_error(problem.problem.name)
    return as_response(problem)


def _as_problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, RequestValidationError):
        return invalid(error.errors()[0])
    if isinstance(error, HTTPException) and error.status_code == 404:
        return ProblemError("not-found", "see /openapi.json for what there is")
    if isinstance(error, HTTPException) and error.status_code == 405:
        headers = dict(error.headers or {})
        return ProblemError("method-not-allowed", f"use {headers['Allow']}", headers)
    return ProblemError("internal-error", "see the server's output")


def _metrics(predictions: Predictions) -> Metrics:
    dispatcher, under_way = predictions.dispatcher, predictions.under_way
    metrics = Metrics()
    metrics.watch("queue_length", "Images that wait.", lambda: dispatcher.waiting)
    metrics.watch("images_under_way", "Images from upload to result.", lambda: under_way.now)
    metrics.watch("worker_ready", "1 if the model is loaded.", lambda: float(dispatcher.is_ready))
    metrics.watch("worker_restarts", "Workers that died.", lambda: dispatcher.restarts)
    return metrics
