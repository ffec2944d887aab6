"""`deepgaze2 serve`: a page in the browser, and an API beside it."""

import os
from dataclasses import fields

import click

from deepgaze2.cli.models import device_option
from deepgaze2.errors import ServeError
from deepgaze2.serve.queue.limits import Limits

_DEFAULTS = {field.name: field.default for field in fields(Limits)}
_TOKEN_VARIABLE = "DEEPGAZE2_TOKEN"  # noqa: S105 (its name alone)
_AT_LEAST_ONE = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=["default"],
    show_default=True,
    help="Model name or folder; repeatable, the first is the default.",
)
@device_option
@click.option("--no-browser", is_flag=True, help="Do not open the page in the browser.")
@click.option(
    "--token",
    help="Bearer token that the API asks for. Other users of this machine can see it here, but "
    f"not in the environment variable {_TOKEN_VARIABLE}.  [default: {_TOKEN_VARIABLE}, or none]",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Name that clients call the server by, beside its address; repeatable.",
)
@click.option(
    "--max-bytes",
    "body_bytes",
    type=_AT_LEAST_ONE,
    default=_DEFAULTS["body_bytes"],
    show_default=True,
    help="Largest upload in bytes.",
)
@click.option(
    "--max-pixels",
    "pixels",
    type=_AT_LEAST_ONE,
    default=_DEFAULTS["pixels"],
    show_default=True,
    help="Of an image.",
)
@click.option(
    "--max-seconds",
    "compute_s",
    type=_SECONDS,
    default=_DEFAULTS["compute_s"],
    show_default=True,
    help="For an image to wait and be computed.",
)
@click.option(
    "--max-transfer-seconds",
    "transfer_s",
    type=_SECONDS,
    default=_DEFAULTS["transfer_s"],
    show_default=True,
    help="For an upload, and again for the download of its result.",
)
@click.option(
    "--max-requests",
    "requests",
    type=_AT_LEAST_ONE,
    default=_DEFAULTS["requests"],
    show_default=True,
    help="Images under way, from upload to result.",
)
@click.option(
    "--max-queue",
    "queue",
    type=_AT_LEAST_ONE,
    default=_DEFAULTS["queue"],
    show_default=True,
    help="Images that wait for the processor.",
)
def serve(
    host: str,
    port: int,
    models: tuple[str, ...],
    device: str,
    no_browser: bool,
    token: str | None,
    allowed_hosts: tuple[str, ...],
    body_bytes: int,
    pixels: int,
    compute_s: float,
    transfer_s: float,
    requests: int,
    queue: int,
) -> None:
    """Open a page in the browser that predicts images, and an API beside it.

    Images go to this machine alone, are kept in memory while they are computed, and nowhere
    else. Ctrl-C ends the server when it has finished what it began.
    """
    try:
        from deepgaze2.serve.http.hosts import is_loopback
        from deepgaze2.serve.http.server import run
    except ModuleNotFoundError as error:
        raise ServeError(
            f"serving needs {error.name}, which is not installed; "
            "run: pip install 'deepgaze2[serve]'"
        ) from error
    token = _token(token)
    if token is None and not is_loopback(host):
        note = f"without a token (set {_TOKEN_VARIABLE}) all who reach this machine may use it"
        click.echo(f"note: {note}", err=True)
    run(
        models,
        Limits(body_bytes, pixels, compute_s, transfer_s, requests, queue),
        device=device,
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        open_browser=not no_browser,
        announce=lambda url: click.echo(f"serving on {url}; Ctrl-C ends it"),
    )


def _token(given: str | None) -> str | None:
    """Return the token without the white space around it, as a file's last line end.

    Raises
    ------
    ServeError
        If one is meant to be there, and is not: the server must not be open by mistake.
    """
    # Click takes an empty variable for none.
    name = _TOKEN_VARIABLE if given is None else "--token"
    token = os.environ.get(_TOKEN_VARIABLE) if given is None else given
    if token is None:
        return None
    token = token.strip()
    if not (token and token.isascii() and token.isprintable()):
        raise ServeError(f"{name}: the token is empty or not plain ASCII; choose another")
    return token
