"""What the comparison with pysaliency and its benchmark share: same densities, both programs."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.metrics.auc import auc
from deepgaze2.metrics.empirical_map import empirical_map
from deepgaze2.metrics.information import information_gain
from deepgaze2.metrics.map_metrics import (
    cc,
    kl_divergence,
    kl_divergence_floored,
    nss,
    similarity,
)
from deepgaze2.metrics.shuffled_auc import NonFixations, shuffled_auc

PEER = Path(__file__).with_name("pysaliency_metrics_peer.py")
PYTHON = os.environ.get("DEEPGAZE2_PYSALIENCY_PYTHON")


@dataclass
class Scored:
    """The first images of a data set with densities: half the subjects' fixations, blurred."""

    dataset: Dataset
    n_images: int
    sigma_px: float

    def __post_init__(self) -> None:
        stimuli, fixations = self.dataset.stimuli, self.dataset.fixations
        images = range(self.n_images)
        half = self.dataset.keep(fixations.subject % 2 == 0)
        self.sizes = np.stack([stimuli.height, stimuli.width], axis=1)
        center_bias = load_center_bias("osie")
        self.log_baselines = [
            _normalized(center_bias.log_density(*self.sizes[i].tolist())) for i in images
        ]
        self.log_densities = [
            _normalized(
                np.log(
                    0.7 * self._blurred(half, i, 1.3 * self.sigma_px)
                    + 0.3 * np.exp(self.log_baselines[i])
                )
            )
            for i in images
        ]
        self.densities = [np.exp(log_density) for log_density in self.log_densities]
        self.pixels = [self.dataset.fixations_on(i).pixel() for i in images]
        self.nonfixations = NonFixations(self.dataset)
        self.truths = [self._blurred(self.dataset, i, self.sigma_px) for i in images]

    def _blurred(self, dataset: Dataset, image: int, sigma_px: float) -> NDArray[np.float64]:
        height, width = self.sizes[image].tolist()
        rows, columns = dataset.fixations_on(image).pixel()
        return empirical_map(rows, columns, height, width, sigma_px)

    def ours(self) -> dict[str, Callable[[int], Any]]:
        """Return each metric as a function of the image's number."""
        log_p, p, at, truth = self.log_densities, self.densities, self.pixels, self.truths
        log_q, others = self.log_baselines, self.nonfixations
        return {
            "IG": lambda i: information_gain(log_p[i][at[i]], log_q[i][at[i]]),
            "AUC": lambda i: auc(log_p[i], *at[i]),
            "sAUC": lambda i: shuffled_auc(log_p[i], *at[i], *others.of(i)),
            "NSS": lambda i: nss(p[i], *at[i]),
            "empirical": lambda i: self._blurred(self.dataset, i, self.sigma_px),
            "CC": lambda i: cc(p[i], truth[i]),
            "KL": lambda i: kl_divergence(p[i], truth[i]),
            "KL floored": lambda i: kl_divergence_floored(p[i], truth[i]),
            "SIM": lambda i: similarity(p[i], truth[i]),
        }

    @contextmanager
    def pysaliency(self, folder: Path) -> Iterator[Callable[[str], float]]:
        """Start pysaliency; yield a function of a metric's name that returns its seconds.

        The values lie in the folder then, as `METRIC.npy`.
        """
        fixations = self.dataset.fixations
        arrays: dict[str, Any] = {f"log_density_{i}": m for i, m in enumerate(self.log_densities)}
        arrays |= {f"log_baseline_{i}": m for i, m in enumerate(self.log_baselines)}
        arrays |= {"x": fixations.x, "y": fixations.y, "n": fixations.stimulus, "sizes": self.sizes}
        arrays |= {"n_images": self.n_images, "sigma_px": self.sigma_px}
        np.savez(folder / "input.npz", **arrays)
        process = subprocess.Popen(
            [str(PYTHON), "-W", "ignore", str(PEER), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        )
        with process:
            assert process.stdin
            assert process.stdout
            to_peer, from_peer = process.stdin, process.stdout

            def run(metric: str) -> float:
                print(metric, file=to_peer, flush=True)
                return float(from_peer.readline())

            yield run
            to_peer.close()


def _normalized(log_density: NDArray[np.floating]) -> NDArray[np.float64]:
    values = log_density.astype(np.float64)
    return np.asarray(values - np.log(np.exp(values).sum()))
