"""Recipes: a readout's architecture and how it is trained; and all that is said of a training."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from deepgaze2.card import BranchFacts, Card
from deepgaze2.data.dataset import Dataset
from deepgaze2.features.backbone import Backbone, StoredBackbone
from deepgaze2.features.network import PlusReading
from deepgaze2.readout.architecture import Architecture, Layers, paper_architecture, tap_groups
from deepgaze2.training.fit import FitSettings
from deepgaze2.training.starts import Start

REGULARIZED = FitSettings(dropout=0.3, grid_block=4)
"""How recipes train, in both stages: some hundred images are few, and block 4's grid is as
good as a finer one, and faster."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a training but the data.

    Attributes
    ----------
    architecture
        What the readouts are made of.
    pretraining, finetuning
        How they are trained on each data set.
    n_seeds
        Readouts of each part of the cross-validation, from different initial parameters.
    longer_side_px
        Longer side of the network input in pixels.
    learn_sigma, learn_prior_weight
        Whether the blur's width and the center bias's weight are learned.
    weighing
        What counts alike: each `fixation`, each `image`, or each `set`.
    """

    architecture: Architecture
    pretraining: FitSettings = REGULARIZED
    finetuning: FitSettings = REGULARIZED
    n_seeds: int = 1
    longer_side_px: int = 512
    learn_sigma: bool = True
    learn_prior_weight: bool = False
    weighing: str = "fixation"


@dataclass(frozen=True)
class Training:
    """All that decides a cross-validated training but the data sets and the network.

    Attributes
    ----------
    pretrain
        Data sets to train on before: first fixations dropped and all fixations inside their
        images. Images that are also in a part of the data sets to fine-tune on, or nearly, are
        not seen by the readouts that predict that part.
    start
        Go on from this model's readouts instead of from random numbers. If it was trained on some
        of the images, known by their names, its parts are kept, and the readouts of each part go
        on from those that have not seen it.
    n_folds
        Parts of the cross-validation; None takes ten, or the start's own.
    normalize_over
        Folder of images over which each channel gets unit variance; None takes the training
        images (the paper took ImageNet's).
    """

    recipe: Recipe
    pretrain: tuple[Dataset, ...] = ()
    start: Start | None = None
    n_folds: int | None = None
    normalize_over: Path | None = None
    seed: int = 0


def paper_recipe(layers: Layers) -> Recipe:
    """Return the paper's configuration (section 2): `deepgaze2`."""
    return Recipe(paper_architecture(layers))


def plus_recipe(backbone: Backbone) -> Recipe:
    """Return the configuration that explains most: `deepgaze2-plus`.

    Which layers and scales, and how wide the readout is, the network's description says.
    """
    plus = backbone.network.plus if isinstance(backbone, StoredBackbone) else PlusReading()
    groups = tap_groups(backbone, backbone.taps, plus.scales)
    groups += tap_groups(backbone, [tap for tap in plus.finer if tap not in backbone.taps])
    return Recipe(
        Architecture(groups, plus.widths, layer_norm=True, grid_block=3),
        n_seeds=2,
        learn_prior_weight=True,
    )


CONTINUED = replace(REGULARIZED, epochs=4, learning_rate=1e-4)
_MANY_IMAGES = 200  # teach more than small steps take up (benchmarks/data_size.py)


def continued_recipe(card: Card, branch: BranchFacts, n_images: int) -> Recipe:
    """Return how to go on from a trained model: few epochs, and small steps if images are few."""
    many = n_images >= _MANY_IMAGES
    return Recipe(
        branch.architecture,
        pretraining=FitSettings(),
        finetuning=replace(CONTINUED, learning_rate=1e-3) if many else CONTINUED,
        longer_side_px=card.longer_side_px,
        learn_prior_weight=True,
    )


RECIPES: dict[str, Callable[[Backbone], Recipe]] = {"paper": paper_recipe, "plus": plus_recipe}
