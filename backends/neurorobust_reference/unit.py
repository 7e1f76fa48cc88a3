"""What a node becomes for the time of a run: something that maps one step's input to its output."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from neurorobust.ir import Array, Header, Node, Shape


class Unit:
    """One node of one run, with its state. A unit without memory only overrides ``step``."""

    membrane: Array | None = None
    """``h`` of the latest step, shape (B, ...); None for a node that is no neuron."""
    counts: bool = False
    """Whether overflows of the latest step can be asked for."""

    def step(self, x: Array) -> Array:
        """The output of this step, shape (B, ...), from the summed input of this step."""
        raise NotImplementedError

    def wrapped(self) -> Array:
        """How many sums lost bits in the latest step, (B, ...)."""
        raise NotImplementedError

    def saturated(self) -> Array:
        """Which membranes were clipped in the latest step, (B, ...)."""
        raise NotImplementedError


class Map(Unit):
    """A unit without memory."""

    def __init__(self, law: Callable[[Array], Array]) -> None:
        self._law = law

    def step(self, x: Array) -> Array:
        """The function of the input."""
        return self._law(x)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a unit needs to know besides its node.

    Attributes:
        header: Of the model; it states the preprocessing.
        shape: Batch and output shape of the node, ``(B, ...)``.
        dtype: NumPy type name in which the rung computes.
    """

    header: Header
    shape: Shape
    dtype: str


LawBook = Mapping[type[Node], Callable[..., Unit]]
"""Which law each kind of node follows; called as ``law(node, setting)``."""
