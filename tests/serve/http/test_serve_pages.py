"""Long pages over HTTP: the same as the library's, with what was guessed in words."""

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import deepgaze2
from deepgaze2.density.cells import cell_masses
from helpers.live_server import LiveServer

RAW = {"Content-Type": "image/png"}


def content(width: int, height: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(stream, "PNG")
    return stream.getvalue()


PAGE = content(330, 1000)


def test_a_page_is_the_librarys(server: LiveServer, model: deepgaze2.Model) -> None:
    query = "viewport=330x660&scroll=100,50"
    expected = model.predict(PAGE, viewport=(330, 660), scroll=[1, 0.5])
    found = server.predict(PAGE, f"{query}&format=npy")
    np.testing.assert_array_equal(np.load(io.BytesIO(found.content)), expected.log_density)
    answer = server.predict(PAGE, f"{query}&regions=top:0,0,330,400").json()
    assert (answer["viewport"], answer["scroll"], answer["notes"]) == ("330x660", "100,50", [])
    assert answer["regions"][0]["share"] == pytest.approx(expected.mass(0, 0, 330, 400))


def test_layers_of_a_page_blend_to_it(server: LiveServer, model: deepgaze2.Model) -> None:
    """On a grid that has room for both sides."""
    long = content(330, 3500)
    layers = server.client.post("/v1/layers?viewport=330x1320", content=long, headers=RAW).json()
    expected = model.predict(long, viewport=(330, 1320))
    rows, columns = layers["grid_height"], layers["grid_width"]
    assert 0.98 < rows * columns / 512**2 <= 1.01
    assert rows / columns == pytest.approx(3500 / 330, rel=0.01)
    saliency, center_bias = (read(layers[name]) for name in ("log_saliency", "log_center_bias"))
    mass = np.exp(saliency + center_bias).reshape(rows, columns)
    np.testing.assert_allclose(mass, cell_masses(expected.log_density, rows, columns), rtol=1e-4)
    assert layers["viewport"] == "330x1320"
    assert "half as many" in layers["notes"][0]


def read(text: str) -> NDArray[np.float64]:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float64)


def test_what_was_guessed_and_what_is_doubtful_is_said(server: LiveServer) -> None:
    guessed = server.predict(PAGE, "viewport=auto").json()
    assert guessed["viewport"] == "330x587"
    assert "a guess" in guessed["notes"][0]
    unsaid = server.predict(PAGE).json()
    assert (unsaid["viewport"], unsaid["scroll"]) == ("none", "100")
    assert "the network saw the whole at 169 x 512 pixels" in unsaid["notes"][0]
    at_once = server.predict(PAGE, "viewport=none").json()
    assert at_once["notes"] == []
    assert at_once["peak"] == unsaid["peak"]


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("viewport=wide", "invalid-parameter", "viewport 'wide' is not WIDTHxHEIGHT"),
        ("viewport=330x1", "invalid-parameter", "no screen's shape"),
        ("viewport=", "invalid-parameter", "is not WIDTHxHEIGHT"),
        ("viewport=330x400&scroll=50,100", "invalid-parameter", "begin with 100%"),
        ("scroll=100,50", "cannot-predict", "scroll goes with a viewport"),
        ("viewport=300x400", "cannot-predict", "330 pixels wide"),
        ("viewport=330x400&scroll=100,50", "cannot-predict", "3 screenfuls"),
    ],
)
def test_what_does_not_fit_is_refused(
    server: LiveServer, query: str, name: str, words: str
) -> None:
    response = server.predict(PAGE, query)
    assert response.json()["type"] == f"/problems/{name}"
    assert words in response.json()["detail"]
