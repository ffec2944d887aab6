"""The command line: `deepgaze2 COMMAND`."""

import importlib
import sys
from importlib.metadata import version

import click

from deepgaze2.errors import DeepGazeError
from deepgaze2.image.stimulus import printable

_COMMANDS = (
    "predict",
    "compare",
    "serve",
    "info",
    "train",
    "adapt",
    "ablation",
    "search-taps",
    "evaluate",
    "figures",
    "export",
    "data",
    "weights",
    "cache",
)


class _Commands(click.Group):
    """Imports a command's module only when it is called, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"deepgaze2.cli.{name}")
        command: click.Command = getattr(module, name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version("deepgaze2"))
def cli() -> None:
    """Predict where people look in images, as a probability density over the pixels.

    \b
    deepgaze2 predict photo.jpg -o out/         pictures and log density of one photo
    deepgaze2 predict photos/ --region logo:40,20,200,80   share of fixations in a region
    deepgaze2 compare before.png after.png --require 'cta >= 12%' --region cta:40,20,200,80
    deepgaze2 serve                             a page in the browser, and an API beside it
    deepgaze2 info                              the packaged model and this machine
    """  # noqa: D301 (click reads the backspace as "keep these lines")


def in_one_line(error: DeepGazeError | OSError) -> str:
    """Return what a user is told of an error; of the system's, about a file or folder, more."""
    if isinstance(error, DeepGazeError):
        return str(error)
    what = printable(error.filename) if error.filename else "file"
    return f"{what}: {error.strerror or error}; check the path and its permissions"


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (DeepGazeError, OSError) as error:
        click.echo(f"error: {in_one_line(error)}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped; what was finished is kept", err=True)
        sys.exit(130)
