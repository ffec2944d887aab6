"""Figure 7: what each step from DeepGaze I to DeepGaze II adds."""

from typing import TYPE_CHECKING

from deepgaze2.reporting.figures.scores import estimate_bars
from deepgaze2.reporting.figures.style import SERIES_COLORS, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from deepgaze2.training.studies.ablation import Ablation, Cell

_FEATURES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "vgg19": "VGG-19"}
_READOUTS = {"linear": "linear", "network": "readout network"}
_PRETRAINING = {"none": "", "pretrained": ", pretrained"}


def cell_label(cell: "Cell") -> str:
    """Return a cell's name for people."""
    features = _FEATURES.get(cell.features, cell.features)
    return f"{features}, {_READOUTS[cell.readout]}{_PRETRAINING[cell.pretraining]}"


def ablation_bars(result: "Ablation") -> "Figure":
    """Draw each cell's information gain explained with its 95% interval, simplest on top.

    Without a gold standard that gains something, the bars are information gains in bits. Each
    network has a color.

    Returns
    -------
    matplotlib Figure
        Outside pyplot, so it needs no closing.
    """
    networks = list(dict.fromkeys(score.cell.features for score in result.cells))
    scores = result.cells[::-1]
    return estimate_bars(
        [(cell_label(score.cell), score.explained or score.information_gain) for score in scores],
        f"{drawable(result.data_set, 40)}: {result.images:,} images,"
        f" {result.fixations:,} fixations",
        percent=any(score.explained for score in scores),
        colors=[SERIES_COLORS[networks.index(score.cell.features)] for score in scores],
    )
