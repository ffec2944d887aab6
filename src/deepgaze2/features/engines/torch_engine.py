"""The backbone with PyTorch: CPU, CUDA or MPS."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling, Node
from deepgaze2.image.network_input import NetworkInput

if TYPE_CHECKING:
    from torch import Tensor

Precision = Literal["f32", "bf16"]

_CUDNN = Lock()  # of its settings, which are the process's


@contextmanager
def refused_if_unusable(device: str) -> Iterator[None]:
    """Raise a ModelError if PyTorch cannot use a device that something is moved to."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {device!r} cannot be used by PyTorch: {reason}") from error


def computes_in_bf16(device: str) -> bool:
    """Return whether a GPU computes in bfloat16 and does not emulate it.

    Of MPS it is not known, so it counts as no.

    Raises
    ------
    ModelError
        If PyTorch is missing or cannot use the device.
    """
    import_torch()
    import torch

    with refused_if_unusable(device):
        if torch.device(device).type != "cuda":
            return False
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def import_torch() -> None:
    """Raise a ModelError if PyTorch is not there to be imported."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            "engine 'torch' needs PyTorch, which is not installed; "
            "run: pip install 'deepgaze2[train]', or use engine='ncnn'"
        ) from error


@contextmanager
def exact_convolutions(device: str) -> Iterator[None]:
    """Keep cuDNN from rounding float32 to TF32's 10 bits, which is PyTorch's default on a GPU."""
    if not device.startswith("cuda"):
        yield
        return
    import torch

    with _CUDNN, torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


class TorchEngine:
    """Convolutions in float32, or in bfloat16 with sums in float32, in eager PyTorch.

    Channels are the last axis in memory, which is what tensor cores read.
    """

    def __init__(
        self,
        backbone: StoredBackbone,
        *,
        device: str = "cpu",
        precision: Precision = "f32",
        threads: int = 0,
    ) -> None:
        import_torch()
        import torch

        if threads:
            torch.set_num_threads(threads)
        self.name = "torch" if precision == "f32" else f"torch-{precision}"
        self.device = device
        self._type = torch.float32 if precision == "f32" else torch.bfloat16
        self._stored = backbone.network.stored_taps()
        self._nodes = backbone.network.needed_nodes()
        self._last_use = {name: i for i, node in enumerate(self._nodes) for name in node.inputs}
        with refused_if_unusable(device):
            self._device = torch.device(device)
            self._is_cuda = self._device.type == "cuda"
            mean = torch.from_numpy(backbone.input_mean.astype(np.float32))
            self._mean = mean[:, None, None].to(self._device)
            self._layers = {
                name: (
                    self._moved(kernel).contiguous(memory_format=torch.channels_last),
                    self._moved(backbone.biases[name]),
                )
                for name, kernel in backbone.kernels.items()
            }

    def _moved(self, weights: NDArray[np.floating]) -> "Tensor":
        import torch

        return torch.from_numpy(weights.astype(np.float32)).to(self._device, self._type)

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        return self.features_of_several([image])[0]

    def features_of_several(
        self, images: Sequence[NetworkInput]
    ) -> list[tuple[NDArray[np.float32], ...]]:
        """Return the stored features of images of one size, computed at once.

        Memory grows with their number: some 600 bytes for each pixel of them all, for VGG-16.

        Raises
        ------
        MemoryError
            If the GPU has too little.
        """
        import torch

        try:
            with torch.inference_mode():
                with exact_convolutions(self.device):
                    found = self._computed(self._uploaded(np.stack(images)))
                if self._is_cuda:  # until here nothing waited for the GPU
                    torch.cuda.current_stream(self._device).synchronize()
        except torch.OutOfMemoryError as error:
            shape = (len(images), *images[0].shape)
            raise MemoryError(f"{self.device} has too little memory for input {shape}") from error
        maps = [found[name].numpy() for name in self._stored]
        return [tuple(one[i] for one in maps) for i in range(len(images))]

    def _uploaded(self, images: NDArray[np.generic]) -> "Tensor":
        """Return the first layer's input, (n, 3, h, w), on the device."""
        import torch

        on_host = torch.from_numpy(images)
        if self._is_cuda:
            on_host = on_host.pin_memory()  # so that the copy need not be waited for
        x = on_host.to(self._device, non_blocking=self._is_cuda).float() - self._mean
        return x.to(self._type, memory_format=torch.channels_last)

    def _computed(self, images: "Tensor") -> "dict[str, Tensor]":
        """Return the stored maps, in the host's memory once the device has done its work."""
        found: dict[str, Tensor] = {}
        maps = {IMAGE: images}
        for i, node in enumerate(self._nodes):
            last = {name for name in node.inputs if self._last_use[name] == i}
            maps[node.name] = self._layer(node, [maps[name] for name in node.inputs], last)
            if node.name in self._stored:
                found[node.name] = self._downloaded(maps[node.name])
            for name in last:
                del maps[name]
        return found

    def _layer(self, node: Node, inputs: "list[Tensor]", last: set[str]) -> "Tensor":
        """Return a node's maps; `last` are those of its inputs that nothing reads later."""
        from torch.nn import functional

        step, x = node.operation, inputs[0]
        if isinstance(step, Convolution):
            kernel, bias = self._layers[node.name]
            return functional.conv2d(x, kernel, bias, step.stride, step.padding)
        if isinstance(step, MaxPooling):
            return functional.max_pool2d(
                x, step.kernel, step.stride, step.padding, ceil_mode=step.ceil
            )
        if isinstance(step, Addition):
            return sum(inputs[1:], x)
        # In place, memory is passed over once less: it is what a ReLU costs.
        return functional.relu(x, inplace=node.inputs[0] in last)

    def _downloaded(self, maps: "Tensor") -> "Tensor":
        """Return a copy in the host's memory, float32; on CUDA it is not waited for."""
        import torch

        found = torch.empty(maps.shape, pin_memory=self._is_cuda)
        return found.copy_(maps.float().contiguous(), non_blocking=self._is_cuda)
