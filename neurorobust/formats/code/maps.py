"""Maps without memory as torch layers."""

import numpy as np

from neurorobust import ir
from neurorobust.errors import Unsupported
from neurorobust.formats.code.piece import Piece
from neurorobust.formats.code.text import call, pair


def map_piece(name: str, identifier: str, node: ir.Node, shape: ir.Shape, x: str) -> Piece:
    """A layer of ``torch.nn``.

    Args:
        name: Of the node, for messages.
        identifier: In the generated code.
        node: Affine, Conv1d, Conv2d, BatchNorm, Pool2d or Flatten.
        shape: Of its input, without batch.
        x: Expression of its input.

    Raises:
        Unsupported: if torch has no layer for it.
    """
    if isinstance(node, ir.Flatten):
        inner = f"({x})" if " " in x else x
        return Piece(step=(f"{identifier} = {inner}.flatten(1)",), out=identifier)
    return Piece(
        make=(f"self.{identifier} = {_layer(name, node, shape)}",),
        step=(f"{identifier} = self.{identifier}({x})",),
        out=identifier,
        tensors={f"{identifier}.{key}": value for key, value in _state(node).items()},
    )


def _layer(name: str, node: ir.Node, shape: ir.Shape) -> str:
    match node:
        case ir.Affine():
            out, into = node.weight.shape
            return call("nn.Linear", str(into), str(out), **_no_bias(node.bias))
        case ir.Conv1d() | ir.Conv2d():
            options = {
                key: pair(value)
                for key, value, usual in (
                    ("stride", node.stride, 1),
                    ("padding", node.padding, 0),
                    ("dilation", node.dilation, 1),
                )
                if set(value) != {usual}
            }
            if node.groups > 1:
                options["groups"] = str(node.groups)
            out, into, *kernel = node.weight.shape
            kind = f"nn.Conv{len(kernel)}d"
            channels = str(into * node.groups), str(out), pair(tuple(kernel))
            return call(kind, *channels, **options, **_no_bias(node.bias))
        case ir.BatchNorm():
            if len(shape) > 3:
                msg = f"{name}: torch has no batch norm for {len(shape)} axes; fold it first"
                raise Unsupported(msg)
            kind = f"nn.BatchNorm{max(len(shape) - 1, 1)}d"
            return call(kind, str(len(node.mean)), eps=repr(node.eps))
        case ir.Pool2d():
            options = {"stride": pair(node.stride)} if node.stride != node.kernel else {}
            if any(node.padding):
                options["padding"] = pair(node.padding)
            if node.op == "sum":
                options["divisor_override"] = "1"
            kind = "nn.MaxPool2d" if node.op == "max" else "nn.AvgPool2d"
            return call(kind, pair(node.kernel), **options)
        case _:
            msg = f"{name}: a {node.kind} has no layer in torch; generated code holds {_KNOWN}"
            raise Unsupported(msg)


_KNOWN = "Affine, Conv1d, Conv2d, BatchNorm, Pool2d, Flatten, LIF and LI"


def _no_bias(bias: ir.Array | None) -> dict[str, str]:
    return {"bias": "False"} if bias is None else {}


def _state(node: ir.Node) -> dict[str, ir.Array]:
    if isinstance(node, ir.BatchNorm):
        named = {
            "running_mean": node.mean,
            "running_var": node.var,
            "weight": node.scale,
            "bias": node.shift,
        }
        counted: ir.Array = np.zeros((), np.int64)
        return {"num_batches_tracked": counted} | {k: _single(v) for k, v in named.items()}
    return {key: _single(value) for key, value in node.arrays().items()}


def _single(value: ir.Array) -> ir.Array:
    single: ir.Array = value.astype(np.float32)
    return single
