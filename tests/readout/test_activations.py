"""Every nonlinearity is the same function in NumPy and PyTorch, whatever its shortcut."""

import numpy as np
import pytest
import torch

from deepgaze2.readout.activations import ACTIVATIONS

X = np.random.default_rng(0).normal(0, 20, (4, 1000)).astype(np.float32)
BIAS = np.array([[-30], [-1], [0], [3]], np.float32)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_numpy_and_pytorch_say_the_same(name: str) -> None:
    expected = ACTIVATIONS[name].torch(torch.from_numpy(X.astype(np.float64))).numpy()
    np.testing.assert_allclose(ACTIVATIONS[name].numpy(X), expected, rtol=1e-5, atol=1e-6)


def test_names_mean_what_they_say() -> None:
    np.testing.assert_array_equal(ACTIVATIONS["relu"].numpy(X), np.maximum(X, 0))
    softplus = np.logaddexp(X.astype(np.float64), 0)
    np.testing.assert_allclose(ACTIVATIONS["softplus"].numpy(X), softplus, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [n for n, entry in ACTIVATIONS.items() if entry.less_bias])
def test_a_shortcut_leaves_the_bias_to_the_next_layer(name: str) -> None:
    activation, out = ACTIVATIONS[name], np.empty_like(X)
    assert activation.less_bias is not None
    activation.less_bias(X, BIAS, out)
    np.testing.assert_allclose(out + BIAS, activation.numpy(X + BIAS), rtol=1e-5, atol=1e-5)
