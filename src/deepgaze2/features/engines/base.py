"""What an engine is, and how one is chosen."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import Backbone, StoredBackbone

EngineName = Literal["auto", "ncnn", "torch"]
ENGINES: tuple[EngineName, ...] = ("auto", "ncnn", "torch")


class Engine(Protocol):
    """Runs a backbone. Thread-safe: one engine may serve several threads at once."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def device(self) -> str:
        """Where it computes, as PyTorch names it."""
        ...

    def stored_features(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the backbone's distinct tapped tensors for one image.

        Parameters
        ----------
        image
            Network input, (3, h, w), RGB, 0..255.

        Returns
        -------
        tuple of arrays
            One per name in `stored_taps(backbone)`: (channels, cells down, cells across).
        """
        ...


def create_engine(
    backbone: Backbone, engine: str = "auto", *, device: str | None = None, threads: int = 0
) -> Engine:
    """Build the engine named `engine` for a backbone.

    Parameters
    ----------
    engine
        `"ncnn"` (CPU), `"torch"` (CPU, CUDA or MPS; needs PyTorch) or `"auto"`: PyTorch if a
        `device` other than the CPU is asked for, else ncnn.
    device
        PyTorch's device name (`"cpu"`, `"cuda"`, `"mps"`); ncnn here is for the CPU only.
    threads
        Threads of one computation on the CPU; 0 takes all cores the process may use.

    Raises
    ------
    ModelError
        If the engine is unknown, cannot run on the device, or PyTorch is not installed.
    """
    if engine not in ENGINES:
        raise ModelError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if not isinstance(backbone, StoredBackbone):
        from deepgaze2.features.python_backbone import ModuleEngine

        return ModuleEngine.of(backbone, engine, device or "cpu")
    if engine == "auto":
        engine = "ncnn" if device in (None, "cpu") else "torch"
    if engine == "torch":
        from deepgaze2.features.engines.torch_engine import TorchEngine

        return TorchEngine(backbone, device=device or "cpu", threads=threads)
    if device not in (None, "cpu"):
        raise ModelError(f"engine 'ncnn' runs on the CPU, not on {device!r}; use engine='torch'")
    from deepgaze2.features.engines.ncnn_engine import NcnnEngine

    return NcnnEngine(backbone, threads=threads)
