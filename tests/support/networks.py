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


def wired(edges, header=6, **nodes):
    """``edges`` as ``"a b c"`` for a chain, ``"a>2 b"`` for a delay of two steps.

    The input may be given by its shape; ``flat`` and ``output`` are made where edges name them.
    """
    if isinstance(nodes["input"], tuple):
        nodes["input"] = Input(shape=nodes["input"])
    named = " ".join(edges).split()
    for name, node in (("flat", Flatten()), ("output", Output())):
        if name in named:
            nodes.setdefault(name, node)
    made = []
    for source, target in (pair for line in edges for pair in pairwise(line.split())):
        name, _, delay = source.partition(">")
        made.append(Edge(name, target.partition(">")[0], int(delay or 0)))
    return Graph(header=_header(header), nodes=nodes, edges=tuple(made))
