"""What an engine is, and how one is chosen."""

from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import Backbone, StoredBackbone
from deepgaze2.features.engines.choice import chosen_engine, unusable

EngineName = Literal["auto", "fast", "ncnn", "openvino", "openvino-bf16", "torch"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


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
        `"ncnn"` (CPU), `"openvino"` or `"openvino-bf16"` (CPU; need OpenVINO), `"torch"` (CPU,
        CUDA or MPS; needs PyTorch); or `"auto"`: PyTorch if a `device` other than the CPU is
        asked for, else the fastest exact engine for this network, which without OpenVINO is
        ncnn; or `"fast"`: the same, but bfloat16 may be taken where the CPU computes in it.
    device
        PyTorch's device name (`"cpu"`, `"cuda"`, `"mps"`); all others are for the CPU only.
    threads
        Threads of one computation on the CPU; 0 takes all cores the process may use.

    Raises
    ------
    ModelError
        If the engine is unknown, not installed, or cannot run on the device.
    """
    if engine not in ENGINES:
        raise ModelError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if not isinstance(backbone, StoredBackbone):
        from deepgaze2.features.python_backbone import ModuleEngine

        return ModuleEngine.of(backbone, engine, device or "cpu")
    if engine in ("auto", "fast"):
        engine = (
            chosen_engine(backbone.network, only_exact=engine == "auto").engine
            if device in (None, "cpu")
            else "torch"
        )
    if engine == "torch":
        from deepgaze2.features.engines.torch_engine import TorchEngine

        return TorchEngine(backbone, device=device or "cpu", threads=threads)
    if device not in (None, "cpu"):
        raise ModelError(
            f"engine {engine!r} runs on the CPU, not on {device!r}; use engine='torch'"
        )
    if engine == "ncnn":
        from deepgaze2.features.engines.ncnn_engine import NcnnEngine

        return NcnnEngine(backbone, threads=threads)
    from deepgaze2.features.engines.openvino_engine import OpenVinoEngine

    if engine == "openvino":
        return OpenVinoEngine(backbone, threads=threads)
    if reason := unusable(engine):
        raise ModelError(f"engine {engine!r}: {reason}; use engine='auto'")
    return OpenVinoEngine(backbone, precision="bf16", threads=threads)
