"""The image at the size at which a network sees it, by gray levels as `network_input` resizes it.

That is Pillow's bicubic resize: where the image is over six times too large, means of whole blocks
first, rounded; then a weighted mean along rows, rounded to whole gray levels, and one along
columns. All are products with matrices that the graph computes from the image's size. ONNX's own
Resize does not round between its passes, and runtimes in browsers do not have its antialiasing. A
gray level more or less in some pixels would move log densities by thousandths of a nat.
"""

from onnx import TensorProto

from deepgaze2.export.graph import Value
from deepgaze2.image.network_input import REDUCING_GAP, least_side_px

_BLOCK_STEPS = 1 << 24  # Pillow's factors that divide sums over blocks are multiples of 1 over it
_WEIGHT_STEPS = float(1 << 22)  # and its weights of pixels, of 1 over this
_COARSE_STEPS = float(1 << 11)


def network_size(pixels: Value, longer_side_px: int, min_side_px: int) -> tuple[Value, Value]:
    """Return the height and width at which the network sees an image, (H, W, 3).

    In float64, as `network_input.network_size` computes them.
    """
    sides = [pixels.size(axis).double() for axis in (0, 1)]
    scale = pixels.graph.add("Div", float(longer_side_px), sides[0].apply("Max", sides[1]))
    least_px = least_side_px(min_side_px)
    height, width = (
        (side * scale).apply("Round").apply("Cast", to=TensorProto.INT64).apply("Max", least_px)
        for side in sides
    )
    return height, width


def resized(pixels: Value, size: tuple[Value, Value]) -> Value:
    """Return an image, uint8 (H, W, 3), at a height and width: (3, height, width), 0 to 255."""
    whole = [pixels.size(axis) for axis in (0, 1)]
    factors = [
        (px / (seen * REDUCING_GAP)).apply("Max", 1) for px, seen in zip(whole, size, strict=True)
    ]
    reduced = _block_means(pixels, whole, factors).transposed(2, 0, 1)
    down, across = (
        _bicubic(px, factor, seen, reduced.size(axis))
        for px, factor, seen, axis in zip(whole, factors, size, (1, 2), strict=True)
    )
    rows = _gray_levels(*(reduced @ part.transposed() for part in across))
    return _gray_levels(*(part @ rows for part in down))


def _block_means(pixels: Value, whole: list[Value], factors: list[Value]) -> Value:
    """Return the means of blocks, rounded as Pillow does; smaller ones at the end count alone."""
    graph = pixels.graph
    cells = [(px + factor - 1) / factor for px, factor in zip(whole, factors, strict=True)]
    beyond = [n * factor - px for n, factor, px in zip(cells, factors, whole, strict=True)]
    padded = pixels.apply("Pad", graph.vector(0, 0, 0, *beyond, 0))
    blocks = padded.reshape(cells[0], factors[0], cells[1], factors[1], 3)
    sums = blocks.float().apply("ReduceSum", [1, 3], keepdims=0)
    counts = [
        (px - graph.range(n) * factor).apply("Min", factor)
        for px, n, factor in zip(whole, cells, factors, strict=True)
    ]
    n = counts[0].at_axis(1) * counts[1]
    # Where the factor is not whole, Pillow cuts it off: what is just a whole mean falls below.
    cut = (graph.add("Sub", _BLOCK_STEPS, (n.graph.add("Div", _BLOCK_STEPS, n)) * n)).apply(
        "Min", 1
    )
    added = (n / 2).float() - cut.float() * 0.5
    return ((sums + added.at_axis(2)) / n.float().at_axis(2)).apply("Floor")


def _bicubic(whole: Value, factor: Value, seen: Value, cells: Value) -> tuple[Value, Value]:
    """Return the matrix that resizes an axis, (seen, cells), as a coarse part and the rest.

    In units of its smallest step; the coarse part is of multiples of 2^11, and divided by that. So
    float32 holds each product with gray levels exactly.

    The axis has `whole` pixels in cells of `factor`; the last cell may be a smaller one.
    """
    graph = whole.graph
    extent = (whole.double() / factor.double()).float().double()  # as Pillow rounds it
    scale = extent / seen.double()
    centers = (graph.range(seen).double() + 0.5) * scale
    past = graph.range(cells).double() - centers.at_axis(1) + 0.5
    x = (past / scale.apply("Max", 1.0)).apply("Abs")
    near = (x * 1.5 - 2.5) * x * x + 1.0
    far = ((x * -0.5 + 2.5) * x - 4.0) * x + 2.0
    within = [x.apply("Less", limit).double() for limit in (1.0, 2.0)]
    weights = within[0] * near + (within[1] - within[0]) * far
    steps = (weights / weights.total(1) * _WEIGHT_STEPS + 0.5).apply("Floor")
    coarse = (steps / _COARSE_STEPS).apply("Floor")
    return coarse.float(), (steps - coarse * _COARSE_STEPS).float()


def _gray_levels(coarse: Value, rest: Value) -> Value:
    """Return rounded gray levels from products with both parts of a matrix; all are whole."""
    steps = coarse + (rest / _COARSE_STEPS).apply("Floor")
    levels = ((steps + _COARSE_STEPS / 2) / _COARSE_STEPS).apply("Floor")
    return levels.apply("Clip", 0.0, 255.0)
