"""What goes wrong with a request is said in problem details, each of one stable type."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deepgaze2.serve.http.problems import MEDIA_TYPE, PROBLEMS
from helpers.live_server import LiveServer, all_from, photo, serving, upload_head

RAW = {"Content-Type": "image/png"}
FORM = {"Content-Type": "multipart/form-data; boundary=edge"}


def part(name: str, content: str = "x") -> str:
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'


def check(response: httpx.Response, name: str) -> dict[str, Any]:
    """Check that a response is a problem of this name, and return it."""
    problem = PROBLEMS[name]
    assert response.status_code == problem.status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.headers["content-security-policy"]
    body: dict[str, Any] = response.json()
    assert list(body) == ["type", "title", "status", "detail"]
    assert body["type"] == f"/problems/{name}"
    assert (body["title"], body["status"]) == (problem.title, problem.status)
    assert body["detail"]
    assert "\n" not in body["detail"]
    return body


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("centre_bias=osie", "'centre_bias' is unknown; there are model, center_bias"),
        ("model=vgg", "model='vgg' is unknown; there are deepgaze2-plus, deepgaze2"),
        ("model=/tmp", "model='/tmp' is unknown"),
        ("center_bias=/etc/passwd", "there are mit1003, osie, uniform, gaussian"),
        ("center_bias=", "center_bias='' is unknown"),
        ("pixels_per_degree=-1", "no positive number"),
        ("pixels_per_degree=nan", "no positive number"),
        ("pixels_per_degree=0", "no positive number"),
        ("format=gif", "there are json, png, npy, npz"),
        ("samples=1_0", "no whole number from 0 to 10000"),
        ("samples=10001", "no whole number"),
        ("seed=-1", "no whole number"),
        ("seed=1&seed=2", "seed is given 2 times; give it once"),
        ("regions=logo", "name:x,y,width,height"),
        ("&".join(["regions=a:0,0,1,1"] * 101), "101 regions are given; the limit is 100"),
        ("format=npy&samples=3", "samples goes only with format=json, not with npy"),
    ],
)
def test_parameters_are_checked(server: LiveServer, query: str, detail: str) -> None:
    response = server.predict(photo(), query)
    assert detail in check(response, "invalid-parameter")["detail"]


def test_layers_take_no_parameters_of_results(server: LiveServer) -> None:
    response = server.client.post("/v1/layers?format=json", content=photo(), headers=RAW)
    assert "'format' is unknown" in check(response, "invalid-parameter")["detail"]


@pytest.mark.parametrize(
    "body",
    [
        "no form",
        part("image"),  # without the last boundary
        part("image").replace("\r\n\r\n", "\r\n\r", 1) + "--edge--",
        part("image") + part("image") + "--edge--\r\n",
        part("picture") + "--edge--\r\n",
        part("image") + part("center_bias", "osie") + "--edge--\r\n",
        "--edge\r\nno-disposition: 1\r\n\r\nx\r\n--edge--\r\n",
        "--other\r\n",
        "--edge\r\n" + "a: b\r\n" * 1000,
    ],
)
def test_broken_forms_are_refused(server: LiveServer, body: str) -> None:
    check(server.client.post("/v1/predict", content=body, headers=FORM), "invalid-multipart")


@pytest.mark.parametrize("parameters", ["", "; boundary=", f"; boundary={'x' * 300}"])
def test_forms_without_a_boundary_are_refused(server: LiveServer, parameters: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{parameters}"}
    check(server.client.post("/v1/predict", content="x", headers=headers), "invalid-multipart")


def test_requests_without_an_image_are_refused(server: LiveServer) -> None:
    check(server.predict(b""), "image-missing")
    empty = part("image", "") + "--edge--\r\n"
    check(server.client.post("/v1/predict", content=empty, headers=FORM), "image-missing")
    check(server.client.post("/v1/predict", content="--edge--\r\n", headers=FORM), "image-missing")


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "", "nonsense", "imagejpeg"])
def test_other_types_of_content_are_refused(server: LiveServer, kind: str) -> None:
    response = server.client.post("/v1/predict", content=photo(), headers={"Content-Type": kind})
    check(response, "unsupported-media-type")


def test_the_default_type_of_curl_is_refused(server: LiveServer) -> None:
    response = server.client.post("/v1/predict", data={"image": "x"})
    assert "multipart/form-data" in check(response, "unsupported-media-type")["detail"]


@pytest.mark.parametrize(
    "content",
    [b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", b"PK\x03\x04" + bytes(99)],
)
def test_other_files_than_images_are_refused(server: LiveServer, content: bytes) -> None:
    check(server.predict(content), "unsupported-image")


def test_damaged_images_are_refused(server: LiveServer) -> None:
    half = photo(300, 200)[:2000]
    check(server.predict(half), "image-damaged")


def test_regions_outside_the_image_are_refused(server: LiveServer) -> None:
    response = server.predict(photo(), "regions=r:50,0,20,20")
    body = check(response, "region-outside-image")
    assert "not inside the image of 60 by 40 pixels" in body["detail"]


def test_resolutions_beyond_the_networks_are_refused(server: LiveServer) -> None:
    body = check(server.predict(photo(), "pixels_per_degree=0.1"), "cannot-predict")
    assert "give at least 0.52" in body["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/predict/",
        "/static/..%2f..%2fserver.py",
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/static/guard.py",
        "/v1/examples/..%2f..%2fNOTICE",
        "/v1/examples/%00",
        "/problems/nobody",
        "/favicon.ico",
    ],
)
def test_other_addresses_are_not_there(server: LiveServer, path: str) -> None:
    request = server.client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())  # httpx would tidy it
    check(server.client.send(request), "not-found")


def test_other_methods_are_refused(server: LiveServer) -> None:
    response = server.client.get("/v1/predict")
    check(response, "method-not-allowed")
    assert response.headers["allow"] == "POST"
    check(server.client.post("/v1/models"), "method-not-allowed")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "10.0.0.1"])
def test_other_names_are_refused_against_rebinding(server: LiveServer, host: str) -> None:
    check(server.client.get("/", headers={"Host": host}), "wrong-host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.:1", "127.0.0.1:80", "[::1]:8000"])
def test_names_of_this_machine_are_taken(server: LiveServer, host: str) -> None:
    assert server.client.get("/healthz", headers={"Host": host}).status_code == 200


def test_pages_of_other_sites_may_only_link(server: LiveServer) -> None:
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        assert server.client.get("/", headers=headers).status_code == 200
        check(server.client.get("/v1/models", headers=headers), "cross-site")
        upload = server.client.post("/v1/predict", content=photo(), headers=RAW | headers)
        check(upload, "cross-site")
    assert server.client.get("/v1/models", headers={"Sec-Fetch-Site": "same-origin"}).is_success


def test_pages_of_other_origins_are_refused_where_browsers_name_no_site(server: LiveServer) -> None:
    for origin in ("http://evil.example", "http://10.0.0.1:8000", "null", "http://[", ""):
        headers = {"Origin": origin}
        check(server.client.get("/v1/models", headers=headers), "cross-site")
        upload = server.client.post("/v1/predict", content=photo(), headers=RAW | headers)
        check(upload, "cross-site")
    assert server.client.get("/v1/models", headers={"Origin": server.url}).is_success


def test_what_is_no_http_is_refused(server: LiveServer) -> None:
    for nonsense in (b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"):
        with server.connection() as connection:
            connection.sendall(nonsense)
            answer = all_from(connection).decode()
        assert answer.startswith("HTTP/1.1 400 ")
        assert MEDIA_TYPE in answer
        assert "/problems/incomplete-request" in answer


def test_problems_can_be_looked_up(server: LiveServer) -> None:
    for name, problem in PROBLEMS.items():
        answer = server.client.get(f"/problems/{name}").json()
        assert (answer["title"], answer["status"]) == (problem.title, problem.status)


def test_a_token_guards_the_api_alone(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr", environment={"DEEPGAZE2_TOKEN": " open sesame\n"}) as live:
        stranger = httpx.Client(base_url=live.url, trust_env=False)
        with stranger:
            for path in ("/", "/healthz", "/openapi.json", "/static/index.html"):
                assert stranger.get(path).status_code == 200
            assert stranger.get("/readyz").status_code in (200, 503)
            for authorization in ("", "Bearer open", "Basic open sesame", "Bearer", "é"):
                headers = {"Authorization": authorization.encode("latin-1")}
                for path in ("/v1/models", "/metrics", "/v1/examples/coffee.jpg"):
                    response = stranger.get(path, headers=headers)  # type: ignore[arg-type]
                    check(response, "unauthorized")
                    assert response.headers["www-authenticate"].startswith("Bearer")
            check(stranger.post("/v1/predict", content=photo(), headers=RAW), "unauthorized")
        assert live.client.get("/v1/models").status_code == 200


@pytest.mark.slow
def test_uploads_have_limits(tmp_path: Path) -> None:
    options = ("--max-bytes", "5000", "--max-pixels", "2400", "--max-transfer-seconds", "1")
    with serving(tmp_path / "stderr", *options) as live:
        assert live.predict(photo()).status_code == 200
        padded = photo() + bytes(5000 - len(photo()))
        assert live.client.post("/v1/predict", files={"image": padded}).status_code == 200
        body = check(live.predict(photo(61, 40)), "image-too-large")
        assert "61 x 40 pixels are over the limit of 2400" in body["detail"]
        for content in (bytes(5001), iter([bytes(3000)] * 2)):
            check(live.predict(content), "body-too-large")
        form = live.client.post("/v1/predict", files={"image": bytes(5001)})
        check(form, "body-too-large")
        check(live.predict(_trickle()), "upload-too-slow")


def _trickle() -> Iterator[bytes]:
    for _ in range(30):
        yield b"x"
        time.sleep(0.1)


def test_a_model_that_is_being_loaded_is_said_to_be(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr") as live:
        response = live.client.get("/readyz")
        check(response, "not-ready")
        assert response.headers["retry-after"] == "1"
        live.wait_until_ready()
        assert live.client.get("/readyz").json() == {"status": "ready"}


def test_images_that_take_too_long_are_given_up(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr", "--max-seconds", "0.02") as live:
        live.wait_until_ready()
        response = live.predict(photo(2000, 1000))
        check(response, "compute-timeout")
        live.wait_for_metric("worker_restarts", 1)
        live.wait_until_ready()


def test_only_so_many_images_are_under_way(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr", "--max-requests", "2") as live:
        with live.connection() as one, live.connection() as two:
            for connection in (one, two):
                connection.sendall(upload_head(9))
            live.wait_for_metric("images_under_way", 2)
            response = live.predict(photo())
            check(response, "too-many-requests")
            assert int(response.headers["retry-after"]) >= 1
        live.wait_for_metric("images_under_way", 0)
        assert live.predict(photo()).is_success
