"""What an engine is, and how one is chosen."""

from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import Backbone, StoredBackbone
from deepgaze2.features.engines.choice import chosen_engine, unusable
from deepgaze2.image.network_input import NetworkInput

EngineName = Literal["auto", "fast", "ncnn", "openvino", "openvino-bf16", "torch", "torch-bf16"]
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

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        """Return the backbone's distinct tapped tensors for one image.

        Parameters
        ----------
        image
            Network input, (3, h, w), RGB, 0..255; uint8 as from `network_inputs`, or float32.

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
        CUDA or MPS) or `"torch-bf16"` (CPU or CUDA; need PyTorch); or `"auto"`: PyTorch if a
        `device` other than the CPU is asked for, else the fastest exact engine for this network,
        which without OpenVINO is ncnn; or `"fast"`: the same, but bfloat16 may be taken where the
        device computes in it.
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
    device = device or "cpu"
    if device != "cpu":
        return _on_gpu(backbone, engine, device, threads)
    if engine in ("auto", "fast"):
        engine = chosen_engine(backbone.network, only_exact=engine == "auto").engine
    elif engine.endswith("-bf16") and (reason := unusable(engine)):
        raise ModelError(f"engine {engine!r}: {reason}; use engine='auto'")
    if engine == "ncnn":
        from deepgaze2.features.engines.ncnn_engine import NcnnEngine

        return NcnnEngine(backbone, threads=threads)
    package = engine.partition("-")[0]
    precision: Literal["f32", "bf16"] = "bf16" if engine.endswith("-bf16") else "f32"
    if package == "torch":
        from deepgaze2.features.engines.torch_engine import TorchEngine

        return TorchEngine(backbone, precision=precision, threads=threads)
    from deepgaze2.features.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(backbone, precision=precision, threads=threads)


def _on_gpu(backbone: StoredBackbone, engine: str, device: str, threads: int) -> Engine:
    """Return PyTorch's engine on a device other than the CPU."""
    from deepgaze2.features.engines.torch_engine import TorchEngine, computes_in_bf16

    if engine not in ("auto", "fast", "torch", "torch-bf16"):
        raise ModelError(
            f"engine {engine!r} runs on the CPU, not on {device!r}; use engine='torch'"
        )
    in_bf16 = engine in ("fast", "torch-bf16") and computes_in_bf16(device)
    if engine == "torch-bf16" and not in_bf16:
        raise ModelError(
            f"engine {engine!r}: {device!r} is not known to compute in bfloat16; use engine='auto'"
        )
    precision: Literal["f32", "bf16"] = "bf16" if in_bf16 else "f32"
    return TorchEngine(backbone, device=device, precision=precision, threads=threads)
