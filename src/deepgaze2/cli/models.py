"""What a command's MODEL... is: anything that can be evaluated, by name; and SOURCE... after it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from deepgaze2.errors import DataError, ModelError
from deepgaze2.image.stimulus import printable


@dataclass(frozen=True)
class Named:
    """Models and the data sets that they are to be evaluated on, as they were typed."""

    models: tuple[str, ...]
    sources: tuple[str, ...]


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


def _split(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> Named:
    """Tell models from the data sets after them; the last name is one in any case."""
    first = max(len(names) - 1, 0)
    while first and _is_data_set(names[first - 1]):
        first -= 1
    if not first:
        raise click.MissingParameter(ctx=ctx, param_type="argument", param_hint="'MODEL...'")
    models, sources = names[:first], names[first:]
    if misplaced := [name for name in models if _is_data_set(name)]:
        raise DataError(f"{misplaced[0]}: a data set; name data sets after all models")
    if twice := [source for i, source in enumerate(sources) if source in sources[:i]]:
        raise DataError(f"{twice[0]}: named twice; name each data set once")
    return Named(_known(ctx, param, models), sources)


def _is_data_set(name: str) -> bool:
    """Tell whether a name is a data set's; that of a path with a trained model is the model's."""
    from deepgaze2.data.sources import is_source
    from deepgaze2.evaluation.candidates import is_known

    return is_source(name) or (Path(name).exists() and not is_known(name))


def _device(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001
    name: str,
) -> str:
    """Refuse what is no device; whether it is there is PyTorch's to say."""
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise ModelError(
            f"--device {printable(name)}: no such device; give cpu, cuda, cuda:1 or mps"
        )
    return name


_engine_option = click.option(
    "--engine",
    default="auto",
    show_default=True,
    help="What computes our models' networks: auto, the fastest exact engine that is installed;"
    " fast, also bfloat16 where the device has that; ncnn, openvino, openvino-bf16, torch or"
    " torch-bf16. `deepgaze2 info --engines` times them.",
)

device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    callback=_device,
    metavar="cpu|cuda|cuda:N|mps",
    help="Where our models' networks are computed; a GPU needs PyTorch.",
)


def engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of what computes our models' networks, and where."""
    return _engine_option(device_option(command))


def models_and_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument that names models, and the options of what computes ours."""
    models = click.argument("models", metavar="MODEL...", nargs=-1, required=True, callback=_known)
    return models(engine_options(command))


def models_sources_and_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument that names models and, after them, data sets: `Named`; engine and device."""
    names = click.argument("named", metavar="MODEL... SOURCE...", nargs=-1, callback=_split)
    return names(engine_options(command))
