"""What a file says about itself: the model's description, and a digest of every part.

Works on ONNX's records without importing onnx.
"""

import hashlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from neurorobust.ir import Array, Model
from neurorobust.ir.identity import arrays_of, canonical_json, describe

KEY = "neurorobust"
"""Of the metadata that hold the model's description."""
FORMAT = 1
"""Of these metadata."""
DOMAIN = "ai.neurorobust"
"""Of the functions that a file brings with it."""
FUNCTIONS = frozenset({"LIF", "LI", "FixedLIF", "FixedTernaryLIF", "FixedLI"})
# fmt: off
OPERATORS = frozenset(
    {
        "Add", "And", "ArgMax", "AveragePool", "Cast", "CastLike", "Ceil", "Clip", "Concat",
        "Constant", "Conv", "Div", "Equal", "Expand", "Floor", "Gather", "Gemm", "Greater",
        "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "MatMul", "Max", "MaxPool",
        "Mod", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Range", "ReduceMax", "ReduceMean",
        "ReduceSum", "Reshape", "Round", "Scan", "Shape", "Slice", "Sqrt", "Squeeze", "Sub",
        "Transpose", "Unsqueeze", "Where",
    }
)
# fmt: on
"""Standard operators that the exporter writes."""


def metadata(
    model: Model, file: Any, used: Collection[str], *, form: str, precision: str
) -> dict[str, str]:
    """The metadata of a file that holds the model.

    Args:
        model: A Graph or Program.
        file: The ``ModelProto`` without metadata.
        used: Keys of the model's arrays that are initializers of the file.
        form: ``scan`` or ``step``.
        precision: ``double`` or ``single``.
    """
    beside = {k: as_json(v) for k, v in arrays_of(model).items() if k not in used}
    record = {
        "format": FORMAT,
        "form": form,
        "precision": precision,
        "model": describe(model),
        "content_hash": model.content_hash,
        "arrays": beside,
        "digests": dict(digests(file)),
    }
    return {KEY: canonical_json(record), f"{KEY}.content_hash": model.content_hash}


def digests(file: Any) -> Iterator[tuple[str, str]]:
    """SHA-256 of every part of a file, by a name that says where it is."""
    for tensor in file.graph.initializer:
        yield f"initializer {tensor.name}", _digest([tensor])
    for function in file.functions:
        form = f" ({function.overload})" if function.overload else ""
        yield f"function {function.name}{form}", _digest([function])
    for number, (where, node) in enumerate(nodes(file.graph)):
        bare = node
        if node.op_type == "Scan":
            (body,) = (a.g for a in node.attribute if a.name == "body")
            yield "ports of the steps", _digest([*body.input, *body.output])
            bare = type(node)()
            bare.CopyFrom(node)
            del bare.attribute[[a.name for a in node.attribute].index("body")]
        yield f"operator {node.name or number}{where}", _digest([bare])
    yield "ports of the network", _digest([*file.graph.input, *file.graph.output])


def nodes(graph: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """All operators of a graph and of the graphs within, with where they are."""
    for node in graph.node:
        yield where, node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes(attribute.g, " of a step")


def _digest(records: list[Any]) -> str:
    found = hashlib.sha256()
    for record in records:
        data = record.SerializeToString(deterministic=True)
        found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()


def as_json(value: Array) -> dict[str, Any]:
    """An array that no operator reads, without loss."""
    flat = value.reshape(-1).tolist()
    return {"dtype": str(value.dtype), "shape": list(value.shape), "values": flat}


def from_json(entry: dict[str, Any]) -> Array:
    """The array of ``as_json``."""
    return np.asarray(entry["values"], entry["dtype"]).reshape(entry["shape"])
