"""The addresses, what answers them, and what the API's document says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from deepgaze2.card import Card
from deepgaze2.density.center_bias import PACKAGED
from deepgaze2.serve.http import answers
from deepgaze2.serve.http.metrics import MEDIA_TYPE, Metrics
from deepgaze2.serve.http.options import LayersQuery, PredictQuery, known_once
from deepgaze2.serve.http.pages import Files
from deepgaze2.serve.http.problems import PROBLEMS, ProblemError, busy, described
from deepgaze2.serve.queue.jobs import FORMATS
from deepgaze2.serve.queue.limits import MAX_REGIONS, MAX_SAMPLES
from deepgaze2.serve.queue.predictions import Predictions


@dataclass(frozen=True)
class Service:
    """What answers: the served models' cards, the default first, and the server's parts."""

    cards: Sequence[Card]
    predictions: Predictions
    metrics: Metrics
    page: Files
    examples: Files


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


_Service = Annotated[Service, Depends(_service)]
_BINARY = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_FORM = {
    "type": "object",
    "properties": {"image": _BINARY["schema"]},
    "required": ["image"],
    "additionalProperties": False,
}
_PHOTO = f"/v1/examples/{answers.EXAMPLE_PHOTO}"
_IMAGE = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": _FORM},
        "image/*": _BINARY | {"examples": {"photo": {"externalValue": _PHOTO}}},
        "application/octet-stream": _BINARY | {"examples": {"photo": {"externalValue": _PHOTO}}},
    },
}
_RESULTS = {kind: _BINARY for name, kind in FORMATS.items() if name != "json"}
_JPEG = {"schema": {"type": "string", "contentMediaType": "image/jpeg"}}
_TEXT = {"schema": {"type": "string"}}
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": r"^[a-z]+\.jpg$"},
    "example": answers.EXAMPLE_PHOTO,
}
_ANYWHERE = (
    *("incomplete-request", "wrong-host", "cross-site"),
    *("method-not-allowed", "internal-error"),
)
_UPLOAD = described(*(PROBLEMS.keys() - {"not-found"}))


def _camel_case(route: APIRoute) -> str:
    first, *more = route.name.split("_")
    return first + "".join(word.capitalize() for word in more)


_api = APIRouter(
    responses=described(*_ANYWHERE, "unauthorized"), generate_unique_id_function=_camel_case
)
_open = APIRouter(responses=described(*_ANYWHERE), generate_unique_id_function=_camel_case)


@_api.post(
    "/v1/predict",
    response_model=answers.Prediction,
    responses={200: {"content": _RESULTS}, **_UPLOAD},
    dependencies=[known_once(PredictQuery)],
    openapi_extra={"requestBody": _IMAGE},
)
async def predict(service: _Service, query: Annotated[PredictQuery, Query()]) -> Response:
    """Predict where people look in an image.

    The numbers are those of the Python package, bit for bit. `png` is the density in color over
    the image, `npy` the log density in nats (float32, height by width), `npz` the same with its
    metadata. `samples`, `seed` and `regions` go with `json`.
    """
    return service.predictions.response("predict", query)


@_api.post(
    "/v1/layers",
    response_model=answers.Layers,
    responses=_UPLOAD,
    dependencies=[known_once(LayersQuery)],
    openapi_extra={"requestBody": _IMAGE},
)
async def predict_layers(service: _Service, query: Annotated[LayersQuery, Query()]) -> Response:
    """Predict saliency and center bias on a grid, to be blended by the client.

    softmax(log_saliency + a · log_center_bias) is a density over the cells: with a = 1 that of
    `/v1/predict`, with a = 0 one without center bias.
    """
    return service.predictions.response("layers", query)


@_api.get("/v1/models", response_model=answers.Models)
async def get_models(service: _Service) -> Response:
    """Return the served models' cards."""
    limits = service.predictions.limits
    return JSONResponse(
        {
            "default": service.cards[0].name,
            "models": [_facts(card) for card in service.cards],
            "center_biases": list(PACKAGED),
            "limits": {
                "bytes": limits.body_bytes,
                "pixels": limits.pixels,
                "samples": MAX_SAMPLES,
                "regions": MAX_REGIONS,
            },
        }
    )


def _facts(card: Card) -> dict[str, object]:
    """Return what a card says to people; image names of its training are left out."""
    training = {key: value for key, value in card.training.items() if key != "seen_before"}
    if adapted := training.get("adapted_to"):
        training["adapted_to"] = adapted | {"images": len(adapted["images"])}
    return {
        "name": card.name,
        "description": card.description,
        "license": card.license,
        "network": card.networks,
        "readouts": card.n_readouts,
        "longer_side_px": card.longer_side_px,
        "center_bias": card.center_bias,
        "training": training,
        "scores": card.scores,
    }


@_api.get("/v1/examples", response_model=answers.Examples)
async def get_examples(service: _Service) -> Response:
    """Return the names of the example photos."""
    return JSONResponse({"examples": list(service.examples)})


@_api.get(
    "/v1/examples/{name}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": _JPEG}}, **described("not-found")},
    openapi_extra={"parameters": [_NAME]},
)
async def get_example(service: _Service, request: Request) -> Response:
    """Return an example photo."""
    return service.examples.response(request.path_params["name"])


@_open.get("/healthz", response_model=answers.Status)
async def get_health() -> Response:
    """Tell whether the server runs."""
    return JSONResponse({"status": "ok"})


@_open.get("/readyz", response_model=answers.Status, responses=described("not-ready"))
async def get_readiness(service: _Service) -> Response:
    """Tell whether the model is loaded."""
    if not service.predictions.dispatcher.is_ready:
        raise busy("not-ready", "the model is being loaded", 1)
    return JSONResponse({"status": "ready"})


@_api.get("/metrics", response_class=Response, responses={200: {"content": {MEDIA_TYPE: _TEXT}}})
async def get_metrics(service: _Service) -> Response:
    """Return counts, in Prometheus's text format."""
    return Response(service.metrics.text(), media_type=MEDIA_TYPE)


@_open.get("/", include_in_schema=False)
async def index(service: _Service) -> Response:
    """Return the page."""
    return service.page.response("index.html")


@_open.get("/static/{name}", include_in_schema=False)
async def static(service: _Service, name: str) -> Response:
    """Return a file of the page."""
    return service.page.response(name)


@_open.get("/problems/{name}", include_in_schema=False)
async def problem(name: str) -> Response:
    """Return what a kind of problem is."""
    if name not in PROBLEMS:
        raise ProblemError("not-found", f"there is no problem {name!r}")
    found = PROBLEMS[name]
    entries = {"type": f"/problems/{name}", "title": found.title, "status": found.status}
    return JSONResponse(entries)


ROUTES = [route for route in (*_api.routes, *_open.routes) if isinstance(route, APIRoute)]
"""All of them but the document's own."""
