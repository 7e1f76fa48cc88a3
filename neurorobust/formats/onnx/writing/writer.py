"""ONNX graphs and functions in the making: nodes, initializers and names.

The one file of the exporter that imports onnx; ``save_onnx`` imports it when it writes.
"""

# ruff: noqa: TID251 (see above)

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from neurorobust.formats.onnx.seal import DOMAIN
from neurorobust.ir import Array, Shape

OPSET = 21
"""Of the standard operators: the newest that runtimes of the last two years read."""
IR_VERSION = 10
"""Of the file format; the first with overloads of functions."""

Dim = int | str


def element_type(dtype: Any) -> int:
    """ONNX's number of a NumPy type."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class Names:
    """Names of values, each given once."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def fresh(self, wanted: str) -> str:
        """The wanted name, or with a number behind it."""
        self._given[wanted] += 1
        number = self._given[wanted]
        return wanted if number == 1 else f"{wanted}.{number}"


class Sheet:
    """Nodes of one graph or function, in order. Each operator gives the name of its value.

    Constants of a graph are initializers of its file; a function, which has no ``store``, sees
    nothing but its inputs.
    """

    def __init__(self, names: Names, store: "Document | None" = None) -> None:
        self.names, self.store = names, store
        self.nodes: list[onnx.NodeProto] = []
        self.label = ""

    def constant(self, value: Any, dtype: Any) -> str:
        """The name of a constant; one for equal values in a file."""
        array = np.asarray(value, dtype)
        if self.store is not None:
            return self.store.constant(array)
        return self.op("Constant", value=numpy_helper.from_array(array))

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Append a standard operator with one output."""
        name = out or self.names.fresh(f"{self.label}:{kind}" if self.label else kind)
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def call(self, function: str, overload: str, inputs: Sequence[str], outputs: int) -> list[str]:
        """Append a call of one of the file's own functions."""
        names = [self.names.fresh(f"{self.label}:{function}") for _ in range(outputs)]
        self.nodes.append(
            helper.make_node(
                function, inputs, names, name=names[0], domain=DOMAIN, overload=overload
            )
        )
        return names

    def scan(
        self,
        body: onnx.GraphProto,
        inputs: Sequence[str],
        outputs: Sequence[str],
        axes: Sequence[int],
        taken: int,
    ) -> None:
        """Append a Scan.

        Args:
            body: One step.
            inputs: States, then what is cut into steps.
            outputs: States after the last step, then what is put together from all steps.
            axes: Along which each input is cut.
            taken: Number of outputs that are put together, along axis 1.
        """
        given: dict[str, Any] = {"num_scan_inputs": len(axes), "scan_input_axes": axes}
        given["scan_output_axes"] = [1] * taken
        node = helper.make_node("Scan", inputs, outputs, name="steps of time", body=body, **given)
        self.nodes.append(node)

    def cast(self, value: str, dtype: Any) -> str:
        """The value in another type."""
        return self.op("Cast", value, to=element_type(dtype))

    def integers(self, values: int | Iterable[int]) -> str:
        """A constant of type int64, such as a shape or a list of axes."""
        return self.constant(values if isinstance(values, int) else list(values), np.int64)


@dataclass(slots=True)
class Document:
    """A file in the making.

    Attributes:
        names: Of all its values.
        arrays: Initializers by name.
        functions: By name and overload.
        used: Keys of the model's arrays among the initializers.
    """

    names: Names = field(default_factory=Names)
    arrays: dict[str, Array] = field(default_factory=dict)
    functions: dict[tuple[str, str], onnx.FunctionProto] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    prelude: Sheet = field(init=False)
    _made: dict[Any, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.prelude = self.sheet()

    def sheet(self) -> Sheet:
        """An empty graph of this file."""
        return Sheet(self.names, self)

    def constant(self, value: Array) -> str:
        """The initializer of a constant."""
        key = (str(value.dtype), value.shape, value.tobytes())
        if key not in self._made:
            self._made[key] = name = self.names.fresh("constant")
            self.arrays[name] = value
        return self._made[key]

    def parameter(self, key: str, value: Array, dtype: Any) -> str:
        """An array of the model as it is, cast where the file computes in another type."""
        self.arrays[key] = value
        self.used.add(key)
        if value.dtype == np.dtype(dtype):
            return key
        return self.once((key, str(np.dtype(dtype))), lambda sheet: sheet.cast(key, dtype), key)

    def once(self, key: Any, make: Callable[[Sheet], str], label: str) -> str:
        """A value computed from constants before anything else, one time per key."""
        if key not in self._made:
            self.prelude.label = label
            self._made[key] = make(self.prelude)
        return self._made[key]

    def function(
        self,
        name: str,
        overload: str,
        signature: tuple[Sequence[str], Sequence[str]],
        write: Callable[[Sheet], None],
        law: str,
    ) -> None:
        """Add a function, unless it is there.

        Args:
            name: Its name.
            overload: Which form of it.
            signature: Names of inputs and outputs.
            write: Appends its nodes.
            law: In words, for readers of the file.
        """
        if (name, overload) in self.functions:
            return
        body = Sheet(Names())
        write(body)
        self.functions[name, overload] = helper.make_function(
            DOMAIN,
            name,
            *signature,
            body.nodes,
            [helper.make_opsetid("", OPSET)],
            overload=overload,
            doc_string=law,
        )


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a graph: name, type and shape (names for what may vary)."""

    name: str
    dtype: Any
    shape: tuple[Dim, ...]

    def info(self) -> onnx.ValueInfoProto:
        """As ONNX has it."""
        return helper.make_tensor_value_info(self.name, element_type(self.dtype), self.shape)


def subgraph(
    name: str, sheet: Sheet, inputs: Iterable[Port], outputs: Iterable[Port]
) -> onnx.GraphProto:
    """The body of a Scan."""
    return helper.make_graph(
        sheet.nodes, name, [port.info() for port in inputs], [port.info() for port in outputs]
    )


def finished(
    document: Document, name: str, sheet: Sheet, inputs: Iterable[Port], outputs: Iterable[Port]
) -> onnx.ModelProto:
    """The whole file, without metadata."""
    graph = helper.make_graph(
        [*document.prelude.nodes, *sheet.nodes],
        name,
        [port.info() for port in inputs],
        [port.info() for port in outputs],
        [numpy_helper.from_array(np.asarray(v), key) for key, v in document.arrays.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if document.functions:
        opsets.append(helper.make_opsetid(DOMAIN, 1))
    return helper.make_model(
        graph,
        ir_version=IR_VERSION,
        opset_imports=opsets,
        functions=list(document.functions.values()),
        producer_name="neurorobust",
    )


def batched(shape: Shape) -> tuple[Dim, ...]:
    """The shape of one sample with the batch before it."""
    return ("batch", *shape)
