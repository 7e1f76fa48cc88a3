"""Where data enter, change shape and leave: Input, Flatten, Output."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal, get_args

from neurorobust.ir.base import Arithmetic, Node, Shape, ShapeError
from neurorobust.names import known_are

Readout = Literal["count", "mean", "last", "max", "first"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Input(Node):
    """The encoded stimulus of one step, after the preprocessing that the header states.

    Attributes:
        shape: Shape of one sample at one step, e.g. ``(C, H, W)``.
    """

    shape: Shape

    def output_shape(self, input_shape: Shape) -> Shape:
        """The declared shape; an Input has no incoming edge."""
        return self.shape

    def faults(self) -> Iterable[str]:
        """Faults of the declared shape."""
        if not self.shape or any(n < 1 for n in self.shape):
            yield f"shape is {self.shape}; every axis must be at least 1"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Flatten(Node):
    """One axis out of all, in C order: ``(C, H, W) -> (C*H*W,)``."""

    arithmetic: ClassVar[Arithmetic | None] = None

    def output_shape(self, input_shape: Shape) -> Shape:
        """One axis with as many entries as the input has."""
        return (prod(input_shape),)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Output(Node):
    """One score per class from what arrives over time; the decision is the first largest score.

    Attributes:
        readout: ``count`` (sum over time), ``mean``, ``last``, ``max`` (over time), or ``first``
            (``T - step of the first spike``, 0 without a spike; needs spikes).
    """

    arithmetic: ClassVar[Arithmetic | None] = None

    readout: Readout = "count"

    def output_shape(self, input_shape: Shape) -> Shape:
        """The classes, on one axis."""
        if len(input_shape) != 1:
            msg = f"takes one axis of classes, got {input_shape}; put a Flatten before it"
            raise ShapeError(msg)
        return input_shape

    def faults(self) -> Iterable[str]:
        """Faults of the readout's name."""
        if self.readout not in get_args(Readout):
            yield f"readout is {self.readout!r}; {known_are(self.readout, get_args(Readout))}"
