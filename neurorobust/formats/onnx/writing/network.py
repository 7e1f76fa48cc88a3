"""One step of a network: every node by its law, in order, with the sums over its edges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neurorobust.errors import Unsupported
from neurorobust.formats.onnx.writing.cell import UNBOUNDED, Cell, Laws, State, Written
from neurorobust.formats.onnx.writing.fixed_maps import FIXED_MAP_LAWS, encode, pushed, w32
from neurorobust.formats.onnx.writing.fixed_neurons import FIXED_NEURON_LAWS
from neurorobust.formats.onnx.writing.float_maps import MAP_LAWS, preprocess
from neurorobust.formats.onnx.writing.float_neurons import NEURON_LAWS
from neurorobust.ir import FixedConv2d, FixedDense, FixedInput, Input, Model, Program

if TYPE_CHECKING:
    from neurorobust.formats.onnx.writing.writer import Document, Sheet

FLOAT: Laws = {**MAP_LAWS, **NEURON_LAWS}
FIXED: Laws = {**FIXED_MAP_LAWS, **FIXED_NEURON_LAWS}
CLOCK = "step"
"""Name of the number of the current step, where something depends on it."""


@dataclass(slots=True)
class Step:
    """What one step of a network needs and gives.

    Attributes:
        document: The file.
        once: Where goes what is the same in every step.
        each: Where goes what every step computes; may be the same.
        static: Whether the input is the same in every step.
        bounded: Whether the bounds of a Program are used.
        states: What goes from step to step, by name.
        timed: Whether something depends on the number of the step.
        written: Per node of the model itself, what it became.
    """

    document: "Document"
    once: "Sheet"
    each: "Sheet"
    static: bool
    bounded: bool = False
    states: dict[str, State] = field(default_factory=dict)
    timed: bool = False
    written: dict[str, Written] = field(default_factory=dict)

    def clock(self) -> str:
        """The number of the step."""
        self.timed = True
        return CLOCK

    def write(self, model: Model, x: str, precision: Any) -> None:
        """Append a Graph in a precision, or a Program in int64 (its host part in float64)."""
        if isinstance(model, Program):
            static = self.static
            if model.host is not None:
                host = _Walk(self, model.host, np.float64, "//host/")
                x, static = host.run(x, static=static)
                shape = (0, *model.shapes[model.input])
                sheet = self.once if static else self.each
                sheet.label = "//host"
                x = sheet.op("Reshape", x, sheet.integers(shape))
            walk = _Walk(self, model, np.int64, "", _bounds(model) if self.bounded else {})
            walk.run(x, static=static)
        else:
            walk = _Walk(self, model, precision, "")
            walk.run(x, static=self.static)
        self.written = walk.written


def _bounds(program: Program) -> dict[str, int]:
    """What no sum of a synapse, and no input of a neuron, exceeds in magnitude."""
    from neurorobust.engine.integer.bounds import largest_sum, magnitudes

    return {
        name: largest_sum(node, arriving)
        if isinstance(node := program.nodes[name], FixedDense | FixedConv2d)
        else arriving
        for name, arriving in magnitudes(program).items()
    }


@dataclass(slots=True)
class _Walk:
    """One model on its way into the file."""

    step: Step
    model: Model
    dtype: Any
    prefix: str
    bounds: Mapping[str, int] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    constant: set[str] = field(default_factory=set)
    past: dict[str, str] = field(default_factory=dict)

    def run(self, x: str, *, static: bool) -> tuple[str, bool]:
        """Write all nodes; what arrives at the Output, and whether it is the same in every step."""
        model = self.model
        depths = {
            name: max((edge.delay for edge in model.outgoing(name)), default=0)
            for name in model.nodes
        }
        for name, depth in depths.items():
            if depth:
                # The state that holds what a node gave in the last steps.
                self.past[name] = state = f"{self.prefix}{name}/sent"
                shape = (depth, *model.shapes[name])
                self.step.states[state] = State(state, shape, self.dtype, np.zeros(()))
        for name in model.order:
            edges = model.incoming(name)
            fixed = all(e.source in self.constant and not e.delay for e in edges) and bool(edges)
            node = model.nodes[name]
            if (isinstance(node, Input) and static) or (fixed and not node.stateful):
                self.constant.add(name)
            self._node(name, x)
        sheet = self.step.each
        for name, past in self.past.items():
            sheet.label = self.prefix + name
            latest = self.written[name].output
            self.step.states[past].next = pushed(sheet, past, latest, depths[name])
        return self.written[model.output].output, model.output in self.constant

    def _node(self, name: str, x: str) -> None:
        model, node = self.model, self.model.nodes[name]
        sheet = self.step.once if name in self.constant else self.step.each
        sheet.label = self.prefix + name
        into = isinstance(node, Input)
        source = name if into else model.incoming(name)[0].source
        cell = Cell(
            self.step.document,
            sheet,
            self.prefix + name,
            node,
            x if into else self._arriving(name, sheet),
            model.shapes[source],
            model.shapes[name],
            self.dtype,
            self.step.states,
            self.step.clock,
            self.bounds.get(name, UNBOUNDED),
        )
        if isinstance(node, FixedInput):
            self.written[name] = Written(encode(cell))
        elif into:
            self.written[name] = Written(preprocess(cell, model.header))
        else:
            laws = FIXED if model.arithmetic == "integer" else FLOAT
            if type(node) not in laws:
                raise Unsupported(f"{name}: no form in ONNX is known for a {node.kind}")
            self.written[name] = laws[type(node)](cell)

    def _arriving(self, name: str, sheet: "Sheet") -> str:
        """The sum over the edges; a Program adds in 32 bits."""
        total = ""
        edges = self.model.incoming(name)
        for edge in edges:
            if edge.delay:
                place = sheet.integers(edge.delay - 1)
                value = sheet.op("Gather", self.past[edge.source], place, axis=1)
            else:
                value = self.written[edge.source].output
            total = sheet.op("Add", total, value) if total else value
        return w32(sheet, total) if len(edges) > 1 and self.dtype is np.int64 else total
