"""What each step from DeepGaze I to DeepGaze II adds: the ablation of figure 7.

A cell of the ablation is a network whose features are read, a readout (linear as in DeepGaze I,
or the paper's) and whether it was pretrained on other data sets. Each is cross-validated over
images in the same parts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.evaluation.report import Estimate, share_explained
from deepgaze2.features.backbone import Backbone
from deepgaze2.readout.architecture import Architecture, tap_groups
from deepgaze2.references.baseline import fit_center_bias
from deepgaze2.references.references import References, dataset_checksum, fit_references
from deepgaze2.support.files import write_csv, write_json
from deepgaze2.support.resume import kept
from deepgaze2.training.procedure import cross_validate
from deepgaze2.training.recipes import Recipe, Training
from deepgaze2.training.sets import data_sets
from deepgaze2.training.studies.kept_study import kept_training, mean_bits

READOUTS = {"linear": (1,), "network": Architecture.widths}
"""Output channels of each layer, by the readout's name."""

_BASELINE = "each image from all others"
_NO, _YES = "none", "pretrained"
_COLUMNS = (
    "features",
    "readout",
    "pretraining",
    "information_gain_bits",
    "low",
    "high",
    "explained",
    "explained_low",
    "explained_high",
)


@dataclass(frozen=True)
class Cell:
    """A configuration.

    Attributes
    ----------
    features
        Name of the network that is read.
    readout
        `linear` or `network`.
    pretraining
        `none` or `pretrained`.
    """

    features: str
    readout: str
    pretraining: str

    @property
    def name(self) -> str:
        """The cell's name in files."""
        return f"{self.features}-{self.readout}-{self.pretraining}"


@dataclass(frozen=True)
class CellScore:
    """How good a cell is on images that its readouts have not seen.

    Attributes
    ----------
    information_gain
        Over the center bias of all other images, bits/fixation.
    explained
        Share of the gold standard's, 0 to 1; None without one.
    """

    cell: Cell
    information_gain: Estimate
    explained: Estimate | None


@dataclass(frozen=True)
class Step:
    """What a single change adds: bits/fixation, paired image by image."""

    before: Cell
    after: Cell
    difference: Estimate


@dataclass(frozen=True)
class Ablation:
    """All cells, simplest first, and the steps between them.

    Attributes
    ----------
    data_set, pretraining_data
        Names; the latter is None where no cell was pretrained.
    gold
        The gold standard over the center bias, bits/fixation; None if no image was seen by two
        subjects.
    """

    data_set: str
    pretraining_data: str | None
    images: int
    fixations: int
    gold: Estimate | None
    cells: tuple[CellScore, ...]
    steps: tuple[Step, ...]


def ablation(
    dataset: Dataset,
    networks: Sequence[Backbone],
    folder: Path,
    *,
    pretrain: Sequence[Dataset] = (),
    recipe: Recipe | None = None,
    n_folds: int = 10,
    seed: int = 0,
    on_cell: Callable[[int, int, Cell], None] = lambda *_: None,
) -> Ablation:
    """Cross-validate all cells; after an interruption, go on to the same result.

    Parameters
    ----------
    dataset, pretrain
        As in `Training`. Without the second no cell is pretrained.
    networks
        Whose features are read, the simplest first.
    folder
        Where finished cells and the checkpoints of the one at work are.
    recipe
        How readouts are trained; its architecture is replaced by each cell's. The paper's by
        default.
    on_cell
        Called with a cell's number, from 0 on, their number and the cell when its training
        begins.

    Raises
    ------
    DataError
        If the folder holds results of other data or settings, or what `cross_validate` raises.
    """
    dataset = dataset.looked_at()
    cells = list(_cells(networks, pretrained=bool(pretrain)))
    gold = _gold(dataset, folder)
    gains = {}
    for number, (network, cell) in enumerate(cells):
        before = tuple(pretrain) if cell.pretraining == _YES else ()
        training = Training(_recipe(recipe, network, cell), before, n_folds=n_folds, seed=seed)
        begin = partial(on_cell, number, len(cells), cell)
        compute = partial(_cross_validated, dataset, network, training, begin)
        file = folder / "cells" / f"{cell.name}.json"
        found = kept_training(file, dataset, network, training, compute, baseline=_BASELINE)
        gains[cell] = np.array([found[name] for name in dataset.stimuli.ids])
    return _compared(dataset, pretrain, gains, gold)


