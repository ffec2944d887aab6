"""Our metrics and pysaliency's, of the same densities and fixations.

Needs a Python with pysaliency of its own, named by DEEPGAZE2_PYSALIENCY_PYTHON.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from deepgaze2.data import Dataset, read_osie
from helpers.pysaliency_metrics import PYTHON, Scored

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="no pysaliency; set DEEPGAZE2_PYSALIENCY_PYTHON to a Python that has it"
)


def assert_same(scored: Scored, folder: Path) -> None:
    with scored.pysaliency(folder) as peer:
        for metric, ours in scored.ours().items():
            if metric != "empirical":
                peer(metric)
                images = range(scored.n_images)
                values = np.concatenate([np.atleast_1d(ours(i)) for i in images])
                theirs = np.load(folder / f"{metric}.npy")
                assert_allclose(values, theirs, rtol=0, atol=1e-9, err_msg=metric)


def test_images_of_two_sizes(toy: Dataset, tmp_path: Path) -> None:
    assert_same(Scored(toy, n_images=4, sigma_px=2.5), tmp_path)


@pytest.mark.slow
def test_fifty_images_of_osie(shared_data: Path, tmp_path: Path) -> None:
    dataset = read_osie(shared_data / "osie").without_first().without_outside()
    assert_same(Scored(dataset, n_images=50, sigma_px=24), tmp_path)
