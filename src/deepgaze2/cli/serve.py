"""`deepgaze2 serve`: a page in the browser, and an API beside it."""

from dataclasses import fields

import click

from deepgaze2.errors import ServeError
from deepgaze2.serve.limits import Limits

_DEFAULTS = {field.name: field.default for field in fields(Limits)}
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
@click.option("--no-browser", is_flag=True, help="Do not open the page in the browser.")
@click.option(
    "--token",
    envvar="DEEPGAZE2_TOKEN",
    show_envvar=True,
    help="Bearer token that the API asks for.  [default: none]",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Name that clients call the server by, as behind a proxy; repeatable.",
)
@click.option(
    "--max-bytes",
    "body_bytes",
    type=_AT_LEAST_ONE,
    default=_DEFAULTS["body_bytes"],
    show_default=True,
    help="Of an upload.",
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
        from deepgaze2.serve.guard import is_loopback
        from deepgaze2.serve.server import run
    except ModuleNotFoundError as error:
        raise ServeError(
            f"serving needs {error.name}, which is not installed; "
            "run: pip install 'deepgaze2[serve]'"
        ) from error
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise ServeError("the token is empty or not plain ASCII; choose another")
    if token is None and not is_loopback(host):
        click.echo("note: without --token everybody who reaches this machine may use it", err=True)
    run(
        models,
        Limits(body_bytes, pixels, compute_s, transfer_s, requests, queue),
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        open_browser=not no_browser,
        announce=lambda url: click.echo(f"serving on {url}; Ctrl-C ends it"),
    )
