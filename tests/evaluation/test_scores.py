"""The pass over the images: every number in its place, nothing lost when it is interrupted."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from deepgaze2.errors import DeepGazeError
from deepgaze2.evaluation.candidates import Candidate, View, open_candidate
from deepgaze2.evaluation.scores import score
from deepgaze2.metrics.optimal_maps import similarity_map
from deepgaze2.references.references import References, fit_references
from helpers.edited_source import Edit, edit
from helpers.small_datasets import HEIGHT, WIDTH, patches

__all__ = ["edit"]  # a fixture

SIGMA_PX = 24 / 1024 * WIDTH


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    dataset = patches(tmp_path_factory.mktemp("patches"), 10).without_first()
    return fit_references(dataset.keep(dataset.fixations.stimulus != 4))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def bumps(i: int) -> View:
    """A density with a peak that wanders over the images."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    log = -(np.hypot(x - 10 * i - 20, y - 5 * i - 20) ** 2) / 800
    return View(log - np.log(np.exp(log).sum()), saliency=np.exp(log))


def candidate(identity: str = "bumps") -> Candidate:
    return Candidate("bumps", lambda i: [bumps(i)], identity)


def test_each_number_is_what_its_definition_says(references: References) -> None:
    scores = score(candidate(), references)
    dataset = references.dataset
    for i in (0, 7):
        rows, columns = dataset.fixations_on(i).pixel()
        here = slice(dataset.offsets[i], dataset.offsets[i + 1])
        log_density = bumps(i).log_density
        p = np.exp(log_density)
        found = {name: values[here] for name, values in scores.per_fixation.items()}
        np.testing.assert_allclose(found["log_density"], log_density[rows, columns])
        below = [
            (log_density < v).mean() + (log_density == v).mean() / 2
            for v in log_density[rows, columns]
        ]
        np.testing.assert_allclose(found["auc"], below)
        np.testing.assert_allclose(found["nss"], (p[rows, columns] - p.mean()) / p.std())
        counts = np.zeros((HEIGHT, WIDTH))
        np.add.at(counts, (rows, columns), 1)
        truth = gaussian_filter(counts, SIGMA_PX) / len(rows)
        blurred = gaussian_filter(p, SIGMA_PX)
        assert scores.per_image["cc"][i] == pytest.approx(
            np.corrcoef(blurred.ravel(), truth.ravel())[0, 1], abs=1e-6
        )
        kl = (truth * np.log(truth / blurred + 2.0**-52))[truth > 0].sum()
        assert scores.per_image["kl"][i] == pytest.approx(kl, abs=1e-6)
        shared = np.minimum(p, truth).sum()
        assert scores.per_image["map_sim"][i] == pytest.approx(shared, abs=1e-6)
        made = similarity_map(log_density, SIGMA_PX, len(rows), seed=i)
        assert scores.per_image["sim"][i] == pytest.approx(np.minimum(made, truth).sum(), abs=1e-6)


def test_images_without_fixations_have_no_scores(references: References) -> None:
    scores = score(candidate(), references)
    assert np.isnan(scores.per_image["cc"][4])
    assert all(np.isfinite(values).all() for values in scores.per_fixation.values())


def test_the_center_bias_gains_nothing_and_is_at_chance_in_shuffled_auc(
    references: References,
) -> None:
    scores = score(open_candidate("center-bias", references), references)
    np.testing.assert_array_equal(
        scores.per_fixation["log_density"], references.baseline.log_density
    )
    np.testing.assert_allclose(scores.per_fixation["shuffled_auc"], 0.5)


def test_the_gold_standard_has_no_map_metrics(references: References) -> None:
    scores = score(open_candidate("gold-standard", references), references)
    assert references.gold is not None
    np.testing.assert_allclose(
        scores.per_fixation["log_density"], references.gold.log_density, rtol=1e-6
    )
    assert all(np.isnan(values).all() for values in scores.per_image.values())


