"""Sums of functions to minimize, of which the solution or recorded runs are known."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deepgaze2.training.optim.sfo.sfo import Sfo

FloatArray = NDArray[np.float64]
Layers = list[tuple[FloatArray, FloatArray]]


class InOrder(np.random.Generator):
    """Chooses the first of all there are to choose from."""

    def choice(self, choices: FloatArray) -> float:  # type: ignore[override]
        return float(choices[0])


def n_active(sfo: Sfo) -> int:
    """Return how many subfunctions are part of the sum so far."""
    return int(np.asarray(sfo.state()["active"]).sum())


@dataclass(frozen=True, eq=False)
class SumOfFunctions:
    """N functions, and where to start minimizing their sum."""

    f_df: Callable[[FloatArray, int], tuple[float, FloatArray]]
    n: int
    x0: FloatArray

    def mean(self, x: FloatArray) -> float:
        return self.mean_and_gradient(x)[0]

    def mean_and_gradient(self, x: FloatArray) -> tuple[float, FloatArray]:
        values, gradients = zip(*(self.f_df(x, i) for i in range(self.n)), strict=True)
        return float(np.mean(values)), np.mean(gradients, axis=0)


def logistic_regression() -> SumOfFunctions:
    """2000 examples of 50 features in 20 minibatches, with a penalty; smooth and convex."""
    n, n_features, penalty = 20, 50, 1e-3
    rng = _recorded_random(1311)
    independent = rng.randn(2000, n_features)
    mixing = np.eye(n_features) + 0.5 * rng.randn(n_features, n_features) / np.sqrt(n_features)
    features = (independent * np.logspace(0, -1, n_features)) @ mixing
    truth = 2 * rng.randn(n_features)
    labels = 2.0 * (rng.rand(2000) < 1 / (1 + np.exp(-features @ truth))) - 1
    signed = features * labels[:, None]

    def f_df(x: FloatArray, i: int) -> tuple[float, FloatArray]:
        batch = signed[i::n]
        margins = batch @ x
        value = np.logaddexp(0, -margins).mean() + penalty * (x @ x) / 2
        chance_wrong = np.exp(-np.logaddexp(0, margins))
        return float(value), penalty * x - chance_wrong @ batch / len(batch)

    return SumOfFunctions(f_df, n, np.zeros(n_features))


def small_network() -> SumOfFunctions:
    """A regression by a ReLU network 10-16-32-2-1, 3000 examples in 30 minibatches."""
    n, sizes = 30, (10, 16, 32, 2, 1)
    rng = _recorded_random(2017)
    inputs = rng.randn(3000, 10)
    first, second = (direction / np.linalg.norm(direction) for direction in rng.randn(2, 10))
    targets = np.sin(inputs @ first) + np.abs(inputs @ second) / 2 + 0.1 * rng.randn(3000)
    layers = [
        (rng.randn(n_out, n_in) * np.sqrt(2 / n_in), np.full(n_out, 0.1))
        for n_in, n_out in pairwise(sizes)
    ]

    def f_df(x: FloatArray, i: int) -> tuple[float, FloatArray]:
        return _squared_error(_layers(x, layers), inputs[i::n], targets[i::n])

    return SumOfFunctions(f_df, n, _vector(layers))


def _vector(layers: Layers) -> FloatArray:
    return np.concatenate([array.ravel() for layer in layers for array in layer])


def _layers(vector: FloatArray, like: Layers) -> Layers:
    """Return a vector's numbers in the shapes of layers."""
    found, at = [], 0
    for weights, biases in like:
        end = at + weights.size
        found.append((vector[at:end].reshape(weights.shape), vector[end : end + biases.size]))
        at = end + biases.size
    return found


def _squared_error(
    layers: Layers, inputs: FloatArray, targets: FloatArray
) -> tuple[float, FloatArray]:
    """Return half the mean squared error of a network, and its gradient by backpropagation."""
    activations = [inputs]
    for weights, biases in layers[:-1]:
        activations.append(np.maximum(activations[-1] @ weights.T + biases, 0))
    weights, biases = layers[-1]
    errors = activations[-1] @ weights.T + biases - targets[:, None]
    gradients: Layers = []
    back = errors / len(targets)
    for (weights, _), activation in zip(layers[::-1], activations[::-1], strict=True):
        gradients.insert(0, (back.T @ activation, back.sum(0)))
        back = (back @ weights) * (activation > 0)
    return float((errors**2).mean() / 2), _vector(gradients)


@dataclass(frozen=True, eq=False)
class Quadratics(SumOfFunctions):
    """A sum of quadratic functions, with its minimum."""

    minimum: FloatArray


def quadratics(n_parameters: int, n: int, seed: int = 0) -> Quadratics:
    """Return f_i = (x - c_i)ᵀ A_i (x - c_i) / 2 with random A_i and c_i."""
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((n, n_parameters, n_parameters))
    matrices = roots @ roots.transpose(0, 2, 1) / n_parameters + 0.1 * np.eye(n_parameters)
    centers = rng.standard_normal((n, n_parameters))

    def f_df(x: FloatArray, i: int) -> tuple[float, FloatArray]:
        gradient = matrices[i] @ (x - centers[i])
        return float((x - centers[i]) @ gradient / 2), gradient

    pulls = np.einsum("ijk,ik->j", matrices, centers)
    minimum = np.linalg.solve(matrices.sum(0), pulls)
    return Quadratics(f_df, n, rng.standard_normal(n_parameters), minimum)


def _recorded_random(seed: int) -> np.random.RandomState:
    """Return the random numbers of the recorded runs, whose stream is frozen."""
    return np.random.RandomState(seed)
