"""An ONNX graph written as expressions: `a + b` adds a node and is its output.

Only operations that runtimes in browsers have are used, none with control flow. Sizes are int64;
float64, which graphics processors lack, is only for what is small.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Operand: TypeAlias = Union["Value", float, int, Sequence[int], NDArray[Any]]
"""A value; an integer is an int64, a float a float32, integers are an int64 vector."""


@dataclass(frozen=True)
class Value:
    """What a node gives; arithmetic with it adds nodes.

    Attributes
    ----------
    is_double
        Whether it is float64, and so are numbers that it is combined with.
    """

    graph: "Graph"
    name: str
    is_double: bool = False

    def __add__(self, other: Operand) -> "Value":
        """Add."""
        return self.graph.add("Add", self, other)

    def __sub__(self, other: Operand) -> "Value":
        """Subtract."""
        return self.graph.add("Sub", self, other)

    def __mul__(self, other: Operand) -> "Value":
        """Multiply."""
        return self.graph.add("Mul", self, other)

    def __truediv__(self, other: Operand) -> "Value":
        """Divide; of integers, which must not be negative, the whole part."""
        return self.graph.add("Div", self, other)

    def __matmul__(self, other: Operand) -> "Value":
        """Multiply as matrices."""
        return self.graph.add("MatMul", self, other)

    def apply(self, operation: str, *others: Operand, **attributes: Any) -> "Value":  # noqa: ANN401
        """Return an ONNX operation of this and other values."""
        return self.graph.add(operation, self, *others, **attributes)

    def float(self) -> "Value":
        """Return it in float32."""
        return self.apply("Cast", to=TensorProto.FLOAT)

    def double(self) -> "Value":
        """Return it in float64."""
        return self.apply("Cast", to=TensorProto.DOUBLE)

    def size(self, axis: int) -> "Value":
        """Return its extent along an axis, a number."""
        return self.apply("Shape").apply("Gather", axis)

    def reshape(self, *shape: "Value | int") -> "Value":
        """Return it in another shape, of numbers."""
        return self.apply("Reshape", self.graph.vector(*shape))

    def transposed(self, *axes: int) -> "Value":
        """Return it with its axes in another order; without axes, the last two swapped."""
        return self.apply("Transpose", perm=list(axes or (1, 0)))

    def at_axis(self, axis: int) -> "Value":
        """Return it with a further axis of one element there."""
        return self.apply("Unsqueeze", [axis])

    def total(self, *axes: int) -> "Value":
        """Return sums over axes, which stay with one element; without axes, over all."""
        if not axes:  # one by one: fewer numbers in a sum, fewer roundings
            return self.total(1).total(0)
        return self.apply("ReduceSum", list(axes), keepdims=1)

    def largest(self, *axes: int) -> "Value":
        """Return maxima over axes, which stay with one element."""
        return self.apply("ReduceMax", axes=list(axes), keepdims=1)


@dataclass
class Graph:
    """Nodes and constants, in the order in which they were added."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def add(self, operation: str, *operands: Operand, **attributes: Any) -> Value:  # noqa: ANN401
        """Add a node of an ONNX operation with one output."""
        double = any(isinstance(operand, Value) and operand.is_double for operand in operands)
        inputs = [self._named(operand, double=double) for operand in operands]
        name = f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        is_double = attributes["to"] == TensorProto.DOUBLE if operation == "Cast" else double
        return Value(self, name, is_double)

    def weights(self, name: str, values: NDArray[np.floating], *, half: bool) -> Value:
        """Return stored weights in float32, stored in float16 if `half`."""
        stored = np.ascontiguousarray(values, np.float16 if half else np.float32)
        self.constants[name] = numpy_helper.from_array(stored, name)
        value = Value(self, name)
        return value.float() if half else value

    def vector(self, *numbers: Value | int) -> Value:
        """Return numbers as one int64 vector."""
        each = [number.at_axis(0) if isinstance(number, Value) else [number] for number in numbers]
        return self.add("Concat", *each, axis=0)

    def range(self, count: Value) -> Value:
        """Return 0, 1, ... count - 1."""
        return self.add("Range", 0, count, 1)

    def _named(self, operand: Operand, *, double: bool) -> str:
        if isinstance(operand, Value):
            return operand.name
        array = np.asarray(operand)
        is_whole = array.dtype.kind == "i"
        array = array.astype(np.int64 if is_whole else np.float64 if double else np.float32)
        values = "_".join(map(str, array.ravel())) if array.size < 5 else str(len(self.constants))
        name = f"{array.dtype}_{'x'.join(map(str, array.shape))}_{values}"
        self.constants[name] = numpy_helper.from_array(array, name)
        return name
