"""A network of the user's own: any `torch.nn.Module`, read at layers that it names.

`python:module.function` names a function without arguments that returns the module. The module
gets one image at a time, (1, 3, h, w): RGB, 0 to 1, minus ImageNet's mean, divided by its
deviation, which is what torchvision's and most other networks were trained on; a module that wants
something else can begin with a layer that undoes it.

What a layer's cells look at is measured, never assumed; see `measuring.py`.
"""

import difflib
import hashlib
import inspect
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import PYTHON, Backbone
from deepgaze2.features.engines.torch_engine import exact_convolutions, refused_if_unusable
from deepgaze2.features.measuring import measured_tap
from deepgaze2.features.network import Tap
from deepgaze2.features.weights.importers import IMAGENET_DEVIATION, IMAGENET_MEAN
from deepgaze2.image.network_input import NetworkInput
from deepgaze2.support.python_objects import imported

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_MOST_MIN_SIDE_PX = 512


@dataclass(frozen=True)
class PythonBackbone:
    """A module and the layers that are read; a `Backbone`.

    Attributes
    ----------
    name
        `python:module.function`.
    module
        What the function returned, frozen.
    taps
        Names of layers, as `module.named_modules()` has them.
    """

    name: str
    module: "torch.nn.Module"
    taps: tuple[str, ...] = ()
    _measured: dict[str, Tap] = field(default_factory=dict, compare=False)

    @property
    def origin(self) -> str:
        """See `Backbone`."""
        return f"{self.name}; the user's own network and weights"

    @property
    def relu_inputs(self) -> Mapping[str, str]:
        """None: how the module's layers depend on one another is not known."""
        return {}

    @cached_property
    def checksum(self) -> str:
        """Of the module's parameters, its structure as PyTorch prints it, and its class's code."""
        digest = hashlib.sha256(repr(self.module).encode())
        with suppress(OSError, TypeError):  # of a class that is in no file
            digest.update(inspect.getsource(type(self.module)).encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def min_side_px(self) -> int:
        """The smallest side that the module takes and that leaves every tap a cell.

        Raises
        ------
        ModelError
            If it takes none, or a layer is no map.
        """
        enough_px = 1  # small images first: they cost nothing
        while not self._takes(enough_px):
            if enough_px >= _MOST_MIN_SIDE_PX:
                self.maps(np.zeros((3, enough_px, enough_px), np.float32))  # which says why
                raise ModelError(f"{self.name}: its layers have no cells for {enough_px} pixels")
            enough_px *= 2
        sides_px = range(enough_px // 2 + 1, enough_px + 1)
        return sides_px[bisect_left(sides_px, True, hi=len(sides_px) - 1, key=self._takes)]

    def _takes(self, side_px: int) -> bool:
        try:
            maps = self.maps(np.zeros((3, side_px, side_px), np.float32))
        except _FailedError:
            return False
        return all(min(one.shape[-2:]) > 0 for one in maps)

    def with_taps(self, taps: tuple[str, ...]) -> "PythonBackbone":
        """See `Backbone`."""
        known = dict(self.module.named_modules())
        for tap in taps:
            if not tap or tap not in known or "/" in tap:
                near = difflib.get_close_matches(tap, known, n=3, cutoff=0.3) or [*known][1:4]
                raise ModelError(
                    f"{tap or '(no name)'}: {self.name} has no such layer; there are"
                    f" {', '.join(near)} and others, see named_modules()"
                )
        return replace(self, taps=taps)

    def tap(self, name: str) -> Tap:
        """Return a layer's channels and where its cells look, which is measured once."""
        if name not in self._measured:
            self._measured[name] = measured_tap(self.with_taps((name,)))
        return self._measured[name]

    def maps(self, image: NetworkInput) -> list["Tensor"]:
        """Return the taps' outputs, (channels, h, w), for an image, (3, h, w), RGB, 0 to 255.

        Raises
        ------
        ModelError
            If a layer is not reached, its output is no map, or the module fails.
        """
        import torch

        mean, deviation = (
            torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_DEVIATION)
        )
        x = (torch.from_numpy(np.ascontiguousarray(image)) / 255 - mean) / deviation
        found: dict[str, Tensor] = {}
        layers = dict(self.module.named_modules())

        def keep(name: str) -> Callable[..., None]:
            def hook(module: object, inputs: object, output: object) -> None:  # noqa: ARG001
                if not isinstance(output, torch.Tensor) or output.ndim != 4 or len(output) != 1:
                    shape = tuple(getattr(output, "shape", ())) or type(output).__name__
                    raise ModelError(
                        f"{name}: its output is no map (1, channels, h, w) but {shape}; read"
                        f" another layer of {self.name}"
                    )
                found[name] = output[0].detach().clone()  # the next layer may work in place

            return hook

        hooks = [layers[name].register_forward_hook(keep(name)) for name in self.taps]
        tensors = chain(self.module.parameters(), self.module.buffers())
        device = next((tensor.device for tensor in tensors), x.device)
        try:
            with torch.inference_mode():
                self.module(x[None].to(device))
        except ModelError:
            raise
        except Exception as error:  # whatever the user's code raises
            _, height, width = image.shape
            reason = (str(error).splitlines() or [""])[0]
            raise _FailedError(
                f"{self.name}: failed for an image of {width} by {height} pixels"
                f" ({type(error).__name__}: {reason}); it must take images of any size"
            ) from error
        finally:
            for one in hooks:
                one.remove()
        if missing := [name for name in self.taps if name not in found]:
            raise ModelError(f"{missing[0]}: {self.name} does not use this layer for an image")
        return [found[name] for name in self.taps]


class _FailedError(ModelError):
    """The module itself failed, perhaps for the size of the image."""


def python_backbone(name: str) -> PythonBackbone:
    """Call the function that `python:module.function` names and freeze the module it returns.

    Raises
    ------
    ModelError
        If PyTorch or the function is missing, the function fails, or returns something else.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{name}: needs PyTorch, which is not installed; run: pip install 'deepgaze2[train]'"
        ) from error
    function = imported(name, name.removeprefix(PYTHON))
    try:
        module = function()
    except Exception as error:  # whatever the user's code raises
        raise ModelError(f"{name}: failed ({type(error).__name__}: {error})") from error
    if not isinstance(module, torch.nn.Module):
        raise ModelError(
            f"{name}: returned {type(module).__name__}; it must return a torch.nn.Module"
        )
    return PythonBackbone(name, module.eval().requires_grad_(requires_grad=False).float())


@dataclass(frozen=True)
class ModuleEngine:
    """Runs a module as it is; see `engines.Engine`."""

    backbone: PythonBackbone
    device: str
    name: str = "torch"
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, backbone: Backbone, engine: str, device: str) -> "ModuleEngine":
        """Return the engine; a ModelError refuses any but PyTorch."""
        if not isinstance(backbone, PythonBackbone):
            raise TypeError(f"{backbone.name}: no backbone of this module")
        if engine not in ("auto", "fast", "torch"):
            raise ModelError(f"engine {engine!r} does not run {backbone.name}; use engine='torch'")
        with refused_if_unusable(device):
            backbone.module.to(device)
        return cls(backbone, device)

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        with self._lock, exact_convolutions(self.device):  # the lock is of the module's hooks
            maps = self.backbone.maps(image)
        return tuple(one.cpu().numpy().astype(np.float32) for one in maps)
