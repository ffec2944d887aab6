"""What `deepgaze2 serve` says before it serves, and where it listens."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from helpers.live_server import COMMAND, LiveServer, eventually, serving

OFFLINE = ["--no-browser", "--port", "0"]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "deepgaze3"], "did you mean 'deepgaze2'?"),
        (
            ["--model", "default", "--model", "deepgaze2-plus"],
            "two models are called deepgaze2-plus",
        ),
        (["--token", "é"], "not plain ASCII"),
        (["--token", ""], "--token: the token is empty"),
        (["--allowed-host", "http://a.b/"], "'http://a.b/' is no name"),
        (["--allowed-host", ""], "'' is no name"),
        (["--host", "192.0.2.1"], "cannot be listened on"),
        (["--max-queue", "0"], "0 is not in the range x>=1"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(options: list[str], message: str) -> None:
    result = run(*OFFLINE, *options)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--no-browser", "--port", str(port))
    assert result.returncode == 2
    assert f"127.0.0.1:{port}: cannot be listened on" in result.stderr


def test_a_damaged_model_ends_the_server(tmp_path: Path) -> None:
    packaged = Path(sys.modules["deepgaze2"].__path__[0]) / "assets" / "models" / "deepgaze2"
    for path in packaged.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "readout.safetensors").open("ab") as stream:
        stream.write(b"x")
    result = run(*OFFLINE, "--model", str(tmp_path))
    assert result.returncode == 2
    assert "readout.safetensors: damaged" in result.stderr


def test_without_its_packages_it_says_how_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {COMMAND[2]}"
    command = [sys.executable, "-c", code, "serve", *OFFLINE]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "serving needs uvicorn" in result.stderr
    assert "pip install 'deepgaze2[serve]'" in result.stderr


def test_the_browser_is_opened_unless_it_should_not_be(tmp_path: Path) -> None:
    """BROWSER names a program that is called with the address."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho $1 > {opened}\n")
    browser.chmod(0o755)
    environment = {"BROWSER": str(browser)}
    with serving(tmp_path / "a", "--no-browser", environment=environment) as live:
        live.wait_until_ready()
    assert not opened.exists()
    with serving(tmp_path / "b", environment=environment) as live:
        eventually(lambda: opened.exists() and opened.read_text().strip() == f"{live.url}/")


def status(live: LiveServer, host: str) -> int:
    """What a request is answered with that calls the server by this name."""
    return live.client.get("/healthz", headers={"Host": host}).status_code


def test_other_names_can_be_allowed_however_they_are_written(tmp_path: Path) -> None:
    names = ("--allowed-host", "Gaze.Example.:443", "--allowed-host", "[2001:DB8::0:1]")
    with serving(tmp_path / "stderr", *names) as live:
        taken = ["gaze.example", "GAZE.example:8000", "gaze.example.", "[2001:db8::1]:80"]
        assert {status(live, host) for host in (*taken, "localhost")} == {200}
        for host in ("evil.example", "example", "192.0.2.1", "[2001:db8::2]"):
            assert status(live, host) == 421
    assert (tmp_path / "stderr").read_text() == ""


def test_a_server_for_others_goes_by_its_addresses_and_no_other_names(tmp_path: Path) -> None:
    """Else a page could rebind its own name to the server."""
    names = ("--host", "0.0.0.0", "--allowed-host", "gaze.example")
    with serving(tmp_path / "stderr", *names) as live:
        assert live.url.startswith("http://localhost:")
        for host in ("192.0.2.1", "[2001:db8::1]:80", "localhost", "gaze.example"):
            assert status(live, host) == 200
        for host in ("evil.example", "192.0.2.1.evil.example", ""):
            assert status(live, host) == 421
    assert "without a token (set DEEPGAZE2_TOKEN) all" in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("address", ["::1", "127.0.0.9"])
def test_a_server_goes_by_the_address_it_listens_on(tmp_path: Path, address: str) -> None:
    with serving(tmp_path / "stderr", "--host", address) as live:
        assert httpx.URL(live.url).host == address
        assert live.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("token", ["", " \n"])
def test_an_empty_token_is_none_and_leaves_no_server_open(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("DEEPGAZE2_TOKEN", token)
    result = run(*OFFLINE)
    assert result.returncode == 2
    assert result.stderr.strip().endswith(
        "DEEPGAZE2_TOKEN: the token is empty or not plain ASCII; choose another"
    )
    assert len(result.stderr.splitlines()) == 1