def test_a_fixation_at_zero_density_is_minus_infinity(references: References) -> None:
    def half(i: int) -> list[View]:
        log_density = np.full((HEIGHT, WIDTH), -np.log(HEIGHT * WIDTH / 2))
        log_density[:, WIDTH // 2 :] = -np.inf
        return [View(log_density)]

    scores = score(Candidate("half", half, ""), references)
    right = references.dataset.fixations.x >= WIDTH // 2
    assert (scores.per_fixation["log_density"][right] == -np.inf).all()
    assert np.isfinite(scores.per_fixation["log_density"][~right]).all()


def test_an_interrupted_pass_goes_on_and_gives_the_same(references: References) -> None:
    whole = score(candidate("other"), references)
    computed: list[int] = []

    def interrupted(i: int) -> list[View]:
        if len(computed) == 4:
            raise KeyboardInterrupt
        computed.append(i)
        return [bumps(i)]

    with pytest.raises(KeyboardInterrupt):
        score(replace(candidate(), views=interrupted), references)
    first = set(computed)
    computed.clear()

    def resumed(i: int) -> list[View]:
        computed.append(i)
        return [bumps(i)]

    again = score(replace(candidate(), views=resumed), references)
    assert len(first) == 4
    # what was under way when it was interrupted may be computed again, nothing else
    assert len(set(computed) & first) <= 3
    assert set(computed) | first == set(range(10)) - {4}
    for name, values in whole.per_fixation.items():
        np.testing.assert_array_equal(again.per_fixation[name], values)
    for name, values in whole.per_image.items():
        np.testing.assert_array_equal(again.per_image[name], values)


def test_what_is_scored_is_not_scored_again_unless_it_may_have_changed(
    references: References, cache: Path
) -> None:
    score(candidate(), references)
    (kept,) = (cache / "scores").iterdir()

    def fails(i: int) -> list[View]:
        raise DeepGazeError("computed again")

    score(replace(candidate(), views=fails), references)
    for changed in (candidate("another"), candidate("")):
        with pytest.raises(DeepGazeError, match="computed again"):
            score(replace(changed, views=fails), references)
    other = replace(references, dataset=references.dataset.of_subjects([0, 1]))
    with pytest.raises(DeepGazeError, match="computed again"):
        score(replace(candidate(), views=fails), other)
    named = replace(references.dataset, subject_names=("1", "2", "2 / again"))
    with pytest.raises(DeepGazeError, match="computed again"):
        score(replace(candidate(), views=fails), replace(references, dataset=named))
    kept.write_bytes(b"damaged")
    with pytest.raises(DeepGazeError, match="computed again"):
        score(replace(candidate(), views=fails), references)


def test_a_changed_image_file_is_scored_again(references: References, tmp_path: Path) -> None:
    stimuli = references.dataset.stimuli
    paths = tuple(Path(shutil.copy2(stimuli.path(i), tmp_path)) for i in range(len(stimuli)))
    copied = replace(references.dataset, stimuli=replace(stimuli, paths=paths))
    computed: list[int] = []

    def counted(i: int) -> list[View]:
        computed.append(i)
        return [bumps(i)]

    for _ in range(2):
        score(replace(candidate(), views=counted), replace(references, dataset=copied))
        assert len(computed) == 9
    Image.new("L", (WIDTH, HEIGHT)).save(paths[3])
    score(replace(candidate(), views=counted), replace(references, dataset=copied))
    assert len(computed) == 18


def test_a_density_of_another_size_is_refused(references: References) -> None:
    def turned(i: int) -> list[View]:
        return [View(bumps(i).log_density.T)]

    with pytest.raises(
        DeepGazeError, match=r"0\.png: predicted at 100 by 150 pixels, but .* of 150 by 100"
    ):
        score(Candidate("turned", turned, ""), references)


def test_images_that_fail_are_named_after_the_others_are_done(references: References) -> None:
    def fails_twice(i: int) -> list[View]:
        if i in (2, 6):
            raise DeepGazeError("a damaged map")
        return [bumps(i)]

    with pytest.raises(DeepGazeError, match=r"2 of 9 images failed.*: 2\.png: a damaged map"):
        score(replace(candidate(), views=fails_twice), references)
    computed: list[int] = []

    def repaired(i: int) -> list[View]:
        computed.append(i)
        return [bumps(i)]

    score(replace(candidate(), views=repaired), references)
    assert sorted(computed) == [2, 6]


def test_an_edited_metric_scores_again_and_what_is_elsewhere_does_not(
    references: References, edit: Edit
) -> None:
    computed: list[int] = []

    def counted(i: int) -> list[View]:
        computed.append(i)
        return [bumps(i)]

    for edited, again in (
        ("errors.py", True),  # for the first time
        ("model.py", False),
        ("rivals/on_pixels/aim.py", False),
        ("metrics/auc.py", True),
        ("references/kde.py", True),
        ("evaluation/candidates.py", True),
    ):
        computed.clear()
        edit(edited)
        score(replace(candidate(), views=counted), references)
        assert bool(computed) is again, edited
