"""What a framework says about one of its stateful modules."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from neurorobust.ir import Node, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """A cell in nodes.

    Attributes:
        node: The neurons: LIF, or LI for a readout.
        shape: Of the output.
        rule: What the source's own rule is here, for the provenance.
        before: Nodes between input and neurons, by suffix of their name.
        loop: Fed by the output of the step before; its output adds to the input of the neurons.
        after: Behind the neurons.
        membrane: Nodes from the same input to the membrane that the cell returns, by suffix, or
            why there are none.
    """

    node: Node
    shape: Shape
    rule: str
    before: tuple[tuple[str, Node], ...] = ()
    loop: Node | None = None
    after: Node | None = None
    membrane: tuple[tuple[str, Node], ...] | str = "it is not a value of this cell"


class Cell(ABC):
    """A stateful module of a framework.

    Attributes:
        path: Of the module.
        module: The module; it is never run.
        parts: Names of the parts of its state.
        output: The part that is the output itself, if one is.
        keeps_state: Whether a call without a state goes on from the last one.
        sequence: Whether one call takes all steps, time first.
    """

    parts: ClassVar[tuple[str, ...]]
    keeps_state: ClassVar[bool]
    output: ClassVar[str | None] = None

    def __init__(self, path: str, module: nn.Module) -> None:
        self.path, self.module = path, module
        self.sequence = False

    @abstractmethod
    def population(self, features: Shape) -> Population:
        """The cell for an input of this shape.

        Raises:
            Unsupported: for a law that a Graph cannot hold.
        """

    @abstractmethod
    def inputs(self, *args: Any, **kwargs: Any) -> tuple[Any, tuple[Any, ...]]:
        """Input and parts of the state from the arguments of a call."""

    @abstractmethod
    def outputs(self, fired: Any, state: Mapping[str, Any]) -> Any:
        """What the module returns."""

    def advanced(self) -> str | None:
        """How to reset a module that does not start from its initial state, or None."""
        return None
