"""What the API returns: the library's numbers, bit for bit."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax

import deepgaze2
from deepgaze2.card import read_card
from deepgaze2.density.files import summary
from deepgaze2.density.regions import parse_region, region_shares
from deepgaze2.image.examples import example_paths
from deepgaze2.image.formats import FORMATS
from deepgaze2.readout.viewing import Viewing
from deepgaze2.store import find_model, read_readouts, write_model
from helpers.live_server import LiveServer, photo, serving

COFFEE = next(path for path in example_paths() if path.stem == "coffee")
RAW = {"Content-Type": "application/octet-stream"}
OPTIONS = [
    {},
    {"center_bias": "uniform"},
    {"pixels_per_degree": 30.5},
    {"center_bias": "mit1003", "pixels_per_degree": 60},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_npy_is_the_librarys_log_density(
    server: LiveServer, model: deepgaze2.Model, options: dict[str, str | float]
) -> None:
    response = server.client.post(
        "/v1/predict",
        params={"format": "npy", **options},
        files={"image": ("coffee.jpg", COFFEE.read_bytes())},
    )
    assert response.status_code == 200, response.text
    expected = io.BytesIO()
    np.save(expected, model.predict(COFFEE, **options).log_density)  # type: ignore[arg-type]
    assert response.content == expected.getvalue()
    assert response.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("suffix", ["png", "npz"])
def test_files_are_those_that_the_library_writes(
    server: LiveServer, model: deepgaze2.Model, tmp_path: Path, suffix: str
) -> None:
    content = COFFEE.read_bytes()
    model.predict(content).save(tmp_path / f"expected.{suffix}")
    response = server.predict(content, f"format={suffix}")
    assert response.content == (tmp_path / f"expected.{suffix}").read_bytes()


def test_json_is_the_librarys_summary_regions_and_samples(
    server: LiveServer, model: deepgaze2.Model
) -> None:
    regions = ["cup:100,50,200.5,120", "é, top:0%,0%,100%,25%"]
    response = server.client.post(
        "/v1/predict",
        params={"regions": regions, "samples": 7, "seed": 3},
        content=COFFEE.read_bytes(),
        headers=RAW,
    )
    prediction = model.predict(COFFEE.read_bytes())
    shares = region_shares(prediction, [parse_region(text) for text in regions])
    expected = {
        **summary(prediction),
        "regions": [
            {
                "name": share.name,
                "share": share.share,
                "center_bias_share": share.center_bias_share,
                "ratio": share.ratio,
            }
            for share in shares
        ],
        "samples": prediction.sample(7, 3).tolist(),
    }
    assert response.json() == json.loads(json.dumps(expected))


def test_layers_blend_to_the_prediction(server: LiveServer, model: deepgaze2.Model) -> None:
    layers = server.client.post("/v1/layers", content=COFFEE.read_bytes(), headers=RAW).json()
    prediction = model.predict(COFFEE)
    assert (layers["width"], layers["height"]) == (600, 400)
    assert (layers["grid_width"], layers["grid_height"]) == (512, 341)
    assert layers["network_input_size"] == list(prediction.network_input_size)
    assert (layers["model"], layers["center_bias"]) == ("deepgaze2-plus", "own")
    saliency, center_bias = (
        np.frombuffer(base64.b64decode(layers[name]), "<f4").astype(np.float64)
        for name in ("log_saliency", "log_center_bias")
    )
    blended = np.exp(log_softmax(saliency + center_bias))
    expected = _cells(prediction.density.astype(np.float64), 341, 512).ravel()
    np.testing.assert_allclose(blended, expected, rtol=1e-5)
    prior = np.exp(prediction.center_bias.log_density(400, 600).astype(np.float64))
    np.testing.assert_allclose(np.exp(center_bias), _cells(prior, 341, 512).ravel(), rtol=1e-5)


def _cells(density: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Mass per cell, by interpolating the cumulative mass at the cells' edges."""
    cumulative = np.pad(density.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = density.shape
    y, x = (np.arange(n + 1) * side / n for n, side in ((rows, height), (columns, width)))
    across = np.stack([np.interp(x, np.arange(width + 1), row) for row in cumulative])
    corners = np.stack([np.interp(y, np.arange(height + 1), column) for column in across.T]).T
    return np.diff(np.diff(corners, axis=0), axis=1)


def test_other_models_are_had_by_name(server: LiveServer) -> None:
    response = server.predict(photo(), "model=deepgaze2&format=npy")
    expected = deepgaze2.load("deepgaze2").predict(photo()).log_density
    np.testing.assert_array_equal(np.load(io.BytesIO(response.content)), expected)


@pytest.mark.parametrize("kind", [*sorted(FORMATS.keys() - {"HEIF"}), "MPO"])
def test_images_of_every_named_format_are_taken(server: LiveServer, kind: str) -> None:
    response = server.predict(photo(kind=kind))
    assert response.status_code == 200, response.text
    assert (response.json()["width"], response.json()["height"]) == (60, 40)


def test_the_name_of_a_file_is_not_looked_at(server: LiveServer, tmp_path: Path) -> None:
    victim = tmp_path / "victim.png"
    victim.write_bytes(photo(99, 99))
    for name in (str(victim), "../../../etc/passwd", "file:///etc/passwd", "a\x00b.png", ""):
        response = server.client.post("/v1/predict", files={"image": (name or None, photo())})
        assert response.status_code == 200, response.text
        assert response.json()["image"] == "image"
        assert (response.json()["width"], response.json()["height"]) == (60, 40)
    assert list(tmp_path.iterdir()) == [victim]


def test_models_are_described_without_the_names_of_their_images(server: LiveServer) -> None:
    answer = server.client.get("/v1/models").json()
    assert answer["default"] == "deepgaze2-plus"
    assert [card["name"] for card in answer["models"]] == ["deepgaze2-plus", "deepgaze2"]
    assert answer["center_biases"] == ["mit1003", "osie", "uniform", "gaussian"]
    assert answer["limits"]["bytes"] == 50_000_000
    assert answer["models"][0]["scores"]["osie"]["explained"] == pytest.approx(0.931, abs=1e-3)
    assert "1041.jpg" not in json.dumps(answer)


def test_examples_are_the_packaged_photos(server: LiveServer) -> None:
    names = server.client.get("/v1/examples").json()["examples"]
    assert names == [path.name for path in example_paths()]
    for path in example_paths():
        response = server.client.get(f"/v1/examples/{path.name}")
        assert response.headers["content-type"] == "image/jpeg"
        assert response.content == path.read_bytes()


def test_the_page_is_served_under_a_strict_policy(server: LiveServer) -> None:
    for path in ("/", "/static/index.html"):
        response = server.client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in response.headers
        assert "server" not in response.headers
    assert server.client.head("/").headers["content-length"] == str(len(response.content))


def test_requests_are_counted(server: LiveServer) -> None:
    counted = {"route": "/v1/examples/{name}", "status": "200"}
    before = server.metric("requests_total", **counted)
    timed = server.metric("request_seconds_count", route="/v1/examples/{name}")
    server.client.get("/v1/examples/coffee.jpg")
    assert server.metric("requests_total", **counted) == before + 1
    assert server.metric("request_seconds_count", route="/v1/examples/{name}") == timed + 1
    assert server.metric("worker_ready") == 1
    errors = server.metric("errors_total", kind="not-found")
    server.client.get("/v1/examples/nobody.jpg")
    assert server.metric("errors_total", kind="not-found") == errors + 1


def test_image_type_and_octet_stream_are_one(server: LiveServer) -> None:
    answers = [
        server.client.post(
            "/v1/predict", content=COFFEE.read_bytes(), headers={"Content-Type": kind}
        ).json()
        for kind in ("image/jpeg", "image/anything; q=1", "Application/Octet-Stream")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["width"], answers[0]["height"]) == (600, 400)


def test_viewings_of_one_model_are_served_side_by_side(tmp_path: Path) -> None:
    packaged = find_model("deepgaze2")
    card = read_card(packaged)
    (readout,) = read_readouts(packaged, card)
    n, n_scales = readout.n_models, len(readout.architecture.scales)
    sharp = Viewing(
        sigma_px=np.asarray(readout.sigma_px / 2, np.float32),
        prior_weight=readout.prior_weight,
        factor=np.full(n, 1.5, np.float32),
        scale_factors=np.ones((n, n_scales), np.float32),
    )
    bias = deepgaze2.load("deepgaze2").center_bias
    folder = tmp_path / "own"
    card = replace(card, name="own")
    write_model(folder, card, [replace(readout, viewings={"lab": sharp})], bias, {"lab": bias})
    models = ("--model", str(folder), "--model", f"{folder}@lab")
    with serving(tmp_path / "stderr", *models) as server:
        listed = server.client.get("/v1/models").json()
        assert [one["name"] for one in listed["models"]] == ["own", "own@lab"]
        server.wait_until_ready()
        for name in ("own", "own@lab"):
            found = server.predict(photo(), f"model={name}&format=npy")
            assert found.status_code == 200, found.text
            source = str(folder) + name.removeprefix("own")
            expected = deepgaze2.load(source).predict(photo()).log_density
            np.testing.assert_array_equal(np.load(io.BytesIO(found.content)), expected)
