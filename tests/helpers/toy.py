"""A small random data set, two image sizes, clustered fixations."""

from pathlib import Path

import numpy as np
import pytest

from deepgaze2.data import Dataset, Fixations, Stimuli

WIDTH = np.array([40, 40, 30, 40], np.int32)
HEIGHT = np.array([30, 30, 40, 30], np.int32)


@pytest.fixture(scope="session")
def toy() -> Dataset:
    """Four images, three subjects, 20 to 40 fixations each."""
    generator = np.random.default_rng(5)
    stimulus = np.repeat(np.arange(4), [20, 40, 30, 25]).astype(np.int32)
    n = len(stimulus)
    spot = generator.uniform(0.3, 0.7, size=(4, 2))[stimulus]
    position = np.clip(spot + generator.normal(scale=0.15, size=(n, 2)), 0, 0.999)
    stimuli = Stimuli(
        ids=tuple("abcd"),
        paths=tuple(Path(name) for name in "abcd"),
        width=WIDTH,
        height=HEIGHT,
        pixels_per_degree=np.full(4, np.nan),
    )
    fixations = Fixations(
        stimulus=stimulus,
        subject=generator.integers(3, size=n).astype(np.int32),
        order=np.arange(n, dtype=np.int32),
        x=position[:, 0] * WIDTH[stimulus],
        y=position[:, 1] * HEIGHT[stimulus],
        start_s=np.full(n, np.nan, np.float32),
        duration_s=np.full(n, np.nan, np.float32),
    )
    return Dataset("toy", stimuli, fixations)
