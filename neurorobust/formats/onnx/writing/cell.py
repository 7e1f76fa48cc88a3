"""What the law of a node is given when it is written: its input, its arrays, its state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurorobust.ir import Array, Node, Shape

if TYPE_CHECKING:
    from neurorobust.formats.onnx.writing.writer import Document, Sheet

UNBOUNDED = 1 << 62
"""A sum of which nothing is known."""


@dataclass(slots=True)
class State:
    """A value that goes from step to step.

    Attributes:
        name: ``node/field``, the value before the step.
        shape: Without batch.
        dtype: Of its numbers.
        initial: Before the first step, broadcasts to the shape.
        parameter: Key of the model's array that ``initial`` is.
        next: Name of the value after the step.
    """

    name: str
    shape: Shape
    dtype: Any
    initial: Array
    parameter: str | None = None
    next: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What a node became: the names of its output and, of a neuron, of its membrane."""

    output: str
    membrane: str | None = None


@dataclass(slots=True)
class Cell:
    """One node in the making.

    Attributes:
        document: The file.
        sheet: Where its operators go.
        key: Its name in the file, with the part of the model before it.
        node: Its record.
        x: Name of what arrives.
        given: Shape of what arrives, without batch.
        shape: Of its output, without batch.
        dtype: In which it computes.
        states: States of the network.
        clock: Gives the name of the step's number.
        largest: Of a Program: what no sum of a synapse, or no input of a neuron, exceeds.
    """

    document: "Document"
    sheet: "Sheet"
    key: str
    node: Node
    x: str
    given: Shape
    shape: Shape
    dtype: Any
    states: dict[str, State]
    clock: Callable[[], str]
    largest: int = UNBOUNDED

    @property
    def exact(self) -> bool:
        """Whether numbers are wider than float32."""
        return bool(np.dtype(self.dtype) != np.float32)

    @property
    def sums(self) -> Any:
        """The narrowest numbers in which no sum can be rounded, in whatever order."""
        fitting = (
            t for t, bits in ((np.float32, 24), (np.float64, 53)) if self.largest < 1 << bits
        )
        return next(fitting, np.int64)

    def parameter(self, name: str, dtype: Any = None) -> str:
        """An array of the node, in the type of the computation unless another is asked for."""
        value = self.node.arrays()[name]
        wanted = self.dtype if dtype is None else dtype
        return self.document.parameter(f"{self.key}/{name}", value, wanted)

    def prepared(self, what: str, make: "Callable[[Sheet], str]") -> str:
        """A value computed once from parameters."""
        return self.document.once((self.key, what), make, self.key)

    def state(
        self,
        name: str,
        initial: str | None = None,
        *,
        shape: Shape | None = None,
        dtype: Any = None,
    ) -> str:
        """The value before the step of a state that starts with an array of the node, or 0."""
        value = np.zeros(()) if initial is None else self.node.arrays()[initial]
        full = f"{self.key}/{name}"
        parameter = f"{self.key}/{initial}" if value.any() else None
        own = self.shape if shape is None else shape
        self.states[full] = State(full, own, dtype or self.dtype, value, parameter)
        return full

    def keep(self, name: str, value: str) -> None:
        """The value after the step."""
        self.states[f"{self.key}/{name}"].next = value

    def call(
        self,
        function: tuple[str, str],
        x: str,
        before: Mapping[str, str],
        given: Mapping[str, str],
        *,
        write: "Callable[[Sheet], None]",
        law: str,
    ) -> Written:
        """A population as a function ``(x, states, parameters) -> (s, h, states after)``.

        Args:
            function: Its name and overload.
            x: How it calls its input.
            before: States before the step, by name.
            given: Parameters, by name.
            write: Appends the nodes of the function.
            law: In words.
        """
        outputs = ["s", "h", *(f"{state}_next" for state in before)]
        self.document.function(*function, ([x, *before, *given], outputs), write, law)
        arguments = [self.x, *before.values(), *given.values()]
        out, membrane, *after = self.sheet.call(*function, arguments, len(outputs))
        for name, value in zip(before, after, strict=True):
            self.keep(name, value)
        return Written(out, membrane)


Law = Callable[[Cell], Written]
Laws = Mapping[type[Node], Law]
