"""What a command's MODEL... is: anything that can be evaluated, by name."""

from collections.abc import Callable

import click


def _known(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001
    names: tuple[str, ...],
) -> tuple[str, ...]:
    """Refuse unknown names before the data set is read."""
    from deepgaze2.evaluation.candidates import refuse_unknown

    for name in names:
        refuse_unknown(name)
    return names


def models_and_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument that names models, and the option of what computes ours."""
    engine = click.option(
        "--engine",
        default="auto",
        show_default=True,
        help="What computes the network of a packaged or trained model: auto, ncnn or torch.",
    )
    models = click.argument("models", metavar="MODEL...", nargs=-1, required=True, callback=_known)
    return models(engine(command))
