"""The packaged models predict today what they predicted when these values were recorded."""

import json
from pathlib import Path

import numpy as np
import pytest

import deepgaze2
from deepgaze2.image.examples import example_paths

RECORDED: dict[str, list[list[float]]] = json.loads(
    (Path(__file__).parent / "recorded_log_densities.json").read_text()
)


@pytest.mark.parametrize("which", RECORDED)
def test_log_densities_are_as_they_were_recorded(which: str) -> None:
    model, photo = which.split()
    (path,) = [path for path in example_paths() if path.name == photo]
    log_density = deepgaze2.load(model).predict(path).log_density
    expected = np.array(RECORDED[which])
    rows, columns = (
        np.linspace(0, size - 1, count).astype(int)
        for size, count in zip(log_density.shape, expected.shape, strict=True)
    )
    # Bits differ between processors, by far less than this.
    np.testing.assert_allclose(log_density[np.ix_(rows, columns)], expected, atol=1e-3)
