"""The backbone with PyTorch: CPU, CUDA or MPS."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling


@contextmanager
def refused_if_unusable(device: str) -> Iterator[None]:
    """Raise a ModelError if PyTorch cannot use a device that something is moved to."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {device!r} cannot be used by PyTorch: {reason}") from error


class TorchEngine:
    """Float32 convolutions in eager PyTorch."""

    name = "torch"

    def __init__(self, backbone: StoredBackbone, *, device: str = "cpu", threads: int = 0) -> None:
        try:
            import torch
        except ModuleNotFoundError as error:
            raise ModelError(
                "engine 'torch' needs PyTorch, which is not installed; "
                "run: pip install 'deepgaze2[train]', or use engine='ncnn'"
            ) from error
        if threads:
            torch.set_num_threads(threads)
        with refused_if_unusable(device):
            self._device = torch.device(device)
            self._mean = torch.from_numpy(backbone.input_mean.astype(np.float32)).to(self._device)
        self.device = device
        self._stored = backbone.network.stored_taps()
        self._nodes = backbone.network.needed_nodes()
        self._last_use = {name: i for i, node in enumerate(self._nodes) for name in node.inputs}
        self._layers = {
            name: (
                torch.from_numpy(backbone.kernels[name].astype(np.float32)).to(self._device),
                torch.from_numpy(backbone.biases[name].astype(np.float32)).to(self._device),
            )
            for name in backbone.kernels
        }

    def stored_features(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        import torch
        from torch.nn import functional

        found: dict[str, NDArray[np.float32]] = {}
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(image, np.float32)).to(self._device)
            maps = {IMAGE: (x - self._mean[:, None, None])[None]}
            for i, node in enumerate(self._nodes):
                inputs, step = [maps[name] for name in node.inputs], node.operation
                if isinstance(step, Convolution):
                    kernel, bias = self._layers[node.name]
                    x = functional.conv2d(inputs[0], kernel, bias, step.stride, step.padding)
                elif isinstance(step, MaxPooling):
                    x = functional.max_pool2d(
                        inputs[0], step.kernel, step.stride, step.padding, ceil_mode=step.ceil
                    )
                elif isinstance(step, Addition):
                    x = sum(inputs[1:], inputs[0])
                else:
                    x = functional.relu(inputs[0])
                maps[node.name] = x
                if node.name in self._stored:
                    found[node.name] = x[0].cpu().numpy()
                for name in {name for name in node.inputs if self._last_use[name] == i}:
                    del maps[name]
        return tuple(found[name] for name in self._stored)
