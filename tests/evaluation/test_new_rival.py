"""A new rival is one file and one entry; all else follows."""

from pathlib import Path

import numpy as np
import pytest

from deepgaze2.errors import DeepGazeError
from deepgaze2.evaluation.candidates import refuse_unknown
from deepgaze2.evaluation.evaluation import evaluate
from deepgaze2.rivals import RIVALS, Rival
from helpers.small_datasets import patches

PLAIN = """
import numpy as np

def saliency(pixels):
    return np.abs(pixels.mean(axis=2, dtype=np.float32) - pixels.mean())
"""
FITTED = """
import numpy as np

class Tilted:
    note = "fitted to nothing"

    def __init__(self, dataset, *, weights, engine):
        self.stimuli, self.tilt = dataset.stimuli, float(weights.read_text())
        self.identity = weights.read_text()

    def log_density(self, i):
        height, width = int(self.stimuli.height[i]), int(self.stimuli.width[i])
        rows = self.tilt * np.linspace(0, 1, height)
        rows -= np.log(width * np.exp(rows).sum())
        return np.repeat(rows[:, None], width, axis=1).astype(np.float32)
"""


def test_a_plain_and_a_fitted_rival_are_scored_and_recomputed_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new_plain.py").write_text(PLAIN)
    (tmp_path / "new_fitted.py").write_text(FITTED)
    weights = tmp_path / "weights.txt"
    weights.write_text("0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeepGazeError, match="nothing to evaluate"):
        refuse_unknown("contrast")
    monkeypatch.setitem(RIVALS, "contrast", Rival("new_plain", "Contrast", "nobody"))
    fitted = Rival("new_fitted", "Tilted", "nobody", "Tilted", fitted=True, weights="its tilt")
    monkeypatch.setitem(RIVALS, "tilted", fitted)

    (tmp_path / "images").mkdir()
    dataset = patches(tmp_path / "images", 8).without_first()
    tilted = f"tilted:{weights}"
    scores = evaluate(["contrast", tilted, "uniform"], dataset).scores
    assert [one.name for one in scores] == ["contrast", tilted, "uniform"]
    contrast, as_uniform, uniform = (one.per_fixation["log_density"] for one in scores)
    assert contrast.mean() > uniform.mean()
    assert as_uniform == pytest.approx(uniform, abs=1e-5)
    assert scores[1].note == "fitted to nothing"
    weights.write_text("2")
    (changed,) = evaluate([tilted], dataset).scores
    assert not np.allclose(changed.per_fixation["log_density"], uniform, atol=0.1)
