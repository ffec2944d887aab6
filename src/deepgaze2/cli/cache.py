"""`deepgaze2 cache`: what is kept between runs, and removing it."""

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime

import click

from deepgaze2.features.cache_admin import CachedFile, cached_files, remove, to_remove
from deepgaze2.support.files import cache_directory

_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_SECONDS = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


def _quantity(
    units: dict[str, float],
) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """Return what turns an option such as 10GB or 30d into a number; case does not matter."""
    factors = {unit.lower(): factor for unit, factor in units.items()}

    def convert(
        ctx: click.Context,  # noqa: ARG001 (click's signature)
        param: click.Parameter,  # noqa: ARG001
        value: str | None,
    ) -> float | None:
        if value is None:
            return None
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", value.lower())
        if found is None or found[2] not in factors:
            raise click.BadParameter(f"{value} is not a number with a unit: {', '.join(units)}")
        return float(found[1]) * factors[found[2]]

    return convert


@click.group(invoke_without_command=True)
@click.pass_context
def cache(context: click.Context) -> None:
    """Show what is kept between runs: the features that networks found in images, and scores.

    Features are computed once for each image, size and layer, scores once for each model and data
    set. Whatever is removed is computed again when it is needed.
    """
    if context.invoked_subcommand is None:
        files = cached_files()
        click.echo(f"{cache_directory()}: {_amount(files)} of features and scores")
        _show(files)


@cache.command()
@click.option(
    "--older-than",
    metavar="AGE",
    callback=_quantity(_SECONDS),
    help="Remove features that have not been used for this time, such as 12h, 30d or 8w.",
)
@click.option(
    "--keep",
    metavar="SIZE",
    callback=_quantity(_BYTES),
    help="Remove the features used longest ago, until this much is left, such as 500MB or 10GB.",
)
@click.option("--all", "everything", is_flag=True, help="Remove all features, however old.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
def prune(older_than: float | None, keep: float | None, everything: bool, dry_run: bool) -> None:
    """Remove features, and files that killed processes left behind more than a day ago.

    Scores, weights and data sets in the cache folder stay. Whatever is removed is computed again
    when it is needed.
    """
    if older_than is None and keep is None and not everything:
        raise click.UsageError("say what to remove: --older-than AGE, --keep SIZE or --all")
    age_s = math.inf if older_than is None else older_than
    files = cached_files()
    chosen = to_remove(
        files,
        unused_since_s=math.inf if everything else time.time() - age_s,
        keep_bytes=math.inf if keep is None else keep,
    )
    refused = [] if dry_run else remove(chosen)
    removed = set(chosen).difference(refused)
    _show([file for file in files if file in removed])
    left = [file for file in files if file not in removed]
    done = "would be removed" if dry_run else "removed"
    click.echo(f"{_amount(removed)} {done}, {_amount(left)} left")
    if refused:
        click.echo(
            f"note: {_amount(refused)} could not be removed, such as {refused[0].path}; end what"
            " uses them, or check their permissions",
            err=True,
        )


def _show(files: list[CachedFile]) -> None:
    """Print a row for each network, view and tap, one for scores and one for leftovers."""
    groups = defaultdict(list)
    for file in files:
        groups[file.group].append(file)
    names = {group: "  ".join(group) for group in sorted(groups)}
    width = max(map(len, names.values()), default=0)
    for group, name in names.items():
        last = datetime.fromtimestamp(max(file.used_s for file in groups[group]))  # local time
        click.echo(f"  {name:<{width}}  {_amount(groups[group])}, last used {last:%Y-%m-%d %H:%M}")


def _amount(files: Collection[CachedFile]) -> str:
    size = sum(file.size_bytes for file in files)
    unit = next((unit for unit, factor in _BYTES.items() if size < 1000 * factor), "TB")
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    return f"{count}, {size / _BYTES[unit]:.3g} {unit}"
