"""The server's parts by themselves: messages, forms, grids, names."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from deepgaze2.density.cells import cell_masses, layers
from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.prediction import Prediction
from deepgaze2.errors import ServeError
from deepgaze2.image.stimulus import Stimulus
from deepgaze2.serve.http import server
from deepgaze2.serve.http.app import create_app
from deepgaze2.serve.http.hosts import host_name, is_loopback, own_hosts
from deepgaze2.serve.http.routes import _facts
from deepgaze2.serve.http.upload import read_image
from deepgaze2.serve.queue.dispatcher import Dispatcher
from deepgaze2.serve.queue.jobs import Answer, Job, Options
from deepgaze2.serve.queue.limits import Limits
from deepgaze2.serve.worker import frames
from deepgaze2.serve.worker.process import WorkerProcess
from helpers.small_models import card_of, random_backbone, random_readout


@given(st.lists(st.tuples(st.dictionaries(st.text(), st.integers()), st.binary())))
def test_messages_arrive_as_they_were_sent(messages: list[tuple[dict[str, int], bytes]]) -> None:
    written = b"".join(part for message in messages for part in frames.pack(*message))
    stream = io.BytesIO(written)
    assert [frames.read(stream) for _ in messages] == messages
    assert frames.read(stream) is None
    assert asyncio.run(_received(written, len(messages))) == messages


async def _received(written: bytes, n: int) -> list[frames.Frame]:
    reader = asyncio.StreamReader()
    reader.feed_data(written)
    reader.feed_eof()
    return [await frames.receive(reader) for _ in range(n)]


@given(st.binary(min_size=1))
def test_messages_that_break_off_are_none(payload: bytes) -> None:
    written = b"".join(frames.pack({"id": 1}, payload))
    for length in range(len(written)):
        assert frames.read(io.BytesIO(written[:length])) is None


def form_request(body: bytes, cuts: list[int]) -> Request:
    """A request whose body comes in pieces."""
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    pieces = [body[a:b] for a, b in pairwise(edges)]

    async def messages() -> AsyncIterator[Message]:
        for piece in pieces:
            yield {"type": "http.request", "body": piece, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    coming = messages()
    headers = [(b"content-type", b"multipart/form-data; boundary=edge")]
    return Request({"type": "http", "headers": headers}, lambda: anext(coming))


@given(st.binary(min_size=1), st.lists(st.integers(0, 10_000), max_size=8))
def test_forms_give_their_image_however_they_are_cut(image: bytes, cuts: list[int]) -> None:
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + image + b"\r\n--edge--\r\n"
    )
    assert asyncio.run(read_image(form_request(body, cuts), Limits())) == image


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
)
def test_cells_hold_the_mass_of_the_pixels_that_they_cover(
    shape: tuple[int, int], rows: int, columns: int
) -> None:
    density = np.random.default_rng(0).random(shape) ** 4
    log_density = np.log(density / density.sum()).astype(np.float32)
    found = cell_masses(log_density, rows, columns)
    # On a grid so fine that both pixels and cells are whole numbers of its squares.
    fine = np.exp(log_density.astype(np.float64)).repeat(rows, 0).repeat(columns, 1)
    fine /= rows * columns
    expected = fine.reshape(rows, shape[0], columns, shape[1]).sum((1, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_layers_of_a_center_bias_without_mass_somewhere_stay_numbers() -> None:
    template = np.full((1, 4), -np.inf, np.float32)
    template[0, :2] = np.log(0.5)
    prior = CenterBias("left", template)
    log_density = prior.log_density(8, 40)
    stimulus = Stimulus(np.zeros((8, 40, 3), np.uint8), 40, 8, "image")
    found = layers(Prediction(log_density, stimulus, prior, "test", (40, 16)))
    center_bias, saliency = (
        np.frombuffer(base64.b64decode(str(found[name])), "<f4").reshape(8, 40)
        for name in ("log_center_bias", "log_saliency")
    )
    assert (center_bias[:, 30:] == np.finfo(np.float32).min).all()
    np.testing.assert_allclose(saliency, 0, atol=1e-6)
    assert (found["grid_width"], found["grid_height"]) == (40, 8)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Localhost:80", "localhost"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("[0:0::0:1]:80", "::1"),
        ("a.b", "a.b"),
        (" A.b.:80 ", "a.b"),
        ("", ""),
    ],
)
def test_host_names_are_read_without_their_port(host: str, name: str) -> None:
    assert host_name(host) == name


def test_addresses_of_this_machine_alone_are_told_from_others() -> None:
    for host in ("127.0.0.1", "127.0.0.9", "::1", "localhost"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "192.168.0.1", "example.org"):
        assert not is_loopback(host)


def test_images_and_results_stay_out_of_messages() -> None:
    answer = Answer("image/png", b"secret")
    loop = asyncio.new_event_loop()
    job = Job("predict", Options("model"), b"secret", loop.create_future())
    job.answer.set_result(answer)
    loop.close()
    assert "secret" not in f"{answer!r} {job!r}"


def test_a_card_that_is_served_names_no_image() -> None:
    card = card_of(random_readout(2), random_backbone())
    adapted = {"model": "base", "images": ["secret.png"]}
    own = {"images": 2, "seen_before": ["secret.png"], "adapted_to": adapted}
    card = replace(card, training=own)
    served = _facts(card)
    expected = {"images": 2, "adapted_to": {"model": "base", "images": 1}}
    assert served["training"] == expected
    assert "secret.png" not in str(served)


def test_the_worker_is_told_the_network_that_is_named_with_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without it, it would refuse to run the code of a network of the user's own."""
    told: list[str] = []

    async def start(models: list[str], max_pixels: int, device: str) -> WorkerProcess:
        told.extend([*models, device])
        raise ServeError("told enough")

    monkeypatch.setattr(WorkerProcess, "start", start)
    with pytest.raises(ServeError, match="told enough"):
        server.run(
            ["deepgaze2@python:module.function"], Limits(), device="mps", port=0, open_browser=False
        )
    assert told == ["deepgaze2@python:module.function", "mps"]


def test_no_request_is_told_to_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI would tell all, once a program's environment named somebody who listens."""
    trace = pytest.importorskip("opentelemetry.trace")
    asked = []

    class Provider(trace.TracerProvider):  # type: ignore[misc, name-defined]
        def get_tracer(self, *args: object, **more: object) -> object:
            asked.append((args, more))
            return trace.NoOpTracer()

    monkeypatch.setattr(trace, "get_tracer_provider", Provider)
    limits, hosts = Limits(), own_hosts("localhost", ())
    dispatcher = Dispatcher(WorkerProcess.start, limits, pytest.fail)  # type: ignore[arg-type]
    card = card_of(random_readout(2), random_backbone())
    app = create_app([card], dispatcher, limits, hosts=hosts, token=None)

    async def status() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/healthz")).status_code

    assert asyncio.run(status()) == 200
    assert asked == []
