"""The backbone with PyTorch: CPU, CUDA or MPS."""

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import Backbone


class TorchEngine:
    """Float32 convolutions in eager PyTorch."""

    name = "torch"

    def __init__(self, backbone: Backbone, *, device: str = "cpu", threads: int = 0) -> None:
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
        self._vgg = backbone.vgg
        self._layers = {
            name: (
                torch.from_numpy(backbone.kernels[name].astype(np.float32)).to(self._device),
                torch.from_numpy(backbone.biases[name].astype(np.float32)).to(self._device),
            )
            for name in backbone.vgg.conv_names()
        }

    def stored_features(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        import torch
        from torch.nn import functional

        stored = self._vgg.stored_taps()
        found: dict[str, NDArray[np.float32]] = {}
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(image, np.float32)).to(self._device)
            x = (x - self._mean[:, None, None])[None]
            for block, widths in enumerate(self._vgg.blocks, 1):
                if block > 1:
                    x = functional.max_pool2d(x, 2, ceil_mode=True)
                for i in range(1, len(widths) + 1):
                    kernel, bias = self._layers[f"conv{block}_{i}"]
                    x = functional.conv2d(x, kernel, bias, padding=1)
                    for name in (f"conv{block}_{i}", f"relu{block}_{i}"):
                        if name.startswith("relu"):
                            x = functional.relu(x)
                        if name in stored:
                            found[name] = x[0].cpu().numpy()
        return tuple(found[name] for name in stored)
