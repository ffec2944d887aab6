"""The API's description is valid, complete, and what the server does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate

from deepgaze2.serve.http.answers import EXAMPLE_PHOTO
from deepgaze2.serve.http.openapi import document
from deepgaze2.serve.http.problems import MEDIA_TYPE, PROBLEMS
from deepgaze2.serve.queue.limits import Limits
from helpers.live_server import LiveServer, photo

DOCUMENT = document(["deepgaze2-plus"], Limits(), asks_for_token=True)
SCHEMAS = DOCUMENT["components"]["schemas"]
EXAMPLES = {name: schema["examples"][0] for name, schema in SCHEMAS.items() if "examples" in schema}


def check(value: object, schema: str) -> None:
    reference = {**DOCUMENT, "$ref": f"#/components/schemas/{schema}"}
    jsonschema.validate(value, reference, format_checker=jsonschema.FormatChecker())


def operations() -> list[dict[str, Any]]:
    return [operation for path in DOCUMENT["paths"].values() for operation in path.values()]


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


@pytest.mark.parametrize("schema", list(EXAMPLES))
def test_examples_fit_their_schemas(schema: str) -> None:
    check(EXAMPLES[schema], schema)


def test_every_problem_is_described_with_an_example() -> None:
    described = {}
    for operation in operations():
        for status, response in operation["responses"].items():
            for name, example in (
                response["content"].get(MEDIA_TYPE, {}).get("examples", {}).items()
            ):
                check(example["value"], "Problem")
                assert example["value"]["type"] == f"/problems/{name}"
                assert int(status) == example["value"]["status"]
                described[name] = int(status)
    assert described == {name: problem.status for name, problem in PROBLEMS.items()}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in operations()]
    assert len(set(names)) == len(names)


def test_the_server_publishes_it(server: LiveServer) -> None:
    published = server.client.get("/openapi.json").json()
    models = ["deepgaze2-plus", "deepgaze2"]
    assert published == document(models, Limits(), asks_for_token=False)


def test_the_token_is_described_where_it_is_asked_for() -> None:
    assert DOCUMENT["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert DOCUMENT["security"] == [{"token": []}]
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            is_guarded = operation.get("security", DOCUMENT["security"]) == [{"token": []}]
            assert is_guarded == ("401" in operation["responses"]), path
            assert is_guarded == (path.startswith("/v1/") or path == "/metrics")


def example_request(server: LiveServer, path: str) -> httpx.Response:
    """Ask as the document's examples do."""
    operation = DOCUMENT["paths"][path]["post"]
    query = {parameter["name"]: parameter["example"] for parameter in operation["parameters"]}
    content = operation["requestBody"]["content"]["image/*"]["examples"]["photo"]["externalValue"]
    photo_file = server.client.get(content).raise_for_status().content
    headers = {"Content-Type": "image/jpeg"}
    return server.client.post(path, params=query, content=photo_file, headers=headers)


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/layers"])
def test_the_example_requests_work(server: LiveServer, path: str) -> None:
    response = example_request(server, path)
    assert response.status_code == 200, response.text
    check(response.json(), "Prediction" if path == "/v1/predict" else "Layers")


def test_the_example_of_a_prediction_is_one(server: LiveServer) -> None:
    photo_file = server.client.get(f"/v1/examples/{EXAMPLE_PHOTO}").content
    expected = EXAMPLES["Prediction"]
    found = server.predict(photo_file, "regions=face:440,240,250,280&samples=2").json()
    assert found.keys() == expected.keys()
    for name in ("width", "height", "model", "center_bias", "unit", "network_input_width"):
        assert found[name] == expected[name]
    assert found["entropy_bits"] == pytest.approx(expected["entropy_bits"], abs=0.5)
    share = expected["regions"][0]["share"]
    assert found["regions"][0]["share"] == pytest.approx(share, abs=0.05)


def test_the_example_of_a_model_is_the_packaged_one(server: LiveServer) -> None:
    [example] = EXAMPLES["Models"]["models"]
    found = server.client.get("/v1/models").json()
    [card] = [card for card in found["models"] if card["name"] == example["name"]]
    assert {**card, "training": {}, "scores": {}} == {**example, "training": {}, "scores": {}}
    assert example["training"].items() <= card["training"].items()
    explained = card["scores"]["mit1003"]["explained"]
    assert example["scores"]["mit1003"]["explained"] == pytest.approx(explained, abs=0.0005)
    assert {**found, "models": []} == {**EXAMPLES["Models"], "models": []}


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/models", "Models"),
        ("/v1/examples", "Examples"),
        ("/healthz", "Status"),
        ("/readyz", "Status"),
        ("/v1/predict?regions=a:0,0,1,1&samples=2", "Prediction"),
        ("/v1/layers", "Layers"),
        ("/v1/nothing", "Problem"),
    ],
)
def test_answers_fit_their_schemas(server: LiveServer, path: str, schema: str) -> None:
    if schema in ("Prediction", "Layers"):
        headers = {"Content-Type": "image/png"}
        response = server.client.post(path, content=photo(), headers=headers)
    else:
        response = server.client.get(path)
    check(response.json(), schema)


def test_the_server_does_what_the_document_says(server: LiveServer, tmp_path: Path) -> None:
    """Schemathesis makes requests from the document, good and bad, and checks the answers.

    It cannot make images, so that it takes their refusal for one of good data: that check is off.
    """
    subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--no-color", "run"),
            *(f"{server.url}/openapi.json", "--max-examples=30", "--seed=1"),
            *("--generation-database=none", "--exclude-checks=positive_data_acceptance"),
        ],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        timeout=120,
    )
