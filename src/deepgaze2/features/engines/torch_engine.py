"""The backbone with PyTorch: CPU, CUDA or MPS."""

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling


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
        try:
            self._device = torch.device(device)
            self._mean = torch.from_numpy(backbone.input_mean.astype(np.float32)).to(self._device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"device {device!r} cannot be used by PyTorch: {reason}") from error
        self.device = device
        self._network = backbone.network
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

        stored = self._network.stored_taps()
        nodes = self._network.needed_nodes()
        last_use = {name: i for i, node in enumerate(nodes) for name in node.inputs}
        found: dict[str, NDArray[np.float32]] = {}
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(image, np.float32)).to(self._device)
            maps = {IMAGE: (x - self._mean[:, None, None])[None]}
            for i, node in enumerate(nodes):
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
                if node.name in stored:
                    found[node.name] = x[0].cpu().numpy()
                for name in {name for name in node.inputs if last_use[name] == i}:
                    del maps[name]
        return tuple(found[name] for name in stored)
