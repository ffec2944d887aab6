"""Which layers to read: a random search, as the paper chose its five (section 2.1).

`tap_choices` says what is drawn. The first trial is not: it is the paper's layers, with which the
others are compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from deepgaze2.evaluation.report import Estimate
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.cache import View
from deepgaze2.features.cache_filling import cache_features
from deepgaze2.features.cache_stores import Reading
from deepgaze2.support.files import write_csv, write_json
from deepgaze2.training.procedure import cross_validate
from deepgaze2.training.recipes import Recipe, Training, paper_recipe
from deepgaze2.training.runs import DeadReadoutError
from deepgaze2.training.studies.kept_study import kept_training, mean_bits
from deepgaze2.training.studies.tap_choices import Choice, draw_choices, layers

_COLUMNS = (
    "trial",
    "taps",
    "scales",
    "information_gain_bits",
    "low",
    "high",
    "over_papers_bits",
    "over_papers_low",
    "over_papers_high",
)


@dataclass(frozen=True)
class Trial:
    """How good a choice is on images that its readouts have not seen.

    Attributes
    ----------
    number
        0 is the paper's.
    information_gain
        Over the center bias of the other parts, bits/fixation; None if a readout died in
        training, which then predicts the bare center bias.
    over_papers
        How much more that is than with the paper's layers, paired image by image.
    """

    number: int
    choice: Choice
    information_gain: Estimate | None
    over_papers: Estimate | None


@dataclass(frozen=True)
class TapSearch:
    """All trials, best first.

    Attributes
    ----------
    images, fixations
        What was scored: the parts that were trained for.
    folds, parts
        Parts of the cross-validation, and how many of them were trained for.
    longer_side_px
        Longer side of the network input at scale 1, in pixels.
    """

    data_set: str
    network: str
    images: int
    fixations: int
    folds: int
    parts: int
    longer_side_px: int
    trials: tuple[Trial, ...]


def search_taps(
    dataset: Dataset,
    backbone: StoredBackbone,
    folder: Path,
    *,
    n_trials: int = 20,
    n_folds: int = 10,
    parts: int = 2,
    seed: int = 0,
    recipe: Recipe | None = None,
    on_trial: Callable[[int, int, Choice], None] = lambda *_: None,
) -> TapSearch:
    """Cross-validate random choices; after an interruption, go on to the same result.

    More trials in the same folder extend an earlier search.

    Parameters
    ----------
    dataset
        As in `train_model`.
    folder
        Where finished trials and the checkpoints of the one at work are.
    parts
        How many of the `n_folds` parts to train and score for, the first ones.
    seed
        Decides the choices, the parts and all trainings.
    recipe
        How readouts are trained; its groups are replaced by each choice's. The paper's by
        default.
    on_trial
        Called with a trial's number, from 0 on, their number and the choice when its training
        begins.

    Raises
    ------
    DataError
        If there are more parts than folds, if the folder holds results of other data or
        settings, if a readout of the paper's layers dies, or what `cross_validate` raises.
    """
    if parts > n_folds:
        raise DataError(f"{parts} parts of {n_folds} folds; train for {n_folds} parts at most")
    dataset = dataset.looked_at()
    recipe = recipe or paper_recipe(backbone)
    choices = draw_choices(backbone.network, n_trials, seed)
    files = [folder / "trials" / f"{number:03}.json" for number in range(n_trials)]
    if not all(file.exists() for file in files):
        _cache_all(dataset, backbone, recipe, choices)
    found = []
    for number, (choice, file) in enumerate(zip(choices, files, strict=True)):
        groups = choice.groups(backbone.network)
        chosen = replace(recipe, architecture=replace(recipe.architecture, groups=groups))
        training = Training(chosen, n_folds=n_folds, seed=seed)
        begin = partial(on_trial, number, n_trials, choice)
        compute = partial(_cross_validated, dataset, backbone, training, parts, begin)
        found.append(kept_training(file, dataset, backbone, training, compute, parts=parts))
    return _ranked(dataset, backbone, recipe, choices, found, n_folds, parts)


def _cache_all(
    dataset: Dataset, backbone: StoredBackbone, recipe: Recipe, choices: Sequence[Choice]
) -> None:
    """Compute all layers in all scales at once."""
    paths = [dataset.stimuli.path(i) for i in range(len(dataset.stimuli))]
    scales = sorted({scale for choice in choices for scale in choice.scales})
    views = [View(round(recipe.longer_side_px * scale)) for scale in scales]
    taps = layers(backbone.network)
    cache_features(paths, [Reading(backbone, taps, view) for view in views])


def _cross_validated(
    dataset: Dataset,
    backbone: StoredBackbone,
    training: Training,
    parts: int,
    begin: Callable[[], None],
    folder: Path,
) -> dict[str, float] | None:
    """Return each scored image's information gain, bits/fixation, by its name."""
    begin()
    try:
        trained = cross_validate([dataset], backbone, folder, training, first_parts=parts)
    except DeadReadoutError:
        if training.recipe.architecture.groups == Choice(backbone.taps).groups(backbone.network):
            raise  # nothing would be left to compare with
        return None
    scored = np.flatnonzero(trained.folds < parts)
    return {dataset.stimuli.ids[i]: float(trained.gains[i]) for i in scored}


def _ranked(
    dataset: Dataset,
    backbone: StoredBackbone,
    recipe: Recipe,
    choices: Sequence[Choice],
    found: Sequence[dict[str, float] | None],
    n_folds: int,
    parts: int,
) -> TapSearch:
    """Score the trials; `found` has None where a readout died, which the paper's cannot."""
    gains = {number: one for number, one in enumerate(found) if one is not None}
    n_fixations = dict(zip(dataset.stimuli.ids, np.diff(dataset.offsets), strict=True))
    counts = np.array([n_fixations[name] for name in gains[0]], np.float64)
    bits = {n: np.array([one[name] for name in gains[0]]) for n, one in gains.items()}

    def score(number: int) -> Trial:
        if number not in bits:
            return Trial(number, choices[number], None, None)
        own, papers = bits[number], bits[0]
        return Trial(
            number, choices[number], mean_bits(own, counts), mean_bits(own - papers, counts)
        )

    return TapSearch(
        data_set=dataset.name,
        network=backbone.name,
        images=len(counts),
        fixations=int(counts.sum()),
        folds=n_folds,
        parts=parts,
        longer_side_px=recipe.longer_side_px,
        trials=tuple(sorted(map(score, range(len(found))), key=_worth, reverse=True)),
    )


def _worth(trial: Trial) -> float:
    return trial.information_gain.value if trial.information_gain else -np.inf


def write_tap_search(result: TapSearch, folder: Path) -> None:
    """Write tap_search.json, which has everything, and tap_search.csv, a row for each trial.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    write_json(folder / "tap_search.json", asdict(result))
    write_csv(folder / "tap_search.csv", _COLUMNS, map(_row, result.trials))


def _row(trial: Trial) -> list[object]:
    estimates = (trial.information_gain, trial.over_papers)
    numbers = [(e.value, e.low, e.high) if e else (None, None, None) for e in estimates]
    scales = " ".join(f"{scale:g}" for scale in trial.choice.scales)
    return [trial.number, " ".join(trial.choice.taps), scales, *numbers[0], *numbers[1]]
