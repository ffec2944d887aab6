"""Interpolation between grids as matrices that the graph computes from sizes; see `readout.grid`.

Positions are fractions of integers, so that the graph's are exactly those of the library.
"""

from dataclasses import dataclass

from deepgaze2.export.graph import Value
from deepgaze2.readout.architecture import TapGroup
from deepgaze2.readout.grid import block_stride


@dataclass(frozen=True)
class Positions:
    """Fractional indices among cells: `numerator` (n,) over `denominator`."""

    numerator: Value
    denominator: Value

    @property
    def below(self) -> Value:
        """The whole part of each, (n,); none is negative."""
        return self.numerator / self.denominator

    @property
    def share(self) -> Value:
        """What remains of each, (n,)."""
        rest = self.numerator - self.below * self.denominator
        return rest.float() / self.denominator.float()

    def distances(self, cells: Value) -> Value:
        """Return how far each of `cells` is past each position, (n, cells)."""
        whole = self.numerator.graph.range(cells) - self.below.at_axis(1)
        return whole.float() - self.share.at_axis(1)

    def interpolation(self, cells: Value) -> Value:
        """Return the (n, cells) matrix of linear interpolation, edges replicated."""
        last = (cells - 1) * self.denominator
        clamped = self.numerator.apply("Max", 0).apply("Min", last)
        distances = Positions(clamped, self.denominator).distances(cells)
        return (distances.apply("Abs") * -1.0 + 1.0).apply("Relu")


def pixels_in_grid(image_px: Value, input_px: Value, grid_block: int) -> Positions:
    """Return each image pixel's place among a block's cells; see `grid.image_in_grid`."""
    stride = block_stride(grid_block)
    twice_centers = image_px.graph.range(image_px) * 2 + 1
    return Positions(twice_centers * input_px - image_px * stride, image_px * (2 * stride))


def pixels_in_template(image_px: Value, cells: Value) -> Positions:
    """Return each image pixel's place among cells that span the image."""
    twice_centers = image_px.graph.range(image_px) * 2 + 1
    return Positions(twice_centers * cells - image_px, image_px * 2)


def grid_in_pixels(input_px: Value, grid_block: int) -> Positions:
    """Return a block's cells' places among the network input's pixels."""
    graph, stride = input_px.graph, block_stride(grid_block)
    cells = graph.range(grid_cells(input_px, grid_block))
    return Positions(cells * (2 * stride) + (stride - 1), graph.vector(2))


def grid_in_group(main_px: Value, input_px: Value, group: TapGroup, grid_block: int) -> Positions:
    """Return the readout's cells' places among a group's; see `grid.scaled_grid`."""
    stride = block_stride(grid_block)
    twice_offset_px = round(2 * group.taps[0].offset_px)  # kernels have whole sizes
    twice_centers = main_px.graph.range(grid_cells(main_px, grid_block)) * 2 + 1
    return Positions(
        twice_centers * input_px * stride - main_px * (1 + twice_offset_px),
        main_px * (2 * round(group.stride_px)),
    )


def grid_cells(input_px: Value, grid_block: int) -> Value:
    """Return the number of a block's cells; see `grid.block_size`."""
    stride = block_stride(grid_block)
    return (input_px + (stride - 1)) / stride