def _compared(
    dataset: Dataset,
    pretrain: Sequence[Dataset],
    gains: dict[Cell, NDArray[np.float64]],
    gold: NDArray[np.float64] | None,
) -> Ablation:
    counts = np.diff(dataset.offsets).astype(np.float64)
    return Ablation(
        data_set=dataset.name,
        pretraining_data=data_sets(pretrain).name if pretrain else None,
        images=len(dataset.stimuli),
        fixations=len(dataset.fixations),
        gold=None if gold is None else mean_bits(gold, counts),
        cells=tuple(_score(cell, gain, gold, counts) for cell, gain in gains.items()),
        steps=tuple(
            Step(a, b, mean_bits(gains[b] - gains[a], counts)) for a, b in _neighbors(list(gains))
        ),
    )


def _cells(networks: Sequence[Backbone], *, pretrained: bool) -> Iterator[tuple[Backbone, Cell]]:
    for network in networks:
        for readout in READOUTS:
            for pretraining in (_NO, _YES) if pretrained else (_NO,):
                yield network, Cell(network.name, readout, pretraining)


def _neighbors(cells: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """Yield all pairs of cells that differ by one step of one kind."""
    for kind in ("features", "readout", "pretraining"):
        levels = list(dict.fromkeys(getattr(cell, kind) for cell in cells))
        for before, after in pairwise(levels):
            for cell in cells:
                if getattr(cell, kind) == before:
                    yield cell, replace(cell, **{kind: after})


def _recipe(recipe: Recipe | None, network: Backbone, cell: Cell) -> Recipe:
    groups = tap_groups(network, network.taps)
    architecture = Architecture(groups, widths=READOUTS[cell.readout])
    return replace(recipe, architecture=architecture) if recipe else Recipe(architecture)


def _cross_validated(
    dataset: Dataset,
    network: Backbone,
    training: Training,
    begin: Callable[[], None],
    folder: Path,
) -> dict[str, float]:
    """Return each image's information gain, bits/fixation, by its name.

    Readouts are scored over the center bias that they were given, of the other parts' images. What
    that gains over the gold standard's baseline, each image's from all others, is added, as
    `deepgaze2 evaluate` counts.
    """
    begin()
    trained = cross_validate([dataset], network, folder, training)
    given = fit_center_bias(dataset, trained.folds).log_density
    baseline = References(dataset, fit_center_bias(dataset), gold=None)
    gains = trained.gains + baseline.gain_per_image(given)
    return dict(zip(dataset.stimuli.ids, gains.tolist(), strict=True))


def _gold(dataset: Dataset, folder: Path) -> NDArray[np.float64] | None:
    """Return the gold standard's information gain on each image, if there is one."""

    def compute() -> dict[str, float] | None:
        references = fit_references(dataset)
        if references.gold is None:
            return None
        gains = references.gain_per_image(references.gold.log_density)
        return dict(zip(dataset.stimuli.ids, gains.tolist(), strict=True))

    identity = {"data_set": dataset_checksum(dataset)}
    found = kept(folder / "gold_standard.json", identity, compute)
    return found and np.array([found[name] for name in dataset.stimuli.ids])


def _score(
    cell: Cell,
    gain: NDArray[np.float64],
    gold: NDArray[np.float64] | None,
    counts: NDArray[np.float64],
) -> CellScore:
    explained = None
    if gold is not None:
        explained = share_explained(gain * counts, gold * counts, mean_bits(gold, counts))
    return CellScore(cell, mean_bits(gain, counts), explained)


def write_ablation(result: Ablation, folder: Path) -> None:
    """Write ablation.json, which has everything, and ablation.csv, a row for each cell.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    write_json(folder / "ablation.json", asdict(result))
    write_csv(folder / "ablation.csv", _COLUMNS, map(_row, result.cells))


def _row(score: CellScore) -> list[object]:
    cell, gain, share = score.cell, score.information_gain, score.explained
    explained = (share.value, share.low, share.high) if share else (None, None, None)
    return [*astuple(cell), gain.value, gain.low, gain.high, *explained]
