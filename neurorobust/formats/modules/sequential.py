"""A chain of torch layers with our neurons → Graph."""

from torch import nn

from neurorobust.engine.layers import LI, LIF
from neurorobust.errors import InvalidInput, Unsupported
from neurorobust.formats.modules.layers import IDENTITIES, plain
from neurorobust.formats.reading import give
from neurorobust.ir import Graph, Header, Input, Node, Output, Shape
from neurorobust.ir.edges import chain_edges
from neurorobust.ir.ports import Readout


def from_sequential(
    layers: nn.Sequential, *, header: Header, input_shape: Shape, readout: Readout | None
) -> Graph:
    """Read weights, statistics and neurons as they are; nothing is folded.

    Nodes are named by kind and number in the chain: ``conv1``, ``lif2`` …. Without a readout,
    spikes are counted.

    Raises:
        InvalidInput: without a readout, if the last layer has no spikes.
        Unsupported: naming the first layer that has no node, or an option that would be lost.
    """
    nodes: dict[str, Node] = {"input": Input(shape=input_shape)}
    for index, layer in enumerate(layers):
        node = _node(f"layer {index} ({type(layer).__name__})", layer)
        if node is not None:
            count = sum(type(other) is type(node) for other in nodes.values())
            nodes[f"{node.kind.lower().removesuffix('2d')}{count + 1}"] = node
    if readout is None and not list(nodes.values())[-1].spiking:
        ask = give("readout", "last", "mean", "max", "count")
        raise InvalidInput(f"the last layer has no spikes; say how it becomes scores: {ask}")
    nodes["output"] = Output(readout=readout or "count")
    return Graph(header=header, nodes=nodes, edges=chain_edges(nodes))


def _node(label: str, layer: nn.Module) -> Node | None:
    if isinstance(layer, LIF | LI):
        return layer.node
    if isinstance(layer, IDENTITIES):
        return None
    if found := plain(label, layer):
        return found
    known = "Linear, Conv1d/2d, BatchNorm, AvgPool2d, MaxPool2d, Flatten, LIF, LI"
    raise Unsupported(f"{label}: has no node in a Graph; known are {known}")
