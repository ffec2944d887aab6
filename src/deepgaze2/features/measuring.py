"""Where the cells of a network's layer look, found by showing it images.

NaN in some columns of the image makes NaN all cells that depend on them, whatever the weights, and
so shows the first and the last column that a cell sees. What weighs whole channels by one number
each, as squeeze-and-excitation does, depends on all of the image; it is held at one meanwhile.
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.features.network import Tap

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from deepgaze2.features.python_backbone import PythonBackbone

_WIDE_PX, _NARROW_PX = (256, 512, 1024, 2048), 64
_STEPS = 2  # cells by which the image is moved
_TOLERANCE = 1e-3


def measured_tap(backbone: "PythonBackbone") -> Tap:
    """Return the channels, stride and offset of a backbone's only tap.

    Raises
    ------
    ModelError
        If it is no map, depends on the whole image, or does not move with the image.
    """
    with _constant_gates(backbone.module):
        return _measure(backbone)


def _measure(backbone: "PythonBackbone") -> Tap:
    (name,) = backbone.taps
    narrow_px = _narrow_px(backbone)
    for wide_px in _WIDE_PX:
        (across,) = backbone.maps(np.zeros((3, narrow_px, wide_px), np.float32))
        cell = across.shape[2] // 2
        if across.shape[2] <= _STEPS:
            continue
        with _exact_arithmetic():
            first, last = _ends(backbone, wide_px, cell)
            next_last = _last_seen(backbone, wide_px, cell + 1)
        stride_px = next_last - last
        if first >= (_STEPS + 1) * stride_px and next_last < wide_px - 1:
            break
    else:
        raise ModelError(
            f"{name}: each of its cells depends on the whole image, or it has too few; where they"
            f" look cannot be measured; read an earlier layer of {backbone.name}"
        )
    offset_px = (first + last) / 2 - stride_px * cell
    with _exact_arithmetic():
        down = _Columns(backbone, wide_px, down=True)
        alike = (
            not (down(0, first) | down(last + 1, wide_px))[cell]
            and (down(first, first + 1) & down(last, last + 1))[cell]
        )
    if not alike or not _moves(backbone, wide_px, cell, stride_px):
        raise ModelError(
            f"{name}: its output does not move with the image alike in all directions, by"
            f" {stride_px} pixels a cell; read another layer of {backbone.name}"
        )
    return Tap(name, len(across), float(stride_px), offset_px)


def _narrow_px(backbone: "PythonBackbone") -> int:
    return max(_NARROW_PX, backbone.min_side_px)


def _ends(backbone: "PythonBackbone", wide_px: int, cell: int) -> tuple[int, int]:
    """Return the first and the last column of pixels on which a column of cells depends."""
    seen = _Columns(backbone, wide_px)
    first = bisect_left(range(wide_px), True, key=lambda p: bool(seen(0, p + 1)[cell]))
    return first, _last_seen(backbone, wide_px, cell)


def _last_seen(backbone: "PythonBackbone", wide_px: int, cell: int) -> int:
    seen = _Columns(backbone, wide_px)
    return bisect_left(range(wide_px), True, key=lambda p: not seen(p + 1, wide_px)[cell])


@dataclass(frozen=True)
class _Columns:
    """Which columns of cells see any of some columns of pixels; rows likewise if `down`."""

    backbone: "PythonBackbone"
    wide_px: int
    down: bool = False

    def __call__(self, start: int, stop: int) -> NDArray[np.bool_]:
        image = np.zeros((3, _narrow_px(self.backbone), self.wide_px), np.float32)
        image[:, :, start:stop] = np.nan
        if self.down:
            image = np.ascontiguousarray(image.swapaxes(1, 2))
        (found,) = self.backbone.maps(image)
        return np.asarray(found.isnan().cpu().numpy().any(axis=(0, 2 if self.down else 1)))


def _moves(backbone: "PythonBackbone", wide_px: int, cell: int, stride_px: int) -> bool:
    """Return whether a cell's output is the next one's once the image has moved by the stride."""
    shift_px = _STEPS * stride_px
    rng = np.random.default_rng(0)
    size = _narrow_px(backbone), wide_px + shift_px
    image = rng.uniform(0, 255, (3, *size)).astype(np.float32)
    (before,) = backbone.maps(image[:, :, :wide_px])
    (after,) = backbone.maps(image[:, :, shift_px:])
    difference = float((before[:, :, cell] - after[:, :, cell - _STEPS]).abs().max())
    return difference <= _TOLERANCE * float(before.abs().max())


@contextmanager
def _constant_gates(module: "torch.nn.Module") -> Iterator[None]:
    """Hold at one what modules say of the image as a whole: one number a channel."""
    import torch

    def hold(module: object, inputs: object, output: object) -> "Tensor | None":  # noqa: ARG001
        if not isinstance(output, torch.Tensor) or output.ndim not in (2, 4):
            return None  # which leaves it as it is
        whole = output.ndim == 2 or output.shape[-2:] == (1, 1)
        return torch.ones_like(output) if whole else None

    hooks = [layer.register_forward_hook(hold) for layer in module.modules()]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


@contextmanager
def _exact_arithmetic() -> Iterator[None]:
    """Let no algorithm mix neighboring outputs, as Winograd's do: NaN would spread."""
    from torch.backends import mkldnn, nnpack

    was_enabled, *_ = mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]
    try:
        with nnpack.flags(enabled=False):
            yield
    finally:
        mkldnn.set_flags(_enabled=was_enabled)  # type: ignore[no-untyped-call]
