"""`deepgaze2 adapt`: a trained model fitted to a laboratory by a handful of images."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgaze2.cli.dataset_source import as_typed, open_ready, table_options
from deepgaze2.support.files import locked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepgaze2.model import Model
    from deepgaze2.training.adaptation.adapt import Adaptation


@click.command()
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the new model.",
)
@click.option(
    "--model",
    default="default",
    show_default=True,
    help="Model to fit: a packaged model's name, or a model's folder.",
)
@click.option("--name", help="Name of the new model.  [default: the folder's name]")
@table_options
def adapt(
    source: str,
    output: Path,
    model: str,
    name: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Fit a trained model to how people look in your laboratory, with 2 images or more.

    SOURCE is csv:FOLDER, recordings of your own (images and a table), or a published data set
    and its folder. Fitted are the center bias and a few numbers: the blur, the weight of the
    center bias, the sharpness of saliency and the weights of its scales. What that gains is
    measured on images left out, and the model is left as it is where it does not surely help.
    With some hundred images or more, `deepgaze2 train --from` goes on from the new model.
    """
    from deepgaze2.loading import load
    from deepgaze2.training.adaptation.adapt import MOST_IMAGES, images_to_fit, write_adapted
    from deepgaze2.training.adaptation.adapt import adapt as fitted
    from deepgaze2.training.adaptation.looked import looked_at
    from deepgaze2.training.folder import refuse_finished

    refuse_finished(output)
    recordings = open_ready(source, options)
    dataset = images_to_fit(recordings)
    if (n := len(recordings.looked_at().stimuli)) > MOST_IMAGES:
        click.echo(
            f"note: {MOST_IMAGES} of {n} images are fitted to; `deepgaze2 train --from` takes all",
            err=True,
        )
    before = load(model)
    name = name or output.resolve().name
    with locked(output.resolve()):
        images = looked_at(before, dataset)
        found = fitted(images, dataset, before.center_bias, name=name)
        write_adapted(output, before, dataset, found, name)
    click.echo("\n".join(_as_text(before, found, dataset.name, len(images))))
    click.echo(
        f"score it on other images with: deepgaze2 evaluate {shlex.quote(str(output))}"
        f" {as_typed(source, options)}"
    )


def _as_text(before: "Model", found: "Adaptation", laboratory: str, n_images: int) -> list[str]:
    """Return what was fitted, and what it gains on images that it was not fitted to."""
    gained = f"on images not fitted to, {_bits(found.gains)} over {before.card.name}"
    by_bias = f"{_bits(found.center_bias_gains)} by the center bias alone"
    if found.adopted == "nothing":
        return [
            f"{n_images} images do not surely gain: {gained}, {by_bias}",
            f"the new model is {before.card.name} as it was; record more images",
        ]
    lines = [f"{gained}; {by_bias}"]
    if found.adopted == "center bias":
        return [*lines, f"taken over is the center bias of {laboratory} alone"]
    rows, titles = found.table(before), (before.card.name, laboratory)
    width = max(len(what) for what, _, _ in rows)
    first, second = (max(14, len(title)) for title in titles)
    lines.append(f"{'':{width}}  {titles[0]:>{first}}  {titles[1]:>{second}}")
    lines += [f"{what:{width}}  {old:{first}.2f}  {new:{second}.2f}" for what, old, new in rows]
    return lines


def _bits(gains: "NDArray[np.float64]") -> str:
    import numpy as np

    from deepgaze2.metrics.intervals import bootstrap_interval

    low, high = bootstrap_interval(gains, np.ones_like(gains))
    return f"{gains.mean():+.3f} bits/fixation ({low:+.3f} to {high:+.3f})"
