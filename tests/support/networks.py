"""Small networks: nodes in a row, or as edges wire them."""

from itertools import pairwise

from neurorobust.ir import LI, Edge, Flatten, Graph, Header, Input, Output


def _header(header):
    return header if isinstance(header, Header) else Header(dt_s=1e-3, steps=header)


def stack(shape, header, *, readout=None, **nodes):
    """An input of this shape, the nodes one behind the other, and an output.

    ``header`` may be the number of steps alone. Unless told otherwise an LI behind all others
    is read out at its last step, and spikes are counted.
    """
    last = isinstance([*nodes.values()][-1], LI)
    output = Output(readout=readout or ("last" if last else "count"))
    return Graph.chain(_header(header), input=Input(shape=shape), **nodes, output=output)


def edges_of(lines):
    """``"a b c"`` is a chain, ``"a>2 b"`` a delay of two steps."""
    made = []
    for source, target in (pair for line in lines for pair in pairwise(line.split())):
        name, _, delay = source.partition(">")
        made.append(Edge(name, target.partition(">")[0], int(delay or 0)))
    return tuple(made)


def wired(edges, header=6, **nodes):
    """Nodes and ``edges_of`` these lines.

    The input may be given by its shape; ``flat`` and ``output`` are made where edges name them.
    """
    if isinstance(nodes["input"], tuple):
        nodes["input"] = Input(shape=nodes["input"])
    named = {word.partition(">")[0] for line in edges for word in line.split()}
    for name, node in (("flat", Flatten()), ("output", Output())):
        if name in named:
            nodes.setdefault(name, node)
    return Graph(header=_header(header), nodes=nodes, edges=edges_of(edges))
