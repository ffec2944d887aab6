"""Training curves, drawn while they grow."""

import time
from collections.abc import Mapping
from pathlib import Path

from deepgaze2.support.files import written_atomically
from deepgaze2.training.fit import Curve

_LEAST_SECONDS = 10.0  # between two drawings: drawing takes time from training


def curves_file(folder: Path, label: str = "") -> Path:
    """Return where a training's curves are drawn."""
    return folder / f"curves{'-' * bool(label)}{label}.svg"


class CurveDrawing:
    """Draws the curves of several trainings into a file, now and then and at the end.

    Parameters
    ----------
    path
        The SVG file.
    before
        Curves of trainings that are over, drawn with the others.
    """

    def __init__(self, path: Path, before: Mapping[str, Curve] | None = None) -> None:
        self._path = path
        self._before = dict(before or {})
        self._drawn = -_LEAST_SECONDS

    def __call__(self, curves: Mapping[str, Curve], *, last: bool = False) -> None:
        """Draw these curves, unless that was done a moment ago."""
        if last or time.monotonic() - self._drawn >= _LEAST_SECONDS:
            draw_curves(self._before | dict(curves), self._path)
            self._drawn = time.monotonic()


def draw_curves(curves: Mapping[str, Curve], path: Path) -> None:
    """Draw information gain against epoch, a panel for each stage (`stage-fold-seed`)."""
    from matplotlib.figure import Figure

    stages = list(dict.fromkeys(name.split("-")[0] for name in curves))
    figure = Figure(figsize=(5 * len(stages), 3.5), layout="constrained")
    for axes, stage in zip(figure.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
        own = [curve for name, curve in curves.items() if name.split("-")[0] == stage]
        for values, color, label in (
            ([curve.training for curve in own], "tab:blue", "training images"),
            ([curve.held_out for curve in own], "tab:orange", "held-out images"),
        ):
            for number, line in enumerate(line for line in values if line):
                epochs = range(1, len(line) + 1)
                axes.plot(epochs, line, color=color, lw=1, label=label if not number else None)
        axes.set(title=stage, xlabel="epoch", ylabel="information gain / bits per fixation")
        axes.legend(frameon=False)
    with written_atomically(path) as temporary:
        figure.savefig(temporary)
