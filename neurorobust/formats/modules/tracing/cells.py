"""What a framework says about one of its stateful modules, and how its parameters are read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from neurorobust.errors import Unsupported
from neurorobust.ir import Affine, Array, Conv1d, Conv2d, Node, Shape
from neurorobust.ir.base import per_neuron_fault
from neurorobust.ir.neurons import Compare

TINY = 2.0**-20


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
        parts: Names of the parts of its state that a call takes and returns.
        output: The part that is the output itself, if one is.
        keeps_state: Whether a call without a state goes on from the last one.
        sequence: Whether one call takes all steps, time first.
    """

    parts: tuple[str, ...] = ()
    keeps_state: ClassVar[bool] = True
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

    def inputs(self, x: Any) -> tuple[Any, tuple[Any, ...]]:
        """Input and parts of the state from the arguments of a call."""
        return x, ()

    def outputs(self, fired: Any, state: Mapping[str, Any]) -> Any:
        """What the module returns."""
        return fired

    def advanced(self) -> str | None:
        """How to reset a module that does not start from its initial state, or None."""
        return None


def without_law(path: str, module: nn.Module, known: Iterable[type]) -> Unsupported:
    """The refusal of a neuron of a framework that is none of the known ones."""
    listed = ", ".join(kind.__name__ for kind in known)
    kind = type(module).__name__
    return Unsupported(f"{path}: a {kind} has no law in a Graph; known are {listed}")


def per_neuron(label: str, name: str, value: Tensor | float, population: Shape) -> Array:
    """A parameter that broadcasts to the population, without a batch axis.

    Raises:
        Unsupported: for a shape that does not.
    """
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    while array.ndim > len(population) and array.shape[0] == 1:
        array = array[0]
    if fault := per_neuron_fault(name, array, population):
        raise Unsupported(f"{label}: {fault}")
    found: Array = array
    return found


def factor(label: str, name: str, value: Array, population: Shape) -> Node:
    """``y = value * x``, neuron by neuron: a diagonal Affine, or a depthwise kernel of one tap.

    Raises:
        Unsupported: for a factor per pixel.
    """
    if len(population) == 1:
        return Affine(weight=np.diag(np.broadcast_to(value, population)))
    kinds = {2: Conv1d, 3: Conv2d}
    if len(population) in kinds and value.size in (1, *value.shape[:1]):
        channels = np.broadcast_to(value.reshape(-1), population[:1])
        taps = channels.reshape(-1, *(1,) * len(population))
        return kinds[len(population)](weight=taps, groups=population[0])
    raise Unsupported(
        f"{label}: {name} has shape {value.shape} for a population {population}; known are one "
        "for all, one per channel, or one per neuron of a flat population"
    )


def require_step(label: str, surrogate: Callable[[Tensor], Tensor], compare: Compare) -> None:
    """A surrogate must give 1 above 0, 0 below, and at 0 what the comparison says.

    Raises:
        Unsupported: if it gives anything else on some points.
    """
    points = torch.tensor([-2.0, -TINY, 0.0, TINY, 2.0])
    expected = [0.0, 0.0, float(compare == ">="), 1.0, 1.0]
    with torch.no_grad():
        found = surrogate(points).tolist()
    if found != expected:
        raise Unsupported(
            f"{label}: its surrogate gives {found} at {points.tolist()}, where a step function "
            f"gives {expected}; a Graph has spikes of 0 and 1"
        )
